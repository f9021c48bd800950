//! Which rows of a segment: a range, ranges with holes between them, or single rows.

use std::ops::Range;
use std::sync::Arc;

/// Which rows of a segment, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Rows {
    /// Consecutive rows.
    Range(Range<u32>),
    /// Consecutive rows with holes.
    Ranges(Ranges),
    /// Single rows.
    List(Vec<u32>),
}

impl Rows {
    /// Rows that were found part by part; `None` when there are none.
    pub(crate) fn joined(mut parts: Vec<Self>) -> Option<Self> {
        parts.retain(|part| part.len() > 0);
        if parts.len() < 2 {
            return parts.pop();
        }
        let ranges: Option<Vec<Range<u32>>> = parts
            .iter()
            .map(|part| match part {
                Self::Range(range) => Some(range.clone()),
                _ => None,
            })
            .collect();
        Some(match ranges {
            Some(ranges) => Self::Ranges(Ranges::new(&ranges)),
            None => Self::List(
                parts
                    .iter()
                    .flat_map(|part| (0..part.len()).filter_map(|at| part.get(at)))
                    .collect(),
            ),
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Ranges(ranges) => ranges.positions.len(),
            Self::List(rows) => rows.len(),
        }
    }

    /// The row at a position.
    pub(crate) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Range(range) => range.clone().nth(at),
            Self::Ranges(ranges) => ranges.get(at),
            Self::List(rows) => rows.get(at).copied(),
        }
    }

    /// How many rows from a position on follow each other without a hole.
    pub(crate) fn consecutive(&self, at: usize) -> usize {
        match self {
            Self::Range(range) => range.len().saturating_sub(at),
            Self::Ranges(ranges) => ranges.consecutive(at),
            Self::List(rows) => rows.len().min(at + 1) - at,
        }
    }

    /// The rows at some positions.
    pub(crate) fn slice(&self, at: Range<usize>) -> Self {
        match self {
            Self::Range(range) => {
                let row = |at: usize| {
                    range
                        .start
                        .saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
                        .min(range.end)
                };
                Self::Range(row(at.start)..row(at.end))
            }
            Self::Ranges(ranges) => ranges.slice(at),
            Self::List(rows) => Self::List(rows.get(at).unwrap_or_default().to_vec()),
        }
    }

    /// The least range that has them all.
    pub(crate) fn span(&self) -> Range<usize> {
        match self {
            Self::Range(range) => range.start as usize..range.end as usize,
            _ => match (self.get(0), self.get(self.len().saturating_sub(1))) {
                (Some(first), Some(last)) => first as usize..last as usize + 1,
                _ => 0..0,
            },
        }
    }
}

/// Ranges of rows, ascending, with holes between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ranges {
    /// The first position and the first row of each range.
    starts: Arc<[(u32, u32)]>,
    /// The positions that are meant; the last range ends with them at the latest.
    positions: Range<u32>,
}

impl Ranges {
    fn new(ranges: &[Range<u32>]) -> Self {
        let mut starts = Vec::with_capacity(ranges.len());
        let mut position = 0;
        for range in ranges {
            starts.push((position, range.start));
            position += range.end - range.start;
        }
        Self {
            starts: starts.into(),
            positions: 0..position,
        }
    }

    fn position(&self, at: usize) -> u32 {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.positions.start.saturating_add(at).min(self.positions.end)
    }

    /// The number of the range that has a position.
    fn range_of(&self, position: u32) -> usize {
        self.starts
            .partition_point(|(first, _)| *first <= position)
            .saturating_sub(1)
    }

    fn get(&self, at: usize) -> Option<u32> {
        let position = self.position(at);
        let (first, row) = self.starts.get(self.range_of(position))?;
        (position < self.positions.end).then(|| row + (position - first))
    }

    fn consecutive(&self, at: usize) -> usize {
        let position = self.position(at);
        let next = self.starts.get(self.range_of(position) + 1);
        let end = next.map_or(self.positions.end, |(first, _)| (*first).min(self.positions.end));
        (end - position) as usize
    }

    fn slice(&self, at: Range<usize>) -> Rows {
        let positions = self.position(at.start)..self.position(at.end);
        if self.consecutive(at.start) >= positions.len() {
            let first = self.get(at.start).unwrap_or_default();
            return Rows::Range(first..first + (positions.end - positions.start));
        }
        Rows::Ranges(Self {
            starts: Arc::clone(&self.starts),
            positions,
        })
    }

    /// The ranges of rows, one after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (first, len) = (self.get(at)?, self.consecutive(at));
            at += len;
            Some(first..first + u32::try_from(len).unwrap_or(u32::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(rows: &Rows) -> Vec<u32> {
        (0..rows.len()).filter_map(|at| rows.get(at)).collect()
    }

    #[test]
    fn ranges_with_holes_are_the_same_rows_as_their_list_in_every_slice() {
        let rows = Rows::joined(vec![Rows::Range(2..5), Rows::Range(9..9), Rows::Range(10..12)])
            .expect("there are rows");
        let list = [2, 3, 4, 10, 11];
        for from in 0..=list.len() {
            for to in from..=list.len() {
                let slice = rows.slice(from..to);
                assert_eq!(listed(&slice), list[from..to]);
                assert_eq!(listed(&slice.slice(0..slice.len())), list[from..to]);
                if let Rows::Ranges(ranges) = &slice {
                    assert_eq!(ranges.iter().flatten().collect::<Vec<_>>(), list[from..to]);
                    assert_eq!(
                        slice.span(),
                        2.max(list[from] as usize)..list[to - 1] as usize + 1
                    );
                }
            }
        }
        assert_eq!(
            (rows.consecutive(0), rows.consecutive(2), rows.consecutive(3)),
            (3, 1, 2)
        );
        assert_eq!(Rows::joined(vec![Rows::Range(3..3)]), None);
    }
}
