//! Columns that are added, renamed, dropped and widened while rows of every earlier schema stay as they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::scan::{Literal, Order, col};
use gapless::{AttributeKind, Table, TableSpec};
use proptest::prelude::*;

use crate::common::scratch;

/// Types of a column, each wider than the one before. Values are small whole numbers in all of them.
const KINDS: usize = 6;

fn types(kind: usize) -> Vec<DataType> {
    use DataType as T;
    let timestamp = |unit| T::Timestamp(unit, None);
    match kind {
        0 => vec![T::Int8, T::Int16, T::Int32, T::Int64],
        1 => vec![T::UInt8, T::UInt32, T::Int64],
        2 => vec![T::Int16, T::Float32, T::Float64],
        3 => vec![T::Decimal128(5, 2), T::Decimal128(20, 2)],
        4 => vec![
            timestamp(TimeUnit::Second),
            timestamp(TimeUnit::Millisecond),
            timestamp(TimeUnit::Nanosecond),
        ],
        _ => vec![T::Utf8],
    }
}

/// Numbers as values of one of the types of a kind.
fn array(kind: usize, step: usize, values: &[Option<i64>]) -> ArrayRef {
    let numbers: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    let types = types(kind);
    let narrow = cast(&numbers, &types[0]).expect("small numbers");
    cast(&narrow, &types[step]).expect("a wider type")
}

/// What a number of a column is compared with.
fn literal(kind: usize, step: usize, value: i64) -> Literal {
    match (kind, step) {
        (2, _) => Literal::F64(value as f64),
        (4, 1) => Literal::I64(value * 1000),
        (4, 2) => Literal::I64(value * 1_000_000_000),
        (5, _) => Literal::Text(value.to_string()),
        _ => Literal::I64(value),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write {
        rows: usize,
        late: bool,
        columns: u32,
        narrow: bool,
    },
    Add(usize),
    Rename(usize),
    Drop(usize),
    Widen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..20usize, any::<bool>(), any::<u32>(), any::<bool>())
            .prop_map(|(rows, late, columns, narrow)| Step::Write { rows, late, columns, narrow }),
        2 => (0..KINDS).prop_map(Step::Add),
        1 => any::<usize>().prop_map(Step::Rename),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => any::<usize>().prop_map(Step::Widen),
    ];
    prop::collection::vec(step, 1..14)
}

#[derive(Debug, Clone)]
struct Column {
    number: usize,
    name: String,
    kind: usize,
    step: usize,
}

/// The rows by id, and the columns there are.
#[derive(Debug, Clone, Default)]
struct Plain {
    columns: Vec<Column>,
    rows: Vec<(i64, BTreeMap<usize, i64>)>,
    made: usize,
}

impl Plain {
    fn add(&mut self, kind: usize) -> Column {
        self.made += 1;
        let column = Column {
            number: self.made,
            name: format!("c{}", self.made),
            kind,
            step: 0,
        };
        self.columns.push(column.clone());
        column
    }

    fn values(&self, column: &Column) -> Vec<Option<i64>> {
        self.rows
            .iter()
            .map(|(_, row)| row.get(&column.number).copied())
            .collect()
    }
}

fn ts_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn write(table: &Table, plain: &mut Plain, rows: usize, late: bool, columns: u32, narrow: bool) {
    let first = plain.rows.len() as i64;
    let ids: Vec<i64> = (first..first + rows as i64).collect();
    // Late rows lie between those of the write before.
    let times = ids.iter().map(|id| if late { id * 10 - 95 } else { id * 10 });
    let times: Vec<i64> = times.collect();
    let mut fields = vec![
        Field::new("ts", ts_type(), false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("id", DataType::Int64, true),
    ];
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(
            ids.iter().map(|id| format!("s{}", id % 3)),
        )),
        Arc::new(Int64Array::from_iter_values(ids.iter().copied())),
    ];
    plain.rows.extend(ids.iter().map(|id| (*id, BTreeMap::new())));
    for column in plain.columns.clone() {
        if columns >> (column.number % 32) & 1 == 0 {
            continue; // A batch of an older schema: the column is null.
        }
        let values: Vec<Option<i64>> = ids
            .iter()
            .map(|id| (id % 5 != 0).then_some((id * 7 + column.number as i64) % 50))
            .collect();
        let step = if narrow { 0 } else { column.step };
        let made = array(column.kind, step, &values);
        fields.push(Field::new(&column.name, made.data_type().clone(), true));
        arrays.push(made);
        for ((_, row), value) in plain.rows[first as usize..].iter_mut().zip(values) {
            row.extend(value.map(|value| (column.number, value)));
        }
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("the columns fit");
    table.write([batch]).expect("rows");
}

fn perform(table: &Table, plain: &mut Plain, step: &Step) {
    let chosen =
        |plain: &Plain, at: usize| (!plain.columns.is_empty()).then(|| at % plain.columns.len().max(1));
    match step {
        Step::Write {
            rows,
            late,
            columns,
            narrow,
        } => write(table, plain, *rows, *late, *columns, *narrow),
        Step::Add(kind) => {
            let column = plain.add(*kind);
            table
                .add_column(&column.name, types(*kind)[0].clone())
                .expect("a new column");
        }
        Step::Rename(at) => {
            let Some(at) = chosen(plain, *at) else { return };
            plain.made += 1;
            let to = format!("r{}", plain.made);
            table
                .rename_column(&plain.columns[at].name, &to)
                .expect("another name");
            plain.columns[at].name = to;
        }
        Step::Drop(at) => {
            let Some(at) = chosen(plain, *at) else { return };
            table.drop_column(&plain.columns[at].name).expect("a column less");
            plain.columns.remove(at);
        }
        Step::Widen(at) => {
            let Some(at) = chosen(plain, *at) else { return };
            let column = &mut plain.columns[at];
            if let Some(wider) = types(column.kind).get(column.step + 1) {
                table
                    .widen_column(&column.name, wider.clone())
                    .expect("a wider type");
                column.step += 1;
            }
        }
    }
}

/// All rows of a scan as columns, by id.
fn by_id(batches: &[RecordBatch]) -> RecordBatch {
    let schema = batches[0].schema();
    let all = arrow_select::concat::concat_batches(&schema, batches).expect("batches join");
    let ids = all
        .column_by_name("id")
        .expect("id")
        .as_any()
        .downcast_ref::<Int64Array>()
        .expect("ids")
        .clone();
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_key(|row| ids.value(*row as usize));
    arrow_select::take::take_record_batch(&all, &arrow_array::UInt32Array::from(order)).expect("rows")
}

fn check(scan: &gapless::Scan, plain: &Plain) -> Result<(), TestCaseError> {
    let found = scan.clone().count().expect("a count");
    prop_assert_eq!(found as usize, plain.rows.len());
    let names: Vec<String> = scan
        .schema()
        .expect("a schema")
        .fields()
        .iter()
        .skip(3)
        .map(|f| f.name().clone())
        .collect();
    let expected: Vec<String> = plain.columns.iter().map(|column| column.name.clone()).collect();
    prop_assert_eq!(&names, &expected);
    if plain.rows.is_empty() {
        return Ok(());
    }
    for order in [Order::Series, Order::Time, Order::Stored] {
        let batch = by_id(&scan.clone().order(order).batch_rows(7).collect().expect("rows"));
        for column in &plain.columns {
            let expected = array(column.kind, column.step, &plain.values(column));
            let found = batch.column_by_name(&column.name).expect("the column");
            prop_assert_eq!(found, &expected, "column {:?} by {:?}", column, order);
        }
    }
    for column in &plain.columns {
        let values = plain.values(column);
        for wanted in [0, 8, 21, 49] {
            let literal = literal(column.kind, column.step, wanted);
            let count = |predicate| scan.clone().filter(predicate).count().expect("a count") as usize;
            let equal = values.iter().flatten().filter(|value| **value == wanted).count();
            prop_assert_eq!(
                count(col(&column.name).eq(literal.clone())),
                equal,
                "{:?} = {}",
                column,
                wanted
            );
            if column.kind != 5 {
                let less = values.iter().flatten().filter(|value| **value < wanted).count();
                prop_assert_eq!(
                    count(col(&column.name).lt(literal)),
                    less,
                    "{:?} < {}",
                    column,
                    wanted
                );
            }
        }
        let nulls = values.iter().filter(|value| value.is_none()).count();
        let predicate = col(&column.name).is_null();
        prop_assert_eq!(
            scan.clone().filter(predicate).count().expect("a count") as usize,
            nulls
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn rows_of_every_schema_are_read_in_the_present_one(
        kinds in prop::collection::vec(0..KINDS, 1..4),
        steps in steps(),
        grouped: bool,
    ) {
        let (_directory, db) = scratch();
        let mut plain = Plain::default();
        let mut fields = vec![
            Field::new("ts", ts_type(), false),
            Field::new("sym", DataType::Utf8, true),
            Field::new("id", DataType::Int64, true),
        ];
        for kind in kinds {
            let column = plain.add(kind);
            fields.push(Field::new(&column.name, types(kind)[0].clone(), true));
        }
        let mut spec = TableSpec::new("t", Schema::new(fields)).time("ts").series("sym");
        if grouped {
            for column in &plain.columns {
                spec = spec.attribute(&column.name, AttributeKind::Grouped);
            }
        }
        let table = db.create_table(&spec).expect("a table");
        let mut pinned = Vec::new();
        for step in &steps {
            pinned.push((table.scan().expect("a scan"), plain.clone()));
            perform(&table, &mut plain, step);
        }
        check(&table.scan().expect("a scan"), &plain)?;
        for (scan, plain) in pinned {
            check(&scan, &plain)?; // A snapshot keeps its schema.
        }
    }
}

#[test]
fn changes_of_columns_by_many_threads_all_happen() {
    let (_directory, db) = scratch();
    let schema = Schema::new(vec![Field::new("ts", ts_type(), false)]);
    let table = db
        .create_table(&TableSpec::new("t", schema).time("ts"))
        .expect("a table");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let table = table.clone();
            scope.spawn(move || {
                for column in 0..5 {
                    let name = format!("c{thread}_{column}");
                    table.add_column(&name, DataType::Int32).expect("a column");
                }
            });
        }
    });
    let meta = table.meta().expect("a description");
    let mut ids: Vec<u32> = meta.columns.iter().map(|column| column.column_id).collect();
    ids.dedup();
    assert_eq!((ids.len(), meta.next_column_id), (21, 21));
}
