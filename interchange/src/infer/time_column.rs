//! Which column is the time, and what its values mean. Units and zones are never guessed silently.

use arrow_schema::{DataType, TimeUnit};

use crate::error::{BadValue, ErrorKind, InterchangeError, Result, list};
use crate::infer::files::FileColumn;
use crate::options::ReadOptions;
use crate::text::time::{LocalTime, TimeReader};
use crate::type_name::{TypeName, nanoseconds_per, parse_time_unit, time_unit_name};

const UNITS: [TimeUnit; 4] = [
    TimeUnit::Second,
    TimeUnit::Millisecond,
    TimeUnit::Microsecond,
    TimeUnit::Nanosecond,
];
const TIME_NAMES: [&str; 6] = ["ts", "time", "timestamp", "datetime", "date_time", "event_time"];
/// 1990-01-01 and 2100-01-01 in seconds: where times of unknown unit must lie.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// The time column among `columns`, and why it is that one.
pub(crate) fn choose(columns: &[FileColumn], options: &ReadOptions) -> Result<(usize, String)> {
    if let Some(name) = &options.time {
        let found = columns.iter().position(|column| &column.name == name);
        return found
            .map(|index| (index, "--time names it".to_owned()))
            .ok_or_else(|| {
                InterchangeError::new(
                    ErrorKind::NotFound,
                    format!("there is no column {name:?} (--time)"),
                )
                .with_hint(format!(
                    "the columns are {}",
                    list(columns.iter().map(|c| c.name.as_str()))
                ))
            });
    }
    let typed = indices(columns, |column| is_timestamp(column, options));
    let named = indices(columns, |column| is_time_name(&column.name));
    let both: Vec<usize> = typed
        .iter()
        .copied()
        .filter(|index| named.contains(index))
        .collect();
    let mut either = typed.clone();
    either.extend(named.iter().filter(|index| !typed.contains(index)));
    match (both.as_slice(), either.as_slice()) {
        ([index], _) => Ok((*index, "it holds timestamps and has a usual name".into())),
        ([], [index]) if typed.is_empty() => Ok((*index, "it has a usual name".into())),
        ([], [index]) => Ok((*index, "it is the only column of timestamps".into())),
        (_, []) => Err(
            InterchangeError::invalid("no column is recognised as the time").with_hint(format!(
                "name it with --time; the columns are {}",
                list(columns.iter().map(|c| c.name.as_str()))
            )),
        ),
        _ => {
            let names = either
                .iter()
                .filter_map(|index| columns.get(*index))
                .map(|column| column.name.as_str());
            Err(
                InterchangeError::invalid(format!("several columns may be the time: {}", list(names)))
                    .with_hint("name one with --time"),
            )
        }
    }
}

fn indices(columns: &[FileColumn], wanted: impl Fn(&FileColumn) -> bool) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .filter(|(_, column)| wanted(column))
        .map(|(index, _)| index)
        .collect()
}

fn is_timestamp(column: &FileColumn, options: &ReadOptions) -> bool {
    match (options.given_type(&column.name), &column.data_type) {
        (Some(given), _) => matches!(given, TypeName::Timestamp(_)),
        (None, Some(data_type)) => matches!(data_type, DataType::Timestamp(..)),
        (None, None) => column.sample.all_times(),
    }
}

fn is_time_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = split_unit(&name).map_or(name.as_str(), |(stem, _)| stem);
    TIME_NAMES.contains(&stem)
}

/// `ts_ms` as `ts` and milliseconds.
fn split_unit(name: &str) -> Option<(&str, TimeUnit)> {
    let (stem, unit) = name.rsplit_once('_')?;
    parse_time_unit(&unit.to_ascii_lowercase())
        .ok()
        .map(|unit| (stem, unit))
}

/// What the values of the time column mean.
pub(crate) struct TimeMeaning {
    pub(crate) number_unit: Option<TimeUnit>,
    pub(crate) local: LocalTime,
    /// The zone kept with the column.
    pub(crate) zone: String,
    pub(crate) because: String,
}

/// Settles unit and zone of the time column.
pub(crate) fn settle(column: &FileColumn, options: &ReadOptions) -> Result<TimeMeaning> {
    let failed = |error: InterchangeError| error.in_column(&column.name);
    let local = match &options.zone {
        Some(zone) => LocalTime::of_zone(zone)?,
        None => LocalTime::Refused,
    };
    let named_zone = options.zone.as_deref().map(|name| local.name(name));
    let named_zone = named_zone.as_deref();
    let mut zone = named_zone.unwrap_or("UTC").to_owned();
    let given_unit = match (options.time_unit, options.given_type(&column.name)) {
        (Some(unit), _) => Some((unit, format!("--time-unit {}", time_unit_name(unit)))),
        (None, Some(given @ TypeName::Timestamp(unit))) => {
            Some((unit, format!("--type {}={given}", column.name)))
        }
        (None, Some(given)) => {
            return Err(failed(InterchangeError::invalid(format!(
                "is the time and cannot be of type {given}"
            ))));
        }
        (None, None) => None,
    };
    let mut number_unit = given_unit.as_ref().map(|(unit, _)| *unit);
    let because = match (&column.data_type, &given_unit) {
        (Some(DataType::Timestamp(_, Some(stored))), _) => {
            if options.zone.is_none() {
                zone = stored.to_string();
            }
            format!("timestamps of zone {stored}")
        }
        (Some(DataType::Timestamp(_, None) | DataType::Date32), _) => match named_zone {
            Some(zone) => {
                format!("timestamps without a zone, taken as local time of {zone} because of --zone")
            }
            None => return Err(failed(needs_zone("the timestamps have no zone"))),
        },
        (Some(other), _) if !(other.is_integer() || other.is_floating() || crate::typed::is_text(other)) => {
            return Err(failed(InterchangeError::unsupported(format!(
                "the type {other} cannot be the time"
            ))));
        }
        (Some(other), _) if options.time_format.is_some() && other.is_floating() => {
            return Err(failed(InterchangeError::unsupported(
                "floats cannot be read with --time-format",
            )));
        }
        _ if options.time_format.is_some() => "text in the format of --time-format".to_owned(),
        _ if column.sample.all_integers() => match given_unit {
            Some((unit, by)) => {
                format!("integers, taken as epoch {} because of {by}", spelled(unit))
            }
            None => {
                let unit = unit_of_name(column).map_err(failed)?;
                number_unit = Some(unit);
                let unit_name = time_unit_name(unit);
                format!(
                    "integers, taken as epoch {} because the name ends in _{unit_name} and all sampled values then \
                     lie in the years 1990 to 2100",
                    spelled(unit)
                )
            }
        },
        _ if column.sample.all_numbers() => match given_unit {
            Some((unit, by)) => {
                format!("decimals, taken as epoch {} because of {by}", spelled(unit))
            }
            None => {
                let error = InterchangeError::invalid("the times are decimal numbers of unknown unit");
                return Err(failed(error.with_hint("pass --time-unit s, ms, us or ns")));
            }
        },
        _ if column.sample.values == 0 => "there is no value in the sample".to_owned(),
        _ if column.sample.local_times > 0 => match named_zone {
            Some(zone) => {
                format!("times in text without offsets, taken as local time of {zone} because of --zone")
            }
            None => return Err(failed(text_needs_zone(column))),
        },
        _ => "times in text, with offsets".to_owned(),
    };
    Ok(TimeMeaning {
        number_unit,
        local,
        zone,
        because,
    })
}

/// Tries the sampled texts: if none can be read, says why the first cannot.
pub(crate) fn try_examples(column: &FileColumn, times: &TimeReader) -> Result<()> {
    let is_text = column.data_type.as_ref().is_none_or(crate::typed::is_text);
    let mut first: Option<(&String, BadValue)> = None;
    for example in column.sample.examples.iter().filter(|_| is_text) {
        match times.read(example.as_bytes()) {
            Ok(_) => return Ok(()),
            Err(bad) => first = first.or(Some((example, bad))),
        }
    }
    let Some((example, bad)) = first else {
        return Ok(());
    };
    let error = InterchangeError::invalid(bad.reason)
        .in_column(&column.name)
        .with_value(example.as_bytes());
    Err(match bad.hint {
        Some(hint) => error.with_hint(hint.replace("{column}", &column.name)),
        None => error,
    })
}

fn needs_zone(reason: &str) -> InterchangeError {
    InterchangeError::invalid(reason)
        .with_hint("say whose clock they follow: --zone UTC, or an IANA name like --zone Europe/Paris")
}

fn text_needs_zone(column: &FileColumn) -> InterchangeError {
    let error = needs_zone("is a time without an offset");
    match column.sample.examples.first() {
        Some(example) => error.with_value(example.as_bytes()),
        None => error,
    }
}

fn spelled(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

/// The unit that the name's suffix says, if all sampled values agree with it.
fn unit_of_name(column: &FileColumn) -> Result<TimeUnit> {
    let (least, greatest) = column.sample.integer_range.unwrap_or_default();
    let plausible = |unit: TimeUnit| {
        let per_second = 1_000_000_000 / nanoseconds_per(unit);
        PLAUSIBLE_SECONDS.contains(&least.div_euclid(per_second))
            && PLAUSIBLE_SECONDS.contains(&greatest.div_euclid(per_second))
    };
    match split_unit(&column.name) {
        Some((_, unit)) if plausible(unit) => Ok(unit),
        Some((_, unit)) => {
            let reason = format!(
                "the name says {}, but the sampled values, {least} to {greatest}, are then not in the years 1990 to 2100",
                spelled(unit)
            );
            Err(InterchangeError::invalid(reason).with_hint(meanings(least, plausible)))
        }
        None => {
            Err(InterchangeError::invalid("integer times of unknown unit")
                .with_hint(meanings(least, plausible)))
        }
    }
}

/// What `value` would mean in each unit, and what to pass.
fn meanings(value: i64, plausible: impl Fn(TimeUnit) -> bool) -> String {
    let shown: Vec<String> = UNITS
        .iter()
        .map(|unit| format!("{} = {}", time_unit_name(*unit), instant_text(value, *unit)))
        .collect();
    let likely = UNITS
        .iter()
        .find(|unit| plausible(**unit))
        .map_or("s|ms|us|ns", |unit| time_unit_name(*unit));
    format!("{value} means: {}; pass --time-unit {likely}", shown.join(", "))
}

fn instant_text(value: i64, unit: TimeUnit) -> String {
    let nanoseconds = i128::from(value) * i128::from(nanoseconds_per(unit));
    match jiff::Timestamp::from_nanosecond(nanoseconds) {
        Ok(instant) => instant.to_string(),
        // The mean Gregorian year has 31,556,952 seconds.
        Err(_) => format!("year {}", 1970 + nanoseconds / 1_000_000_000 / 31_556_952),
    }
}
