//! The text of an expression, which reads like SQL.

use std::fmt::{self, Display, Formatter};

use gapless_engine::coverage::duration_text;
use gapless_engine::scan::{Comparison, Literal};

use super::tree::{Expr, Function, Operator, TimePart, Value};
use crate::{Bucket, Every};

/// How tightly a part binds: a looser part inside of a tighter one stands in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Negative,
    Whole,
}

/// A part where only parts that bind so tightly may stand bare.
struct Within<'a>(&'a Expr, Binding);

impl Display for Within<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.binding() < self.1 {
            write!(f, "({})", self.0)
        } else {
            self.0.fmt(f)
        }
    }
}

impl Expr {
    fn binding(&self) -> Binding {
        match self {
            Self::Or(_) => Binding::Or,
            Self::And(_) => Binding::And,
            Self::Not(part) if matches!(**part, Self::IsNull(_) | Self::Like { .. } | Self::In(..)) => {
                Binding::Compare
            }
            Self::Not(_) => Binding::Not,
            Self::Compare(..) | Self::IsNull(_) | Self::In(..) | Self::Like { .. } => Binding::Compare,
            Self::Arithmetic(Operator::Add | Operator::Sub, ..) => Binding::Sum,
            Self::Arithmetic(..) => Binding::Product,
            Self::Neg(_) => Binding::Negative,
            Self::Alias(..) => Binding::Or,
            _ => Binding::Whole,
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use Binding as B;
        match self {
            Self::Column(name) => column(f, name),
            Self::Literal(value) => value.fmt(f),
            Self::Compare(comparison, a, b) => {
                let sign = sign(*comparison);
                write!(f, "{} {sign} {}", Within(a, B::Sum), Within(b, B::Sum))
            }
            Self::And(parts) => list(f, parts, " and ", B::Not),
            Self::Or(parts) => list(f, parts, " or ", B::And),
            Self::Not(part) => match &**part {
                Self::IsNull(part) => write!(f, "{} is not null", Within(part, B::Sum)),
                Self::In(part, values) => one_of(f, part, "not in", values),
                Self::Like {
                    text,
                    pattern,
                    ignore_case,
                } => like(f, text, "not ", pattern, *ignore_case),
                part => write!(f, "not {}", Within(part, B::Compare)),
            },
            Self::IsNull(part) => write!(f, "{} is null", Within(part, B::Sum)),
            Self::IsNan(part) => write!(f, "is_nan({part})"),
            Self::In(part, values) => one_of(f, part, "in", values),
            Self::Like {
                text,
                pattern,
                ignore_case,
            } => like(f, text, "", pattern, *ignore_case),
            Self::Arithmetic(operator, a, b) => arithmetic(f, *operator, a, b),
            Self::Neg(part) => write!(f, "-{}", Within(part, B::Whole)),
            Self::Call(function, arguments) => call(f, function, arguments),
            Self::Cast(part, to) => write!(f, "cast({part} as {to})"),
            Self::If(condition, yes, no) => write!(f, "if({condition}, {yes}, {no})"),
            Self::Alias(part, name) => {
                write!(f, "{part} as ")?;
                column(f, name)
            }
        }
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Ne => "!=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

/// Names that are no words stand in backquotes.
fn column(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let word = |name: &str| {
        name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && name.starts_with(|c: char| c.is_alphabetic() || c == '_')
    };
    if word(name) {
        f.write_str(name)
    } else {
        write!(f, "`{name}`")
    }
}

fn list(f: &mut Formatter<'_>, parts: &[Expr], between: &str, binding: Binding) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        let between = if index == 0 { "" } else { between };
        write!(f, "{between}{}", Within(part, binding))?;
    }
    match parts {
        // Nothing is required, or nothing suffices.
        [] => write!(f, "{}", binding == Binding::Not),
        _ => Ok(()),
    }
}

fn one_of(f: &mut Formatter<'_>, part: &Expr, word: &str, values: &[Value]) -> fmt::Result {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    write!(f, "{} {word} ({})", Within(part, Binding::Sum), values.join(", "))
}

fn like(f: &mut Formatter<'_>, text: &Expr, not: &str, pattern: &str, ignore_case: bool) -> fmt::Result {
    let word = if ignore_case { "ilike" } else { "like" };
    write!(f, "{} {not}{word} {pattern:?}", Within(text, Binding::Sum))
}

fn arithmetic(f: &mut Formatter<'_>, operator: Operator, a: &Expr, b: &Expr) -> fmt::Result {
    let (sign, left, right) = match operator {
        Operator::Add => ("+", Binding::Sum, Binding::Product),
        Operator::Sub => ("-", Binding::Sum, Binding::Product),
        Operator::Mul => ("*", Binding::Product, Binding::Negative),
        Operator::Div => ("/", Binding::Product, Binding::Negative),
        Operator::Rem => ("%", Binding::Product, Binding::Negative),
    };
    write!(f, "{} {sign} {}", Within(a, left), Within(b, right))
}

fn call(f: &mut Formatter<'_>, function: &Function, arguments: &[Expr]) -> fmt::Result {
    let mut texts: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    match function {
        Function::Round(digits) if *digits != 0 => texts.push(digits.to_string()),
        Function::Part(_, Some(zone)) => texts.push(format!("{zone:?}")),
        Function::Bucket(bucket) => texts.insert(0, length(bucket)),
        _ => {}
    }
    write!(f, "{}({})", name(function), texts.join(", "))
}

fn length(bucket: &Bucket) -> String {
    match bucket.every() {
        Every::Ns(ns) => duration_text(ns),
        Every::Days(n) => format!("{n}d"),
        Every::Weeks(n) => format!("{n}w"),
        Every::Months(n) => format!("{n}mo"),
    }
}

fn name(function: &Function) -> &'static str {
    match function {
        Function::Abs => "abs",
        Function::Sqrt => "sqrt",
        Function::Ln => "ln",
        Function::Log10 => "log10",
        Function::Exp => "exp",
        Function::Pow => "pow",
        Function::Floor => "floor",
        Function::Ceil => "ceil",
        Function::Round(_) => "round",
        Function::Sign => "sign",
        Function::NanBySign => "nan_by_sign",
        Function::Least => "least",
        Function::Greatest => "greatest",
        Function::Coalesce => "coalesce",
        Function::Bucket(_) => "time_bucket",
        Function::Part(part, _) => match part {
            TimePart::Year => "year",
            TimePart::Month => "month",
            TimePart::Day => "day",
            TimePart::Hour => "hour",
            TimePart::Minute => "minute",
            TimePart::Second => "second",
            TimePart::Millisecond => "millisecond",
            TimePart::Microsecond => "microsecond",
            TimePart::Nanosecond => "nanosecond",
            TimePart::Weekday => "weekday",
            TimePart::DayOfYear => "day_of_year",
            TimePart::Date => "date",
            TimePart::TimeOfDay => "time_of_day",
        },
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Timestamp(ns) => match jiff::Timestamp::from_nanosecond(i128::from(*ns)) {
                Ok(time) => write!(f, "{time}"),
                Err(_) => write!(f, "{ns}"),
            },
            Self::Duration(ns) => f.write_str(&duration_text(*ns)),
            Self::Plain(literal) => match literal {
                Literal::Bool(value) => write!(f, "{value}"),
                Literal::I64(value) => write!(f, "{value}"),
                Literal::U64(value) => write!(f, "{value}"),
                Literal::F64(value) => write!(f, "{value:?}"),
                Literal::I128(value) => write!(f, "{value}"),
                Literal::Text(text) => write!(f, "{text:?}"),
                Literal::Binary(bytes) => {
                    f.write_str("0x")?;
                    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
                }
            },
        }
    }
}
