//! Changes of a table's columns. Segments that are there already stay as they are: columns are known by id, and what
//! a segment lacks or holds in a narrower type is made up for when it is read.

use arrow_schema::{DataType, Field};
use gapless_format::{ColumnSpec, ColumnType, TableMeta, file_name};

use super::types;
use crate::error::{Error, Result};
use crate::segment::COMMIT_COLUMN_NAME;
use crate::write::is_lossless;

/// A change of a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    /// A new column at the end. Rows that are there read as null.
    Add {
        /// Its name.
        name: String,
        /// Its Arrow type; a dictionary of text becomes symbols of the domain `table.column`.
        data_type: DataType,
    },
    /// Another name for a column.
    Rename {
        /// The present name.
        from: String,
        /// The new one.
        to: String,
    },
    /// A column less. Its values stay in the segments that have them until these are compacted.
    Drop {
        /// Its name.
        name: String,
    },
    /// A wider type for a column: every value of the present type has the same value in it.
    Widen {
        /// The column's name.
        name: String,
        /// The new Arrow type.
        data_type: DataType,
    },
}

impl SchemaChange {
    /// The table's description after the change.
    ///
    /// # Errors
    /// `Invalid` names table, column and reason; `Unsupported` for an Arrow type that is not stored.
    pub(crate) fn apply(&self, table: &TableMeta) -> Result<TableMeta> {
        let mut changed = table.clone();
        match self {
            Self::Add { name, data_type } => {
                check_new_name(table, name)?;
                changed.columns.push(ColumnSpec {
                    column_id: table.next_column_id,
                    name: name.clone(),
                    column_type: column_type(table, name, data_type)?,
                    nullable: true,
                    attributes: Vec::new(),
                });
                changed.next_column_id = table.next_column_id.saturating_add(1);
            }
            Self::Rename { from, to } => {
                let at = position(table, from)?;
                if from != to {
                    check_new_name(table, to)?;
                    changed.columns[at].name.clone_from(to);
                }
            }
            Self::Drop { name } => {
                let at = position(table, name)?;
                check_dropped(table, &table.columns[at])?;
                changed.columns.remove(at);
            }
            Self::Widen { name, data_type } => {
                let at = position(table, name)?;
                changed.columns[at].column_type = widened(table, &table.columns[at], data_type)?;
            }
        }
        Ok(changed)
    }
}

fn column_type(table: &TableMeta, name: &str, data_type: &DataType) -> Result<ColumnType> {
    let domain = format!("{}.{name}", table.name);
    types::column_type(&Field::new(name, data_type.clone(), true), &domain)
}

fn position(table: &TableMeta, name: &str) -> Result<usize> {
    table
        .columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = table
                .columns
                .iter()
                .map(|column| format!("{:?}", column.name))
                .collect();
            invalid(
                table,
                &format!("it has no column {name:?}; its columns are {}", names.join(", ")),
            )
        })
}

fn invalid(table: &TableMeta, why: &str) -> Error {
    Error::invalid(format!("table {:?}: {why}", table.name))
}

fn check_new_name(table: &TableMeta, name: &str) -> Result<()> {
    file_name(name).map_err(|error| invalid(table, &format!("column name: {error}")))?;
    if name == COMMIT_COLUMN_NAME {
        return Err(invalid(
            table,
            &format!("the column name {name:?} is taken by the engine: choose another"),
        ));
    }
    if table.columns.iter().any(|column| column.name == name) {
        return Err(invalid(
            table,
            &format!("it has a column {name:?} already: choose another name"),
        ));
    }
    Ok(())
}

/// What a column is to its table that no other can be in its place.
fn role(table: &TableMeta, column: &ColumnSpec) -> Option<&'static str> {
    if column.column_id == table.time_column {
        Some("the time column")
    } else if Some(column.column_id) == table.series_column {
        Some("the series column")
    } else {
        None
    }
}

fn check_dropped(table: &TableMeta, column: &ColumnSpec) -> Result<()> {
    let in_key = table.key.contains(&column.column_id).then_some("part of the key");
    match role(table, column).or(in_key) {
        None => Ok(()),
        Some(role) => Err(invalid(
            table,
            &format!("column {:?} is {role} and cannot be dropped", column.name),
        )),
    }
}

fn widened(table: &TableMeta, column: &ColumnSpec, data_type: &DataType) -> Result<ColumnType> {
    if let Some(role) = role(table, column) {
        return Err(invalid(
            table,
            &format!("column {:?} is {role}, whose type is fixed", column.name),
        ));
    }
    let present = &column.column_type;
    let wider = match (present, column_type(table, &column.name, data_type)?) {
        (ColumnType::Symbol { .. }, ColumnType::Symbol { .. }) => present.clone(),
        (_, wider) => wider,
    };
    let is_symbol =
        matches!(present, ColumnType::Symbol { .. }) || matches!(wider, ColumnType::Symbol { .. });
    let keeps_values = !is_symbol && is_lossless(&types::arrow_type(present), &types::arrow_type(&wider));
    if *present != wider && !keeps_values {
        return Err(invalid(
            table,
            &format!(
                "column {:?} is {}, and not each of its values has the same value in {}: only wider types of the same \
                 kind can take its place",
                column.name,
                present.name(),
                wider.name()
            ),
        ));
    }
    Ok(wider)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Schema, TimeUnit};

    use super::*;
    use crate::TableSpec;

    fn table() -> TableMeta {
        let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("ts", ts, false),
            Field::new("sym", DataType::Utf8, true),
            Field::new("size", DataType::Int32, true),
            Field::new("venue", DataType::UInt8, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        ]);
        let spec = TableSpec::new("t", schema).time("ts").series("sym");
        let spec = spec.keep(gapless_format::Keep::Last).key(["venue"]);
        spec.meta(7).expect("a description")
    }

    fn widen(name: &str, data_type: DataType) -> Result<TableMeta> {
        let name = name.to_owned();
        SchemaChange::Widen { name, data_type }.apply(&table())
    }

    #[test]
    fn an_added_column_gets_an_id_that_no_column_ever_had() {
        let add = |name: &str| SchemaChange::Add {
            name: name.into(),
            data_type: DataType::Float64,
        };
        let drop = |name: &str| SchemaChange::Drop { name: name.into() };
        let with = add("x").apply(&table()).expect("x is new");
        let without = drop("x").apply(&with).expect("x is there");
        let again = add("x").apply(&without).expect("x is new again");
        let id = |table: &TableMeta| table.columns.last().map(|column| column.column_id);
        assert_eq!((id(&with), id(&again)), (Some(5), Some(6)));
        assert!(add("size").apply(&table()).is_err());
        assert!(add("#commit").apply(&table()).is_err());
        assert!(add("a/b").apply(&table()).is_ok());
    }

    #[test]
    fn what_the_table_stands_on_is_not_dropped() {
        for name in ["ts", "sym", "venue", "nobody"] {
            let drop = SchemaChange::Drop { name: name.into() };
            let error = drop.apply(&table()).expect_err("it stays");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn only_types_that_keep_every_value_are_wider() {
        assert!(widen("size", DataType::Int64).is_ok());
        assert!(widen("size", DataType::Float64).is_ok());
        assert!(widen("size", DataType::Int32).is_ok());
        assert!(
            widen("venue", DataType::UInt16).is_ok(),
            "key columns may be widened"
        );
        assert!(widen("at", DataType::Timestamp(TimeUnit::Nanosecond, None)).is_ok());
        for narrower in [
            DataType::Int16,
            DataType::Float32,
            DataType::UInt64,
            DataType::Utf8,
        ] {
            assert!(widen("size", narrower).is_err());
        }
        assert!(widen("at", DataType::Timestamp(TimeUnit::Second, None)).is_err());
        assert!(widen("sym", DataType::Utf8).is_err());
        assert!(widen("ts", DataType::Int64).is_err());
    }
}
