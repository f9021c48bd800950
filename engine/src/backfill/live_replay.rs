//! The strategy that takes a gap from recent rows: those of the stream itself, in another table or a buffer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_schema::{Field, Schema};

use super::fetch::FetchError;
use super::known::known;
use super::strategy::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled};
use super::writer::GapWriter;
use crate::coverage::intervals::{Grid, Intervals};
use crate::coverage::{Gap, IntoInterval};
use crate::error::Result as EngineResult;
use crate::scan::Scan;
use crate::table::Table;

/// Rows that are written in one commit, about.
const COMMIT_ROWS: usize = 1 << 18;

/// Rows that a source has kept, and which ranges they are all of.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// Rows, in any order. Those outside of `covered` are left out.
    pub batches: Vec<RecordBatch>,
    /// The ranges of which these are all rows there were.
    pub covered: Vec<Range<i64>>,
}

type ReplayRows = dyn Fn(Option<&str>, i64, Range<i64>) -> Result<Replayed, FetchError> + Send + Sync;
type MapSeries = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where recent rows are.
#[derive(Clone)]
pub struct ReplaySource(Kind);

#[derive(Clone)]
enum Kind {
    Rows(Arc<ReplayRows>),
    Table {
        table: Table,
        interval: Option<EngineResult<i64>>,
        series: Arc<MapSeries>,
    },
}

impl fmt::Debug for ReplaySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Rows(_) => f.write_str("ReplaySource::rows"),
            Kind::Table { table, .. } => write!(f, "ReplaySource::table({:?})", table.name()),
        }
    }
}

impl ReplaySource {
    /// A closure that is asked for a series, an interval and a range, and says itself what it covers.
    #[must_use]
    pub fn rows(
        rows: impl Fn(Option<&str>, i64, Range<i64>) -> Result<Replayed, FetchError> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Rows(Arc::new(rows)))
    }

    /// Another table, of this database or of another: its columns of the same names, its rows where it is covered.
    #[must_use]
    pub fn table(table: &Table) -> Self {
        Self(Kind::Table {
            table: table.clone(),
            interval: None,
            series: Arc::new(|series| Some(series.to_owned())),
        })
    }

    /// The interval of the coverage that the other table has; that of the gap unless told otherwise. A source of
    /// [`ReplaySource::rows`] does not need it.
    #[must_use]
    pub fn interval(mut self, of_source: impl IntoInterval) -> Self {
        if let Kind::Table { interval, .. } = &mut self.0 {
            *interval = Some(of_source.into_interval());
        }
        self
    }

    /// What a series is called in the other table; `None` for one that it does not have.
    #[must_use]
    pub fn series(mut self, map: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        if let Kind::Table { series, .. } = &mut self.0 {
            *series = Arc::new(map);
        }
        self
    }
}

/// Takes what it can of a gap from recent rows. It attests only what the source itself has covered; the rest stays a gap, for
/// the next strategy of a [`super::ChainStrategy`].
#[derive(Debug, Clone)]
pub struct LiveReplayStrategy {
    source: ReplaySource,
}

impl LiveReplayStrategy {
    /// Takes rows from `source`.
    #[must_use]
    pub fn new(source: ReplaySource) -> Self {
        Self { source }
    }
}

impl BackfillStrategy for LiveReplayStrategy {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        match &self.source.0 {
            Kind::Rows(rows) => {
                writer.set_source("live_replay");
                replay_rows(&**rows, gap, writer)?;
            }
            Kind::Table {
                table,
                interval,
                series,
            } => {
                let interval = interval.clone().transpose()?.unwrap_or(gap.interval);
                writer.set_source(table.name());
                replay_table(table, interval, &**series, gap, writer)?;
            }
        }
        Ok(Filled { is_exhausted: true })
    }

    fn name(&self) -> &str {
        "live_replay"
    }
}

fn replay_rows(rows: &ReplayRows, gap: &Gap, writer: &mut GapWriter) -> Result<(), BackfillError> {
    for part in writer.remaining().to_vec() {
        let replayed = rows(gap.series.as_deref(), gap.interval, part.clone())?;
        let covered: Intervals = replayed.covered.into_iter().collect();
        for range in whole_slots(&covered.clip(&part), &part, gap.interval)?.iter() {
            let inside = writer.rows_within(&replayed.batches, &range)?;
            writer.write(range, &inside)?;
        }
    }
    Ok(())
}

/// Ranges that begin and end with slots of the grid, but for the end of the gap's part itself.
pub(super) fn whole_slots(ranges: &Intervals, part: &Range<i64>, interval: i64) -> EngineResult<Intervals> {
    if interval == 0 {
        return Ok(ranges.clone());
    }
    let grid = Grid::new(interval)?;
    let whole = ranges.iter().map(|range| {
        let end = match range.end == part.end {
            true => range.end,
            false => grid.floor(range.end),
        };
        grid.ceil(range.start)..end
    });
    Ok(whole.filter(|range| range.start < range.end).collect())
}

fn replay_table(
    source: &Table,
    interval: i64,
    map: &MapSeries,
    gap: &Gap,
    writer: &mut GapWriter,
) -> Result<(), BackfillError> {
    let snapshot = source.database().snapshot()?;
    let coverage = snapshot.coverage(source.name())?;
    let meta = Arc::clone(coverage.meta());
    let series = match (meta.series_column, &gap.series) {
        (Some(_), Some(series)) => match map(series) {
            Some(series) => Some(series),
            None => return Ok(()),
        },
        _ => None,
    };
    for part in writer.remaining().to_vec() {
        let covered = known(&coverage, series.as_deref(), interval, &part)?;
        for range in whole_slots(&covered, &part, gap.interval)?.iter() {
            let mut scan = snapshot
                .scan(source.name())?
                .between(range.start, range.end)
                .columns(shared_columns(source, writer)?);
            if let Some(series) = &series {
                scan = scan.series([series]);
            }
            copy(scan, range, writer)?;
        }
    }
    Ok(())
}

/// The time column of the source, and its columns that the table has too, without the series.
fn shared_columns(source: &Table, writer: &GapWriter) -> Result<Vec<String>, BackfillError> {
    let (of_source, of_table) = (source.meta()?, writer.table().meta()?);
    let name_of =
        |meta: &gapless_format::TableMeta, id: u32| meta.column(id).map(|column| column.name.clone());
    let time = name_of(&of_source, of_source.time_column).unwrap_or_default();
    let series = of_table.series_column.and_then(|id| name_of(&of_table, id));
    let is_shared = |name: &String| {
        *name != time && Some(name) != series.as_ref() && writer.schema().column_with_name(name).is_some()
    };
    let others = of_source.columns.iter().map(|column| column.name.clone());
    let others: Vec<String> = others.filter(is_shared).collect();
    Ok([vec![time], others].concat())
}

/// Writes the rows of a scan, whose first column is the time, piece by piece.
fn copy(scan: Scan, range: Range<i64>, writer: &mut GapWriter) -> Result<(), BackfillError> {
    let time = time_name(writer)?;
    let (mut start, mut waiting, mut rows) = (range.start, Vec::new(), 0);
    for batch in scan.order(crate::scan::Order::Time).stream()? {
        let batch = with_time_called(&batch?, &time)?;
        let Some(last) = last_time(&batch) else {
            continue;
        };
        // Later batches have no row before the first time of this one, so everything before its last time is here.
        rows += batch.num_rows();
        waiting.push(batch);
        let cut = match writer.gap().interval {
            0 => last,
            interval => Grid::new(interval)?.floor(last),
        };
        if rows >= COMMIT_ROWS && cut > start {
            let before = writer.rows_within(&waiting, &(start..cut))?;
            writer.write(start..cut, &before)?;
            waiting = writer.rows_within(&waiting, &(cut..range.end))?;
            rows = waiting.iter().map(RecordBatch::num_rows).sum();
            start = cut;
        }
    }
    writer.write(start..range.end, &waiting)?;
    Ok(())
}

/// The name of the time column of the table that is written.
pub(super) fn time_name(writer: &GapWriter) -> Result<String, BackfillError> {
    let meta = writer.table().meta()?;
    let column = meta.column(meta.time_column);
    column
        .map(|column| column.name.clone())
        .ok_or_else(|| BackfillError::new(BackfillErrorKind::Permanent, "the table has no time column"))
}

fn with_time_called(batch: &RecordBatch, name: &str) -> Result<RecordBatch, BackfillError> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    if let Some(first) = fields.first_mut() {
        *first = Arc::new(first.as_ref().clone().with_name(name));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).map_err(|error| {
        BackfillError::new(BackfillErrorKind::Permanent, format!("rows of a replay: {error}"))
    })
}

fn last_time(batch: &RecordBatch) -> Option<i64> {
    let times = batch
        .columns()
        .first()?
        .as_primitive_opt::<TimestampNanosecondType>()?;
    times.values().last().copied()
}
