//! Every column type goes in by every encoding and comes out the same, to the last bit; what is refused is refused by
//! name.
//!
//! What failed here once: nulls hidden behind null lists and outside of a slice were taken for nulls inside of a list.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit, UnionMode};
use gapless::scan::Order;
use gapless::{EncodingPolicy, ErrorKind, PartitionUnit, Table, TableSpec, WriteOptions};
use proptest::prelude::*;

use crate::cells::{Cell, Dice, build, cells, unit_ns};
use crate::common::{HOUR, SECOND, scratch};

const PAGE_ROWS: usize = 65_536;

/// What a column holds, the Arrow type it is read as, and those that it may be written as.
struct Kind {
    read: DataType,
    write: Vec<DataType>,
    value: fn(&mut Dice) -> Cell,
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

fn wide(dice: &mut Dice) -> Cell {
    Cell::Int(i128::from(dice.roll().cast_signed()))
}

fn small(dice: &mut Dice) -> Cell {
    Cell::Int(i128::from(dice.below(128)))
}

fn f64s(dice: &mut Dice) -> Cell {
    Cell::F64(match dice.below(5) {
        0 => f64::NAN,
        1 => -0.0,
        2 => f64::INFINITY,
        3 => f64::from_bits(dice.roll()),
        _ => 1.5,
    })
}

fn f32s(dice: &mut Dice) -> Cell {
    Cell::F32(*dice.pick(&[f32::NAN, -0.0, f32::NEG_INFINITY, 0.1, f32::MAX]))
}

fn text(dice: &mut Dice) -> Cell {
    let values = ["", "a", "0123456789 longer than a view holds", "水", "nul\0"];
    Cell::Text((*dice.pick(&values)).to_owned())
}

fn binary(dice: &mut Dice) -> Cell {
    let len = *dice.pick(&[0usize, 1, 13, 40]);
    Cell::Bytes(vec![dice.roll().to_le_bytes()[0]; len])
}

fn list(dice: &mut Dice, len: u64, item: fn(&mut Dice) -> Cell) -> Cell {
    Cell::List((0..len).map(|_| item(dice)).collect())
}

fn short_list(dice: &mut Dice) -> Cell {
    let len = dice.below(4);
    list(dice, len, f64s)
}

/// All column types of DESIGN section 4.
fn kinds() -> Vec<Kind> {
    use DataType as T;
    use TimeUnit::{Microsecond as Us, Millisecond as Ms, Nanosecond as Ns, Second as S};
    let dictionary = |key: DataType, value: DataType| T::Dictionary(Box::new(key), Box::new(value));
    let keys = [
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
    ];
    let mut texts = vec![T::Utf8, T::LargeUtf8, T::Utf8View];
    texts.extend(keys.iter().map(|key| dictionary(key.clone(), T::Utf8)));
    texts.extend([
        dictionary(T::Int16, T::LargeUtf8),
        dictionary(T::Int32, T::Utf8View),
    ]);
    let paris = |unit| T::Timestamp(unit, Some("Europe/Paris".into()));
    let kind = |read: &DataType, more: &[DataType], value| Kind {
        write: [std::slice::from_ref(read), more].concat(),
        read: read.clone(),
        value,
    };
    vec![
        kind(&T::Boolean, &[], |d| Cell::Bool(d.below(2) == 0)),
        kind(&T::Int8, &[], small),
        kind(&T::Int16, &[T::Int8, T::UInt8], small),
        kind(&T::Int32, &[T::Int16, T::UInt16, T::UInt8], small),
        kind(&T::Int64, &[], wide),
        kind(&T::Int64, &[T::Int32, T::UInt32, T::Int8], small),
        kind(&T::UInt8, &[], small),
        kind(&T::UInt16, &[T::UInt8], small),
        kind(&T::UInt32, &[T::UInt16], small),
        kind(&T::UInt64, &[T::UInt32], small),
        kind(&T::UInt64, &[], |d| Cell::Int(i128::from(d.roll()))),
        kind(&T::Float32, &[], f32s),
        kind(&T::Float64, &[], f64s),
        kind(&T::Decimal128(20, 4), &[T::Decimal128(19, 4)], small),
        kind(&T::Decimal128(38, 0), &[], |d| {
            Cell::Int(i128::from(d.roll()) * i128::from(d.roll() >> 8))
        }),
        kind(&T::Date32, &[], |d| Cell::Int(i128::from(d.roll() as i32))),
        kind(&T::Time32(S), &[], small),
        kind(&T::Time32(Ms), &[], small),
        kind(&T::Time64(Us), &[], small),
        kind(&T::Time64(Ns), &[], small),
        kind(&T::Timestamp(S, None), &[], wide),
        kind(&paris(Ms), &[T::Timestamp(Ms, Some("UTC".into()))], wide),
        kind(&T::Timestamp(Us, Some("-03:30".into())), &[], wide),
        kind(&T::Timestamp(Ns, Some("UTC".into())), &[paris(Ns)], wide),
        kind(&T::Duration(S), &[], wide),
        kind(&T::Duration(Ms), &[], wide),
        kind(&T::Duration(Us), &[], wide),
        kind(&T::Duration(Ns), &[], wide),
        kind(&dictionary(T::UInt32, T::Utf8), &texts, text),
        kind(&T::Utf8, &texts[1..], text),
        kind(&T::Binary, &[T::LargeBinary, T::BinaryView], binary),
        kind(
            &T::List(item(T::Float64)),
            &[T::LargeList(item(T::Float64))],
            short_list,
        ),
        kind(&T::List(item(T::UInt8)), &[], |d| {
            let len = d.below(3);
            list(d, len, small)
        }),
        kind(&T::FixedSizeList(item(T::Float32), 2), &[], |d| list(d, 2, f32s)),
        kind(&T::FixedSizeList(item(T::Int64), 1), &[], |d| list(d, 1, wide)),
    ]
}

/// The rows of a table as columns of cells; `id` is a row's number, `ts` its time in nanoseconds.
struct Model {
    ts: Vec<i64>,
    sym: Vec<Cell>,
    columns: Vec<(String, usize, Vec<Cell>)>,
}

fn name_of(at: usize) -> String {
    format!("c{at:02}")
}

impl Model {
    fn roll(dice: &mut Dice, rows: usize, chosen: &[usize], nulls_of_ten: u64) -> Self {
        let kinds = kinds();
        let syms = ["b", "a", "", "é/.."];
        let cell = |value: fn(&mut Dice) -> Cell, dice: &mut Dice| match dice.below(10) {
            n if n < nulls_of_ten => Cell::Null,
            _ => value(dice),
        };
        let ts = (0..rows).map(|_| {
            let hour = i64::try_from(dice.below(60)).expect("small") - 30;
            hour * HOUR + i64::try_from(dice.below(5)).expect("small") * SECOND
        });
        let ts = ts.collect();
        let sym = (0..rows).map(|_| match dice.below(8) {
            0 => Cell::Null,
            _ => Cell::Text((*dice.pick(&syms)).to_owned()),
        });
        let sym = sym.collect();
        let column = |(at, kind): (usize, &usize)| {
            let cells = (0..rows).map(|_| cell(kinds[*kind].value, dice)).collect();
            (name_of(at), *kind, cells)
        };
        Self {
            ts,
            sym,
            columns: chosen.iter().enumerate().map(column).collect(),
        }
    }

    fn rows(&self) -> usize {
        self.ts.len()
    }

    fn spec(&self, name: &str) -> TableSpec {
        let mut fields = vec![
            Field::new("sym", DataType::Utf8, true),
            Field::new(
                "ts",
                DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
                false,
            ),
            Field::new("id", DataType::Int64, false),
        ];
        let kinds = kinds();
        fields.extend(
            self.columns
                .iter()
                .map(|(name, kind, _)| Field::new(name, kinds[*kind].read.clone(), true)),
        );
        TableSpec::new(name, Schema::new(fields)).time("ts").series("sym")
    }

    /// Some of the rows as a batch, each column in one of its encodings, perhaps a slice of a longer array.
    fn batch(&self, rows: Range<usize>, dice: &mut Dice) -> RecordBatch {
        let kinds = kinds();
        let texts = &kinds
            .iter()
            .find(|kind| kind.write.len() > 10)
            .expect("the symbols")
            .write;
        let ids: Vec<Cell> = rows.clone().map(|id| Cell::Int(id as i128)).collect();
        let unit = *dice.pick(&[
            TimeUnit::Second,
            TimeUnit::Millisecond,
            TimeUnit::Microsecond,
            TimeUnit::Nanosecond,
        ]);
        let zone = *dice.pick(&["UTC", "+02:00"]);
        let ts: Vec<Cell> = self.ts[rows.clone()]
            .iter()
            .map(|ts| Cell::Int((*ts / unit_ns(unit)).into()))
            .collect();
        let mut columns = vec![
            (
                "sym".to_owned(),
                encoded(&self.sym[rows.clone()], dice.pick(texts).clone(), dice),
            ),
            (
                "ts".to_owned(),
                encoded(&ts, DataType::Timestamp(unit, Some(zone.into())), dice),
            ),
            ("id".to_owned(), encoded(&ids, DataType::Int64, dice)),
        ];
        for (name, kind, cells) in &self.columns {
            let data_type = dice.pick(&kinds[*kind].write).clone();
            columns.push((name.clone(), encoded(&cells[rows.clone()], data_type, dice)));
        }
        // The order of the columns in a batch is the writer's affair.
        let first = usize::try_from(dice.below(columns.len() as u64)).expect("small");
        columns.rotate_left(first);
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
            .collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length")
    }

    fn batches(&self, dice: &mut Dice, rows_max: usize) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        let mut at = 0;
        while at < self.rows() {
            let rows = 1 + usize::try_from(dice.below(rows_max as u64)).expect("small");
            let end = (at + rows).min(self.rows());
            batches.push(self.batch(at..end, dice));
            at = end;
        }
        batches
    }

    /// Reads everything in both orders and compares it with the model.
    fn check(&self, table: &Table) {
        let kinds = kinds();
        let sym = |id: usize| match &self.sym[id] {
            Cell::Text(text) => (false, text.as_str()),
            _ => (true, ""),
        };
        for order in [Order::Series, Order::Time] {
            let mut ids: Vec<usize> = (0..self.rows()).collect();
            match order {
                Order::Time => ids.sort_by_key(|id| (self.ts[*id], sym(*id))),
                _ => ids.sort_by_key(|id| (sym(*id), self.ts[*id])),
            }
            let batches = table
                .scan()
                .expect("a scan")
                .order(order)
                .collect()
                .expect("rows");
            let mut at = 0;
            for batch in &batches {
                let ids = &ids[at..at + batch.num_rows()];
                at += batch.num_rows();
                let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("{name}"));
                same(
                    "id",
                    &cells(column("id")),
                    ids.iter().map(|id| Cell::Int(*id as i128)),
                );
                same(
                    "ts",
                    &cells(column("ts")),
                    ids.iter().map(|id| Cell::Int(self.ts[*id].into())),
                );
                same(
                    "sym",
                    &cells(column("sym")),
                    ids.iter().map(|id| self.sym[*id].clone()),
                );
                for (name, kind, expected) in &self.columns {
                    let array = column(name);
                    assert_eq!(array.data_type(), &kinds[*kind].read, "{name}");
                    array
                        .to_data()
                        .validate_full()
                        .unwrap_or_else(|error| panic!("{name}: {error}"));
                    same(name, &cells(array), ids.iter().map(|id| expected[*id].clone()));
                }
            }
            assert_eq!(at, self.rows());
        }
    }
}

fn same(column: &str, found: &[Cell], expected: impl Iterator<Item = Cell>) {
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(*found, expected, "column {column}, row {row} of a batch");
    }
}

/// The cells as an array, half of the time a slice out of a longer one.
fn encoded(values: &[Cell], data_type: DataType, dice: &mut Dice) -> ArrayRef {
    if dice.below(2) == 0 || values.is_empty() {
        return build(values, &data_type);
    }
    let mut longer = values[..values.len().min(3)].to_vec();
    let before = longer.len();
    longer.extend_from_slice(values);
    longer.extend_from_slice(&values[..values.len().min(9)]);
    build(&longer, &data_type).slice(before, values.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn every_type_is_read_as_it_was_written_whatever_the_encoding(
        seed: u64,
        rows in 1..90usize,
        chosen in prop::collection::vec(0..kinds().len(), 1..8),
        nulls_of_ten in prop_oneof![Just(0u64), Just(3), Just(10)],
        unit in prop_oneof![Just(PartitionUnit::Hour), Just(PartitionUnit::Day), Just(PartitionUnit::Year)],
        memory_bytes in prop_oneof![Just(0usize), Just(1 << 20)],
        encoding in prop_oneof![Just(EncodingPolicy::plain()), Just(EncodingPolicy::cold())],
    ) {
        let mut dice = Dice(seed);
        let model = Model::roll(&mut dice, rows, &chosen, nulls_of_ten);
        let (_directory, db) = scratch();
        let table = db.create_table(&model.spec("t")).expect("a new table");
        let options = WriteOptions { partition: Some(unit), memory_bytes, encoding };
        let batches = model.batches(&mut dice, 30);
        // In one commit or in several: rows that are equal in series and time keep their order of arrival.
        let commits = if dice.below(2) == 0 { vec![batches] } else { batches.into_iter().map(|b| vec![b]).collect() };
        for commit in commits {
            table.write_with(commit.into_iter().map(Ok::<_, gapless::Error>), &options).expect("rows are written");
        }
        model.check(&table);
    }
}

/// Every type in one table of several pages. All nulls lie behind the first page, and text crosses its end.
#[test]
fn every_type_is_read_the_same_after_a_compaction() {
    let chosen: Vec<usize> = (0..kinds().len()).collect();
    for (seed, rows) in [(1, 50), (2, 900), (3, 70_000)] {
        let mut dice = Dice(seed);
        let model = Model::roll(
            &mut dice,
            rows,
            &chosen[..if rows > 1000 { 14 } else { chosen.len() }],
            2,
        );
        let (_directory, db) = scratch();
        let table = db.create_table(&model.spec("t")).expect("a table");
        for (at, batch) in model.batches(&mut dice, rows / 3 + 1).into_iter().enumerate() {
            let partition = [None, Some(gapless::PartitionUnit::Hour)][at % 2];
            let options = gapless::WriteOptions {
                partition,
                ..Default::default()
            };
            table
                .write_with([Ok::<_, gapless::Error>(batch)], &options)
                .expect("rows");
        }
        let before = db.version().expect("a version");
        let report = db.compact("t").expect("a compaction");
        assert!(report.done > 0 && report.failed.is_empty(), "{report:?}");
        let after = db.version().expect("a version");
        let count = |version: &gapless::manifest::Version| {
            let state = version.table("t").expect("the table").clone();
            (state.segment_count(), state.partition_count())
        };
        assert!(count(&after).0 < count(&before).0);
        assert_eq!(count(&after).0, count(&after).1);
        model.check(&table);
    }
}

#[test]
fn every_type_is_read_as_it_was_written_over_several_pages() {
    let mut dice = Dice(11);
    let kinds = kinds();
    let rows = 2 * PAGE_ROWS + 17;
    let chosen: Vec<usize> = (0..kinds.len()).collect();
    let mut model = Model::roll(&mut dice, 0, &chosen, 0);
    model.ts = (0..rows)
        .map(|row| i64::try_from(row).expect("small") * SECOND)
        .collect();
    model.sym = vec![Cell::Text("one".into()); rows];
    for (_, kind, cells) in &mut model.columns {
        // A few hundred values, repeated with a prime period so that pages differ.
        let some: Vec<Cell> = (0..251).map(|_| (kinds[*kind].value)(&mut dice)).collect();
        let cell = |row: usize| match row > PAGE_ROWS + 2 && row.is_multiple_of(5) {
            true => Cell::Null,
            false => some[row % some.len()].clone(),
        };
        *cells = (0..rows).map(cell).collect();
    }
    let (_directory, db) = scratch();
    let table = db.create_table(&model.spec("t")).expect("a new table");
    let options = WriteOptions {
        partition: Some(PartitionUnit::Year),
        ..WriteOptions::default()
    };
    let batches = model
        .batches(&mut dice, 50_000)
        .into_iter()
        .map(Ok::<_, gapless::Error>);
    table.write_with(batches, &options).expect("rows are written");
    assert_eq!(
        db.version()
            .expect("a version")
            .table("t")
            .expect("the table")
            .segment_count(),
        1
    );
    for at in [
        0,
        1,
        PAGE_ROWS - 1,
        PAGE_ROWS,
        PAGE_ROWS + 5,
        2 * PAGE_ROWS - 1,
        rows - 1,
    ] {
        let from = i64::try_from(at).expect("small") * SECOND;
        let batches = table
            .scan()
            .expect("a scan")
            .between(from, from + 1)
            .collect()
            .expect("a row");
        let batch = batches.iter().find(|batch| batch.num_rows() > 0).expect("a row");
        for (name, _, expected) in &model.columns {
            let found = cells(batch.column_by_name(name).expect("a column"));
            assert_eq!(found, [expected[at].clone()], "column {name}, row {at}");
        }
    }
    model.check(&table);
}

fn time_field() -> Field {
    Field::new(
        "ts",
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        false,
    )
}

#[test]
fn types_that_are_not_stored_are_refused_with_column_and_type() {
    use DataType as T;
    let field = || Arc::new(Field::new("f", T::Int32, true));
    let union = [(0i8, field())].into_iter().collect();
    let entries = Field::new("entries", T::Struct(vec![field(), field()].into()), false);
    let refused = [
        (T::Struct(vec![field()].into()), "Struct("),
        (T::Map(Arc::new(entries), false), "Map("),
        (T::Float16, "Float16"),
        (T::Decimal256(40, 2), "Decimal256(40, 2)"),
        (T::Interval(IntervalUnit::DayTime), "Interval(DayTime)"),
        (T::Union(union, UnionMode::Dense), "Union("),
        (T::Date64, "Date64"),
        (T::FixedSizeBinary(4), "FixedSizeBinary(4)"),
        (
            T::Dictionary(Box::new(T::UInt32), Box::new(T::Int64)),
            "Dictionary(UInt32, Int64)",
        ),
        (T::List(item(T::Utf8)), "List("),
        (T::FixedSizeList(item(T::Int8), 0), "FixedSizeList("),
        (T::Null, "Null"),
    ];
    let (_directory, db) = scratch();
    for (data_type, named) in refused {
        let schema = Schema::new(vec![time_field(), Field::new("odd one", data_type, true)]);
        let error = db
            .create_table(&TableSpec::new("t", schema).time("ts"))
            .expect_err(named);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(
            text.contains("column \"odd one\"") && text.contains(named),
            "{named}: {text}"
        );
    }
    assert!(db.tables().expect("tables").is_empty());
}

/// A batch of a time column and one other, as it stands.
fn two(ts: ArrayRef, name: &str, other: ArrayRef) -> RecordBatch {
    let fields = vec![
        Field::new("ts", ts.data_type().clone(), true),
        Field::new(name, other.data_type().clone(), true),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![ts, other]).expect("two columns")
}

#[test]
fn rows_that_do_not_fit_are_refused_in_words_and_nothing_is_written() {
    use DataType as T;
    let (_directory, db) = scratch();
    let fields = vec![
        time_field(),
        Field::new("x", T::Int32, true),
        Field::new("levels", T::List(item(T::Float64)), true),
        Field::new("pair", T::FixedSizeList(item(T::Float64), 2), true),
        Field::new("name", T::Dictionary(Box::new(T::Int8), Box::new(T::Utf8)), true),
    ];
    let table = db
        .create_table(&TableSpec::new("t", Schema::new(fields)).time("ts"))
        .expect("a new table");
    let nanoseconds = T::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let int = |value: i64| Cell::Int(value.into());
    let ts = |values: &[i64], unit| {
        let cells: Vec<Cell> = values.iter().map(|value| int(*value)).collect();
        build(&cells, &T::Timestamp(unit, Some("UTC".into())))
    };
    let ok = || ts(&[1, 2], TimeUnit::Nanosecond);
    let x = || build(&[int(1), int(2)], &T::Int32);
    let holed = Cell::List(vec![Cell::F64(1.0), Cell::Null]);
    let whole = Cell::List(vec![Cell::F64(1.0), Cell::F64(2.0)]);
    let lists = build(&[whole.clone(), holed.clone()], &T::List(item(T::Float64)));
    let pairs = build(&[whole, holed], &T::FixedSizeList(item(T::Float64), 2));
    let one = |name: &str, array: ArrayRef| {
        let schema = Schema::new(vec![Field::new(name, array.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![array]).expect("one column")
    };
    let twice = {
        let field = Field::new("x", T::Int32, true);
        let schema = Schema::new(vec![time_field(), field.clone(), field]);
        RecordBatch::try_new(Arc::new(schema), vec![ok(), x(), x()]).expect("three columns")
    };
    let cases: Vec<(RecordBatch, &[&str])> = vec![
        (one("x", x()), &["table \"t\"", "no time column \"ts\""]),
        (
            two(ok(), "y", x()),
            &["table \"t\" has no column \"y\"", "\"ts\", \"x\", \"levels\""],
        ),
        (twice, &["two columns called \"x\""]),
        (
            two(build(&[int(1), Cell::Null], &nanoseconds), "x", x()),
            &["\"ts\" is null in row 1"],
        ),
        (
            two(ts(&[1, 9_223_372_037], TimeUnit::Second), "x", x()),
            &["column \"ts\"", "9223372037"],
        ),
        (
            two(ts(&[1, i64::MIN], TimeUnit::Millisecond), "x", x()),
            &["column \"ts\"", "-9223372036854775808"],
        ),
        (
            two(
                build(&[int(1), int(2)], &T::Timestamp(TimeUnit::Nanosecond, None)),
                "x",
                x(),
            ),
            &["column \"ts\"", "Timestamp(ns)", "say of which zone"],
        ),
        (
            two(build(&[int(1), int(2)], &T::Int64), "x", x()),
            &["column \"ts\"", "Int64", "cast"],
        ),
        (
            two(ok(), "x", build(&[int(1), int(2)], &T::Int64)),
            &["column \"x\" is i32", "Int64"],
        ),
        (
            two(ok(), "x", build(&[Cell::F64(1.0), Cell::F64(2.0)], &T::Float64)),
            &["column \"x\" is i32", "Float64"],
        ),
        (
            two(ok(), "name", x()),
            &["column \"name\" is symbol", "Int32", "text"],
        ),
        (
            two(ok(), "levels", lists),
            &["column \"levels\" has a null inside a list", "row 1"],
        ),
        (
            two(ok(), "pair", pairs),
            &["column \"pair\" has a null inside a list", "row 1"],
        ),
    ];
    for (batch, parts) in cases {
        let error = table.write([batch]).expect_err(parts[0]);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
    assert_eq!(table.rows().expect("a count"), 0);
    assert_eq!(
        db.version()
            .expect("a version")
            .table("t")
            .expect("the table")
            .segment_count(),
        0
    );
}

#[test]
fn names_of_columns_that_make_no_sense_are_refused_when_the_table_is_created() {
    let (_directory, db) = scratch();
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    let refused = |fields: Vec<Field>, spec: fn(TableSpec) -> TableSpec, part: &str| {
        let error = db
            .create_table(&spec(TableSpec::new("t", Schema::new(fields))))
            .expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    };
    refused(
        vec![time_field(), field("x")],
        |spec| spec,
        "table \"t\" has no time column",
    );
    refused(
        vec![time_field(), field("x")],
        |spec| spec.time("when"),
        "has no column \"when\"; its columns are \"ts\", \"x\"",
    );
    refused(
        vec![time_field(), field("x")],
        |spec| spec.time("x"),
        "the time column \"x\" is i64, not a timestamp",
    );
    refused(
        vec![time_field(), field("x"), field("x")],
        |spec| spec.time("ts"),
        "two columns are called \"x\"",
    );
    refused(
        vec![time_field(), field("x")],
        |spec| spec.time("ts").series("x"),
        "column \"x\" is i64 and cannot be a symbol",
    );
    refused(
        vec![time_field(), field("x")],
        |spec| spec.time("ts").series("nobody"),
        "has no column \"nobody\"",
    );
    refused(
        vec![time_field(), field("a\0b")],
        |spec| spec.time("ts"),
        "column name",
    );
    refused(
        vec![time_field(), field("")],
        |spec| spec.time("ts"),
        "column name",
    );
    assert!(db.tables().expect("tables").is_empty());
}
