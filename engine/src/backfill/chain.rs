//! The strategy that tries others in order.

use super::strategy::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled};
use super::writer::GapWriter;
use crate::coverage::Gap;

/// Tries strategies in order: each gets what those before it have left, also after one of them failed.
///
/// - A gap that is filled in the end is filled, whatever went wrong on the way.
/// - If something is left, the errors on the way are the error. It is transient if one of them was, and then all are tried
///   again with what is left.
/// - What one has given only in part ([`GapWriter::write_partial`]) is left for the next.
///
/// ```
/// use gapless_engine::backfill::{ChainStrategy, FetchError, FetchRequest, Fetched, FetcherStrategy};
/// let down = |_: &FetchRequest| -> Result<Fetched, FetchError> { Err(FetchError::transient("it is down")) };
/// let spare = |_: &FetchRequest| -> Result<Fetched, FetchError> { Ok(Fetched::all([])) };
/// let chain = ChainStrategy::new()
///     .then(FetcherStrategy::new(down))
///     .then(FetcherStrategy::new(spare));
/// assert_eq!(chain.len(), 2);
/// ```
#[derive(Default)]
pub struct ChainStrategy {
    strategies: Vec<Box<dyn BackfillStrategy>>,
}

impl std::fmt::Debug for ChainStrategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.strategies.iter().map(|strategy| strategy.name());
        f.debug_list().entries(names).finish()
    }
}

impl ChainStrategy {
    /// A chain of nothing: it leaves every gap.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then tries `strategy`.
    #[must_use]
    pub fn then(mut self, strategy: impl BackfillStrategy + 'static) -> Self {
        self.strategies.push(Box::new(strategy));
        self
    }

    /// How many strategies it has.
    pub fn len(&self) -> usize {
        self.strategies.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.strategies.is_empty()
    }
}

impl BackfillStrategy for ChainStrategy {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        let mut failed: Option<BackfillError> = None;
        for strategy in &self.strategies {
            writer.reopen_partial();
            if writer.remaining().is_empty() {
                break;
            }
            let error = match strategy.fill(gap, writer) {
                Ok(_) => continue,
                Err(error) => error,
            };
            match error.kind() {
                // Nobody could write any more.
                BackfillErrorKind::LeaseLost | BackfillErrorKind::Cancelled => return Err(error),
                _ => {
                    let error = error.context(strategy.name());
                    failed = Some(match failed {
                        None => error,
                        Some(before) => before.and(error),
                    });
                }
            }
        }
        match failed {
            Some(error) if !writer.remaining().is_empty() => Err(error),
            _ => Ok(Filled { is_exhausted: true }),
        }
    }

    fn name(&self) -> &str {
        "chain"
    }
}
