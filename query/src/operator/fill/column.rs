//! One column of filled rows: where the value of each slot is, or what it is.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, Schema};
use gapless_engine::Result;

use super::options::Kind;
use super::seeds::{Found, Loaded, touches};
use super::{Role, constant};
use crate::error::arrow_error;
use crate::operator::asof::{Matched, Matches};
use crate::operator::unknown_column;

/// The number of the batch of constants.
pub(super) const CONSTANTS: u32 = 0;

/// A row in the range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The slot, counted from the first of the window.
    pub(super) slot: u32,
    /// The place of its batch in the window, and its row in it.
    pub(super) batch: u32,
    pub(super) row: u32,
    pub(super) time: i64,
}

/// Slots of one series that are filled at once, and their rows.
pub(super) struct Window<'a> {
    pub(super) entries: &'a [Entry],
    /// The last row of each slot, `u32::MAX` where it has none.
    pub(super) last: &'a [u32],
    /// Where each slot begins, and where the last ends.
    pub(super) bounds: &'a [i64],
    pub(super) batches: &'a [(u32, RecordBatch)],
    pub(super) gaps: &'a [Range<i64>],
}

impl Window<'_> {
    fn pick(&self, entry: &Entry) -> (u32, u32) {
        let batch = self.batches.get(entry.batch as usize);
        batch.map_or(Matches::NONE, |(number, _)| (*number, entry.row))
    }

    /// Each slot: its last row, where it begins, and where it ends.
    fn slots(&self) -> impl Iterator<Item = (Option<&Entry>, i64, i64)> + '_ {
        let bounds = self.bounds.windows(2).map(|pair| match pair {
            [start, end] => (*start, *end),
            _ => (0, 0),
        });
        let rows = self.last.iter().map(|at| self.entries.get(*at as usize));
        rows.zip(bounds).map(|(row, (start, end))| (row, start, end))
    }
}

/// A column that is filled, as far as it is not given yet.
pub(super) struct ValueColumn {
    pub(super) name: String,
    /// Where it is among the columns of the rows.
    place: usize,
    data_type: DataType,
    kind: Kind,
    max_age: Option<i64>,
    state: State,
}

enum State {
    /// Where values are; the last that was there.
    Picks {
        rows: Vec<(u32, u32)>,
        carried: Option<Found>,
    },
    Line(Line),
}

/// Values between values.
#[derive(Default)]
struct Line {
    values: Vec<Option<f64>>,
    /// The last value and its time.
    left: Option<(i64, f64)>,
    /// The first slot that waits for the next value.
    open: Option<usize>,
    /// The first value after the range.
    after: Option<(i64, f64)>,
}

impl ValueColumn {
    pub(super) fn all(roles: &[Role], schema: &Schema) -> Result<Vec<Self>> {
        let mut columns = Vec::new();
        for role in roles {
            let Role::Value(filled) = role else { continue };
            let place = schema
                .index_of(&filled.name)
                .map_err(|_| unknown_column(&filled.name, schema))?;
            columns.push(Self {
                name: filled.name.clone(),
                place,
                data_type: filled.data_type.clone(),
                max_age: filled.max_age,
                state: match filled.kind {
                    Kind::Linear => State::Line(Line::default()),
                    _ => State::Picks {
                        rows: Vec::new(),
                        carried: None,
                    },
                },
                kind: filled.kind.clone(),
            });
        }
        Ok(columns)
    }

    /// The constant, if it is one.
    pub(super) fn constant(&self) -> Result<Option<(usize, ArrayRef)>> {
        match &self.kind {
            Kind::Constant(value) => {
                let array = constant::array(&self.name, value, &self.data_type)?;
                Ok(Some((self.place, array)))
            }
            _ => Ok(None),
        }
    }

    /// A series begins.
    pub(super) fn begin(&mut self, series: u32, seeds: &Loaded) -> Result<()> {
        let of = |found: &hashbrown::HashMap<String, hashbrown::HashMap<u32, Found>>| {
            found
                .get(&self.name)
                .and_then(|found| found.get(&series))
                .copied()
        };
        let (before, after) = (of(&seeds.before), of(&seeds.after));
        let float = |found: Option<Found>| -> Result<Option<(i64, f64)>> {
            let Some((time, (number, row))) = found else {
                return Ok(None);
            };
            let batch = seeds.batches.iter().find(|(other, _)| *other == number);
            let array = batch.map(|(_, batch)| batch.column(self.place).slice(row as usize, 1));
            let value = array.map(|array| floats(&array)).transpose()?;
            let value = value
                .filter(|value| value.is_valid(0))
                .map(|value| value.value(0));
            Ok(value.map(|value| (time, value)))
        };
        match &mut self.state {
            State::Picks { carried, .. } => *carried = before,
            State::Line(line) => (line.left, line.after) = (float(before)?, float(after)?),
        }
        Ok(())
    }

    /// Rows of the series before the range.
    pub(super) fn before(
        &mut self,
        (number, batch): (u32, &RecordBatch),
        times: &[i64],
        rows: Range<usize>,
    ) -> Result<()> {
        let array = batch.column(self.place);
        let Some(row) = rows.clone().rev().find(|row| array.is_valid(*row)) else {
            return Ok(());
        };
        let time = times.get(row).copied().unwrap_or_default();
        match &mut self.state {
            State::Picks { carried, .. } => {
                *carried = Some((time, (number, u32::try_from(row).unwrap_or(u32::MAX))));
            }
            State::Line(line) => line.left = Some((time, floats(&array.slice(row, 1))?.value(0))),
        }
        Ok(())
    }

    /// Rows of the series after the range; true when more of them could matter.
    pub(super) fn after(&mut self, batch: &RecordBatch, times: &[i64], rows: Range<usize>) -> Result<bool> {
        let State::Line(line) = &mut self.state else {
            return Ok(false);
        };
        if line.after.is_some() || line.open.is_none() {
            return Ok(false);
        }
        let array = batch.column(self.place);
        let mut rows = rows;
        let Some(row) = rows.find(|row| array.is_valid(*row)) else {
            return Ok(true);
        };
        let time = times.get(row).copied().unwrap_or_default();
        line.after = Some((time, floats(&array.slice(row, 1))?.value(0)));
        Ok(false)
    }

    /// Adds the slots of a window. `starts` are those of all slots that are not given yet, with these.
    pub(super) fn add(&mut self, window: &Window<'_>, starts: &[i64]) -> Result<()> {
        let (place, max_age) = (self.place, self.max_age);
        let arrays: Vec<&ArrayRef> = window
            .batches
            .iter()
            .map(|(_, batch)| batch.column(place))
            .collect();
        let is_valid = |entry: &Entry| {
            let array = arrays.get(entry.batch as usize);
            array.is_some_and(|array| array.is_valid(entry.row as usize))
        };
        let (rows, carried) = match &mut self.state {
            State::Picks { rows, carried } => (rows, carried),
            State::Line(line) => return line.add(window, &arrays, starts),
        };
        match self.kind {
            Kind::Constant(_) => rows.extend(window.slots().map(|(row, start, end)| match row {
                Some(entry) if is_valid(entry) => window.pick(entry),
                _ if touches(window.gaps, start, end) => Matches::NONE,
                _ => (CONSTANTS, 0),
            })),
            Kind::Previous => {
                let mut entries = window.entries.iter().peekable();
                rows.extend((0..).zip(window.slots()).map(|(slot, (row, start, end))| {
                    while let Some(entry) = entries.next_if(|entry| entry.slot == slot) {
                        if is_valid(entry) {
                            *carried = Some((entry.time, window.pick(entry)));
                        }
                    }
                    match *carried {
                        Some((_, pick)) if row.is_some_and(&is_valid) => pick,
                        Some((time, pick))
                            if max_age.is_none_or(|age| start.saturating_sub(time) <= age)
                                && !touches(window.gaps, time, end) =>
                        {
                            pick
                        }
                        _ => Matches::NONE,
                    }
                }));
            }
            _ => rows.extend(
                window
                    .slots()
                    .map(|(row, ..)| row.map_or(Matches::NONE, |entry| window.pick(entry))),
            ),
        }
        Ok(())
    }

    /// The series ends: what still waits for a value gets the first after the range, or none.
    pub(super) fn end(&mut self, starts: &[i64], gaps: &[Range<i64>]) {
        if let State::Line(line) = &mut self.state {
            if let Some(after) = line.after {
                line.resolve(after, starts, gaps);
            }
            *line = Line {
                values: std::mem::take(&mut line.values),
                ..Line::default()
            };
        }
    }

    /// How many slots are decided.
    pub(super) fn decided(&self) -> usize {
        match &self.state {
            State::Picks { rows, .. } => rows.len(),
            State::Line(line) => line.open.unwrap_or(line.values.len()),
        }
    }

    /// The batches that it may still need.
    pub(super) fn needed(&self) -> impl Iterator<Item = u32> + '_ {
        let (rows, carried) = match &self.state {
            State::Picks { rows, carried } => (rows.as_slice(), *carried),
            State::Line(_) => (&[][..], None),
        };
        let numbers = rows.chunk_by(|a, b| a.0 == b.0).filter_map(|run| run.first());
        numbers
            .map(|(number, _)| *number)
            .chain(carried.map(|(_, (number, _))| number))
    }

    /// The values of the first slots, which it forgets.
    pub(super) fn take(
        &mut self,
        count: usize,
        batches: &[(u32, &RecordBatch)],
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        match &mut self.state {
            State::Picks { rows, .. } => {
                let matches = Matches {
                    rows: rows.drain(..count).collect(),
                };
                Matched::new(&matches, batches).column(self.place, &self.data_type)
            }
            State::Line(line) => {
                line.open = line.open.map(|open| open - count);
                let values: ArrayRef = Arc::new(line.values.drain(..count).collect::<Float64Array>());
                cast(&values, data_type).map_err(|error| arrow_error("fill", &error))
            }
        }
    }
}

/// Numbers as floats.
fn floats(array: &dyn Array) -> Result<Float64Array> {
    let array = cast(array, &DataType::Float64).map_err(|error| arrow_error("fill", &error))?;
    Ok(array.as_primitive::<Float64Type>().clone())
}

impl Line {
    fn add(&mut self, window: &Window<'_>, arrays: &[&ArrayRef], starts: &[i64]) -> Result<()> {
        let values = points(window, arrays)?;
        let mut points = window.entries.iter().zip(&values).peekable();
        let first = starts.len() - window.last.len();
        for (slot, at) in (0..).zip(window.last) {
            let own = values.get(*at as usize).copied().flatten();
            self.values.push(own);
            if own.is_none() && self.open.is_none() {
                self.open = Some(first + slot as usize);
            }
            while let Some((entry, value)) = points.next_if(|(entry, _)| entry.slot == slot) {
                if let Some(value) = value {
                    self.resolve((entry.time, *value), starts, window.gaps);
                    self.left = Some((entry.time, *value));
                }
            }
        }
        Ok(())
    }

    /// What waits gets its values from the line to a point.
    fn resolve(&mut self, (end, to): (i64, f64), starts: &[i64], gaps: &[Range<i64>]) {
        let Some(open) = self.open.take() else {
            return;
        };
        let Some((start, from)) = self
            .left
            .filter(|(start, _)| !touches(gaps, *start, end.saturating_add(1)))
        else {
            return;
        };
        let length = end.wrapping_sub(start) as u64 as f64;
        for (value, at) in self.values.iter_mut().zip(starts).skip(open) {
            // The last one may be a value that is there.
            if value.is_none() {
                let share = at.wrapping_sub(start) as u64 as f64 / length;
                *value = Some(from + (to - from) * share);
            }
        }
    }
}

/// The values of a window's rows as floats; only what lies in the window is converted.
fn points(window: &Window<'_>, arrays: &[&ArrayRef]) -> Result<Vec<Option<f64>>> {
    let mut values = Vec::with_capacity(window.entries.len());
    for run in window.entries.chunk_by(|a, b| a.batch == b.batch) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        let rows = first.row as usize..last.row as usize + 1;
        match arrays.get(first.batch as usize) {
            Some(array) => {
                let array = floats(&array.slice(rows.start, rows.len()))?;
                values.extend(run.iter().map(|entry| {
                    let at = entry.row as usize - rows.start;
                    array.is_valid(at).then(|| array.value(at))
                }));
            }
            None => values.resize(values.len() + run.len(), None),
        }
    }
    Ok(values)
}
