//! Sets of ranges against a bitmap of a small universe, and the ends of i64.

#![expect(clippy::single_range_in_vec_init, reason = "lists of one range")]

use std::ops::Range;

use proptest::prelude::*;

use super::{Grid, Intervals, subtract_into};

/// The universe of the model.
const FROM: i64 = -40;
const TO: i64 = 40;

/// One bit for each instant of the universe.
#[derive(Clone, Debug, PartialEq)]
struct Bitmap(Vec<bool>);

impl Bitmap {
    fn of<'a>(ranges: impl IntoIterator<Item = &'a Range<i64>>) -> Self {
        let ranges: Vec<_> = ranges.into_iter().collect();
        Self::by(|t| ranges.iter().any(|range| range.contains(&t)))
    }

    fn by(holds: impl Fn(i64) -> bool) -> Self {
        Self((FROM..TO).map(holds).collect())
    }

    fn has(&self, t: i64) -> bool {
        usize::try_from(t - FROM).is_ok_and(|at| self.0.get(at) == Some(&true))
    }

    fn zip(&self, other: &Self, op: impl Fn(bool, bool) -> bool) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| op(*a, *b)).collect())
    }

    fn count(&self) -> u64 {
        self.0.iter().filter(|bit| **bit).count() as u64
    }
}

#[expect(
    clippy::reversed_empty_ranges,
    reason = "ranges that end before they start hold nothing"
)]
const BACKWARDS: Range<i64> = 7..3;

fn range() -> impl Strategy<Value = Range<i64>> {
    (FROM..TO, FROM..TO).prop_map(|(a, b)| a..b)
}

fn ranges() -> impl Strategy<Value = Vec<Range<i64>>> {
    prop::collection::vec((FROM..TO, -2..14i64).prop_map(|(a, n)| a..(a + n).min(TO)), 0..12)
}

fn grid() -> impl Strategy<Value = Grid> {
    (1..13i64, any::<i64>()).prop_map(|(step, origin)| Grid::new(step).expect("a step").with_origin(origin))
}

/// The bits, having checked that the list is the only one of its set.
fn bits(set: &Intervals) -> Bitmap {
    assert!(set.iter().all(|range| !range.is_empty()), "{set:?}");
    assert!(
        set.as_slice().windows(2).all(|two| two[0].end < two[1].start),
        "{set:?}"
    );
    Bitmap::of(set.as_slice())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn operations_on_two_sets_are_those_on_their_bits(a in ranges(), b in ranges()) {
        let (left, right) = (Bitmap::of(&a), Bitmap::of(&b));
        let (a, b): (Intervals, Intervals) = (a.into_iter().collect(), b.into_iter().collect());
        prop_assert_eq!(&bits(&a), &left);
        prop_assert_eq!(bits(&a.union(&b)), left.zip(&right, |a, b| a || b));
        prop_assert_eq!(bits(&a.intersection(&b)), left.zip(&right, |a, b| a && b));
        prop_assert_eq!(bits(&a.difference(&b)), left.zip(&right, |a, b| a && !b));
        prop_assert_eq!(a.total(), left.count());
    }

    #[test]
    fn pushed_in_any_order_a_set_is_what_it_is_collected(ranges in ranges()) {
        let mut pushed = Intervals::new();
        for range in &ranges {
            pushed.push(range.clone());
            bits(&pushed);
        }
        let collected: Intervals = ranges.iter().cloned().collect();
        prop_assert_eq!(&pushed, &collected);
        let sorted: Intervals = collected.iter().collect();
        prop_assert_eq!(sorted, collected);
    }

    #[test]
    fn questions_about_a_set_are_those_about_its_bits(ranges in ranges(), asked in range()) {
        let set: Intervals = ranges.into_iter().collect();
        let model = bits(&set);
        for t in FROM - 2..TO + 2 {
            prop_assert_eq!(set.contains(t), model.has(t));
        }
        prop_assert_eq!(set.covers(&asked), asked.clone().all(|t| model.has(t)));
        prop_assert_eq!(bits(&set.clip(&asked)), Bitmap::by(|t| model.has(t) && asked.contains(&t)));
        let held: Vec<i64> = (FROM..TO).filter(|t| model.has(*t)).collect();
        let bounds = held.first().zip(held.last()).map(|(first, last)| *first..last + 1);
        prop_assert_eq!(set.bounds(), bounds);
    }

    #[test]
    fn what_is_taken_may_overlap_and_be_empty(wanted in ranges(), mut taken in ranges()) {
        taken.sort_by_key(|range| range.start);
        let wanted: Intervals = wanted.into_iter().collect();
        let mut left = vec![TO..TO + 1];
        subtract_into(&mut left, wanted.as_slice(), taken.iter().cloned());
        prop_assert_eq!(left.remove(0), TO..TO + 1, "what was in the list stays");
        let held: Intervals = taken.into_iter().collect();
        let left_set: Intervals = left.iter().cloned().collect();
        prop_assert_eq!(left_set.as_slice(), &left);
        prop_assert_eq!(bits(&left_set), bits(&wanted).zip(&bits(&held), |a, b| a && !b));
    }

    #[test]
    fn a_set_on_a_grid_holds_the_same_slots_and_its_ends_are_slots(ranges in ranges(), grid in grid()) {
        let set: Intervals = ranges.into_iter().collect();
        let aligned = set.on_grid(&grid);
        let slots = |set: &Intervals| -> Vec<i64> {
            (FROM - 20..TO + 20).filter(|t| grid.is_on(*t) && set.contains(*t)).collect()
        };
        prop_assert_eq!(slots(&aligned), slots(&set));
        prop_assert!(aligned.iter().all(|range| grid.is_on(range.start) && grid.is_on(range.end)));
        prop_assert!(aligned.as_slice().windows(2).all(|two| two[0].end < two[1].start));
        prop_assert_eq!(set.iter().map(|range| grid.slots(&range)).sum::<u64>(), slots(&set).len() as u64);
        prop_assert_eq!(aligned.total(), slots(&set).len() as u64 * grid.step().unsigned_abs());
    }

    #[test]
    fn slots_are_where_the_definition_puts_them(
        step in prop_oneof![1..100i64, any::<i64>().prop_map(|step| step.saturating_abs().max(1))],
        origin in any::<i64>(),
        t in prop_oneof![any::<i64>(), i64::MIN..i64::MIN + 200, i64::MAX - 200..i64::MAX],
        len in prop_oneof![-3..300i64, any::<i64>()],
    ) {
        let grid = Grid::new(step).expect("a step").with_origin(origin);
        let (wide, step) = (i128::from(t), i128::from(step));
        let floor = wide - (wide - i128::from(origin)).rem_euclid(step);
        let ceil = if floor == wide { wide } else { floor + step };
        let clamp = |t: i128| i64::try_from(t.clamp(i64::MIN.into(), i64::MAX.into())).expect("clamped");
        prop_assert_eq!(grid.floor(t), clamp(floor));
        prop_assert_eq!(grid.ceil(t), clamp(ceil));
        prop_assert_eq!(grid.is_on(t), floor == wide);
        let end = t.saturating_add(len);
        let slots = (i128::from(end) - ceil + step - 1).div_euclid(step).max(0);
        prop_assert_eq!(i128::from(grid.slots(&(t..end))), if end <= t { 0 } else { slots });
    }
}

#[test]
fn a_set_may_reach_from_the_first_instant_to_the_last() {
    let all = Intervals::single(i64::MIN..i64::MAX);
    assert_eq!(all.total(), u64::MAX);
    assert!(all.contains(i64::MIN) && all.contains(i64::MAX) && all.covers(&(i64::MIN..i64::MAX)));
    let today = Intervals::single(-5..5);
    let rest = all.difference(&today);
    assert_eq!(rest.as_slice(), [i64::MIN..-5, 5..i64::MAX]);
    assert_eq!(rest.total(), u64::MAX - 10);
    assert_eq!(rest.union(&today), all);
    assert_eq!(all.intersection(&rest), rest);
    assert_eq!(all.clip(&(i64::MIN..0)).as_slice(), [i64::MIN..0]);
    assert_eq!(today.clip(&(0..i64::MAX)).as_slice(), [0..5]);
}

#[test]
fn the_last_instant_is_only_in_a_set_without_end() {
    assert!(!Intervals::single(0..i64::MAX - 1).contains(i64::MAX));
    assert!(!Intervals::new().contains(i64::MAX));
}

#[test]
fn empty_ranges_and_ranges_that_end_before_they_start_hold_nothing() {
    assert!(Intervals::single(3..3).is_empty());
    assert!(Intervals::single(BACKWARDS).is_empty());
    let set = Intervals::single(0..10);
    assert!(set.covers(&BACKWARDS) && set.clip(&BACKWARDS).is_empty());
    let mut left = Vec::new();
    subtract_into(&mut left, set.as_slice(), [2..4, BACKWARDS, 8..8].into_iter());
    assert_eq!(left, [0..2, 4..10]);
}

#[test]
fn what_is_taken_is_read_one_range_further_than_wanted() {
    let mut taken = [-5..2, 4..6, 20..30, 40..50].into_iter();
    let mut left = Vec::new();
    subtract_into(&mut left, &[0..10], taken.by_ref());
    assert_eq!((left, taken.next()), (vec![2..4, 6..10], Some(40..50)));
}

#[test]
fn a_grid_at_the_ends_of_time_saturates() {
    let grid = Grid::new(60).expect("a step");
    assert_eq!(grid.ceil(i64::MAX), i64::MAX);
    assert_eq!(grid.floor(i64::MIN), i64::MIN);
    assert_eq!(grid.align(&(1..i64::MAX)), 60..i64::MAX);
    assert_eq!(grid.slots(&(i64::MAX - 3..i64::MAX)), 0);
    let every = Grid::new(1).expect("a step");
    assert_eq!(every.slots(&(i64::MIN..i64::MAX)), u64::MAX);
    assert!(every.is_on(i64::MIN) && !every.is_on(i64::MAX));
    assert_eq!(every.floor(i64::MAX), i64::MAX - 1);
    let wide = Grid::new(i64::MAX).expect("a step").with_origin(i64::MIN);
    assert_eq!(wide.slots(&(i64::MIN..i64::MAX)), 3);
}

#[test]
fn a_grid_is_the_same_whichever_slot_is_its_origin() {
    let grid = Grid::new(60).expect("a step");
    assert_eq!(grid.with_origin(-7), grid.with_origin(113));
    assert_eq!(grid.with_origin(-7).origin(), 53);
    for step in [0, -1, i64::MIN] {
        let error = Grid::new(step).expect_err("no step");
        assert!(error.message().contains(&step.to_string()), "{error}");
    }
}

#[test]
fn a_range_between_two_slots_holds_none() {
    let grid = Grid::new(60).expect("a step");
    assert!(grid.align(&(61..119)).is_empty());
    let set: Intervals = [0..55, 58..100].into_iter().collect();
    assert_eq!(set.on_grid(&grid).as_slice(), [0..120], "no slot lies between");
}
