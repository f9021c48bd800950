//! How much memory a query may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gapless_engine::{Error, ErrorKind, Result};

/// The memory of a query, over all of its operators and threads. Only what grows with the rows is counted: groups, rows that are put in
/// order, the right rows of a join by key, the rows of a wide window. Batches on their way are not.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    limit: u64,
    held: AtomicU64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::limited(u64::MAX)
    }
}

impl Memory {
    pub(crate) fn limited(limit: u64) -> Self {
        Self(Arc::new(Bounds {
            limit,
            held: AtomicU64::new(0),
        }))
    }

    /// Memory of one holder, which begins with none.
    pub(crate) fn held(&self) -> Held {
        Held {
            memory: self.clone(),
            bytes: 0,
        }
    }
}

/// What one holder has. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    bytes: u64,
}

impl Held {
    /// Holds so many bytes from now on.
    ///
    /// # Errors
    /// `Overloaded` when the query would hold more than it may.
    pub(crate) fn set(&mut self, bytes: usize, what: &str) -> Result<()> {
        let (bytes, bounds) = (bytes as u64, &self.memory.0);
        bounds.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        let held = bounds
            .held
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        match held <= bounds.limit {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Overloaded,
                format!(
                    "the query would hold {held} bytes in memory, most of them now for {what}, and may hold {}: ask for fewer rows or \
                     groups, or let it hold more",
                    bounds.limit
                ),
            )),
        }
    }

    /// Holds more bytes.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub(crate) fn add(&mut self, bytes: usize, what: &str) -> Result<()> {
        let own = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        self.set(own.saturating_add(bytes), what)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_held_by_others() {
        let memory = Memory::limited(100);
        let (mut one, mut other) = (memory.held(), memory.held());
        one.set(60, "rows").expect("there is room");
        assert!(other.set(50, "groups").is_err());
        other.set(40, "groups").expect("there is room");
        one.set(10, "rows").expect("less is always fine");
        other.add(50, "groups").expect("there is room");
        assert!(other.add(1, "groups").is_err());
        drop(other);
        one.set(100, "rows").expect("there is room");
    }
}
