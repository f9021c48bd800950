//! Option values that several verbs take: instants, byte sizes, and the database they open.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use clap::Args;
use gapless::{Database, Durability, Maintenance, Mode, Scan, Snapshot};
use gapless_format::TableMeta;

use crate::error::CliError;

/// Opens a database that is only read.
pub(crate) fn open(database: &Path) -> Result<Database, CliError> {
    Ok(Database::builder(database).mode(Mode::Read).open()?)
}

/// Opens a database that is there already, to write.
pub(crate) fn open_existing(database: &Path) -> Result<Database, CliError> {
    open(database)?;
    Ok(Database::builder(database)
        .maintenance(Maintenance::Manual)
        .open()?)
}

/// Which rows of a table.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The database's directory.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The table.
    #[arg(value_name = "TABLE")]
    pub(crate) table: String,
    /// Only this series; may be given more than once.
    #[arg(long, value_name = "SERIES")]
    pub(crate) series: Vec<String>,
    /// Only these columns, in this order.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Only rows at or after this time: ISO 8601 with Z or an offset, a UTC date, or nanoseconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub(crate) start: Option<i64>,
    /// Only rows before this time.
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    pub(crate) end: Option<i64>,
    /// Read the version that a named snapshot keeps.
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) as_of: Option<String>,
}

impl Selection {
    /// Pins the version that is to be read.
    pub(crate) fn snapshot(&self, database: &Database) -> Result<Snapshot, CliError> {
        Ok(match &self.as_of {
            Some(name) => database.as_of(name)?,
            None => database.snapshot()?,
        })
    }

    /// The scan of the selected rows.
    pub(crate) fn scan(&self, snapshot: &Snapshot) -> Result<Scan, CliError> {
        let mut scan = snapshot.scan(&self.table)?;
        let (start, end) = self.range();
        if start > end {
            return Err(CliError::invalid("--start is after --end"));
        }
        scan = scan.between(start, end);
        if !self.series.is_empty() {
            if scan.meta().series_column.is_none() {
                return Err(CliError::invalid(format!(
                    "table {:?} has no series column, so --series selects nothing",
                    self.table
                )));
            }
            scan = scan.series(self.series.iter().cloned());
        }
        if !self.columns.is_empty() {
            scan = scan.columns(self.columns.iter().cloned());
        }
        Ok(scan)
    }

    /// The time range, half-open; the greatest end means no end.
    pub(crate) fn range(&self) -> (i64, i64) {
        (self.start.unwrap_or(i64::MIN), self.end.unwrap_or(i64::MAX))
    }
}

/// The selected rows of batches that hold all rows and columns of a table.
#[derive(Debug)]
pub(crate) struct Picked {
    time: String,
    series_column: Option<String>,
    series: Vec<String>,
    columns: Vec<String>,
    range: (i64, i64),
}

impl Selection {
    /// The same selection, of rows that come in no scan.
    pub(crate) fn picked(&self, meta: &TableMeta) -> Picked {
        let name = |id: u32| meta.column(id).map(|column| column.name.clone());
        Picked {
            time: name(meta.time_column).unwrap_or_default(),
            series_column: meta.series_column.and_then(name),
            series: self.series.clone(),
            columns: self.columns.clone(),
            range: self.range(),
        }
    }
}

impl Picked {
    /// The selected rows and columns.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<RecordBatch, CliError> {
        let failed =
            |error: arrow_schema::ArrowError| CliError::internal(format!("cannot pick rows: {error}"));
        let mut keep = vec![true; batch.num_rows()];
        self.keep_times(batch, &mut keep);
        self.keep_series(batch, &mut keep);
        let batch = if keep.contains(&false) {
            arrow_select::filter::filter_record_batch(batch, &keep.into()).map_err(failed)?
        } else {
            batch.clone()
        };
        if self.columns.is_empty() {
            return Ok(batch);
        }
        let places = self
            .columns
            .iter()
            .map(|name| batch.schema_ref().index_of(name))
            .collect::<Result<Vec<_>, _>>();
        places.and_then(|places| batch.project(&places)).map_err(failed)
    }

    fn keep_times(&self, batch: &RecordBatch, keep: &mut [bool]) {
        let (start, end) = self.range;
        let times = batch
            .column_by_name(&self.time)
            .and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        for (time, keep) in times.iter().flat_map(|times| times.values()).zip(keep) {
            *keep &= *time >= start && (*time < end || end == i64::MAX);
        }
    }

    fn keep_series(&self, batch: &RecordBatch, keep: &mut [bool]) {
        let symbols = self
            .series_column
            .as_deref()
            .filter(|_| !self.series.is_empty())
            .and_then(|name| batch.column_by_name(name))
            .and_then(|array| array.as_dictionary_opt::<UInt32Type>());
        let Some(symbols) = symbols else { return };
        let wanted: Vec<bool> = symbols
            .values()
            .as_string::<i32>()
            .iter()
            .map(|symbol| symbol.is_some_and(|symbol| self.series.iter().any(|series| series == symbol)))
            .collect();
        for (row, keep) in keep.iter_mut().enumerate() {
            *keep &= symbols.key(row).is_some_and(|key| wanted.get(key) == Some(&true));
        }
    }
}

/// Reads an instant: ISO 8601 with Z or an offset, a date (its start in UTC), or nanoseconds since 1970.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let digits = text.strip_suffix("ns").unwrap_or(text);
    if let Ok(ns) = digits.parse::<i64>() {
        let is_year = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        return if is_year {
            Err(format!(
                "is it a year or nanoseconds? write {text}-01-01, or {text}ns"
            ))
        } else {
            Ok(ns)
        };
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(error) => match text.parse::<jiff::civil::Date>() {
            Ok(date) if text.len() == 10 => date
                .to_zoned(jiff::tz::TimeZone::UTC)
                .map_err(|error| error.to_string())?
                .timestamp(),
            _ if text.parse::<jiff::civil::DateTime>().is_ok() => {
                return Err(format!(
                    "has no zone: write {text}Z if it is UTC, or an offset like {text}+01:00"
                ));
            }
            _ => return Err(format!("is not a time: {error}")),
        },
    };
    i64::try_from(instant.as_nanosecond())
        .map_err(|_| "lies outside of 1677-09-21 to 2262-04-11, the range of nanoseconds".to_owned())
}

/// Reads a number of bytes: `2GiB`, `512MB`, `4096`.
pub(crate) fn byte_size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let at = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("is not a size: write for example 2GiB, 512MB or 1000000".to_owned()),
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor).map(|bytes| bytes as f64),
        Err(_) => number.parse::<f64>().ok().map(|number| number * factor as f64),
    };
    match bytes {
        Some(bytes) if bytes >= 1.0 && bytes < (1u64 << 60) as f64 => Ok(bytes as usize),
        _ => Err("is not a size: write for example 2GiB, 512MB or 1000000".to_owned()),
    }
}

/// Reads when a commit is durable: `sync`, `interval:50` (milliseconds), `buffered`.
pub(crate) fn durability(text: &str) -> Result<Durability, String> {
    match (text, text.strip_prefix("interval:")) {
        ("sync", _) => Ok(Durability::Sync),
        ("buffered", _) => Ok(Durability::Buffered),
        (_, Some(ms)) => ms
            .parse::<u64>()
            .ok()
            .filter(|ms| *ms > 0)
            .map(Durability::Interval)
            .ok_or_else(|| "needs milliseconds, for example interval:50".to_owned()),
        _ => Err("is not sync, interval:MS or buffered".to_owned()),
    }
}

/// Reads a length of time that is more than nothing: `250ms`, `5s`, `1m`, `4h`, `1d`.
pub(crate) fn length(text: &str) -> Result<i64, String> {
    match gapless::duration_ns(text.trim()) {
        Ok(ns) if ns > 0 => Ok(ns),
        Ok(_) => Err("is not more than nothing".to_owned()),
        Err(_) => Err(
            "is no length of time: write a number and one of ns, us, ms, s, m, h, d, w, such as 1m"
                .to_owned(),
        ),
    }
}

/// Reads a grid step: a length of time, or `none` for rows on no grid.
pub(crate) fn interval(text: &str) -> Result<i64, String> {
    match text.trim() {
        "none" => Ok(0),
        text if text == "0" || gapless::duration_ns(text).is_ok_and(|ns| ns == 0) => {
            Err("is no step: write none for rows on no grid".to_owned())
        }
        text => length(text).map_err(|error| format!("{error}, or none for rows on no grid")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_iso_with_a_zone_or_dates_or_nanoseconds() {
        assert_eq!(instant("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert_eq!(instant("1970-01-01T01:00:00.000000001+01:00"), Ok(1));
        assert_eq!(instant("1970-01-02"), Ok(86_400_000_000_000));
        assert_eq!(instant("-5"), Ok(-5));
        assert_eq!(instant("2013ns"), Ok(2013));
        assert!(instant("2013").is_err_and(|error| error.contains("2013-01-01")));
        assert!(instant("2013-01-01T00:00:00").is_err_and(|error| error.contains("no zone")));
        assert!(instant("3000-01-01").is_err_and(|error| error.contains("2262")));
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn byte_sizes_take_binary_and_decimal_units() {
        assert_eq!(byte_size("2GiB"), Ok(2 << 30));
        assert_eq!(byte_size("1.5 MiB"), Ok(1_572_864));
        assert_eq!(byte_size("512MB"), Ok(512_000_000));
        assert_eq!(byte_size("4096"), Ok(4096));
        assert!(byte_size("0").is_err());
        assert!(byte_size("lots").is_err());
        assert!(byte_size("99999999999TiB").is_err());
    }

    #[test]
    fn durability_is_a_word_or_an_interval() {
        assert_eq!(durability("sync"), Ok(Durability::Sync));
        assert_eq!(durability("interval:50"), Ok(Durability::Interval(50)));
        assert_eq!(durability("buffered"), Ok(Durability::Buffered));
        assert!(durability("interval:0").is_err());
        assert!(durability("interval").is_err());
    }

    #[test]
    fn a_step_is_a_length_of_time_or_none() {
        assert_eq!(interval("1m"), Ok(60_000_000_000));
        assert_eq!(interval("none"), Ok(0));
        assert!(interval("-1m").is_err_and(|error| error.contains("none")));
        for nothing in ["0", "0s", "0ns"] {
            assert!(interval(nothing).is_err_and(|error| error.contains("write none")));
        }
        assert!(interval("1M").is_err());
        assert!(length("0s").is_err());
    }
}
