//! Which rows of a memtable deletions hide, when there may be a hundred thousand of them.
//!
//! A row is hidden by any later deletion of its time and series, so of all deletions over an instant only the latest
//! counts: each series has a map from time to the commit of that one.

use std::collections::BTreeMap;

use gapless_format::Deletion;
use hashbrown::HashMap;

/// The latest deletion at each instant, for all series and for single ones.
#[derive(Debug, Default)]
pub(super) struct HiddenRows {
    of_all: Instants,
    of_series: HashMap<u32, Instants>,
}

impl HiddenRows {
    pub(super) fn new<'a>(deletions: impl Iterator<Item = &'a Deletion>) -> Self {
        let mut in_order: Vec<&Deletion> = deletions.collect();
        in_order.sort_by_key(|deletion| deletion.commit);
        let mut hidden = Self::default();
        for deletion in in_order {
            match &deletion.series {
                None => hidden.of_all.assign(deletion),
                Some(codes) => codes
                    .iter()
                    .for_each(|code| hidden.of_series.entry(*code).or_default().assign(deletion)),
            }
        }
        hidden
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_all.0.is_empty() && self.of_series.is_empty()
    }

    /// Whether a deletion hides a row.
    pub(super) fn hides(&self, code: Option<u32>, time: i64, commit: i64) -> bool {
        let of_series = code.and_then(|code| self.of_series.get(&code));
        let of_series = of_series.and_then(|instants| instants.at(time));
        self.of_all
            .at(time)
            .max(of_series)
            .is_some_and(|deleted| commit < deleted)
    }
}

/// Ranges of time that do not overlap, by their first instant: the last instant, and the commit of the deletion.
#[derive(Debug, Default)]
struct Instants(BTreeMap<i64, (i64, i64)>);

impl Instants {
    /// Takes a deletion that is later than all before it.
    fn assign(&mut self, deletion: &Deletion) {
        let first = deletion.start;
        let last = match deletion.end {
            i64::MAX => i64::MAX,
            end => end - 1,
        };
        // What begins before and reaches into it is cut, on both sides.
        if let Some((before, (before_last, commit))) = self.0.range_mut(..first).next_back() {
            let (start, end, commit) = (*before, *before_last, *commit);
            if end >= first {
                self.0.insert(start, (first - 1, commit));
                if end > last {
                    self.0.insert(last + 1, (end, commit));
                }
            }
        }
        let inside: Vec<i64> = self.0.range(first..=last).map(|(start, _)| *start).collect();
        for start in inside {
            if let Some((end, commit)) = self.0.remove(&start)
                && end > last
            {
                self.0.insert(last + 1, (end, commit));
            }
        }
        self.0.insert(first, (last, deletion.commit));
    }

    fn at(&self, time: i64) -> Option<i64> {
        let (_, (last, commit)) = self.0.range(..=time).next_back()?;
        (time <= *last).then_some(*commit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deletion((start, len, series, commit): (i64, i64, Option<Vec<u32>>, i64)) -> Deletion {
        Deletion {
            deletion: 0,
            table: 0,
            start,
            end: if len > 8 { i64::MAX } else { start + len },
            series,
            commit,
        }
    }

    proptest! {
        #[test]
        fn a_row_is_hidden_when_any_later_deletion_has_its_time_and_series(
            deletions in prop::collection::vec(
                (-5..20i64, 1..10i64, prop::option::of(prop::collection::vec(0..3u32, 1..3)), 0..30i64),
                0..12,
            ),
            rows in prop::collection::vec((prop::option::of(0..4u32), prop_oneof![-6..30i64, Just(i64::MAX)], 0..30i64), 1..60),
        ) {
            let deletions: Vec<Deletion> = deletions.into_iter().map(deletion).collect();
            let hidden = HiddenRows::new(deletions.iter());
            prop_assert_eq!(hidden.is_empty(), deletions.is_empty());
            for (code, time, commit) in rows {
                let expected = deletions.iter().any(|deletion| {
                    commit < deletion.commit
                        && deletion.start <= time
                        && (time < deletion.end || deletion.end == i64::MAX)
                        && deletion.series.as_ref().is_none_or(|codes| code.is_some_and(|code| codes.contains(&code)))
                });
                prop_assert_eq!(hidden.hides(code, time, commit), expected, "{:?} {} {}", code, time, commit);
            }
        }
    }
}
