//! The rows of one log file, by table and partition.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use gapless_format::{Coverage, CoverageKey, Deletion, PartitionKey, PartitionUnit, TableMeta};
use parking_lot::RwLock;

use super::block::{Block, StreamColumn, array_bytes};
use crate::coverage::{CoverageMap, CoverageRange};
use crate::error::Result;

/// This many blocks of about the same size become one.
const JOIN_BLOCKS: usize = 8;
/// Blocks are not joined beyond this many rows: the copy is what an append may have to wait for.
const JOIN_ROWS_MAX: usize = 64 * 1024;
/// A pause follows each block of so many bytes that is freed.
const RELEASE_BYTES: usize = 64 * 1024;
const RELEASE_PAUSE: Duration = Duration::from_micros(100);

/// Rows of one table in one commit, split by partition.
#[derive(Debug, Clone)]
pub(crate) struct StreamRows {
    pub(crate) table: Arc<TableMeta>,
    pub(crate) parts: Vec<(PartitionKey, Vec<StreamColumn>)>,
}

impl StreamRows {
    /// Memory that its blocks will take.
    pub(crate) fn memory_bytes(&self) -> usize {
        let columns = self.parts.iter().flat_map(|(_, columns)| columns);
        columns.map(|column| array_bytes(&column.array)).sum()
    }
}

/// Streamed rows in memory.
#[derive(Debug)]
pub(crate) struct Memtable {
    /// LSN of its first record, which begins its log file.
    start_lsn: u64,
    bytes: AtomicUsize,
    last_commit: AtomicI64,
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    parts: BTreeMap<(u32, PartitionUnit, i64), Part>,
    deletions: Vec<Arc<Deletion>>,
    coverage: CoverageMap,
}

/// What is known of ranges, in one commit.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    pub(crate) coverage: Vec<Coverage>,
    /// Neighbours that were committed after this may become one: nobody has a commit between theirs.
    pub(crate) join_after: i64,
}

#[derive(Debug)]
struct Part {
    blocks: Vec<Arc<Block>>,
    min_time: i64,
    max_time: i64,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            min_time: i64::MAX,
            max_time: i64::MIN,
        }
    }
}

impl Memtable {
    pub(crate) fn new(start_lsn: u64) -> Self {
        Self {
            start_lsn,
            bytes: AtomicUsize::new(0),
            last_commit: AtomicI64::new(i64::MIN),
            content: RwLock::default(),
        }
    }

    /// Frees its rows bit by bit, if nobody reads them any more. Hundreds of megabytes at once would keep the allocator to
    /// themselves, while somebody else who appends a row waits for a few bytes.
    pub(crate) fn release(memtable: Arc<Self>) {
        let Some(memtable) = Arc::into_inner(memtable) else {
            return; // The last reader does it.
        };
        let parts = memtable.content.into_inner().parts;
        for block in parts.into_values().flat_map(|part| part.blocks) {
            let pause = block.bytes() >= RELEASE_BYTES;
            drop(block);
            if pause {
                std::thread::sleep(RELEASE_PAUSE);
            }
        }
    }

    pub(crate) fn start_lsn(&self) -> u64 {
        self.start_lsn
    }

    /// Memory that its rows take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.last_commit.load(Ordering::Acquire) == i64::MIN
    }

    /// Time of the newest commit in it.
    pub(crate) fn last_commit(&self) -> i64 {
        self.last_commit.load(Ordering::Acquire)
    }

    /// Takes one commit. Commits come in their order, by one thread at a time.
    pub(crate) fn apply(
        &self,
        commit: i64,
        rows: Vec<StreamRows>,
        deletions: Vec<Deletion>,
        statements: Statements,
    ) -> Result<()> {
        let mut blocks = Vec::new();
        for of_table in rows {
            for (key, columns) in of_table.parts {
                blocks.push(Arc::new(Block::of_commit(&of_table.table, key, columns, commit)?));
            }
        }
        let mut content = self.content.write();
        for block in blocks {
            self.bytes.fetch_add(block.bytes(), Ordering::Relaxed);
            let key = (block.table.table, block.partition.unit, block.partition.start);
            content.parts.entry(key).or_default().push(block)?;
        }
        self.bytes.fetch_add(
            deletions.iter().map(deletion_bytes).sum::<usize>(),
            Ordering::Relaxed,
        );
        content.deletions.extend(deletions.into_iter().map(Arc::new));
        for coverage in statements.coverage {
            let key = CoverageKey {
                series: coverage.series,
                interval: coverage.interval,
            };
            let (table, range) = (coverage.table, CoverageRange::committed(coverage, commit));
            let bytes = content
                .coverage
                .cover(table, key, range, Some(statements.join_after));
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.last_commit.store(commit, Ordering::Release);
        Ok(())
    }

    /// What is known of ranges, and the commit up to which.
    pub(crate) fn coverage(&self) -> (CoverageMap, i64) {
        let content = self.content.read();
        (content.coverage.clone(), self.last_commit())
    }

    /// The blocks of a table that may have rows of a time range, committed at `upto` or before.
    pub(crate) fn blocks(&self, table: u32, time: &Range<i64>, upto: i64) -> Result<Vec<Arc<Block>>> {
        let content = self.content.read();
        let first = (table, PartitionUnit::ALL[0], i64::MIN);
        let mut found = Vec::new();
        for (_, part) in content
            .parts
            .range(first..)
            .take_while(|((id, _, _), _)| *id == table)
        {
            if part.max_time < time.start || (part.min_time >= time.end && time.end != i64::MAX) {
                continue;
            }
            for block in &part.blocks {
                let overlaps =
                    block.max_time >= time.start && (block.min_time < time.end || time.end == i64::MAX);
                if overlaps && block.first_commit() <= upto {
                    found.push(Arc::clone(block));
                }
            }
        }
        drop(content);
        found
            .into_iter()
            .filter_map(|block| block.until(upto).transpose())
            .collect()
    }

    /// All blocks, by table and partition.
    pub(crate) fn all_blocks(&self) -> Vec<(u32, PartitionKey, Vec<Arc<Block>>)> {
        let content = self.content.read();
        content
            .parts
            .iter()
            .map(|((table, unit, start), part)| {
                let key = PartitionKey {
                    unit: *unit,
                    start: *start,
                };
                (*table, key, part.blocks.clone())
            })
            .collect()
    }

    /// Whether it has rows or deletions of some tables.
    pub(crate) fn has_any(&self, tables: &[u32]) -> bool {
        let content = self.content.read();
        content.parts.keys().any(|(table, _, _)| tables.contains(table))
            || content
                .deletions
                .iter()
                .any(|deletion| tables.contains(&deletion.table))
    }

    /// How many deletions it has.
    pub(crate) fn deletion_count(&self) -> usize {
        self.content.read().deletions.len()
    }

    /// The deletions that were committed at `upto` or before.
    pub(crate) fn deletions(&self, upto: i64) -> Vec<Arc<Deletion>> {
        let content = self.content.read();
        let seen = content
            .deletions
            .iter()
            .filter(|deletion| deletion.commit <= upto);
        seen.cloned().collect()
    }
}

/// Memory that a deletion takes.
pub(crate) fn deletion_bytes(deletion: &Deletion) -> usize {
    size_of::<Deletion>()
        + deletion
            .series
            .as_ref()
            .map_or(0, |codes| codes.len() * size_of::<u32>())
}

impl Part {
    /// Appends a block and joins small ones, so that the number of blocks stays small and each row is copied a few
    /// times at most.
    fn push(&mut self, block: Arc<Block>) -> Result<()> {
        self.min_time = self.min_time.min(block.min_time);
        self.max_time = self.max_time.max(block.max_time);
        self.blocks.push(block);
        while let Some(first) = self.joinable() {
            let joined = Block::joined(self.blocks.get(first..).unwrap_or_default())?;
            self.blocks.truncate(first);
            self.blocks.push(Arc::new(joined));
        }
        Ok(())
    }

    /// Where the last blocks begin that are to become one: enough of them that none is much larger than the others.
    fn joinable(&self) -> Option<usize> {
        let first = self.blocks.len().checked_sub(JOIN_BLOCKS)?;
        let tail = self.blocks.get(first..)?;
        let (oldest, newest) = (tail.first()?, tail.last()?);
        let rows: usize = tail.iter().map(|block| block.rows()).sum();
        let alike = tail
            .iter()
            .all(|block| block.rows() <= JOIN_BLOCKS * newest.rows().max(1));
        (rows <= JOIN_ROWS_MAX && alike && tail.iter().all(|block| oldest.joins(block))).then_some(first)
    }
}
