//! Parquet and Arrow files: every type either comes through exactly or is refused by name.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::*;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_interchange::ReadOptions;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::support::{Files, error, read, rows, texts, utc};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn parquet(files: &Files, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = files.path(name);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(3))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path
}

fn ipc(files: &Files, name: &str, batches: &[RecordBatch], compression: Option<CompressionType>) -> PathBuf {
    let path = files.path(name);
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    path
}

fn times(unit: TimeUnit, zone: Option<&str>) -> ArrayRef {
    let counts = Int64Array::from(vec![1, 2, 3, 4]);
    arrow_cast::cast(&counts, &DataType::Timestamp(unit, zone.map(Into::into))).unwrap()
}

#[test]
fn every_timestamp_unit_comes_out_as_nanoseconds_with_its_zone() {
    let files = Files::new();
    for (unit, last) in [
        (TimeUnit::Second, "1970-01-01T00:00:04Z"),
        (TimeUnit::Millisecond, "1970-01-01T00:00:00.004Z"),
        (TimeUnit::Microsecond, "1970-01-01T00:00:00.000004Z"),
        (TimeUnit::Nanosecond, "1970-01-01T00:00:00.000000004Z"),
    ] {
        let batch = batch(vec![("at", times(unit, Some("America/New_York")))]);
        let paths = [
            parquet(&files, "a.parquet", &batch),
            ipc(&files, "a.arrow", std::slice::from_ref(&batch), None),
            ipc(
                &files,
                "lz4.feather",
                std::slice::from_ref(&batch),
                Some(CompressionType::LZ4_FRAME),
            ),
            ipc(
                &files,
                "zstd.feather",
                std::slice::from_ref(&batch),
                Some(CompressionType::ZSTD),
            ),
        ];
        for path in paths {
            let (plan, batches) = read(&[&path], &ReadOptions::default()).unwrap();
            let expected = DataType::Timestamp(TimeUnit::Nanosecond, Some("America/New_York".into()));
            assert_eq!(plan.schema.field(0).data_type(), &expected, "{}", path.display());
            assert_eq!(texts(&batches, "at")[3], last, "{}", path.display());
        }
    }
}

#[test]
fn an_arrow_stream_is_read_like_a_file() {
    let files = Files::new();
    let batch = batch(vec![
        ("ts", times(TimeUnit::Second, Some("UTC"))),
        ("n", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
    ]);
    let path = files.path("a.arrow");
    let mut writer = StreamWriter::try_new(File::create(&path).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let (plan, batches) = read(
        &[path],
        &ReadOptions {
            batch_rows: 3,
            ..Default::default()
        },
    )
    .unwrap();
    assert_eq!(plan.schema.field(1).data_type(), &DataType::Int32);
    assert_eq!(rows(&batches), 8);
}

#[test]
fn timestamps_without_a_zone_need_one() {
    let files = Files::new();
    let path = parquet(
        &files,
        "a.parquet",
        &batch(vec![("ts", times(TimeUnit::Second, None))]),
    );
    assert!(
        error(&path, &ReadOptions::default())
            .to_string()
            .contains("--zone UTC")
    );
    assert_eq!(
        texts(&read(&[&path], &utc()).unwrap().1, "ts")[0],
        "1970-01-01T00:00:01Z"
    );
    let paris = ReadOptions {
        zone: Some("Europe/Paris".into()),
        ..Default::default()
    };
    assert_eq!(
        texts(&read(&[&path], &paris).unwrap().1, "ts")[0],
        "1969-12-31T23:00:01Z"
    );
}

#[test]
fn integer_float_and_text_times_follow_the_same_rules_as_in_csv() {
    let files = Files::new();
    let path = parquet(
        &files,
        "a.parquet",
        &batch(vec![("ts", Arc::new(Int64Array::from(vec![1_514_764_802_610])))]),
    );
    assert!(error(&path, &utc()).to_string().contains("--time-unit ms"));
    let milliseconds = ReadOptions {
        time_unit: Some(TimeUnit::Millisecond),
        ..Default::default()
    };
    assert_eq!(
        texts(&read(&[&path], &milliseconds).unwrap().1, "ts"),
        ["2018-01-01T00:00:02.610Z"]
    );
    let path = parquet(
        &files,
        "b.parquet",
        &batch(vec![(
            "ts_us",
            Arc::new(UInt64Array::from(vec![1_514_764_802_610_001])),
        )]),
    );
    assert_eq!(
        texts(&read(&[&path], &utc()).unwrap().1, "ts_us"),
        ["2018-01-01T00:00:02.610001Z"]
    );
    let path = parquet(
        &files,
        "c.parquet",
        &batch(vec![("ts", Arc::new(Float64Array::from(vec![1_514_764_802.5])))]),
    );
    assert!(error(&path, &utc()).to_string().contains("--time-unit"));
    let seconds = ReadOptions {
        time_unit: Some(TimeUnit::Second),
        ..Default::default()
    };
    assert_eq!(
        texts(&read(&[&path], &seconds).unwrap().1, "ts"),
        ["2018-01-01T00:00:02.500Z"]
    );
    let path = parquet(
        &files,
        "d.parquet",
        &batch(vec![(
            "ts",
            Arc::new(StringArray::from(vec!["2018-01-01T00:00:02Z"])),
        )]),
    );
    assert_eq!(
        texts(&read(&[&path], &ReadOptions::default()).unwrap().1, "ts"),
        ["2018-01-01T00:00:02Z"]
    );
}

#[test]
fn a_null_or_unrepresentable_time_names_its_row() {
    let files = Files::new();
    let zone = Some("UTC");
    let seconds = Int64Array::from(vec![Some(1), Some(2), Some(3), Some(4), None]);
    let array = arrow_cast::cast(
        &seconds,
        &DataType::Timestamp(TimeUnit::Second, zone.map(Into::into)),
    )
    .unwrap();
    let found = error(
        parquet(&files, "a.parquet", &batch(vec![("ts", array)])),
        &ReadOptions::default(),
    );
    assert_eq!(
        (found.row, found.column.as_deref()),
        (Some(5), Some("ts")),
        "{found}"
    );
    let seconds = TimestampSecondArray::from(vec![1, i64::MAX]).with_timezone("UTC");
    let found = error(
        parquet(&files, "b.parquet", &batch(vec![("ts", Arc::new(seconds))])),
        &ReadOptions::default(),
    );
    assert_eq!(found.row, Some(2), "{found}");
}

#[test]
fn texts_and_dictionaries_become_symbols_or_text_and_views_and_large_ones_plain() {
    let files = Files::new();
    let text = vec!["A", "A", "B", "B"];
    let dictionary: DictionaryArray<Int8Type> = text.iter().copied().collect();
    let batch = batch(vec![
        ("ts", times(TimeUnit::Second, Some("UTC"))),
        ("plain", Arc::new(StringArray::from(text.clone()))),
        ("large", Arc::new(LargeStringArray::from(text.clone()))),
        ("view", Arc::new(StringViewArray::from(text.clone()))),
        ("dictionary", Arc::new(dictionary)),
        ("unlike", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
        ("bytes", Arc::new(BinaryViewArray::from(vec![b"x".as_slice(); 4]))),
        ("node", Arc::new(UInt16Array::from(vec![7, 7, 8, 8]))),
    ]);
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let expected = [
        &symbol,
        &symbol,
        &symbol,
        &symbol,
        &DataType::Utf8,
        &DataType::Binary,
        &symbol,
    ];
    for path in [
        parquet(&files, "a.parquet", &batch),
        ipc(&files, "a.arrow", std::slice::from_ref(&batch), None),
    ] {
        let (plan, batches) = read(
            &[path],
            &ReadOptions {
                series: Some("node".into()),
                ..Default::default()
            },
        )
        .unwrap();
        let types: Vec<&DataType> = plan
            .schema
            .fields()
            .iter()
            .skip(1)
            .map(|field| field.data_type())
            .collect();
        assert_eq!(types, expected);
        for column in ["plain", "large", "view", "dictionary"] {
            assert_eq!(texts(&batches, column), text, "{column}");
        }
        assert_eq!(texts(&batches, "node"), ["7", "7", "8", "8"]);
    }
}

#[test]
fn types_that_the_engine_does_not_store_are_refused_by_name() {
    let files = Files::new();
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    let book = StructArray::from(vec![(Arc::new(Field::new("bid", DataType::Int32, true)), inner)]);
    let texts = ListArray::new_null(Arc::new(Field::new("item", DataType::Utf8, true)), 4);
    let columns: Vec<(&str, ArrayRef)> = vec![("book", Arc::new(book)), ("notes", Arc::new(texts))];
    for (name, array) in columns {
        let batch = batch(vec![("ts", times(TimeUnit::Second, Some("UTC"))), (name, array)]);
        let found = error(parquet(&files, "a.parquet", &batch), &ReadOptions::default());
        assert_eq!(found.column.as_deref(), Some(name));
        assert!(found.to_string().contains("Arrow type"), "{found}");
    }
}

#[test]
fn lists_of_numbers_come_through() {
    let files = Files::new();
    let levels = ListArray::from_iter_primitive::<types::Float64Type, _, _>(
        (0..4).map(|i| Some(vec![Some(f64::from(i)); 2])),
    );
    let batch = batch(vec![
        ("ts", times(TimeUnit::Second, Some("UTC"))),
        ("levels", Arc::new(levels)),
    ]);
    let (_, batches) = read(&[parquet(&files, "a.parquet", &batch)], &ReadOptions::default()).unwrap();
    assert_eq!(texts(&batches, "levels")[3], "[3.0, 3.0]");
}

#[test]
fn given_types_are_cast_checked() {
    let files = Files::new();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(300), None, Some(4)]));
    let path = parquet(
        &files,
        "a.parquet",
        &batch(vec![("ts", times(TimeUnit::Second, Some("UTC"))), ("n", numbers)]),
    );
    let typed = |name: &str| ReadOptions {
        types: vec![("n".into(), name.parse().unwrap())],
        ..Default::default()
    };
    assert_eq!(
        texts(&read(&[&path], &typed("f64")).unwrap().1, "n"),
        ["1.0", "300.0", "-", "4.0"]
    );
    let found = error(&path, &typed("i8"));
    assert!(
        found.column.as_deref() == Some("n") && found.to_string().contains("Int8"),
        "{found}"
    );
}

#[test]
fn typed_and_text_files_of_one_import_agree_on_the_typed_one() {
    let files = Files::new();
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5, 4.5]));
    let a = parquet(
        &files,
        "a.parquet",
        &batch(vec![("ts", times(TimeUnit::Second, Some("UTC"))), ("n", numbers)]),
    );
    let b = files.add("b.csv", "n,ts\n7,1970-01-01T00:00:05Z\n");
    let (_, batches) = read(&[&a, &b], &ReadOptions::default()).unwrap();
    assert_eq!(texts(&batches, "n"), ["1.5", "2.5", "3.5", "4.5", "7.0"]);
    let other: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    let c = parquet(
        &files,
        "c.parquet",
        &batch(vec![("ts", times(TimeUnit::Second, Some("UTC"))), ("n", other)]),
    );
    let found = read(&[&a, &c], &ReadOptions::default()).unwrap_err();
    assert!(
        found.to_string().contains("the type is Int32, but Float64 in"),
        "{found}"
    );
}

#[test]
fn duplicate_and_no_columns_are_refused() {
    let files = Files::new();
    let n: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("n", DataType::Int32, true),
    ]);
    let twice = RecordBatch::try_new(Arc::new(schema), vec![n.clone(), n]).unwrap();
    assert!(
        error(ipc(&files, "a.arrow", &[twice], None), &utc())
            .to_string()
            .contains("occurs twice")
    );
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    assert!(
        error(ipc(&files, "b.arrow", &[none], None), &utc())
            .to_string()
            .contains("no columns")
    );
}

#[test]
fn typed_times_that_are_no_counts_are_never_taken_as_nanoseconds() {
    let files = Files::new();
    let days: ArrayRef = Arc::new(Int32Array::from(vec![20_240_301, 20_240_302]));
    let path = parquet(&files, "a.parquet", &batch(vec![("time", days)]));
    let options = ReadOptions {
        time_format: Some("%Y%m%d".into()),
        ..utc()
    };
    assert_eq!(
        texts(&read(&[&path], &options).unwrap().1, "time")[1],
        "2024-03-02T00:00:00Z"
    );

    let decimals = Decimal128Array::from(vec![15_147_648_025])
        .with_precision_and_scale(11, 1)
        .unwrap();
    let path = parquet(&files, "b.parquet", &batch(vec![("time", Arc::new(decimals))]));
    let options = ReadOptions {
        time_unit: Some(TimeUnit::Second),
        ..Default::default()
    };
    assert!(error(&path, &options).to_string().contains("cannot be the time"));
}
