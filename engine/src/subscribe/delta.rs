//! What was committed between a position and a snapshot, commit by commit.
//!
//! Sources are opened when their first commit is reached and let go after their last one, so that what is in memory
//! is as much as overlaps in commit time: the partitions of one flush.

use std::collections::{BTreeMap, VecDeque};

use gapless_format::{SegmentOrigin, SegmentRef};

use super::position::{Partial, Reached};
use super::source::{CommitKey, Cursor, Part, Source};
use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::manifest::{TableState, Version};
use crate::segment::SegmentCache;

/// Commits that are not delivered yet.
#[derive(Debug)]
pub(super) struct Delta {
    /// By first commit.
    waiting: VecDeque<Source>,
    open: Vec<Cursor>,
    pending: Option<Commit>,
    /// Behind all of them.
    end: Reached,
    /// Newest commit of each stream that has something here.
    limits: BTreeMap<u64, i64>,
}

/// A commit of which rows are left.
#[derive(Debug)]
struct Commit {
    key: CommitKey,
    version: Option<u64>,
    parts: VecDeque<Part>,
    total: u64,
    delivered: u64,
}

/// Rows to deliver at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) parts: Vec<Part>,
    pub(super) commits: Option<(i64, i64)>,
}

impl Delta {
    /// What a snapshot has of a table that is not at a position.
    pub(super) fn new(snapshot: &Snapshot, from: &Reached, table: &TableState) -> Result<Self> {
        let mut sources = Vec::new();
        let version = snapshot.version();
        if version.number() > from.version {
            let removed = version.removed().map(|removed| &removed.segment);
            let removed = removed.filter(|segment| segment.table == from.table);
            let after = |stream: u64| from.delivered_of(stream);
            let new = |segment: &SegmentRef| segment.created > from.version;
            let live = table.segments().filter(|segment| new(segment)).cloned();
            let removed = removed
                .filter(|segment| new(segment))
                .map(|segment| segment.clone().into());
            sources.extend(
                live.chain(removed)
                    .filter_map(|segment| Source::of_segment(&segment, after)),
            );
        }
        let blocks = snapshot.live().blocks_by_stream(from.table)?;
        for ((stream, block), number) in blocks.iter().zip(0..) {
            sources.extend(Source::of_block(
                block,
                *stream,
                from.delivered_of(*stream),
                number,
            )?);
        }
        sources.sort_by_key(|source| (source.key(), source.rank.0));
        let mut end = Reached::end_of(snapshot, from.table);
        end.partial = from.partial;
        let mut limits = end.streams.clone();
        for source in sources.iter().filter(|source| source.version.is_none()) {
            let limit = limits.entry(source.stream).or_insert(source.last_commit);
            *limit = source.last_commit.max(*limit);
        }
        Ok(Self {
            waiting: sources.into(),
            open: Vec::new(),
            pending: None,
            end,
            limits,
        })
    }

    /// Behind everything.
    pub(super) fn end(&self) -> Result<Reached> {
        match self.end.partial {
            None => Ok(self.end.clone()),
            Some(partial) => Err(Error::conflict(format!(
                "the rest of the commit {} cannot be found: it was rewritten since the position was saved. Subscribe \
                 from the beginning, or scan the table",
                partial.commit
            ))),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.pending.is_none() && self.waiting.is_empty() && self.open.is_empty()
    }

    /// The next commits, about `rows` rows of them; `at` moves behind them.
    pub(super) fn take(
        &mut self,
        cache: &SegmentCache,
        table: &str,
        rows: usize,
        at: &mut Reached,
    ) -> Result<Taken> {
        let mut taken = Taken::default();
        let mut left = rows;
        while left > 0 {
            let Some(commit) = self.next_commit(cache, table)? else {
                break;
            };
            let commit_left = usize::try_from(commit.total - commit.delivered).unwrap_or(usize::MAX);
            if commit_left > left && left < rows {
                self.pending = Some(commit);
                break; // Only a commit that is too large alone is split.
            }
            left -= commit_left.min(left);
            // While a commit is known of which the rest is still to come, no other one is split.
            let rows = if self.end.partial.is_some() {
                commit_left
            } else {
                rows
            };
            self.take_from(commit, commit_left.min(rows), &mut taken, at);
        }
        if self.is_done() {
            *at = self.end()?;
        }
        Ok(taken)
    }

    fn take_from(&mut self, mut commit: Commit, mut rows: usize, taken: &mut Taken, at: &mut Reached) {
        let first = taken.commits.map_or(commit.key.0, |(first, _)| first);
        taken.commits = Some((first, commit.key.0));
        while rows > 0
            && let Some(part) = commit.parts.front_mut()
        {
            let front = part.split_front(rows);
            rows -= front.len();
            commit.delivered += front.len() as u64;
            taken.parts.push(front);
            if part.len() == 0 {
                commit.parts.pop_front();
            }
        }
        if commit.parts.is_empty() {
            self.move_behind(&commit, at);
        } else {
            at.partial = Some(Partial {
                commit: commit.key.0,
                stream: commit.key.1,
                delivered: commit.delivered,
                total: commit.total,
            });
            self.pending = Some(commit);
        }
    }

    /// Everything up to a commit is delivered.
    fn move_behind(&mut self, commit: &Commit, at: &mut Reached) {
        let (time, last_stream) = commit.key;
        if at
            .partial
            .is_some_and(|partial| (partial.commit, partial.stream) == commit.key)
        {
            at.partial = None;
        }
        if let Some(version) = commit.version.filter(|version| *version > at.version) {
            // What older versions have added was committed before this one.
            (at.version, at.committed_at) = (version, time);
        }
        for (stream, limit) in &self.limits {
            let reached = if *stream <= last_stream {
                time
            } else {
                time.saturating_sub(1)
            };
            let delivered = at.streams.entry(*stream).or_insert(i64::MIN);
            *delivered = (*delivered).max(reached.min(*limit));
        }
    }

    /// The oldest commit that is left, from all sources that have rows of it.
    fn next_commit(&mut self, cache: &SegmentCache, table: &str) -> Result<Option<Commit>> {
        if let Some(commit) = self.pending.take() {
            return Ok(Some(commit));
        }
        while let Some(source) = self.waiting.front() {
            let oldest = self.open.iter().filter_map(Cursor::key).min();
            if oldest.is_some_and(|oldest| oldest < source.key()) {
                break;
            }
            if let Some(source) = self.waiting.pop_front() {
                let cursor = source.open(cache, table)?;
                let at = self.open.partition_point(|other| other.rank <= cursor.rank);
                self.open.insert(at, cursor);
            }
        }
        let Some(key) = self.open.iter().filter_map(Cursor::key).min() else {
            self.open.clear();
            return Ok(None);
        };
        let mut version = None;
        let mut parts = VecDeque::new();
        for cursor in self.open.iter_mut().filter(|cursor| cursor.key() == Some(key)) {
            version = version.or(cursor.version);
            parts.extend(cursor.take());
        }
        self.open.retain(|cursor| cursor.key().is_some());
        let commit = Commit {
            key,
            version,
            total: parts.iter().map(|part| part.len() as u64).sum(),
            parts,
            delivered: 0,
        };
        self.without_delivered(commit).map(Some)
    }

    /// Leaves out what was delivered of a commit before the position was saved.
    fn without_delivered(&mut self, mut commit: Commit) -> Result<Commit> {
        let partial = self
            .end
            .partial
            .filter(|partial| (partial.commit, partial.stream) == commit.key);
        let Some(partial) = partial else { return Ok(commit) };
        if partial.total != commit.total || partial.delivered >= partial.total {
            return self.end().map(|_| commit);
        }
        self.end.partial = None;
        commit.delivered = partial.delivered;
        let mut skip = usize::try_from(partial.delivered).unwrap_or(usize::MAX);
        while skip > 0
            && let Some(part) = commit.parts.front_mut()
        {
            skip -= part.split_front(skip).len();
            if part.len() == 0 {
                commit.parts.pop_front();
            }
        }
        Ok(commit)
    }
}

/// Refuses a position behind which rows were compacted whose segments have gone: they cannot be told from older ones.
///
/// Segments go in the order in which they were removed, but for those that a named snapshot keeps.
pub(super) fn check_resumable(version: &Version, from: &Reached, table: &TableState) -> Result<()> {
    let horizon = from.horizon();
    let compacted: BTreeMap<u64, u64> = table
        .segments()
        .map(|segment| &**segment)
        .chain(version.removed().map(|removed| &removed.segment))
        .filter(|segment| segment.table == from.table && segment.origin == SegmentOrigin::Compaction)
        .filter(|segment| segment.created > from.version && segment.last_commit > horizon)
        .fold(BTreeMap::new(), |mut rows, segment| {
            *rows.entry(segment.created).or_default() += segment.rows;
            rows
        });
    for (created, rows) in compacted {
        let inputs = version
            .removed()
            .filter(|removed| removed.removed == created && removed.segment.table == from.table);
        let inputs: u64 = inputs.map(|removed| removed.segment.rows).sum();
        let mut unpinned = version.removed().filter(|removed| {
            removed.removed <= created
                && version
                    .snapshots()
                    .all(|(_, number)| !(removed.segment.created <= number && number < removed.removed))
        });
        if inputs < rows || unpinned.next().is_none() {
            return Err(Error::conflict(format!(
                "table {:?}: rows that were committed after the position have been compacted, and the segments that \
                 tell them from older ones are gone. Subscribe from the beginning, or scan the table",
                table.meta().name
            )));
        }
    }
    Ok(())
}
