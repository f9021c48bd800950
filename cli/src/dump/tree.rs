//! `dump DB`: tables, partitions, segments and what they take on disk.

use std::collections::{BTreeMap, BTreeSet};

use gapless_format::{Identity, PartitionKey, SegmentMeta, SegmentRef, decode_file_name, file_name};
use serde_json::Value;

use super::coverage;
use super::disk::Disk;
use super::section::Section;
use super::state::{self, Manifest, State};
use crate::render::{instant, instant_iso};

/// A segment as the tree shows it, from the manifest or from its directory.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) table: String,
    pub(super) partition: String,
    pub(super) directory: String,
    pub(super) reference: Option<SegmentRef>,
}

impl Place {
    /// Its directory in the database.
    pub(super) fn path(&self) -> Result<String, String> {
        let table = file_name(&self.table).map_err(|error| error.to_string())?;
        Ok(format!("tables/{table}/{}/{}", self.partition, self.directory))
    }

    /// What says that it is there.
    pub(super) fn from(&self) -> &'static str {
        match self.reference {
            Some(_) => "manifest",
            None => "directories",
        }
    }
}

/// Every segment there is to show: what the manifest names. While it is damaged, also what else lies in the
/// directories; the section says so.
pub(super) fn places(disk: &Disk, manifest: &Manifest, section: &mut Section) -> Vec<Place> {
    for error in &manifest.errors {
        section.error(error);
    }
    let mut places = manifest.state.as_ref().map_or_else(Vec::new, named);
    let Some(damage) = &manifest.damage else {
        return places;
    };
    section.error(format!(
        "from the directories: {damage}; some of the segments that are marked so may have been removed, or never \
         committed"
    ));
    let known: BTreeSet<(String, String, String)> = places.iter().map(owned_key).collect();
    let unnamed = found(disk, section).into_iter();
    places.extend(unnamed.filter(|place| !known.contains(&owned_key(place))));
    places.sort_by(|a, b| key(a).cmp(&key(b)));
    places
}

fn named(state: &State) -> Vec<Place> {
    let place = |segment: &SegmentRef| Place {
        table: state
            .tables
            .get(&segment.table)
            .map_or(format!("id {}", segment.table), |table| table.name.clone()),
        partition: segment.partition.path(),
        directory: segment.directory.clone(),
        reference: Some(segment.clone()),
    };
    let mut places: Vec<Place> = state.segments.values().map(place).collect();
    places.sort_by(|a, b| key(a).cmp(&key(b)));
    places
}

fn key(place: &Place) -> (&str, &str, &str) {
    (&place.table, &place.partition, &place.directory)
}

fn owned_key(place: &Place) -> (String, String, String) {
    let (table, partition, directory) = key(place);
    (table.to_owned(), partition.to_owned(), directory.to_owned())
}

fn found(disk: &Disk, section: &mut Section) -> Vec<Place> {
    let mut places = Vec::new();
    let mut list = |path: &str| match disk.list(path) {
        Ok(entries) => entries
            .into_iter()
            .filter(|(_, kind, _)| *kind == Some(true))
            .map(|(name, _, _)| name)
            .collect(),
        Err(error) => {
            section.error(error);
            Vec::new()
        }
    };
    for table in list("tables") {
        let Some(name) = decode_file_name(&table) else {
            continue;
        };
        let mut partitions: Vec<String> = Vec::new();
        for outer in list(&format!("tables/{table}")) {
            if PartitionKey::parse(&outer).is_none() {
                continue;
            }
            let inner = list(&format!("tables/{table}/{outer}"));
            let hours = inner.iter().map(|hour| format!("{outer}/{hour}"));
            partitions.extend(hours.filter(|path| PartitionKey::parse(path).is_some()));
            partitions.push(outer);
        }
        partitions.sort_unstable();
        for partition in partitions {
            let segments = list(&format!("tables/{table}/{partition}"));
            places.extend(
                segments
                    .into_iter()
                    .filter(|name| name.starts_with("s-"))
                    .map(|directory| Place {
                        table: name.clone(),
                        partition: partition.clone(),
                        directory,
                        reference: None,
                    }),
            );
        }
    }
    places
}

/// The description of a segment, and what is wrong with it.
pub(super) fn read_meta(disk: &Disk, place: &Place) -> Result<SegmentMeta, String> {
    let path = format!("{}/segment.meta", place.path()?);
    let bytes = disk.read(&path)?;
    let meta = SegmentMeta::decode(&bytes).map_err(|error| format!("{path}: {error}"))?;
    if let Some(reference) = &place.reference
        && gapless_format::checksum(&bytes) != reference.meta_checksum
    {
        return Err(format!("{path}: is not the file that was committed"));
    }
    Ok(meta)
}

/// The tree of a database; with a table, of that table.
pub(crate) fn database(disk: &Disk, table: Option<&str>, partition: Option<&str>) -> Section {
    let mut section = Section::new(disk.root().display().to_string());
    identity(disk, &mut section);
    let manifest = state::load(disk);
    let places = places(disk, &manifest, &mut section);
    let state = &manifest.state;
    if let Some(state) = state {
        if let Some(path) = &state.checkpoint {
            section.field("read_from", path.clone());
        }
        section.field("version", state.version);
        section.field("committed_at", instant_iso(state.committed_at));
        section.field("removed_segments", state.removed);
        section.field("streams", state.streams.len());
        section.field("deletions", state.deletions);
        section.field("coverage_files", state.coverage.len());
        section.field("removed_coverage_files", state.removed_coverage.len());
        snapshots(state, &mut section);
        symbols(state, &mut section);
    }
    let mut by_table: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
    if let Some(state) = state {
        for table in state.tables.values() {
            by_table.entry(&table.name).or_default();
        }
    }
    for place in &places {
        by_table.entry(&place.table).or_default().push(place);
    }
    if let Some(table) = table {
        if !by_table.contains_key(table) {
            section.set_miss(format!("there is no table {table:?}"));
        }
        by_table.retain(|name, _| *name == table);
    }
    if let (Some(table), Some(wanted)) = (table, partition) {
        let mut places = by_table.values().flatten();
        if section.miss().is_none() && !places.any(|place| is_in(&place.partition, wanted)) {
            section.set_miss(format!("table {table:?} has no partition {wanted:?}"));
        }
    }
    for (name, places) in by_table {
        let wanted = |place: &&Place| partition.is_none_or(|wanted| is_in(&place.partition, wanted));
        let places: Vec<&Place> = places.into_iter().filter(wanted).collect();
        section.push(one_table(disk, name, &places, &manifest));
        let known = state.as_ref().and_then(|state| Some((state, state.table(name)?)));
        if let Some((state, meta)) = known.filter(|_| partition.is_none()) {
            coverage::table(disk, state, meta)
                .into_iter()
                .chain(coverage::listings(disk, state, meta))
                .for_each(|inner| section.push(inner));
        }
    }
    let calendars = state.as_ref().and_then(coverage::calendars);
    if let Some(calendars) = calendars.filter(|_| table.is_none()) {
        section.push(calendars);
    }
    section
}

/// Whether a partition is the wanted one, or an hour of the wanted day.
pub(super) fn is_in(partition: &str, wanted: &str) -> bool {
    partition == wanted
        || partition
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn identity(disk: &Disk, section: &mut Section) {
    match disk.read("GAPLESS").map(|bytes| Identity::decode(&bytes)) {
        Ok(Ok(identity)) => {
            section.field("database_id", format!("{:032x}", identity.database));
            section.field("format", format!("{}.{}", identity.major, identity.minor));
        }
        Ok(Err(error)) => section.error(format!("GAPLESS: {error}")),
        Err(error) => section.error(error),
    }
}

fn snapshots(state: &State, section: &mut Section) {
    let names = state.snapshots.iter();
    let texts: Vec<Value> = names
        .map(|(name, version)| format!("{name:?} of version {version}").into())
        .collect();
    section.field("snapshots", texts);
}

fn symbols(state: &State, section: &mut Section) {
    let texts: Vec<Value> = state
        .domains
        .values()
        .map(|domain| {
            format!(
                "{} ({} symbols, {} bytes)",
                domain.domain, domain.symbols, domain.committed_len
            )
            .into()
        })
        .collect();
    section.field("symbol_domains", texts);
}

fn one_table(disk: &Disk, name: &str, places: &[&Place], manifest: &Manifest) -> Section {
    let mut section = Section::new(format!("table {name}"));
    if let Some(table) = manifest.state.as_ref().and_then(|state| state.table(name)) {
        let column = |id| table.column(id).map(|column| column.name.clone());
        section.field("id", table.table);
        section.field("time", column(table.time_column));
        section.field("series", table.series_column.and_then(column));
        section.field("partition", table.partition_unit.name());
        let columns = table.columns.iter();
        let texts: Vec<Value> = columns
            .map(|column| format!("{} {}", column.name, column.column_type.name()).into())
            .collect();
        section.field("columns", texts);
    }
    let is_damaged = manifest.damage.is_some();
    let columns = [
        "partition",
        "segment",
        "rows",
        "bytes",
        "index_bytes",
        "first_time",
        "last_time",
    ];
    section.columns(columns.into_iter().chain(is_damaged.then_some("from")));
    let (mut rows, mut bytes, mut indexes) = (0u64, 0u64, 0u64);
    for place in places {
        let meta = read_meta(disk, place);
        let index: u64 = meta.as_ref().map_or(0, index_bytes);
        indexes = indexes.saturating_add(index);
        let fallback = || meta.as_ref().ok();
        let reference = place.reference.as_ref();
        let count = reference.map(|it| it.rows).or(fallback().map(|meta| meta.rows));
        let size = reference
            .map(|it| it.bytes)
            .or_else(|| directory_bytes(disk, place));
        let first = reference
            .map(|it| it.min_time)
            .or(fallback().map(|meta| meta.min_time));
        let last = reference
            .map(|it| it.max_time)
            .or(fallback().map(|meta| meta.max_time));
        rows = rows.saturating_add(count.unwrap_or(0));
        bytes = bytes.saturating_add(size.unwrap_or(0));
        let from = is_damaged.then(|| Value::from(place.from()));
        let cells = [
            place.partition.clone().into(),
            place.directory.clone().into(),
            count.into(),
            size.into(),
            index.into(),
            first.map(instant).into(),
            last.map(instant).into(),
        ];
        section.row(cells.into_iter().chain(from));
        if let Err(error) = meta {
            section.error(error);
        }
    }
    section.field("segments", places.len());
    section.field("rows_in_all", rows);
    section.field("bytes", bytes);
    section.field("index_bytes", indexes);
    section
}

fn index_bytes(meta: &SegmentMeta) -> u64 {
    let attributes = meta.columns.iter().flat_map(|column| &column.attributes);
    attributes.fold(0, |sum, attribute| sum.saturating_add(attribute.index_bytes))
}

fn directory_bytes(disk: &Disk, place: &Place) -> Option<u64> {
    let entries = disk.list(&place.path().ok()?).ok()?;
    Some(
        entries
            .iter()
            .filter(|(_, kind, _)| *kind == Some(false))
            .fold(0, |sum, (_, _, len)| sum.saturating_add(*len)),
    )
}
