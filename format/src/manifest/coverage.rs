//! What the manifest knows about coverage files, calendars and the life of series.

use crate::bytes::{Reader, Writer};
use crate::coverage::decode_series;
use crate::error::FormatError;

/// Longest name of a coverage file.
const FILE_LEN_MAX: usize = 64;

/// A live coverage file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CoverageRef {
    /// Id of its table.
    pub table: u32,
    /// Its id.
    pub file: u64,
    /// Its name in `tables/<table>/coverage/`: `c-` and characters of `A-Z a-z 0-9 - .`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its last eight bytes: the checksum of the others.
    pub checksum: u64,
    /// Ranges in it.
    pub ranges: u64,
    /// The version that added it.
    pub created: u64,
    /// The commit time of ranges that name none.
    pub commit: i64,
}

/// A coverage file that is no longer live but may still be there for older snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemovedCoverage {
    /// The file.
    pub coverage: CoverageRef,
    /// The version that removed it.
    pub removed: u64,
    /// Name of its table, which may be gone.
    pub table_name: String,
}

/// A calendar: when rows are expected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CalendarMeta {
    /// Its name.
    pub name: String,
    /// Its sessions, holidays and closures, as text.
    pub text: String,
    /// The version that made it what it is.
    pub changed: u64,
}

/// Which calendar a table or a series goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CalendarUse {
    /// Id of the table.
    pub table: u32,
    /// Code of the series; `None` for all that have none of their own.
    pub series: Option<u32>,
    /// Name of the calendar; `None` for that of the table, or for always open.
    pub calendar: Option<String>,
}

/// The life of a series: rows are expected inside of it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListingMeta {
    /// Id of the table.
    pub table: u32,
    /// Code of the series.
    pub series: u32,
    /// First time; `i64::MIN` for no beginning.
    pub start: i64,
    /// First time after it; `i64::MAX` for no end.
    pub end: i64,
}

impl CoverageRef {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.u64(self.file);
        writer.u64(self.bytes);
        writer.u64(self.checksum);
        writer.u64(self.ranges);
        writer.u64(self.created);
        writer.i64(self.commit);
        writer.string(&self.name);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            table: reader.u32("table id")?,
            file: reader.u64("coverage file")?,
            bytes: reader.u64("bytes")?,
            checksum: reader.u64("checksum")?,
            ranges: reader.u64("ranges")?,
            created: reader.u64("creating version")?,
            commit: reader.i64("commit")?,
            name: decode_name(reader)?,
        })
    }
}

/// A file name that cannot lead anywhere else.
fn decode_name(reader: &mut Reader<'_>) -> Result<String, FormatError> {
    let offset = reader.offset();
    let name = reader.string("coverage file name")?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if name.len() > 2 && name.len() <= FILE_LEN_MAX && name.starts_with("c-") && name.bytes().all(safe) {
        return Ok(name.to_owned());
    }
    let start: String = name.chars().take(FILE_LEN_MAX).collect();
    Err(FormatError::corrupt(
        offset,
        format!("coverage file name: found {start:?}, expected c- and 1 to 62 of A-Z a-z 0-9 - ."),
    ))
}

impl RemovedCoverage {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.removed);
        writer.string(&self.table_name);
        self.coverage.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            removed: reader.u64("removing version")?,
            table_name: reader.string("table name")?.to_owned(),
            coverage: CoverageRef::decode(reader)?,
        })
    }
}

impl CalendarMeta {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u64(self.changed);
        writer.string(&self.name);
        writer.string(&self.text);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            changed: reader.u64("changing version")?,
            name: reader.string("calendar name")?.to_owned(),
            text: reader.string("calendar")?.to_owned(),
        })
    }
}

impl CalendarUse {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.optional_id(self.series);
        writer.bool(self.series.is_some());
        writer.bool(self.calendar.is_some());
        writer.string(self.calendar.as_deref().unwrap_or_default());
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let table = reader.u32("table id")?;
        let series = decode_series(reader)?;
        let offset = reader.offset();
        let calendar = match (reader.bool("has calendar")?, reader.string("calendar name")?) {
            (true, name) => Some(name.to_owned()),
            (false, "") => None,
            (false, name) => {
                let what = format!("use of a calendar: found the name {name:?} where there is no calendar");
                return Err(FormatError::corrupt(offset, what));
            }
        };
        Ok(Self {
            table,
            series,
            calendar,
        })
    }
}

impl ListingMeta {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.u32(self.series);
        writer.i64(self.start);
        writer.i64(self.end);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let listing = Self {
            table: reader.u32("table id")?,
            series: reader.u32("series")?,
            start: reader.i64("listed from")?,
            end: reader.i64("listed to")?,
        };
        match listing.start <= listing.end {
            true => Ok(listing),
            false => Err(FormatError::corrupt(
                offset,
                format!(
                    "listing: found times {} to {}, expected them in order",
                    listing.start, listing.end
                ),
            )),
        }
    }
}
