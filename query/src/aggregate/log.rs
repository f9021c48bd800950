//! All values of groups, as they come: put in order of the groups only when they are asked for.

use gapless_engine::Result;

use super::accumulator::{Span, no_group, outside};

/// Values and of which groups they are.
#[derive(Debug)]
pub(super) struct Log<T> {
    groups: usize,
    values: Vec<T>,
    /// Groups and how many values they have next.
    runs: Vec<(u32, usize)>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            groups: 0,
            values: Vec::new(),
            runs: Vec::new(),
        }
    }
}

impl<T: Copy + Default> Log<T> {
    pub(super) fn grow(&mut self, groups: usize) {
        self.groups = self.groups.max(groups);
    }

    #[inline]
    pub(super) fn push(&mut self, span: Span, values: Option<&[T]>) -> Result<()> {
        let Some(values) = values.filter(|_| (span.group as usize) < self.groups) else {
            return Err(outside(span));
        };
        if !values.is_empty() {
            self.values.extend_from_slice(values);
            self.runs.push((span.group, values.len()));
        }
        Ok(())
    }

    /// Takes the values of another, changed.
    pub(super) fn merge(&mut self, other: &Self, groups: &[u32], change: impl Fn(T) -> T) -> Result<()> {
        self.values
            .extend(other.values.iter().map(|value| change(*value)));
        for (from, len) in &other.runs {
            let group = groups.get(*from as usize).copied();
            match group.filter(|group| (*group as usize) < self.groups) {
                Some(group) => self.runs.push((group, *len)),
                None => return Err(no_group(*from)),
            }
        }
        Ok(())
    }

    /// The values of the first groups, one after another, and where each ends. They are dropped.
    pub(super) fn take(&mut self, count: usize) -> (Vec<T>, Vec<usize>) {
        let mut ends = vec![0; count];
        for (group, len) in &self.runs {
            if let Some(end) = ends.get_mut(*group as usize) {
                *end += len;
            }
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            // The start, which becomes the end as values are put in.
            *end = total - *end;
        }
        let mut taken = vec![T::default(); total];
        let old = std::mem::take(self);
        self.groups = old.groups.saturating_sub(count);
        let mut values = old.values.as_slice();
        for (group, len) in old.runs {
            let (run, rest) = values.split_at(len);
            values = rest;
            match ends.get_mut(group as usize) {
                Some(end) => {
                    taken[*end..*end + len].copy_from_slice(run);
                    *end += len;
                }
                None => {
                    self.values.extend_from_slice(run);
                    self.runs.push((group - count as u32, len));
                }
            }
        }
        (taken, ends)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>() + self.runs.capacity() * size_of::<(u32, usize)>()
    }
}

/// Calls a function with the values of each group.
pub(super) fn each<T>(values: &mut [T], ends: &[usize], mut group: impl FnMut(&mut [T])) {
    let mut start = 0;
    for end in ends {
        group(&mut values[start..*end]);
        start = *end;
    }
}
