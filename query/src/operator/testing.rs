//! Generated rows by series and time, cut into parts and batches at any place, for the tests of operators that stream.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::Result;
use proptest::prelude::*;

use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::source::{Layout, Rows, RowsIter, SeriesRun, Source, collect};

/// A row of the tests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) series: u32,
    pub(crate) ts: i64,
    pub(crate) price: Option<f64>,
    pub(crate) size: Option<i64>,
    pub(crate) word: Option<&'static str>,
}

fn price() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        8 => (-1000..1000i32).prop_map(|cents| Some(f64::from(cents) / 100.0)),
        2 => Just(None),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e300]).prop_map(Some),
    ]
}

/// Rows by series and time, with ties, and where they are cut.
pub(crate) fn rows() -> impl Strategy<Value = (Vec<Row>, Vec<usize>)> {
    let word = prop::option::of(prop::sample::select(vec!["a", "b", "cc"]));
    let size = prop::option::weighted(0.8, -50..50i64);
    let row = (0..5u32, 0..40i64, price(), size, word).prop_map(|(series, ts, price, size, word)| Row {
        series,
        ts,
        price,
        size,
        word,
    });
    let cuts = prop_oneof![
        prop::collection::vec(0..80usize, 0..12),
        Just((0..80).collect::<Vec<_>>())
    ];
    (prop::collection::vec(row, 0..80), cuts).prop_map(|(mut rows, mut cuts)| {
        rows.sort_by_key(|row| (row.series, row.ts));
        cuts.sort_unstable();
        (rows, cuts)
    })
}

/// The rows of each series.
pub(crate) fn by_series(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| a.series == b.series)
}

fn schema() -> SchemaRef {
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
        Field::new("symbol", symbol, true),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let words: StringArray = rows.iter().map(|row| row.word).collect();
    // A dictionary of its own, in the order in which words come.
    let symbols: DictionaryArray<UInt32Type> = rows.iter().map(|row| row.word).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(
            rows.iter().map(|row| row.ts),
        )),
        Arc::new(rows.iter().map(|row| row.price).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.size).collect::<Int64Array>()),
        Arc::new(words),
        Arc::new(symbols),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit")
}

/// Rows in parts and batches.
#[derive(Debug)]
pub(crate) struct Cut {
    shape: Shape,
    parts: Vec<Vec<Rows>>,
}

impl Cut {
    /// Parts begin where `rows` are cut at the first row of a series, batches wherever they are cut.
    pub(crate) fn input(rows: &[Row], cuts: &[usize]) -> Input {
        let mut parts = vec![Vec::new()];
        let mut start = 0;
        let ends = cuts.iter().copied().filter(|cut| *cut < rows.len());
        for end in ends.chain([rows.len()]) {
            let begins = start > 0 && start < rows.len() && rows[start - 1].series != rows[start].series;
            if begins && start % 2 == 0 {
                parts.push(Vec::new());
            }
            parts.last_mut().expect("a part").push(piece(&rows[start..end]));
            start = end;
        }
        Arc::new(Self {
            shape: Shape {
                schema: schema(),
                time: schema().field_with_name("ts").ok().cloned(),
                series: Some(Field::new("sym", DataType::Utf8, true)),
                is_ordered: true,
            },
            parts,
        })
    }
}

fn piece(rows: &[Row]) -> Rows {
    let mut at = 0;
    let runs = by_series(rows).map(|run| {
        at += run.len();
        SeriesRun {
            series: run[0].series,
            rows: at - run.len()..at,
        }
    });
    Rows {
        runs: runs.collect(),
        batch: batch(rows),
        times: rows.iter().map(|row| row.ts).collect(),
    }
}

impl Operator for Cut {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        Vec::new()
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let fields = self.shape.schema.fields().iter().enumerate();
        let kept = fields.filter(|(_, field)| columns.contains(field.name()));
        let kept: Vec<usize> = kept.map(|(at, _)| at).collect();
        let project = |rows: &Rows| {
            rows.clone()
                .with_batch(rows.batch.project(&kept).expect("columns"))
        };
        let parts = self.parts.iter().map(|part| part.iter().map(project).collect());
        Ok(Arc::new(Self {
            shape: Shape {
                schema: Arc::new(self.shape.schema.project(&kept).expect("columns")),
                ..self.shape.clone()
            },
            parts: parts.collect(),
        }))
    }

    fn source(&self, _planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        assert!(need.ordered, "rows by series and time are asked for");
        let mut parts = self.parts.clone();
        if !need.times {
            parts
                .iter_mut()
                .flatten()
                .for_each(|rows| rows.times = Vec::new().into());
        }
        Ok(Arc::new(CutSource {
            schema: Arc::clone(&self.shape.schema),
            parts,
        }))
    }

    fn describe(&self) -> String {
        "rows of a test".into()
    }
}

struct CutSource {
    schema: SchemaRef,
    parts: Vec<Vec<Rows>>,
}

impl Source for CutSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        Ok(Box::new(self.parts[part].clone().into_iter().map(Ok)))
    }
}

/// Runs an operator for some of its columns.
pub(crate) fn run(operator: &dyn Operator, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    let columns = columns.iter().map(|column| (*column).to_string()).collect();
    let planner = Planner::default();
    let need = Need {
        ordered: true,
        times: false,
    };
    let source = operator.pruned(&columns)?.source(&planner, need)?;
    planner.list.fix();
    collect(source.as_ref())
}

/// The values of a column of numbers.
pub(crate) fn numbers<T: ArrowPrimitiveType>(batches: &[RecordBatch], name: &str) -> Vec<Option<T::Native>> {
    let column = |batch: &RecordBatch| -> Vec<_> {
        batch
            .column_by_name(name)
            .expect(name)
            .as_primitive::<T>()
            .iter()
            .collect()
    };
    batches.iter().flat_map(column).collect()
}

/// The values of a column of text or symbols.
pub(crate) fn texts(batches: &[RecordBatch], name: &str) -> Vec<Option<String>> {
    let column = |batch: &RecordBatch| -> Vec<Option<String>> {
        let column =
            arrow_cast::cast(batch.column_by_name(name).expect(name), &DataType::Utf8).expect("text");
        column
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::to_string))
            .collect()
    };
    batches.iter().flat_map(column).collect()
}

/// Whether floats are equal but for rounding; NaN equals NaN.
pub(crate) fn is_near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Asserts that all floats are near.
pub(crate) fn assert_near(found: &[Option<f64>], wanted: &[Option<f64>], what: &str) {
    let is_near = found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| is_near(*a, *b));
    assert!(is_near, "{what}\nfound  {found:?}\nwanted {wanted:?}");
}
