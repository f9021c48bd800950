//! The options of an import, and what they mean to the reader of files.

use std::path::PathBuf;

use gapless::{AttributeKind, Keep, PartitionUnit};
use gapless_interchange::{FileFormat, OnError, ReadOptions, TimeUnit, TypeName, parse_time_unit};

use crate::error::CliError;
use crate::options::byte_size;

/// What to import, where, and how it is read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless import market.db trade trades.csv.gz --time ts --series sym\n  \
        gapless import market.db trade 2026-*.parquet --series sym --partition hour --attribute price=grouped\n  \
        gapless import market.db quote q.csv --time-unit ms --symbol exch --on-error skip --rejects bad.csv\n\n\
        Files may be CSV, JSON lines (both plain, .gz or .zst), Parquet or Arrow IPC. Database and table are made if \
        they are missing.\nAll files of one import are one atomic commit: after an error nothing of it is there. \
        Units and zones of times are never guessed:\nwhat was decided is shown before the import runs, and what is \
        ambiguous is refused."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    pub(super) database: PathBuf,
    /// The table.
    #[arg(value_name = "TABLE")]
    pub(super) table: String,
    /// The files. They must have the same columns.
    #[arg(value_name = "FILES", required = true)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// The partition unit: the new table's, or that of this import's segments if the table exists.
    #[arg(long, value_name = "UNIT", value_enum)]
    pub(super) partition: Option<Unit>,
    /// The format of all files, instead of the one their names tell: csv, jsonl, parquet or arrow.
    #[arg(long, value_name = "FORMAT", alias = "input-format", value_parser = file_format)]
    pub(super) format: Option<FileFormat>,
    /// Memory for sorting; more rows than fit are sorted on disk.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = byte_size)]
    pub(super) memory: usize,
    /// What happens at a line that cannot be read.
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = Action::Fail)]
    pub(super) on_error: Action,
    /// Where --on-error skip puts bad lines; the reasons go to FILE.reasons.csv [default: TABLE.rejects].
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,
    /// Show the plan only.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What the columns are, and how text is read: the same for rows of files and of standard input.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::commands) struct Reading {
    #[command(flatten)]
    pub(super) text: TextReading,
    /// The series column; rows are kept by series, then time.
    #[arg(long, value_name = "COL")]
    pub(super) series: Option<String>,
    /// Store a text column as symbols, in its own domain or in a named one that tables can share.
    #[arg(long = "symbol", value_name = "COL[=DOMAIN]", value_parser = symbol)]
    pub(super) symbols: Vec<(String, Option<String>)>,
    /// Index a column: sorted, parted, grouped or unique.
    #[arg(long = "attribute", value_name = "COL=ATTRIBUTE", value_parser = attribute)]
    pub(super) attributes: Vec<(String, AttributeKind)>,
    /// Columns whose rows are versions of one another, besides time and series; needs --keep.
    #[arg(long, value_name = "COLS", value_delimiter = ',', requires = "keep")]
    pub(super) key: Vec<String>,
    /// Which row of a key counts: every one, or that of the first or the last commit [default: all].
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(super) keep: Option<Which>,
}

/// How text is read, whatever table its rows are for.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::commands) struct TextReading {
    /// The time column; needed when it is not obvious.
    #[arg(long, value_name = "COL")]
    pub(in crate::commands) time: Option<String>,
    /// The unit of a time column of numbers: s, ms, us or ns.
    #[arg(long, value_name = "UNIT", value_parser = time_unit)]
    time_unit: Option<TimeUnit>,
    /// The strftime format of a time column of text, for example "%d.%m.%Y %H:%M:%S".
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// The zone of local times without an offset: UTC, an IANA name or +hh:mm.
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    zone: Option<String>,
    /// The type of a column, for example price=decimal(18,4) or id=u32.
    #[arg(long = "type", value_name = "COL=TYPE", value_parser = column_type)]
    pub(super) types: Vec<(String, TypeName)>,
    /// The character between CSV fields; \t is a tab.
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// The first CSV line holds values already; --columns names the columns.
    #[arg(long, requires = "columns")]
    no_header: bool,
    /// The column names, for CSV without a header and for JSON rows that are arrays.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    columns: Vec<String>,
    /// Text that means null in CSV, besides the empty field; may be given more than once.
    #[arg(long = "null", value_name = "TEXT", allow_hyphen_values = true)]
    nulls: Vec<String>,
}

/// A partition unit as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Unit {
    Hour,
    Day,
    Month,
    Year,
}

/// Which row of a key counts, as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Which {
    All,
    First,
    Last,
}

/// What happens at a bad line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Action {
    /// The import fails.
    Fail,
    /// The line is put aside and counted.
    Skip,
}

impl Args {
    /// The partition unit that was asked for.
    pub(super) fn partition(&self) -> Option<PartitionUnit> {
        self.partition.map(|unit| match unit {
            Unit::Hour => PartitionUnit::Hour,
            Unit::Day => PartitionUnit::Day,
            Unit::Month => PartitionUnit::Month,
            Unit::Year => PartitionUnit::Year,
        })
    }

    /// The import that would make the same table as another verb, of files it does not have.
    pub(in crate::commands) fn of_reading(database: PathBuf, table: String, reading: Reading) -> Self {
        Self {
            database,
            table,
            files: Vec::new(),
            reading,
            partition: None,
            format: None,
            memory: 0,
            on_error: Action::Fail,
            rejects: None,
            dry_run: false,
        }
    }

    /// How the files are read, as far as the command line says.
    pub(in crate::commands) fn read_options(&self) -> Result<ReadOptions, CliError> {
        Ok(ReadOptions {
            format: self.format,
            on_error: self.on_error()?,
            ..self.reading.read_options()?
        })
    }

    fn on_error(&self) -> Result<OnError, CliError> {
        match (self.on_error, &self.rejects) {
            (Action::Fail, None) => Ok(OnError::Fail),
            (Action::Fail, Some(_)) => Err(CliError::invalid("--rejects has no use without --on-error skip")),
            (Action::Skip, Some(file)) => Ok(OnError::Skip {
                rejects: file.clone(),
            }),
            (Action::Skip, None) => {
                let name = gapless_format::file_name(&self.table)
                    .map_err(|error| CliError::invalid(format!("table name: {error}")))?;
                Ok(OnError::Skip {
                    rejects: PathBuf::from(format!("{name}.rejects")),
                })
            }
        }
    }
}

impl Reading {
    /// Whether the first line of CSV names the columns.
    pub(in crate::commands) fn has_header(&self) -> bool {
        self.text.has_header()
    }

    /// Which rows count, as far as the command line says.
    pub(super) fn keep(&self) -> Option<Keep> {
        self.keep.map(|which| match which {
            Which::All => Keep::All,
            Which::First => Keep::First,
            Which::Last => Keep::Last,
        })
    }

    /// How text is read, as far as the command line says.
    fn read_options(&self) -> Result<ReadOptions, CliError> {
        let mut options = self.text.read_options();
        for (column, _) in &self.symbols {
            let other = |(name, given): &&(String, TypeName)| name == column && *given != TypeName::Symbol;
            if let Some((_, given)) = options.types.iter().find(other) {
                return Err(CliError::invalid(format!(
                    "column {column:?} cannot be a symbol (--symbol) and of type {given} (--type)"
                )));
            }
            options.types.push((column.clone(), TypeName::Symbol));
        }
        options.series.clone_from(&self.series);
        Ok(options)
    }
}

impl TextReading {
    /// Whether the first line of CSV names the columns.
    pub(in crate::commands) fn has_header(&self) -> bool {
        !self.no_header
    }

    /// How text is read, as far as the command line says.
    pub(in crate::commands) fn read_options(&self) -> ReadOptions {
        let defaults = ReadOptions::default();
        let mut null_values = defaults.null_values.clone();
        null_values.extend(self.nulls.iter().cloned());
        ReadOptions {
            delimiter: self.delimiter,
            header: !self.no_header,
            column_names: (!self.columns.is_empty()).then(|| self.columns.clone()),
            time: self.time.clone(),
            time_unit: self.time_unit,
            time_format: self.time_format.clone(),
            zone: self.zone.clone(),
            types: self.types.clone(),
            null_values,
            ..defaults
        }
    }
}

fn time_unit(text: &str) -> Result<TimeUnit, String> {
    parse_time_unit(text).map_err(|error| error.to_string())
}

pub(in crate::commands) fn file_format(text: &str) -> Result<FileFormat, String> {
    text.parse::<FileFormat>().map_err(|error| error.to_string())
}

fn column_type(text: &str) -> Result<(String, TypeName), String> {
    let (column, name) = text
        .rsplit_once('=')
        .ok_or("write it as column=type, for example price=f64")?;
    let name = name.parse::<TypeName>().map_err(|error| error.to_string())?;
    Ok((column.to_owned(), name))
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a parser that can fail")]
fn symbol(text: &str) -> Result<(String, Option<String>), String> {
    Ok(match text.split_once('=') {
        Some((column, domain)) => (column.to_owned(), Some(domain.to_owned())),
        None => (text.to_owned(), None),
    })
}

fn attribute(text: &str) -> Result<(String, AttributeKind), String> {
    let wanted = "write it as column=attribute; attributes are sorted, parted, grouped and unique";
    let (column, name) = text.rsplit_once('=').ok_or(wanted)?;
    let kinds = [
        AttributeKind::Sorted,
        AttributeKind::Parted,
        AttributeKind::Grouped,
        AttributeKind::Unique,
    ];
    let kind = kinds.into_iter().find(|kind| kind.name() == name).ok_or(wanted)?;
    Ok((column.to_owned(), kind))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("\\t" | "tab", _) => Ok(b'\t'),
        (_, [byte]) if byte.is_ascii() => Ok(*byte),
        _ => Err("is not one ASCII character".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_on_the_command_line_are_taken_apart_at_the_right_sign() {
        assert_eq!(
            column_type("a=b=decimal(18,4)"),
            Ok((
                "a=b".into(),
                TypeName::Decimal {
                    precision: 18,
                    scale: 4
                }
            ))
        );
        assert!(column_type("price").is_err());
        assert!(column_type("price=float").is_err_and(|error| error.contains("f64")));
        assert_eq!(symbol("ex"), Ok(("ex".into(), None)));
        assert_eq!(symbol("ex=venue"), Ok(("ex".into(), Some("venue".into()))));
        assert_eq!(attribute("ex=grouped"), Ok(("ex".into(), AttributeKind::Grouped)));
        assert!(attribute("ex=hashed").is_err());
        assert_eq!(delimiter("\\t"), Ok(b'\t'));
        assert!(delimiter(";;").is_err());
    }
}
