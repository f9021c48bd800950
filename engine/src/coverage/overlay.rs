//! Ranges of several sources laid over each other: at each time the one that was committed last counts.
//!
//! A span of neighbours that were joined has two commits, the oldest and the newest of what is in it. If another's commit
//! lies between them, which came last is not known; the one that claims less counts then.

use gapless_format::CoverageState;

use super::range::claim;

/// A range as the overlay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) state: CoverageState,
    pub(crate) first_commit: i64,
    pub(crate) commit: i64,
    /// How narrow its key is: of statements of one commit the narrower counts.
    pub(crate) rank: u8,
    /// Where it came from: the source and the place in it.
    pub(crate) origin: (u32, u32),
}

impl Span {
    /// Whether it counts where `other` says something too.
    fn wins(&self, other: &Self) -> bool {
        if self.first_commit > other.commit {
            return true;
        }
        if other.first_commit > self.commit {
            return false;
        }
        let is_one_commit = self.first_commit == self.commit && other.first_commit == other.commit;
        if is_one_commit && self.commit == other.commit && self.rank != other.rank {
            return self.rank > other.rank;
        }
        match claim(self.state).cmp(&claim(other.state)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => self.commit >= other.commit,
        }
    }
}

/// Two lists of disjoint ascending spans as one.
pub(crate) fn overlay(a: &[Span], b: &[Span]) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (Cursor::new(a), Cursor::new(b));
    loop {
        let (first, second) = match (a.now, b.now) {
            (None, None) => return out,
            (Some(first), None) => (first, None),
            (None, Some(second)) => (second, None),
            (Some(first), Some(second)) => (first, Some(second)),
        };
        let Some(second) = second else {
            push(&mut out, first);
            a.skip_to(first.end);
            b.skip_to(first.end);
            continue;
        };
        // The stretch from the first start to the next time at which either begins or ends.
        let start = first.start.min(second.start);
        let bounds = [first.start, first.end, second.start, second.end];
        let end = bounds
            .into_iter()
            .filter(|bound| *bound > start)
            .min()
            .unwrap_or(i64::MAX);
        let winner = match (first.start == start, second.start == start) {
            (true, false) => first,
            (false, _) => second,
            (true, true) if first.wins(&second) => first,
            (true, true) => second,
        };
        push(&mut out, Span { start, end, ..winner });
        a.skip_to(end);
        b.skip_to(end);
    }
}

/// What is left of a list.
struct Cursor<'a> {
    rest: std::slice::Iter<'a, Span>,
    now: Option<Span>,
}

impl<'a> Cursor<'a> {
    fn new(spans: &'a [Span]) -> Self {
        let mut rest = spans.iter();
        let now = rest.next().copied();
        Self { rest, now }
    }

    /// Leaves out what lies before a time.
    fn skip_to(&mut self, time: i64) {
        while let Some(span) = &mut self.now {
            if span.end > time {
                span.start = span.start.max(time);
                return;
            }
            self.now = self.rest.next().copied();
        }
    }
}

/// Adds a stretch; pieces of the same range become one again.
fn push(out: &mut Vec<Span>, span: Span) {
    match out.last_mut() {
        Some(last) if last.end == span.start && last.origin == span.origin => last.end = span.end,
        _ => out.push(span),
    }
}
