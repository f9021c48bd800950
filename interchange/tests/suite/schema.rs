//! One schema for all files: inference, the series, and files that disagree.

use arrow_schema::DataType;
use gapless_interchange::{ReadOptions, TimeUnit, plan};

use crate::support::{Files, error, read, texts, utc};

#[test]
fn the_schema_and_the_reason_for_it_are_shown() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        "ts_ms,sym,price,size,id\n1514764802610,A,1,1,7\n1514764802610,A,1.5,2,8\n",
    );
    let options = ReadOptions {
        series: Some("sym".into()),
        ..Default::default()
    };
    let plan = plan(&[path], &options).unwrap();
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let types: Vec<DataType> = plan
        .schema
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    assert_eq!(
        types,
        [time, symbol, DataType::Float64, DataType::Int64, DataType::Int64]
    );
    let nullable: Vec<bool> = plan
        .schema
        .fields()
        .iter()
        .map(|field| field.is_nullable())
        .collect();
    assert_eq!(nullable, [false, true, true, true, true]);
    assert_eq!(
        (plan.time.as_str(), plan.series.as_deref()),
        ("ts_ms", Some("sym"))
    );
    assert!(
        plan.decisions[0].because.contains("milliseconds"),
        "{:?}",
        plan.decisions[0]
    );
    assert_eq!(plan.decisions[2].decided, "f64");
}

#[test]
fn a_numeric_series_becomes_the_text_of_its_numbers() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        "ts_ms,node\n1514764802610,7\n1514764802611,007\n1514764802612,\n",
    );
    let options = ReadOptions {
        series: Some("node".into()),
        ..Default::default()
    };
    assert_eq!(
        texts(&read(&[path], &options).unwrap().1, "node"),
        ["7", "007", "-"]
    );
}

#[test]
fn options_that_name_no_column_are_refused_with_the_columns() {
    let files = Files::new();
    let path = files.add("a.csv", "ts_ms,sym\n1514764802610,A\n");
    let series = ReadOptions {
        series: Some("symbol".into()),
        ..Default::default()
    };
    let typed = ReadOptions {
        types: vec![("px".into(), "f64".parse().unwrap())],
        ..Default::default()
    };
    for options in [series, typed] {
        let found = error(&path, &options).to_string();
        assert!(found.contains("the columns are ts_ms, sym"), "{found}");
    }
    let both = ReadOptions {
        series: Some("ts_ms".into()),
        ..Default::default()
    };
    assert!(error(&path, &both).to_string().contains("time and the series"));
}

#[test]
fn columns_may_come_in_another_order_but_not_be_others() {
    let files = Files::new();
    let a = files.add("a.csv", "ts_ms,x,y\n1514764802610,1,2\n");
    let b = files.add("b.csv", "y,ts_ms,x\n4,1514764802611,3\n");
    let (_, batches) = read(&[&a, &b], &utc()).unwrap();
    assert_eq!(
        (texts(&batches, "x"), texts(&batches, "y")),
        (vec!["1".into(), "3".into()], vec!["2".into(), "4".into()])
    );
    let c = files.add("c.csv", "ts_ms,x\n1514764802610,1\n");
    let found = read(&[&a, &c], &utc()).unwrap_err();
    assert!(
        found.file.as_deref() == Some(c.as_path()) && found.column.as_deref() == Some("y"),
        "{found}"
    );
    let d = files.add("d.csv", "ts_ms,x,y,z\n1514764802610,1,2,3\n");
    let found = read(&[&a, &d], &utc()).unwrap_err();
    assert!(
        found.file.as_deref() == Some(d.as_path()) && found.column.as_deref() == Some("z"),
        "{found}"
    );
    assert!(read(&[] as &[&str], &utc()).is_err());
}

#[test]
fn inference_looks_at_every_sampled_file() {
    let files = Files::new();
    let a = files.add("a.csv", "ts_ms,x\n1514764802610,1\n");
    let b = files.add("b.csv", "ts_ms,x\n1514764802611,1.5\n");
    assert_eq!(texts(&read(&[a, b], &utc()).unwrap().1, "x"), ["1.0", "1.5"]);
}

#[test]
fn a_source_that_is_dropped_early_ends() {
    let files = Files::new();
    let text = format!("ts_ms,x\n{}", "1514764802610,1\n".repeat(500_000));
    let path = files.add("a.csv", text);
    let plan = plan(&[path], &utc()).unwrap();
    let options = ReadOptions {
        batch_rows: 1_000,
        ..utc()
    };
    let mut source = gapless_interchange::Source::open(&plan, &options).unwrap();
    assert_eq!(source.next().unwrap().unwrap().num_rows(), 1_000);
    drop(source);
}
