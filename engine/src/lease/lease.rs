//! A lease, a request for one, and the answer.

use std::time::Duration;

use gapless_format::LeaseRecord;

use super::key::LeaseKey;
use crate::error::{Error, Result};
use crate::io::host_name;

/// Most bytes that the texts of one lease may have together: they are written again and again.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A time-bounded exclusive claim on a range, as it was when this was read.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Id of the table.
    pub table: u32,
    /// The range.
    pub key: LeaseKey,
    /// The fencing number: greater than that of every lease before it.
    pub epoch: u64,
    /// Who has it.
    pub holder: String,
    /// The batch that it is for; may be empty.
    pub batch: String,
    /// When it was claimed, in nanoseconds since the Unix epoch.
    pub claimed_at: i64,
    /// When it may be taken over, in nanoseconds since the Unix epoch.
    pub expires_at: i64,
    /// How much of the work is done, in thousandths: at most 1000.
    pub completion_permille: u16,
}

impl Lease {
    /// Whether nobody may take it over yet.
    #[must_use]
    pub fn is_live(&self, now_ns: i64) -> bool {
        now_ns < self.expires_at
    }

    /// How much of the work is done, from 0 to 1.
    #[must_use]
    pub fn completion_ratio(&self) -> f64 {
        f64::from(self.completion_permille) / 1000.0
    }

    pub(super) fn to_record(&self) -> LeaseRecord {
        let key = self.key.clone();
        LeaseRecord {
            epoch: self.epoch,
            table: self.table,
            interval: key.interval,
            start: key.start,
            end: key.end,
            claimed_at: self.claimed_at,
            expires_at: self.expires_at,
            completion_permille: self.completion_permille,
            as_of: key.as_of,
            series: key.series,
            world: key.world,
            holder: self.holder.clone(),
            batch: self.batch.clone(),
        }
    }
}

impl From<LeaseRecord> for Lease {
    fn from(record: LeaseRecord) -> Self {
        Self {
            table: record.table,
            key: LeaseKey {
                series: record.series,
                interval: record.interval,
                start: record.start,
                end: record.end,
                world: record.world,
                as_of: record.as_of,
            },
            epoch: record.epoch,
            holder: record.holder,
            batch: record.batch,
            claimed_at: record.claimed_at,
            expires_at: record.expires_at,
            completion_permille: record.completion_permille,
        }
    }
}

/// A request for a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseRequest {
    /// Id of the table.
    pub table: u32,
    /// The range; its start is before its end, its interval not negative.
    pub key: LeaseKey,
    /// Who asks; see [`default_holder`]. Not empty.
    pub holder: String,
    /// The batch that it is for; may be empty.
    pub batch: String,
    /// How long nobody may take it over; more than nothing.
    pub ttl: Duration,
}

impl LeaseRequest {
    pub(super) fn check(&self) -> Result<()> {
        let key = &self.key;
        let reason = if key.start >= key.end {
            "its start is not before its end"
        } else if key.interval < 0 {
            "its interval is negative"
        } else if self.holder.is_empty() {
            "it has no holder"
        } else if self.ttl.is_zero() {
            "it would expire at once"
        } else if self.text_bytes() > TEXT_BYTES_MAX {
            "its texts have more than 64 KiB"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!(
            "lease {key} of table {}: {reason}",
            self.table
        )))
    }

    fn text_bytes(&self) -> usize {
        let series = self.key.series.as_ref().map_or(0, String::len);
        series + self.key.world.len() + self.holder.len() + self.batch.len()
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The range is the caller's until the lease expires, and longer if nobody takes it over.
    Granted(Lease),
    /// Another lease, which is live, overlaps the range.
    Held(Lease),
}

impl Claim {
    /// The lease if it was granted.
    #[must_use]
    pub fn granted(self) -> Option<Lease> {
        match self {
            Self::Granted(lease) => Some(lease),
            Self::Held(_) => None,
        }
    }
}

/// Who asks when no name is given: `<host>:<process id>`.
#[must_use]
pub fn default_holder() -> String {
    format!("{}:{}", host_name(), std::process::id())
}

/// The end of a time span that begins now.
pub(super) fn expiry(now_ns: i64, ttl: Duration) -> i64 {
    now_ns.saturating_add(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX))
}
