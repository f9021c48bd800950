//! `--wal`: the streams of the write-ahead log, their records, and rows of these.

use std::collections::HashMap;

use gapless_format::wal::{WalColumn, WalHeader, WalItem, WalOutcome, WalRecord, WalRows, decode_wal_record};
use gapless_format::{ColumnType, Coverage, Deletion, HEADER_LEN, Identity, TableMeta, Tail};
use serde_json::{Map, Value};

use super::coverage::{interval, time};
use super::disk::{Disk, Outcome};
use super::records;
use super::section::{Section, hex64};
use super::state::{self, State};
use super::values::{PageBytes, symbols_of};
use crate::render::instant_iso;

/// Records listed of one stream.
const RECORDS_MAX: usize = 10_000;

/// What is known beside the log itself, to name what it holds.
struct Names<'a> {
    disk: Option<&'a Disk>,
    state: Option<&'a State>,
    /// Symbols by domain, read when they are first needed.
    symbols: HashMap<String, Vec<String>>,
    /// Rows shown of each record; 0 for none.
    rows: usize,
}

/// The streams of a database; `rows` rows of each record.
pub(crate) fn streams(disk: &Disk, rows: usize) -> Section {
    let mut section = Section::new("write-ahead log");
    let manifest = state::load(disk);
    for error in &manifest.errors {
        section.error(error);
    }
    let state = manifest.state.as_ref();
    let mut names = Names {
        disk: Some(disk),
        state,
        symbols: HashMap::new(),
        rows,
    };
    section.columns([
        "stream",
        "owner",
        "in_manifest",
        "checkpoint",
        "files",
        "bytes",
        "last_lsn",
        "lag_bytes",
    ]);
    let mut found = Vec::new();
    for (name, kind, _) in directory(disk, &mut section) {
        match hex16(&name).filter(|_| kind == Some(true)) {
            Some(stream) => found.push(stream),
            None => section.error(format!("wal/{name}: is no stream")),
        }
    }
    for stream in &found {
        let (row, inner) = one_stream(disk, *stream, &mut names);
        section.row(row);
        section.push(inner);
    }
    for meta in state.iter().flat_map(|state| state.streams.values()) {
        if !found.contains(&meta.stream) {
            section.error(format!(
                "wal/{:016x}: the manifest names this stream with checkpoint {}, but it is not there",
                meta.stream, meta.checkpoint
            ));
        }
    }
    section.field("streams", found.len());
    section
}

/// Entries of `wal/`; a database that was never streamed to has none.
fn directory(disk: &Disk, section: &mut Section) -> Vec<(String, Option<bool>, u64)> {
    let root = disk.list("").unwrap_or_default();
    if !root.iter().any(|(name, _, _)| name == "wal") {
        return Vec::new();
    }
    disk.list("wal").unwrap_or_else(|error| {
        section.error(error);
        Vec::new()
    })
}

fn hex16(text: &str) -> Option<u64> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sound = text.len() == 16 && text.bytes().all(is_hex);
    u64::from_str_radix(text, 16).ok().filter(|_| sound)
}

fn one_stream(disk: &Disk, stream: u64, names: &mut Names<'_>) -> (Vec<Value>, Section) {
    let path = format!("wal/{stream:016x}");
    let mut section = Section::new(format!("stream {stream:016x}"));
    let mut files = Vec::new();
    match disk.list(&path) {
        Ok(entries) => {
            for (name, kind, len) in entries {
                let first = name.strip_suffix(".wal").and_then(hex16);
                match first.filter(|_| kind == Some(false)) {
                    Some(first) => files.push((first, format!("{path}/{name}"), len)),
                    None if name == "LOCK" => {}
                    None => section.error(format!("{path}/{name}: is no file of a log")),
                }
            }
        }
        Err(error) => section.error(error),
    }
    let meta = names.state.and_then(|state| state.streams.get(&stream));
    let (checkpoint, flushed) = (meta.map(|it| it.checkpoint), meta.map(|it| it.flushed));
    let mut records = Records::new();
    let mut expected: Option<u64> = None;
    let count = files.len();
    for (at, (first, path, _)) in files.iter().enumerate() {
        if let Some(end) = expected.filter(|end| end != first) {
            records.section.error(format!(
                "{path}: begins at LSN {first}, the file before it ends at {end}: what lies between is missing"
            ));
        }
        let is_last = at + 1 == count;
        expected = Some(records.file(disk, path, (stream, *first), is_last, names));
    }
    let bytes: u64 = files.iter().map(|(_, _, len)| *len).sum();
    let last = expected.or(checkpoint);
    let lag = last
        .zip(checkpoint)
        .map(|(last, checkpoint)| last.saturating_sub(checkpoint));
    if let Some((first, path, _)) = files.first()
        && checkpoint.is_some_and(|checkpoint| *first > checkpoint)
    {
        section.error(format!(
            "{path}: begins at LSN {first}, behind the checkpoint {}: records are missing",
            checkpoint.unwrap_or_default()
        ));
    }
    let owner = owner(disk, &path);
    section.field("owner", owner);
    section.field("checkpoint", checkpoint);
    section.field("flushed_commit", flushed.map(instant_iso));
    section.field("last_lsn", last);
    // Empty before the first sync.
    if let Some(bytes) = disk
        .read(&format!("{path}/LOCK"))
        .ok()
        .filter(|it| !it.is_empty())
    {
        match Tail::decode(&bytes) {
            Ok(mark) => {
                section.field("durable_lsn", mark.committed_len);
                section.field("suspect_tail", mark.suspect);
                if last.is_some_and(|last| last < mark.committed_len) {
                    section.error(format!(
                        "{path}: the log was durable up to LSN {}, but cannot be read that far",
                        mark.committed_len
                    ));
                }
            }
            Err(error) => section.error(format!("{path}/LOCK: {error}")),
        }
    }
    let row = vec![
        hex64(stream),
        owner.into(),
        meta.is_some().into(),
        checkpoint.into(),
        count.into(),
        bytes.into(),
        last.into(),
        lag.into(),
    ];
    records.finish(&mut section);
    (row, section)
}

/// Whether somebody holds the lock of a stream. It is asked for shared and given back at once.
fn owner(disk: &Disk, path: &str) -> &'static str {
    let Ok(open) = disk.open(&format!("{path}/LOCK")) else {
        return "not known";
    };
    match open.try_lock_shared() {
        Ok(()) => "dead",
        Err(std::fs::TryLockError::WouldBlock) => "alive",
        Err(std::fs::TryLockError::Error(_)) => "not known",
    }
}

/// One file alone, whose tables and symbols are not known.
pub(super) fn file(bytes: &[u8], rows: usize) -> Section {
    let mut names = Names {
        disk: None,
        state: None,
        symbols: HashMap::new(),
        rows,
    };
    let mut records = Records::new();
    let mut section = Section::new("log");
    match WalHeader::decode(bytes) {
        Ok(header) => {
            section.field("stream", hex64(header.stream));
            section.field("first_lsn", header.first_lsn);
            section.field("database_id", format!("{:032x}", header.database));
            let end = records.walk("", bytes, header.first_lsn, false, &mut names);
            section.field("last_lsn", end);
        }
        Err(error) => section.error(error),
    }
    records.finish(&mut section);
    section
}

/// The records of a stream as they are listed.
struct Records {
    section: Section,
    shown: Vec<Section>,
    count: usize,
    commit: Option<i64>,
}

impl Records {
    fn new() -> Self {
        let mut section = Section::new("records");
        section.columns([
            "lsn",
            "committed_at",
            "bytes",
            "tables",
            "rows",
            "coverage",
            "deletions",
        ]);
        Self {
            section,
            shown: Vec::new(),
            count: 0,
            commit: None,
        }
    }

    fn finish(mut self, section: &mut Section) {
        section.field("records", self.count);
        if self.count > RECORDS_MAX {
            section.field("records_not_listed", self.count - RECORDS_MAX);
        }
        self.shown.into_iter().for_each(|shown| self.section.push(shown));
        section.push(self.section);
    }

    /// One file; the LSN behind its last record.
    fn file(
        &mut self,
        disk: &Disk,
        path: &str,
        (stream, first): (u64, u64),
        is_last: bool,
        names: &mut Names<'_>,
    ) -> u64 {
        let bytes = match disk.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.section.error(error);
                return first;
            }
        };
        let head = bytes.get(..HEADER_LEN);
        if is_last && head.is_none_or(|head| head.iter().all(|byte| *byte == 0)) {
            self.section
                .field("tail", format!("{path}: has no header yet, holds nothing"));
            return first;
        }
        let database = disk.read("GAPLESS").ok();
        let database = database.and_then(|bytes| Identity::decode(&bytes).ok());
        match WalHeader::decode(&bytes) {
            Ok(header) => {
                let is_ours = database.is_none_or(|known| known.database == header.database);
                if (header.stream, header.first_lsn) != (stream, first) || !is_ours {
                    self.section.error(format!(
                        "{path}: is of stream {:016x} from LSN {} of database {:032x}: it was put here from elsewhere",
                        header.stream, header.first_lsn, header.database
                    ));
                }
            }
            Err(error) => self.section.error(format!("{path}: {error}")),
        }
        // Whatever is wrong with the header, the records say their LSN themselves.
        self.walk(path, &bytes, first, is_last, names)
    }

    fn walk(
        &mut self,
        path: &str,
        bytes: &[u8],
        first: u64,
        may_be_torn: bool,
        names: &mut Names<'_>,
    ) -> u64 {
        let mut at = HEADER_LEN;
        let lsn = |at: usize| first.saturating_add((at - HEADER_LEN) as u64);
        let place = if path.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let left = rest.len();
            match decode_wal_record(rest, lsn(at), at as u64) {
                Ok(WalOutcome::Record(record)) => {
                    self.record(&place, &record, names);
                    at += record.len;
                }
                Ok(WalOutcome::End) => {
                    if left > 0 {
                        self.section.field(
                            "reserved",
                            format!("{place}{left} bytes that are not written yet"),
                        );
                    }
                    return lsn(at);
                }
                Ok(WalOutcome::Torn { reason, .. }) => {
                    let what =
                        format!("{place}at byte {at}: no valid record ({reason}), {left} bytes are not read");
                    match may_be_torn {
                        true => self
                            .section
                            .field("tail", format!("{what}: a commit that did not finish")),
                        false => self.section.error(what),
                    }
                    return lsn(at);
                }
                Err(error) => {
                    self.section
                        .error(format!("{place}{error}, {left} bytes are not read"));
                    return lsn(at);
                }
            }
        }
    }

    fn record(&mut self, place: &str, record: &WalRecord<'_>, names: &mut Names<'_>) {
        self.count += 1;
        if self.commit.is_some_and(|before| before >= record.commit) {
            self.section.error(format!(
                "{place}LSN {}: its commit time {} is not behind that of the record before",
                record.lsn,
                instant_iso(record.commit)
            ));
        }
        self.commit = Some(record.commit);
        let items = match record.items() {
            Ok(items) => items,
            Err(error) => {
                self.section.error(format!("{place}LSN {}: {error}", record.lsn));
                Vec::new()
            }
        };
        if self.count > RECORDS_MAX {
            return;
        }
        self.section.row(names.summary(record, &items));
        if names.rows > 0 {
            self.shown
                .extend(items.iter().map(|item| names.item(record, item)));
        }
    }
}

impl Names<'_> {
    fn table(&self, id: u32) -> Option<&TableMeta> {
        self.state.and_then(|state| state.tables.get(&id))
    }

    fn table_name(&self, id: u32) -> String {
        self.table(id)
            .map_or_else(|| format!("id {id}"), |table| table.name.clone())
    }

    fn summary(&self, record: &WalRecord<'_>, items: &[WalItem<'_>]) -> Vec<Value> {
        let (mut tables, mut rows, mut coverage, mut deletions) = (Vec::new(), 0, 0, 0);
        for item in items {
            let table = match item {
                WalItem::Rows(it) => {
                    rows += it.rows;
                    it.table
                }
                WalItem::Coverage(it) => {
                    coverage += 1;
                    it.table
                }
                WalItem::Delete(it) => {
                    deletions += 1;
                    it.table
                }
            };
            let name = Value::from(self.table_name(table));
            if !tables.contains(&name) {
                tables.push(name);
            }
        }
        vec![
            record.lsn.into(),
            instant_iso(record.commit).into(),
            record.len.into(),
            tables.into(),
            rows.into(),
            coverage.into(),
            deletions.into(),
        ]
    }

    fn item(&mut self, record: &WalRecord<'_>, item: &WalItem<'_>) -> Section {
        let lsn = record.lsn;
        match item {
            WalItem::Rows(rows) => self.rows(lsn, rows),
            WalItem::Coverage(it) => {
                let mut section = Section::new(format!(
                    "LSN {lsn}: coverage of table {}",
                    self.table_name(it.table)
                ));
                coverage(it, &mut section);
                section
            }
            WalItem::Delete(it) => {
                let mut section = Section::new(format!(
                    "LSN {lsn}: deletion in table {}",
                    self.table_name(it.table)
                ));
                section.field(
                    "deletion",
                    records::deletion(&Deletion {
                        commit: record.commit,
                        ..it.clone()
                    }),
                );
                section
            }
        }
    }

    fn rows(&mut self, lsn: u64, rows: &WalRows<'_>) -> Section {
        let mut section = Section::new(format!(
            "LSN {lsn}: rows of table {}",
            self.table_name(rows.table)
        ));
        section.columns(["row", "values"]);
        let mut columns = Vec::new();
        for column in &rows.columns {
            let known = self
                .table(rows.table)
                .and_then(|table| table.column(column.column_id));
            let name = known.map_or_else(|| format!("id {}", column.column_id), |it| it.name.clone());
            if let Err(error) = column.verify() {
                section.error(format!("{name}: {}", error.message));
            }
            if let Err(error) = self.load_symbols(&column.column_type) {
                section.error(error);
            }
            columns.push((name, column, page(column)));
        }
        for at in 0..rows.rows.min(self.rows) {
            let mut values = Map::new();
            for (name, column, page) in &columns {
                let symbols = self.symbols_of(&column.column_type);
                values.insert(name.clone(), page.value(at, &column.column_type, symbols));
            }
            section.row([at.into(), values.into()]);
        }
        section
    }

    fn load_symbols(&mut self, column_type: &ColumnType) -> Outcome<()> {
        if let (Some(disk), ColumnType::Symbol { domain }) = (self.disk, column_type)
            && !self.symbols.contains_key(domain)
        {
            // Told once: codes are shown from then on.
            let read = symbols_of(disk, column_type);
            self.symbols
                .insert(domain.clone(), read.as_ref().cloned().unwrap_or_default());
            read?;
        }
        Ok(())
    }

    fn symbols_of(&self, column_type: &ColumnType) -> &[String] {
        match column_type {
            ColumnType::Symbol { domain } => self.symbols.get(domain).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

/// A column of a record, as a page of a column chunk has it.
fn page(column: &WalColumn<'_>) -> PageBytes {
    let mut values = vec![0; column.values.len()];
    column.values.unpack(&mut values);
    let mut offsets = Vec::new();
    if let Some(lengths) = &column.lengths {
        let mut bytes = vec![0; lengths.len()];
        lengths.unpack(&mut bytes);
        let mut end = 0u32;
        offsets.extend(end.to_le_bytes());
        for length in bytes.as_chunks::<4>().0 {
            end = end.saturating_add(u32::from_le_bytes(*length));
            offsets.extend(end.to_le_bytes());
        }
    }
    PageBytes::new(values, offsets, column.validity.unwrap_or_default().to_vec())
}

fn coverage(it: &Coverage, section: &mut Section) {
    section.field("series_code", it.series);
    section.field("interval", interval(it.interval));
    section.field("start", time(it.start));
    section.field("end", time(it.end));
    section.field("state", it.state.name());
    section.field("rows_of_source", it.rows);
    section.field("content", hex64(it.content));
    section.field("fetched_at", instant_iso(it.fetched_at));
    section.field("source", it.source.clone());
    section.field("batch", it.batch.clone());
}
