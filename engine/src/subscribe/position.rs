//! How far a subscription has come.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::database::Snapshot;
use crate::error::{Error, Result};

/// Marks the text of a position, with the version of its form.
const MARK: &str = "gp1";
const BEGINNING: &str = "beginning";

/// How far a subscription has come: everything before it was delivered, nothing after it.
///
/// It is opaque. Its text can be stored and parsed again, in this process or another.
///
/// ```
/// use gapless_engine::Position;
///
/// let position: Position = Position::beginning().to_string().parse()?;
/// assert_eq!(position, Position::beginning());
/// assert!("nonsense".parse::<Position>().is_err());
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Position(pub(super) Option<Reached>);

/// A position that is not the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reached {
    /// Of which database, shortened.
    pub(super) database: u64,
    /// Id of the table.
    pub(super) table: u32,
    /// Segments of this version and of older ones are delivered, but for what `replay` says.
    pub(super) version: u64,
    /// When that version was committed.
    pub(super) committed_at: i64,
    /// Newest commit that was delivered, by stream. What a stream that is not here holds is new.
    pub(super) streams: BTreeMap<u64, i64>,
    /// How much of the version's rows is delivered, if not all.
    pub(super) replay: Option<ReplayAt>,
    /// A commit of which only the first rows are delivered.
    pub(super) partial: Option<Partial>,
}

/// A place in the rows of a version as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ReplayAt {
    /// Segments that are delivered whole.
    pub(super) segments: u64,
    /// Rows of the next one.
    pub(super) row: u64,
    /// Rows of all.
    pub(super) total: u64,
}

/// A place inside of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Partial {
    pub(super) commit: i64,
    pub(super) stream: u64,
    pub(super) delivered: u64,
    pub(super) total: u64,
}

impl Position {
    /// Before the first row.
    #[must_use]
    pub fn beginning() -> Self {
        Self::default()
    }

    /// Behind everything that a snapshot has of a table.
    pub(crate) fn behind(snapshot: &Snapshot, table: u32) -> Self {
        Self(Some(Reached::end_of(snapshot, table)))
    }
}

impl Reached {
    /// Behind everything that a snapshot holds.
    pub(super) fn end_of(snapshot: &Snapshot, table: u32) -> Self {
        let mut reached = Self::flushed_of(snapshot, table);
        for (stream, newest) in snapshot.live().newest_by_stream() {
            let delivered = reached.streams.entry(stream).or_insert(newest);
            *delivered = newest.max(*delivered);
        }
        reached
    }

    /// Behind the segments of a snapshot's version, before what is streamed.
    pub(super) fn flushed_of(snapshot: &Snapshot, table: u32) -> Self {
        let version = snapshot.version();
        Self {
            database: short_id(snapshot.engine().database()),
            table,
            version: version.number(),
            committed_at: version.committed_at(),
            streams: version
                .streams()
                .map(|meta| (meta.stream, meta.flushed))
                .collect(),
            replay: None,
            partial: None,
        }
    }

    /// The newest commit of a stream that is delivered.
    pub(super) fn delivered_of(&self, stream: u64) -> i64 {
        self.streams.get(&stream).copied().unwrap_or(i64::MIN)
    }

    /// Every commit up to this time is delivered.
    pub(super) fn horizon(&self) -> i64 {
        let oldest = self.streams.values().copied().min();
        oldest.map_or(self.committed_at, |oldest| oldest.min(self.committed_at))
    }
}

/// A database's id, short enough for a position. It tells databases apart; it is no proof.
pub(super) fn short_id(database: u128) -> u64 {
    gapless_format::checksum(&database.to_le_bytes())
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = &self.0 else {
            return f.write_str(BEGINNING);
        };
        write!(
            f,
            "{MARK}.{:016x}.{}.{}.{}",
            at.database, at.table, at.version, at.committed_at
        )?;
        if let Some(replay) = at.replay {
            write!(f, ".r{}:{}:{}", replay.segments, replay.row, replay.total)?;
        }
        if let Some(partial) = at.partial {
            write!(
                f,
                ".c{}:{:016x}:{}:{}",
                partial.commit, partial.stream, partial.delivered, partial.total
            )?;
        }
        at.streams
            .iter()
            .try_for_each(|(stream, commit)| write!(f, ".s{stream:016x}:{commit}"))
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text == BEGINNING {
            return Ok(Self::beginning());
        }
        let wrong = || Error::invalid(format!("{text:?} is not a position of a subscription"));
        parse(text).map(|reached| Self(Some(reached))).ok_or_else(wrong)
    }
}

fn parse(text: &str) -> Option<Reached> {
    let mut parts = text.strip_prefix(MARK)?.strip_prefix('.')?.split('.');
    let mut reached = Reached {
        database: hex(parts.next()?)?,
        table: parts.next()?.parse().ok()?,
        version: parts.next()?.parse().ok()?,
        committed_at: parts.next()?.parse().ok()?,
        streams: BTreeMap::new(),
        replay: None,
        partial: None,
    };
    for part in parts {
        let (kind, fields) = part.split_at_checked(1)?;
        let fields: Vec<&str> = fields.split(':').collect();
        match (kind, fields.as_slice()) {
            ("r", [segments, row, total]) => {
                reached.replay = Some(ReplayAt {
                    segments: segments.parse().ok()?,
                    row: row.parse().ok()?,
                    total: total.parse().ok()?,
                });
            }
            ("c", [commit, stream, delivered, total]) => {
                reached.partial = Some(Partial {
                    commit: commit.parse().ok()?,
                    stream: hex(stream)?,
                    delivered: delivered.parse().ok()?,
                    total: total.parse().ok()?,
                });
            }
            ("s", [stream, commit]) => {
                reached.streams.insert(hex(stream)?, commit.parse().ok()?);
            }
            _ => return None,
        }
    }
    Some(reached)
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_same_after_it_was_text() {
        let mut reached = Reached {
            database: 7,
            table: 3,
            version: 12,
            committed_at: -5,
            streams: [(1, i64::MIN), (u64::MAX, 99)].into(),
            replay: None,
            partial: None,
        };
        for (replay, partial) in [(false, false), (true, false), (false, true), (true, true)] {
            reached.replay = replay.then_some(ReplayAt {
                segments: 1,
                row: 2,
                total: 3,
            });
            reached.partial = partial.then_some(Partial {
                commit: -9,
                stream: 0xabc,
                delivered: 4,
                total: 5,
            });
            let position = Position(Some(reached.clone()));
            assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        }
    }

    #[test]
    fn text_that_is_no_position_is_refused() {
        let good = "gp1.0000000000000007.3.12.-5.s0000000000000001:9";
        assert!(good.parse::<Position>().is_ok());
        for end in 0..good.len() - 1 {
            let text = good.get(..end).unwrap();
            let cut: Result<Position> = text.parse();
            // A number that is cut off is a number; what is missing is noticed when the database is asked.
            assert!(
                cut.is_err() || text.rsplit('.').next().unwrap().contains(char::is_numeric),
                "{text}"
            );
        }
        for bad in [
            "",
            "gp2.0.0.0.0",
            "gp1.0.0.0.0.x1",
            "gp1.0.0.0.0.r1:2",
            "gp1.zz.0.0.0",
            "gp1.0.0.0.0.é",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
