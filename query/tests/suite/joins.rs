//! As-of joins against a loop over both tables.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use gapless_query::{AsOf, Direction, IntoQuery, Query};
use proptest::prelude::*;

use crate::cells::{Cell, assert_same, cells};
use crate::world::{
    COLUMNS, Kind, Random, Row, START, Shape, UNIQUE_SHAPES, World, batch, by_series, by_time, rows, schema,
};

/// What is asked.
#[derive(Debug, Clone)]
struct Ask {
    direction: Direction,
    is_strict: bool,
    tolerance: Option<i64>,
    is_inner: bool,
    by: Vec<&'static str>,
    columns: Vec<&'static str>,
}

impl Ask {
    fn options(&self) -> AsOf {
        let mut options = AsOf::new(self.direction)
            .by(self.by.clone())
            .columns(self.columns.clone());
        if self.is_strict {
            options = options.strict();
        }
        if let Some(tolerance) = self.tolerance {
            options = options.tolerance(tolerance);
        }
        if self.is_inner {
            options = options.inner();
        }
        options
    }
}

/// The match of a row: of all right rows, which come by time and arrival, the best one.
fn matched<'a>(left: &Row, right: &'a [Row], ask: &Ask, has_series: bool) -> Option<&'a Row> {
    let mut best: Option<&Row> = None;
    for row in right {
        let distance = |row: &Row| i128::from(row.ts) - i128::from(left.ts);
        let is_key = ask
            .by
            .iter()
            .all(|by| left.cell(by).normal() == row.cell(by).normal());
        let is_series = !has_series || left.sym == row.sym;
        let is_near = ask
            .tolerance
            .is_none_or(|tolerance| distance(row).abs() <= i128::from(tolerance));
        let is_side = match (ask.is_strict && distance(row) == 0, ask.direction) {
            (true, _) => false,
            (_, Direction::Backward) => distance(row) <= 0,
            (_, Direction::Forward) => distance(row) >= 0,
            (_, Direction::Nearest) => true,
        };
        if !(is_key && is_series && is_near && is_side) {
            continue;
        }
        // Of rows equal in time the last; of two that are as near the earlier.
        let rank = |row: &Row| (distance(row).abs(), distance(row) > 0);
        if best.is_none_or(|best| rank(row) <= rank(best)) {
            best = Some(row);
        }
    }
    best
}

/// `left` comes in the order of the result, `right` by time and arrival.
fn twin(left: &[Row], right: &[Row], ask: &Ask, has_series: bool) -> Vec<Vec<Cell>> {
    let mut wanted = Vec::new();
    for row in left {
        let found = matched(row, right, ask, has_series);
        if found.is_none() && ask.is_inner {
            continue;
        }
        let mut cells = row.cells(&COLUMNS);
        cells.extend(
            ask.columns
                .iter()
                .map(|column| found.map_or(Cell::Null, |found| found.cell(column))),
        );
        wanted.push(cells);
    }
    wanted
}

fn asks() -> impl Strategy<Value = Ask> {
    let direction = prop::sample::select(vec![Direction::Backward, Direction::Forward, Direction::Nearest]);
    let tolerance = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 2 => Just(Some(1)), 2 => Just(Some(4_000_000_000_000))];
    let by = prop::sample::select(vec![
        vec![],
        vec![],
        vec!["venue"],
        vec!["flag", "price"],
        vec!["sym"],
    ]);
    let columns = prop::sample::select(vec![
        vec!["id", "price", "venue", "note", "flag", "at"],
        vec!["id"],
        vec!["sym", "ts"],
        vec![],
    ]);
    (direction, any::<bool>(), tolerance, any::<bool>(), by, columns).prop_map(
        |(direction, is_strict, tolerance, is_inner, by, columns)| Ask {
            direction,
            is_strict,
            tolerance,
            is_inner,
            by,
            columns,
        },
    )
}

/// Rows that meet at few times, of which some series are on one side only.
fn sides(seed: u64, left: usize, right: usize, is_unique: bool) -> (Vec<Row>, Vec<Row>) {
    let kind = |rows| Kind {
        rows,
        series: 6,
        is_wild: false,
        has_specials: true,
        is_unique,
    };
    let (mut lefts, mut rights) = (rows(seed, kind(left)), rows(seed ^ 0x5555, kind(right)));
    lefts.retain(|row| row.sym.as_deref() != Some("m"));
    rights.retain(|row| row.sym.as_deref() != Some("é"));
    if seed.is_multiple_of(3) {
        lefts.retain(|row| row.sym.is_some());
    }
    (lefts, rights)
}

fn run(query: &Query, what: &str) -> Vec<Vec<Cell>> {
    let schema = query.schema().expect("a schema");
    let batches = query
        .clone()
        .collect()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        batches.iter().all(|batch| batch.schema() == schema),
        "{what}: {schema:?}"
    );
    let collected = cells(&batches);
    let streamed: Result<Vec<_>, _> = query.clone().stream().expect("a stream").collect();
    assert_same(&cells(&streamed.expect("batches")), &collected, what);
    collected
}

/// Rows as batches in memory, shuffled.
fn memory(rows: &[Row], series: Option<&str>, seed: u64) -> Query {
    let batches = rows.chunks(1 + (seed % 7) as usize).map(batch).collect();
    Query::timed_batches(schema(), batches, "ts", series)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_as_of_join_matches_what_a_loop_matches(
        seed: u64,
        left in prop_oneof![1 => Just(0usize), 8 => 1..90usize],
        right in prop_oneof![1 => Just(0usize), 8 => 1..90usize],
        ask in asks(),
        left_shape in 0..UNIQUE_SHAPES.len(),
        right_shape in 0..UNIQUE_SHAPES.len(),
        from_memory in (0..5usize, any::<bool>()),
        right_has_series in prop_oneof![1 => Just(false), 3 => Just(true)],
    ) {
        let (left_shape, right_shape) = (UNIQUE_SHAPES[left_shape], UNIQUE_SHAPES[right_shape]);
        let (left, right) = sides(seed, left, right, true);
        let world = World::new();
        world.fill("t", &left, left_shape, true);
        world.fill("r", &right, right_shape, right_has_series);
        let scan = |name: &str| world.table(name).scan().expect("a scan").query();
        let left_query = if from_memory.0 == 0 { memory(&left, Some("sym"), seed) } else { scan("t") };
        let right_query = if from_memory.1 { memory(&right, right_has_series.then_some("sym"), seed) } else { scan("r") };
        let what = format!("seed {seed} {ask:?} left {left_shape:?} right {right_shape:?} from memory {from_memory:?} right has series {right_has_series}");
        let right_order = by_time(&right, false);
        // Of rows of several series equal in time, the order is that of series where the right rows had any.
        let wanted = twin(&by_series(&left, true), &right_order, &ask, right_has_series);
        let query = left_query.asof_join(right_query, ask.options());
        assert_same(&run(&query, &what), &wanted, &what);
        // The same with fewer columns, and as groups.
        let few: Vec<Vec<Cell>> = wanted.iter().map(|row| vec![row[9].clone()]).collect();
        assert_same(&run(&query.clone().select(["id"]), &what), &few, &format!("one column: {what}"));
        let counted = query.clone().agg([gapless_query::count()]);
        assert_same(&run(&counted, &what), &[vec![Cell::Int(wanted.len() as i128)]], &format!("count: {what}"));
        let mut of_series: Vec<Vec<Cell>> = Vec::new();
        for row in &wanted {
            match of_series.last_mut() {
                Some(last) if last[0] == row[1] => {
                    let Cell::Int(count) = last[1] else { unreachable!("a count") };
                    last[1] = Cell::Int(count + 1);
                }
                _ => of_series.push(vec![row[1].clone(), Cell::Int(1)]),
            }
        }
        let by_sym = query.group_by(["sym"]).agg([gapless_query::count()]);
        assert_same(&run(&by_sym, &what), &of_series, &format!("by series: {what}"));
    }

    #[test]
    fn rows_equal_in_time_keep_their_order_and_the_last_right_one_matches(
        seed: u64, ask in asks(), left_shape in 2..UNIQUE_SHAPES.len(), right_shape in 2..UNIQUE_SHAPES.len(),
    ) {
        let (mut left, mut right) = sides(seed, 60, 60, false);
        for row in left.iter_mut().chain(&mut right) {
            row.ts = START + row.ts.rem_euclid(5) * 10;
        }
        let world = World::new();
        world.fill("t", &left, UNIQUE_SHAPES[left_shape], true);
        world.fill("r", &right, UNIQUE_SHAPES[right_shape], true);
        let scan = |name: &str| world.table(name).scan().expect("a scan").query();
        let query = scan("t").asof_join(scan("r"), ask.options());
        let wanted = twin(&by_series(&left, true), &by_time(&right, true), &ask, true);
        let what = format!("seed {seed} {ask:?} {left_shape} {right_shape}");
        assert_same(&run(&query, &what), &wanted, &what);
    }
}

#[test]
fn rows_over_many_batches_match_what_a_sweep_matches() {
    let mut random = Random::new(5);
    let mut side = |count: i64, names: &[&str]| -> Vec<Row> {
        let mut time = START;
        let row = |id: i64| {
            time += random.below(4) as i64;
            Row::new(time, Some(random.pick(names)), id)
        };
        (0..count).map(row).collect()
    };
    let (left, right) = (
        side(90_000, &["a", "b", "b", "b", "b", "b", "c"]),
        side(120_000, &["0", "b", "b", "b", "c", "d"]),
    );
    let world = World::new();
    world.fill("t", &left, Shape::Late, true);
    world.fill("r", &right, Shape::Tail, true);
    let scan = |name: &str| world.table(name).scan().expect("a scan").query();
    for (direction, is_strict) in [
        (Direction::Backward, false),
        (Direction::Forward, true),
        (Direction::Nearest, false),
    ] {
        for by in [vec![], vec!["venue"]] {
            let options = AsOf::new(direction).columns(["id"]).by(by.clone());
            let options = if is_strict { options.strict() } else { options };
            let query = scan("t")
                .asof_join(scan("r"), options)
                .select(["sym", "ts", "id", "id_right"]);
            let found = cells(&query.collect().expect("rows"));
            let mut wanted = Vec::new();
            let rights = by_series(&right, true);
            for row in by_series(&left, true) {
                let of_series = |name: &Option<String>| {
                    let start = rights.partition_point(|right| right.sym < *name);
                    &rights[start..rights.partition_point(|right| right.sym <= *name)]
                };
                let own = of_series(&row.sym);
                let low = own.partition_point(|right| right.ts < row.ts);
                let high = own.partition_point(|right| right.ts <= row.ts);
                let (before, after) = if is_strict { (low, high) } else { (high, low) };
                let before = before.checked_sub(1).map(|at| &own[at]);
                let after = own
                    .get(after)
                    .map(|first| &own[own.partition_point(|right| right.ts <= first.ts) - 1]);
                let best = match (direction, before, after) {
                    (Direction::Backward, before, _) => before,
                    (Direction::Forward, _, after) => after,
                    (_, Some(before), Some(after)) if row.ts - before.ts <= after.ts - row.ts => Some(before),
                    (_, before, after) => after.or(before),
                };
                let mut cells = row.cells(&["sym", "ts", "id"]);
                cells.push(best.map_or(Cell::Null, |best| best.cell("id")));
                wanted.push(cells);
            }
            assert_same(&found, &wanted, &format!("{direction:?} by {by:?}"));
        }
    }
}

#[test]
fn joins_of_joins_match_table_after_table() {
    let (left, right) = sides(11, 80, 80, true);
    let (_, third) = sides(12, 80, 80, true);
    let ask = Ask {
        direction: Direction::Backward,
        is_strict: false,
        tolerance: None,
        is_inner: false,
        by: vec![],
        columns: vec!["price"],
    };
    let world = World::new();
    for (name, rows) in [("t", &left), ("r", &right), ("u", &third)] {
        world.fill(name, rows, Shape::Late, true);
    }
    let scan = |name: &str| world.table(name).scan().expect("a scan").query();
    let renamed = scan("u").select([
        "ts".into(),
        "sym".into(),
        gapless_query::col("price").alias("third"),
    ]);
    let query = scan("t")
        .asof_join(scan("r"), ask.options())
        .asof_join(renamed, AsOf::backward());
    let mut wanted = twin(&by_series(&left, true), &by_time(&right, true), &ask, true);
    let others = twin(&by_series(&left, true), &by_time(&third, true), &ask, true);
    for (row, other) in wanted.iter_mut().zip(others) {
        row.push(other[COLUMNS.len()].clone());
    }
    assert_same(&run(&query, "two joins"), &wanted, "two joins");
    // As the right side of another.
    let right_join = scan("r")
        .asof_join(scan("u"), AsOf::backward().columns(["note"]))
        .select(["ts", "sym", "note_right"]);
    let query = scan("t").asof_join(right_join, AsOf::backward());
    assert_eq!(run(&query, "a join of a join").len(), left.len());
}

#[test]
fn left_rows_without_series_match_right_rows_without_series_by_time() {
    let (left, right) = sides(21, 70, 70, false);
    let ask = Ask {
        direction: Direction::Backward,
        is_strict: false,
        tolerance: None,
        is_inner: false,
        by: vec![],
        columns: vec!["id"],
    };
    let world = World::new();
    world.fill("t", &left, Shape::Hours, false);
    world.fill("r", &right, Shape::Late, false);
    let scan = |name: &str| world.table(name).scan().expect("a scan").query();
    let wanted = twin(&by_time(&left, false), &by_time(&right, false), &ask, false);
    assert_same(
        &run(&scan("t").asof_join(scan("r"), ask.options()), "tables"),
        &wanted,
        "tables",
    );
    let query = memory(&left, None, 3).asof_join(memory(&right, None, 5), ask.options());
    assert_same(&run(&query, "memory"), &wanted, "memory");
}

#[test]
fn batches_with_text_for_series_join_tables_and_group_as_they_came() {
    let world = World::new();
    let right = [Row::new(START, Some("b"), 1), Row::new(START + 5, Some("a"), 2)];
    world.fill("r", &right, Shape::Days, true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("when", schema().field(0).data_type().clone(), false),
        Field::new("who", arrow_schema::DataType::Utf8, true),
    ]));
    let times =
        arrow_array::TimestampNanosecondArray::from(vec![START + 9, START, START + 7]).with_timezone("UTC");
    let names = arrow_array::StringArray::from(vec![Some("a"), Some("b"), None]);
    let batch =
        arrow_array::RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(times), Arc::new(names)])
            .expect("a batch");
    let left = Query::timed_batches(schema, vec![batch], "when", Some("who"));
    let query = left.asof_join(
        world.table("r").scan().expect("a scan"),
        AsOf::backward().columns(["id"]),
    );
    let text = |text: &str| Cell::text(Some(text));
    let wanted = [
        vec![Cell::Time(START + 9), text("a"), Cell::Int(2)],
        vec![Cell::Time(START), text("b"), Cell::Int(1)],
        vec![Cell::Time(START + 7), Cell::Null, Cell::Null],
    ];
    assert_same(&run(&query, "text"), &wanted, "text");
    let grouped = query.group_by(["who"]).bucket("1h").agg([gapless_query::count()]);
    let wanted = [
        vec![text("a"), Cell::Time(START), Cell::Int(1)],
        vec![text("b"), Cell::Time(START), Cell::Int(1)],
        vec![Cell::Null, Cell::Time(START), Cell::Int(1)],
    ];
    assert_same(&run(&grouped, "text"), &wanted, "text in groups");
}
