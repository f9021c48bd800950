//! How many different values there are.
//!
//! Values become 64 bits: themselves where they fit, otherwise a number that is given to each value once. Equal bits of a group
//! are dropped by sorting, whenever their number has doubled.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use gapless_engine::{Error, Result};
use hashbrown::HashMap;

use super::accumulator::{Accumulator, Sequence, Span, input, same_kind};
use super::log::{Log, each};
use super::native::natives;
use super::rows::Rows;
use super::text::Bytes;

/// Values that are kept before equal ones are dropped.
const CROWD: usize = 1 << 16;
/// No number has been given to the symbol.
const UNKNOWN: u64 = u64::MAX;

/// Numbers of values that are wider than 64 bits.
#[derive(Default)]
struct Numbers {
    of: HashMap<Box<[u8]>, u64>,
    held: usize,
}

impl Numbers {
    fn number(&mut self, value: &[u8]) -> u64 {
        let next = self.of.len() as u64;
        if let Some(number) = self.of.get(value) {
            return *number;
        }
        self.held += value.len();
        self.of.insert(value.into(), next);
        next
    }
}

/// Counts different values.
#[derive(Default)]
pub(super) struct Distinct {
    log: Log<u64>,
    /// How many values there were when equal ones were last dropped.
    dropped_at: usize,
    numbers: Numbers,
}

fn bits<N: ArrowNativeType>(array: &ArrayRef, rows: &Rows, bits: impl Fn(N) -> u64) -> Result<Vec<u64>> {
    let mut keys = Vec::with_capacity(array.len());
    rows.together(&natives::<N>(array)?, |value| keys.push(bits(value)));
    Ok(keys)
}

/// NaN is one value, and zero is.
fn float(value: f64) -> u64 {
    if value.is_nan() {
        return f64::NAN.to_bits();
    }
    // 0.0 + -0.0 is 0.0
    (value + 0.0).to_bits()
}

impl Distinct {
    fn keys(&mut self, array: &ArrayRef, rows: &Rows) -> Result<Vec<u64>> {
        use DataType as D;
        match array.data_type() {
            D::Float32 => bits::<f32>(array, rows, |value| float(f64::from(value))),
            D::Float64 => bits(array, rows, float),
            D::Boolean => {
                let values: Vec<u64> = array.as_boolean().values().iter().map(u64::from).collect();
                Ok(rows.dense(&values).into_owned())
            }
            D::Decimal128(..) => {
                let numbers = &mut self.numbers;
                let mut keys = Vec::with_capacity(array.len());
                rows.together(&natives::<i128>(array)?, |value| {
                    keys.push(numbers.number(&value.to_ne_bytes()));
                });
                Ok(keys)
            }
            of => match of.primitive_width() {
                Some(1) => bits::<u8>(array, rows, u64::from),
                Some(2) => bits::<u16>(array, rows, u64::from),
                Some(4) => bits::<u32>(array, rows, u64::from),
                Some(8) => bits::<u64>(array, rows, |value| value),
                _ => self.texts(array, rows),
            },
        }
    }

    fn texts(&mut self, array: &ArrayRef, rows: &Rows) -> Result<Vec<u64>> {
        let len = u32::try_from(array.len())
            .map_err(|_| Error::internal("a batch of more rows than 32 bits count"))?;
        let numbers: Vec<u32> = (0..len).collect();
        let bytes = Bytes::of(array)?;
        let mut known = match &bytes {
            Bytes::Symbols(_, texts) => vec![UNKNOWN; texts.len()],
            _ => Vec::new(),
        };
        let mut keys = Vec::with_capacity(array.len());
        rows.together(&numbers, |row| {
            let row = row as usize;
            let known = match &bytes {
                Bytes::Symbols(codes, _) => known.get_mut(codes.value(row) as usize),
                _ => None,
            };
            keys.push(match known {
                Some(known) => {
                    if *known == UNKNOWN {
                        *known = self.numbers.number(bytes.value(row));
                    }
                    *known
                }
                None => self.numbers.number(bytes.value(row)),
            });
        });
        Ok(keys)
    }

    fn drop_equal(&mut self) -> Result<()> {
        if self.log.len() < 2 * self.dropped_at + CROWD {
            return Ok(());
        }
        let groups = self.log.groups();
        let (mut values, ends) = self.log.take(groups);
        self.log.grow(groups);
        let (mut group, mut result) = (0, Ok(()));
        each(&mut values, &ends, |values| {
            let kept = different(values);
            let span = Span {
                group,
                start: 0,
                end: 0,
            };
            if result.is_ok() {
                result = self.log.push(span, values.get(..kept));
            }
            group += 1;
        });
        self.dropped_at = self.log.len();
        result
    }
}

/// Moves the different values to the front, and says how many they are.
fn different(values: &mut [u64]) -> usize {
    values.sort_unstable();
    let mut kept = 0;
    for at in 0..values.len() {
        if kept == 0 || values[at] != values[kept - 1] {
            values[kept] = values[at];
            kept += 1;
        }
    }
    kept
}

impl Accumulator for Distinct {
    fn grow(&mut self, groups: usize) {
        self.log.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let keys = self.keys(input(inputs, 0)?, &rows)?;
        for span in spans {
            self.log.push(*span, keys.get(rows.range(*span)))?;
        }
        self.drop_equal()
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        let mut new = vec![0; other.numbers.of.len()];
        for (value, number) in &other.numbers.of {
            if let Some(new) = new.get_mut(*number as usize) {
                *new = self.numbers.number(value);
            }
        }
        if new.is_empty() {
            self.log.merge(&other.log, groups, |value| value)?;
        } else {
            let number = |value: u64| new.get(value as usize).copied().unwrap_or(value);
            self.log.merge(&other.log, groups, number)?;
        }
        self.drop_equal()
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let (mut values, ends) = self.log.take(count);
        let mut counts = Vec::with_capacity(count);
        each(&mut values, &ends, |values| counts.push(different(values) as i64));
        self.dropped_at = self.dropped_at.min(self.log.len());
        if self.log.len() == 0 {
            self.numbers = Numbers::default();
        }
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn bytes(&self) -> usize {
        let entries = self.numbers.of.capacity() * size_of::<(Box<[u8]>, u64)>();
        self.log.bytes() + self.numbers.held + entries
    }
}
