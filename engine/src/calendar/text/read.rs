//! TOML to a calendar.

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::calendar::{Calendar, Days, Session};
use crate::error::{Error, Result, ResultExt};

const KEYS: [&str; 7] = [
    "zone",
    "session",
    "holidays",
    "early_closes",
    "late_opens",
    "closure",
    "extra",
];
const SESSION_KEYS: [&str; 5] = ["days", "open", "close", "from", "until"];
const OCCASION_KEYS: [&str; 3] = ["start", "end", "reason"];

/// A value and the bytes of the text that it was read from.
type Value<'t> = Spanned<DeValue<'t>>;

pub(super) fn calendar(text: &str) -> Result<Calendar> {
    let reader = Reader { text };
    let root = DeTable::parse(text)
        .map_err(|error| reader.error(error.span().unwrap_or_default(), error.message().trim()))?;
    let root = Table {
        reader,
        span: 0..0,
        table: root.get_ref(),
    };
    root.check_keys("a calendar", &KEYS)?;
    let zone = root.required("zone")?;
    let mut calendar = reader.at(zone, Calendar::new)?;
    for table in root.tables("session")? {
        calendar = calendar.with_session(session(&table)?);
    }
    calendar = holidays(calendar, &root)?;
    calendar = root.by_date("early_closes", calendar, Calendar::early_close)?;
    calendar = root.by_date("late_opens", calendar, Calendar::late_open)?;
    calendar = occasions(calendar, &root, "extra", Calendar::extra)?;
    occasions(calendar, &root, "closure", Calendar::closure)
}

fn session(table: &Table<'_, '_>) -> Result<Session> {
    table.check_keys("a session", &SESSION_KEYS)?;
    let reader = table.reader;
    let days = days(reader, table.required("days")?)?;
    let (open, close) = (table.required("open")?, table.required("close")?);
    let close = reader.string(close)?;
    let mut session = reader.at(open, |open| Session::new(days, open, &close))?;
    if let Some(from) = table.get("from") {
        session = reader.at(from, |from| session.from(from))?;
    }
    if let Some(until) = table.get("until") {
        session = reader.at(until, |until| session.until(until))?;
    }
    Ok(session)
}

fn days(reader: Reader<'_>, value: &Value<'_>) -> Result<Days> {
    let DeValue::Array(list) = value.get_ref() else {
        return reader.at(value, str::parse);
    };
    let mut days = list.iter().map(|day| reader.at(day, str::parse::<Days>));
    let first = days
        .next()
        .ok_or_else(|| reader.error(value.span(), "a session without days: name some, or remove it"))?;
    days.try_fold(first?, |all, day| Ok(all | day?))
}

/// A list of dates, or a table of dates and names.
fn holidays(calendar: Calendar, root: &Table<'_, '_>) -> Result<Calendar> {
    let reader = root.reader;
    match root.get("holidays").map(Spanned::get_ref) {
        Some(DeValue::Array(dates)) => dates.iter().try_fold(calendar, |calendar, date| {
            reader.at(date, |date| calendar.holiday(date, ""))
        }),
        _ => root.by_date("holidays", calendar, Calendar::holiday),
    }
}

/// Ranges of instants. Only a closure may have no end.
fn occasions(
    mut calendar: Calendar,
    root: &Table<'_, '_>,
    key: &str,
    add: impl Fn(Calendar, i64, i64, &str) -> Result<Calendar>,
) -> Result<Calendar> {
    let reader = root.reader;
    for table in root.tables(key)? {
        table.check_keys(&format!("[[{key}]]"), &OCCASION_KEYS)?;
        let start = table.required("start")?;
        let first = reader.at(start, instant)?;
        let end = match table.get("end") {
            None if key == "closure" => i64::MAX,
            _ => reader.at(table.required("end")?, instant)?,
        };
        let reason = table.get("reason").map(|reason| reader.string(reason));
        let reason = reason.transpose()?.unwrap_or_default();
        calendar = reader.at(start, |_| add(calendar, first, end, &reason))?;
    }
    Ok(calendar)
}

fn instant(text: &str) -> Result<i64> {
    let instant = text.parse::<Timestamp>().ok();
    instant
        .and_then(|instant| i64::try_from(instant.as_nanosecond()).ok())
        .ok_or_else(|| {
            Error::invalid(format!(
                "{text:?} is not an instant from 1677 to 2262: write it with Z or its offset, as \"2026-12-25T09:30:00-05:00\""
            ))
        })
}

/// A table of the text.
struct Table<'a, 't> {
    reader: Reader<'t>,
    span: Range<usize>,
    table: &'a DeTable<'t>,
}

impl<'a, 't> Table<'a, 't> {
    fn get(&self, key: &str) -> Option<&'a Value<'t>> {
        self.table.get(key)
    }

    fn required(&self, key: &str) -> Result<&'a Value<'t>> {
        self.get(key).ok_or_else(|| {
            self.reader.error(
                self.span.clone(),
                format!("{key} is missing: add {key} = \"...\""),
            )
        })
    }

    fn check_keys(&self, what: &str, known: &[&str]) -> Result<()> {
        let unknown = self
            .table
            .keys()
            .find(|key| !known.contains(&key.get_ref().as_ref()));
        unknown.map_or(Ok(()), |key| {
            let (span, key) = (key.span(), key.get_ref());
            let known = known.join(", ");
            Err(self
                .reader
                .error(span, format!("unknown key {key:?}: {what} has {known}")))
        })
    }

    /// The tables of an array of tables.
    fn tables(&self, key: &str) -> Result<Vec<Table<'a, 't>>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let tables = value.get_ref().as_array().and_then(|list| {
            let table = |value: &'a Value<'t>| {
                Some(Table {
                    reader: self.reader,
                    span: value.span(),
                    table: value.get_ref().as_table()?,
                })
            };
            list.iter().map(table).collect()
        });
        tables.ok_or_else(|| {
            let advice = format!("{key} is not a list of tables: write [[{key}]] before each");
            self.reader.error(value.span(), advice)
        })
    }

    /// A table with dates as keys, each added to the calendar.
    fn by_date(
        &self,
        key: &str,
        calendar: Calendar,
        add: impl Fn(Calendar, &str, &str) -> Result<Calendar>,
    ) -> Result<Calendar> {
        let Some(value) = self.get(key) else {
            return Ok(calendar);
        };
        let DeValue::Table(dates) = value.get_ref() else {
            let advice = format!("{key} is no table: write [{key}] and below it \"2026-12-25\" = \"...\"");
            return Err(self.reader.error(value.span(), advice));
        };
        dates.iter().try_fold(calendar, |calendar, (date, value)| {
            self.reader.at(value, |text| add(calendar, date.get_ref(), text))
        })
    }
}

/// Knows the text, to tell the lines of errors.
#[derive(Clone, Copy)]
struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        format!("calendar text, line {line}")
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        Error::invalid(message).context(self.place(&span))
    }

    /// Strings, and dates and times without quotes.
    fn string<'a>(&self, value: &'a Value<'_>) -> Result<Cow<'a, str>> {
        match value.get_ref() {
            DeValue::String(text) => Ok(Cow::Borrowed(text)),
            DeValue::Datetime(time) => Ok(Cow::Owned(time.to_string())),
            other => Err(self.error(
                value.span(),
                format!("{} where text is expected: put it in quotes", other.type_str()),
            )),
        }
    }

    /// What is made of a value, or an error with its line.
    fn at<T>(&self, value: &Value<'_>, make: impl FnOnce(&str) -> Result<T>) -> Result<T> {
        let text = self.string(value)?;
        make(&text).with_context(|| self.place(&value.span()))
    }
}
