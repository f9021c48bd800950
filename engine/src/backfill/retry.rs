//! When a failed attempt is made again.

use std::time::Duration;

/// How often, and after which pauses. A pause grows by a factor from one attempt to the next; a random part of it keeps workers
/// from asking all at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u32,
    /// The first pause.
    pub backoff: Duration,
    /// What the pause grows by.
    pub factor: f64,
    /// The longest pause.
    pub backoff_max: Duration,
    /// The share of a pause that is random, from 0 to 1.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 3,
            backoff: Duration::from_millis(500),
            factor: 2.0,
            backoff_max: Duration::from_secs(30),
            jitter: 0.25,
        }
    }
}

impl RetryPolicy {
    /// The pause before attempt `attempt` + 1; `None` when there is none. What the source asks for is a lower bound. `random` is
    /// from 0 to 1.
    pub(crate) fn pause(&self, attempt: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
        if attempt > self.retries {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.backoff.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let longest = self.backoff_max.as_secs_f64();
        let jitter = self.jitter.clamp(0.0, 1.0);
        let pause = grown.min(longest) * (1.0 - jitter + 2.0 * jitter * random);
        let pause = Duration::try_from_secs_f64(pause).unwrap_or(self.backoff_max);
        Some(pause.max(asked.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            retries: 8,
            jitter: 0.0,
            ..RetryPolicy::default()
        };
        let pauses: Vec<_> = (1..=9).map(|attempt| policy.pause(attempt, None, 0.5)).collect();
        let ms = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
        let expected: Vec<_> = ms
            .map(|ms| Some(Duration::from_millis(ms)))
            .into_iter()
            .chain([None])
            .collect();
        assert_eq!(pauses, expected);
    }

    #[test]
    fn a_pause_lies_within_its_jitter_and_is_never_shorter_than_asked() {
        let policy = RetryPolicy::default();
        let pause = |random| policy.pause(1, None, random).expect("a pause").as_millis();
        assert_eq!((pause(0.0), pause(0.5), pause(1.0)), (375, 500, 625));
        let asked = Duration::from_secs(90);
        assert_eq!(policy.pause(1, Some(asked), 0.0), Some(asked));
    }
}
