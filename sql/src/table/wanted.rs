//! What a statement wants of a table: a time range, series, and a condition on the rest.

use std::fmt;
use std::ops::Range;

use datafusion::logical_expr::Expr;
use gapless_engine::scan::{Comparison, Literal, Predicate};
use gapless_engine::{Result, Scan, Snapshot};
use gapless_format::TableMeta;

use super::filter::condition;

/// Names that an explained plan shows.
const SERIES_SHOWN: usize = 8;

/// Rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// `start <= time < end`; [`i64::MAX`] as the end means no end.
    pub(super) time: Range<i64>,
    /// Of these series only, sorted; rows without one are not among them.
    pub(super) series: Option<Vec<String>>,
    /// What else has to hold.
    pub(super) predicate: Option<Predicate>,
}

impl Wanted {
    /// All rows for which conditions hold, and others if the engine cannot tell.
    pub(super) fn of(filters: &[Expr], table: &TableMeta) -> Self {
        let mut wanted = Self {
            time: i64::MIN..i64::MAX,
            series: None,
            predicate: None,
        };
        let name = |id| table.column(id).map(|column| column.name.as_str());
        let columns = Columns {
            time: name(table.time_column).unwrap_or_default(),
            series: table.series_column.and_then(name),
        };
        for filter in filters {
            if let Some(condition) = condition(filter, table) {
                wanted.narrow(condition.predicate, &columns);
            }
        }
        wanted
    }

    /// Whether it says no more than which time range.
    pub(super) fn is_time_only(&self) -> bool {
        self.series.is_none() && self.predicate.is_none()
    }

    /// The rows of a table, as a scan of all its columns.
    pub(super) fn scan(&self, snapshot: &Snapshot, table: &str) -> Result<Scan> {
        Ok(self.apply(snapshot.scan(table)?, &self.time))
    }

    /// The rows of a part of the time, as a scan.
    pub(super) fn apply(&self, scan: Scan, time: &Range<i64>) -> Scan {
        let mut scan = scan.between(time.start, time.end);
        if let Some(series) = &self.series {
            scan = scan.series(series);
        }
        match &self.predicate {
            Some(predicate) => scan.filter(predicate.clone()),
            None => scan,
        }
    }

    fn narrow(&mut self, predicate: Predicate, columns: &Columns<'_>) {
        if let Predicate::And(parts) = predicate {
            parts.into_iter().for_each(|part| self.narrow(part, columns));
            return;
        }
        if let Some(time) = columns.time_range(&predicate) {
            self.time = self.time.start.max(time.start)..self.time.end.min(time.end);
        } else if let Some(series) = columns.series_of(&predicate) {
            self.series = Some(match self.series.take() {
                Some(earlier) => earlier.into_iter().filter(|name| series.contains(name)).collect(),
                None => series,
            });
        } else {
            self.predicate = Some(match self.predicate.take() {
                Some(earlier) => earlier.and(predicate),
                None => predicate,
            });
        }
    }
}

/// The columns by which segments are found.
struct Columns<'a> {
    time: &'a str,
    series: Option<&'a str>,
}

impl Columns<'_> {
    /// The range that a condition on the time is. The end of time is left to the condition: as the end of a range it means none.
    fn time_range(&self, predicate: &Predicate) -> Option<Range<i64>> {
        let Predicate::Compare {
            column,
            comparison,
            value: Literal::I64(value),
        } = predicate
        else {
            return None;
        };
        if column != self.time || *value >= i64::MAX - 1 {
            return None;
        }
        match comparison {
            Comparison::Eq => Some(*value..value + 1),
            Comparison::Lt => Some(i64::MIN..*value),
            Comparison::Le => Some(i64::MIN..value + 1),
            Comparison::Gt => Some(value + 1..i64::MAX),
            Comparison::Ge => Some(*value..i64::MAX),
            Comparison::Ne => None,
        }
    }

    /// The series that a condition on them names, sorted.
    fn series_of(&self, predicate: &Predicate) -> Option<Vec<String>> {
        let series = self.series?;
        let mut names = Vec::new();
        collect_names(series, predicate, &mut names)?;
        names.sort_unstable();
        names.dedup();
        Some(names)
    }
}

fn collect_names(series: &str, predicate: &Predicate, names: &mut Vec<String>) -> Option<()> {
    match predicate {
        Predicate::Compare {
            column,
            comparison: Comparison::Eq,
            value: Literal::Text(name),
        } if column == series => names.push(name.clone()),
        Predicate::In { column, values } if column == series => {
            for value in values {
                let Literal::Text(name) = value else { return None };
                names.push(name.clone());
            }
        }
        Predicate::Or(parts) => parts
            .iter()
            .try_for_each(|part| collect_names(series, part, names))?,
        _ => return None,
    }
    Some(())
}

impl Wanted {
    /// As an explained plan shows it.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.time != (i64::MIN..i64::MAX) {
            write!(f, ", time=[{}, {})", Bound(self.time.start), Bound(self.time.end))?;
        }
        match self.series.as_deref() {
            None => {}
            Some(names) if names.len() <= SERIES_SHOWN => write!(f, ", series=[{}]", names.join(", "))?,
            Some(names) => write!(f, ", series={}", names.len())?,
        }
        match &self.predicate {
            Some(predicate) => write!(f, ", where={}", Shown(predicate)),
            None => Ok(()),
        }
    }
}

/// One end of a time range.
struct Bound(i64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MIN | i64::MAX => f.write_str(".."),
            ns => match jiff::Timestamp::from_nanosecond(ns.into()) {
                Ok(at) => write!(f, "{at}"),
                Err(_) => write!(f, "{ns}"),
            },
        }
    }
}

/// A condition as text.
struct Shown<'a>(&'a Predicate);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Predicate], word: &str| {
            f.write_str("(")?;
            for (at, part) in parts.iter().enumerate() {
                let word = if at == 0 { "" } else { word };
                write!(f, "{word}{}", Shown(part))?;
            }
            f.write_str(")")
        };
        match self.0 {
            Predicate::Compare {
                column,
                comparison,
                value,
            } => {
                let sign = match comparison {
                    Comparison::Eq => "=",
                    Comparison::Ne => "!=",
                    Comparison::Lt => "<",
                    Comparison::Le => "<=",
                    Comparison::Gt => ">",
                    Comparison::Ge => ">=",
                };
                write!(f, "{column} {sign} {}", Value(value))
            }
            Predicate::In { column, values } => {
                let shown: Vec<String> = values
                    .iter()
                    .take(SERIES_SHOWN)
                    .map(|v| Value(v).to_string())
                    .collect();
                let more = if values.len() > SERIES_SHOWN { ", .." } else { "" };
                write!(f, "{column} in ({}{more})", shown.join(", "))
            }
            Predicate::IsNull(column) => write!(f, "{column} is null"),
            Predicate::And(parts) => joined(f, parts, " and "),
            Predicate::Or(parts) => joined(f, parts, " or "),
            Predicate::Not(part) => write!(f, "not {}", Shown(part)),
        }
    }
}

/// A literal as text.
struct Value<'a>(&'a Literal);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::I64(value) => write!(f, "{value}"),
            Literal::U64(value) => write!(f, "{value}"),
            Literal::F64(value) => write!(f, "{value:?}"),
            Literal::I128(value) => write!(f, "{value}"),
            Literal::Text(value) => write!(f, "{value:?}"),
            Literal::Binary(value) => write!(f, "{} bytes", value.len()),
        }
    }
}
