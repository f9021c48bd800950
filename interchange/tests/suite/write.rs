//! Export: what is written reads back as it was, and a file appears whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::{Decimal128Type, UInt32Type};
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};
use gapless_interchange::{ReadOptions, TypeName, WriteFormat, WriteOptions, Writer, hive_path};
use proptest::prelude::*;

use crate::support::{Files, read, texts, utc};

const FORMATS: [(WriteFormat, &str); 8] = [
    (WriteFormat::Csv, "a.csv"),
    (WriteFormat::Csv, "a.csv.gz"),
    (WriteFormat::Csv, "a.csv.zst"),
    (WriteFormat::JsonLines, "a.jsonl"),
    (WriteFormat::JsonLines, "a.jsonl.zst"),
    (WriteFormat::Parquet, "a.parquet"),
    (WriteFormat::ArrowIpc, "a.arrow"),
    (WriteFormat::ArrowIpc, "a.feather"),
];

fn write(files: &Files, name: &str, format: WriteFormat, batches: &[RecordBatch]) -> PathBuf {
    let path = files.path(name);
    let mut writer = Writer::create(&path, format, batches[0].schema(), &WriteOptions::default()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    path
}

/// All types that text can hold, with the awkward values of each, and the options to read them back.
fn everything() -> (RecordBatch, ReadOptions) {
    let symbols: DictionaryArray<UInt32Type> = [Some("A"), Some(""), None, Some("a,\"b\"\n")]
        .into_iter()
        .collect();
    let decimals = PrimitiveArray::<Decimal128Type>::from(vec![Some(-12_345), Some(0), None, Some(5)]);
    let columns: Vec<(&str, &str, ArrayRef)> = vec![
        (
            "ts",
            "timestamp(ns)",
            Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, -1, 0, i64::MAX]).with_timezone("UTC")),
        ),
        (
            "local",
            "timestamp(ms)",
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(-1),
                None,
                Some(0),
                Some(1),
            ])),
        ),
        ("sym", "symbol", Arc::new(symbols)),
        (
            "text",
            "utf8",
            Arc::new(StringArray::from(vec![
                Some(" x"),
                Some(""),
                None,
                Some("é\r\n\\\u{1}"),
            ])),
        ),
        (
            "bytes",
            "binary",
            Arc::new(BinaryArray::from(vec![
                Some(&b"\x00\xFF"[..]),
                Some(b""),
                None,
                Some(b"x"),
            ])),
        ),
        (
            "yes",
            "bool",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
            ])),
        ),
        (
            "i8",
            "i8",
            Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None, Some(0)])),
        ),
        (
            "i64",
            "i64",
            Arc::new(Int64Array::from(vec![
                Some(i64::MIN),
                Some(i64::MAX),
                None,
                Some(0),
            ])),
        ),
        (
            "u64",
            "u64",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None, Some(1)])),
        ),
        (
            "f32",
            "f32",
            Arc::new(Float32Array::from(vec![
                Some(0.1),
                Some(f32::NAN),
                None,
                Some(f32::MIN_POSITIVE),
            ])),
        ),
        (
            "f64",
            "f64",
            Arc::new(Float64Array::from(vec![
                Some(-0.0),
                Some(f64::NEG_INFINITY),
                None,
                Some(1e300),
            ])),
        ),
        (
            "decimal",
            "decimal(10,3)",
            Arc::new(decimals.with_precision_and_scale(10, 3).unwrap()),
        ),
        (
            "day",
            "date",
            Arc::new(Date32Array::from(vec![
                Some(-719_162),
                Some(0),
                None,
                Some(20_000),
            ])),
        ),
        (
            "clock",
            "time(us)",
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                Some(86_399_999_999),
                None,
                Some(1),
            ])),
        ),
        (
            "span",
            "duration(ms)",
            Arc::new(DurationMillisecondArray::from(vec![
                Some(-5),
                Some(i64::MAX),
                None,
                Some(0),
            ])),
        ),
    ];
    let types: Vec<(String, TypeName)> = columns
        .iter()
        .skip(1)
        .map(|(name, given, _)| ((*name).to_owned(), given.parse().unwrap()))
        .collect();
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, _, array)| Field::new(*name, array.data_type().clone(), *name != "ts"))
        .collect();
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    let options = ReadOptions {
        time: Some("ts".into()),
        types,
        ..Default::default()
    };
    (
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(),
        options,
    )
}

#[test]
fn every_type_reads_back_as_it_was_written_in_every_format() {
    let files = Files::new();
    let (batch, options) = everything();
    for (format, name) in FORMATS {
        let path = write(&files, name, format, &[batch.clone(), batch.clone()]);
        let (plan, batches) = read(&[path], &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(plan.schema, batch.schema(), "{name}");
        for field in batch.schema().fields() {
            let expected = texts(&[batch.clone(), batch.clone()], field.name());
            assert_eq!(texts(&batches, field.name()), expected, "{name} {}", field.name());
        }
        let zero = batches[0]
            .column_by_name("f64")
            .unwrap()
            .as_any()
            .downcast_ref::<Float64Array>()
            .unwrap()
            .value(0);
        assert!(zero.is_sign_negative(), "{name} keeps -0.0");
    }
}

#[test]
fn csv_is_written_as_promised() {
    let files = Files::new();
    let (batch, _) = everything();
    let text = std::fs::read_to_string(write(&files, "a.csv", WriteFormat::Csv, &[batch])).unwrap();
    let second = text.lines().nth(2).unwrap();
    assert_eq!(
        second,
        "1969-12-31T23:59:59.999999999Z,,\"\",\"\",\"\",false,127,9223372036854775807,0,NaN,-inf,0.000,1970-01-01,\
         23:59:59.999999,9223372036854775807"
    );
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let files = Files::new();
    let (batch, _) = everything();
    let path = files.add("a.parquet", "what was there before");
    for (format, _) in FORMATS {
        let mut writer = Writer::create(&path, format, batch.schema(), &WriteOptions::default()).unwrap();
        writer.write(&batch).unwrap();
        assert_eq!(writer.rows(), 4);
        assert_eq!(files.names().len(), 2, "a temporary file beside it");
        drop(writer);
        assert_eq!(files.names(), ["a.parquet"], "which goes with its writer");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "what was there before");
    }
    write(&files, "a.parquet", WriteFormat::Parquet, &[batch]);
    assert_eq!(files.names(), ["a.parquet"]);
    assert_eq!(&std::fs::read(&path).unwrap()[..4], b"PAR1");
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let files = Files::new();
    let (batch, _) = everything();
    let mut writer = Writer::create(
        &files.path("a.csv"),
        WriteFormat::Csv,
        batch.schema(),
        &WriteOptions::default(),
    )
    .unwrap();
    assert!(writer.write(&batch.project(&[0, 1]).unwrap()).is_err());
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_leaves_nothing() {
    let files = Files::new();
    let spans = IntervalMonthDayNanoArray::from(vec![None]);
    let batch = RecordBatch::try_from_iter([("span", Arc::new(spans) as ArrayRef)]).unwrap();
    let path = files.path("a.parquet");
    let options = WriteOptions::default();
    let writer = Writer::create(&path, WriteFormat::Parquet, batch.schema(), &options);
    let error = writer
        .and_then(|mut writer| writer.write(&batch).and_then(|()| writer.finish()))
        .unwrap_err();
    assert_eq!(error.kind, gapless_interchange::ErrorKind::Invalid);
    assert!(
        error.to_string().contains("cannot be written as Parquet"),
        "{error}"
    );
    assert!(files.names().is_empty());
}

#[test]
fn lists_and_structs_are_written_as_json_and_decimals_are_strings_there() {
    let files = Files::new();
    let prices = Decimal128Array::from(vec![Some(150), None]);
    let prices: ArrayRef = Arc::new(prices.with_precision_and_scale(10, 2).unwrap());
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a\"b", "c"]));
    let book = StructArray::from(vec![
        (Arc::new(Field::new("name", DataType::Utf8, true)), names),
        (
            Arc::new(Field::new("price", prices.data_type().clone(), true)),
            Arc::clone(&prices),
        ),
    ]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("price", prices, true),
        ("book", Arc::new(book) as ArrayRef, true),
    ])
    .unwrap();
    let text = |name: &str, format| {
        std::fs::read_to_string(write(&files, name, format, std::slice::from_ref(&batch))).unwrap()
    };
    assert_eq!(
        text("c.csv", WriteFormat::Csv),
        "price,book\n1.50,\"{\"\"name\"\":\"\"a\\\"\"b\"\",\"\"price\"\":\"\"1.50\"\"}\"\n,\"{\"\"name\"\":\"\"c\"\",\"\"price\"\":null}\"\n"
    );
    assert_eq!(
        text("c.jsonl", WriteFormat::JsonLines),
        "{\"price\":\"1.50\",\"book\":{\"name\":\"a\\\"b\",\"price\":\"1.50\"}}\n\
         {\"price\":null,\"book\":{\"name\":\"c\",\"price\":null}}\n"
    );

    let levels = ListArray::from_iter_primitive::<types::Float64Type, _, _>([
        Some(vec![Some(1.5), None, Some(f64::NAN)]),
        None,
    ]);
    let batch =
        RecordBatch::try_from_iter_with_nullable([("levels", Arc::new(levels) as ArrayRef, true)]).unwrap();
    let text = std::fs::read_to_string(write(
        &files,
        "b.csv",
        WriteFormat::Csv,
        std::slice::from_ref(&batch),
    ))
    .unwrap();
    assert_eq!(text, "levels\n\"[1.5,null,\"\"NaN\"\"]\"\n\"\"\n");
    let text = std::fs::read_to_string(write(&files, "b.jsonl", WriteFormat::JsonLines, &[batch])).unwrap();
    assert_eq!(text, "{\"levels\":[1.5,null,\"NaN\"]}\n{\"levels\":null}\n");
}

#[test]
fn files_of_a_hive_tree_are_written_into_directories_that_are_made() {
    let files = Files::new();
    let (batch, options) = everything();
    let path = hive_path(
        &files.path("out"),
        &[("date", "2026-11-20"), ("sym", "../a=b")],
        0,
    );
    let name = path.strip_prefix(files.path("")).unwrap();
    assert_eq!(
        name,
        std::path::Path::new("out/date=2026-11-20/sym=..%2Fa%3Db/part-000000.parquet")
    );
    let mut writer = Writer::create(
        &path,
        WriteFormat::Parquet,
        batch.schema(),
        &WriteOptions::default(),
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(&[path], &options).unwrap().1[0].num_rows(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_text_and_float_survives_csv_and_json(
        rows in proptest::collection::vec((proptest::option::of(".{0,12}"), proptest::option::of(any::<f64>())), 1..30),
    ) {
        let texts_in: Vec<Option<String>> =
            rows.iter().map(|(text, _)| text.as_ref().map(|text| text.replace('\0', ""))).collect();
        let floats: Vec<Option<f64>> = rows.iter().map(|(_, float)| *float).collect();
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![0; rows.len()]).with_timezone("UTC"));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("ts", times, false),
            ("text", Arc::new(StringArray::from(texts_in.clone())) as ArrayRef, true),
            ("float", Arc::new(Float64Array::from(floats.clone())) as ArrayRef, true),
        ]).unwrap();
        let types = vec![("text".into(), TypeName::Utf8), ("float".into(), TypeName::F64)];
        let options = ReadOptions { types, ..utc() };
        let files = Files::new();
        for (format, name) in [(WriteFormat::Csv, "a.csv"), (WriteFormat::JsonLines, "a.jsonl")] {
            let (_, batches) = read(&[write(&files, name, format, std::slice::from_ref(&batch))], &options).unwrap();
            let batch = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
            let text = batch.column(1).as_any().downcast_ref::<StringArray>().unwrap();
            prop_assert_eq!(text.iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>(), texts_in.clone());
            let float = batch.column(2).as_any().downcast_ref::<Float64Array>().unwrap();
            for (found, wrote) in float.iter().zip(&floats) {
                let same = match (found, wrote) {
                    (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                    (a, b) => a.is_none() && b.is_none(),
                };
                prop_assert!(same, "{:?} {:?}", found, wrote);
            }
        }
    }
}
