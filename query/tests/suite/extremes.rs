//! The least and the greatest values, which whole pages tell by their statistics, against the same with the rows read.

use gapless_query::{Aggregate, IntoQuery, Query, count, max, min};

use crate::cells::{assert_same, cells};
use crate::world::{HOUR, Kind, Random, Row, SECOND, START, Shape, UNIQUE_SHAPES, World, rows};

const COLUMNS: [&str; 8] = ["price", "qty", "size", "flag", "venue", "note", "at", "id"];
/// What only a query that reads every row says of a page.
const SAID: &str = "from their statistics";

/// Rows whose pages are of a kind each: an hour has rows of one series, and prices that have something in common.
fn hours(seed: u64) -> Vec<Row> {
    let random = &mut Random::new(seed);
    let mut rows = Vec::new();
    for hour in 0..30 {
        let sym = *["B", "A", "C"].get(random.below(3) as usize).expect("a name");
        let kind = random.below(8);
        let start = START + hour * HOUR;
        for _ in 0..40 + random.below(200) {
            let id = rows.len() as i64;
            let mut row = Row::new(start + id * SECOND / 10, Some(sym), id % 77 - 40);
            row.price = match (kind, random.below(3)) {
                (0, _) | (1 | 2, 0) => None,
                (1, _) | (3, 0) => Some(f64::NAN),
                (2 | 4, 1) => Some(0.0),
                (2 | 5, _) => Some(-0.0),
                (3 | 4, _) => Some(row.id as f64 / 8.0),
                (6, 0) => Some(f64::INFINITY),
                (6, 1) => Some(f64::NEG_INFINITY),
                _ => Some(row.id.unsigned_abs() as f64),
            };
            if kind == 7 {
                (row.qty, row.at, row.flag) = (None, None, None);
            }
            row.at = row.at.map(|at| at - 2 * START);
            row.size = u64::MAX - random.below(9);
            rows.push(row);
        }
    }
    rows
}

fn asked() -> Vec<Aggregate> {
    let of = |column: &&'static str| [min(*column), max(*column)];
    COLUMNS.iter().flat_map(of).collect()
}

/// Asserts that a query is answered from statistics, and as one that has to read every row.
fn check(what: &str, query: impl Fn(Vec<Aggregate>) -> Query) {
    let counted: Vec<Aggregate> = asked().into_iter().chain([count()]).collect();
    let (by_statistics, by_rows) = (query(asked()), query(counted));
    let explained = |query: &Query| query.explain().expect("an explanation");
    assert!(explained(&by_statistics).contains(SAID), "{what}");
    assert!(!explained(&by_rows).contains(SAID), "{what}");
    let mut wanted = cells(&by_rows.collect().expect("an answer"));
    for row in &mut wanted {
        row.pop();
    }
    assert_same(
        &cells(&by_statistics.collect().expect("an answer")),
        &wanted,
        what,
    );
    for aggregate in asked() {
        let one = query(vec![aggregate.clone()]).collect().expect("an answer");
        let both = query(vec![aggregate.clone(), count()])
            .collect()
            .expect("an answer");
        let mut wanted = cells(&both);
        for row in &mut wanted {
            row.pop();
        }
        assert_same(&cells(&one), &wanted, &format!("{what}: {}", aggregate.name()));
    }
}

#[test]
fn statistics_say_what_the_rows_say_whatever_the_shape() {
    for (seed, shape) in (0..).zip(UNIQUE_SHAPES) {
        let rows = hours(seed);
        for has_series in [true, false] {
            let is_keyed = matches!(shape, Shape::KeepFirst | Shape::KeepLast);
            if is_keyed && !has_series {
                continue;
            }
            let world = World::of(&rows, shape, has_series);
            let middle = rows[rows.len() / 2].ts;
            for (start, end) in [
                (i64::MIN, i64::MAX),
                (middle, i64::MAX),
                (i64::MIN, START + 3 * HOUR),
                (START, START),
            ] {
                let what = format!("{shape:?}, series {has_series}, {start} to {end}");
                let scan = || world.scan().between(start, end);
                check(&what, |aggregates| scan().query().agg(aggregates));
                if has_series {
                    check(&what, |aggregates| scan().group_by(["sym"]).agg(aggregates));
                    check(&what, |aggregates| {
                        scan().series(["C", "A"]).group_by(["sym"]).agg(aggregates)
                    });
                }
            }
        }
    }
}

#[test]
fn pages_in_the_middle_of_a_series_are_not_read() {
    let kind = Kind {
        rows: 210_000,
        series: 1,
        is_wild: true,
        has_specials: true,
        is_unique: false,
    };
    let mut rows = rows(3, kind);
    // Three days would be three short pages; one is several.
    for row in &mut rows {
        row.ts = START + row.ts.rem_euclid(HOUR);
    }
    let world = World::of(&rows, Shape::Days, true);
    check("all", |aggregates| world.scan().query().agg(aggregates));
    check("by series", |aggregates| {
        world.scan().group_by(["sym"]).agg(aggregates)
    });
}
