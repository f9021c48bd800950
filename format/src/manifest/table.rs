//! What the manifest knows about a table.

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;
use crate::partition::PartitionUnit;
use crate::segment::AttributeKind;
use crate::types::{ColumnType, TimeUnit};
use std::collections::HashSet;

/// Which of several rows with the same key a read answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keep {
    /// All of them: rows have no key.
    All,
    /// The one committed first.
    First,
    /// The one committed last.
    Last,
}
tags!(Keep { All = 0, First = 1, Last = 2 });

impl Keep {
    /// `all`, `first` or `last`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

/// Column id of the commit times that a segment may hold beside the table's columns.
pub const COMMIT_COLUMN: u32 = u32::MAX - 1;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnSpec {
    /// Its id, never used again in this table.
    pub column_id: u32,
    /// Its present name.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// Attributes that new segments get.
    pub attributes: Vec<AttributeKind>,
}

/// A table: its schema and properties.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableMeta {
    /// Its id, never used again in this database.
    pub table: u32,
    /// Its name.
    pub name: String,
    /// The version that created it.
    pub created: u64,
    /// Id of the time column, a timestamp in nanoseconds without nulls.
    pub time_column: u32,
    /// Id of the series column, a symbol column.
    pub series_column: Option<u32>,
    /// Time in one partition.
    pub partition_unit: PartitionUnit,
    /// The columns in their order.
    pub columns: Vec<ColumnSpec>,
    /// The id that the next added column gets.
    pub next_column_id: u32,
    /// Which of several rows with the same key count.
    pub keep: Keep,
    /// Ids of the key columns.
    pub key: Vec<u32>,
    /// Further properties, by name.
    pub options: Vec<(String, String)>,
}

/// Least bytes of a stored column: id, empty name, type, nullable, no attributes.
const COLUMN_LEN_MIN: usize = 14;

impl ColumnSpec {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.column_id);
        writer.string(&self.name);
        self.column_type.encode(writer);
        writer.bool(self.nullable);
        writer.count(self.attributes.len());
        self.attributes
            .iter()
            .for_each(|attribute| writer.u8(attribute.tag()));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let column_id = reader.u32("column id")?;
        let name = reader.string("column name")?.to_owned();
        let column_type = ColumnType::decode(reader)?;
        let nullable = reader.bool("nullable flag")?;
        let count = reader.count(1, "attribute count")?;
        let mut attributes = Vec::with_capacity(count);
        for _ in 0..count {
            attributes.push(reader.tag(AttributeKind::from_tag, "attribute")?);
        }
        Ok(Self {
            column_id,
            name,
            column_type,
            nullable,
            attributes,
        })
    }
}

impl TableMeta {
    /// The column with the id `column_id`.
    pub fn column(&self, column_id: u32) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.column_id == column_id)
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.table);
        writer.u64(self.created);
        writer.u32(self.time_column);
        writer.optional_id(self.series_column);
        writer.u8(self.partition_unit.tag());
        writer.u8(self.keep.tag());
        writer.u32(self.next_column_id);
        writer.string(&self.name);
        writer.count(self.columns.len());
        self.columns.iter().for_each(|column| column.encode(writer));
        writer.count(self.key.len());
        self.key.iter().for_each(|&id| writer.u32(id));
        writer.count(self.options.len());
        for (name, value) in &self.options {
            writer.string(name);
            writer.string(value);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let offset = reader.offset();
        let mut table = Self {
            table: reader.u32("table id")?,
            created: reader.u64("creating version")?,
            time_column: reader.u32("time column")?,
            series_column: reader.optional_id("series column")?,
            partition_unit: reader.tag(PartitionUnit::from_tag, "partition unit")?,
            keep: reader.tag(Keep::from_tag, "keep")?,
            next_column_id: reader.u32("next column id")?,
            name: reader.string("table name")?.to_owned(),
            columns: Vec::new(),
            key: Vec::new(),
            options: Vec::new(),
        };
        for _ in 0..reader.count(COLUMN_LEN_MIN, "column count")? {
            table.columns.push(ColumnSpec::decode(reader)?);
        }
        for _ in 0..reader.count(4, "key length")? {
            table.key.push(reader.u32("key column")?);
        }
        for _ in 0..reader.count(8, "option count")? {
            let name = reader.string("option name")?.to_owned();
            table
                .options
                .push((name, reader.string("option value")?.to_owned()));
        }
        table.check(offset)?;
        Ok(table)
    }

    fn check(&self, offset: u64) -> Result<(), FormatError> {
        let wrong = |what: String| {
            Err(FormatError::corrupt(
                offset,
                format!("table {:?}: {what}", self.name),
            ))
        };
        let ids: HashSet<u32> = self.columns.iter().map(|column| column.column_id).collect();
        let names: HashSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        if self.name.is_empty() || names.contains("") {
            return wrong("found an empty name".into());
        }
        if ids.len() != self.columns.len() || names.len() != self.columns.len() {
            return wrong("found a column name or id twice".into());
        }
        if let Some(id) = ids.iter().find(|&&id| id >= self.next_column_id) {
            return wrong(format!(
                "found column id {id}, expected ids below {}",
                self.next_column_id
            ));
        }
        if let Some(id) = self.key.iter().find(|id| !ids.contains(id)) {
            return wrong(format!("found key column {id}, which it does not have"));
        }
        let time = self.column(self.time_column).map(|column| &column.column_type);
        if !matches!(
            time,
            Some(ColumnType::Timestamp {
                unit: TimeUnit::Nanosecond,
                ..
            })
        ) {
            return wrong(format!(
                "found time column {}, expected a timestamp(ns) column",
                self.time_column
            ));
        }
        let Some(id) = self.series_column else {
            return Ok(());
        };
        let series = self.column(id).map(|column| &column.column_type);
        if !matches!(series, Some(ColumnType::Symbol { .. })) {
            return wrong(format!("found series column {id}, expected a symbol column"));
        }
        Ok(())
    }
}
