//! Which series and times a damaged page has held, as far as what is left can tell.

use super::fixture::*;
use crate::EncodingPolicy;
use crate::coverage::CoverageState;
use crate::io::MemoryStorage;
use crate::write::WriteOptions;

// Rows of three series of 60,000: page 0 has a and 5,536 rows of b, page 1 the rest of b and 11,072 of c, page 2 c.

#[test]
fn a_damaged_value_page_loses_exactly_its_rows() {
    for (page, expected) in [
        (
            0,
            vec![
                lost(Some("a"), 0..59_999, Some(60_000)),
                lost(Some("b"), 0..5_535, Some(5_536)),
            ],
        ),
        (
            1,
            vec![
                lost(Some("b"), 5_536..59_999, Some(54_464)),
                lost(Some("c"), 0..11_071, Some(11_072)),
            ],
        ),
        (2, vec![lost(Some("c"), 11_072..59_999, Some(48_928))]),
    ] {
        let (storage, rows) = three_series();
        damage_page(&storage, "v.col", page);
        let report = heal(&storage, &without(&rows, &[page]));
        assert_eq!(report.lost, expected);
        assert_eq!(
            report.rows_lost(),
            expected.iter().filter_map(|lost| lost.rows).sum::<u64>()
        );
    }
}

#[test]
fn what_is_lost_is_a_gap_and_nothing_else_is() {
    let (storage, rows) = three_series();
    damage_page(&storage, "v.col", 1);
    heal(&storage, &without(&rows, &[1]));
    let db = open(&storage);
    let end = DAY + 86_400_000 * MS;
    use CoverageState::{Complete, Lost};
    assert_eq!(states(&db, Some("a")), [(DAY, end, Complete)]);
    let (from, to) = (DAY + 5_536 * MS, DAY + 59_999 * MS + 1);
    assert_eq!(
        states(&db, Some("b")),
        [(DAY, from, Complete), (from, to, Lost), (to, end, Complete)]
    );
    let gaps = db
        .table("t")
        .expect("the table")
        .gaps(&crate::GapQuery::new(DAY, end))
        .expect("gaps");
    let found: Vec<_> = gaps
        .iter()
        .map(|gap| {
            (
                gap.series.as_deref(),
                (gap.start - DAY) / MS,
                (gap.end - DAY) / MS,
            )
        })
        .collect();
    assert_eq!(found, [(Some("b"), 5_536, 60_000), (Some("c"), 0, 11_072)]);
}

#[test]
fn the_times_of_a_damaged_time_page_lie_between_its_neighbours() {
    for (page, expected) in [
        // Nothing before: the statistics of the page.
        (
            0,
            vec![
                lost(Some("a"), 0..59_999, Some(60_000)),
                lost(Some("b"), 0..5_536, Some(5_536)),
            ],
        ),
        (
            1,
            vec![
                lost(Some("b"), 5_535..59_999, Some(54_464)),
                lost(Some("c"), 0..11_072, Some(11_072)),
            ],
        ),
        // The page has one series only, so its statistics are exact.
        (2, vec![lost(Some("c"), 11_072..59_999, Some(48_928))]),
    ] {
        let (storage, rows) = three_series();
        damage_page(&storage, "ts.col", page);
        assert_eq!(
            heal(&storage, &without(&rows, &[page])).lost,
            expected,
            "page {page}"
        );
    }
}

#[test]
fn the_series_of_a_damaged_series_page_are_those_of_the_index() {
    let (storage, rows) = three_series();
    damage_page(&storage, "sym.col", 1);
    let expected = [
        lost(Some("b"), 5_536..59_999, Some(54_464)),
        lost(Some("c"), 0..11_071, Some(11_072)),
    ];
    assert_eq!(heal(&storage, &without(&rows, &[1])).lost, expected);
}

#[test]
fn without_index_every_series_that_the_page_may_have_is_lost() {
    for (page, expected) in [
        (
            0,
            vec![lost(Some("a"), 0..59_999, None), lost(Some("b"), 0..59_999, None)],
        ),
        (
            1,
            vec![lost(Some("b"), 0..59_999, None), lost(Some("c"), 0..59_999, None)],
        ),
        (2, vec![lost(Some("c"), 11_072..59_999, Some(48_928))]),
    ] {
        let (storage, rows) = three_series();
        damage_page(&storage, "sym.col", page);
        damage(&storage, "sym.parted", |bytes| bytes[70] ^= 1);
        assert_eq!(
            heal(&storage, &without(&rows, &[page])).lost,
            expected,
            "page {page}"
        );
    }
}

#[test]
fn damaged_neighbours_lose_one_range() {
    let (storage, rows) = three_series();
    damage_page(&storage, "v.col", 0);
    damage_page(&storage, "ts.col", 1);
    let expected = [
        lost(Some("a"), 0..59_999, Some(60_000)),
        lost(Some("b"), 0..59_999, Some(60_000)),
        lost(Some("c"), 0..11_072, Some(11_072)),
    ];
    assert_eq!(heal(&storage, &without(&rows, &[0, 1])).lost, expected);
}

#[test]
fn damage_on_both_sides_of_sound_rows_loses_two_ranges() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    db.create_table(&spec("t")).expect("a new table");
    let all = rows(&[Some("a")], 3 * PAGE as i64, 0);
    write(&db, &all, &WriteOptions::default());
    drop(db);
    damage_page(&storage, "v.col", 0);
    damage_page(&storage, "v.col", 2);
    let page = PAGE as i64;
    let expected = [
        lost(Some("a"), 0..page - 1, Some(PAGE)),
        lost(Some("a"), 2 * page..3 * page - 1, Some(PAGE)),
    ];
    assert_eq!(heal(&storage, &without(&all, &[0, 2])).lost, expected);
}

#[test]
fn rows_without_a_series_are_told_apart_and_leave_no_gap() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    db.create_table(&spec("t")).expect("a new table");
    let all = rows(&[Some("a"), None], 60_000, 0);
    write(&db, &all, &WriteOptions::default());
    drop(db);
    damage_page(&storage, "v.col", 1);
    let mut expected = lost(None, 5_536..59_999, Some(54_464));
    expected.is_null_series = true;
    let report = heal(&storage, &without(&all, &[1]));
    assert_eq!(report.lost, [expected]);
    let db = open(&storage);
    assert_eq!(states(&db, Some("a")).len(), 1);
    assert_eq!(states(&db, None).len(), 1);
}

#[test]
fn a_table_without_series_loses_times() {
    let storage = MemoryStorage::new();
    let db = open(&storage);
    let time = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("UTC".into()));
    let schema = arrow_schema::Schema::new(vec![
        arrow_schema::Field::new("ts", time, false),
        arrow_schema::Field::new("v", arrow_schema::DataType::Int64, true),
    ]);
    db.create_table(&crate::TableSpec::new("t", schema).time("ts"))
        .expect("a new table");
    let all = rows(&[None], 2 * PAGE as i64, 0);
    let batch = batch(&all).project(&[0, 2]).expect("two columns");
    db.table("t").expect("the table").write([batch]).expect("rows");
    drop(db);
    damage_page(&storage, "ts.col", 1);
    let page = PAGE as i64;
    let report = heal(&storage, &without(&all, &[1]));
    assert_eq!(report.lost, [lost(None, page..2 * page - 1, Some(PAGE))]);
    assert_eq!(states(&open(&storage), None).len(), 1);
}

#[test]
fn an_encoded_page_is_like_a_plain_one() {
    for (file, expected) in [
        (
            "v.col",
            vec![
                lost(Some("b"), 5_536..59_999, Some(54_464)),
                lost(Some("c"), 0..11_071, Some(11_072)),
            ],
        ),
        (
            "ts.col",
            vec![
                lost(Some("b"), 5_535..59_999, Some(54_464)),
                lost(Some("c"), 0..11_072, Some(11_072)),
            ],
        ),
    ] {
        let storage = MemoryStorage::new();
        let db = open(&storage);
        db.create_table(&spec("t")).expect("a new table");
        let all = rows(&[Some("a"), Some("b"), Some("c")], 60_000, 0);
        let options = WriteOptions {
            encoding: EncodingPolicy::cold(),
            ..WriteOptions::default()
        };
        write(&db, &all, &options);
        drop(db);
        // The second of three pages that are about as large as each other.
        damage(&storage, file, |bytes| {
            let at = 64 + (bytes.len() - 64) / 2;
            bytes[at] ^= 0x40;
        });
        assert_eq!(heal(&storage, &without(&all, &[1])).lost, expected, "{file}");
        let (_, meta) = files(&storage, "segment.meta").remove(0);
        let meta = gapless_format::SegmentMeta::decode(&meta).expect("a sound description");
        let paged = |column: &gapless_format::ColumnMeta| column.encoding == gapless_format::Encoding::Paged;
        assert!(meta.columns.iter().any(paged), "it is plain now");
    }
}
