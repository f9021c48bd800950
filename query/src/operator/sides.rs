//! The two sides of a join: what is checked of both, and which columns the right side adds.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Shape, add_order_columns, unknown_column};

/// Refuses sides of a join in time that have none, or whose series could not be matched.
pub(crate) fn check_sides(what: &str, left: &Shape, right: &Shape) -> Result<()> {
    for (side, shape) in [("left", left), ("right", right)] {
        if shape.time.is_none() {
            return Err(Error::invalid(format!(
                "the {side} rows of {what} have no time: join before the time is left out"
            )));
        }
    }
    match (&left.series, &right.series) {
        (None, Some(series)) => Err(Error::invalid(format!(
            "the left rows of {what} have no series, and the right ones have {:?}: leave it out with select() to match the rows of all \
             series, or keep the series of the left rows",
            series.name()
        ))),
        _ => Ok(()),
    }
}

/// The right columns of a result, each with the name that it gets.
#[derive(Debug, Clone)]
pub(crate) struct RightColumns(Vec<(String, String)>);

impl RightColumns {
    /// Right columns by name; one of a name that the left rows have gets the suffix `_right`.
    pub(crate) fn new(
        left: &Schema,
        right: &Schema,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let mut columns: Vec<(String, String)> = Vec::new();
        for name in names {
            field(right, &name)?;
            let given = match left.field_with_name(&name) {
                Ok(_) => format!("{name}_right"),
                Err(_) => name.clone(),
            };
            let is_taken =
                left.field_with_name(&given).is_ok() || columns.iter().any(|(_, other)| *other == given);
            if is_taken {
                return Err(Error::invalid(format!(
                    "two columns of the join would be called {given:?}: rename one of them with select() before"
                )));
            }
            columns.push((name, given));
        }
        Ok(Self(columns))
    }

    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Those that are needed.
    pub(crate) fn kept(&self, columns: &ColumnSet) -> Self {
        let kept = self.0.iter().filter(|(_, given)| columns.contains(given));
        Self(kept.cloned().collect())
    }

    /// The left columns and these, which are null where a row has no match if there may be such rows.
    pub(crate) fn schema(&self, left: &Schema, right: &Schema, has_unmatched: bool) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = left.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (name, given) in &self.0 {
            let field = field(right, name)?;
            let is_nullable = field.is_nullable() || has_unmatched;
            fields.push(field.clone().with_name(given).with_nullable(is_nullable));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Where they are in the right rows.
    pub(crate) fn places(&self, right: &Schema) -> Result<Arc<[usize]>> {
        let place =
            |(name, _): &(String, String)| right.index_of(name).map_err(|_| unknown_column(name, right));
        self.0.iter().map(place).collect()
    }

    /// What the result calls them, for people.
    pub(crate) fn text(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(_, given)| given.as_str()).collect();
        names.join(", ")
    }

    /// The sides with no more columns than these, the left ones of a result, and what is joined by.
    pub(crate) fn pruned(
        &self,
        columns: &ColumnSet,
        left: &Input,
        right: &Input,
        by: &[String],
    ) -> Result<(Input, Input)> {
        let mut of_right: ColumnSet = self.0.iter().map(|(name, _)| name.clone()).collect();
        of_right.extend(by.iter().cloned());
        Ok((pruned_left(columns, left, by)?, pruned_right(of_right, right)?))
    }
}

/// The left side with no more columns than a result needs of it, and what is joined by.
pub(crate) fn pruned_left(columns: &ColumnSet, left: &Input, by: &[String]) -> Result<Input> {
    // A column of the result may be the right side's, and one further left may have its name.
    let is_left = |name: &&String| left.shape().schema.field_with_name(name).is_ok();
    let mut needed: ColumnSet = columns.iter().filter(is_left).cloned().collect();
    needed.extend(by.iter().cloned());
    add_order_columns(&mut needed, left.shape());
    left.pruned(&needed)
}

/// The right side with no more columns than these.
pub(crate) fn pruned_right(mut needed: ColumnSet, right: &Input) -> Result<Input> {
    add_order_columns(&mut needed, right.shape());
    right.pruned(&needed)
}

/// A column by name.
pub(crate) fn field<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field> {
    schema
        .field_with_name(name)
        .map_err(|_| unknown_column(name, schema))
}
