//! Rows that are there and say nothing: no gaps, unless whoever imports them says so.

use gapless::coverage::intervals::Intervals;
use gapless::scan::col;
use gapless::{Attestation, CoverageState};

use super::twin::{self, figures};
use crate::real_data::{self, MINUTE, import, series};

/// Every minute of the household has a row, so nothing is missing. 26,001 rows have no value, in 93 runs; a scan of those
/// that have one tells which, and attested as partial they are gaps: the same that the README counts, by run.
#[test]
fn minutes_of_a_household_without_values() {
    let Some(imported) = import(
        &["energy/household_power_1min_2006-2010.csv.zst"],
        &real_data::household(),
    ) else {
        return;
    };
    let table = &imported.table;
    let span = twin::span(&imported.stored.times, MINUTE);
    table.infer_coverage(MINUTE, None).expect("inferred");
    assert_eq!(twin::gaps(table, &span, MINUTE), twin::Holes::new());

    let valued = table.scan().expect("a scan").filter(col("Voltage").is_not_null());
    let valued = valued.infer_coverage(MINUTE).expect("inferred");
    let [(None, valued)] = valued.series.as_slice() else {
        panic!("one list for a table without series");
    };
    let silent = Intervals::single(span.clone()).difference(valued);
    let said = silent.iter().map(|range| {
        let said = Attestation::new(range).interval(MINUTE).source("no values");
        said.state(CoverageState::Partial)
    });
    table.attest(said).expect("attested");
    let gaps = twin::gaps(table, &span, MINUTE).remove("").expect("gaps");
    let found = figures(&gaps, MINUTE);
    assert_eq!((found.gaps, found.missing, found.longest), (93, 26_001, 7_226));
    let mut longest: Vec<i64> = gaps.iter().map(|gap| (gap.end - gap.start) / MINUTE).collect();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(longest[..7], [7_226, 5_237, 3_723, 3_305, 3_129, 2_027, 891]);
}

/// The quiet minutes of an exchange whose empty intervals are rows: 195,299 without a trade, and no gap.
#[test]
fn quiet_minutes_that_are_rows() {
    let Some(imported) = import(&["bars/bitmex_xbtusd_1m_2016H1.ndjson.zst"], &series("symbol")) else {
        return;
    };
    let table = &imported.table;
    let traded = table.scan().expect("a scan").filter(col("trades").gt(0));
    let traded = traded.infer_coverage(MINUTE).expect("inferred");
    let [(Some(_), traded)] = traded.series.as_slice() else {
        panic!("one series");
    };
    let span = twin::span(&imported.stored.times, MINUTE);
    let slots = (span.end - span.start) / MINUTE;
    assert_eq!(slots - traded.total() as i64 / MINUTE, 195_299);
    table.infer_coverage(MINUTE, None).expect("inferred");
    assert_eq!(twin::gaps(table, &span, MINUTE), twin::Holes::new());
}
