//! What a table shall be: its columns, time, series, partition unit and attributes, before it exists.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema};
use gapless_format::{
    AttributeKind, ColumnSpec, ColumnType, Keep, PartitionUnit, TableMeta, TimeUnit, file_name,
};

use super::types;
use crate::compact::{COLD_AFTER_OPTION, COLD_COLUMN_OPTION, RETAIN_OPTION};
use crate::error::{Error, Result};
use crate::segment::{COMMIT_COLUMN_NAME, ColumnEncoding, is_list};

/// A description of a table to create.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use gapless_engine::TableSpec;
///
/// let schema = Schema::new(vec![
///     Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
///     Field::new("sym", DataType::Utf8, false),
///     Field::new("price", DataType::Float64, true),
/// ]);
/// let spec = TableSpec::new("trade", schema).time("ts").series("sym");
/// assert_eq!(spec.name(), "trade");
/// ```
#[derive(Debug, Clone)]
pub struct TableSpec {
    name: String,
    schema: Schema,
    time: Option<String>,
    series: Option<String>,
    partition_unit: PartitionUnit,
    attributes: Vec<(String, AttributeKind)>,
    domains: BTreeMap<String, String>,
    retain_ns: Option<i64>,
    cold_after_ns: Option<i64>,
    cold_columns: BTreeMap<String, ColumnEncoding>,
    keep: Keep,
    key: Vec<String>,
}

impl TableSpec {
    /// A table of this name and these columns, partitioned by day.
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        Self {
            name: name.into(),
            schema,
            time: None,
            series: None,
            partition_unit: PartitionUnit::Day,
            attributes: Vec::new(),
            domains: BTreeMap::new(),
            retain_ns: None,
            cold_after_ns: None,
            cold_columns: BTreeMap::new(),
            keep: Keep::All,
            key: Vec::new(),
        }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names the time column. It must be a timestamp; it is stored in nanoseconds and never null.
    #[must_use]
    pub fn time(mut self, column: impl Into<String>) -> Self {
        self.time = Some(column.into());
        self
    }

    /// Names the series column. It must be text; it becomes a symbol column with the attribute parted.
    #[must_use]
    pub fn series(mut self, column: impl Into<String>) -> Self {
        self.series = Some(column.into());
        self
    }

    /// Sets the span of time that one partition holds.
    #[must_use]
    pub fn partition(mut self, unit: PartitionUnit) -> Self {
        self.partition_unit = unit;
        self
    }

    /// Asks for an attribute on a column. Every segment is verified against it when it is written.
    #[must_use]
    pub fn attribute(mut self, column: impl Into<String>, kind: AttributeKind) -> Self {
        self.attributes.push((column.into(), kind));
        self
    }

    /// Stores a text column as symbols of a domain. Tables that name the same domain share it.
    ///
    /// Without this, the series column uses a domain of its own name, shared by all tables, and every
    /// other dictionary column the private domain `table.column`.
    #[must_use]
    pub fn symbol(mut self, column: impl Into<String>, domain: impl Into<String>) -> Self {
        self.domains.insert(column.into(), domain.into());
        self
    }

    /// Keeps rows for this long only: partitions that have ended longer ago are removed by maintenance.
    #[must_use]
    pub fn retain(mut self, age: Duration) -> Self {
        self.retain_ns = Some(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        self
    }

    /// Encodes partitions that have ended longer ago to be small: maintenance rewrites them once. Reads of them decode
    /// pages, which are kept for a while.
    #[must_use]
    pub fn cold_after(mut self, age: Duration) -> Self {
        self.cold_after_ns = Some(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        self
    }

    /// Says how a column of a cold partition is stored; [`ColumnEncoding::Cold`], the smallest of all, unless said.
    #[must_use]
    pub fn cold_column(mut self, column: impl Into<String>, encoding: ColumnEncoding) -> Self {
        self.cold_columns.insert(column.into(), encoding);
        self
    }

    /// Says which of several rows with the same key count: all (ticks), or the one that was committed last or first
    /// (bars, backfill). It holds for every read, at no cost where segments do not overlap.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Names the key columns of [`TableSpec::keep`]. Time and series are part of every key and need not be named.
    ///
    /// Null equals null in a key, and NaN equals NaN.
    #[must_use]
    pub fn key<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.key = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Checks the description and gives it the form that is stored.
    ///
    /// # Errors
    /// `Invalid` names the column and the rule; `Unsupported` names an Arrow type that is not stored.
    pub(crate) fn meta(&self, table: u32) -> Result<TableMeta> {
        file_name(&self.name).map_err(|error| Error::invalid(format!("table name: {error}")))?;
        let time = self.time.as_deref().ok_or_else(|| {
            Error::invalid(format!(
                "table {:?} has no time column: name one, for example TableSpec::time(\"ts\"); columns are {}",
                self.name,
                self.column_names()
            ))
        })?;
        self.check_named_columns()?;
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (id, field) in (0u32..).zip(self.schema.fields()) {
            file_name(field.name())
                .map_err(|error| Error::invalid(format!("table {:?}: column name: {error}", self.name)))?;
            if field.name() == COMMIT_COLUMN_NAME {
                return Err(Error::invalid(format!(
                    "table {:?}: the column name {COMMIT_COLUMN_NAME:?} is taken by the engine: choose another",
                    self.name
                )));
            }
            if columns
                .iter()
                .any(|column: &ColumnSpec| column.name == *field.name())
            {
                return Err(Error::invalid(format!(
                    "table {:?}: two columns are called {:?}",
                    self.name,
                    field.name()
                )));
            }
            columns.push(self.column(id, field, time)?);
        }
        let id_of = |name: &str| {
            columns
                .iter()
                .find(|column| column.name == name)
                .map(|column| column.column_id)
        };
        if self.retain_ns == Some(0) {
            return Err(Error::invalid(format!(
                "table {:?}: rows that are kept for no time at all would be removed as they come",
                self.name
            )));
        }
        let time_column = id_of(time).ok_or_else(|| self.unknown(time))?;
        let series_column = self
            .series
            .as_deref()
            .map(|name| id_of(name).ok_or_else(|| self.unknown(name)))
            .transpose()?;
        Ok(TableMeta {
            table,
            name: self.name.clone(),
            created: 0,
            time_column,
            series_column,
            partition_unit: self.partition_unit,
            next_column_id: u32::try_from(columns.len()).unwrap_or(u32::MAX),
            key: self.key_ids(&columns, time_column, series_column)?,
            keep: self.keep,
            options: self.options(&columns)?,
            columns,
        })
    }

    fn options(&self, columns: &[ColumnSpec]) -> Result<Vec<(String, String)>> {
        let age = |name: &str, ns: Option<i64>| ns.map(|ns| (name.to_owned(), ns.to_string()));
        let retain = age(RETAIN_OPTION, self.retain_ns);
        let cold = age(COLD_AFTER_OPTION, self.cold_after_ns);
        let mut options: Vec<_> = retain.into_iter().chain(cold).collect();
        for (name, encoding) in &self.cold_columns {
            let column = columns.iter().find(|column| column.name == *name);
            let id = column.ok_or_else(|| self.unknown(name))?.column_id;
            options.push((format!("{COLD_COLUMN_OPTION}{id}"), encoding.name().to_owned()));
        }
        Ok(options)
    }

    /// Ids of the key columns, time and series among them; none where all rows are kept.
    fn key_ids(&self, columns: &[ColumnSpec], time: u32, series: Option<u32>) -> Result<Vec<u32>> {
        if self.keep == Keep::All {
            if self.key.is_empty() {
                return Ok(Vec::new());
            }
            return Err(Error::invalid(format!(
                "table {:?} has a key but keeps all rows: say which row of a key counts, for example \
                 TableSpec::keep(Keep::Last)",
                self.name
            )));
        }
        let mut ids: Vec<u32> = std::iter::once(time).chain(series).collect();
        for name in &self.key {
            let column = columns
                .iter()
                .find(|column| column.name == *name)
                .ok_or_else(|| self.unknown(name))?;
            if is_list(&column.column_type) {
                return Err(Error::invalid(format!(
                    "table {:?}: column {name:?} is {} and cannot be part of a key",
                    self.name,
                    column.column_type.name()
                )));
            }
            ids.push(column.column_id);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn column(&self, column_id: u32, field: &Field, time: &str) -> Result<ColumnSpec> {
        let name = field.name();
        let is_series = self.series.as_deref() == Some(name);
        let domain = self.domains.get(name).cloned().unwrap_or_else(|| {
            if is_series {
                name.clone()
            } else {
                format!("{}.{name}", self.name)
            }
        });
        let mut column_type = types::column_type(field, &domain)?;
        let wants_symbol = is_series || self.domains.contains_key(name);
        if wants_symbol {
            column_type = self.symbol_type(field, domain, column_type)?;
        }
        if name == time {
            column_type = self.time_type(field, column_type)?;
        }
        Ok(ColumnSpec {
            column_id,
            name: name.clone(),
            nullable: name != time,
            attributes: self.attributes_of(name, is_series, name == time),
            column_type,
        })
    }

    fn symbol_type(&self, field: &Field, domain: String, column_type: ColumnType) -> Result<ColumnType> {
        file_name(&domain).map_err(|error| Error::invalid(format!("symbol domain: {error}")))?;
        match column_type {
            ColumnType::Utf8 | ColumnType::Symbol { .. } => Ok(ColumnType::Symbol { domain }),
            other => Err(Error::invalid(format!(
                "table {:?}: column {:?} is {} and cannot be a symbol: cast it to text first",
                self.name,
                field.name(),
                other.name()
            ))),
        }
    }

    fn time_type(&self, field: &Field, column_type: ColumnType) -> Result<ColumnType> {
        match column_type {
            ColumnType::Timestamp { zone, .. } => Ok(ColumnType::Timestamp {
                unit: TimeUnit::Nanosecond,
                zone,
            }),
            other => Err(Error::invalid(format!(
                "table {:?}: the time column {:?} is {}, not a timestamp: give it a timestamp type so that its unit is \
                 certain",
                self.name,
                field.name(),
                other.name()
            ))),
        }
    }

    /// The series is always parted; the time of a table without series is always sorted.
    fn attributes_of(&self, name: &str, is_series: bool, is_time: bool) -> Vec<AttributeKind> {
        let mut kinds: Vec<_> = self
            .attributes
            .iter()
            .filter(|(column, _)| column == name)
            .map(|(_, kind)| *kind)
            .collect();
        if is_series {
            kinds.push(AttributeKind::Parted);
        }
        if is_time && self.series.is_none() {
            kinds.push(AttributeKind::Sorted);
        }
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    fn check_named_columns(&self) -> Result<()> {
        let named = self
            .attributes
            .iter()
            .map(|(column, _)| column)
            .chain(self.domains.keys());
        for name in named {
            if self.schema.column_with_name(name).is_none() {
                return Err(self.unknown(name));
            }
        }
        for (name, kind) in &self.attributes {
            let field = self
                .schema
                .field_with_name(name)
                .map_err(|_| self.unknown(name))?;
            if !can_have(field.data_type(), *kind) {
                return Err(Error::invalid(format!(
                    "table {:?}: column {name:?} of type {} cannot have the attribute {kind:?}",
                    self.name,
                    field.data_type()
                )));
            }
        }
        Ok(())
    }

    fn unknown(&self, column: &str) -> Error {
        Error::invalid(format!(
            "table {:?} has no column {column:?}; its columns are {}",
            self.name,
            self.column_names()
        ))
    }

    fn column_names(&self) -> String {
        let names: Vec<_> = self
            .schema
            .fields()
            .iter()
            .map(|field| format!("{:?}", field.name()))
            .collect();
        names.join(", ")
    }
}

/// Lists have no order and no equality that an index could use.
fn can_have(data_type: &DataType, _kind: AttributeKind) -> bool {
    !matches!(
        data_type,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}
