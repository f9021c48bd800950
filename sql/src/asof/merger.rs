//! The as-of join of two sides that both come by keys and time: each is read once, and one batch of each is kept.
//!
//! A right row that matches is kept until the left batch is given, and the last of the rows that may match further ones.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take_record_batch;
use datafusion::common::Result;

use super::node::Direction;
use super::sorted::{OwnedSpot, Sorted, Sorter, Spot, is_before};

/// What the join waits for, or gives.
#[derive(Debug)]
pub(super) enum Step {
    Batch(RecordBatch),
    NeedsLeft,
    NeedsRight,
    End,
}

/// Joins.
#[derive(Debug)]
pub(super) struct Merger {
    sorter: Sorter,
    direction: Direction,
    schema: SchemaRef,
    left: Option<Left>,
    is_left_ended: bool,
    right: Option<Sorted>,
    /// The first right row that was not looked at.
    at: usize,
    is_right_ended: bool,
    candidate: Option<Candidate>,
    kept: Kept,
}

/// The left batch that is matched.
#[derive(Debug)]
struct Left {
    rows: Sorted,
    /// Where the right row of each row is, as far as they were looked at.
    matches: Vec<Option<(usize, usize)>>,
}

/// The right row that left rows may match: the last one before them, or the first after.
#[derive(Debug)]
struct Candidate {
    spot: OwnedSpot,
    row: At,
    /// Rows equal in time may follow, of which the last counts.
    is_open: bool,
}

/// Where a right row is.
#[derive(Debug)]
enum At {
    /// In the batch that is there.
    Here(usize),
    /// In a batch that is not there any more: the row itself.
    Gone(RecordBatch),
}

/// The right rows that match rows of the left batch, in parts.
#[derive(Debug, Default)]
struct Kept {
    parts: Vec<RecordBatch>,
    /// Rows of the right batch that is there, which are the part after those.
    here: Vec<u64>,
    /// The part that the candidate is, and whether it is one.
    gone: Option<usize>,
}

impl Merger {
    pub(super) fn new(sorter: Sorter, direction: Direction, schema: SchemaRef) -> Self {
        Self {
            sorter,
            direction,
            schema,
            left: None,
            is_left_ended: false,
            right: None,
            at: 0,
            is_right_ended: false,
            candidate: None,
            kept: Kept::default(),
        }
    }

    pub(super) fn sorter(&self) -> &Sorter {
        &self.sorter
    }

    /// Takes the next left rows, or learns that there are none.
    pub(super) fn push_left(&mut self, rows: Option<Sorted>) {
        self.is_left_ended = rows.is_none();
        self.left = rows.map(|rows| Left {
            matches: Vec::with_capacity(rows.rows()),
            rows,
        });
    }

    /// Takes the next right rows, or learns that there are none.
    pub(super) fn push_right(&mut self, rows: Option<Sorted>) {
        self.is_right_ended = rows.is_none();
        self.right = rows;
        self.at = 0;
    }

    /// What comes next. After `NeedsRight` the right batch is not needed any more.
    pub(super) fn step(&mut self) -> Result<Step> {
        let Some(mut left) = self.left.take() else {
            return Ok(match self.is_left_ended {
                true => Step::End,
                false => Step::NeedsLeft,
            });
        };
        while left.matches.len() < left.rows.rows() {
            let row = left.matches.len();
            if !self.sorter.can_match(&left.rows, row) {
                left.matches.push(None);
                continue;
            }
            let spot = left.rows.spot(row);
            if !self.advance(spot) {
                self.leave()?;
                self.left = Some(left);
                return Ok(Step::NeedsRight);
            }
            let found = self.keep_match(spot);
            left.matches.push(found);
        }
        self.give(left).map(Step::Batch)
    }

    /// Goes on to the right row that may match a left one; false if more right rows are needed to tell.
    fn advance(&mut self, left: Spot<'_>) -> bool {
        match self.direction {
            Direction::Backward { strict } => self.advance_backward(left, strict),
            Direction::Forward { strict } => self.advance_forward(left, strict),
        }
    }

    fn advance_backward(&mut self, left: Spot<'_>, strict: bool) -> bool {
        let Some(right) = &self.right else {
            return self.is_right_ended;
        };
        let after = right.first_not(self.at, |spot| is_before(spot, left, strict));
        if after > self.at {
            self.candidate = Some(Candidate {
                spot: OwnedSpot::of(right.spot(after - 1)),
                row: At::Here(after - 1),
                is_open: false,
            });
            self.kept.gone = None;
            self.at = after;
        }
        after < right.rows()
    }

    fn advance_forward(&mut self, left: Spot<'_>, strict: bool) -> bool {
        let is_early = |spot: Spot<'_>| is_before(spot, left, !strict);
        if self
            .candidate
            .as_ref()
            .is_none_or(|candidate| is_early(candidate.spot.as_spot()))
        {
            self.candidate = None;
            self.kept.gone = None;
            let Some(right) = &self.right else {
                return self.is_right_ended;
            };
            self.at = right.first_not(self.at, is_early);
            if self.at >= right.rows() {
                return false;
            }
            self.candidate = Some(Candidate {
                spot: OwnedSpot::of(right.spot(self.at)),
                row: At::Here(self.at),
                is_open: true,
            });
        }
        self.close_candidate()
    }

    /// Of right rows equal in time the last counts: goes on to it.
    fn close_candidate(&mut self) -> bool {
        let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.is_open) else {
            return true;
        };
        let Some(right) = &self.right else {
            candidate.is_open = !self.is_right_ended;
            return self.is_right_ended;
        };
        let spot = candidate.spot.as_spot();
        let after = right.first_not(self.at, |other| other == spot);
        if after > self.at {
            candidate.row = At::Here(after - 1);
            self.kept.gone = None;
            self.at = after;
        }
        candidate.is_open = after >= right.rows();
        !candidate.is_open
    }

    /// The right batch is left behind; what is needed of it is kept.
    fn leave(&mut self) -> Result<()> {
        let Some(right) = self.right.take() else {
            return Ok(());
        };
        self.kept.take_here(&right.batch)?;
        if let Some(candidate) = &mut self.candidate
            && let At::Here(row) = candidate.row
        {
            let row = UInt64Array::from_iter_values([row as u64]);
            candidate.row = At::Gone(take_record_batch(&right.batch, &row)?);
        }
        Ok(())
    }

    /// Where the candidate is among the rows that are kept, if a left row matches it.
    fn keep_match(&mut self, left: Spot<'_>) -> Option<(usize, usize)> {
        let candidate = self.candidate.as_ref()?;
        let spot = candidate.spot.as_spot();
        if spot.key != left.key || spot.time == super::sorted::Time::None {
            return None;
        }
        match &candidate.row {
            At::Here(row) => Some(self.kept.here(*row)),
            At::Gone(row) => Some(self.kept.gone(row)),
        }
    }

    /// The left batch with what matches it.
    fn give(&mut self, left: Left) -> Result<RecordBatch> {
        if let Some(right) = &self.right {
            self.kept.take_here(&right.batch)?;
        }
        let kept = std::mem::take(&mut self.kept);
        let mut columns = left.rows.batch.columns().to_vec();
        let fields = self.schema.fields().iter().skip(columns.len());
        for (at, field) in fields.enumerate() {
            columns.push(kept.column(at, &new_null_array(field.data_type(), 1), &left.matches)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(left.rows.rows()));
        Ok(RecordBatch::try_new_with_options(
            std::sync::Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

impl Kept {
    /// Keeps a row of the right batch that is there. Left rows that match the same row come after each other.
    fn here(&mut self, row: usize) -> (usize, usize) {
        if self.here.last() != Some(&(row as u64)) {
            self.here.push(row as u64);
        }
        (self.parts.len(), self.here.len() - 1)
    }

    /// Keeps a row of one that is gone.
    fn gone(&mut self, row: &RecordBatch) -> (usize, usize) {
        let part = *self.gone.get_or_insert_with(|| {
            self.parts.push(row.clone());
            self.parts.len() - 1
        });
        (part, 0)
    }

    fn take_here(&mut self, batch: &RecordBatch) -> Result<()> {
        if !self.here.is_empty() {
            let rows = UInt64Array::from(std::mem::take(&mut self.here));
            self.parts.push(take_record_batch(batch, &rows)?);
        }
        Ok(())
    }

    fn column(&self, column: usize, null: &ArrayRef, matches: &[Option<(usize, usize)>]) -> Result<ArrayRef> {
        let parts = self.parts.iter().map(|part| part.column(column).as_ref());
        let arrays: Vec<_> = [null.as_ref()].into_iter().chain(parts).collect();
        let places: Vec<(usize, usize)> = matches
            .iter()
            .map(|found| found.map_or((0, 0), |(part, row)| (part + 1, row)))
            .collect();
        Ok(interleave(&arrays, &places)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use arrow_select::concat::concat_batches;
    use arrow_select::take::take;

    use super::super::matcher::{Lookups, Matcher};
    use super::*;

    /// The next of some numbers below `end`.
    fn next(state: &mut u64, end: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) % end
    }

    /// Rows by key and time, null last, numbered.
    fn side(state: &mut u64, count: u64) -> RecordBatch {
        let mut rows: Vec<_> = (0..count)
            .map(|_| {
                let key = Some(["a", "b", "c", "d"][next(state, 4) as usize]).filter(|_| next(state, 6) > 0);
                let time = Some(next(state, 12) as i64).filter(|_| next(state, 8) > 0);
                (key.is_none(), key, time.is_none(), time)
            })
            .collect();
        rows.sort();
        let schema = Schema::new(vec![
            Field::new("key", DataType::Utf8, true),
            Field::new("time", DataType::Int64, true),
            Field::new("id", DataType::Int64, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
            Arc::new(Int64Array::from_iter_values((0..).take(rows.len()))),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).expect("the columns fit")
    }

    fn lookups(batch: &RecordBatch) -> Lookups {
        Lookups {
            keys: vec![Arc::clone(batch.column(0))],
            times: Arc::clone(batch.column(1)),
        }
    }

    /// The next rows of a side, of any number.
    fn part(state: &mut u64, rest: &mut RecordBatch) -> Option<RecordBatch> {
        let count = (1 + next(state, 5) as usize).min(rest.num_rows());
        let part = rest.slice(0, count);
        *rest = rest.slice(count, rest.num_rows() - count);
        (count > 0).then_some(part)
    }

    #[test]
    fn parts_of_any_size_match_as_all_rows_at_once_do() {
        let mut state = 7;
        for round in 0..2000 {
            let (of_left, of_right) = (next(&mut state, 30), next(&mut state, 30));
            let (left, right) = (side(&mut state, of_left), side(&mut state, of_right));
            let nulls = vec![round % 2 == 0];
            let strict = round % 3 == 0;
            let direction = match round % 5 {
                0 | 1 => Direction::Backward { strict },
                _ => Direction::Forward { strict },
            };
            let mut matcher = Matcher::new(&[DataType::Utf8], nulls.clone(), direction).expect("keys");
            matcher.add(&lookups(&right), 0).expect("rows");
            matcher.finish();
            let rows = matcher.find(&lookups(&left)).expect("rows");
            let expected = take(right.column(2), &rows, None).expect("rows");

            let fields = left
                .schema()
                .fields()
                .iter()
                .chain(right.schema().fields())
                .cloned()
                .collect::<Vec<_>>();
            let fields: Vec<Field> = fields
                .iter()
                .map(|field| field.as_ref().clone().with_nullable(true))
                .collect();
            let schema = Arc::new(Schema::new(fields));
            let sorter = Sorter::new(&[DataType::Utf8], nulls).expect("keys");
            let mut merger = Merger::new(sorter, direction, Arc::clone(&schema));
            let (mut left_rest, mut right_rest) = (left.clone(), right);
            let mut joined = Vec::new();
            loop {
                let sorted = |batch: Option<RecordBatch>, merger: &Merger| {
                    batch.map(|batch| {
                        let lookups = lookups(&batch);
                        merger.sorter().sorted(batch, lookups).expect("rows")
                    })
                };
                match merger.step().expect("a step") {
                    Step::Batch(batch) => joined.push(batch),
                    Step::NeedsLeft => {
                        let rows = sorted(part(&mut state, &mut left_rest), &merger);
                        merger.push_left(rows);
                    }
                    Step::NeedsRight => {
                        let rows = sorted(part(&mut state, &mut right_rest), &merger);
                        merger.push_right(rows);
                    }
                    Step::End => break,
                }
            }
            let joined = concat_batches(&schema, &joined).expect("one batch");
            assert_eq!(
                joined.column(2),
                left.column(2),
                "round {round}: left rows in their order"
            );
            assert_eq!(joined.column(5), &expected, "round {round}, {direction:?}");
        }
    }
}
