//! How fast maintenance may go: so many bytes for each second, and not at all once it is cancelled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Longest sleep before the cancel flag is looked at again.
const STEP: Duration = Duration::from_millis(20);
/// Bytes that may be used at once after a pause, in seconds of the budget.
const BURST_SECONDS: f64 = 0.1;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    bytes_per_s: Option<f64>,
    cancel: &'a AtomicBool,
    watch: Stopwatch,
    /// Bytes that may be used now; negative when more were used than there were.
    tokens: f64,
    seen: Duration,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(bytes_per_s: Option<u64>, cancel: &'a AtomicBool) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a speed")]
        let bytes_per_s = bytes_per_s.map(|bytes| bytes.max(1) as f64);
        Self {
            bytes_per_s,
            cancel,
            watch: Stopwatch::start(),
            tokens: bytes_per_s.unwrap_or_default() * BURST_SECONDS,
            seen: Duration::ZERO,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Takes note of bytes that were used and lets others go first; sleeps while they were too many.
    pub(crate) fn spend(&mut self, bytes: u64) {
        std::thread::yield_now();
        let Some(speed) = self.bytes_per_s else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "a speed")]
        let bytes = bytes as f64;
        self.tokens -= bytes;
        loop {
            let now = self.watch.elapsed();
            self.tokens += (now - self.seen).as_secs_f64() * speed;
            self.tokens = self.tokens.min(speed * BURST_SECONDS);
            self.seen = now;
            if self.tokens >= 0.0 || self.is_cancelled() {
                return;
            }
            std::thread::sleep(Duration::from_secs_f64(-self.tokens / speed).min(STEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_kept_and_a_cancel_ends_the_wait() {
        let cancel = AtomicBool::new(false);
        let watch = Stopwatch::start();
        let mut budget = Budget::new(Some(1_000_000), &cancel);
        for _ in 0..20 {
            budget.spend(20_000);
        }
        // 400 kB at 1 MB/s, of which 100 kB at once.
        assert!(
            watch.elapsed() >= Duration::from_millis(290),
            "{:?}",
            watch.elapsed()
        );
        cancel.store(true, Ordering::Relaxed);
        budget.spend(u64::MAX);
        assert!(budget.is_cancelled() && watch.elapsed() < Duration::from_secs(60));
    }
}
