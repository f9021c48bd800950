//! The row writer: collects rows in column buffers and streams them a batch at a time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow_array::ArrayRef;
use gapless_format::{ColumnType, TableMeta};
use parking_lot::{Mutex, MutexGuard};

use super::column::{Cell, Column};
use crate::clock::Stopwatch;
use crate::database::{Database, Durability, Engine};
use crate::error::{Error, Result};
use crate::stream::{PreparedRows, stream_columns};

/// Rows that are collected at most before they are committed.
const BATCH_ROWS: usize = 8192;

/// Writes rows of a table one by one.
///
/// Rows are collected and committed together: when there are 8,192, at [`RowWriter::flush`], when the writer is
/// dropped, and, with [`Durability::Interval`], that many milliseconds after the first of them. Until then they are
/// neither visible nor in the log. No memory is allocated for a row.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use gapless_engine::{Database, TableSpec};
///
/// let directory = tempfile::tempdir()?;
/// let db = Database::builder(directory.path().join("market.db")).open()?;
/// let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
/// let schema = Schema::new(vec![
///     Field::new("ts", utc, false),
///     Field::new("sym", DataType::Utf8, true),
///     Field::new("price", DataType::Float64, true),
/// ]);
/// let trade = db.create_table(&TableSpec::new("trade", schema).time("ts").series("sym"))?;
/// let mut writer = trade.writer()?;
/// writer.row().ts(1_795_179_600_000_000_000).sym("AAPL").f64(187.25).end()?;
/// writer.flush()?;
/// assert_eq!(trade.scan()?.count()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RowWriter {
    buffer: Arc<Mutex<RowBuffer>>,
    /// The writer is a handle of the database: its stream does not end before.
    _database: Database,
}

/// What a writer has collected. The engine commits it when it gets old.
#[derive(Debug)]
pub(crate) struct RowBuffer {
    engine: Weak<Engine>,
    table: Arc<TableMeta>,
    durability: Durability,
    columns: Vec<Column>,
    rows: usize,
    since: Option<Stopwatch>,
    symbols: Vec<hashbrown::HashMap<String, u32>>,
    last_symbol: Vec<(String, u32)>,
    /// Rows whose commit has failed; the next one tries them first.
    unwritten: Option<Vec<ArrayRef>>,
}

impl RowWriter {
    pub(crate) fn new(
        database: &Database,
        table: &Arc<TableMeta>,
        durability: Option<Durability>,
    ) -> Result<Self> {
        let engine = database.engine();
        let durability = durability.unwrap_or(engine.live().durability());
        let columns = table
            .columns
            .iter()
            .map(Column::new)
            .collect::<Result<Vec<_>>>()?;
        let buffer = RowBuffer {
            engine: Arc::downgrade(engine),
            table: Arc::clone(table),
            durability,
            rows: 0,
            since: None,
            symbols: vec![hashbrown::HashMap::new(); columns.len()],
            last_symbol: vec![(String::new(), 0); columns.len()],
            columns,
            unwritten: None,
        };
        let buffer = Arc::new(Mutex::new(buffer));
        if let Durability::Interval(ms) = durability {
            engine.live().register_writer(&buffer);
            engine.background().sync_every(engine, ms);
        }
        Ok(Self {
            buffer,
            _database: database.clone(),
        })
    }

    /// Begins a row. Its values are given in the order of the table's columns; those left out are null.
    pub fn row(&mut self) -> Row<'_> {
        Row {
            buffer: self.buffer.lock(),
            at: 0,
            error: None,
            is_ended: false,
        }
    }

    /// Commits what was collected, as durable as the writer was made for.
    ///
    /// # Errors
    /// As [`crate::Table::append`]. The rows are kept and tried again with the next ones.
    pub fn flush(&mut self) -> Result<()> {
        self.buffer.lock().commit()
    }

    /// Rows that were collected and are not committed yet.
    pub fn pending(&self) -> usize {
        self.buffer.lock().rows
    }
}

impl Drop for RowWriter {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, "rows of a dropped row writer were not written: call flush() to learn of it");
        }
    }
}

/// A row in the making. It counts when [`Row::end`] returns.
#[derive(Debug)]
pub struct Row<'a> {
    buffer: MutexGuard<'a, RowBuffer>,
    at: usize,
    error: Option<Error>,
    is_ended: bool,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($type:ty) => $cell:expr;)*) => {
        $($(#[$doc])* #[must_use] #[inline] pub fn $name(mut self, value: $type) -> Self {
            #[allow(clippy::redundant_closure_call, reason = "the macro names a constructor")]
            self.set(($cell)(value));
            self
        })*
    };
}

impl Row<'_> {
    setters! {
        /// The next column: a time of the table's time column, nanoseconds since the epoch.
        ts(i64) => Cell::Integer;
        /// The next column: an integer that fits, or a date, time or duration in the column's unit.
        i64(i64) => Cell::Integer;
        /// The next column: a small integer.
        i32(i32) => |value: i32| Cell::Integer(value.into());
        /// The next column: an unsigned integer.
        u64(u64) => Cell::Unsigned;
        /// The next column: a float. A column of f32 takes what is exact in it.
        f64(f64) => Cell::Float;
        /// The next column: a truth value.
        bool(bool) => Cell::Bool;
        /// The next column: the unscaled value of a decimal.
        decimal(i128) => Cell::Decimal;
    }

    /// The next column: a symbol.
    #[must_use]
    #[inline]
    pub fn sym(mut self, symbol: &str) -> Self {
        match self.buffer.code(self.at, symbol) {
            Ok(Some(code)) => self.set(Cell::Code(code)),
            Ok(None) => self.set(Cell::Text(symbol)),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// The next column: text of a utf8 column.
    #[must_use]
    #[inline]
    pub fn text(mut self, text: &str) -> Self {
        self.set(Cell::Text(text));
        self
    }

    /// The next column: bytes.
    #[must_use]
    #[inline]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.set(Cell::Bytes(bytes));
        self
    }

    /// The next column is null.
    #[must_use]
    #[inline]
    pub fn null(mut self) -> Self {
        self.set(Cell::Null);
        self
    }

    #[inline]
    fn set(&mut self, cell: Cell<'_>) {
        if self.error.is_some() {
            return;
        }
        let fits = match self.buffer.columns.get_mut(self.at) {
            Some(column) => column.push(cell),
            None => false,
        };
        if fits {
            self.at += 1;
        } else {
            self.error = Some(self.misfit(cell));
        }
    }

    #[cold]
    fn misfit(&self, cell: Cell<'_>) -> Error {
        let table = &self.buffer.table;
        Error::invalid(match self.buffer.columns.get(self.at) {
            Some(column) => format!(
                "table {:?}: column {:?} is {} and does not take {cell:?}",
                table.name,
                column.spec.name,
                column.spec.column_type.name()
            ),
            None => format!(
                "table {:?} has {} columns, the row has more",
                table.name,
                table.columns.len()
            ),
        })
    }

    /// Ends the row. Enough rows are committed together.
    ///
    /// # Errors
    /// `Invalid` when a value does not fit or the time is missing: the row is left out. Otherwise those of
    /// [`RowWriter::flush`]: the row is kept.
    #[inline]
    pub fn end(mut self) -> Result<()> {
        self.is_ended = true;
        let error = self.error.take();
        self.buffer.end_row(self.at, error)
    }
}

impl Drop for Row<'_> {
    /// A row that was not ended is left out.
    fn drop(&mut self) {
        if !self.is_ended {
            self.buffer.undo(self.at);
        }
    }
}

impl RowBuffer {
    /// The code of a symbol; `None` when the column has none.
    #[inline]
    fn code(&mut self, at: usize, symbol: &str) -> Result<Option<u32>> {
        if !self.columns.get(at).is_some_and(Column::is_symbol) {
            return Ok(None);
        }
        if let Some((last, code)) = self.last_symbol.get(at)
            && last == symbol
            && !last.is_empty()
        {
            return Ok(Some(*code));
        }
        let known = self
            .symbols
            .get(at)
            .and_then(|symbols| symbols.get(symbol))
            .copied();
        let code = match known {
            Some(code) => code,
            None => self.new_code(at, symbol)?,
        };
        if let Some(last) = self.last_symbol.get_mut(at) {
            last.0.clear();
            last.0.push_str(symbol);
            last.1 = code;
        }
        Ok(Some(code))
    }

    fn new_code(&mut self, at: usize, symbol: &str) -> Result<u32> {
        let domain = match self.columns.get(at).map(|column| &column.spec.column_type) {
            Some(ColumnType::Symbol { domain }) => domain.clone(),
            _ => return Err(Error::internal("a symbol of no symbol column")),
        };
        let codes = self.engine()?.encode_symbols(&domain, &[symbol])?;
        let code = codes.first().copied();
        let code = code.ok_or_else(|| Error::internal("a symbol got no code"))?;
        if let Some(symbols) = self.symbols.get_mut(at) {
            symbols.insert(symbol.to_owned(), code);
        }
        Ok(code)
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        let gone = || Error::invalid("the database was closed while a row writer was in use");
        self.engine.upgrade().ok_or_else(gone)
    }

    #[inline]
    fn end_row(&mut self, set: usize, error: Option<Error>) -> Result<()> {
        let time = self
            .columns
            .iter()
            .position(|column| column.spec.column_id == self.table.time_column);
        let has_time = time.is_some_and(|time| time < set);
        if error.is_some() || !has_time {
            self.undo(set);
            return Err(error.unwrap_or_else(|| {
                Error::invalid(format!("table {:?}: a row without a time", self.table.name))
            }));
        }
        for column in self.columns.iter_mut().skip(set) {
            column.push_null();
        }
        self.rows += 1;
        if self.rows == 1 {
            self.since = Some(Stopwatch::start());
        }
        if self.rows >= BATCH_ROWS {
            self.commit()
        } else {
            Ok(())
        }
    }

    /// Takes back the values of a row that does not count.
    fn undo(&mut self, set: usize) {
        if set == 0 {
            return;
        }
        for column in self.columns.iter_mut().skip(set) {
            column.push_null();
        }
        // Rare, so the batch is ended without its last row.
        let taken = self
            .columns
            .iter_mut()
            .map(Column::take)
            .collect::<Result<Vec<_>>>();
        match taken {
            Ok(arrays) if arrays.iter().any(|array| array.len() > 1) => {
                let without_last = |array: &ArrayRef| array.slice(0, array.len() - 1);
                self.keep(arrays.iter().map(without_last).collect());
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "rows of a row writer are lost"),
        }
    }

    /// Puts rows aside for the next commit.
    fn keep(&mut self, arrays: Vec<ArrayRef>) {
        self.unwritten = Some(match self.unwritten.take() {
            None => arrays,
            Some(before) => before
                .iter()
                .zip(&arrays)
                .map(|(a, b)| {
                    crate::write::sort::joined(&[a.as_ref(), b.as_ref()]).unwrap_or_else(|_| Arc::clone(a))
                })
                .collect(),
        });
    }

    /// Commits what was collected.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let engine = self.engine()?;
        let arrays = self
            .columns
            .iter_mut()
            .map(Column::take)
            .collect::<Result<Vec<_>>>()?;
        if arrays.first().is_some_and(|array| !array.is_empty()) {
            self.keep(arrays);
        }
        let Some(arrays) = self.unwritten.clone() else {
            return Ok(());
        };
        let rows = PreparedRows {
            table: Arc::clone(&self.table),
            columns: stream_columns(&self.table, arrays),
        };
        engine.append(vec![rows], Vec::new(), Vec::new(), Some(self.durability))?;
        self.unwritten = None;
        (self.rows, self.since) = (0, None);
        Ok(())
    }

    /// Commits rows that have waited for the writer's interval.
    pub(crate) fn commit_if_old(&mut self) -> Result<()> {
        let Durability::Interval(ms) = self.durability else {
            return Ok(());
        };
        let is_old = self
            .since
            .is_some_and(|since| since.elapsed() >= Duration::from_millis(ms));
        if is_old { self.commit() } else { Ok(()) }
    }
}
