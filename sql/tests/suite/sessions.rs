//! Snapshots, limits, cancellation, files: what a session promises beside its rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures_util::StreamExt;
use gapless_engine::{Database, ErrorKind, TableSpec};
use gapless_sql::Session;

use crate::fixture::{Market, START, trade_batch};
use crate::support::query;

/// A table `tick` with rows enough for several batches: `rows` of them, a millisecond apart, of two series.
pub fn many_rows(database: &Database, rows: i64) {
    let schema = Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", DataType::Utf8, false),
        Field::new("id", DataType::Int64, false),
        Field::new("value", DataType::Float64, false),
    ]));
    let spec = TableSpec::new("tick", schema.as_ref().clone())
        .time("ts")
        .series("sym");
    let table = database.create_table(&spec).expect("a table");
    let times = (0..rows).map(|row| START + row * 1_000_000);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(
            (0..rows).map(|row| if row % 2 == 0 { "A" } else { "B" }),
        )),
        Arc::new(Int64Array::from_iter_values(0..rows)),
        Arc::new(Float64Array::from_iter_values(
            (0..rows).map(|row| ((row * 7919) % rows) as f64),
        )),
    ];
    table
        .write([RecordBatch::try_new(schema, columns).expect("the columns fit")])
        .expect("rows");
}

#[test]
fn a_statement_sees_nothing_of_what_is_written_while_it_runs() {
    let market = Market::new();
    let session = market.session();
    let rows = session
        .sql("SELECT count(*), (SELECT count(*) FROM quote) AS quotes FROM trade WHERE size > 0")
        .expect("a plan");
    for (name, text) in [("trade", "A"), ("quote", "A")] {
        let insert = format!("INSERT INTO {name} (ts, sym) VALUES ('2026-11-25T00:00:00Z', '{text}')");
        assert_eq!(query(&session, &insert), ["| 1 |"]);
    }
    let batches = rows.collect_batches().expect("rows");
    assert_eq!(crate::support::lines(&batches), ["| 18 | 6 |"]);
    assert_eq!(
        query(
            &session,
            "SELECT count(*), (SELECT count(*) FROM quote) AS quotes FROM trade"
        ),
        ["| 20 | 7 |"]
    );
}

#[test]
fn a_session_as_of_a_named_snapshot_reads_it_and_writes_nothing() {
    let market = Market::new();
    market.database.create_snapshot("before").expect("a snapshot");
    let now = market.session();
    query(&now, "INSERT INTO meter VALUES ('2026-11-25T00:00:00Z', 1.0)");
    let before = Session::builder(&market.database)
        .as_of("before")
        .open()
        .expect("a session");
    assert_eq!(query(&before, "SELECT count(*) FROM meter"), ["| 8 |"]);
    assert_eq!(query(&now, "SELECT count(*) FROM meter"), ["| 9 |"]);
    let error = before
        .sql("INSERT INTO meter SELECT * FROM meter")
        .expect_err("nothing is written");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let held = market.database.as_of("before").expect("the snapshot");
    let rows = now.sql_at(&held, "SELECT count(*) FROM meter").expect("a plan");
    assert_eq!(
        crate::support::lines(&rows.collect_batches().expect("rows")),
        ["| 8 |"]
    );
    let missing = Session::builder(&market.database)
        .as_of("after")
        .open()
        .expect_err("no such snapshot");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn dropping_the_rows_ends_the_statement() {
    let market = Market::empty();
    many_rows(&market.database, 200_000);
    let session = market.session();
    let begin = Instant::now();
    // A cross join of 4e10 rows, which nobody could wait for.
    let mut rows = session
        .sql("SELECT a.id FROM tick a, tick b WHERE a.value + b.value > 0")
        .expect("a plan");
    assert!(rows.next().expect("a batch").expect("rows").num_rows() > 0);
    drop(rows);
    drop(session);
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_insert_whose_rows_are_dropped_writes_nothing() {
    let market = Market::empty();
    many_rows(&market.database, 200_000);
    let session = market.session();
    let insert = "INSERT INTO tick SELECT a.ts, a.sym, a.id, b.value FROM tick a, tick b";
    let rows = session.sql(insert).expect("a plan");
    std::thread::sleep(Duration::from_millis(100));
    drop(rows);
    assert_eq!(query(&session, "SELECT count(*) FROM tick"), ["| 200000 |"]);
}

#[test]
fn an_insert_of_a_row_that_the_engine_refuses_writes_none() {
    let market = Market::new();
    let session = market.session();
    let rows = session
        .sql("INSERT INTO meter (ts) SELECT CASE WHEN size > 5 THEN ts END FROM trade")
        .expect("a plan");
    let error = rows.collect_batches().expect_err("a row has no time");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains("time"), "{error}");
    assert_eq!(query(&session, "SELECT count(*) FROM meter"), ["| 8 |"]);
}

#[test]
fn a_database_that_is_open_for_reading_takes_no_rows() {
    let market = Market::new();
    let path = market.directory.path().join("market.db");
    drop(market.database);
    let database = Database::builder(path)
        .mode(gapless_engine::Mode::Read)
        .open()
        .expect("the database");
    let session = Session::new(&database).expect("a session");
    let rows = session
        .sql("INSERT INTO meter SELECT * FROM meter")
        .expect("a plan");
    let error = rows.collect_batches().expect_err("nothing is written");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains("reading only"), "{error}");
}

#[test]
fn a_statement_that_needs_too_much_memory_is_refused_or_spills() {
    let market = Market::empty();
    many_rows(&market.database, 600_000);
    let session = |spill: u64| {
        let builder = Session::builder(&market.database)
            .threads(2)
            .memory_bytes_max(12 << 20);
        builder.spill_bytes_max(spill).open().expect("a session")
    };
    let sort =
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY value, id) AS n FROM tick) WHERE n = 600000";
    assert_eq!(query(&session(1 << 30), sort).len(), 1);
    let rows = session(0).sql(sort).expect("a plan");
    let error = rows.collect_batches().expect_err("there is no memory");
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
    // What only passes through needs none.
    assert_eq!(
        query(&session(0), "SELECT count(*) FROM tick WHERE value >= 0"),
        ["| 600000 |"]
    );
    assert_eq!(
        query(
            &session(0),
            "SELECT count(*) FROM (SELECT ts FROM tick ORDER BY ts)"
        ),
        ["| 600000 |"]
    );
}

#[test]
fn groups_that_do_not_fit_into_memory_are_refused() {
    let market = Market::empty();
    many_rows(&market.database, 600_000);
    let builder = Session::builder(&market.database).memory_bytes_max(12 << 20);
    let session = builder.open().expect("a session");
    let rows = session
        .sql("SELECT time_bucket('1ns', ts), count(*) FROM tick GROUP BY 1")
        .expect("a plan");
    let error = rows.collect_batches().expect_err("there is no memory");
    assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
    // By series they follow each other, and none is kept.
    let text = "SELECT count(*) FROM (SELECT sym, time_bucket('1ns', ts) FROM tick GROUP BY 1, 2)";
    assert_eq!(query(&session, text).len(), 1);
}

#[test]
fn many_shares_give_the_rows_of_one_in_the_same_order() {
    let market = Market::empty();
    many_rows(&market.database, 700_000);
    let session = |threads| {
        Session::builder(&market.database)
            .threads(threads)
            .open()
            .expect("a session")
    };
    for text in [
        "SELECT sym, ts, id FROM tick WHERE id % 1000 = 7 ORDER BY sym, ts",
        "SELECT ts, id FROM tick WHERE id % 1000 = 7 ORDER BY ts",
        "SELECT ts, id FROM tick WHERE sym = 'B' AND id % 1000 = 7 ORDER BY ts LIMIT 10",
        "SELECT sym, count(*), first(value, ts), last(value, ts) FROM tick GROUP BY sym ORDER BY sym",
    ] {
        assert_eq!(query(&session(4), text), query(&session(1), text), "{text}");
    }
    let plan = query(&session(4), "EXPLAIN SELECT sym, ts FROM tick ORDER BY sym, ts").join("\n");
    assert!(
        plan.contains("ranges=4") && plan.contains("SortPreservingMergeExec"),
        "{plan}"
    );
    assert!(!plan.contains("SortExec"), "{plan}");
}

#[test]
fn rows_are_a_stream_of_any_runtime_too() {
    let market = Market::new();
    let session = market.session();
    let count = futures_executor::block_on(async {
        let rows = session
            .sql_async("SELECT * FROM trade")
            .await
            .expect("a plan")
            .into_stream();
        rows.map(|batch| batch.expect("rows").num_rows())
            .fold(0, async |sum, rows| sum + rows)
            .await
    });
    assert_eq!(count, 19);
    // Blocking works on the thread of another runtime as well.
    let count = futures_executor::block_on(async { query(&session, "SELECT count(*) FROM trade") });
    assert_eq!(count, ["| 19 |"]);
}

#[test]
fn copy_writes_files_and_writes_over_none_unasked() {
    let market = Market::new();
    let session = market.session();
    for name in ["rows.parquet", "rows.csv", "rows.json", "rows.arrow"] {
        let path = market.directory.path().join(name);
        let copy = format!(
            "COPY (SELECT ts, price, size FROM trade WHERE sym = 'A') TO '{}'",
            path.display()
        );
        assert_eq!(query(&session, &copy), ["| 9 |"], "{copy}");
        assert!(path.metadata().expect("the file").len() > 0);
        let error = session.sql(&copy).expect_err("the file is there");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let over = format!("{copy} OPTIONS (overwrite true)");
        assert_eq!(query(&session, &over), ["| 9 |"], "{over}");
    }
    let path = market.directory.path().join("table.csv");
    assert_eq!(
        query(&session, &format!("COPY meter TO '{}'", path.display())),
        ["| 8 |"]
    );
    let text = std::fs::read_to_string(&path).expect("the file");
    assert_eq!(text.lines().next(), Some("ts,watts"));
    let careful = Session::builder(&market.database)
        .files(false)
        .open()
        .expect("a session");
    let error = careful
        .sql("COPY meter TO 'elsewhere.csv'")
        .expect_err("files are not allowed");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[test]
fn deep_and_long_statements_are_refused_or_run_and_never_crash() {
    let market = Market::new();
    let session = market.session();
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(
        session.sql(&deep).expect_err("too deep").kind(),
        ErrorKind::Invalid
    );
    let conditions: Vec<String> = (0..400).map(|n| format!("size = {n}")).collect();
    let long = format!("SELECT count(*) FROM trade WHERE {}", conditions.join(" OR "));
    match session.sql(&long).and_then(gapless_sql::Rows::collect_batches) {
        Ok(batches) => assert_eq!(crate::support::lines(&batches), ["| 18 |"]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{error}"),
    }
}

#[test]
fn an_error_while_rows_come_ends_them() {
    let market = Market::new();
    let session = market.session();
    let mut rows = session.sql("SELECT 1 / (size - 100) FROM trade").expect("a plan");
    let error = rows.find_map(Result::err).expect("a division by zero");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(rows.next().is_none());
}

#[test]
fn rows_streamed_after_the_session_was_opened_are_seen_by_the_next_statement() {
    let market = Market::new();
    let session = market.session();
    let table = market.database.table("trade").expect("the table");
    let late = [(START + 1, Some("D"), Some(1.0), Some(1), None)];
    table.append(&trade_batch(&late, false)).expect("a row");
    assert_eq!(
        query(&session, "SELECT count(*) FROM trade WHERE sym = 'D'"),
        ["| 1 |"]
    );
}

#[test]
fn a_join_of_hours_ends_soon_when_its_rows_are_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    for statement in [
        "SELECT sum(a.id + h.id) FROM tick a, tick b, tick c, tick d, tick e, tick f, tick g, tick h",
        "SELECT a.ts FROM tick a, tick b, tick c, tick d, tick e, tick f, tick g, tick h ORDER BY b.value, h.id",
    ] {
        let database = Database::builder(directory.path().join("joined"))
            .open()
            .expect("a database");
        if database.table("tick").is_err() {
            many_rows(&database, 100);
        }
        let session = Session::new(&database).expect("a session");
        let rows = session.sql(statement).expect("a plan");
        std::thread::sleep(Duration::from_millis(300));
        drop(rows);
        let began = Instant::now();
        session.close(Duration::from_secs(20));
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{statement}: {:?}",
            began.elapsed()
        );
    }
}

/// DataFusion reads times in the zone of the column that they are compared with or put into.
#[test]
fn times_are_read_as_utc_whatever_the_zone_of_the_column() {
    let market = Market::new();
    let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("+01:00".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", zoned, false),
        Field::new("x", DataType::Int64, true),
    ]));
    let spec = TableSpec::new("zoned", schema.as_ref().clone()).time("ts");
    let table = market.database.create_table(&spec).expect("a table");
    let hour = 3_600_000_000_000i64;
    // 2020-01-01T00:00:00Z, and an hour before and after it.
    let midnight = 1_577_836_800_000_000_000i64;
    let times = (-1..2).map(|at| midnight + at * hour);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("+01:00")),
        Arc::new(Int64Array::from_iter_values(0..3)),
    ];
    table
        .write([RecordBatch::try_new(schema, columns).expect("the columns fit")])
        .expect("rows");
    let session = market.session();
    for time in [
        "'2020-01-01T00:00:00'",
        "'2020-01-01T00:00:00Z'",
        "'2020-01-01T01:00:00+01:00'",
        "DATE '2020-01-01'",
        "TIMESTAMP '2020-01-01T00:00:00Z'",
        "to_timestamp('2020-01-01T00:00:00Z')",
    ] {
        // Natively, and by DataFusion's operators.
        for what in ["count(*)", "count(*), array_agg(x)"] {
            let rows = query(&session, &format!("SELECT {what} FROM zoned WHERE ts >= {time}"));
            assert!(rows[0].starts_with("| 2 |"), "{what}, {time}: {rows:?}");
        }
    }
    query(
        &session,
        "INSERT INTO zoned (ts, x) VALUES (DATE '2020-01-03', 3)",
    );
    assert_eq!(
        query(
            &session,
            "SELECT x, CAST(ts AS BIGINT) FROM zoned WHERE ts = DATE '2020-01-03'"
        ),
        [format!("| 3 | {} |", midnight + 48 * hour)]
    );
    let days = query(
        &session,
        "SELECT time_bucket('1d', ts) AS day, count(*) FROM zoned GROUP BY day ORDER BY day",
    );
    assert_eq!(days.len(), 3, "{days:?}");
}
