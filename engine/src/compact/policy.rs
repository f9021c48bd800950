//! When maintenance does something, and what it has to know beside the version.

use gapless_format::{SegmentRef, TableMeta};

use super::{COLD_AFTER_OPTION, COLD_COLUMN_OPTION, RETAIN_OPTION};
use crate::segment::{ColumnEncoding, EncodingPolicy};

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;

/// When a partition is worth a rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Segments of one partition at most; what is more is folded together, the newest and smallest first.
    pub segments_max: usize,
    /// Share of a partition's bytes outside of its largest segment, in percent, from which all of it is rewritten
    /// into one segment.
    pub late_percent_max: u64,
    /// How long a partition must have been left alone before it is rewritten because of its late share.
    pub settle_ns: i64,
    /// How long after its end a day waits for its hours before they become one segment.
    pub day_grace_ns: i64,
    /// Age from which a partition is encoded to be small, in tables that do not say it themselves
    /// ([`TableSpec::cold_after`](crate::TableSpec::cold_after)); `None` never does it.
    pub cold_after_ns: Option<i64>,
    /// Age of a deletion from which its rows are removed from the files.
    pub deletion_age_ns: i64,
    /// Deletions that hide rows of one partition at most; more are applied whatever their age.
    pub deletions_max: usize,
    /// Only this table.
    pub table: Option<String>,
    /// Everything that can be rewritten into fewer segments is, whatever it costs.
    pub full: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            segments_max: 8,
            late_percent_max: 20,
            settle_ns: 60 * SECOND_NS,
            day_grace_ns: 15 * 60 * SECOND_NS,
            cold_after_ns: None,
            deletion_age_ns: DAY_NS,
            deletions_max: 16,
            table: None,
            full: false,
        }
    }
}

/// What the decisions need beside the version.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The present time.
    pub now_ns: i64,
    /// Rows and deletions that are in no segment and in no version yet were committed after this; `None` when there
    /// are none.
    pub flushed: Option<i64>,
    /// Whether a segment is encoded to be small already.
    pub is_encoded: &'a dyn Fn(&SegmentRef) -> bool,
}

impl std::fmt::Debug for Situation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Situation")
            .field("now_ns", &self.now_ns)
            .field("flushed", &self.flushed)
            .finish_non_exhaustive()
    }
}

impl Situation<'_> {
    /// A situation without streams and cold segments.
    pub fn at(now_ns: i64) -> Self {
        Self {
            now_ns,
            flushed: None,
            is_encoded: &|_| false,
        }
    }

    /// Whether everything that was committed up to `commit` is in the version.
    pub(crate) fn knows_all_until(&self, commit: i64) -> bool {
        self.flushed.is_none_or(|flushed| flushed >= commit)
    }

    /// Whether `age` has gone by since `time`.
    pub(crate) fn is_past(&self, time: i64, age: i64) -> bool {
        time <= self.now_ns.saturating_sub(age)
    }
}

/// How long the rows of a table are kept; `None` for ever.
pub(crate) fn retain_ns(table: &TableMeta) -> Option<i64> {
    option(table, RETAIN_OPTION)?
        .parse()
        .ok()
        .filter(|retain| *retain > 0)
}

/// The age from which a table has its partitions encoded, if it says so.
pub(crate) fn cold_after_ns(table: &TableMeta) -> Option<i64> {
    option(table, COLD_AFTER_OPTION)?.parse().ok()
}

/// How the columns of a table's cold partitions are stored.
pub(crate) fn cold_encoding(table: &TableMeta) -> EncodingPolicy {
    let of_column = |(name, value): &(String, String)| {
        let id = name.strip_prefix(COLD_COLUMN_OPTION)?.parse().ok()?;
        Some((id, ColumnEncoding::parse(value)?))
    };
    let columns = table.options.iter().filter_map(of_column);
    columns.fold(EncodingPolicy::cold(), |policy, (id, encoding)| {
        policy.column(id, encoding)
    })
}

fn option<'a>(table: &'a TableMeta, wanted: &str) -> Option<&'a str> {
    let found = table.options.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.as_str())
}
