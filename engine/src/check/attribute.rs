//! Proves the attributes of a column again, from its rows.
//!
//! Rows are compared with the stored index page by page; what the index holds beyond them is found by counting.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef};
use gapless_format::{
    Attribute, AttributeKind, ColumnMeta, FormatError, GroupedIndex, HEADER_LEN, NULL_CODE, PartedIndex,
    UniqueIndex, VectorKind, checksum,
};
use roaring::RoaringBitmap;

use super::column::{Expected, open_vector};
use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::io::RelPath;
use crate::segment::key::keys;
use crate::segment::{first_descent, is_hashed, vector_path};

/// The kind of file that holds the index of an attribute.
pub(super) fn vector_of(kind: AttributeKind) -> Option<VectorKind> {
    match kind {
        AttributeKind::Sorted => None,
        AttributeKind::Parted => Some(VectorKind::Parted),
        AttributeKind::Grouped => Some(VectorKind::Grouped),
        AttributeKind::Unique => Some(VectorKind::Unique),
    }
}

/// The body of an index file, read and found to be what was written.
pub(super) struct IndexBody {
    kind: AttributeKind,
    path: Option<RelPath>,
    body: Vec<u8>,
}

impl IndexBody {
    /// The runs of a parted index, if it does not contradict itself.
    pub(super) fn runs(&self, rows: u64) -> Option<PartedIndex<'_>> {
        if self.kind != AttributeKind::Parted {
            return None;
        }
        let index = PartedIndex::parse(&self.body, rows).ok()?;
        index.verify().ok()?;
        Some(index)
    }
}

/// Reads the index of an attribute. `None` when it is damaged, which is a finding.
pub(super) fn load(
    source: &Source<'_>,
    segment_path: &RelPath,
    segment: u64,
    rows: u64,
    meta: &ColumnMeta,
    attribute: &Attribute,
    sink: &Sink,
) -> Option<IndexBody> {
    let Some(kind) = vector_of(attribute.kind) else {
        return Some(IndexBody {
            kind: attribute.kind,
            path: None,
            body: Vec::new(),
        });
    };
    let path = vector_path(segment_path, &meta.name, kind).ok()?;
    let expected = Expected {
        meta,
        segment,
        rows,
        kind,
        len: attribute.index_bytes,
    };
    let file = open_vector(source, &path, &expected, sink)?;
    if file.len() < HEADER_LEN as u64 {
        return None;
    }
    let body = source.range(&*file, HEADER_LEN as u64..file.len()).ok()?;
    let found = checksum(&body);
    if found != attribute.checksum {
        let message = format!(
            "the {} index is damaged: checksum is {found:#018x}, segment.meta says {:#018x}; the rows are not touched \
             by this, write them again to get a new index",
            attribute.kind.name(),
            attribute.checksum
        );
        sink.add(
            Finding::error(FindingKind::IndexChecksum, message)
                .file(&path)
                .at(HEADER_LEN as u64),
        );
        return None;
    }
    Some(IndexBody {
        kind: attribute.kind,
        path: Some(path),
        body: body.to_vec(),
    })
}

/// Compares the rows of a column with one of its indexes.
pub(super) struct Prover<'a> {
    index: &'a IndexBody,
    state: State<'a>,
    /// A page could not be read, so counts do not say anything.
    incomplete: bool,
    done: bool,
}

enum State<'a> {
    Sorted {
        last: Option<ArrayRef>,
    },
    Parted {
        index: PartedIndex<'a>,
        run: usize,
        series: bool,
    },
    Grouped {
        rows: HashMap<u64, RoaringBitmap>,
        indexed: u64,
        seen: u64,
    },
    Unique {
        index: UniqueIndex<'a>,
        seen: u64,
        hashed: bool,
        /// Values by key, of keys that stand for more than one row.
        twins: HashMap<u64, Vec<(u32, Option<ArrayRef>)>>,
    },
}

impl<'a> Prover<'a> {
    /// Parses and verifies the index. `None`, with a finding, when it contradicts itself.
    pub(super) fn new(index: &'a IndexBody, rows: u64, is_series: bool, sink: &Sink) -> Option<Self> {
        match State::new(index, rows, is_series) {
            Ok(state) => Some(Self {
                index,
                state,
                incomplete: false,
                done: false,
            }),
            Err(error) => {
                let offset = error.offset.saturating_add(HEADER_LEN as u64);
                let message = format!(
                    "the {} index contradicts itself: {}",
                    index.kind.name(),
                    error.message
                );
                let finding = Finding::error(FindingKind::Attribute, message).at(offset);
                sink.add(place(finding, index));
                None
            }
        }
    }

    /// Takes the next page; `None` for one that cannot be read.
    pub(super) fn page(&mut self, page: usize, first_row: u64, array: Option<&ArrayRef>, sink: &Sink) {
        let Some(array) = array else {
            self.incomplete = true;
            self.state.skip();
            return;
        };
        if self.done {
            return;
        }
        if let Err((row, why)) = self.state.page(first_row, array) {
            self.done = true; // One finding tells enough: the attribute does not hold.
            let message = format!("the attribute {} does not hold: {why}", self.index.kind.name());
            let finding = Finding::error(FindingKind::Attribute, message)
                .page(page)
                .row(row);
            sink.add(place(finding, self.index));
        }
    }

    /// After the last page: nothing is in the index that is not in the rows.
    pub(super) fn finish(self, sink: &Sink) {
        if self.done || self.incomplete {
            return;
        }
        if let Err(why) = self.state.finish() {
            let message = format!(
                "the {} index is not that of the rows: {why}",
                self.index.kind.name()
            );
            sink.add(place(Finding::error(FindingKind::Attribute, message), self.index));
        }
    }
}

fn place(finding: Finding, index: &IndexBody) -> Finding {
    match &index.path {
        Some(path) => finding.file(path),
        None => finding,
    }
}

type RowProblem = (u64, String);

impl<'a> State<'a> {
    fn new(index: &'a IndexBody, rows: u64, is_series: bool) -> Result<Self, FormatError> {
        Ok(match index.kind {
            AttributeKind::Sorted => Self::Sorted { last: None },
            AttributeKind::Parted => {
                let parsed = PartedIndex::parse(&index.body, rows)?;
                parsed.verify()?;
                Self::Parted {
                    index: parsed,
                    run: 0,
                    series: is_series,
                }
            }
            AttributeKind::Grouped => {
                let parsed = GroupedIndex::parse(&index.body, rows)?;
                parsed.verify()?;
                let rows = parsed.iter().collect::<Result<HashMap<_, _>, _>>()?;
                let indexed = rows.values().map(RoaringBitmap::len).sum();
                Self::Grouped {
                    rows,
                    indexed,
                    seen: 0,
                }
            }
            AttributeKind::Unique => {
                let parsed = UniqueIndex::parse(&index.body, rows)?;
                parsed.verify()?;
                Self::Unique {
                    twins: twins(&parsed),
                    index: parsed,
                    seen: 0,
                    hashed: false,
                }
            }
        })
    }

    fn skip(&mut self) {
        if let Self::Sorted { last } = self {
            *last = None;
        }
    }

    fn page(&mut self, first_row: u64, array: &ArrayRef) -> Result<(), RowProblem> {
        if array.is_empty() {
            return Ok(());
        }
        if let Self::Sorted { last } = self {
            sorted_page(last.as_ref(), array, first_row)?;
            *last = Some(array.slice(array.len() - 1, 1));
            return Ok(());
        }
        let keys = keys(array).map_err(|error| (first_row, error.to_string()))?;
        for (at, key) in keys.into_iter().enumerate() {
            let row = first_row + at as u64;
            self.row(row, key).map_err(|why| (row, why))?;
        }
        if let Self::Unique { hashed, twins, .. } = self {
            *hashed = is_hashed(array.data_type());
            keep_twins(twins, first_row, array);
        }
        Ok(())
    }

    fn row(&mut self, row: u64, key: Option<u64>) -> Result<(), String> {
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        match self {
            Self::Sorted { .. } => Ok(()),
            Self::Parted { index, run, series } => {
                let key = match key {
                    Some(key) => key,
                    None if *series => u64::from(NULL_CODE),
                    None => return Err("a value is null".to_owned()),
                };
                while index.run(*run).is_some_and(|(_, rows)| rows.end <= number) {
                    *run += 1;
                }
                match index.run(*run) {
                    Some((found, rows)) if found == key && rows.contains(&number) => Ok(()),
                    _ => Err(format!("the value is not that of its run, run {run}")),
                }
            }
            Self::Grouped { rows, seen, .. } => {
                let Some(key) = key else { return Ok(()) };
                *seen += 1;
                match rows.get(&key).is_some_and(|rows| rows.contains(number)) {
                    true => Ok(()),
                    false => Err("the row is not in the group of its value".to_owned()),
                }
            }
            Self::Unique { index, seen, .. } => {
                let Some(key) = key else { return Ok(()) };
                *seen += 1;
                match index.find(key).any(|found| found == number) {
                    true => Ok(()),
                    false => Err("the row is not in the index under its value".to_owned()),
                }
            }
        }
    }

    fn finish(self) -> Result<(), String> {
        match self {
            Self::Sorted { .. } | Self::Parted { .. } => Ok(()),
            Self::Grouped { indexed, seen, .. } => same_count(indexed, seen),
            Self::Unique {
                index,
                seen,
                hashed,
                twins,
            } => {
                same_count(index.len() as u64, seen)?;
                for group in twins.into_values() {
                    distinct(&group, hashed)?;
                }
                Ok(())
            }
        }
    }
}

fn same_count(indexed: u64, seen: u64) -> Result<(), String> {
    if indexed == seen {
        return Ok(());
    }
    Err(format!(
        "it holds {indexed} rows, {seen} rows have a value that is not null"
    ))
}

fn sorted_page(last: Option<&ArrayRef>, array: &ArrayRef, first_row: u64) -> Result<(), RowProblem> {
    if array.null_count() > 0 {
        let row = (0..array.len())
            .find(|row| array.is_null(*row))
            .unwrap_or_default();
        return Err((first_row + row as u64, "a value is null".to_owned()));
    }
    match first_descent(last, array) {
        Ok(None) => Ok(()),
        Ok(Some(row)) => Err((
            first_row + row as u64,
            "the value is less than the one before".to_owned(),
        )),
        Err(error) => Err((first_row, error.to_string())),
    }
}

fn twins(index: &UniqueIndex<'_>) -> HashMap<u64, Vec<(u32, Option<ArrayRef>)>> {
    let mut found: HashMap<u64, Vec<(u32, Option<ArrayRef>)>> = HashMap::new();
    let mut before = None;
    for (key, row) in index.iter() {
        if let Some((before_key, before_row)) = before
            && before_key == key
        {
            let group = found.entry(key).or_insert_with(|| vec![(before_row, None)]);
            group.push((row, None));
        }
        before = Some((key, row));
    }
    found
}

fn keep_twins(twins: &mut HashMap<u64, Vec<(u32, Option<ArrayRef>)>>, first_row: u64, array: &ArrayRef) {
    let rows = first_row..first_row + array.len() as u64;
    for (row, value) in twins.values_mut().flatten() {
        if rows.contains(&u64::from(*row)) {
            let at = usize::try_from(u64::from(*row) - first_row).unwrap_or_default();
            *value = Some(array.slice(at, 1));
        }
    }
}

/// Rows with one key are distinct only where the key is a hash and the values differ.
fn distinct(group: &[(u32, Option<ArrayRef>)], hashed: bool) -> Result<(), String> {
    for (at, (row, value)) in group.iter().enumerate() {
        let earlier = group.get(..at).unwrap_or_default();
        let same = |other: &Option<ArrayRef>| match (value, other) {
            (Some(value), Some(other)) => value.as_ref() == other.as_ref(),
            _ => false,
        };
        if let Some((other, _)) = earlier.iter().find(|(_, other)| !hashed || same(other)) {
            return Err(format!("rows {other} and {row} have the same value"));
        }
    }
    Ok(())
}
