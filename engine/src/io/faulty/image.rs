//! What a power cut may leave: the states of the crash model, one after the other.
//!
//! A state is one choice per pending change, applied in order to what is durable. Likely states come first.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::super::memory::{FileNode, MemoryStorage, Node, NodeId, ROOT, Tree, overwrite};
use super::disk::{Disk, Pending, apply_to, with_earlier};

/// A disk tears writes between sectors of this many bytes, never inside one.
const SECTOR_BYTES: usize = 512;

/// Drawing again and again finds nothing new some day.
const DRAWS_PER_IMAGE: usize = 8;

/// What became of one pending change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Absent,
    Present,
    /// The length reached the disk and the bytes did not.
    Zeros,
    /// Only the bytes before this one did, and the file ends there.
    Prefix(usize),
    /// Only the bytes before this one and the whole length did.
    Padded(usize),
    /// Only the bytes from this one on did.
    Suffix(usize),
}

/// An iterator over the file systems that a crash may leave; made by
/// [`FaultyStorage::crashed_images`](super::FaultyStorage::crashed_images).
///
/// [`MemoryStorage::origin`] of each tells what was lost.
#[derive(Debug)]
pub struct CrashImages {
    disk: Disk,
    /// What could become of each pending change. Never empty; `Absent` is first, `Present` second.
    fates: Vec<Vec<Fate>>,
    live: Option<MemoryStorage>,
    /// How many of the states in order have been tried.
    tried: usize,
    /// Every combination, when they are few: the next one.
    combination: Option<Vec<usize>>,
    fingerprints: Fingerprints,
    seen: HashSet<u64>,
    random: u64,
    draws_left: usize,
    images_left: usize,
}

impl CrashImages {
    pub(super) fn new(disk: Disk, live: &MemoryStorage, seed: u64, limit: usize) -> Self {
        let fates: Vec<Vec<Fate>> = disk.pending.iter().map(fates).collect();
        let combinations = fates
            .iter()
            .try_fold(1usize, |product, fates| product.checked_mul(fates.len()))
            .filter(|product| *product <= limit);
        let combination = combinations.map(|_| vec![0; fates.len()]);
        Self {
            live: Some(live.deep_copy()),
            combination,
            fates,
            fingerprints: Fingerprints::new(&disk),
            disk,
            tried: 0,
            seen: HashSet::new(),
            random: seed,
            draws_left: limit.saturating_mul(DRAWS_PER_IMAGE),
            images_left: limit,
        }
    }

    /// The states nearest to what happened: nothing; all; bytes only; names only; then, per change, all up to it, all
    /// but it, it alone, and all up to it with itself torn.
    fn in_order(&mut self) -> Option<Vec<Fate>> {
        let number = self.tried;
        self.tried += 1;
        let count = self.fates.len();
        let all = |keep: &dyn Fn(usize) -> bool| {
            (0..count)
                .map(|i| if keep(i) { Fate::Present } else { Fate::Absent })
                .collect()
        };
        let is_data = |i: usize| self.disk.pending.get(i).is_some_and(|p| p.file().is_some());
        match number {
            0 => return Some(all(&|_| false)),
            1 => return Some(all(&|_| true)),
            2 => return Some(all(&|i| is_data(i))),
            3 => return Some(all(&|i| !is_data(i))),
            _ => {}
        }
        let number = number - 4;
        let (style, change) = (number / count.max(1), number % count.max(1));
        match style {
            _ if count == 0 => None,
            0 => Some(all(&|i| i <= change)),
            1 => Some(all(&|i| i != change)),
            2 => Some(all(&|i| i == change)),
            _ => {
                let torn = style - 1;
                let deepest = self.fates.iter().map(Vec::len).max().unwrap_or(0);
                let mut state: Vec<Fate> = all(&|i| i < change);
                if let Some(fate) = self.fates.get(change).and_then(|fates| fates.get(torn)) {
                    state[change] = *fate;
                }
                (torn < deepest).then_some(state)
            }
        }
    }

    /// The next of all combinations.
    fn counted(&mut self) -> Option<Vec<Fate>> {
        let digits = self.combination.as_mut()?;
        let state = digits
            .iter()
            .zip(&self.fates)
            .map(|(digit, fates)| fates[*digit])
            .collect();
        let done = digits.iter_mut().zip(&self.fates).all(|(digit, fates)| {
            *digit = (*digit + 1) % fates.len();
            *digit == 0
        });
        if done {
            self.combination = None;
            self.draws_left = 0;
        }
        Some(state)
    }

    /// A drawn one: nearly all, about half, or nearly none of the changes, some of them torn.
    fn drawn(&mut self) -> Option<Vec<Fate>> {
        self.draws_left = self.draws_left.checked_sub(1)?;
        let presence = [1, 4, 7][self.below(3)];
        let mut state = Vec::with_capacity(self.fates.len());
        for change in 0..self.fates.len() {
            let is_present = self.below(8) < presence;
            let is_torn = self.below(4) == 0;
            let among = self.fates.get(change).map_or(0, Vec::len);
            let fate = match (is_present, is_torn && among > 2) {
                (false, _) => 0,
                (true, false) => 1,
                (true, true) => 2 + self.below(among - 2),
            };
            state.push(self.fates[change][fate]);
        }
        Some(state)
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap_or(0)
    }

    /// The state with the changes to names that the present ones imply.
    fn with_implied(&self, mut state: Vec<Fate>) -> Vec<Fate> {
        let mut chosen: Vec<bool> = state.iter().map(|fate| *fate == Fate::Present).collect();
        with_earlier(&self.disk.pending, &mut chosen);
        for (fate, _) in state.iter_mut().zip(chosen).filter(|(_, chosen)| *chosen) {
            *fate = Fate::Present;
        }
        state
    }

    fn image(&self, state: &[Fate]) -> Tree {
        let mut names = self.disk.names.clone();
        let changes = || self.disk.pending.iter().zip(state);
        for (change, fate) in changes() {
            if *fate == Fate::Present {
                names.apply(change);
            }
        }
        let mut tree = Tree::default();
        let mut nodes = vec![ROOT];
        while let Some(id) = nodes.pop() {
            if let Some(entries) = names.entries(id) {
                nodes.extend(entries.values());
                tree.insert(id, Node::Directory(entries.clone()));
            } else {
                let content = self.content(id, changes());
                tree.insert(id, Node::File(Arc::new(FileNode::new(id, content))));
            }
        }
        tree
    }

    fn content<'a>(
        &self,
        file: NodeId,
        changes: impl Iterator<Item = (&'a Pending, &'a Fate)>,
    ) -> Arc<Vec<u8>> {
        let mut content = self.disk.files.get(&file).cloned().unwrap_or_default();
        for (change, fate) in changes.filter(|(change, _)| change.file() == Some(file)) {
            if *fate != Fate::Absent {
                apply_fate(Arc::make_mut(&mut content), change, *fate);
            }
        }
        content
    }

    /// What was lost, for the message of a failing test.
    fn origin(&self, state: &[Fate]) -> String {
        let lost = self.disk.pending.iter().zip(state).enumerate();
        let lost: Vec<String> = lost
            .filter(|(_, (_, fate))| **fate != Fate::Present)
            .map(|(number, (change, fate))| format!("{number} {fate:?}: {}", summary(change)))
            .collect();
        let pending = state.len();
        if lost.is_empty() {
            return format!("a power cut: all of {pending} pending changes on the disk");
        }
        format!(
            "a power cut: of {pending} pending changes not on the disk: {}",
            lost.join("; ")
        )
    }
}

impl Iterator for CrashImages {
    type Item = MemoryStorage;

    fn next(&mut self) -> Option<MemoryStorage> {
        if self.images_left == 0 {
            return None;
        }
        if let Some(live) = self.live.take() {
            self.images_left -= 1;
            let fingerprint = live.with_tree(|tree| self.fingerprints.of(tree));
            self.seen.insert(fingerprint);
            return Some(live.with_origin("the process was killed: everything it wrote is there"));
        }
        loop {
            let state = self
                .in_order()
                .or_else(|| self.counted())
                .or_else(|| self.drawn())?;
            let state = self.with_implied(state);
            let tree = self.image(&state);
            if self.seen.insert(self.fingerprints.of(&tree)) {
                self.images_left -= 1;
                return Some(MemoryStorage::from_tree(tree, &self.origin(&state)));
            }
        }
    }
}

/// What may become of a change.
fn fates(change: &Pending) -> Vec<Fate> {
    let mut fates = vec![Fate::Absent, Fate::Present];
    let Pending::Write { offset, bytes, .. } = change else {
        return fates;
    };
    fates.push(Fate::Zeros);
    let into_sector = usize::try_from(offset % SECTOR_BYTES as u64).unwrap_or(0);
    let first = SECTOR_BYTES - into_sector;
    let cuts: Vec<usize> = (first..bytes.len()).step_by(SECTOR_BYTES).collect();
    // Long writes: the ends and the middle stand for all.
    let chosen = match cuts.as_slice() {
        [head, _, .., tail] if cuts.len() > 3 => vec![*head, cuts[cuts.len() / 2], *tail],
        _ => cuts,
    };
    fates.extend(
        chosen
            .iter()
            .flat_map(|cut| [Fate::Prefix(*cut), Fate::Padded(*cut), Fate::Suffix(*cut)]),
    );
    fates
}

fn apply_fate(content: &mut Vec<u8>, change: &Pending, fate: Fate) {
    let applied = match (change, fate) {
        (Pending::Write { offset, bytes, .. }, Fate::Zeros) => extend(content, *offset, bytes.len()),
        (Pending::Write { offset, bytes, .. }, Fate::Prefix(cut)) => {
            overwrite(content, *offset, &bytes[..cut])
        }
        (Pending::Write { offset, bytes, .. }, Fate::Padded(cut)) => {
            extend(content, *offset, bytes.len()).and_then(|()| overwrite(content, *offset, &bytes[..cut]))
        }
        (Pending::Write { offset, bytes, .. }, Fate::Suffix(cut)) => {
            overwrite(content, *offset + cut as u64, &bytes[cut..])
        }
        _ => apply_to(content, change),
    };
    applied.expect("the change was applied to the live file before, so memory can hold it");
}

/// Makes the file as long as a write of `len` bytes at `offset` would; new bytes are zeros.
fn extend(content: &mut Vec<u8>, offset: u64, len: usize) -> crate::error::Result<()> {
    let end = offset + len as u64;
    if (content.len() as u64) < end {
        overwrite(content, end - 1, &[0])
    } else {
        Ok(())
    }
}

fn summary(change: &Pending) -> String {
    match change {
        Pending::Write { file, offset, bytes } => {
            format!("write {} bytes at {offset} into file {file}", bytes.len())
        }
        Pending::Truncate { file, len } => format!("truncate file {file} to {len}"),
        Pending::Link { slot, id } => format!("name {:?} of new {id}", slot.1),
        Pending::Unlink { slot, id } => format!("removal of {:?} ({id})", slot.1),
        Pending::Rename { from, to, id } => {
            format!("rename of {id} from {:?} to {:?}", from.1, to.1)
        }
    }
}

/// Fingerprints of file systems: equal when a reader cannot tell them apart, but for the numbers of their nodes.
#[derive(Debug)]
struct Fingerprints {
    /// Of the durable contents, by address; [`CrashImages::disk`] keeps them alive. Most files of an image are these.
    durable: HashMap<usize, u64>,
}

// An address is only compared here, never followed.
fn address(content: &Arc<Vec<u8>>) -> usize {
    Arc::as_ptr(content).addr()
}

impl Fingerprints {
    fn new(disk: &Disk) -> Self {
        let of = |content: &Arc<Vec<u8>>| (address(content), Self::of_bytes(content));
        Self {
            durable: disk.files.values().map(of).collect(),
        }
    }

    fn of_bytes(bytes: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        hasher.finish()
    }

    fn of(&self, tree: &Tree) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.visit(tree, ROOT, &mut hasher);
        hasher.finish()
    }

    fn visit(&self, tree: &Tree, id: NodeId, hasher: &mut DefaultHasher) {
        match tree.node(id) {
            Some(Node::File(file)) => {
                let content = file.content();
                let known = self.durable.get(&address(&content)).copied();
                (0u8, known.unwrap_or_else(|| Self::of_bytes(&content))).hash(hasher);
            }
            Some(Node::Directory(entries)) => {
                (1u8, entries.len()).hash(hasher);
                for (name, child) in entries {
                    name.hash(hasher);
                    self.visit(tree, *child, hasher);
                }
            }
            None => 2u8.hash(hasher),
        }
    }
}
