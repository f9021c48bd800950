//! The series of a query: numbered in order of their names, over all of its scans, and cut into parts.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::{Array, StringArray};
use gapless_engine::{Error, Result};

/// Parts for each thread: none waits long for the last one.
const PARTS_PER_THREAD: usize = 8;

/// The series of a query. Sources join while the query is planned; then the list is fixed.
#[derive(Debug, Default)]
pub(crate) struct SeriesList {
    joined: Mutex<Vec<(StringArray, Vec<u64>)>>,
    fixed: OnceLock<Fixed>,
}

#[derive(Debug)]
struct Fixed {
    /// In order, null last.
    names: Arc<StringArray>,
    parts: Vec<Range<u32>>,
    /// For each source that joined, the number of each of its series; `None` where they are the same.
    numbers: Vec<Option<Numbers>>,
}

/// The number of each series of a source.
pub(crate) type Numbers = Arc<[u32]>;

/// A source's place in the list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member(usize);

impl SeriesList {
    /// Adds the series of a source, in order of their names and null last, with their weights.
    pub(crate) fn join(&self, names: StringArray, weights: Vec<u64>) -> Member {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        joined.push((names, weights));
        Member(joined.len() - 1)
    }

    /// Fixes the list.
    pub(crate) fn fix(&self) {
        self.fixed.get_or_init(|| {
            let joined = std::mem::take(&mut *self.joined.lock().unwrap_or_else(PoisonError::into_inner));
            fix(&joined)
        });
    }

    fn fixed(&self) -> Result<&Fixed> {
        self.fixed
            .get()
            .ok_or_else(|| Error::internal("the series of a query are not fixed"))
    }

    /// The names, by their numbers.
    pub(crate) fn names(&self) -> Result<&Arc<StringArray>> {
        self.fixed().map(|fixed| &fixed.names)
    }

    pub(crate) fn part_count(&self) -> usize {
        self.fixed.get().map_or(0, |fixed| fixed.parts.len())
    }

    /// The numbers of the series of a part.
    pub(crate) fn part(&self, part: usize) -> Result<Range<u32>> {
        let parts = &self.fixed()?.parts;
        parts
            .get(part)
            .cloned()
            .ok_or_else(|| Error::internal("a query has no such part"))
    }

    /// The series of a member in a part, by its own numbers, and the numbers that they have here.
    pub(crate) fn members(&self, member: Member, part: usize) -> Result<(Range<usize>, Option<Numbers>)> {
        let range = self.part(part)?;
        let numbers = self.fixed()?.numbers.get(member.0).cloned().flatten();
        let own = match &numbers {
            None => range.start as usize..range.end as usize,
            Some(numbers) => {
                let at = |number| numbers.partition_point(|other| *other < number);
                at(range.start)..at(range.end)
            }
        };
        Ok((own, numbers))
    }
}

fn fix(joined: &[(StringArray, Vec<u64>)]) -> Fixed {
    if let [(names, weights)] = joined {
        return Fixed {
            names: Arc::new(names.clone()),
            parts: parts(weights),
            numbers: vec![None],
        };
    }
    let mut all: Vec<Option<&str>> = joined.iter().flat_map(|(names, _)| names).collect();
    // Null last.
    let by_name = |a: &Option<&str>, b: &Option<&str>| (a.is_none(), a).cmp(&(b.is_none(), b));
    all.sort_unstable_by(by_name);
    all.dedup();
    let mut weights = vec![0; all.len()];
    let mut numbers: Vec<Option<Numbers>> = Vec::with_capacity(joined.len());
    for (names, own) in joined {
        let mut at = 0;
        let mut numbered = Vec::with_capacity(names.len());
        for (name, weight) in names.iter().zip(own) {
            while all.get(at).is_some_and(|other| *other != name) {
                at += 1;
            }
            if let Some(total) = weights.get_mut(at) {
                *total += weight;
            }
            numbered.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        let is_same = numbered.len() == all.len();
        numbers.push((!is_same).then(|| numbered.into()));
    }
    Fixed {
        names: Arc::new(all.into_iter().collect()),
        parts: parts(&weights),
        numbers,
    }
}

/// Cuts series into parts of about equal weight.
fn parts(weights: &[u64]) -> Vec<Range<u32>> {
    let wanted = (PARTS_PER_THREAD * rayon::current_num_threads()) as u64;
    let total: u64 = weights.iter().sum();
    let each = total.div_ceil(wanted).max(1);
    let mut parts = Vec::new();
    let (mut start, mut weight) = (0, 0);
    for (at, own) in (0u32..).zip(weights) {
        // A heavy series is a part of its own.
        if at > start && weight + own > each {
            parts.push(start..at);
            (start, weight) = (at, 0);
        }
        weight += own;
    }
    let end = u32::try_from(weights.len()).unwrap_or(u32::MAX);
    if end > start {
        parts.push(start..end);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_every_series_once_and_in_order() {
        for weights in [
            vec![],
            vec![5],
            vec![0, 0, 0],
            vec![1; 1000],
            vec![1, 1_000_000, 1, 1],
        ] {
            let parts = parts(&weights);
            let numbers: Vec<u32> = parts.iter().cloned().flatten().collect();
            assert_eq!(numbers, (0..weights.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn series_of_two_sources_have_one_numbering() {
        let list = SeriesList::default();
        let left = list.join(StringArray::from(vec![Some("b"), Some("d"), None]), vec![1; 3]);
        let right = list.join(StringArray::from(vec!["a", "b", "c"]), vec![1; 3]);
        list.fix();
        let names = list.names().expect("fixed");
        let wanted = StringArray::from(vec![Some("a"), Some("b"), Some("c"), Some("d"), None]);
        assert_eq!(names.as_ref(), &wanted);
        let mut seen = [Vec::new(), Vec::new()];
        for part in 0..list.part_count() {
            for (seen, member) in seen.iter_mut().zip([left, right]) {
                let (own, numbers) = list.members(member, part).expect("a part");
                let numbers = numbers.expect("numbers differ");
                let range = list.part(part).expect("a part");
                assert!(numbers[own.clone()].iter().all(|number| range.contains(number)));
                seen.extend(own);
            }
        }
        assert_eq!(seen, [vec![0, 1, 2], vec![0, 1, 2]]);
    }
}
