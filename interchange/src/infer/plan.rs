//! The plan of a read: one schema for all files, and why.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{ErrorKind, InterchangeError, Result, list, shown};
use crate::file_format::{Compression, FileFormat, Identity, identify};
use crate::infer::files::{FileColumn, names_of, sample};
use crate::infer::time_column::{self, TimeMeaning};
use crate::input::Progress;
use crate::options::ReadOptions;
use crate::text::time::{LocalTime, TimeReader};
use crate::type_name::{TypeName, symbol_type};
use crate::typed::type_name_of;

/// So many files, from the front, are sampled; of the others only the columns' names and types are checked.
const SAMPLED_FILES: usize = 8;

/// One thing that was inferred or settled, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The column.
    pub column: String,
    /// What it is now ("time, epoch milliseconds", "symbol").
    pub decided: String,
    /// Why.
    pub because: String,
}

/// What [`plan`] found: one schema for all files.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The columns in the order of the first file. The time column is `Timestamp(Nanosecond, zone)` and never null; symbol
    /// columns are `Dictionary(UInt32, Utf8)`.
    pub schema: SchemaRef,
    /// The time column.
    pub time: String,
    /// The series column.
    pub series: Option<String>,
    /// What was inferred and settled, column by column.
    pub decisions: Vec<Decision>,
    /// The files, in the order given.
    pub files: Vec<PathBuf>,
    pub(crate) columns: Vec<ColumnPlan>,
    pub(crate) inputs: Vec<Input>,
}

/// One file to read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) file: PathBuf,
    pub(crate) identity: Identity,
    /// The bytes, when they are in no file.
    pub(crate) content: Option<Arc<[u8]>>,
}

/// How one column is read.
#[derive(Clone, Debug)]
pub(crate) struct ColumnPlan {
    pub(crate) name: String,
    /// How it is read from text; `None` for types that text does not have.
    pub(crate) type_name: Option<TypeName>,
    pub(crate) data_type: DataType,
    pub(crate) times: TimeReader,
    pub(crate) is_time: bool,
    /// Whether the type was inferred from a sample, and so may prove wrong.
    pub(crate) inferred: bool,
}

impl ColumnPlan {
    /// The zone of a timestamp column.
    pub(crate) fn zone(&self) -> Option<Arc<str>> {
        match &self.data_type {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        }
    }
}

/// Looks at `files` and settles one schema for them.
///
/// Text files are sampled: `sample_rows` rows of each of the first eight files. Types that were inferred must then
/// hold for all rows; [`Source`](crate::Source) says so when one does not.
///
/// # Errors
/// When a file cannot be read or has another schema than the first; when an option names an unknown
/// column; when the time column, its unit or its zone is not certain.
pub fn plan(files: &[PathBuf], options: &ReadOptions) -> Result<Plan> {
    let inputs = files
        .iter()
        .map(|file| {
            Ok(Input {
                file: file.clone(),
                identity: identify(file, options.format)?,
                content: None,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    plan_inputs(inputs, options)
}

/// Looks at the first lines of text that is in no file, and settles a schema for it.
///
/// `name` stands for a file's name in errors. `text` should end with a line: what is cut off would be looked at too.
///
/// # Errors
/// As [`plan`].
pub fn plan_text(name: &str, format: FileFormat, text: &[u8], options: &ReadOptions) -> Result<Plan> {
    let input = Input {
        file: PathBuf::from(name),
        identity: Identity {
            format,
            compression: Compression::None,
            tabs: false,
            bytes: text.len() as u64,
        },
        content: Some(text.into()),
    };
    plan_inputs(vec![input], options)
}

fn plan_inputs(inputs: Vec<Input>, options: &ReadOptions) -> Result<Plan> {
    let columns = common_columns(&inputs, options)?;
    check_options(&columns, options)?;
    let (time, why_time) = time_column::choose(&columns, options)?;
    let mut decisions = Vec::new();
    let mut planned = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let of_file = |error: InterchangeError| match inputs.first() {
            Some(input) if error.file.is_none() => error.at_file(&input.file),
            _ => error,
        };
        let (plan, decision) = if index == time {
            plan_time(column, options, &why_time).map_err(of_file)?
        } else {
            plan_column(column, options).map_err(of_file)?
        };
        planned.push(plan);
        decisions.push(decision);
    }
    if inputs.iter().any(|input| input.identity.format.is_text())
        && let Some(column) = planned.iter().find(|column| column.type_name.is_none())
    {
        let reason = format!("text files have no columns of type {}", column.data_type);
        return Err(InterchangeError::unsupported(reason).in_column(&column.name));
    }
    let fields: Vec<Field> = planned
        .iter()
        .map(|column| Field::new(&column.name, column.data_type.clone(), !column.is_time))
        .collect();
    Ok(Plan {
        schema: Arc::new(Schema::new(fields)),
        time: planned
            .get(time)
            .map(|column| column.name.clone())
            .unwrap_or_default(),
        series: options.series.clone(),
        decisions,
        files: inputs.iter().map(|input| input.file.clone()).collect(),
        columns: planned,
        inputs,
    })
}

/// The columns of the first file, with the samples of all sampled files, after checking that the files agree.
fn common_columns(inputs: &[Input], options: &ReadOptions) -> Result<Vec<FileColumn>> {
    let mut inputs = inputs.iter().enumerate();
    let Some((_, first)) = inputs.next() else {
        return Err(InterchangeError::invalid("there are no files to read"));
    };
    let mut columns = sample(first, options, options.sample_rows.max(1))?;
    // Objects leave out keys, so their columns are the union over the files.
    let open = first.identity.format == crate::FileFormat::JsonLines && options.column_names.is_none();
    for (index, input) in inputs {
        let sampled = index < SAMPLED_FILES;
        let rows = if sampled { options.sample_rows.max(1) } else { 0 };
        let found = sample(input, options, rows)?;
        let also_open = open && input.identity.format == crate::FileFormat::JsonLines;
        merge(&mut columns, found, input, first, also_open)?;
    }
    for (name, _) in &options.types {
        if open && !columns.iter().any(|column| &column.name == name) {
            columns.push(FileColumn {
                name: name.clone(),
                data_type: None,
                sample: Default::default(),
            });
        }
    }
    if columns.is_empty() {
        return Err(
            InterchangeError::invalid("there are no rows to infer columns from").at_file(&first.file),
        );
    }
    let rows = columns
        .iter()
        .map(|column| column.sample.values + column.sample.nulls)
        .max()
        .unwrap_or(0);
    if rows == 0
        && columns
            .iter()
            .any(|column| column.data_type.is_none() && options.given_type(&column.name).is_none())
    {
        return Err(
            InterchangeError::invalid("there are no rows to infer the columns' types from")
                .at_file(&first.file)
                .with_hint("give the types with --type, or add a file with rows"),
        );
    }
    Ok(columns)
}

fn merge(
    columns: &mut Vec<FileColumn>,
    found: Vec<FileColumn>,
    input: &Input,
    first: &Input,
    open: bool,
) -> Result<()> {
    let failed = |reason: String| InterchangeError::invalid(reason).at_file(&input.file);
    if !open
        && let Some(missing) = columns
            .iter()
            .find(|column| !found.iter().any(|other| other.name == column.name))
    {
        let reason = format!("the column is missing; {} has it", shown(&first.file));
        return Err(failed(reason)
            .in_column(&missing.name)
            .with_hint(format!("this file's columns are {}", names_of(&found))));
    }
    for column in found {
        let Some(known) = columns.iter_mut().find(|known| known.name == column.name) else {
            if open {
                columns.push(column);
                continue;
            }
            let reason = format!("the column is not in {}", shown(&first.file));
            return Err(failed(reason)
                .in_column(&column.name)
                .with_hint("import files of different columns apart"));
        };
        match (&known.data_type, &column.data_type) {
            (Some(a), Some(b)) if a != b => {
                let reason = format!("the type is {b}, but {a} in {}", shown(&first.file));
                return Err(failed(reason).in_column(&column.name));
            }
            (None, Some(b)) => known.data_type = Some(b.clone()),
            _ => {}
        }
        known.sample.absorb(column.sample);
    }
    Ok(())
}

fn check_options(columns: &[FileColumn], options: &ReadOptions) -> Result<()> {
    let known = |name: &str, option: &str| {
        if columns.iter().any(|column| column.name == name) {
            return Ok(());
        }
        let names = list(columns.iter().map(|column| column.name.as_str()));
        Err(InterchangeError::new(
            ErrorKind::NotFound,
            format!("there is no column {name:?} ({option})"),
        )
        .with_hint(format!("the columns are {names}")))
    };
    for (name, _) in &options.types {
        known(name, "--type")?;
    }
    if let Some(series) = &options.series {
        known(series, "--series")?;
        match options.given_type(series) {
            None | Some(TypeName::Symbol) => {}
            Some(given) => {
                let reason = format!("is the series and becomes a symbol; it cannot be of type {given}");
                return Err(InterchangeError::invalid(reason).in_column(series));
            }
        }
        if options.time.as_ref() == Some(series) {
            return Err(InterchangeError::invalid("cannot be the time and the series").in_column(series));
        }
    }
    match &options.zone {
        Some(zone) => LocalTime::of_zone(zone).map(drop),
        None => Ok(()),
    }
}

fn plan_time(column: &FileColumn, options: &ReadOptions, why: &str) -> Result<(ColumnPlan, Decision)> {
    if options.series.as_ref() == Some(&column.name) {
        return Err(InterchangeError::invalid("cannot be the time and the series").in_column(&column.name));
    }
    let TimeMeaning {
        number_unit,
        local,
        zone,
        because,
    } = time_column::settle(column, options)?;
    let times = TimeReader {
        number_unit,
        format: options.time_format.clone(),
        local,
        unit: TimeUnit::Nanosecond,
        progress: Arc::new(Progress::default()),
    };
    time_column::try_examples(column, &times)?;
    let decided = format!("time, timestamp(ns) of zone {zone}");
    let plan = ColumnPlan {
        name: column.name.clone(),
        type_name: Some(TypeName::Timestamp(TimeUnit::Nanosecond)),
        data_type: DataType::Timestamp(TimeUnit::Nanosecond, Some(zone.into())),
        times,
        is_time: true,
        inferred: false,
    };
    let because = format!("{why}; {because}");
    Ok((
        plan,
        Decision {
            column: column.name.clone(),
            decided,
            because,
        },
    ))
}

fn plan_column(column: &FileColumn, options: &ReadOptions) -> Result<(ColumnPlan, Decision)> {
    let is_series = options.series.as_ref() == Some(&column.name);
    let given = options.given_type(&column.name);
    let mut inferred = false;
    let (data_type, because) = if is_series {
        if let Some(stored) = &column.data_type
            && !(crate::typed::is_text(stored) || stored.is_integer() || *stored == DataType::Boolean)
        {
            let reason = format!("the type {stored} cannot be the series; text and integers can");
            return Err(InterchangeError::unsupported(reason).in_column(&column.name));
        }
        (symbol_type(), "it is the series (--series)".to_owned())
    } else if let Some(given) = given {
        (
            given.data_type(given_zone(column, options).as_deref()),
            format!("--type {}={given}", column.name),
        )
    } else {
        match &column.data_type {
            Some(DataType::Utf8) => {
                let (name, because) = column.sample.decide_text();
                (name.data_type(None), because)
            }
            Some(stored) => (stored.clone(), "that is its type in the file".to_owned()),
            None => {
                inferred = true;
                let (name, because) = column.sample.decide();
                (name.data_type(given_zone(column, options).as_deref()), because)
            }
        }
    };
    let type_name = type_name_of(&data_type);
    let zone = match &data_type {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let times = TimeReader {
        number_unit: match given {
            Some(TypeName::Timestamp(unit)) => Some(unit),
            _ => None,
        },
        format: None,
        local: match (&zone, &options.zone) {
            (None, _) => LocalTime::WallClock,
            (Some(_), Some(zone)) => LocalTime::of_zone(zone)?,
            (Some(_), None) => LocalTime::Refused,
        },
        unit: match type_name {
            Some(TypeName::Timestamp(unit)) => unit,
            _ => TimeUnit::Nanosecond,
        },
        progress: Arc::new(Progress::default()),
    };
    let decided = type_name.map_or_else(|| data_type.to_string(), |name| name.to_string());
    let plan = ColumnPlan {
        name: column.name.clone(),
        type_name,
        data_type,
        times,
        is_time: false,
        inferred,
    };
    Ok((
        plan,
        Decision {
            column: column.name.clone(),
            decided,
            because,
        },
    ))
}

/// The zone of a timestamp column that is not the time: none if its text has no offsets and `--zone` is not given.
fn given_zone(column: &FileColumn, options: &ReadOptions) -> Option<String> {
    match &options.zone {
        // An unknown zone has been refused by now.
        Some(zone) => LocalTime::of_zone(zone).ok().map(|local| local.name(zone)),
        None if column.sample.local_times > 0 => None,
        None => match &column.data_type {
            Some(DataType::Timestamp(_, zone)) => zone.as_ref().map(|zone| zone.to_string()),
            _ => Some("UTC".into()),
        },
    }
}
