//! Coverage: files of a table, and one file by itself; calendars.

use gapless_format::{CoverageFile, CoverageKey, CoverageRecord, CoverageRef, TableMeta, file_name};
use serde_json::Value;

use super::disk::{Disk, Outcome};
use super::section::{Section, hex64};
use super::state::State;
use super::values::symbols_of;
use crate::render::instant_iso;

/// Ranges listed of one file.
const RANGES_MAX: usize = 10_000;

const COLUMNS: [&str; 12] = [
    "series",
    "interval",
    "start",
    "end",
    "state",
    "source",
    "batch",
    "fetched_at",
    "rows_of_source",
    "content",
    "first_commit",
    "commit",
];

/// The coverage files of a table that the manifest names, with their ranges.
pub(super) fn table(disk: &Disk, state: &State, meta: &TableMeta) -> Option<Section> {
    let files: Vec<&CoverageRef> = state
        .coverage
        .values()
        .filter(|file| file.table == meta.table)
        .collect();
    if files.is_empty() {
        return None;
    }
    let mut section = Section::new(format!("coverage of table {}", meta.name));
    section.field("files", files.len());
    section.columns(["file", "id", "ranges", "bytes", "created", "commit"]);
    let symbols = match symbols_of_series(disk, meta) {
        Ok(symbols) => symbols,
        Err(error) => {
            section.error(error);
            Vec::new()
        }
    };
    for file in files {
        section.row([
            file.name.clone().into(),
            hex64(file.file),
            file.ranges.into(),
            file.bytes.into(),
            file.created.into(),
            instant_iso(file.commit).into(),
        ]);
        match read(disk, meta, file) {
            Ok(bytes) => {
                let mut inner = parsed(&file.name, &bytes, Some(file.commit), &symbols);
                let sum = bytes.last_chunk().map_or(0, |sum| u64::from_le_bytes(*sum));
                if (bytes.len() as u64, sum) != (file.bytes, file.checksum) {
                    inner.error("is not the file that was committed");
                }
                section.push(inner);
            }
            Err(error) => section.error(error),
        }
    }
    Some(section)
}

fn read(disk: &Disk, table: &TableMeta, file: &CoverageRef) -> Outcome<Vec<u8>> {
    let table = file_name(&table.name).map_err(|error| error.to_string())?;
    disk.read(&format!("tables/{table}/coverage/{}", file.name))
}

fn symbols_of_series(disk: &Disk, table: &TableMeta) -> Outcome<Vec<String>> {
    let column = table.series_column.and_then(|id| table.column(id));
    column.map_or_else(|| Ok(Vec::new()), |column| symbols_of(disk, &column.column_type))
}

/// A file by its bytes. `commit` is that of ranges that name none, if it is known.
pub(super) fn parsed(title: &str, bytes: &[u8], commit: Option<i64>, symbols: &[String]) -> Section {
    let mut section = Section::new(title);
    let file = match CoverageFile::parse(bytes) {
        Ok(file) => file,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    let ranges = file.keys().last().map_or(0, |(_, places)| places.end);
    section.field("keys", file.keys().len());
    section.field("ranges", ranges);
    if ranges > RANGES_MAX {
        section.field("ranges_not_listed", ranges - RANGES_MAX);
    }
    section.columns(COLUMNS);
    let places = file
        .keys()
        .iter()
        .flat_map(|(key, places)| places.clone().map(|place| (*key, place)));
    for (key, place) in places.take(RANGES_MAX) {
        if let Some(record) = file.record(bytes, place) {
            section.row(row(key, &record, commit, symbols));
        }
    }
    section
}

fn row(key: CoverageKey, it: &CoverageRecord<'_>, commit: Option<i64>, symbols: &[String]) -> [Value; 12] {
    let of_file = |own: i64| match own {
        i64::MIN => commit.map(instant_iso),
        own => Some(instant_iso(own)),
    };
    [
        series(key.series, symbols),
        interval(key.interval),
        time(it.start).into(),
        time(it.end).into(),
        it.state.name().into(),
        it.source.into(),
        it.batch.into(),
        instant_iso(it.fetched_at).into(),
        it.rows.into(),
        hex64(it.content),
        of_file(it.first_commit).into(),
        of_file(it.commit).into(),
    ]
}

/// A series by its text; by its code where the text is not known.
fn series(code: Option<u32>, symbols: &[String]) -> Value {
    let Some(code) = code else {
        return "every series".into();
    };
    match symbols.get(code as usize) {
        Some(text) => text.clone().into(),
        None => format!("code {code}").into(),
    }
}

/// Nanoseconds, or in words.
pub(super) fn interval(interval: Option<i64>) -> Value {
    match interval {
        None => "every interval".into(),
        Some(0) => "no grid".into(),
        Some(ns) => format!("{ns} ns").into(),
    }
}

/// A time of a range; the least and the greatest are none.
pub(super) fn time(time: i64) -> String {
    match time {
        i64::MIN => "the beginning of time".to_owned(),
        i64::MAX => "the end of time".to_owned(),
        time => instant_iso(time),
    }
}

/// The calendars of a database.
pub(super) fn calendars(state: &State) -> Option<Section> {
    if state.calendars.is_empty() {
        return None;
    }
    let mut section = Section::new("calendars");
    section.columns(["calendar", "changed_in_version", "used_by", "text"]);
    for calendar in state.calendars.values() {
        let users = state.calendar_uses.iter();
        let users = users.filter(|(_, name)| **name == calendar.name);
        let users: Vec<Value> = users
            .map(|((table, series), _)| user(state, *table, *series).into())
            .collect();
        section.row([
            calendar.name.clone().into(),
            calendar.changed.into(),
            users.into(),
            calendar.text.clone().into(),
        ]);
    }
    Some(section)
}

fn user(state: &State, table: u32, series: Option<u32>) -> String {
    let name = state.tables.get(&table).map(|table| format!("{:?}", table.name));
    let name = name.unwrap_or_else(|| format!("table id {table}"));
    match series {
        Some(code) => format!("series code {code} of {name}"),
        None => name,
    }
}

/// The lives of the series of a table.
pub(super) fn listings(disk: &Disk, state: &State, meta: &TableMeta) -> Option<Section> {
    let of_table = state.listings.range((meta.table, 0)..=(meta.table, u32::MAX));
    let mut section = Section::new(format!("listings of table {}", meta.name));
    section.columns(["series", "start", "end"]);
    let symbols = symbols_of_series(disk, meta).unwrap_or_default();
    let mut count = 0;
    for ((_, code), (start, end)) in of_table {
        section.row([
            series(Some(*code), &symbols),
            time(*start).into(),
            time(*end).into(),
        ]);
        count += 1;
    }
    section.field("series_listed", count);
    (count > 0).then_some(section)
}
