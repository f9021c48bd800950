//! Bars of a gap from another table.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::super::known::known;
use super::super::live_replay::{time_name, whole_slots};
use super::super::strategy::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled};
use super::super::writer::GapWriter;
use super::aggregation::Aggregation;
use super::bars::Bars;
use crate::coverage::intervals::{Grid, Intervals};
use crate::coverage::{Gap, IntoInterval, TableCoverage, duration_text};
use crate::database::Snapshot;
use crate::error::{Error, Result as EngineResult};
use crate::scan::{Order, Scan};
use crate::table::Table;

/// Bars that are written in one commit.
const COMMIT_BARS: usize = 8192;

type MapSeries = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Makes the bars of a gap of finer rows that are already here: of ticks, or of bars of a shorter interval.
///
/// - A bar has the time of its start and is made of the rows from there to the next. Where there are no rows there is no bar, and
///   the range is covered all the same.
/// - A bar is attested only where the source is covered over the whole of it; [`FromTableStrategy::trust_rows`] takes
///   its rows for all there are instead. What is not attested stays a gap, so the bar that is still going on does too.
/// - The rows are read in pieces: memory is bounded, however long the gap is.
///
/// ```
/// use gapless_engine::backfill::{Aggregation, FromTableStrategy};
/// # fn fill(ticks: &gapless_engine::Table, bars: &gapless_engine::Table) -> Result<(), gapless_engine::Error> {
/// let minutes = FromTableStrategy::new(ticks)
///     .ohlc("price")
///     .bars([("volume", Aggregation::sum("size")), ("vwap", Aggregation::vwap("price", "size"))]);
/// let report = bars.backfill(minutes).range(0, 86_400_000_000_000).interval("1m").run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FromTableStrategy {
    source: Table,
    columns: Vec<(String, Aggregation)>,
    interval: EngineResult<i64>,
    series: Arc<MapSeries>,
    trusts_rows: bool,
}

impl fmt::Debug for FromTableStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromTableStrategy")
            .field("source", &self.source.name())
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl FromTableStrategy {
    /// Makes bars of the rows of `source`, of this database or of another.
    #[must_use]
    pub fn new(source: &Table) -> Self {
        Self {
            source: source.clone(),
            columns: Vec::new(),
            interval: Ok(0),
            series: Arc::new(|series| Some(series.to_owned())),
            trusts_rows: false,
        }
    }

    /// Columns of the bars, and how each is made.
    #[must_use]
    pub fn bars<S: Into<String>>(mut self, columns: impl IntoIterator<Item = (S, Aggregation)>) -> Self {
        let columns = columns.into_iter();
        self.columns.extend(columns.map(|(name, how)| (name.into(), how)));
        self
    }

    /// The columns `open`, `high`, `low` and `close` of a price.
    #[must_use]
    pub fn ohlc(self, price: &str) -> Self {
        self.bars([
            ("open", Aggregation::first(price)),
            ("high", Aggregation::max(price)),
            ("low", Aggregation::min(price)),
            ("close", Aggregation::last(price)),
        ])
    }

    /// The interval at which the source is covered; without, its rows are on no grid.
    #[must_use]
    pub fn source_interval(mut self, interval: impl IntoInterval) -> Self {
        self.interval = interval.into_interval();
        self
    }

    /// What a series is called in the source; `None` for one that it does not have.
    #[must_use]
    pub fn series(mut self, map: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.series = Arc::new(map);
        self
    }

    /// Takes the rows of the source for all there are from the first to the last of the series, whatever its coverage says. The
    /// bars of these two are left, since their rows may be only a part.
    #[must_use]
    pub fn trust_rows(mut self, trusts: bool) -> Self {
        self.trusts_rows = trusts;
        self
    }

    /// The grid of the bars, of which the source's must be a part.
    fn grid(&self, gap: &Gap) -> Result<Grid, BackfillError> {
        let of_source = self.interval.clone()?;
        if gap.interval == 0 {
            return Err(refused(format!(
                "{gap}: bars have an interval, and this gap has none"
            )));
        }
        if of_source > 0 && gap.interval % of_source != 0 {
            let (bar, of_source) = (duration_text(gap.interval), duration_text(of_source));
            return Err(refused(format!(
                "bars of {bar} cannot be made of bars of {of_source}"
            )));
        }
        Ok(Grid::new(gap.interval)?)
    }

    fn scan(&self, snapshot: &Snapshot, series: Option<&str>) -> Result<Scan, BackfillError> {
        let scan = snapshot.scan(self.source.name())?.order(Order::Time);
        let time = scan.meta().column(scan.meta().time_column);
        let time = time.map(|column| column.name.clone()).unwrap_or_default();
        let mut columns = vec![time];
        for name in self.columns.iter().flat_map(|(_, how)| how.columns()) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        let scan = scan.columns(columns);
        Ok(match series {
            Some(series) => scan.series([series]),
            None => scan,
        })
    }

    /// The parts of a range whose bars have all their rows.
    fn attested(
        &self,
        coverage: &TableCoverage,
        series: Option<&str>,
        scan: &Scan,
        part: &Range<i64>,
        grid: &Grid,
    ) -> Result<Intervals, BackfillError> {
        // The last bar of a gap may reach beyond it.
        let bars = grid.align(part);
        let known = match self.trusts_rows {
            false => known(coverage, series, self.interval.clone()?, &bars)?,
            true => trusted(scan, grid)?.clip(&bars),
        };
        let whole = whole_slots(&known, &(bars.end..bars.end), grid.step())?;
        Ok(whole.clip(part))
    }

    fn write(
        &self,
        scan: Scan,
        range: Range<i64>,
        grid: Grid,
        writer: &mut GapWriter,
    ) -> Result<(), BackfillError> {
        let (time, schema) = (time_name(writer)?, Arc::clone(writer.schema()));
        let mut bars = Bars::new(grid, &self.columns);
        let mut start = range.start;
        let end = grid.ceil(range.end);
        for batch in scan.between(range.start, end).stream()? {
            bars.take(&batch?)?;
            let (finished, open) = (bars.finished(), bars.open_time());
            if let (true, Some(open)) = (finished >= COMMIT_BARS, open) {
                let rows = bars.split_off(finished, &time, &schema)?;
                writer.write(start..open, rows.as_slice())?;
                start = open;
            }
            if writer.is_cancelled() {
                return Err(BackfillError::new(
                    BackfillErrorKind::Cancelled,
                    "the job was cancelled",
                ));
            }
        }
        let rows = bars.split_off(usize::MAX, &time, &schema)?;
        writer.write(start..range.end, rows.as_slice())?;
        Ok(())
    }
}

/// From the first bar that begins after the first row to the bar of the last one.
fn trusted(scan: &Scan, grid: &Grid) -> EngineResult<Intervals> {
    let time_of = |batches: Vec<arrow_array::RecordBatch>, what: &str| -> EngineResult<Option<i64>> {
        use arrow_array::cast::AsArray;
        use arrow_array::types::TimestampNanosecondType as Ns;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(None);
        };
        let times = batch
            .columns()
            .first()
            .and_then(|times| times.as_primitive_opt::<Ns>());
        let time = times.and_then(|times| times.values().first().copied());
        time.map(Some)
            .ok_or_else(|| Error::internal(format!("the {what} row of a table has no time")))
    };
    let first = time_of(scan.clone().limit(1).collect()?, "first")?;
    let last = time_of(scan.clone().last(1)?, "last")?;
    Ok(match (first, last) {
        (Some(first), Some(last)) if grid.ceil(first) < grid.floor(last) => {
            Intervals::single(grid.ceil(first)..grid.floor(last))
        }
        _ => Intervals::new(),
    })
}

impl BackfillStrategy for FromTableStrategy {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        let grid = self.grid(gap)?;
        writer.set_source(self.source.name());
        let snapshot = self.source.database().snapshot()?;
        let coverage = snapshot.coverage(self.source.name())?;
        let series = match (coverage.meta().series_column, &gap.series) {
            (Some(_), Some(series)) => match (self.series)(series) {
                Some(series) => Some(series),
                None => return Ok(Filled { is_exhausted: true }),
            },
            _ => None,
        };
        let scan = self.scan(&snapshot, series.as_deref())?;
        for part in writer.remaining().to_vec() {
            let attested = self.attested(&coverage, series.as_deref(), &scan, &part, &grid)?;
            for range in attested.iter() {
                self.write(scan.clone(), range, grid, writer)?;
            }
        }
        Ok(Filled { is_exhausted: true })
    }

    fn name(&self) -> &str {
        "from_table"
    }
}

fn refused(message: String) -> BackfillError {
    BackfillError::new(BackfillErrorKind::Permanent, message)
}
