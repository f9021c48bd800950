//! Attributes answer what a full scan answers, are verified before anything is written, and stay on every later commit.
//!
//! The twin of each indexed table has the same rows and no attribute but those that every table has.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::scan::{Literal, Order, Predicate, col};
use gapless::{AttributeKind, Database, ErrorKind, PartitionUnit, Table, TableSpec, WriteOptions};
use proptest::prelude::*;

use crate::cells::{Cell, Dice, build};
use crate::common::{DAY, SECOND, scratch};

/// The columns beside `ts`, `sym` and `id`, with values that repeat.
fn columns() -> Vec<(&'static str, DataType)> {
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    vec![
        ("bool", DataType::Boolean),
        ("i32", DataType::Int32),
        ("u64", DataType::UInt64),
        ("f64", DataType::Float64),
        ("f32", DataType::Float32),
        ("decimal", DataType::Decimal128(20, 2)),
        ("date", DataType::Date32),
        (
            "seen",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ),
        ("text", DataType::Utf8),
        ("binary", DataType::Binary),
        ("venue", symbol),
    ]
}

const TEXTS: [&str; 4] = ["", "a", "a longer text that is no prefix", "水"];

fn value(name: &str, dice: &mut Dice) -> Cell {
    let number = i128::from(dice.below(5));
    match name {
        _ if dice.below(6) == 0 => Cell::Null,
        "bool" => Cell::Bool(number < 2),
        "f64" => Cell::F64(*dice.pick(&[f64::NAN, -f64::NAN, -0.0, 0.0, 1.5, f64::INFINITY])),
        "f32" => Cell::F32(*dice.pick(&[f32::NAN, -0.0, 0.0, 0.5])),
        "u64" => Cell::Int(i128::from(u64::MAX) - number),
        "text" | "venue" => Cell::Text((*dice.pick(&TEXTS)).to_owned()),
        "binary" => Cell::Bytes(dice.pick(&TEXTS).as_bytes().to_vec()),
        _ => Cell::Int(number - 2),
    }
}

fn literals(name: &str) -> Vec<Literal> {
    match name {
        "bool" => vec![true.into(), false.into()],
        "f64" | "f32" => vec![
            f64::NAN.into(),
            0.0.into(),
            (-0.0).into(),
            0.5.into(),
            1.5.into(),
            7i64.into(),
        ],
        "u64" => vec![u64::MAX.into(), (u64::MAX - 3).into(), (-1i64).into()],
        "decimal" => vec![Literal::I128(1), 1i64.into(), Literal::I128(-2)],
        "text" | "venue" => TEXTS
            .iter()
            .map(|text| (*text).into())
            .chain(["nobody".into()])
            .collect(),
        "binary" => vec![vec![].into(), b"a".to_vec().into(), vec![0u8].into()],
        "id" => vec![3i64.into(), 40i64.into(), 1_000_000i64.into()],
        _ => vec![
            0i64.into(),
            (-2i64).into(),
            99i64.into(),
            i64::MAX.into(),
            1.0.into(),
        ],
    }
}

fn conditions(name: &str) -> Vec<Predicate> {
    let column = || col(name);
    let values = literals(name);
    let mut conditions = vec![
        column().is_null(),
        column().is_not_null(),
        column().is_in(Vec::<Literal>::new()),
    ];
    for value in &values {
        conditions.extend([
            column().eq(value.clone()),
            column().ne(value.clone()),
            column().lt(value.clone()),
            column().le(value.clone()),
            column().gt(value.clone()),
            column().ge(value.clone()),
            !column().eq(value.clone()),
            column().eq(value.clone()).or(column().is_null()),
            column().eq(value.clone()).and(col("id").lt(30)),
        ]);
    }
    conditions.push(column().is_in(values.clone()));
    conditions.push(column().is_in(values.into_iter().take(2)));
    conditions
}

fn schema() -> Schema {
    let mut fields = vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", DataType::Utf8, true),
        Field::new("id", DataType::Int64, true),
    ];
    fields.extend(
        columns()
            .into_iter()
            .map(|(name, data_type)| Field::new(name, data_type, true)),
    );
    Schema::new(fields)
}

/// `rows` rows of three days; their ids go on from `first`.
fn rows(dice: &mut Dice, first: i64, rows: i64) -> RecordBatch {
    let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); 3 + columns().len()];
    for id in first..first + rows {
        let ts = i128::from(dice.below(3)) * i128::from(DAY) + i128::from(dice.below(4));
        let sym = match dice.below(5) {
            0 => Cell::Null,
            _ => Cell::Text((*dice.pick(&["b", "a", ""])).to_owned()),
        };
        let others = columns().into_iter().map(|(name, _)| value(name, dice));
        let row = [Cell::Int(ts), sym, Cell::Int(id.into())]
            .into_iter()
            .chain(others.collect::<Vec<_>>());
        cells
            .iter_mut()
            .zip(row)
            .for_each(|(column, cell)| column.push(cell));
    }
    let schema = schema();
    let arrays = cells
        .iter()
        .zip(schema.fields())
        .map(|(cells, field)| build(cells, field.data_type()))
        .collect();
    RecordBatch::try_new(Arc::new(schema), arrays).expect("a batch")
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    let of = |batch: &RecordBatch| {
        let ids = batch
            .column_by_name("id")
            .expect("id")
            .as_primitive::<Int64Type>();
        ids.values().to_vec()
    };
    batches.iter().flat_map(of).collect()
}

fn pair(db: &Database, kind: AttributeKind) -> (Table, Table) {
    let mut indexed = TableSpec::new("indexed", schema()).time("ts").series("sym");
    if kind == AttributeKind::Grouped {
        for (name, _) in columns() {
            indexed = indexed.attribute(name, kind);
        }
        indexed = indexed.attribute("sym", kind);
    }
    indexed = indexed.attribute("id", kind);
    let plain = TableSpec::new("plain", schema()).time("ts").series("sym");
    let indexed = db.create_table(&indexed).expect("a new table");
    (indexed, db.create_table(&plain).expect("its twin"))
}

fn compare(indexed: &Table, plain: &Table, condition: &Predicate) {
    let scan = |table: &Table| table.scan().expect("a scan").filter(condition.clone());
    for order in [Order::Series, Order::Time] {
        let found = ids(&scan(indexed).order(order).collect().expect("rows"));
        let expected = ids(&scan(plain).order(order).collect().expect("rows"));
        assert_eq!(found, expected, "{condition:?} {order:?}");
        assert_eq!(
            scan(indexed).count().expect("a count"),
            expected.len() as u64,
            "{condition:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn grouped_and_unique_answer_every_condition_as_a_full_scan_does(
        seed: u64,
        commits in prop::collection::vec(1..60i64, 1..4),
        unique: bool,
    ) {
        let mut dice = Dice(seed);
        let (_directory, db) = scratch();
        let kind = if unique { AttributeKind::Unique } else { AttributeKind::Grouped };
        let (indexed, plain) = pair(&db, kind);
        let mut first = 0;
        for count in commits {
            let batch = rows(&mut dice, first, count);
            first += count;
            indexed.write([batch.clone()]).expect("rows are written");
            plain.write([batch]).expect("rows are written");
        }
        for (name, _) in columns().into_iter().chain([("id", DataType::Int64), ("sym", DataType::Utf8)]) {
            let names = if name == "sym" { "venue" } else { name };
            for condition in conditions(names) {
                let condition = if name == "sym" { renamed(condition) } else { condition };
                compare(&indexed, &plain, &condition);
            }
        }
        let both = col("text").eq("a").and(col("f64").eq(f64::NAN)).and(col("venue").is_in(["a", "水"]));
        compare(&indexed, &plain, &both);
        compare(&indexed, &plain, &col("i32").eq(1).or(col("date").eq(1)));
    }
}

/// A condition on `venue` as one on `sym`.
fn renamed(condition: Predicate) -> Predicate {
    let all = |parts: Vec<Predicate>| parts.into_iter().map(renamed).collect();
    let name = |column: String| {
        if column == "venue" {
            "sym".to_owned()
        } else {
            column
        }
    };
    match condition {
        Predicate::Compare {
            column,
            comparison,
            value,
        } => Predicate::Compare {
            column: name(column),
            comparison,
            value,
        },
        Predicate::In { column, values } => Predicate::In {
            column: name(column),
            values,
        },
        Predicate::IsNull(column) => Predicate::IsNull(name(column)),
        Predicate::And(parts) => Predicate::And(all(parts)),
        Predicate::Or(parts) => Predicate::Or(all(parts)),
        Predicate::Not(part) => Predicate::Not(Box::new(renamed(*part))),
    }
}

/// A table without series: time, and one column `x` of some type.
fn one_column(db: &Database, name: &str, data_type: &DataType, kinds: &[AttributeKind]) -> Table {
    let fields = vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("id", DataType::Int64, true),
        Field::new("x", data_type.clone(), true),
    ];
    let spec = TableSpec::new(name, Schema::new(fields)).time("ts");
    let spec = kinds.iter().fold(spec, |spec, kind| spec.attribute("x", *kind));
    db.create_table(&spec).expect("a new table")
}

/// Rows one second apart with these values of `x`.
fn one_batch(start: i64, data_type: &DataType, x: &[Cell]) -> RecordBatch {
    let count = i64::try_from(x.len()).expect("few rows");
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let int = |value: i64| Cell::Int(value.into());
    let columns: Vec<ArrayRef> = vec![
        build(
            &(0..count)
                .map(|row| int(start + row * SECOND))
                .collect::<Vec<_>>(),
            &time,
        ),
        build(&(0..count).map(int).collect::<Vec<_>>(), &DataType::Int64),
        build(x, data_type),
    ];
    let fields = ["ts", "id", "x"].iter().zip(&columns);
    let fields: Vec<Field> = fields
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

fn int(value: i64) -> Cell {
    Cell::Int(value.into())
}

#[test]
fn sorted_and_parted_columns_answer_every_condition_as_a_full_scan_does() {
    use AttributeKind::{Parted, Sorted};
    let floats = [f64::NEG_INFINITY, -0.0, 0.0, 0.0, 0.5, 1.5, f64::NAN, f64::NAN]
        .map(Cell::F64)
        .to_vec();
    let texts = TEXTS
        .iter()
        .map(|text| Cell::Text((*text).to_owned()))
        .collect::<Vec<_>>();
    let dates: Vec<Cell> = [-2, -2, 0, 1, 1, 1, 5].map(int).to_vec();
    let runs: Vec<Cell> = [1, 1, -2, 0, 0, 0, 99].map(int).to_vec();
    let cases = [
        ("f64", DataType::Float64, Sorted, floats.clone()),
        ("f64", DataType::Float64, Parted, floats),
        ("text", DataType::Utf8, Sorted, texts.clone()),
        ("text", DataType::Utf8, Parted, texts),
        ("date", DataType::Date32, Sorted, dates.clone()),
        ("date", DataType::Date32, Parted, dates),
        ("i32", DataType::Int64, Parted, runs),
    ];
    for (like, data_type, kind, values) in cases {
        let (_directory, db) = scratch();
        let indexed = one_column(&db, "indexed", &data_type, &[kind]);
        let plain = one_column(&db, "plain", &data_type, &[]);
        for day in 0..3 {
            let some = &values[..values.len() - usize::try_from(day).expect("small")];
            for table in [&indexed, &plain] {
                table
                    .write([one_batch(day * DAY, &data_type, some)])
                    .expect("rows are written");
            }
        }
        for condition in conditions(like) {
            let condition = on_x(condition, like);
            compare(&indexed, &plain, &condition);
        }
    }
}

/// A condition on another column as one on `x`.
fn on_x(condition: Predicate, name: &str) -> Predicate {
    let all = |parts: Vec<Predicate>| parts.into_iter().map(|part| on_x(part, name)).collect();
    let x = |column: String| if column == name { "x".to_owned() } else { column };
    match condition {
        Predicate::Compare {
            column,
            comparison,
            value,
        } => Predicate::Compare {
            column: x(column),
            comparison,
            value,
        },
        Predicate::In { column, values } => Predicate::In {
            column: x(column),
            values,
        },
        Predicate::IsNull(column) => Predicate::IsNull(x(column)),
        Predicate::And(parts) => Predicate::And(all(parts)),
        Predicate::Or(parts) => Predicate::Or(all(parts)),
        Predicate::Not(part) => Predicate::Not(Box::new(on_x(*part, name))),
    }
}

#[test]
fn a_value_that_breaks_an_attribute_is_named_with_its_row_and_nothing_is_written() {
    use AttributeKind::{Parted, Sorted, Unique};
    let text = |text: &str| Cell::Text(text.to_owned());
    let cases = [
        (
            Sorted,
            DataType::Int64,
            vec![int(1), int(3), int(2)],
            "sorted",
            "row 2",
            "less than the row before",
        ),
        (
            Sorted,
            DataType::Int64,
            vec![int(1), Cell::Null],
            "sorted",
            "row 1",
            "is null",
        ),
        (
            Sorted,
            DataType::Float64,
            vec![Cell::F64(f64::NAN), Cell::F64(1.0)],
            "sorted",
            "row 1",
            "less than",
        ),
        (
            Sorted,
            DataType::Utf8,
            vec![text("b"), text("a")],
            "sorted",
            "row 1",
            "less than",
        ),
        (
            Parted,
            DataType::Int64,
            vec![int(1), int(2), int(1)],
            "parted",
            "row 2",
            "run began at row 0",
        ),
        (
            Parted,
            DataType::Int64,
            vec![int(1), Cell::Null],
            "parted",
            "row 1",
            "is null",
        ),
        (
            Unique,
            DataType::Int64,
            vec![int(1), Cell::Null, Cell::Null, int(1)],
            "unique",
            "row 3",
            "as row 0",
        ),
        (
            Unique,
            DataType::Utf8,
            vec![text("a"), text("b"), text("b")],
            "unique",
            "row 2",
            "as row 1",
        ),
        (
            Unique,
            DataType::Float64,
            vec![Cell::F64(0.0), Cell::F64(-0.0)],
            "unique",
            "row 1",
            "as row 0",
        ),
    ];
    for (kind, data_type, values, attribute, row, why) in cases {
        let (directory, db) = scratch();
        let table = one_column(&db, "t", &data_type, &[kind]);
        let good = one_batch(DAY, &data_type, &values[..1]);
        table.write([good.clone()]).expect("a good commit");
        // A good day before the bad one: a commit is written as a whole or not at all.
        let error = table
            .write([one_batch(0, &data_type, &values), good])
            .expect_err("a broken attribute");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let message = error.to_string();
        for part in [
            "table \"t\"",
            "column \"x\"",
            attribute,
            row,
            why,
            "nothing was written",
        ] {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        assert_eq!(table.rows().expect("a count"), 1);
        let mut segments = Vec::new();
        segment_directories(directory.path(), &mut segments);
        assert_eq!(segments.len(), 1, "what was built is removed: {segments:?}");
    }
}

fn segment_directories(path: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(path).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("s-") && entry.path().is_dir() {
            found.push(name);
        } else if entry.path().is_dir() {
            segment_directories(&entry.path(), found);
        }
    }
}

#[test]
fn attributes_stay_on_every_later_commit_and_stand_in_each_segments_description() {
    use AttributeKind::{Grouped, Parted, Sorted, Unique};
    let (directory, db) = scratch();
    let spec = TableSpec::new("t", schema())
        .time("ts")
        .series("sym")
        .attribute("id", Unique);
    let spec = spec.attribute("id", Grouped).attribute("venue", Grouped);
    let table = db.create_table(&spec).expect("a new table");
    let plain = one_column(&db, "by time", &DataType::Int64, &[Sorted]);
    let mut dice = Dice(3);
    for commit in 0..3 {
        let unit = if commit == 1 {
            PartitionUnit::Hour
        } else {
            PartitionUnit::Day
        };
        let options = WriteOptions {
            partition: Some(unit),
            ..WriteOptions::default()
        };
        let batch = rows(&mut dice, commit * 100, 50);
        table
            .write_with([Ok::<_, gapless::Error>(batch)], &options)
            .expect("rows are written");
        plain
            .write([one_batch(commit * DAY, &DataType::Int64, &[int(commit), int(9)])])
            .expect("rows are written");
    }
    let mut seen = 0;
    for (name, column, expected) in [
        ("t", "id", vec![Grouped, Unique]),
        ("t", "venue", vec![Grouped]),
        ("t", "sym", vec![Parted]),
        ("t", "ts", vec![]),
        ("by time", "ts", vec![Sorted]),
        ("by time", "x", vec![Sorted]),
    ] {
        let version = db.version().expect("a version");
        let state = version.table(name).expect("the table");
        for (key, segments) in state.partitions() {
            for segment in segments.iter() {
                let table = name.replace(' ', "%20");
                let path = directory
                    .path()
                    .join("test.db/tables")
                    .join(&table)
                    .join(key.path());
                let bytes =
                    std::fs::read(path.join(&segment.directory).join("segment.meta")).expect("segment.meta");
                let meta = gapless_format::SegmentMeta::decode(&bytes).expect("a sound description");
                let column = meta
                    .columns
                    .iter()
                    .find(|other| other.name == column)
                    .expect("the column");
                let kinds: Vec<_> = column.attributes.iter().map(|attribute| attribute.kind).collect();
                assert_eq!(kinds, expected, "{name} {}", column.name);
                for attribute in &column.attributes {
                    assert_eq!(attribute.index_bytes == 0, attribute.kind == Sorted);
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn explain_shows_that_an_index_leaves_few_rows_to_read() {
    use AttributeKind::{Grouped, Parted, Sorted, Unique};
    let count = 200_000i64;
    let values: Vec<Cell> = (0..count).map(|row| int(row / 50)).collect();
    let read = |kinds: &[AttributeKind], condition: Predicate| {
        let (_directory, db) = scratch();
        let table = one_column(&db, "t", &DataType::Int64, kinds);
        let x: Vec<Cell> = match kinds {
            [Unique] => (0..count).map(|row| int(row * 7 % count)).collect(),
            [Grouped] => (0..count).map(|row| int(row % 4_000)).collect(),
            _ => values.clone(),
        };
        let options = WriteOptions {
            partition: Some(PartitionUnit::Year),
            ..WriteOptions::default()
        };
        table
            .write_with(
                [Ok::<_, gapless::Error>(one_batch(0, &DataType::Int64, &x))],
                &options,
            )
            .expect("rows");
        let scan = table.scan().expect("a scan").filter(condition);
        let explain = scan.clone().explain().expect("a plan");
        assert_eq!((explain.rows, explain.segments), (count as u64, 1));
        (explain.rows_read, scan.count().expect("a count"))
    };
    assert_eq!(read(&[Unique], col("x").eq(77)), (1, 1));
    assert_eq!(read(&[Unique], col("x").is_in([77, 78, 1_000_000])), (2, 2));
    assert_eq!(read(&[Grouped], col("x").eq(77)), (50, 50));
    assert_eq!(read(&[Grouped], col("x").is_in([1, 2, -5])), (100, 100));
    assert_eq!(read(&[Grouped], col("x").eq(77).and(col("id").ge(0))), (50, 50));
    assert_eq!(read(&[Parted], col("x").eq(77)), (50, 50));
    assert_eq!(read(&[Grouped], col("x").eq(-1)), (0, 0));
    // A sorted column without an index file: the statistics leave out the pages that cannot hold the value.
    let (rows_read, rows) = read(&[Sorted], col("x").eq(77));
    assert!(rows == 50 && rows_read <= 65_536, "{rows_read}");
    assert_eq!(read(&[], col("x").lt(-1)), (0, 0));
}
