//! What a fill knows from outside of its range: the last value before it, the first after it, and the gaps of its coverage.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use gapless_engine::scan::{OrderedScan, Scan, col};
use gapless_engine::{Error, Result};
use hashbrown::HashMap;

use super::options::Kind;
use super::{Filled, Role};
use crate::operator::latest::{LatestOfScan, within};
use crate::source::{Member, Rows, SeriesList};

/// Rows that are read to find the first value after the range, at a time.
const AFTER_ROWS: usize = 64;

/// Where values come from that lie outside of the range.
#[derive(Default)]
pub(super) struct Seeds {
    columns: Vec<SeededColumn>,
    schema: Option<SchemaRef>,
}

struct SeededColumn {
    name: String,
    before: LatestOfScan,
    after: Option<After>,
}

/// The first values of a scan.
struct After {
    scan: Arc<OrderedScan>,
    list: Arc<SeriesList>,
    member: Member,
}

/// A value that was found: its time, and where it is.
pub(super) type Found = (i64, (u32, u32));

/// The values of a part.
#[derive(Default)]
pub(super) struct Loaded {
    /// Where values are, by the numbers of the batches.
    pub(super) batches: Vec<(u32, RecordBatch)>,
    /// By column name and number of the series.
    pub(super) before: HashMap<String, HashMap<u32, Found>>,
    pub(super) after: HashMap<String, HashMap<u32, Found>>,
}

impl Seeds {
    /// Values of a scan's series beyond a range. A column is looked for by itself, back to its last value that is not null.
    pub(super) fn of_scan(
        scan: &Scan,
        roles: &[Role],
        range: &Range<i64>,
        list: &Arc<SeriesList>,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        for role in roles {
            let Role::Value(filled) = role else { continue };
            if !matches!(filled.kind, Kind::Previous | Kind::Linear) || range.is_empty() {
                continue;
            }
            columns.push(SeededColumn::new(scan, filled, range, list)?);
        }
        Ok(Self {
            columns,
            schema: Some(Arc::clone(schema)),
        })
    }

    pub(super) fn load(&self, part: usize) -> Result<Loaded> {
        let mut loaded = Loaded::default();
        let Some(schema) = &self.schema else {
            return Ok(loaded);
        };
        for column in &self.columns {
            let before = column.before.rows(part)?;
            let found = loaded.take(before, &column.name, schema)?;
            loaded.before.insert(column.name.clone(), found);
            if let Some(after) = &column.after {
                let found = loaded.take(after.rows(part)?, &column.name, schema)?;
                loaded.after.insert(column.name.clone(), found);
            }
        }
        Ok(loaded)
    }
}

impl SeededColumn {
    fn new(scan: &Scan, filled: &Filled, range: &Range<i64>, list: &Arc<SeriesList>) -> Result<Self> {
        let name = filled.name.clone();
        let mut scan = scan.clone().columns([name.as_str()]);
        if filled.is_nullable {
            scan = scan.filter(col(name.as_str()).is_not_null());
        }
        let horizon = filled.max_age.map(|age| range.start.saturating_sub(age));
        let past = within(scan.clone().between(i64::MIN, range.start), None, horizon);
        let after = (filled.kind == Kind::Linear).then(|| {
            let scan = scan.between(range.end, i64::MAX).batch_rows(AFTER_ROWS);
            let scan = OrderedScan::new(scan)?;
            let weights = vec![0; scan.series_count()];
            Ok::<_, Error>(After {
                member: list.join(scan.names()?, weights),
                scan: Arc::new(scan),
                list: Arc::clone(list),
            })
        });
        Ok(Self {
            before: LatestOfScan::new(past, list)?,
            after: after.transpose()?,
            name,
        })
    }
}

impl After {
    /// The first rows of each series of a part.
    fn rows(&self, part: usize) -> Result<Vec<Rows>> {
        let (own, numbers) = self.list.members(self.member, part)?;
        let mut first = Vec::new();
        for series in own {
            let mut rows = self.scan.read(series..series + 1, 0..self.scan.stretches(), true);
            let Some(batch) = rows.next().transpose()? else {
                continue;
            };
            let mut rows = Rows {
                batch: batch.batch,
                times: batch.times,
                runs: batch.runs,
            }
            .slice(0..1);
            for run in &mut rows.runs {
                if let Some(numbers) = &numbers {
                    run.series = numbers.get(run.series as usize).copied().unwrap_or(u32::MAX);
                }
            }
            first.push(rows);
        }
        Ok(first)
    }
}

impl Loaded {
    /// Takes rows of one column, one of each series.
    fn take(&mut self, rows: Vec<Rows>, name: &str, schema: &Schema) -> Result<HashMap<u32, Found>> {
        let mut found = HashMap::new();
        for rows in rows {
            // The number 0 is that of the constants.
            let number = u32::try_from(self.batches.len() + 1).unwrap_or(u32::MAX);
            for run in &rows.runs {
                let row = u32::try_from(run.rows.start).unwrap_or(u32::MAX);
                if let Some(time) = rows.times.get(run.rows.start) {
                    found.insert(run.series, (*time, (number, row)));
                }
            }
            self.batches.push((number, alone(&rows.batch, name, schema)?));
        }
        Ok(found)
    }

    /// The time of the earliest value, and of the latest.
    fn times(&self) -> impl Iterator<Item = i64> + '_ {
        let all = self.before.values().chain(self.after.values());
        all.flat_map(|found| found.values()).map(|(time, _)| *time)
    }
}

/// One column among others that are null.
fn alone(batch: &RecordBatch, name: &str, schema: &Schema) -> Result<RecordBatch> {
    let column = |field: &Arc<arrow_schema::Field>| -> ArrayRef {
        let found = batch.column_by_name(name).filter(|_| field.name() == name);
        found.map_or_else(|| new_null_array(field.data_type(), batch.num_rows()), Arc::clone)
    };
    let columns = schema.fields().iter().map(column).collect();
    let nullable: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns)
        .map_err(|error| Error::internal(format!("values before a range make no batch: {error}")))
}

/// What is asked for gaps.
pub(super) struct Gaps {
    pub(super) scan: Scan,
    pub(super) interval: i64,
    pub(super) has_series: bool,
}

/// Gaps by the number of the series, ascending.
pub(super) type GapsOfSeries = HashMap<u32, Vec<Range<i64>>>;

impl Gaps {
    /// The gaps of a part's series, from the first value to the last that may be used. Of rows without a series nothing is known.
    pub(super) fn load(
        &self,
        part: &Range<u32>,
        names: &StringArray,
        seeds: &Loaded,
        range: &Range<i64>,
    ) -> Result<GapsOfSeries> {
        let start = seeds.times().fold(range.start, i64::min);
        let end = seeds
            .times()
            .fold(range.end, |end, time| end.max(time.saturating_add(1)));
        // Coverage knows whole slots of its grid: one that a range cuts would not be told, and with it the gap that a value lies in.
        let mut scan = match self.interval {
            1.. => {
                let before = start.rem_euclid(self.interval);
                let after = end.wrapping_neg().rem_euclid(self.interval);
                let scan = self.scan.clone();
                scan.between(start.saturating_sub(before), end.saturating_add(after))
            }
            _ => self.scan.clone().between(start, end),
        };
        if self.has_series {
            let named: Vec<&str> = names.iter().flatten().collect();
            if named.is_empty() {
                return Ok(GapsOfSeries::new());
            }
            scan = scan.series(named);
        }
        let number: HashMap<Option<&str>, u32> = names.iter().zip(part.clone()).collect();
        let mut gaps = GapsOfSeries::new();
        for gap in scan.uncovered(self.interval)? {
            if let Some(series) = number.get(&gap.series.as_deref()) {
                gaps.entry(*series).or_default().push(gap.start..gap.end);
            }
        }
        gaps.values_mut()
            .for_each(|gaps| gaps.sort_unstable_by_key(|gap| gap.start));
        Ok(gaps)
    }
}

/// Whether a gap overlaps the time from one instant to before another. Gaps are ascending and do not overlap.
pub(super) fn touches(gaps: &[Range<i64>], start: i64, end: i64) -> bool {
    let first = gaps.partition_point(|gap| gap.end <= start);
    gaps.get(first).is_some_and(|gap| gap.start < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_touches_what_it_overlaps() {
        let gaps = [10..20, 30..31];
        for (start, end, wanted) in [
            (0, 10, false),
            (0, 11, true),
            (19, 20, true),
            (20, 30, false),
            (20, 31, true),
            (31, 99, false),
        ] {
            assert_eq!(touches(&gaps, start, end), wanted, "{start} {end}");
        }
    }
}
