//! Batches with every value that has failed somewhere, and random expressions over them.

use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringBuilder};
use arrow_array::types::*;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, RecordBatch, StringArray, UInt32Array,
};

use crate::expr::tree::{Expr, Value, col, lit};

/// Random numbers that a seed replays.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end as u64) as usize
    }

    pub(super) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

pub(super) const FLOATS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.5,
    7.0,
    1e300,
    -1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    -f64::NAN,
    9_007_199_254_740_993.0,
    9_223_372_036_854_775_807.0,
];

fn primitive<T: ArrowPrimitiveType>(random: &mut Random, rows: usize, values: &[T::Native]) -> ArrayRef {
    let mut builder = PrimitiveBuilder::<T>::new();
    for _ in 0..rows {
        match random.below(6) {
            0 => builder.append_null(),
            _ => builder.append_value(random.of(values)),
        }
    }
    Arc::new(builder.finish())
}

/// Symbols of which some are null, some unused, and one stands twice.
pub(super) fn symbols(random: &mut Random, rows: usize) -> ArrayRef {
    let values = StringArray::from(vec![
        Some("A"),
        Some("AB"),
        None,
        Some("b"),
        Some("A"),
        Some("unused"),
        Some(""),
    ]);
    let keys = (0..rows).map(|_| random.of(&[Some(0u32), Some(1), Some(2), Some(3), Some(4), Some(6), None]));
    let keys: UInt32Array = keys.collect();
    Arc::new(DictionaryArray::new(keys, Arc::new(values)))
}

/// A batch that is a slice of a larger one. `small` leaves integers out whose products overflow.
pub(super) fn batch(random: &mut Random, small: bool) -> RecordBatch {
    let rows = 1 + random.below(300);
    let all = rows + random.below(80);
    let mut texts = StringBuilder::new();
    for _ in 0..all {
        texts.append_option(random.of(&[
            None,
            Some("A"),
            Some("AB%"),
            Some("b\nc"),
            Some("\u{e9}_x"),
            Some(""),
        ]));
    }
    let big = if small { 3 } else { i64::MAX };
    let floats32: Vec<f32> = FLOATS.iter().map(|value| *value as f32).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("f", primitive::<Float64Type>(random, all, &FLOATS)),
        ("g", primitive::<Float32Type>(random, all, &floats32)),
        (
            "a",
            primitive::<Int8Type>(random, all, &[0, 1, -1, 5, i8::MAX, i8::MIN]),
        ),
        ("h", primitive::<Int16Type>(random, all, &[0, 1, -1, 7, i16::MAX])),
        (
            "i",
            primitive::<Int32Type>(random, all, &[0, 1, -2, 7, i32::MAX, i32::MIN]),
        ),
        (
            "l",
            primitive::<Int64Type>(random, all, &[0, 1, -1, 2, big, -big, big - 1]),
        ),
        ("v", primitive::<UInt8Type>(random, all, &[0, 1, 5, u8::MAX])),
        ("w", primitive::<UInt32Type>(random, all, &[0, 1, 7, u32::MAX])),
        (
            "u",
            primitive::<UInt64Type>(
                random,
                all,
                &[0, 1, 7, big as u64, if small { 9 } else { u64::MAX }],
            ),
        ),
        (
            "b",
            Arc::new(BooleanArray::from_iter(
                (0..all).map(|_| random.of(&[None, Some(true), Some(false)])),
            )),
        ),
        ("t", Arc::new(texts.finish())),
        ("s", symbols(random, all)),
        ("s2", symbols(random, all)),
    ];
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let whole = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    whole.slice(random.below(all - rows + 1), rows)
}

fn float(random: &mut Random, depth: usize) -> Expr {
    if depth == 0 {
        return random.of(&[col("f"), col("f"), lit(2.5), lit(0.0), lit(-1.0), lit(f64::NAN)]);
    }
    let part = |random: &mut Random| float(random, depth - 1);
    match random.below(8) {
        0 => part(random).coalesce(float(random, 0)),
        1 => condition(random, depth - 1).if_then_else(float(random, depth - 1), float(random, depth - 1)),
        2 => part(random).least(float(random, depth - 1)),
        3 => part(random).greatest(float(random, depth - 1)),
        4 => part(random).abs(),
        5 => number(random, depth - 1) / number(random, depth - 1),
        6 => -part(random),
        _ => {
            let (a, b) = (part(random), number(random, depth - 1));
            arithmetic(random, a, b)
        }
    }
}

fn arithmetic(random: &mut Random, a: Expr, b: Expr) -> Expr {
    match random.below(4) {
        0 => a + b,
        1 => a - b,
        2 => a * b,
        _ => a % b,
    }
}

fn integer(random: &mut Random, depth: usize) -> Expr {
    if depth == 0 {
        return random.of(&[
            col("a"),
            col("h"),
            col("i"),
            col("l"),
            col("l"),
            lit(3),
            lit(0),
            lit(-7),
        ]);
    }
    let part = integer(random, depth - 1);
    match random.below(6) {
        0 => part.coalesce(integer(random, 0)),
        1 => condition(random, depth - 1).if_then_else(part, integer(random, depth - 1)),
        2 => part.least(integer(random, depth - 1)),
        3 => -part,
        _ => {
            let other = integer(random, depth - 1);
            arithmetic(random, part, other)
        }
    }
}

/// An expression with a number of any type.
pub(super) fn number(random: &mut Random, depth: usize) -> Expr {
    match random.below(8) {
        0..3 => float(random, depth),
        3..6 => integer(random, depth),
        6 => random.of(&[
            col("u"),
            col("v"),
            col("w"),
            col("u") + 1,
            col("v") * col("w"),
            lit(5u64),
        ]),
        _ => random.of(&[col("g"), col("g") * col("g"), col("g") - col("i"), -col("g")]),
    }
}

fn compared(random: &mut Random, a: Expr, b: Expr) -> Expr {
    match random.below(6) {
        0 => a.eq(b),
        1 => a.ne(b),
        2 => a.lt(b),
        3 => a.le(b),
        4 => a.gt(b),
        _ => a.ge(b),
    }
}

/// A comparison of a column with a literal, of which a scan checks most itself.
pub(super) fn simple(random: &mut Random) -> Expr {
    let numbers = ["f", "g", "a", "h", "i", "l", "v", "w", "u"];
    let column = col(random.of(&numbers));
    let value = match random.below(4) {
        0 => lit(random.of(&FLOATS)),
        1 => lit(random.of(&[0i64, 1, -1, 7, 255, i64::MIN])),
        2 => lit(random.of(&[0u64, 7, 1 << 40])),
        _ => lit(random.of(&[2.5, 0.5, -0.0, 255.5])),
    };
    let text = col(random.of(&["s", "t"]));
    match random.below(9) {
        0 => text.like(random.of(&["A%", "A", "%", "%b%", "_", "a%", ""])),
        1 => text.is_in(random.of(&[vec!["A", "b"], vec![], vec!["A", "", "x", "y", "z", "AB"]])),
        2 => {
            let wanted = lit(random.of(&["A", "AA", "", "b", "zz"]));
            compared(random, text, wanted)
        }
        3 => column.is_in(random.of(&[vec![1i64], vec![], vec![0, 1, 2, 7, -1, 255]])),
        4 => column.is_null(),
        5 => col("b"),
        6 => {
            let wanted = random.of(&[lit(true), lit(false)]);
            compared(random, col("b"), wanted)
        }
        7 => compared(random, value, column),
        _ => compared(random, column, value),
    }
}

/// A condition of any kind.
pub(super) fn condition(random: &mut Random, depth: usize) -> Expr {
    if depth == 0 {
        return match random.below(6) {
            0 => col("s").ilike(random.of(&["a%", "%B", "_b"])),
            1 => {
                let other = random.of(&[col("s2"), col("t")]);
                compared(random, col("s"), other)
            }
            2 => Expr::In(Box::new(col("l")), vec![Value::Null, Value::Plain(1i64.into())]),
            _ => simple(random),
        };
    }
    match random.below(8) {
        0 => condition(random, depth - 1).and(condition(random, depth - 1)),
        1 => condition(random, depth - 1).or(condition(random, depth - 1)),
        2 => !condition(random, depth - 1),
        3 => number(random, depth - 1).is_null(),
        4 => number(random, depth - 1).is_nan(),
        5 => simple(random),
        _ => {
            let (a, b) = (number(random, depth - 1), number(random, depth - 1));
            compared(random, a, b)
        }
    }
}
