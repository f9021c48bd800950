//! Queries that are ended from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gapless_engine::{Error, ErrorKind, Result};

/// Ends queries that run, from any thread: see [`Query::interrupted_by`](crate::Query::interrupted_by). Clones are the same one.
///
/// ```
/// let interrupt = gapless_query::Interrupt::new();
/// interrupt.interrupt();
/// assert!(interrupt.is_interrupted());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    is_set: Arc<AtomicBool>,
    /// What ends this one too.
    outer: Option<Arc<AtomicBool>>,
}

impl Interrupt {
    /// One that has not happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the queries, for good, as soon as each of their threads has read its batch. They fail with
    /// [`ErrorKind::Interrupted`].
    pub fn interrupt(&self) {
        self.is_set.store(true, Ordering::Relaxed);
    }

    /// Whether it has happened.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.is_set) || self.outer.as_ref().is_some_and(is_set)
    }

    /// One of a single run of a query, which ends with this one, and without it.
    pub(crate) fn inner(&self) -> Self {
        Self {
            is_set: Arc::default(),
            outer: Some(Arc::clone(&self.is_set)),
        }
    }

    /// Fails once it has happened.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_interrupted() {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Interrupted, "the query was interrupted")),
        }
    }
}
