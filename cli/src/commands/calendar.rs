//! `gapless calendar`: when rows are expected. Calendars, who goes by them, and the life of series.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gapless::manifest::Version;
use gapless::{Database, Listing};
use gapless_format::{CalendarUse, ColumnType, TableMeta};
use serde::Serialize;

use crate::error::CliError;
use crate::options::{self, instant as parse_instant};
use crate::output::Output;
use crate::render::{Align, Grid, MadeRows, RowFormat, duration, instant, instant_iso};

/// What to do with calendars.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless calendar market.db import nyse nyse.toml\n  \
    gapless calendar market.db show nyse --start 2026-12-24 --end 2026-12-29\n  \
    gapless calendar market.db use nyse bars\n  gapless calendar market.db use cme bars --series ES --series NQ\n  \
    gapless calendar market.db listing bars GOOG --start 2014-04-03\n\n\
    A calendar is TOML: a zone, sessions of the week in local time, and exceptions. The text is kept as it is, comments and \
    all; - is standard input. Nothing is expected, and so nothing is missing, outside of the sessions of the calendar that a \
    series goes by, and outside of its life. A table without a calendar is always open."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the calendars and who goes by them [default].
    List,
    /// Create a calendar, or replace the one of that name, from a file of TOML.
    Import {
        /// The calendar's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The file; - is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write the text of a calendar to a file, or print it.
    Export {
        /// The calendar's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The file; it must not be there yet [default: standard output].
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Remove a calendar that nobody goes by.
    Drop {
        /// The calendar's name.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Let a table, or some of its series, go by a calendar.
    Use {
        /// The calendar's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The table.
        #[arg(value_name = "TABLE")]
        table: String,
        /// Only this series; may be given more than once.
        #[arg(long, value_name = "SERIES")]
        series: Vec<String>,
    },
    /// Let a table be always open again, or some of its series go by the table's calendar.
    Unuse {
        /// The table.
        #[arg(value_name = "TABLE")]
        table: String,
        /// Only this series; may be given more than once.
        #[arg(long, value_name = "SERIES")]
        series: Vec<String>,
    },
    /// Print the ranges in which a calendar is open.
    Show(Show),
    /// Say when a series is listed, or show it.
    Listing(Listed),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The calendar's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// From this time on.
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    start: i64,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    end: i64,
    /// How ranges are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table, conflicts_with = "json")]
    format: RowFormat,
}

#[derive(Debug, clap::Args)]
struct Listed {
    /// The table.
    #[arg(value_name = "TABLE")]
    table: String,
    /// The series.
    #[arg(value_name = "SERIES")]
    series: String,
    /// Its first time; without, it has always been there.
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    start: Option<i64>,
    /// The first time after its life; without, it goes on.
    #[arg(long, value_name = "TIME", value_parser = parse_instant, allow_hyphen_values = true)]
    end: Option<i64>,
    /// Take back what was said.
    #[arg(long, conflicts_with_all = ["start", "end"])]
    clear: bool,
}

#[derive(Serialize)]
struct Calendars {
    calendars: Vec<CalendarLine>,
}

#[derive(Serialize)]
struct CalendarLine {
    calendar: String,
    zone: String,
    version: u64,
    used_by: Vec<UseLine>,
}

#[derive(Serialize)]
struct UseLine {
    table: String,
    series: Option<String>,
}

#[derive(Serialize)]
struct Done<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<&'a [String]>,
    done: &'a str,
}

#[derive(Serialize)]
struct Open {
    calendar: String,
    zone: String,
    open: Vec<OpenLine>,
}

#[derive(Serialize)]
struct OpenLine {
    start: String,
    end: String,
    length_ns: i64,
}

#[derive(Serialize)]
struct ListingLine<'a> {
    table: &'a str,
    series: &'a str,
    start: Option<String>,
    end: Option<String>,
}

/// Does what is asked.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let directory = &args.database;
    match args.action.unwrap_or(Action::List) {
        Action::List => list(&options::open(directory)?, output)?,
        Action::Import { name, file } => {
            let text = read(&file)?;
            options::open_existing(directory)?
                .import_calendar(&name, &text)
                .map_err(|error| {
                    CliError::new(error.kind(), format!("{}: {}", file.display(), error.message()))
                })?;
            done(Some(&name), None, &[], "imported", output)?;
        }
        Action::Export { name, file } => export(&options::open(directory)?, &name, file.as_deref(), output)?,
        Action::Drop { name } => {
            options::open_existing(directory)?.drop_calendar(&name)?;
            done(Some(&name), None, &[], "dropped", output)?;
        }
        Action::Use { name, table, series } => {
            set(directory, Some(&name), &table, &series)?;
            done(Some(&name), Some(&table), &series, "used", output)?;
        }
        Action::Unuse { table, series } => {
            set(directory, None, &table, &series)?;
            done(None, Some(&table), &series, "no calendar of its own", output)?;
        }
        Action::Show(show) => open_ranges(directory, &show, output)?,
        Action::Listing(listed) => listing(directory, &listed, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String, CliError> {
    let text = match file.as_os_str() == OsStr::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    text.map_err(|error| CliError::io(format!("cannot read {}", file.display()), &error))
}

fn done(
    calendar: Option<&str>,
    table: Option<&str>,
    series: &[String],
    done: &str,
    output: &mut Output,
) -> Result<(), CliError> {
    let series = (!series.is_empty()).then_some(series);
    if output.is_json() {
        return output.json(&Done {
            calendar,
            table,
            series,
            done,
        });
    }
    let whose = match (table, series) {
        (None, _) => String::new(),
        (Some(table), None) => format!("table {table:?}"),
        (Some(table), Some(series)) => format!("{} of table {table:?}", series.join(", ")),
    };
    match (calendar, whose.as_str()) {
        (Some(name), "") => output.line(format!("calendar {name:?}: {done}")),
        (Some(name), whose) => output.line(format!("calendar {name:?}: {done} by {whose}")),
        (None, whose) => output.line(format!("{whose}: {done}")),
    }
}

fn set(directory: &Path, calendar: Option<&str>, table: &str, series: &[String]) -> Result<(), CliError> {
    let table = options::open_existing(directory)?.table(table)?;
    let names: Vec<&str> = series.iter().map(String::as_str).collect();
    Ok(table.set_calendar(calendar, (!names.is_empty()).then_some(&names[..]))?)
}

fn export(database: &Database, name: &str, file: Option<&Path>, output: &mut Output) -> Result<(), CliError> {
    let text = database.calendar_text(name)?;
    let Some(file) = file else {
        #[derive(Serialize)]
        struct Text<'a> {
            calendar: &'a str,
            text: &'a str,
        }
        return match output.is_json() {
            true => output.json(&Text {
                calendar: name,
                text: &text,
            }),
            false => output.bytes(text.as_bytes()),
        };
    };
    let failed = |error: std::io::Error| CliError::io(format!("cannot write {}", file.display()), &error);
    let mut created = std::fs::File::create_new(file).map_err(failed)?;
    std::io::Write::write_all(&mut created, text.as_bytes()).map_err(failed)?;
    done(Some(name), None, &[], "exported", output)
}

fn list(database: &Database, output: &mut Output) -> Result<(), CliError> {
    let version = database.version()?;
    let uses: Vec<CalendarUse> = version.calendar_uses().collect();
    let mut calendars = Vec::new();
    for meta in version.calendars() {
        let own = uses
            .iter()
            .filter(|one| one.calendar.as_deref() == Some(meta.name.as_str()));
        calendars.push(CalendarLine {
            calendar: meta.name.clone(),
            zone: database.calendar(&meta.name)?.zone().to_owned(),
            version: meta.changed,
            used_by: own
                .map(|one| use_line(database, &version, one))
                .collect::<Result<_, _>>()?,
        });
    }
    if output.is_json() {
        return output.json(&Calendars { calendars });
    }
    if calendars.is_empty() {
        return output.line("no calendars: every table is always open");
    }
    let mut grid = Grid::new([
        ("calendar", Align::Left),
        ("zone", Align::Left),
        ("version", Align::Right),
        ("used by", Align::Left),
    ]);
    for line in calendars {
        let used: Vec<String> = line
            .used_by
            .into_iter()
            .map(|one| match one.series {
                None => one.table,
                Some(series) => format!("{}/{series}", one.table),
            })
            .collect();
        grid.row([
            line.calendar,
            line.zone,
            line.version.to_string(),
            used.join(", "),
        ]);
    }
    grid.print(output)
}

fn use_line(database: &Database, version: &Version, one: &CalendarUse) -> Result<UseLine, CliError> {
    let meta = version.table_by_id(one.table).map(|state| state.meta());
    let series = match (meta, one.series) {
        (Some(meta), Some(code)) => database.domain(domain(meta)?)?.symbol(code),
        _ => None,
    };
    Ok(UseLine {
        table: meta.map(|meta| meta.name.clone()).unwrap_or_default(),
        series,
    })
}

/// The symbol domain of the series of a table.
fn domain(meta: &TableMeta) -> Result<&str, CliError> {
    let column = meta.series_column.and_then(|id| meta.column(id));
    match column.map(|column| &column.column_type) {
        Some(ColumnType::Symbol { domain }) => Ok(domain),
        _ => Err(CliError::invalid(format!(
            "table {:?} has no series column",
            meta.name
        ))),
    }
}

fn open_ranges(directory: &Path, show: &Show, output: &mut Output) -> Result<(), CliError> {
    if show.start >= show.end {
        return Err(CliError::invalid(
            "the range is empty: --start must be before --end",
        ));
    }
    let calendar = options::open(directory)?.calendar(&show.name)?;
    let open = calendar.open_between(&(show.start..show.end));
    if output.is_json() {
        let line = |range: std::ops::Range<i64>| OpenLine {
            start: instant_iso(range.start),
            end: instant_iso(range.end),
            length_ns: range.end.saturating_sub(range.start),
        };
        return output.json(&Open {
            calendar: show.name.clone(),
            zone: calendar.zone().to_owned(),
            open: open.iter().map(line).collect(),
        });
    }
    if open.is_empty() && show.format == RowFormat::Table {
        return output.line("closed all the time");
    }
    let length = |range: std::ops::Range<i64>| Some(range.end.saturating_sub(range.start));
    MadeRows::new()
        .times("start", open.iter().map(|range| Some(range.start)))
        .times("end", open.iter().map(|range| Some(range.end)))
        .lengths("length", open.iter().map(length))
        .print(show.format, output)?;
    if show.format != RowFormat::Table {
        return Ok(());
    }
    let (zone, total) = (calendar.zone(), duration(i128::from(open.total())));
    output.line("")?;
    output.line(format!("open for {total} in all; the calendar's zone is {zone}"))
}

fn listing(directory: &Path, listed: &Listed, output: &mut Output) -> Result<(), CliError> {
    let is_change = listed.clear || listed.start.is_some() || listed.end.is_some();
    let life = if is_change {
        let life = Listing::new(listed.start, listed.end)?;
        let table = options::open_existing(directory)?.table(&listed.table)?;
        table.set_listing(&listed.series, &life)?;
        life
    } else {
        options::open(directory)?
            .table(&listed.table)?
            .listing(&listed.series)?
    };
    let (start, end) = (life.start(), life.end());
    if output.is_json() {
        return output.json(&ListingLine {
            table: &listed.table,
            series: &listed.series,
            start: start.map(instant_iso),
            end: end.map(instant_iso),
        });
    }
    let series = &listed.series;
    output.line(match (start.map(instant), end.map(instant)) {
        (None, None) => format!("{series} has always been there and goes on"),
        (Some(start), None) => format!("{series} is listed from {start} on"),
        (None, Some(end)) => format!("{series} is listed until {end}"),
        (Some(start), Some(end)) => format!("{series} is listed from {start} to {end}"),
    })
}
