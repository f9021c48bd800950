//! Numbers and times that a column or a double would not hold are refused, or compared as they are written.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_engine::TableSpec;
use gapless_sql::Session;

use crate::fixture::Market;
use crate::support::query;

/// A table with a column of each type that could cut what it is given.
fn market() -> Market {
    let market = Market::empty();
    let time = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    let field = |name: &str, of| Field::new(name, of, true);
    let schema = Schema::new(vec![
        Field::new("ts", time(TimeUnit::Nanosecond), false),
        field("whole", DataType::Int64),
        field("small", DataType::Int32),
        field("unsigned", DataType::UInt64),
        field("double", DataType::Float64),
        field("single", DataType::Float32),
        field("amount", DataType::Decimal128(20, 2)),
        field("at", time(TimeUnit::Millisecond)),
        field("day", DataType::Date32),
        field("flag", DataType::Boolean),
        field("clock", DataType::Time64(TimeUnit::Nanosecond)),
    ]);
    let spec = TableSpec::new("t", schema).time("ts");
    market.database.create_table(&spec).expect("a table");
    market
}

fn insert(column: &str, value: &str) -> String {
    format!("INSERT INTO t (ts, {column}) VALUES ('2026-11-20', {value})")
}

fn refusal(session: &Session, text: &str) -> String {
    let rows = session.sql(text).and_then(gapless_sql::Rows::collect_batches);
    rows.err()
        .map_or_else(|| panic!("{text}: it is not refused"), |error| error.to_string())
}

#[test]
fn what_a_column_does_not_hold_is_refused_and_nothing_is_written() {
    let market = market();
    let session = market.session();
    for (column, value, said) in [
        (
            "whole",
            "1.7",
            "column \"whole\" is BIGINT, where 1.7 would become 1",
        ),
        ("whole", "-0.5", "where -0.5 would become 0"),
        (
            "whole",
            "9223372036854775808",
            "BIGINT, which has no 9223372036854775808",
        ),
        (
            "whole",
            "9007199254740993.5",
            "where 9007199254740993.5 would become",
        ),
        ("whole", "CAST('NaN' AS DOUBLE)", "which has no NaN"),
        (
            "small",
            "5000000000",
            "column \"small\" is INT, which has no 5000000000",
        ),
        ("unsigned", "-1", "which has no -1"),
        (
            "double",
            "9007199254740993",
            "DOUBLE, where 9007199254740993 would become",
        ),
        ("single", "1e300", "REAL, where 1e300 would become inf"),
        ("amount", "1.239", "DECIMAL(20, 2), where 1.239 would become 1.24"),
        ("amount", "'1.239'", "where 1.239 would become 1.24"),
        ("amount", "1e25", "which has no 10000000000000000000000000"),
        (
            "at",
            "'2026-11-20T09:30:00.0001Z'",
            "TIMESTAMP in milliseconds, where 2026-11-20T09:30:00.0001Z would become",
        ),
        (
            "at",
            "TIMESTAMP '2026-11-20T09:30:00.0001Z'",
            "say so with date_trunc() or CAST",
        ),
        (
            "day",
            "'2026-11-20T09:30:00Z'",
            "column \"day\" is DATE, where 2026-11-20T09:30:00Z would become 2026-11-20",
        ),
        ("flag", "2", "BOOLEAN, where 2 would become true"),
        ("whole", "'1.7'", "column \"whole\": "),
        (
            "double",
            "'9007199254740993'",
            "where 9007199254740993 would become",
        ),
        ("double", "'1e400'", "where 1e400 would become inf"),
        ("double", "'x'", "column \"double\": "),
        (
            "double",
            "123456789012345678901234567890",
            "where 123456789012345678901234567890 would become",
        ),
        ("single", "'16777217'", "where 16777217 would become"),
        ("single", "'1e39'", "where 1e39 would become inf"),
        (
            "at",
            "'2026-11-20T09:30:00.0000000001Z'",
            "where 2026-11-20T09:30:00.0000000001Z would become",
        ),
        (
            "clock",
            "'23:59:60'",
            "TIME in nanoseconds, which has no 23:59:60",
        ),
        (
            "clock",
            "'09:30:00.0000000001'",
            "where 09:30:00.0000000001 would become",
        ),
    ] {
        let text = insert(column, value);
        let error = refusal(&session, &text);
        assert!(error.contains(said), "{text}: {error}");
    }
    assert_eq!(query(&session, "SELECT count(*) FROM t"), ["| 0 |"]);
}

#[test]
fn what_a_column_holds_is_taken_and_so_is_what_is_cast() {
    let market = market();
    let session = market.session();
    for (column, value, stored) in [
        ("whole", "2.0", "2"),
        ("whole", "-0.0", "0"),
        ("whole", "9007199254740993.0", "9007199254740993"),
        ("whole", "CAST(1.7 AS BIGINT)", "1"),
        ("whole", "(1.7::INT)", "1"),
        ("whole", "round(1.7)", "2"),
        ("whole", "'12'", "12"),
        ("double", "0.1", "0.1"),
        ("double", "0.12345678901234567890", "0.12345678901234568"),
        ("double", "9007199254740992", "9007199254740992.0"),
        ("single", "0.1", "0.1"),
        ("single", "CAST('NaN' AS DOUBLE)", "NaN"),
        ("amount", "0.1", "0.10"),
        ("amount", "12345678901234567.89", "12345678901234567.89"),
        ("amount", "'12345678901234567.890'", "12345678901234567.89"),
        ("amount", "CAST(1.239 AS DECIMAL(20, 2))", "1.24"),
        ("at", "'2026-11-20T09:30:00.5Z'", "2026-11-20T09:30:00.500Z"),
        (
            "at",
            "CAST('2026-11-20T09:30:00.0001Z' AS TIMESTAMP(3))",
            "2026-11-20T09:30:00Z",
        ),
        ("day", "'2026-11-20'", "2026-11-20"),
        ("day", "TIMESTAMP '2026-11-20'", "2026-11-20"),
        ("flag", "1", "true"),
        ("double", "'0.1'", "0.1"),
        ("double", "'-1e23'", "-1e23"),
        ("double", "'inf'", "inf"),
        ("single", "'0.1'", "0.1"),
        ("single", "16777217.0", "16777216.0"),
        ("clock", "'12:30:60'", "12:31:00"),
        ("whole", "NULL", ""),
    ] {
        let market = self::market();
        let session = market.session();
        query(&session, &insert(column, value));
        let found = query(&session, &format!("SELECT {column} FROM t"));
        let found = found[0].trim_matches(['|', ' ']);
        assert_eq!(found, stored, "{column} {value}");
    }
    query(&session, &insert("double", "1.5"));
    query(&session, "INSERT INTO t (ts, double) VALUES ('2026-11-21', 3)");
    let error = refusal(&session, "INSERT INTO t (ts, whole) SELECT ts, double FROM t");
    assert!(error.contains("where 1.5 would become 1"), "{error}");
    query(
        &session,
        "INSERT INTO t (ts, whole, small, flag) SELECT ts, NULL, NULL, 1 FROM t WHERE double = 1.5",
    );
    query(
        &session,
        "INSERT INTO t (ts, whole, small) SELECT TIMESTAMP '2026-11-24', 5, 5 UNION ALL SELECT TIMESTAMP '2026-11-24', 6, 6",
    );
    assert_eq!(
        query(
            &session,
            "SELECT whole, small, flag FROM t WHERE flag OR small > 4 ORDER BY small"
        ),
        ["| 5 | 5 | |", "| 6 | 6 | |", "| | | true |"]
    );
    query(
        &session,
        "INSERT INTO t (ts, amount) SELECT ts, NULL FROM t WHERE FALSE",
    );
    let error = refusal(
        &session,
        "INSERT INTO t (ts, small) SELECT * FROM (SELECT TIMESTAMP '2026-11-20', 1.5) x",
    );
    assert!(
        error.contains("\"small\" is INT, where 1.5 would become 1"),
        "{error}"
    );
    for nested in [
        "INSERT INTO t (ts, small) SELECT * FROM (VALUES (TIMESTAMP '2026-11-20', 1)) x",
        "INSERT INTO t (ts, small) WITH x(a, b) AS (VALUES (TIMESTAMP '2026-11-20', 1)) SELECT a, b FROM x",
        "INSERT INTO t (ts, small) SELECT ts, small FROM t WHERE small IN (SELECT a FROM (VALUES (1), (2)) x(a))",
        "INSERT INTO t (ts, small) SELECT ts, small FROM t WHERE small IN (SELECT 1 UNION ALL VALUES (2))",
    ] {
        let error = refusal(&session, nested);
        assert!(error.contains("VALUES inside of a query"), "{error}");
    }
    query(
        &session,
        "INSERT INTO t (ts, whole) SELECT ts, double FROM t WHERE double = 3",
    );
    query(
        &session,
        "INSERT INTO t (ts, whole) SELECT ts, CAST(double AS BIGINT) FROM t WHERE double = 1.5",
    );
    assert_eq!(
        query(&session, "SELECT whole FROM t WHERE whole < 5 ORDER BY whole"),
        ["| 1 |", "| 3 |"]
    );
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let market = market();
    let session = market.session();
    query(
        &session,
        "INSERT INTO t (ts, whole, amount, double) VALUES ('2026-11-20', 9007199254740993, 12345678901234567.89, 0.1), \
         ('2026-11-21', 9007199254740992, 12345678901234568.00, 0.3), ('2026-11-22', -3, 0.10, 2)",
    );
    for (condition, rows) in [
        ("whole = 9007199254740993", 1),
        ("whole = 9007199254740993.0", 1),
        ("whole = 9007199254740992.0", 1),
        ("9007199254740992.0 < whole", 1),
        ("whole IN (9007199254740992.0, 1.5)", 1),
        ("whole BETWEEN 9007199254740992.5 AND 9007199254740993.5", 1),
        ("whole > 9007199254740992.9999", 1),
        ("whole > 18446744073709551617", 0),
        ("whole < 18446744073709551617.5", 3),
        ("whole > -3.00000000000000000001", 3),
        ("whole >= -2.99999999999999999999", 2),
        ("whole = -3.0", 1),
        ("whole IS DISTINCT FROM 9007199254740992.0", 2),
        ("amount = 12345678901234567.89", 1),
        ("amount = 0.1", 1),
        ("amount < 12345678901234567.895", 2),
        ("double = 0.1", 1),
        ("double = 0.10000000000000000000001", 1),
        ("double < 0.29999999999999999", 1),
    ] {
        let text = format!("SELECT count(*) FROM t WHERE {condition}");
        assert_eq!(query(&session, &text), [format!("| {rows} |")], "{condition}");
    }
    let error = refusal(&session, "SELECT count(*) FROM t WHERE whole > 1e400");
    assert!(error.contains("write fewer digits"), "{error}");
}

#[test]
fn zeros_are_one_key_and_so_is_every_nan() {
    let market = market();
    let rows: Vec<String> = [
        "0.0",
        "-0.0",
        "CAST('NaN' AS DOUBLE)",
        "-CAST('NaN' AS DOUBLE)",
        "1.5",
    ]
    .iter()
    .map(|value| format!("('2026-11-20', {value}, {value}, 7)"))
    .collect();
    let plain = market.session();
    query(
        &plain,
        &format!(
            "INSERT INTO t (ts, double, single, whole) VALUES {}",
            rows.join(", ")
        ),
    );
    let without = Session::builder(&market.database)
        .threads(2)
        .native_operators(false)
        .open()
        .expect("a session");
    for (at, session) in [Arc::new(plain), Arc::new(without)].iter().enumerate() {
        for x in ["double", "single"] {
            for (text, wanted) in [
                (format!("SELECT count(DISTINCT {x}) FROM t"), "| 3 |"),
                (
                    format!("SELECT count(DISTINCT {x}), count(*) FROM t"),
                    "| 3 | 5 |",
                ),
                (
                    format!("SELECT count(DISTINCT {x}), sum(whole) FROM t GROUP BY whole"),
                    "| 3 | 35 |",
                ),
                (
                    format!("SELECT count(DISTINCT {x}), count(DISTINCT whole) FROM t"),
                    "| 3 | 1 |",
                ),
                (
                    format!(
                        "SELECT count(DISTINCT {x}), sum(DISTINCT whole), max(whole) FROM t GROUP BY whole"
                    ),
                    "| 3 | 7 | 7 |",
                ),
                (
                    format!("SELECT count(DISTINCT {x}) FILTER (WHERE whole = 7) FROM t"),
                    "| 3 |",
                ),
                (format!("SELECT count(DISTINCT {x} + 0.5) FROM t"), "| 3 |"),
                (
                    format!("SELECT count(*) FROM (SELECT DISTINCT {x} FROM t)"),
                    "| 3 |",
                ),
                (
                    format!("SELECT count(*) FROM (SELECT DISTINCT {x}, whole FROM t)"),
                    "| 3 |",
                ),
                (
                    format!(
                        "SELECT count(*) FROM (SELECT DISTINCT ON ({x}) {x}, ts FROM t ORDER BY {x}, ts)"
                    ),
                    "| 3 |",
                ),
                (
                    format!("SELECT count(*) FROM (SELECT {x}, count(*) AS n FROM t GROUP BY {x})"),
                    "| 3 |",
                ),
                (
                    format!(
                        "SELECT max(n) FROM (SELECT {x} AS k, count(*) AS n FROM t GROUP BY k HAVING k >= 0)"
                    ),
                    "| 2 |",
                ),
                (
                    format!(
                        "SELECT count(*) FROM (SELECT {x}, whole, count(*) FROM t GROUP BY ROLLUP ({x}, whole))"
                    ),
                    "| 7 |",
                ),
                (
                    format!("SELECT count(*) FROM (SELECT {x} FROM t UNION SELECT {x} FROM t)"),
                    "| 3 |",
                ),
                (
                    format!(
                        "SELECT count(*) FROM (SELECT {x} FROM t WHERE {x} = 1.5 UNION SELECT {x} FROM t)"
                    ),
                    "| 3 |",
                ),
                (
                    format!("SELECT count(*) FROM (SELECT {x} FROM t EXCEPT SELECT -{x} FROM t)"),
                    "| 1 |",
                ),
                (
                    format!("SELECT count(*) FROM (SELECT {x} FROM t INTERSECT SELECT -{x} FROM t)"),
                    "| 2 |",
                ),
                (
                    format!("SELECT max(n) FROM (SELECT count(*) OVER (PARTITION BY {x}) AS n FROM t)"),
                    "| 2 |",
                ),
                (
                    format!("SELECT array_length(array_agg(DISTINCT {x})) FROM t"),
                    "| 3 |",
                ),
            ] {
                assert_eq!(query(session, &text), [wanted], "session {at}: {text}");
            }
        }
    }
}
