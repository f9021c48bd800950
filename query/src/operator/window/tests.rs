//! The windows of left and right rows in batches of any size, against a walk over all rows for each.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;

use super::options::WindowJoin;
use super::reader::Reader;
use super::rights::{Rights, pieces};
use crate::aggregate::{Aggregate, count, first, last, sum};
use crate::memory::Memory;
use crate::operator::aggregate::Resolved;
use crate::source::{Rows, SeriesRun};

/// Series, time, value.
type Row = (u32, i64, Option<i64>);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, true)]))
}

/// Rows in batches that end where they are told to, or go on for ever.
fn batches(rows: &[Row], sizes: &[usize]) -> Vec<Rows> {
    let mut rest = rows;
    let mut sizes = sizes.iter().cycle();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let (own, others) = rest.split_at((*sizes.next().unwrap_or(&1)).clamp(1, rest.len()));
        rest = others;
        let values = Int64Array::from_iter(own.iter().map(|(_, _, value)| *value));
        let mut at = 0;
        let runs = own.chunk_by(|a, b| a.0 == b.0).map(|run| {
            at += run.len();
            SeriesRun {
                series: run[0].0,
                rows: at - run.len()..at,
            }
        });
        batches.push(Rows {
            runs: runs.collect(),
            batch: RecordBatch::try_new(schema(), vec![Arc::new(values)]).expect("a batch"),
            times: own.iter().map(|(_, time, _)| *time).collect(),
        });
    }
    batches
}

fn aggregates() -> Vec<Aggregate> {
    vec![count(), sum("value"), first("value"), last("value")]
}

type Results = Vec<Vec<Option<i64>>>;

fn joined(lefts: Vec<Rows>, rights: Rights, window: &WindowJoin, resolved: &Arc<Resolved>) -> Results {
    let fields = (0..5).map(|at| Field::new(at.to_string(), DataType::Int64, true));
    let mut reader = Reader {
        rights,
        window: Arc::new(window.clone()),
        resolved: Arc::clone(resolved),
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
    };
    let mut results: Results = vec![Vec::new(); 5];
    for rows in lefts {
        let rows = reader.join(rows).expect("a join");
        for (result, column) in results.iter_mut().zip(rows.batch.columns()) {
            assert_eq!(column.len(), rows.len());
            result.extend(column.as_primitive::<Int64Type>().iter());
        }
    }
    results
}

fn twin(lefts: &[Row], rights: &[Row], window: &WindowJoin, is_shared: bool) -> Results {
    let mut results: Results = vec![Vec::new(); 5];
    for (series, time, value) in lefts {
        let own = rights.iter().filter(|right| is_shared || right.0 == *series);
        let before = own.clone().rfind(|right| right.1 < time + window.start);
        let inside = own.filter(|right| right.1 >= time + window.start && right.1 <= time + window.end);
        let rows: Vec<&Row> = before
            .filter(|_| window.is_prevailing)
            .into_iter()
            .chain(inside)
            .collect();
        let values: Vec<i64> = rows.iter().filter_map(|row| row.2).collect();
        let row = [
            *value,
            Some(rows.len() as i64),
            (!values.is_empty()).then(|| values.iter().sum()),
            values.first().copied(),
            values.last().copied(),
        ];
        for (result, value) in results.iter_mut().zip(row) {
            result.push(value);
        }
    }
    results
}

fn rows(series: std::ops::Range<u32>, count: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (series, 0i64..120, proptest::option::weighted(0.8, -9i64..9));
    proptest::collection::vec(row, 0..count).prop_map(|mut rows| {
        rows.sort_by_key(|(series, time, _)| (*series, *time));
        rows
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1usize..4, 1usize..40, Just(1000)], 1..6)
}

fn window() -> impl Strategy<Value = WindowJoin> {
    (-60i64..60, -60i64..60, any::<bool>(), any::<bool>()).prop_map(|(a, b, is_small, is_prevailing)| {
        let scale = if is_small { 12 } else { 1 };
        let mut window = WindowJoin::between(a.min(b) / scale, a.max(b) / scale);
        window.is_prevailing = is_prevailing;
        window
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn windows_over_batches_are_those_of_all_rows(
        lefts in rows(0..5, 60),
        rights in rows(0..5, 150),
        sizes in (sizes(), sizes()),
        window in window(),
    ) {
        let resolved = Resolved::new(&aggregates(), &schema()).expect("aggregates");
        let of_rights = batches(&rights, &sizes.1).into_iter().map(Ok);
        let held = Rights::new(Box::new(of_rights), &resolved, window.is_prevailing, &Memory::default());
        let found = joined(batches(&lefts, &sizes.0), held, &window, &resolved);
        prop_assert_eq!(found, twin(&lefts, &rights, &window, false));
    }

    #[test]
    fn every_series_sees_rows_without_series(
        lefts in rows(0..5, 60),
        rights in rows(0..1, 100),
        sizes in (sizes(), sizes()),
        window in window(),
    ) {
        let resolved = Resolved::new(&aggregates(), &schema()).expect("aggregates");
        let all = batches(&rights, &sizes.1).into_iter().flat_map(|rows| pieces(&rows, &resolved).expect("pieces"));
        let all = all.map(|(_, piece)| piece).collect();
        let held = Rights::shared(&all, &resolved, window.is_prevailing, &Memory::default());
        let found = joined(batches(&lefts, &sizes.0), held, &window, &resolved);
        prop_assert_eq!(found, twin(&lefts, &rights, &window, true));
    }
}

/// Rows enough for several threads: each gets a share of them.
#[test]
fn many_rows_are_shared_by_threads_and_come_in_order() {
    let many = |count: i64, step: i64| -> Vec<Row> {
        let row = |at: i64| {
            (
                (at / 150_000) as u32,
                at % 150_000 * step,
                (at % 7 != 0).then_some(at % 5),
            )
        };
        (0..count).map(row).collect()
    };
    let (lefts, rights) = (many(160_000, 4), many(310_000, 3));
    for (window, sizes) in [
        (WindowJoin::between(-30i64, 20i64), (160_000, 310_000)),
        (WindowJoin::between(-30i64, 20i64).prevailing(), (50_000, 70_000)),
        (WindowJoin::between(-9_000i64, -3_000i64), (16_384, 16_384)),
        (WindowJoin::between(-300_000i64, 200_000i64), (160_000, 16_384)),
    ] {
        let resolved = Resolved::new(&[count(), sum("value")], &schema()).expect("aggregates");
        let held = Rights::new(
            Box::new(batches(&rights, &[sizes.1]).into_iter().map(Ok)),
            &resolved,
            window.is_prevailing,
            &Memory::default(),
        );
        let mut reader = Reader {
            rights: held,
            window: Arc::new(window.clone()),
            resolved: Arc::clone(&resolved),
            schema: Arc::new(Schema::new(
                ["v", "n", "sum"]
                    .map(|name| Field::new(name, DataType::Int64, true))
                    .to_vec(),
            )),
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .expect("threads");
        let found: Vec<Rows> = pool.install(|| {
            let lefts = batches(&lefts, &[sizes.0]).into_iter();
            lefts.map(|rows| reader.join(rows).expect("a join")).collect()
        });
        let column = |place: usize| -> Vec<Option<i64>> {
            let of = |rows: &Rows| {
                rows.batch
                    .column(place)
                    .as_primitive::<Int64Type>()
                    .iter()
                    .collect::<Vec<_>>()
            };
            found.iter().flat_map(of).collect()
        };
        // Sums over the first rows of each series.
        let mut totals: Vec<Vec<(i64, i64)>> = Vec::new();
        for own in rights.chunk_by(|a, b| a.0 == b.0) {
            let mut total = vec![(0, 0)];
            for (at, (_, _, value)) in own.iter().enumerate() {
                total.push((
                    total[at].0 + i64::from(value.is_some()),
                    total[at].1 + value.unwrap_or(0),
                ));
            }
            totals.push(total);
        }
        let of_series: Vec<&[Row]> = rights.chunk_by(|a, b| a.0 == b.0).collect();
        let wanted = lefts.iter().map(|(series, time, _)| {
            let rows = of_series[*series as usize];
            let low = rows.partition_point(|row| row.1 < time + window.start);
            let high = rows.partition_point(|row| row.1 <= time + window.end);
            let low = low - usize::from(window.is_prevailing && low > 0);
            let total = &totals[*series as usize];
            let values = total[high].0 - total[low].0;
            (
                Some((high - low) as i64),
                (values > 0).then(|| total[high].1 - total[low].1),
            )
        });
        let found: Vec<_> = column(1).into_iter().zip(column(2)).collect();
        assert!(found.iter().copied().eq(wanted), "{window}");
    }
}

/// Rows that are put together because windows go over batches are held within the memory of the query.
#[test]
fn a_window_wider_than_the_memory_is_refused() {
    let row = |at: i64| (0, at, Some(at));
    let (lefts, rights): (Vec<Row>, Vec<Row>) = ((0..10).map(row).collect(), (0..1000).map(row).collect());
    let resolved = Resolved::new(&[sum("value")], &schema()).expect("aggregates");
    let join = |window: WindowJoin, memory: &Memory| {
        let of_rights = batches(&rights, &[10]).into_iter().map(Ok);
        let mut reader = Reader {
            rights: Rights::new(Box::new(of_rights), &resolved, window.is_prevailing, memory),
            window: Arc::new(window),
            resolved: Arc::clone(&resolved),
            schema: Arc::new(Schema::new(
                ["v", "sum"]
                    .map(|name| Field::new(name, DataType::Int64, true))
                    .to_vec(),
            )),
        };
        let mut lefts = batches(&lefts, &[10]).into_iter();
        lefts.try_for_each(|rows| reader.join(rows).map(|_| ()))
    };
    let little = Memory::limited(2_000);
    join(WindowJoin::between(-5i64, 5i64), &little).expect("narrow windows");
    let error = join(WindowJoin::between(-1_000i64, 1_000i64), &little).expect_err("wide windows");
    assert!(error.to_string().contains("the rows of a window"), "{error}");
    join(
        WindowJoin::between(-1_000i64, 1_000i64),
        &Memory::limited(100_000),
    )
    .expect("enough memory");
}
