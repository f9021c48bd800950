//! Statements as deep as they may be are run, and deeper ones are refused: neither ends the process.

use gapless_engine::ErrorKind;

use crate::fixture::Market;
use crate::support::query;

/// Operators in a row that a statement may have.
const MOST: usize = 1000;

/// Statements that have so many operators in a row, and give the same rows however many these are.
fn deep(count: usize) -> Vec<String> {
    let product = " * 1.0".repeat(count - 1);
    let either = " OR size < 0".repeat(count.saturating_sub(2));
    let union = " UNION ALL SELECT 1".repeat(count - 1);
    let sum = " + 0".repeat(count);
    vec![
        format!("SELECT 1{sum}"),
        format!("SELECT size{sum} FROM trade WHERE size > 0 ORDER BY 1"),
        format!("SELECT sym, max(price{product}) AS x FROM trade GROUP BY sym ORDER BY sym"),
        format!("SELECT sym FROM trade WHERE price > 0.5{product} GROUP BY sym ORDER BY sym"),
        format!("SELECT sym FROM trade WHERE size < 0{either} ORDER BY sym"),
        format!("SELECT DISTINCT x FROM (SELECT 1 AS x{union})"),
        format!("SELECT 1{}", "::BIGINT".repeat(count)),
    ]
}

#[test]
fn a_statement_as_deep_as_it_may_be_runs_and_a_deeper_one_is_refused() {
    let market = Market::new();
    let session = market.session();
    for (text, shallow) in deep(MOST).into_iter().zip(deep(1)) {
        assert_eq!(query(&session, &text), query(&session, &shallow), "{shallow}");
    }
    for count in [MOST + 2, 200_000] {
        for text in deep(count) {
            let error = session.sql(&text).expect_err("it is too deep");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains("in a row"), "{error}");
        }
    }
}
