//! Builds the index of one attribute while a column is written, and verifies that the attribute holds.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_ord::cmp;
use arrow_schema::DataType;
use gapless_format::{
    Attribute, AttributeKind, ColumnSpec, Encoding, NULL_CODE, VectorHeader, VectorKind, checksum,
    encode_grouped, encode_parted, encode_unique,
};
use roaring::RoaringBitmap;

use super::column_writer::VectorFile;
use super::key::keys;
use crate::error::{Error, Result};
use crate::io::{RelPath, Storage, WritableFile};

/// An index being built.
pub(crate) enum IndexWriter {
    /// The last row so far.
    Sorted { last: Option<ArrayRef> },
    /// Runs of equal keys. Nulls are a run of their own in the series column and refused elsewhere.
    Parted {
        keys: Vec<u64>,
        starts: Vec<u32>,
        seen: HashMap<u64, u32>,
        nulls: bool,
    },
    /// Rows by key; nulls are not in it.
    Grouped { rows: HashMap<u64, RoaringBitmap> },
    /// Row by key; nulls are not in it. Pages are kept where keys are hashes, to compare the values.
    Unique {
        rows: Vec<(u64, u32)>,
        pages: Vec<ArrayRef>,
    },
}

impl IndexWriter {
    pub(crate) fn new(kind: AttributeKind, is_series: bool) -> Self {
        match kind {
            AttributeKind::Sorted => Self::Sorted { last: None },
            AttributeKind::Parted => Self::Parted {
                keys: Vec::new(),
                starts: Vec::new(),
                seen: HashMap::new(),
                nulls: is_series,
            },
            AttributeKind::Grouped => Self::Grouped { rows: HashMap::new() },
            AttributeKind::Unique => Self::Unique {
                rows: Vec::new(),
                pages: Vec::new(),
            },
        }
    }

    fn kind(&self) -> AttributeKind {
        match self {
            Self::Sorted { .. } => AttributeKind::Sorted,
            Self::Parted { .. } => AttributeKind::Parted,
            Self::Grouped { .. } => AttributeKind::Grouped,
            Self::Unique { .. } => AttributeKind::Unique,
        }
    }

    /// Takes one page whose first row is `first_row` of the segment.
    ///
    /// # Errors
    /// `Invalid`, naming column and row, when the attribute does not hold.
    pub(crate) fn push(&mut self, page: &ArrayRef, first_row: usize, column: &str) -> Result<()> {
        if page.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sorted { last } => {
                check_ascending(last.as_ref(), page, first_row, column)?;
                *last = Some(page.slice(page.len() - 1, 1));
            }
            Self::Parted {
                keys: run_keys,
                starts,
                seen,
                nulls,
            } => {
                for (row, key) in (first_row..).zip(keys(page)?) {
                    let key = match key {
                        Some(key) => key,
                        None if *nulls => u64::from(NULL_CODE),
                        None => return Err(refused(column, "parted", row, "is null")),
                    };
                    if run_keys.last() == Some(&key) {
                        continue;
                    }
                    if let Some(first) = seen.insert(key, row_number(row)?) {
                        let why = format!("has a value whose run began at row {first} and had ended");
                        return Err(refused(column, "parted", row, &why));
                    }
                    run_keys.push(key);
                    starts.push(row_number(row)?);
                }
            }
            Self::Grouped { rows } => {
                for (row, key) in (first_row..).zip(keys(page)?) {
                    if let Some(key) = key {
                        rows.entry(key).or_default().insert(row_number(row)?);
                    }
                }
            }
            Self::Unique { rows, pages } => {
                for (row, key) in (first_row..).zip(keys(page)?) {
                    if let Some(key) = key {
                        rows.push((key, row_number(row)?));
                    }
                }
                if is_hashed(page.data_type()) {
                    pages.push(page.clone());
                }
            }
        }
        Ok(())
    }

    /// Writes the index file, if the attribute has one.
    pub(crate) fn finish(
        self,
        storage: &dyn Storage,
        segment_path: &RelPath,
        spec: &ColumnSpec,
        segment: u64,
        rows: u64,
    ) -> Result<(Attribute, Option<Box<dyn WritableFile>>)> {
        let kind = self.kind();
        let (vector, body) = match self {
            Self::Sorted { .. } => {
                return Ok((
                    Attribute {
                        kind,
                        index_bytes: 0,
                        checksum: 0,
                    },
                    None,
                ));
            }
            Self::Parted { keys, mut starts, .. } => {
                starts.push(u32::try_from(rows).unwrap_or(u32::MAX));
                (VectorKind::Parted, encode_parted(&keys, &starts))
            }
            Self::Grouped { rows } => {
                let mut groups: Vec<_> = rows.into_iter().collect();
                groups.sort_unstable_by_key(|(key, _)| *key);
                for (_, rows) in &mut groups {
                    rows.optimize();
                }
                (VectorKind::Grouped, encode_grouped(&groups))
            }
            Self::Unique { mut rows, pages } => {
                rows.sort_unstable();
                check_unique(&rows, &pages, &spec.name)?;
                (VectorKind::Unique, encode_unique(&rows))
            }
        };
        let mut file = VectorFile::create(storage, segment_path, &spec.name, vector)?;
        file.write(&body)?;
        let header = VectorHeader {
            kind: vector,
            encoding: Encoding::Plain,
            column_type_tag: spec.column_type.tag(),
            width: 0,
            rows,
            body_len: 0,
            body_checksum: checksum(&body),
            segment,
        };
        let (file, index_bytes) = file.finish(header)?;
        Ok((
            Attribute {
                kind,
                index_bytes,
                checksum: checksum(&body),
            },
            Some(file),
        ))
    }
}

fn row_number(row: usize) -> Result<u32> {
    u32::try_from(row).map_err(|_| Error::internal("a segment has more than 2^32 rows"))
}

fn refused(column: &str, attribute: &str, row: usize, why: &str) -> Error {
    Error::invalid(format!(
        "column {column:?} has the attribute {attribute}, but row {row} of the sorted segment {why}: nothing was \
         written; correct the rows or create the table without this attribute"
    ))
}

/// Whether keys of this type are hashes, so that different values may share one.
pub(crate) fn is_hashed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Binary | DataType::Decimal128(..)
    )
}

/// Floats ascend in total order: NaN after everything.
fn check_ascending(last: Option<&ArrayRef>, page: &ArrayRef, first_row: usize, column: &str) -> Result<()> {
    if page.null_count() > 0 {
        let nulls = page.nulls();
        let row = nulls
            .and_then(|nulls| (0..page.len()).find(|row| nulls.is_null(*row)))
            .unwrap_or_default();
        return Err(refused(column, "sorted", first_row + row, "is null"));
    }
    match first_descent(last, page)? {
        Some(row) => Err(refused(
            column,
            "sorted",
            first_row + row,
            "is less than the row before",
        )),
        None => Ok(()),
    }
}

/// The first row of a page that is less than the one before it; `last` is the one before the page.
pub(crate) fn first_descent(last: Option<&ArrayRef>, page: &ArrayRef) -> Result<Option<usize>> {
    let descends = |a: &ArrayRef, b: &ArrayRef| -> Result<Option<usize>> {
        let greater =
            cmp::gt(a, b).map_err(|error| Error::internal(format!("values do not compare: {error}")))?;
        Ok(greater.values().set_indices().next())
    };
    if let Some(last) = last
        && descends(last, &page.slice(0, 1))?.is_some()
    {
        return Ok(Some(0));
    }
    let count = page.len().saturating_sub(1);
    Ok(descends(&page.slice(0, count), &page.slice(page.len() - count, count))?.map(|row| row + 1))
}

fn check_unique(rows: &[(u64, u32)], pages: &[ArrayRef], column: &str) -> Result<()> {
    for group in rows.chunk_by(|a, b| a.0 == b.0) {
        for (at, (_, row)) in group.iter().enumerate() {
            let twin = group[..at]
                .iter()
                .find(|(_, other)| pages.is_empty() || same_value(pages, *row, *other));
            if let Some((_, other)) = twin {
                let why = format!("has the same value as row {other}");
                return Err(refused(column, "unique", *row as usize, &why));
            }
        }
    }
    Ok(())
}

fn same_value(pages: &[ArrayRef], a: u32, b: u32) -> bool {
    let value = |row: u32| -> Option<ArrayRef> {
        let row = row as usize;
        let page: &ArrayRef = pages.get(row / gapless_format::PAGE_ROWS)?;
        let at: Range<usize> = row % gapless_format::PAGE_ROWS..row % gapless_format::PAGE_ROWS + 1;
        Some(page.slice(at.start, at.len()))
    };
    match (value(a), value(b)) {
        (Some(a), Some(b)) => a.as_ref() == b.as_ref(),
        _ => true,
    }
}
