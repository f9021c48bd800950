//! Where rows come from that were not delivered yet: a segment, or a block of streamed rows.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use gapless_format::{PartitionKey, SegmentOrigin, SegmentRef};

use crate::error::{Error, Result};
use crate::memtable::Block;
use crate::scan::{Chunk, Piece, Rows};
use crate::segment::{Segment, SegmentCache};

/// Commits in their order: by time, and by stream where two have the same. A bulk commit stands before all streams.
pub(super) type CommitKey = (i64, u64);

/// Stream of what no stream has written.
pub(super) const BULK: u64 = 0;

/// Rows of some commits of one stream, or of one bulk commit, in one partition.
#[derive(Debug)]
pub(super) struct Source {
    place: Place,
    pub(super) stream: u64,
    /// Version of a bulk commit.
    pub(super) version: Option<u64>,
    pub(super) first_commit: i64,
    pub(super) last_commit: i64,
    /// Only commits after this one are new.
    after: i64,
    rows: u64,
    /// The order among sources of one commit: the same whenever it is read.
    pub(super) rank: (i64, PartitionKey, u64),
}

#[derive(Debug)]
enum Place {
    File(Arc<SegmentRef>),
    Memory(Arc<Block>),
}

impl Source {
    /// What is new in a segment; `None` when there is nothing.
    pub(super) fn of_segment(segment: &Arc<SegmentRef>, after: impl Fn(u64) -> i64) -> Option<Self> {
        let (stream, after) = match segment.origin {
            SegmentOrigin::Bulk => (BULK, i64::MIN),
            SegmentOrigin::Flush => (segment.stream, after(segment.stream)),
            SegmentOrigin::Compaction => return None,
        };
        (segment.last_commit > after || stream == BULK).then(|| Self {
            place: Place::File(Arc::clone(segment)),
            stream,
            version: (stream == BULK).then_some(segment.created),
            first_commit: segment.first_commit,
            last_commit: segment.last_commit,
            after,
            rows: segment.rows,
            rank: (segment.partition.start, segment.partition, segment.segment),
        })
    }

    /// What is new in a block of streamed rows; `None` when there is nothing.
    pub(super) fn of_block(block: &Arc<Block>, stream: u64, after: i64, number: u64) -> Result<Option<Self>> {
        let block = block.after(after)?;
        Ok(block.map(|block| Self {
            stream,
            version: None,
            first_commit: block.first_commit(),
            last_commit: block.last_commit(),
            after,
            rows: block.rows() as u64,
            rank: (block.partition.start, block.partition, number),
            place: Place::Memory(block),
        }))
    }

    /// The first commit, as far as it is known before the rows are looked at.
    pub(super) fn key(&self) -> CommitKey {
        (self.first_commit, self.stream)
    }

    /// Finds the rows of each commit.
    pub(super) fn open(self, cache: &SegmentCache, table: &str) -> Result<Cursor> {
        let rows = u32::try_from(self.rows).map_err(|_| Error::internal("2^32 rows in one segment"))?;
        let held = Held {
            place: self.place,
            segment: OnceLock::new(),
            order: None,
        };
        if self.first_commit == self.last_commit {
            return Ok(Cursor {
                runs: [(self.first_commit, 0..rows)].into(),
                held: Arc::new(held),
                stream: self.stream,
                version: self.version,
                rank: self.rank,
            });
        }
        let segment = held.segment(cache, table)?;
        let commits = segment.commits(cache, 0..rows as usize)?.ok_or_else(|| {
            Error::corrupt(format!(
                "segment {} of table {table:?} has rows of several commits and does not say which",
                segment.reference().directory
            ))
        })?;
        let (order, runs) = by_commit(&commits, self.after);
        Ok(Cursor {
            held: Arc::new(Held {
                order: Some(order),
                ..held
            }),
            stream: self.stream,
            version: self.version,
            rank: self.rank,
            runs,
        })
    }
}

/// Rows by commit, and in the order in which they lie inside of each; the commits with their places in that order.
fn by_commit(commits: &[i64], after: i64) -> (Vec<u32>, VecDeque<(i64, Range<u32>)>) {
    let rows = commits.iter().zip(0_u32..);
    let mut rows: Vec<(i64, u32)> = rows
        .filter(|(commit, _)| **commit > after)
        .map(|(commit, row)| (*commit, row))
        .collect();
    rows.sort_unstable();
    let mut runs = VecDeque::new();
    let mut start = 0;
    for run in rows.chunk_by(|a, b| a.0 == b.0) {
        let end = start + u32::try_from(run.len()).unwrap_or(u32::MAX);
        runs.extend(run.first().map(|(commit, _)| (*commit, start..end)));
        start = end;
    }
    (rows.into_iter().map(|(_, row)| row).collect(), runs)
}

/// A source whose commits are known, delivered up to some commit.
#[derive(Debug)]
pub(super) struct Cursor {
    held: Arc<Held>,
    pub(super) stream: u64,
    pub(super) version: Option<u64>,
    pub(super) rank: (i64, PartitionKey, u64),
    runs: VecDeque<(i64, Range<u32>)>,
}

impl Cursor {
    /// The next commit; `None` when all are delivered.
    pub(super) fn key(&self) -> Option<CommitKey> {
        self.runs.front().map(|(commit, _)| (*commit, self.stream))
    }

    /// The rows of the next commit.
    pub(super) fn take(&mut self) -> Option<Part> {
        let (_, rows) = self.runs.pop_front()?;
        Some(Part {
            held: Arc::clone(&self.held),
            rows,
        })
    }
}

#[derive(Debug)]
struct Held {
    place: Place,
    segment: OnceLock<Arc<Segment>>,
    /// Rows by commit; `None` when they are all of one.
    order: Option<Vec<u32>>,
}

impl Held {
    fn segment(&self, cache: &SegmentCache, table: &str) -> Result<Arc<Segment>> {
        if let Some(segment) = self.segment.get() {
            return Ok(Arc::clone(segment));
        }
        let segment = match &self.place {
            Place::File(reference) => cache
                .segment(table, reference)
                .map_err(|error| error.context(format!("table {table:?}")))?,
            Place::Memory(block) => block.segment()?,
        };
        Ok(Arc::clone(self.segment.get_or_init(|| segment)))
    }
}

/// Rows of one commit in one source.
#[derive(Debug)]
pub(super) struct Part {
    held: Arc<Held>,
    rows: Range<u32>,
}

impl Part {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes some rows off the front.
    pub(super) fn split_front(&mut self, rows: usize) -> Self {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let at = self.rows.start.saturating_add(rows).min(self.rows.end);
        let front = self.rows.start..at;
        self.rows.start = at;
        Self {
            held: Arc::clone(&self.held),
            rows: front,
        }
    }

    /// Whether its rows lie in their segment as they are delivered.
    fn is_range(&self) -> bool {
        self.held.order.is_none()
    }

    /// The rows, by their number in the segment.
    fn numbers(&self) -> Vec<u32> {
        match &self.held.order {
            None => self.rows.clone().collect(),
            Some(order) => {
                let range = self.rows.start as usize..self.rows.end as usize;
                order.get(range).unwrap_or_default().to_vec()
            }
        }
    }
}

/// Parts that are more than this are gathered row by row instead of being joined as slices.
const SLICES_MAX: usize = 64;

/// Parts as a scan's output takes them.
pub(super) fn chunks(parts: &[Part], cache: &SegmentCache, table: &str) -> Result<Vec<Chunk>> {
    if parts.len() <= SLICES_MAX && parts.iter().all(Part::is_range) {
        let slice = |part: &Part| {
            Ok(Chunk::Slice(Piece {
                segment: part.held.segment(cache, table)?,
                rows: Rows::Range(part.rows.clone()),
            }))
        };
        return parts.iter().map(slice).collect();
    }
    let mut held: Vec<(Arc<Held>, Range<u32>)> = Vec::new();
    let mut picks: Vec<(u32, u32)> = Vec::new();
    for part in parts {
        let known = held.iter().rposition(|(known, _)| Arc::ptr_eq(known, &part.held));
        let at = known.unwrap_or(held.len());
        if known.is_none() {
            let nothing = Range {
                start: u32::MAX,
                end: 0,
            };
            held.push((Arc::clone(&part.held), nothing));
        }
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let rows = part.numbers();
        if let Some((_, span)) = held.get_mut(at) {
            span.start = rows.iter().copied().fold(span.start, u32::min);
            span.end = rows.iter().copied().fold(span.end, |end, row| end.max(row + 1));
        }
        picks.extend(rows.into_iter().map(|row| (number, row)));
    }
    for (piece, row) in &mut picks {
        *row -= held.get(*piece as usize).map_or(0, |(_, span)| span.start);
    }
    let pieces = held
        .into_iter()
        .map(|(held, span)| {
            Ok(Piece {
                segment: held.segment(cache, table)?,
                rows: Rows::Range(span),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(vec![Chunk::Picks(pieces, picks)])
}
