//! Joins by key, and queries one after the other.

use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use gapless_query::{Join, Query, col, count, sum};
use proptest::prelude::*;

use super::ticks::{Held, Place, Tick, batch, float, held, int, place, schema, text, ticks, values};

/// Whether the series is null, its name, and the day.
type Group<'a> = (bool, Option<&'a str>, i64);

/// Prices with both zeros and two kinds of NaN.
fn odd_prices() -> Vec<f64> {
    vec![0.0, -0.0, 1.5, f64::NAN, -f64::NAN, f64::INFINITY]
}

fn key(tick: &Tick, on: &[&str]) -> Vec<String> {
    let value = |name: &&str| match *name {
        "sym" => tick.sym.map_or_else(String::new, |sym| format!("={sym}")),
        "price" => float(
            tick.price
                .map(|price| if price.is_nan() { f64::NAN } else { price + 0.0 }),
        ),
        "size" => int(tick.size),
        _ => tick.ts.to_string(),
    };
    on.iter().map(value).collect()
}

/// All pairs, in the order of the left rows; `None` where a row has no match.
fn pairs<'a>(left: &'a Held, right: &'a Held, on: &[&str]) -> Vec<(&'a Tick, Option<&'a Tick>)> {
    let mut pairs = Vec::new();
    for left in &left.rows {
        let before = pairs.len();
        let own = right.rows.iter().filter(|right| key(right, on) == key(left, on));
        pairs.extend(own.map(|right| (left, Some(right))));
        if pairs.len() == before {
            pairs.push((left, None));
        }
    }
    pairs
}

/// What a row of the result is; floats have one NaN.
fn row(left: &Tick, right: Option<&Tick>, on: &[&str]) -> Vec<String> {
    let mut row = values(left);
    let names = ["ts", "sym", "price", "size"];
    let of_right = right.map_or(vec![String::new(); 4], values);
    row.extend(
        names
            .iter()
            .zip(of_right)
            .filter(|(name, _)| !on.contains(name))
            .map(|(_, value)| value),
    );
    row
}

fn on() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::select(vec![
        vec!["sym"],
        vec!["price"],
        vec!["size"],
        vec!["sym", "size"],
        vec!["price", "ts"],
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn rows_with_equal_keys_are_joined(
        lefts in (ticks(40, odd_prices()), place()),
        rights in (ticks(40, odd_prices()), place()),
        on in on(),
    ) {
        let (left, right) = (held(&lefts.0, &lefts.1), held(&rights.0, &rights.1));
        let pairs = pairs(&left, &right, &on);
        let joined = |options: Join| {
            let query = left.query.clone().join(right.query.clone(), options);
            text(&query.collect().expect("rows"))
        };
        let all: Vec<_> = pairs.iter().map(|(left, right)| row(left, *right, &on)).collect();
        prop_assert_eq!(joined(Join::on(on.clone()).left()), all);
        let matched = pairs.iter().filter(|(_, right)| right.is_some());
        let inner: Vec<_> = matched.map(|(left, right)| row(left, *right, &on)).collect();
        prop_assert_eq!(joined(Join::on(on.clone())), inner);
        let has_match = |tick: &&Tick| right.rows.iter().any(|right| key(right, &on) == key(tick, &on));
        let semi: Vec<_> = left.rows.iter().filter(has_match).map(values).collect();
        prop_assert_eq!(joined(Join::on(on.clone()).semi()), semi);
        let anti: Vec<_> = left.rows.iter().filter(|tick| !has_match(tick)).map(values).collect();
        prop_assert_eq!(joined(Join::on(on.clone()).anti()), anti);
    }

    #[test]
    fn rows_that_were_joined_can_be_grouped_in_their_order(
        lefts in (ticks(60, odd_prices()), place()),
        rights in ticks(20, odd_prices()),
    ) {
        let (left, right) = (held(&lefts.0, &lefts.1), held(&rights, &Place::Batches(9)));
        let query = left.query.clone().join(right.query.clone(), Join::on(["size"]).left());
        let grouped = query.bucket("1d").group_by(["sym"]).agg([count().alias("n"), sum("size").alias("s")]);
        // By series, null last, and day: how many, and the sum.
        let mut wanted: Vec<(Group<'_>, (i64, Option<i64>))> = Vec::new();
        for (left, _) in pairs(&left, &right, &["size"]) {
            let day = left.ts.div_euclid(86_400_000_000_000) * 86_400_000_000_000;
            let key = (left.sym.is_none(), left.sym, day);
            match wanted.iter_mut().find(|(other, _)| *other == key) {
                Some((_, (n, s))) => (*n, *s) = (*n + 1, s.map_or(left.size, |s| Some(s + left.size.unwrap_or(0)))),
                None => wanted.push((key, (1, left.size))),
            }
        }
        wanted.sort();
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|((_, sym, day), (n, s))| vec![sym.unwrap_or_default().to_string(), day.to_string(), n.to_string(), int(s)])
            .collect();
        prop_assert_eq!(text(&grouped.collect().expect("rows")), wanted);
    }

    #[test]
    fn queries_come_one_after_the_other(
        one in (ticks(40, odd_prices()), place()),
        other in (ticks(40, odd_prices()), place()),
    ) {
        let (one, other) = (held(&one.0, &one.1), held(&other.0, &other.1));
        let columns = ["ts", "price", "size"];
        let both = Query::concat([one.query.select(columns), other.query.select(columns)]);
        let wanted = one.rows.iter().chain(&other.rows).map(|tick| {
            vec![tick.ts.to_string(), float(tick.price), int(tick.size)]
        });
        prop_assert_eq!(text(&both.clone().collect().expect("rows")), wanted.collect::<Vec<_>>());
        let count = both.agg([count()]).collect().expect("a row");
        prop_assert_eq!(text(&count), [[(one.rows.len() + other.rows.len()).to_string()]]);
    }
}

/// Rows of a key and a number.
fn numbered(keys: ArrayRef) -> Query {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..).take(keys.len())));
    let fields = vec![
        Field::new("key", keys.data_type().clone(), true),
        Field::new("number", DataType::Int64, false),
    ];
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![keys, numbers]).expect("a batch");
    Query::batches(schema, vec![batch])
}

#[test]
fn symbols_are_compared_as_text_whatever_their_dictionaries() {
    let symbols = |keys: Vec<Option<u32>>, values: Vec<Option<&str>>| -> ArrayRef {
        let values = Arc::new(StringArray::from(values));
        Arc::new(DictionaryArray::try_new(UInt32Array::from(keys), values).expect("symbols"))
    };
    // A null that is a symbol is a null like any other.
    let left = symbols(
        vec![Some(0), Some(1), Some(2), None, Some(1)],
        vec![Some("x"), Some("y"), None],
    );
    let right = symbols(vec![Some(1), None, Some(0)], vec![Some("y"), Some("x")]);
    let as_text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("y")]));
    let wanted = [
        ["x", "0", "0"],
        ["y", "1", "2"],
        ["", "2", "1"],
        ["", "3", "1"],
        ["y", "4", "2"],
    ];
    for right in [right, as_text] {
        let joined = numbered(Arc::clone(&left)).join(numbered(right), Join::on(["key"]));
        assert_eq!(text(&joined.collect().expect("rows")), wanted);
    }
}

#[test]
fn one_row_with_many_matches_and_many_with_one_come_in_batches() {
    let same: ArrayRef = Arc::new(Int64Array::from(vec![7; 300]));
    let joined = numbered(Arc::clone(&same)).join(numbered(same), Join::on(["key"]));
    let batches = joined.collect().expect("rows");
    assert!(batches.iter().all(|batch| batch.num_rows() <= 16_384));
    let rows = text(&batches);
    let wanted = (0..300)
        .flat_map(|left| (0..300).map(move |right| ["7".to_string(), left.to_string(), right.to_string()]));
    assert!(rows.into_iter().eq(wanted));
}

#[test]
fn what_a_join_cannot_do_is_said() {
    let of_32: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let of_64: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let error = numbered(of_32)
        .join(numbered(Arc::clone(&of_64)), Join::on(["key"]))
        .collect();
    let error = error.expect_err("types differ");
    assert!(
        error
            .message()
            .contains("Int32 on the left of the join and Int64 on its right"),
        "{error}"
    );
    let error = numbered(Arc::clone(&of_64)).join(numbered(Arc::clone(&of_64)), Join::on(["nothing"]));
    assert!(
        error
            .collect()
            .expect_err("no column")
            .message()
            .contains("\"nothing\"")
    );
    let no_key = numbered(Arc::clone(&of_64)).join(numbered(Arc::clone(&of_64)), Join::on([""; 0]));
    assert!(no_key.schema().is_err());
    let renamed = numbered(Arc::clone(&of_64)).with_column(col("number").alias("number_right"));
    assert!(renamed.join(numbered(of_64), Join::on(["key"])).schema().is_err());
}

#[test]
fn queries_with_other_columns_are_not_put_together() {
    let one = || Query::batches(schema(), vec![batch(&[])]);
    for (other, what) in [
        (one().select(["ts", "sym"]), "it has no column \"price\""),
        (
            one().select(["sym", "ts", "price", "size"]),
            "its column 1 is \"sym\" instead of \"ts\"",
        ),
        (
            one().with_column(col("size").alias("more")),
            "it has a further column \"more\"",
        ),
        (
            one().with_column((col("price") * 2).alias("size")),
            "its column \"size\" is Float64 instead of Int64",
        ),
    ] {
        let error = Query::concat([one(), other]).schema().expect_err("other columns");
        assert!(error.message().contains(what), "{error}");
    }
    assert!(Query::concat(Vec::<Query>::new()).schema().is_err());
}
