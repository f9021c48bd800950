//! Chosen rows as Arrow batches: columns read, condition applied, codes dressed as dictionaries.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter;
use gapless_format::{ColumnSpec, ColumnType, PAGE_ROWS};

use super::bind::Bind;
use super::builder::Scan;
use super::gather::{internal, read_column};
use super::merge::Chunk;
use super::piece::Piece;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::segment::SegmentCache;
use crate::symbols::Domain;
use crate::table::types::arrow_type;

/// A domain up to this size is handed out whole, so that codes need no mapping.
const WHOLE_DOMAIN_MAX: usize = 256;

/// Keys of batches with one symbol: they are all slices of these zeros, which were checked once.
static ONE_SYMBOL: LazyLock<DictionaryArray<UInt32Type>> = LazyLock::new(|| {
    let values: ArrayRef = Arc::new(StringArray::from(vec![""]));
    DictionaryArray::new(vec![0u32; PAGE_ROWS].into(), values)
});

/// The schema of some columns.
pub(crate) fn schema(columns: &[ColumnSpec]) -> Result<SchemaRef> {
    let field =
        |column: &ColumnSpec| Field::new(&column.name, arrow_type(&column.column_type), column.nullable);
    Ok(Arc::new(Schema::new(
        columns.iter().map(field).collect::<Vec<_>>(),
    )))
}

/// The domain of the scan's series column.
pub(crate) fn series_domain(scan: &Scan) -> Result<Option<Arc<Domain>>> {
    let Some(id) = scan.meta().series_column else {
        return Ok(None);
    };
    let Some(ColumnType::Symbol { domain }) = scan.meta().column(id).map(|column| &column.column_type) else {
        return Ok(None);
    };
    scan.snapshot
        .engine()
        .domain(domain, scan.snapshot.version())
        .map(Some)
}

/// How codes of one column become symbols.
#[derive(Debug)]
struct Symbols {
    domain: Arc<Domain>,
    /// The dictionary of every batch, where one is right for all.
    fixed: Option<Fixed>,
}

/// A dictionary for all batches.
#[derive(Debug)]
enum Fixed {
    /// Code is key.
    Whole(Arc<StringArray>),
    /// Only these codes occur; the position is the key.
    Listed(Arc<StringArray>, Vec<u32>),
}

/// Makes batches.
#[derive(Debug)]
pub(crate) struct Output {
    schema: SchemaRef,
    projection: Vec<ColumnSpec>,
    read: Vec<ColumnSpec>,
    of_all_rows: Vec<ColumnSpec>,
    condition: Option<Bind>,
    symbols: BTreeMap<u32, Symbols>,
}

impl Output {
    /// `read` begins with the projection and goes on with what only the condition reads.
    pub(crate) fn new(
        scan: &Scan,
        projection: Vec<ColumnSpec>,
        read: Vec<ColumnSpec>,
        condition: Option<Bind>,
        codes: Option<&[u32]>,
    ) -> Result<Self> {
        let mut symbols = BTreeMap::new();
        let series = scan.meta().series_column;
        let specs = projection.iter().chain(
            scan.meta()
                .columns
                .iter()
                .filter(|column| Some(column.column_id) == series),
        );
        for column in specs {
            if let ColumnType::Symbol { domain } = &column.column_type {
                let domain = scan.snapshot.engine().domain(domain, scan.snapshot.version())?;
                let listed = codes.filter(|_| Some(column.column_id) == series);
                symbols.insert(column.column_id, Symbols::new(domain, listed)?);
            }
        }
        let mut of_all_rows = Vec::new();
        match &condition {
            Some(condition) => condition.columns(&mut of_all_rows),
            None => of_all_rows.clone_from(&projection),
        }
        Ok(Self {
            schema: schema(&projection)?,
            of_all_rows,
            projection,
            read,
            condition,
            symbols,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns that are read of all rows.
    pub(super) fn of_all_rows(&self) -> &[ColumnSpec] {
        &self.of_all_rows
    }

    /// The columns of batches.
    pub(super) fn projection(&self) -> &[ColumnSpec] {
        &self.projection
    }

    /// The domain of a symbol column.
    pub(crate) fn domain_of(&self, column: u32) -> Option<&Arc<Domain>> {
        self.symbols.get(&column).map(|symbols| &symbols.domain)
    }

    /// Whether rows are filtered after they were read.
    pub(crate) fn has_condition(&self) -> bool {
        self.condition.is_some()
    }

    /// Which rows the condition holds for; `None` for all of them.
    pub(super) fn passing(&self, cache: &SegmentCache, chunks: &[Chunk]) -> Result<Option<BooleanArray>> {
        let Some(condition) = &self.condition else {
            return Ok(None);
        };
        let rows = chunks.iter().map(Chunk::len).sum();
        let column = |id: u32| self.column_by_id(cache, id, chunks);
        let yes = condition.evaluate(rows, &column)?.yes;
        Ok((yes.count_set_bits() < rows).then(|| BooleanArray::new(yes, None)))
    }

    /// Rows as a batch, without those for which the condition does not hold.
    pub(crate) fn batch(&self, cache: &SegmentCache, chunks: &[Chunk]) -> Result<RecordBatch> {
        let passing = self.passing(cache, chunks)?;
        self.passed(cache, chunks, passing.as_ref())
    }

    /// The rows that have passed, as a batch.
    pub(super) fn passed(
        &self,
        cache: &SegmentCache,
        chunks: &[Chunk],
        passing: Option<&BooleanArray>,
    ) -> Result<RecordBatch> {
        let count = match passing {
            None => chunks.iter().map(Chunk::len).sum(),
            Some(passing) => passing.values().count_set_bits(),
        };
        let mut columns = Vec::with_capacity(self.projection.len());
        for spec in &self.projection {
            if count == 0 {
                columns.push(arrow_array::new_empty_array(&arrow_type(&spec.column_type)));
                continue;
            }
            if passing.is_none()
                && let Some(symbols) = self.whole_page(cache, spec, chunks)?
            {
                columns.push(symbols);
                continue;
            }
            let array = read_passed(cache, spec, chunks, passing)?;
            columns.push(self.dressed(spec, array)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| internal("columns make no batch", &error))
    }

    /// A symbol column whose dictionary is the whole domain, of rows that lie in one page.
    fn whole_page(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        chunks: &[Chunk],
    ) -> Result<Option<ArrayRef>> {
        match (
            self.symbols
                .get(&spec.column_id)
                .and_then(|symbols| symbols.fixed.as_ref()),
            chunks,
        ) {
            (
                Some(Fixed::Whole(symbols)),
                [
                    Chunk::Slice(Piece {
                        segment,
                        rows: Rows::Range(rows),
                    }),
                ],
            ) => segment.read_symbols(cache, spec, rows.start as usize..rows.end as usize, symbols),
            (Some(Fixed::Whole(symbols)), [Chunk::Kept(run, at, rows)]) => {
                run.symbols(cache, spec, *at, rows, symbols)
            }
            _ => Ok(None),
        }
    }

    fn column_by_id(&self, cache: &SegmentCache, id: u32, chunks: &[Chunk]) -> Result<ArrayRef> {
        let spec = self.read.iter().find(|column| column.column_id == id);
        read_column(
            cache,
            spec.ok_or_else(|| Error::internal("a condition reads an unknown column"))?,
            chunks,
        )
    }

    fn dressed(&self, spec: &ColumnSpec, array: ArrayRef) -> Result<ArrayRef> {
        match self.symbols.get(&spec.column_id) {
            Some(symbols) => symbols.dress(array.as_primitive::<UInt32Type>()),
            None => Ok(array),
        }
    }
}

impl Symbols {
    fn new(domain: Arc<Domain>, listed: Option<&[u32]>) -> Result<Self> {
        let fixed = match listed {
            Some(codes) => Some(Fixed::Listed(
                Arc::new(domain.array(codes.iter().copied())?),
                codes.to_vec(),
            )),
            None if domain.len() <= WHOLE_DOMAIN_MAX => Some(Fixed::Whole(domain.whole()?)),
            None => None,
        };
        Ok(Self { domain, fixed })
    }

    /// Codes as a dictionary array that holds only symbols that can occur in it.
    fn dress(&self, codes: &UInt32Array) -> Result<ArrayRef> {
        let (keys, values) = match &self.fixed {
            Some(Fixed::Whole(values)) if codes.null_count() == 0 => (codes.clone(), Arc::clone(values)),
            Some(Fixed::Whole(values)) => (mapped(codes, |code| code), Arc::clone(values)),
            Some(Fixed::Listed(values, listed)) if listed.len() == 1 && codes.null_count() == 0 => {
                return Ok(one_symbol(codes.len(), values));
            }
            Some(Fixed::Listed(values, listed)) => {
                let place = |code: u32| listed.iter().position(|other| *other == code).unwrap_or_default();
                (
                    mapped_runs(codes, |code| u32::try_from(place(code)).unwrap_or_default()),
                    Arc::clone(values),
                )
            }
            None => self.compact(codes)?,
        };
        let array = DictionaryArray::try_new(keys, values).map_err(|error| {
            Error::corrupt(format!(
                "symbol domain {:?}: a code is not in it: {error}",
                self.domain.name()
            ))
        })?;
        Ok(Arc::new(array))
    }

    /// A dictionary of the symbols in this batch only.
    fn compact(&self, codes: &UInt32Array) -> Result<(UInt32Array, Arc<StringArray>)> {
        let mut places: hashbrown::HashMap<u32, u32> = hashbrown::HashMap::new();
        let mut present: Vec<u32> = Vec::new();
        let keys = mapped_runs(codes, |code| {
            *places.entry(code).or_insert_with(|| {
                present.push(code);
                u32::try_from(present.len() - 1).unwrap_or_default()
            })
        });
        Ok((keys, Arc::new(self.domain.array(present.into_iter())?)))
    }
}

/// A column of the rows that have passed, in its storage type.
pub(super) fn read_passed(
    cache: &SegmentCache,
    spec: &ColumnSpec,
    chunks: &[Chunk],
    passing: Option<&BooleanArray>,
) -> Result<ArrayRef> {
    let array = read_column(cache, spec, chunks)?;
    match passing {
        None => Ok(array),
        Some(passing) => filter(&array, passing).map_err(|error| internal("rows do not filter", &error)),
    }
}

/// Rows that all have the one symbol of `values`.
fn one_symbol(rows: usize, values: &Arc<StringArray>) -> ArrayRef {
    let values: ArrayRef = Arc::clone(values) as ArrayRef;
    if rows <= PAGE_ROWS {
        return Arc::new(ONE_SYMBOL.slice(0, rows).with_values(values));
    }
    Arc::new(DictionaryArray::<UInt32Type>::new(
        vec![0u32; rows].into(),
        values,
    ))
}

/// Keys for codes; null rows get key 0.
fn mapped(codes: &UInt32Array, key: impl Fn(u32) -> u32) -> UInt32Array {
    let keys: Vec<u32> = codes.iter().map(|code| code.map_or(0, &key)).collect();
    UInt32Array::new(keys.into(), codes.nulls().cloned())
}

/// As [`mapped`], asking once for each run of equal codes.
fn mapped_runs(codes: &UInt32Array, mut key: impl FnMut(u32) -> u32) -> UInt32Array {
    let mut keys: Vec<u32> = Vec::with_capacity(codes.len());
    for run in codes.values().chunk_by(|a, b| a == b) {
        let code = run.first().copied().unwrap_or_default();
        let is_null = codes.is_null(keys.len());
        let key = if is_null { 0 } else { key(code) };
        keys.resize(keys.len() + run.len(), key);
    }
    UInt32Array::new(keys.into(), codes.nulls().cloned())
}
