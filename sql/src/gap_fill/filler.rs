//! Rows in order of group and bucket, to rows of every bucket of a range.
//!
//! What is filled is made when it is asked for, a batch at a time: a range may have more buckets than fit into memory. Rows wait only
//! where the next value of a line is not among them yet.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use gapless_query::Bucket;

use super::chunk::{Chunk, Value};
use super::line::Line;
use super::loaded::{Loaded, Loader, Place, Role};

/// The buckets that are asked for: those of which any part lies in a range of time.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    pub(super) bucket: Bucket,
    pub(super) range: Range<i64>,
}

impl Buckets {
    /// The start of the first, if there is one.
    fn first(&self) -> Option<i64> {
        (!self.range.is_empty()).then(|| self.bucket.range(self.range.start).start)
    }

    /// The start of the one after that of a time, if there is one.
    fn after(&self, time: i64) -> Option<i64> {
        let next = self.bucket.range(time).end;
        (next > time && next < self.range.end).then_some(next)
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Batch(RecordBatch),
    /// Nothing, before more rows come.
    More,
    End,
}

/// Fills.
#[derive(Debug)]
pub(super) struct Filler {
    roles: Arc<[Role]>,
    buckets: Buckets,
    loader: Loader,
    /// Rows that were not given yet: those of the first batch from `at` on, and all of the others.
    queue: VecDeque<Arc<Loaded>>,
    at: usize,
    /// No more rows come.
    is_ended: bool,
    group: Option<Group>,
    chunk: Chunk,
}

/// The group whose rows are given.
#[derive(Debug)]
struct Group {
    /// A row of it; without keys, a group may have none.
    any: Option<Place>,
    /// The first bucket that was not given yet.
    next: Option<i64>,
    /// The last value of each column that is carried, and the bucket that it is of.
    carried: Vec<Option<(i64, Place)>>,
    lines: Vec<Line>,
}

/// Whether something could be done.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Full,
    NeedsRows,
}

impl Filler {
    pub(super) fn new(
        roles: Arc<[Role]>,
        buckets: Buckets,
        loader: Loader,
        schema: SchemaRef,
        is_flagged: bool,
    ) -> Self {
        Self {
            chunk: Chunk::new(&roles, schema, is_flagged),
            buckets,
            loader,
            queue: VecDeque::new(),
            at: 0,
            is_ended: false,
            // Without keys all rows are one group, which is there without rows too.
            group: None,
            roles,
        }
    }

    /// Takes further rows.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            self.queue.push_back(Arc::new(self.loader.load(batch)?));
        }
        Ok(())
    }

    /// No more rows come.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
        let has_keys = self.roles.iter().any(|role| matches!(role, Role::Key));
        if !has_keys && self.group.is_none() && self.queue.is_empty() {
            self.group = Some(self.new_group(None));
        }
    }

    /// Bytes of rows that wait behind those that are given.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queue.iter().skip(1).map(|loaded| loaded.bytes()).sum()
    }

    /// The next rows.
    pub(super) fn step(&mut self) -> Result<Step> {
        loop {
            if self.chunk.is_full() {
                return self.chunk.take().map(Step::Batch);
            }
            let Some(place) = self.front() else {
                if !self.is_ended {
                    return Ok(Step::More);
                }
                if self.group.is_some() {
                    if self.fill(None) == Progress::Done {
                        self.group = None;
                    }
                    continue;
                }
                return match self.chunk.is_empty() {
                    true => Ok(Step::End),
                    false => self.chunk.take().map(Step::Batch),
                };
            };
            match self.advance(&place) {
                Progress::Done | Progress::Full => {}
                Progress::NeedsRows => return Ok(Step::More),
            }
        }
    }

    /// The first row that was not given.
    fn front(&mut self) -> Option<Place> {
        if self.queue.front().is_some_and(|loaded| self.at >= loaded.rows()) {
            self.queue.pop_front();
            self.at = 0;
        }
        self.queue.front().map(|loaded| Place {
            of: Arc::clone(loaded),
            row: self.at,
        })
    }

    /// Goes on to a row, and gives it once the buckets before it are.
    fn advance(&mut self, place: &Place) -> Progress {
        let key = place.of.key(place.row);
        let is_other = match &self.group {
            Some(group) => group.any.as_ref().is_some_and(|any| any.of.key(any.row) != key),
            None => {
                self.group = Some(self.new_group(Some(place.clone())));
                false
            }
        };
        if is_other {
            let progress = self.fill(None);
            if progress == Progress::Done {
                self.group = None;
            }
            return progress;
        }
        if let Some(time) = place.of.bucket(place.row) {
            let progress = self.fill(Some(time));
            if progress != Progress::Done {
                return progress;
            }
        }
        match self.look_ahead(|line| place.of.point(line, place.row).is_none()) {
            Progress::Done => self.give(place),
            other => return other,
        }
        Progress::Done
    }

    fn new_group(&self, any: Option<Place>) -> Group {
        let line = Line::default();
        Group {
            any,
            next: self.buckets.first(),
            carried: vec![None; self.roles.len()],
            lines: vec![line; self.loader.line_count()],
        }
    }

    /// Gives the buckets before that of a row, or all that are left.
    fn fill(&mut self, until: Option<i64>) -> Progress {
        let is_before = |next: &i64| until.is_none_or(|until| *next < until);
        while let Some(next) = self.group.as_ref().and_then(|group| group.next).filter(is_before) {
            if self.chunk.is_full() {
                return Progress::Full;
            }
            match self.look_ahead(|_| true) {
                Progress::Done => {}
                other => return other,
            }
            if let Some(group) = &mut self.group {
                self.chunk
                    .add(true, |column| group.filled(column, next, &self.roles));
                group.next = self.buckets.after(next);
            }
        }
        Progress::Done
    }

    /// Finds the next values of lines that need them.
    fn look_ahead(&mut self, is_wanted: impl Fn(usize) -> bool) -> Progress {
        let Some(Group {
            any: Some(any),
            lines,
            ..
        }) = &mut self.group
        else {
            return Progress::Done;
        };
        let key = any.of.key(any.row);
        for (at, line) in lines.iter_mut().enumerate() {
            if !line.needs_right() || !is_wanted(at) {
                continue;
            }
            match find(&self.queue, self.at, key, at, line) {
                Found::Point(point) => line.found(Some(point)),
                Found::GroupEnd => line.found(None),
                Found::End if self.is_ended => line.found(None),
                Found::End => return Progress::NeedsRows,
            }
        }
        Progress::Done
    }

    /// Gives a row.
    fn give(&mut self, place: &Place) {
        let Some(group) = &mut self.group else { return };
        let time = place.of.bucket(place.row);
        if let Some(time) = time {
            group.observe(time, place, &self.roles);
            if group.next.is_some_and(|next| next <= time) {
                group.next = self.buckets.after(time);
            }
        }
        self.chunk
            .add(false, |column| group.observed(column, time, place, &self.roles));
        self.at += 1;
    }
}

impl Group {
    /// A row becomes the last one.
    fn observe(&mut self, time: i64, place: &Place, roles: &[Role]) {
        let columns = roles.iter().zip(&mut self.carried).zip(place.of.batch.columns());
        for ((role, carried), column) in columns {
            if matches!(role, Role::Locf(_)) && column.is_valid(place.row) {
                *carried = Some((time, place.clone()));
            }
        }
        for (at, line) in self.lines.iter_mut().enumerate() {
            if let Some(point) = place.of.point(at, place.row) {
                line.give(point);
            }
        }
    }

    /// What a bucket without a row has of a column.
    fn filled(&self, column: usize, bucket: i64, roles: &[Role]) -> Value<'_> {
        match roles.get(column) {
            Some(Role::Key) => self.any.as_ref().map_or(Value::NoRow, Value::Of),
            Some(Role::Bucket) => Value::Time(Some(bucket)),
            Some(Role::Locf(age_max)) => self.carried(column, bucket, *age_max),
            Some(Role::Line) => Value::Number(self.on_line(column, bucket, roles)),
            Some(Role::Default(_)) | None => Value::NoRow,
        }
    }

    /// What a row has of a column: what a bucket without one has, where its own value is null and that is filled.
    fn observed<'a>(
        &'a self,
        column: usize,
        time: Option<i64>,
        place: &'a Place,
        roles: &[Role],
    ) -> Value<'a> {
        let is_null = || place.of.batch.column(column).is_null(place.row);
        match (roles.get(column), time) {
            (Some(Role::Bucket), time) => Value::Time(time),
            (Some(Role::Locf(age_max)), Some(time)) if is_null() => self.carried(column, time, *age_max),
            (Some(Role::Line), time) => {
                let own = place.of.number(line_of(column, roles), place.row);
                Value::Number(own.or_else(|| self.on_line(column, time?, roles)))
            }
            _ => Value::Of(place),
        }
    }

    fn carried(&self, column: usize, bucket: i64, age_max: Option<i64>) -> Value<'_> {
        match self.carried.get(column) {
            Some(Some((time, place)))
                if age_max.is_none_or(|age_max| bucket.saturating_sub(*time) <= age_max) =>
            {
                Value::Of(place)
            }
            _ => Value::NoRow,
        }
    }

    fn on_line(&self, column: usize, bucket: i64, roles: &[Role]) -> Option<f64> {
        self.lines.get(line_of(column, roles))?.at(bucket)
    }
}

/// Which of the lines a column is.
fn line_of(column: usize, roles: &[Role]) -> usize {
    let before = roles.iter().take(column);
    before.filter(|role| matches!(role, Role::Line)).count()
}

/// What was found of a line.
enum Found {
    Point((i64, f64)),
    /// Rows of another group.
    GroupEnd,
    /// No more rows, so far.
    End,
}

/// The first value of a group from a row on; rows that were looked at before are not looked at again.
fn find(queue: &VecDeque<Arc<Loaded>>, at: usize, key: &[u8], column: usize, line: &mut Line) -> Found {
    let mut first = at;
    for loaded in queue {
        let (number, seen) = line.seen;
        let from = match number == loaded.number {
            true => first.max(seen),
            false if number > loaded.number => loaded.rows(),
            false => first,
        };
        for row in from..loaded.rows() {
            line.seen = (loaded.number, row);
            if loaded.key(row) != key {
                return Found::GroupEnd;
            }
            if let Some(point) = loaded.point(column, row) {
                return Found::Point(point);
            }
        }
        line.seen = line.seen.max((loaded.number, loaded.rows()));
        first = 0;
    }
    Found::End
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampNanosecondArray};
    use arrow_schema::{DataType, Field, Schema, TimeUnit};
    use arrow_select::concat::concat_batches;
    use gapless_query::Every;

    use super::*;

    /// The next of some numbers below `end`.
    fn next(state: &mut u64, end: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) % end
    }

    /// Rows of some groups, each bucket at most once; most values are null.
    fn rows(state: &mut u64) -> RecordBatch {
        let mut rows = Vec::new();
        for key in [Some("a"), Some("b"), None] {
            let many = next(state, 4);
            for bucket in (0..200).step_by(10) {
                if next(state, 4) < many {
                    let value =
                        |state: &mut u64| Some(next(state, 50) as f64).filter(|_| next(state, 4) == 0);
                    rows.push((key, bucket, value(state), value(state)));
                }
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
            Arc::new(TimestampNanosecondArray::from_iter_values(
                rows.iter().map(|row| row.1),
            )),
            Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()),
        ];
        RecordBatch::try_new(schema(), columns).expect("the columns fit")
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("key", DataType::Utf8, true),
            Field::new("bucket", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
            Field::new("carried", DataType::Float64, true),
            Field::new("line", DataType::Float64, true),
        ]))
    }

    /// The rows filled, in parts of which each has at most so many rows.
    fn filled(rows: &RecordBatch, part_max: usize, state: &mut u64) -> RecordBatch {
        let roles: Arc<[Role]> = Arc::new([Role::Key, Role::Bucket, Role::Locf(Some(30)), Role::Line]);
        let types: Vec<DataType> = schema()
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let loader = Loader::new(&roles, &types).expect("roles");
        let buckets = Buckets {
            bucket: Bucket::of(Every::Ns(10)),
            range: 0..195,
        };
        let mut filler = Filler::new(roles, buckets, loader, schema(), false);
        let (mut given, mut at) = (Vec::new(), 0);
        loop {
            match filler.step().expect("a step") {
                Step::Batch(batch) => given.push(batch),
                Step::More if at == rows.num_rows() => filler.end(),
                Step::More => {
                    let count = 1 + next(state, part_max as u64) as usize;
                    let count = count.min(rows.num_rows() - at);
                    filler.push(rows.slice(at, count)).expect("rows");
                    at += count;
                }
                Step::End => return concat_batches(&schema(), &given).expect("one batch"),
            }
        }
    }

    #[test]
    fn rows_in_parts_of_any_size_are_filled_alike() {
        let mut state = 3;
        for round in 0..1000 {
            let rows = rows(&mut state);
            let whole = filled(&rows, usize::MAX >> 1, &mut state);
            assert_eq!(whole.num_rows() % 20, 0, "round {round}");
            assert_eq!(filled(&rows, 1 + round % 7, &mut state), whole, "round {round}");
        }
    }
}
