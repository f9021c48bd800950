//! Matches where further columns must be equal: the right rows of a series, by their values in these.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{DataType, Schema};
use gapless_engine::{Error, Result};
use hashbrown::HashMap;

use super::cursor::{Cursor, Matches};
use super::options::{AsOf, Direction};
use crate::error::arrow_error;
use crate::operator::{normalized, unknown_column};
use crate::source::{Rows, SeriesRun};

/// The right rows of one value of the key, by time.
type Rights = Vec<(u32, u32, i64)>;

/// Finds right rows by key and time.
pub(in crate::operator) struct Keyed {
    cursor: Cursor,
    converter: RowConverter,
    left: Vec<usize>,
    right: Vec<usize>,
    series: Option<u32>,
    rights: HashMap<OwnedRow, Rights>,
}

impl Keyed {
    pub(super) fn new(cursor: Cursor, left: &Schema, right: &Schema, options: &AsOf) -> Result<Self> {
        let places = |schema: &Schema| {
            let place = |name: &String| schema.index_of(name).map_err(|_| unknown_column(name, schema));
            options.by.iter().map(place).collect::<Result<Vec<_>>>()
        };
        let (left_places, right_places) = (places(left)?, places(right)?);
        let mut fields = Vec::new();
        for ((name, a), b) in options.by.iter().zip(&left_places).zip(&right_places) {
            let (a, b) = (
                value_type(left.field(*a).data_type()),
                value_type(right.field(*b).data_type()),
            );
            if a != b {
                return Err(Error::invalid(format!(
                    "column {name:?} is {a} on the left of the as-of join and {b} on its right: cast one of them"
                )));
            }
            fields.push(SortField::new(a.clone()));
        }
        Ok(Self {
            cursor,
            converter: RowConverter::new(fields).map_err(|error| arrow_error("as-of join", &error))?,
            left: left_places,
            right: right_places,
            series: None,
            rights: HashMap::new(),
        })
    }

    pub(super) fn batches(&self) -> Vec<(u32, &RecordBatch)> {
        self.cursor.batches()
    }

    pub(super) fn forget(&mut self) {
        // Of the present series every row may still be matched: the cursor passes none of them.
        self.cursor.forget();
    }

    pub(super) fn find(
        &mut self,
        run: &SeriesRun,
        rows: &Rows,
        options: &AsOf,
        matches: &mut Matches,
    ) -> Result<()> {
        let is_read = match self.cursor.is_shared() {
            true => self.series.is_some(),
            false => self.series == Some(run.series),
        };
        if !is_read {
            self.read(run.series)?;
        }
        let keys = keys(&self.converter, &rows.batch, &self.left)?;
        for row in run.rows.clone() {
            let time = rows.times.get(row).copied().unwrap_or_default();
            let rights = keys.get(row).and_then(|key| self.rights.get(key));
            let found = rights.and_then(|rights| find_one(rights, time, options));
            matches.rows.push(found.unwrap_or(Matches::NONE));
        }
        Ok(())
    }

    /// Reads the right rows of a series.
    fn read(&mut self, series: u32) -> Result<()> {
        self.series = Some(series);
        self.rights.clear();
        let rest = self.cursor.rest(series)?;
        let batches = self.cursor.batches();
        let mut of_batch: Option<(u32, Vec<OwnedRow>)> = None;
        for (batch, row, time) in rest {
            if of_batch.as_ref().is_none_or(|(number, _)| *number != batch)
                && let Some((_, rows)) = batches.iter().find(|(number, _)| *number == batch)
            {
                of_batch = Some((batch, keys(&self.converter, rows, &self.right)?));
            }
            let key = of_batch.as_ref().and_then(|(_, keys)| keys.get(row as usize));
            if let Some(key) = key {
                self.rights
                    .entry(key.clone())
                    .or_default()
                    .push((batch, row, time));
            }
        }
        Ok(())
    }
}

/// The match of a time among right rows by time.
fn find_one(rights: &Rights, time: i64, options: &AsOf) -> Option<(u32, u32)> {
    let (low, high) = (
        rights.partition_point(|(_, _, right)| *right < time),
        rights.partition_point(|(_, _, right)| *right <= time),
    );
    let (before, after) = match options.is_strict {
        true => (low, high),
        false => (high, low),
    };
    let before = before.checked_sub(1).and_then(|last| rights.get(last));
    // Of those equal in time the last.
    let after = rights.get(after).and_then(|(_, _, first)| {
        let end = rights.partition_point(|(_, _, right)| right <= first);
        rights.get(end - 1)
    });
    let found = match options.direction {
        Direction::Backward => before,
        Direction::Forward => after,
        Direction::Nearest => match (before, after) {
            (Some(before), Some(after)) if time.abs_diff(before.2) <= time.abs_diff(after.2) => Some(before),
            (before, after) => after.or(before),
        },
    };
    let found = found.filter(|(_, _, right)| options.tolerates(time, *right));
    found.map(|(batch, row, _)| (*batch, *row))
}

fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

fn keys(converter: &RowConverter, batch: &RecordBatch, places: &[usize]) -> Result<Vec<OwnedRow>> {
    let failed = |error| arrow_error("as-of join", &error);
    let column = |place: &usize| -> Result<ArrayRef> {
        let column = batch
            .columns()
            .get(*place)
            .ok_or_else(|| Error::internal("a batch lacks a key"))?;
        match column.data_type() {
            DataType::Dictionary(_, values) => arrow_cast::cast(column, values).map_err(failed),
            _ => Ok(normalized(column)),
        }
    };
    let columns = places.iter().map(column).collect::<Result<Vec<_>>>()?;
    let rows = converter.convert_columns(&columns).map_err(failed)?;
    Ok(rows.iter().map(|row| row.owned()).collect())
}
