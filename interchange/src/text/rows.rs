//! Rows of text files on their way to batches: each line goes in whole, or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use crate::error::{BadValue, ErrorKind, InterchangeError, Result, list};
use crate::infer::ColumnPlan;
use crate::input::Progress;
use crate::text::column::Column;
use crate::text::csv::Field;
use crate::text::json::{JsonField, JsonKind, JsonRows};

/// A batch is cut early when its lines hold so many bytes.
const BATCH_BYTES_MAX: usize = 128 << 20;

/// The texts that mean null.
pub(crate) struct NullText {
    empty: bool,
    others: Vec<Vec<u8>>,
}

impl NullText {
    pub(crate) fn new(values: &[String]) -> Self {
        NullText {
            empty: values.iter().any(String::is_empty),
            others: values
                .iter()
                .filter(|v| !v.is_empty())
                .map(|v| v.as_bytes().to_vec())
                .collect(),
        }
    }

    /// Whether a CSV field is null. A quoted field of a text column is what it says; elsewhere quotes do not matter.
    #[inline]
    pub(crate) fn is_null(&self, text: &[u8], quoted: bool, text_column: bool) -> bool {
        if quoted && text_column {
            return false;
        }
        if text.is_empty() {
            // An empty number is null whether or not it was asked for: it is nothing else.
            return self.empty || !text_column;
        }
        !self.others.is_empty() && self.others.iter().any(|null| null == text)
    }
}

/// The columns under construction.
pub(crate) struct Rows {
    schema: SchemaRef,
    plans: Vec<ColumnPlan>,
    columns: Vec<Column>,
    nulls: NullText,
    batch_rows: usize,
    rows: usize,
    bytes: usize,
    scratch: Vec<u8>,
    /// The place of each key of a JSON row.
    keys: HashMap<Vec<u8>, usize>,
    /// Which columns the JSON row at hand has given.
    given: Vec<bool>,
}

impl Rows {
    /// No rows yet. Timestamps count ambiguous local times in `progress`.
    ///
    /// # Errors
    /// When a column has a type that text does not have.
    pub(crate) fn new(
        schema: SchemaRef,
        plans: Vec<ColumnPlan>,
        null_values: &[String],
        batch_rows: usize,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(plans.len());
        for plan in &plans {
            let Some(name) = plan.type_name else {
                return Err(
                    InterchangeError::unsupported("text files have no such type").in_column(&plan.name)
                );
            };
            let mut times = plan.times.clone();
            times.progress = progress.clone();
            columns.push(Column::new(name, &times, plan.zone(), plan.is_time));
        }
        let keys = plans
            .iter()
            .enumerate()
            .map(|(place, plan)| (plan.name.as_bytes().to_vec(), place))
            .collect();
        let given = vec![false; plans.len()];
        let nulls = NullText::new(null_values);
        let batch_rows = batch_rows.max(1);
        Ok(Rows {
            schema,
            plans,
            columns,
            nulls,
            batch_rows,
            rows: 0,
            bytes: 0,
            scratch: Vec::new(),
            keys,
            given,
        })
    }

    /// The column in which each of the file's columns goes.
    pub(crate) fn places(&self, names: &[String]) -> Result<Vec<usize>> {
        let places = names.iter().map(|name| {
            self.keys.get(name.as_bytes()).copied().ok_or_else(|| {
                InterchangeError::invalid("the column was not there when the file was planned")
                    .in_column(name)
            })
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        if places.len() == self.plans.len() {
            return Ok(places);
        }
        Err(InterchangeError::invalid(
            "the file has fewer columns than when it was planned",
        ))
    }

    /// Adds one CSV record whose field `i` goes into column `places[i]`.
    #[inline]
    pub(crate) fn push_csv(&mut self, raw: &[u8], fields: &[Field], places: &[usize]) -> Result<()> {
        if fields.len() != places.len() {
            return Err(ragged(fields.len(), places.len()));
        }
        for (field, place) in fields.iter().zip(places) {
            let Some(column) = self.columns.get_mut(*place) else {
                continue;
            };
            let text = field.text(raw, &mut self.scratch);
            let pushed = if self.nulls.is_null(text, field.quoted, column.is_text()) {
                column.push_null()
            } else {
                column.push(text)
            };
            if let Err(bad) = pushed {
                let error = bad_value(bad, text, self.plans.get(*place));
                self.undo(self.rows);
                return Err(error);
            }
        }
        self.rows += 1;
        self.bytes += raw.len();
        Ok(())
    }

    /// Adds all rows of one line of JSON; `array_places` are the columns of rows that are arrays.
    pub(crate) fn push_json(
        &mut self,
        line: &[u8],
        found: &JsonRows,
        array_places: Option<&[usize]>,
    ) -> Result<()> {
        let before = self.rows;
        for (number, range) in found.rows.iter().enumerate() {
            let fields = found.fields.get(range.clone()).unwrap_or_default();
            if let Err(error) = self.push_json_row(line, fields, array_places) {
                self.undo(before);
                return Err(error.at_row((found.rows.len() > 1).then_some(number as u64 + 1)));
            }
            self.rows += 1;
        }
        self.bytes += line.len();
        Ok(())
    }

    fn push_json_row(
        &mut self,
        line: &[u8],
        fields: &[JsonField],
        array_places: Option<&[usize]>,
    ) -> Result<()> {
        self.given.fill(false);
        for (index, field) in fields.iter().enumerate() {
            let place = self.json_place(line, fields, index, array_places)?;
            let (Some(column), Some(given)) = (self.columns.get_mut(place), self.given.get_mut(place)) else {
                continue;
            };
            if std::mem::replace(given, true) {
                return Err(InterchangeError::invalid("the key occurs twice in the row")
                    .in_column(self.plans.get(place).map_or("", |plan| plan.name.as_str())));
            }
            let text = field.value.text(line).unwrap_or_default();
            let pushed = match field.kind {
                JsonKind::Nested => {
                    let name = self.plans.get(place).map_or("", |plan| plan.name.as_str());
                    return Err(crate::infer::nested(name, &text));
                }
                JsonKind::Null => column.push_null(),
                _ => column.push(&text),
            };
            pushed.map_err(|bad| bad_value(bad, &text, self.plans.get(place)))?;
        }
        for ((column, given), plan) in self.columns.iter_mut().zip(&self.given).zip(&self.plans) {
            if !given {
                column
                    .push_null()
                    .map_err(|bad| bad_value(bad, b"", Some(plan)))?;
            }
        }
        Ok(())
    }

    fn json_place(
        &self,
        line: &[u8],
        fields: &[JsonField],
        index: usize,
        array_places: Option<&[usize]>,
    ) -> Result<usize> {
        let key = match (fields.get(index).and_then(|field| field.key), array_places) {
            (Some(key), _) => key.text(line).unwrap_or_default(),
            (None, Some(places)) if places.len() == fields.len() => {
                return places
                    .get(index)
                    .copied()
                    .ok_or_else(|| ragged(fields.len(), places.len()));
            }
            (None, Some(places)) => return Err(ragged(fields.len(), places.len())),
            (None, None) => {
                return Err(InterchangeError::invalid(format!(
                    "the row is an array of {} values",
                    fields.len()
                ))
                .with_hint("name them with --columns"));
            }
        };
        // Keys nearly always come in the order of the first row.
        if self
            .plans
            .get(index)
            .is_some_and(|plan| plan.name.as_bytes() == &*key)
        {
            return Ok(index);
        }
        self.keys.get(&*key).copied().ok_or_else(|| {
            let name = String::from_utf8_lossy(&key);
            InterchangeError::invalid("the key was not in the sampled rows")
                .in_column(&name)
                .with_hint(format!(
                    "give its type with --type {name}=...; the columns are {}",
                    list(self.plans.iter().map(|plan| plan.name.as_str()))
                ))
        })
    }

    fn undo(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Whether it is time to take a batch.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES_MAX
    }

    /// The rows so far, if any, as batches of at most `batch_rows`.
    pub(crate) fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        let internal =
            |error: arrow_schema::ArrowError| InterchangeError::new(ErrorKind::Internal, error.to_string());
        let arrays = self
            .columns
            .iter_mut()
            .map(Column::finish)
            .collect::<std::result::Result<Vec<ArrayRef>, _>>();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays.map_err(internal)?).map_err(internal)?;
        (self.rows, self.bytes) = (0, 0);
        let starts = (0..batch.num_rows()).step_by(self.batch_rows);
        Ok(starts
            .map(|start| batch.slice(start, self.batch_rows.min(batch.num_rows() - start)))
            .collect())
    }
}

fn ragged(found: usize, wanted: usize) -> InterchangeError {
    InterchangeError::invalid(format!("the line has {found} fields, not {wanted}"))
        .with_hint("is the --delimiter right, or a field with a delimiter not quoted?")
}

fn bad_value(bad: BadValue, text: &[u8], plan: Option<&ColumnPlan>) -> InterchangeError {
    let name = plan.map_or("", |plan| plan.name.as_str());
    let mut reason = bad.reason;
    if plan.is_some_and(|plan| plan.inferred) {
        reason.push_str(", which the sampled values are");
    }
    let mut error = InterchangeError::invalid(reason).in_column(name);
    if !text.is_empty() {
        error = error.with_value(text);
    }
    match bad.hint {
        Some(hint) => error.with_hint(hint.replace("{column}", name)),
        None => error,
    }
}
