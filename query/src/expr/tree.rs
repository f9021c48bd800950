//! What users write.

use std::ops;

use arrow_schema::DataType;
use gapless_engine::Result;
use gapless_engine::coverage::duration_ns;
use gapless_engine::scan::{Comparison, Literal, Predicate};

use crate::Bucket;

/// A literal: one of the engine's, or one with a type of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null, of the type that is wanted.
    Null,
    /// One of the engine's.
    Plain(Literal),
    /// Nanoseconds since the epoch.
    Timestamp(i64),
    /// Nanoseconds.
    Duration(i64),
}

impl From<Literal> for Value {
    fn from(literal: Literal) -> Self {
        Self::Plain(literal)
    }
}

/// An operator of two numbers or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`, always of floats.
    Div,
    /// `%`, with the sign of the left side.
    Rem,
}

/// What is read off a calendar or a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// The year.
    Year,
    /// 1 to 12.
    Month,
    /// The day of the month, from 1.
    Day,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59.
    Second,
    /// Of the second, 0 to 999.
    Millisecond,
    /// Of the second, 0 to 999,999.
    Microsecond,
    /// Of the second, 0 to 999,999,999.
    Nanosecond,
    /// Monday is 1, Sunday 7.
    Weekday,
    /// From 1.
    DayOfYear,
    /// The date.
    Date,
    /// Since midnight, as the clocks show it.
    TimeOfDay,
}

/// A function of one value, or of several.
#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    /// Without its sign.
    Abs,
    /// The square root.
    Sqrt,
    /// The natural logarithm.
    Ln,
    /// The logarithm to base 10.
    Log10,
    /// e to this power.
    Exp,
    /// The first to the power of the second.
    Pow,
    /// The greatest whole number that is not greater.
    Floor,
    /// The least whole number that is not less.
    Ceil,
    /// To so many digits after the point, halves away from zero.
    Round(i32),
    /// -1, 0 or 1.
    Sign,
    /// Minus infinity for a `NaN` with a sign.
    NanBySign,
    /// The least that is not null.
    Least,
    /// The greatest that is not null.
    Greatest,
    /// The first that is not null.
    Coalesce,
    /// A part of a time, in a zone of the IANA database; without one in the zone of the column's type, or UTC.
    Part(TimePart, Option<String>),
    /// The start of the bucket of a time.
    Bucket(Bucket),
}

/// A value computed for each row. Text given to the methods is text; text made into an expression is a column:
///
/// ```
/// use gapless_query::{Expr, col, lit};
/// let notional = col("price") * col("size");
/// assert_eq!(notional.gt(250_000.0).to_string(), "price * size > 250000.0");
/// assert_eq!(col("sym").eq("X").to_string(), "sym = \"X\"");
/// assert_eq!(Expr::from("price"), col("price"));
/// assert_eq!((lit(1) - col("a")).columns(), ["a"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(String),
    /// A literal.
    Literal(Value),
    /// A comparison.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// All hold.
    And(Vec<Expr>),
    /// One holds.
    Or(Vec<Expr>),
    /// It is false.
    Not(Box<Expr>),
    /// It is null.
    IsNull(Box<Expr>),
    /// It is not a number; null for null.
    IsNan(Box<Expr>),
    /// It equals one of some literals.
    In(Box<Expr>, Vec<Value>),
    /// It matches an SQL pattern.
    Like {
        /// The text.
        text: Box<Expr>,
        /// `%` is any text, `_` one character, `\` takes the next as it is.
        pattern: String,
        /// `A` matches `a`.
        ignore_case: bool,
    },
    /// Two numbers or times.
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    /// The negative.
    Neg(Box<Expr>),
    /// A function.
    Call(Function, Vec<Expr>),
    /// As another type.
    Cast(Box<Expr>, DataType),
    /// The second where the first is true, the third where it is false or null.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Under another name.
    Alias(Box<Expr>, String),
}

/// The column of a name.
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(name.into())
}

/// A literal.
pub fn lit(value: impl Into<Literal>) -> Expr {
    Expr::Literal(Value::Plain(value.into()))
}

/// A time: nanoseconds since the epoch.
pub const fn timestamp(ns: i64) -> Expr {
    Expr::Literal(Value::Timestamp(ns))
}

/// A length of time, as [`duration_ns`] reads it.
///
/// # Errors
/// `Invalid` for a text that is no length.
pub fn duration(text: &str) -> Result<Expr> {
    Ok(Expr::Literal(Value::Duration(duration_ns(text)?)))
}

/// Null.
pub const fn null() -> Expr {
    Expr::Literal(Value::Null)
}

/// What an expression is compared or computed with: an expression, or a value of a Rust type, which is a literal. Text is text.
pub trait IntoExpr {
    /// The expression.
    fn into_expr(self) -> Expr;
}

impl IntoExpr for Expr {
    fn into_expr(self) -> Expr {
        self
    }
}

impl IntoExpr for Value {
    fn into_expr(self) -> Expr {
        Expr::Literal(self)
    }
}

macro_rules! literal_into_expr {
    ($($type:ty),*) => {
        $(impl IntoExpr for $type {
            fn into_expr(self) -> Expr {
                lit(self)
            }
        })*
    };
}

literal_into_expr!(
    bool,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
    f32,
    f64,
    i128,
    &str,
    String,
    Vec<u8>,
    Literal
);

impl From<&str> for Expr {
    fn from(column: &str) -> Self {
        col(column)
    }
}

impl From<String> for Expr {
    fn from(column: String) -> Self {
        col(column)
    }
}

impl From<Predicate> for Expr {
    fn from(predicate: Predicate) -> Self {
        let all = |parts: Vec<Predicate>| parts.into_iter().map(Self::from).collect();
        match predicate {
            Predicate::Compare {
                column,
                comparison,
                value,
            } => Self::Compare(comparison, Box::new(col(column)), Box::new(lit(value))),
            Predicate::In { column, values } => Self::In(
                Box::new(col(column)),
                values.into_iter().map(Value::Plain).collect(),
            ),
            Predicate::IsNull(column) => col(column).is_null(),
            Predicate::And(parts) => Self::And(all(parts)),
            Predicate::Or(parts) => Self::Or(all(parts)),
            Predicate::Not(part) => Self::Not(Box::new(Self::from(*part))),
        }
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $comparison:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(self, other: impl IntoExpr) -> Self {
            Self::Compare(Comparison::$comparison, Box::new(self), Box::new(other.into_expr()))
        })*
    };
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident => $function:expr;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(self) -> Self {
            Self::Call($function, vec![self])
        })*
    };
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident => $part:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(self) -> Self {
            Self::Call(Function::Part(TimePart::$part, None), vec![self])
        })*
    };
}

impl Expr {
    comparisons! {
        /// Equal.
        eq => Eq;
        /// Not equal.
        ne => Ne;
        /// Less.
        lt => Lt;
        /// Less, or equal.
        le => Le;
        /// Greater.
        gt => Gt;
        /// Greater, or equal.
        ge => Ge;
    }

    functions! {
        /// Without its sign.
        abs => Function::Abs;
        /// The square root.
        sqrt => Function::Sqrt;
        /// The natural logarithm.
        ln => Function::Ln;
        /// The logarithm to base 10.
        log10 => Function::Log10;
        /// e to this power.
        exp => Function::Exp;
        /// The greatest whole number that is not greater.
        floor => Function::Floor;
        /// The least whole number that is not less.
        ceil => Function::Ceil;
        /// The nearest whole number, halves away from zero.
        round => Function::Round(0);
        /// -1, 0 or 1; `NaN` for `NaN`.
        sign => Function::Sign;
        /// Minus infinity for a `NaN` whose sign is set, every other value as it is: so it compares as in the order of all floats that
        /// other engines have.
        nan_by_sign => Function::NanBySign;
    }

    parts! {
        /// The year.
        year => Year;
        /// The month, 1 to 12.
        month => Month;
        /// The day of the month, from 1.
        day => Day;
        /// The hour, 0 to 23.
        hour => Hour;
        /// The minute, 0 to 59.
        minute => Minute;
        /// The second, 0 to 59.
        second => Second;
        /// The millisecond of the second.
        millisecond => Millisecond;
        /// The microsecond of the second.
        microsecond => Microsecond;
        /// The nanosecond of the second.
        nanosecond => Nanosecond;
        /// The day of the week: Monday is 1, Sunday 7.
        weekday => Weekday;
        /// The day of the year, from 1.
        day_of_year => DayOfYear;
        /// The date.
        date => Date;
        /// The time since midnight.
        time_of_day => TimeOfDay;
    }

    /// A part of a time in a zone of the IANA database.
    #[must_use]
    pub fn part_in(self, part: TimePart, zone: impl Into<String>) -> Self {
        Self::Call(Function::Part(part, Some(zone.into())), vec![self])
    }

    /// The start of the bucket of a time.
    #[must_use]
    pub fn bucket(self, bucket: Bucket) -> Self {
        Self::Call(Function::Bucket(bucket), vec![self])
    }

    /// To so many digits after the point, halves away from zero.
    #[must_use]
    pub fn round_to(self, digits: i32) -> Self {
        Self::Call(Function::Round(digits), vec![self])
    }

    /// To a power.
    #[must_use]
    pub fn pow(self, power: impl IntoExpr) -> Self {
        Self::Call(Function::Pow, vec![self, power.into_expr()])
    }

    /// The lesser of both; null only if both are.
    #[must_use]
    pub fn least(self, other: impl IntoExpr) -> Self {
        Self::Call(Function::Least, vec![self, other.into_expr()])
    }

    /// The greater of both; null only if both are.
    #[must_use]
    pub fn greatest(self, other: impl IntoExpr) -> Self {
        Self::Call(Function::Greatest, vec![self, other.into_expr()])
    }

    /// Another value where this is null.
    #[must_use]
    pub fn coalesce(self, other: impl IntoExpr) -> Self {
        Self::Call(Function::Coalesce, vec![self, other.into_expr()])
    }

    /// `yes` where this is true, `no` where it is false or null.
    #[must_use]
    pub fn if_then_else(self, yes: impl IntoExpr, no: impl IntoExpr) -> Self {
        Self::If(
            Box::new(self),
            Box::new(yes.into_expr()),
            Box::new(no.into_expr()),
        )
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: impl IntoExpr) -> Self {
        match self {
            Self::And(mut parts) => {
                parts.push(other.into_expr());
                Self::And(parts)
            }
            first => Self::And(vec![first, other.into_expr()]),
        }
    }

    /// One of both holds.
    #[must_use]
    pub fn or(self, other: impl IntoExpr) -> Self {
        match self {
            Self::Or(mut parts) => {
                parts.push(other.into_expr());
                Self::Or(parts)
            }
            first => Self::Or(vec![first, other.into_expr()]),
        }
    }

    /// It is null.
    #[must_use]
    pub fn is_null(self) -> Self {
        Self::IsNull(Box::new(self))
    }

    /// It is not null.
    #[must_use]
    pub fn is_not_null(self) -> Self {
        !self.is_null()
    }

    /// It is not a number; null for null.
    #[must_use]
    pub fn is_nan(self) -> Self {
        Self::IsNan(Box::new(self))
    }

    /// It equals one of some values.
    #[must_use]
    pub fn is_in<V: Into<Literal>>(self, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(|value| Value::Plain(value.into()));
        Self::In(Box::new(self), values.collect())
    }

    /// Not less than the one and not greater than the other.
    #[must_use]
    pub fn between(self, low: impl IntoExpr, high: impl IntoExpr) -> Self {
        self.clone().ge(low).and(self.le(high))
    }

    /// It matches an SQL pattern: `%` is any text, `_` one character, `\` takes the next as it is.
    #[must_use]
    pub fn like(self, pattern: impl Into<String>) -> Self {
        self.matching(pattern.into(), false)
    }

    /// It does not match an SQL pattern.
    #[must_use]
    pub fn not_like(self, pattern: impl Into<String>) -> Self {
        !self.like(pattern)
    }

    /// As [`Expr::like`], and `A` matches `a`.
    #[must_use]
    pub fn ilike(self, pattern: impl Into<String>) -> Self {
        self.matching(pattern.into(), true)
    }

    fn matching(self, pattern: String, ignore_case: bool) -> Self {
        let text = Box::new(self);
        Self::Like {
            text,
            pattern,
            ignore_case,
        }
    }

    /// As another type. A value that the type does not have is an error.
    #[must_use]
    pub fn cast(self, to: DataType) -> Self {
        Self::Cast(Box::new(self), to)
    }

    /// The column that it is, under its own name or another.
    pub(crate) fn as_column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Alias(expr, _) => expr.as_column(),
            _ => None,
        }
    }

    /// Under another name.
    #[must_use]
    pub fn alias(self, name: impl Into<String>) -> Self {
        Self::Alias(Box::new(self), name.into())
    }

    /// The name of the column that it gives: its alias, the column's own, or else its text.
    pub fn name(&self) -> String {
        match self {
            Self::Alias(_, name) | Self::Column(name) => name.clone(),
            other => other.to_string(),
        }
    }

    /// The names of the columns that it reads, each once, sorted.
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_columns(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Column(name) => names.push(name),
            Self::Literal(_) => {}
            Self::Compare(_, a, b) | Self::Arithmetic(_, a, b) => {
                [a, b].iter().for_each(|part| part.collect_columns(names));
            }
            Self::If(a, b, c) => [a, b, c].iter().for_each(|part| part.collect_columns(names)),
            Self::And(parts) | Self::Or(parts) | Self::Call(_, parts) => {
                parts.iter().for_each(|part| part.collect_columns(names));
            }
            Self::Not(part)
            | Self::IsNull(part)
            | Self::IsNan(part)
            | Self::In(part, _)
            | Self::Like { text: part, .. }
            | Self::Neg(part)
            | Self::Cast(part, _)
            | Self::Alias(part, _) => part.collect_columns(names),
        }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident;)*) => {
        $(impl<R: IntoExpr> ops::$trait<R> for Expr {
            type Output = Self;

            fn $method(self, other: R) -> Self {
                Self::Arithmetic(Operator::$trait, Box::new(self), Box::new(other.into_expr()))
            }
        }
        operators!(@numbers $trait $method f64 i64 i32);)*
    };
    (@numbers $trait:ident $method:ident $($number:ty)*) => {
        $(impl ops::$trait<Expr> for $number {
            type Output = Expr;

            fn $method(self, other: Expr) -> Expr {
                ops::$trait::$method(lit(self), other)
            }
        })*
    };
}

operators! { Add add; Sub sub; Mul mul; Div div; Rem rem; }

impl ops::Neg for Expr {
    type Output = Self;

    fn neg(self) -> Self {
        Self::Neg(Box::new(self))
    }
}

impl ops::Not for Expr {
    type Output = Self;

    /// It is false.
    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl<R: IntoExpr> ops::BitAnd<R> for Expr {
    type Output = Self;

    fn bitand(self, other: R) -> Self {
        self.and(other)
    }
}

impl<R: IntoExpr> ops::BitOr<R> for Expr {
    type Output = Self;

    fn bitor(self, other: R) -> Self {
        self.or(other)
    }
}
