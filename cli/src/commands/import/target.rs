//! Where an import goes: a table that exists, whose description rules, or one that is made.

use std::path::Path;
use std::sync::Arc;

use gapless::{Database, Keep, Maintenance, Mode, TableSpec};
use gapless_format::{ColumnType, Number, TableMeta, TimeUnit};
use gapless_interchange::{Plan, ReadOptions, TypeName};

use super::arguments::{Args, Reading};
use super::made::Made;
use crate::error::CliError;

/// The database and table of an import.
pub(in crate::commands) struct Target {
    database: Option<Database>,
    table: Option<Arc<TableMeta>>,
    maintenance: Maintenance,
}

impl Target {
    /// Looks at what is there. Nothing is made yet.
    pub(in crate::commands) fn find(args: &Args, maintenance: Maintenance) -> Result<Self, CliError> {
        if !is_database(&args.database) {
            return Ok(Self {
                database: None,
                table: None,
                maintenance,
            });
        }
        let mode = if args.dry_run { Mode::Read } else { Mode::ReadWrite };
        let database = Database::builder(&args.database)
            .mode(mode)
            .maintenance(maintenance)
            .open()?;
        let table = match database.version()?.table(&args.table) {
            Ok(state) => Some(Arc::clone(state.meta())),
            Err(_) => None,
        };
        if let Some(meta) = &table {
            check_agreement(&args.reading, meta)?;
        }
        Ok(Self {
            database: Some(database),
            table,
            maintenance,
        })
    }

    /// Whether the import makes the table.
    pub(in crate::commands) fn is_new_table(&self) -> bool {
        self.table.is_none()
    }

    /// The description of the table that exists.
    pub(in crate::commands) fn table(&self) -> Option<&TableMeta> {
        self.table.as_deref()
    }

    /// Time and series of the table that exists are those of the import.
    pub(in crate::commands) fn complete(&self, options: &mut ReadOptions) {
        let Some(meta) = &self.table else { return };
        let name_of = |id: u32| meta.column(id).map(|column| column.name.clone());
        let (time, series) = (name_of(meta.time_column), meta.series_column.and_then(name_of));
        options.time = time;
        options.series = series;
    }

    /// Columns of files get the types that the table has; `--type` goes before. Tells whether that changed anything.
    pub(in crate::commands) fn adopt_types(&self, plan: &Plan, options: &mut ReadOptions) -> bool {
        self.table
            .as_ref()
            .is_some_and(|meta| adopt_types(meta, plan, options))
    }

    /// All columns get the types that the table has, and so are known before a row has them: for rows of objects, which leave
    /// out keys.
    pub(in crate::commands) fn adopt_all_types(&self, options: &mut ReadOptions) {
        let Some(meta) = &self.table else { return };
        for column in &meta.columns {
            let given = options.types.iter().any(|(name, _)| *name == column.name);
            if column.column_id == meta.time_column || given {
                continue;
            }
            if let Some(name) = type_name(&column.column_type) {
                options.types.push((column.name.clone(), name));
            }
        }
    }

    /// Every column of the files must be one of the table.
    pub(in crate::commands) fn check_fit(&self, plan: &Plan) -> Result<(), CliError> {
        match &self.table {
            None => Ok(()),
            Some(meta) => check_fit(meta, plan),
        }
    }

    /// The description of the table that is to be made.
    pub(in crate::commands) fn spec(&self, args: &Args, plan: &Plan) -> Option<TableSpec> {
        if self.table.is_some() {
            return None;
        }
        let mut spec = TableSpec::new(&args.table, plan.schema.as_ref().clone()).time(&plan.time);
        if let Some(series) = &plan.series {
            spec = spec.series(series);
        }
        if let Some(unit) = args.partition() {
            spec = spec.partition(unit);
        }
        if let Some(keep) = args.reading.keep() {
            spec = spec.keep(keep).key(&args.reading.key);
        }
        for (column, kind) in &args.reading.attributes {
            spec = spec.attribute(column, *kind);
        }
        for (column, domain) in &args.reading.symbols {
            if let Some(domain) = domain {
                spec = spec.symbol(column, domain);
            }
        }
        Some(spec)
    }

    /// The database to write to, made if it is missing; then with what undoes that.
    pub(in crate::commands) fn open_for_writing(
        &self,
        args: &Args,
    ) -> Result<(Database, Option<Made>), CliError> {
        if let Some(database) = &self.database {
            return Ok((database.clone(), None));
        }
        let made = Made::about_to(&args.database);
        let database = Database::builder(&args.database)
            .maintenance(self.maintenance)
            .open()?;
        Ok((database, Some(made)))
    }
}

/// Columns of files get the types that a table has; those that are given go before. Tells whether that changed anything.
pub(in crate::commands) fn adopt_types(meta: &TableMeta, plan: &Plan, options: &mut ReadOptions) -> bool {
    let before = options.types.len();
    for column in &meta.columns {
        let special = column.column_id == meta.time_column || Some(column.column_id) == meta.series_column;
        let given = options.types.iter().any(|(name, _)| *name == column.name);
        let in_files = plan.schema.column_with_name(&column.name).is_some();
        if special || given || !in_files {
            continue;
        }
        if let Some(name) = type_name(&column.column_type) {
            options.types.push((column.name.clone(), name));
        }
    }
    options.types.len() > before
}

/// Every column of the files must be one of a table.
pub(in crate::commands) fn check_fit(meta: &TableMeta, plan: &Plan) -> Result<(), CliError> {
    let has = |name: &str| meta.columns.iter().any(|column| column.name == name);
    match plan.schema.fields().iter().find(|field| !has(field.name())) {
        None => Ok(()),
        Some(field) => {
            let names: Vec<_> = meta.columns.iter().map(|column| column.name.as_str()).collect();
            Err(CliError::invalid(format!(
                "table {:?} has no column {:?}, which the files have; its columns are {}",
                meta.name,
                field.name(),
                names.join(", ")
            )))
        }
    }
}

fn is_database(path: &Path) -> bool {
    path.join("GAPLESS").symlink_metadata().is_ok()
}

fn keep_name(keep: Keep) -> &'static str {
    match keep {
        Keep::All => "all rows",
        Keep::First => "the first row of a key",
        Keep::Last => "the last row of a key",
    }
}

/// What the command line says about a table that exists must be what the table is.
fn check_agreement(args: &Reading, meta: &TableMeta) -> Result<(), CliError> {
    let name = |id: u32| meta.column(id).map(|column| column.name.as_str());
    let exists = |what: String| {
        Err(
            CliError::invalid(format!("table {:?} exists, and {what}", meta.name))
                .hint("leave the option out, or import into another table"),
        )
    };
    let time = name(meta.time_column).unwrap_or_default();
    if let Some(given) = args.text.time.as_deref().filter(|given| *given != time) {
        return exists(format!("its time column is {time:?}, not {given:?} (--time)"));
    }
    let series = meta.series_column.and_then(name);
    if let Some(given) = args.series.as_deref().filter(|given| Some(*given) != series) {
        let has = series.map_or("it has no series".to_owned(), |series| {
            format!("its series column is {series:?}")
        });
        return exists(format!("{has}, not {given:?} (--series)"));
    }
    if let Some(given) = args.keep().filter(|given| *given != meta.keep) {
        let (has, given) = (keep_name(meta.keep), keep_name(given));
        return exists(format!("it keeps {has}, not {given} (--keep)"));
    }
    if !args.key.is_empty() {
        let is_special = |id: u32| id == meta.time_column || Some(id) == meta.series_column;
        let named = |name: &&str| !args.key.iter().any(|given| given == name);
        let extra = meta.key.iter().filter(|id| !is_special(**id));
        let missing = extra.filter_map(|id| name(*id)).find(named);
        let in_key = |given: &&String| !meta.key.iter().any(|id| name(*id) == Some(given.as_str()));
        if let Some(column) = args.key.iter().find(in_key) {
            return exists(format!("{column:?} is not part of its key (--key)"));
        }
        if let Some(column) = missing {
            return exists(format!("{column:?} is part of its key too (--key)"));
        }
    }
    for (column, kind) in &args.attributes {
        let spec = meta.columns.iter().find(|spec| spec.name == *column);
        if !spec.is_some_and(|spec| spec.attributes.contains(kind)) {
            return exists(format!(
                "its column {column:?} is not {} (--attribute)",
                kind.name()
            ));
        }
    }
    for (column, domain) in &args.symbols {
        let spec = meta.columns.iter().find(|spec| spec.name == *column);
        let agrees = match spec.map(|spec| &spec.column_type) {
            Some(ColumnType::Symbol { domain: stored }) => {
                domain.as_ref().is_none_or(|domain| domain == stored)
            }
            _ => false,
        };
        if !agrees {
            let domain = domain
                .as_ref()
                .map(|domain| format!(" of domain {domain:?}"))
                .unwrap_or_default();
            return exists(format!(
                "its column {column:?} is not a symbol{domain} (--symbol)"
            ));
        }
    }
    Ok(())
}

/// The name under which the reader of files knows a stored type. Lists come in typed files only, as they are.
fn type_name(column_type: &ColumnType) -> Option<TypeName> {
    Some(match column_type {
        ColumnType::Bool => TypeName::Bool,
        ColumnType::Number(number) => match number {
            Number::I8 => TypeName::I8,
            Number::I16 => TypeName::I16,
            Number::I32 => TypeName::I32,
            Number::I64 => TypeName::I64,
            Number::U8 => TypeName::U8,
            Number::U16 => TypeName::U16,
            Number::U32 => TypeName::U32,
            Number::U64 => TypeName::U64,
            Number::F32 => TypeName::F32,
            Number::F64 => TypeName::F64,
        },
        ColumnType::Decimal128 { precision, scale } => TypeName::Decimal {
            precision: *precision,
            scale: *scale,
        },
        ColumnType::Date => TypeName::Date,
        ColumnType::Time(unit) => TypeName::Time(arrow_unit(*unit)),
        ColumnType::Timestamp { unit, .. } => TypeName::Timestamp(arrow_unit(*unit)),
        ColumnType::Duration(unit) => TypeName::Duration(arrow_unit(*unit)),
        ColumnType::Symbol { .. } => TypeName::Symbol,
        ColumnType::Utf8 => TypeName::Utf8,
        ColumnType::Binary => TypeName::Binary,
        ColumnType::FixedList { .. } | ColumnType::List(_) => return None,
    })
}

fn arrow_unit(unit: TimeUnit) -> gapless_interchange::TimeUnit {
    match unit {
        TimeUnit::Second => gapless_interchange::TimeUnit::Second,
        TimeUnit::Millisecond => gapless_interchange::TimeUnit::Millisecond,
        TimeUnit::Microsecond => gapless_interchange::TimeUnit::Microsecond,
        TimeUnit::Nanosecond => gapless_interchange::TimeUnit::Nanosecond,
    }
}
