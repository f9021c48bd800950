//! A calendar to TOML.

use std::fmt::{self, Display, Write};

use jiff::Timestamp;

use crate::calendar::definition::{Calendar, Exception, Occasion};
use crate::calendar::session::Session;

/// Explains the form to whoever edits it.
const HEAD: &str = r#"# When rows are expected. Times of day are local to the zone.
#
# [[session]]     days = "mon-fri" (or "sun", "sun-thu", "mon, wed"), open = "09:30", close = "16:00";
#                 a close that is not after the open is on the next day. For an era: from = "2007-01-01",
#                 until = "2020-01-01" (the first date without it). Without any session it is always open.
# [holidays]      "2026-12-25" = "Christmas": no session opens on that date. Or a list: holidays = ["2026-12-25"]
# [early_closes]  "2026-12-24" = "13:00": sessions that close on that date end by then, also from the evening before
# [late_opens]    "2026-01-02" = "11:00": sessions that open on that date begin not before
# [[extra]]       start = "2026-01-03T09:30:00-05:00", end = "...", reason = "...": open once more
# [[closure]]     the same, closed whatever else is open; without an end: closed since then
"#;

pub(super) fn calendar(calendar: &Calendar) -> String {
    let mut text = HEAD.to_owned();
    write_calendar(&mut text, calendar).expect("a string takes what is written to it");
    text
}

fn write_calendar(out: &mut String, calendar: &Calendar) -> fmt::Result {
    writeln!(out, "\nzone = {}", Quoted(calendar.zone()))?;
    let holidays = by_date(calendar, |exception| exception.holiday.as_deref());
    let plain = holidays.iter().all(|(_, name)| name.is_empty());
    if plain && !holidays.is_empty() {
        writeln!(out, "holidays = [")?;
        for (date, _) in &holidays {
            writeln!(out, "    {},", Quoted(date))?;
        }
        writeln!(out, "]")?;
    }
    for session in &calendar.sessions {
        write_session(out, session)?;
    }
    if !plain {
        write_table(out, "holidays", &holidays)?;
    }
    write_table(
        out,
        "early_closes",
        &by_date(calendar, |exception| exception.early_close),
    )?;
    write_table(
        out,
        "late_opens",
        &by_date(calendar, |exception| exception.late_open),
    )?;
    for extra in &calendar.extras {
        write_occasion(out, "extra", extra, Some(extra.end))?;
    }
    for closure in &calendar.closures {
        let end = Some(closure.end).filter(|end| *end != i64::MAX);
        write_occasion(out, "closure", closure, end)?;
    }
    Ok(())
}

/// The dates that have something, and what they have.
fn by_date<'a, T>(calendar: &'a Calendar, get: impl Fn(&'a Exception) -> Option<T>) -> Vec<(String, T)> {
    let dates = calendar.exceptions.iter();
    dates
        .filter_map(|(date, exception)| Some((date.to_string(), get(exception)?)))
        .collect()
}

fn write_session(out: &mut String, session: &Session) -> fmt::Result {
    writeln!(out, "\n[[session]]")?;
    write_entry(out, "days", session.days)?;
    write_entry(out, "open", session.open)?;
    write_entry(out, "close", session.close.on_the_clock())?;
    for (key, date) in [("from", session.from), ("until", session.until)] {
        if let Some(date) = date {
            write_entry(out, key, date)?;
        }
    }
    Ok(())
}

fn write_table(out: &mut String, key: &str, entries: &[(String, impl Display)]) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n[{key}]")?;
    for (date, value) in entries {
        writeln!(out, "{} = {}", Quoted(date), Quoted(&value.to_string()))?;
    }
    Ok(())
}

fn write_occasion(out: &mut String, key: &str, occasion: &Occasion, end: Option<i64>) -> fmt::Result {
    writeln!(out, "\n[[{key}]]")?;
    write_entry(out, "start", instant(occasion.start))?;
    if let Some(end) = end {
        write_entry(out, "end", instant(end))?;
    }
    if !occasion.reason.is_empty() {
        write_entry(out, "reason", &occasion.reason)?;
    }
    Ok(())
}

fn write_entry(out: &mut String, key: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "{key} = {}", Quoted(&value.to_string()))
}

fn instant(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).expect("a timestamp holds all of i64 nanoseconds")
}

/// A basic string of TOML.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                // The control characters of TOML; those above are all of two bytes and allowed.
                '\0'..='\x1f' | '\x7f' => write!(f, "\\u{:04X}", u32::from(character))?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}
