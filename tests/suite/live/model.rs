//! Rows that tell who wrote them and when, so that a snapshot can be judged by itself.
//!
//! Writer `w` writes rows numbered 0, 1, 2 ... in commits whose sizes repeat. A snapshot is right when each
//! writer's rows are `0..n` without holes or doubles, and `n` is the end of a commit.

use std::collections::BTreeMap;
use std::time::Duration;

use gapless::Snapshot;
use gapless::scan::Order;

use crate::common::{DAY, Row, SECOND, rows};

/// Rows of a writer's commits, over and over.
const SIZES: [i64; 7] = [1, 2, 3, 5, 1, 4, 2];

/// Bulk commits have this many times as many.
pub const BULK: i64 = 20;

const ID_BITS: u32 = 40;

/// How a writer's rows fall into commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// Every row may be the last one.
    Any,
    /// The sizes, times a factor.
    Sized(i64),
}

impl Commits {
    /// Rows in commit number `at`.
    pub fn rows(self, at: i64) -> i64 {
        match self {
            Self::Any => 1,
            Self::Sized(factor) => SIZES[(at % 7) as usize] * factor,
        }
    }

    /// Whether a commit ends after `rows` rows.
    fn ends_at(self, rows: i64) -> bool {
        let Self::Sized(factor) = self else { return true };
        let mut left = rows % (SIZES.iter().sum::<i64>() * factor);
        for size in SIZES {
            if left <= 0 {
                break;
            }
            left -= size * factor;
        }
        left == 0
    }
}

/// Row `number` of a writer: everything follows from these two.
pub fn row(writer: i64, number: i64) -> Row {
    let now = number % 5 == 0;
    let day = if now { 20_000 } else { number % 3 };
    Row {
        ts: day * DAY + number * SECOND / 50,
        sym: Some(format!("w{writer}s{}", number * 7 % 13)),
        price: (number % 4 != 0).then_some(number as f64),
        id: (writer << ID_BITS) + number,
    }
}

/// Rows `from..from + count` of a writer.
pub fn rows_of(writer: i64, from: i64, count: i64) -> Vec<Row> {
    (from..from + count).map(|number| row(writer, number)).collect()
}

/// What one snapshot has of a table: rows of each writer.
pub type Seen = BTreeMap<i64, i64>;

/// The writer of a row.
pub fn writer_of(row: &Row) -> i64 {
    row.id >> ID_BITS
}

/// Checks the rows of numbered writers; `commits` tells of each how its rows fall into commits.
pub fn judge(found: &[Row], commits: impl Fn(i64) -> Commits) -> Result<Seen, String> {
    let mut numbers: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for found in found {
        let (writer, number) = (writer_of(found), found.id & ((1 << ID_BITS) - 1));
        if *found != row(writer, number) {
            return Err(format!("{found:?} is not what was written"));
        }
        numbers.entry(writer).or_default().push(number);
    }
    let mut seen = Seen::new();
    for (writer, mut numbers) in numbers {
        numbers.sort_unstable();
        if let Some((expected, found)) = (0..).zip(&numbers).find(|(expected, found)| expected != *found) {
            return Err(format!("writer {writer}: row {found} where {expected} should be"));
        }
        let count = numbers.len() as i64;
        if !commits(writer).ends_at(count) {
            return Err(format!(
                "writer {writer}: {count} rows are not the end of a commit"
            ));
        }
        seen.insert(writer, count);
    }
    Ok(seen)
}

/// Whether something was seen that is no longer there.
pub fn went_back(before: &Seen, now: &Seen) -> Option<String> {
    let lost = |(writer, rows): (&i64, &i64)| {
        let now = now.get(writer).copied().unwrap_or(0);
        (now < *rows).then(|| format!("writer {writer}: {now} rows after {rows}"))
    };
    before.iter().find_map(lost)
}

/// All rows of a table in a snapshot, in the order by series, which the other two orders and the count must agree with.
pub fn read(snapshot: &Snapshot, table: &str, orders: bool) -> Result<Vec<Row>, String> {
    let scan = || {
        snapshot
            .scan(table)
            .map_err(|error| format!("scan {table}: {error:?}"))
    };
    let collect = |order: Order| {
        let batches = scan()?.order(order).collect();
        batches
            .map(|batches| rows(&batches))
            .map_err(|error| format!("{table} by {order:?}: {error:?}"))
    };
    let found = collect(Order::Series)?;
    let key = |row: &Row| (row.sym.clone(), row.ts);
    if !found.is_sorted_by_key(key) {
        return Err(format!("{table} is not in the order by series"));
    }
    if orders {
        let count = scan()?
            .count()
            .map_err(|error| format!("count {table}: {error:?}"))?;
        if count != found.len() as u64 {
            return Err(format!("{table}: {count} counted, {} collected", found.len()));
        }
        let mut expected: Vec<i64> = found.iter().map(|row| row.id).collect();
        expected.sort_unstable();
        for order in [Order::Time, Order::Stored] {
            let other = collect(order)?;
            if order == Order::Time && !other.is_sorted_by_key(|row| row.ts) {
                return Err(format!("{table} is not in the order by time"));
            }
            let mut ids: Vec<i64> = other.iter().map(|row| row.id).collect();
            ids.sort_unstable();
            if ids != expected {
                return Err(format!(
                    "{table}: {} rows by {order:?}, {} by series",
                    ids.len(),
                    expected.len()
                ));
            }
        }
    }
    Ok(found)
}

/// Seconds that a soak takes.
pub fn soak_seconds(short: u64) -> Duration {
    let asked = std::env::var("GAPLESS_SOAK_SECONDS")
        .ok()
        .and_then(|n| n.parse().ok());
    Duration::from_secs(asked.unwrap_or(short))
}

/// Decisions that can be repeated.
pub struct Dice(u64);

impl Dice {
    /// The seed of this run, printed.
    pub fn seed() -> u64 {
        let asked = std::env::var("GAPLESS_SOAK_SEED")
            .ok()
            .and_then(|n| n.parse().ok());
        let seed = asked.unwrap_or_else(|| u64::from(std::process::id()) * 0x9e37_79b9);
        println!("GAPLESS_SOAK_SEED={seed}");
        seed
    }

    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

#[test]
fn the_judge_sees_holes_doubles_halves_and_what_goes_back() {
    let sized = |_| Commits::Sized(1);
    let whole = rows_of(3, 0, 6);
    assert_eq!(judge(&whole, sized), Ok(Seen::from([(3, 6)])));
    assert!(judge(&whole[..5], sized).is_err(), "half of a commit");
    assert!(judge(&whole[..5], |_| Commits::Any).is_ok());
    let hole: Vec<Row> = whole
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, row)| row.clone())
        .collect();
    assert!(judge(&hole, |_| Commits::Any).is_err());
    assert!(judge(&[&whole[..], &whole[..1]].concat(), |_| Commits::Any).is_err());
    let before = Seen::from([(1, 5), (2, 3)]);
    assert_eq!(went_back(&before, &before), None);
    assert!(went_back(&before, &Seen::from([(1, 5)])).is_some());
}
