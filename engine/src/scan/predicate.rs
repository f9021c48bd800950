//! Conditions on rows, written by the caller: columns by name, values as literals.
//!
//! Nulls follow SQL: a comparison with null is unknown, and only rows whose condition is true pass. `NaN` equals
//! itself and is greater than every other number; both zeros are equal. Symbols compare as text.

/// A value to compare a column with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// An integer; also days of a date, and units of a time, timestamp (nanoseconds for the time column) or duration.
    I64(i64),
    /// An integer over the range of `i64`.
    U64(u64),
    /// A float.
    F64(f64),
    /// An unscaled decimal.
    I128(i128),
    /// Text, for utf8 and symbol columns.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

macro_rules! literal_from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Literal {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

literal_from!(bool => Bool, i8 => I64, i16 => I64, i32 => I64, i64 => I64, u8 => U64, u16 => U64, u32 => U64,
    u64 => U64, f32 => F64, f64 => F64, i128 => I128, &str => Text, String => Text, Vec<u8> => Binary);

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A condition on a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// A column compared with a value.
    Compare {
        /// The column's name.
        column: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Literal,
    },
    /// The column equals one of some values.
    In {
        /// The column's name.
        column: String,
        /// The values.
        values: Vec<Literal>,
    },
    /// The column is null.
    IsNull(String),
    /// All conditions hold.
    And(Vec<Predicate>),
    /// One of the conditions holds.
    Or(Vec<Predicate>),
    /// The condition is false.
    Not(Box<Predicate>),
}

/// A column to make a condition of.
///
/// ```
/// use gapless_engine::scan::{col, Comparison, Predicate};
///
/// let condition = col("price").ge(10.0).and(col("exch").eq("N"));
/// assert!(matches!(condition, Predicate::And(parts) if parts.len() == 2));
/// ```
#[derive(Debug, Clone)]
pub struct Column(String);

/// The column of a name.
pub fn col(name: impl Into<String>) -> Column {
    Column(name.into())
}

impl Column {
    fn compare(self, comparison: Comparison, value: impl Into<Literal>) -> Predicate {
        Predicate::Compare {
            column: self.0,
            comparison,
            value: value.into(),
        }
    }

    /// Equal to a value.
    #[must_use]
    pub fn eq(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Eq, value)
    }

    /// Not equal to a value.
    #[must_use]
    pub fn ne(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Ne, value)
    }

    /// Less than a value.
    #[must_use]
    pub fn lt(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Lt, value)
    }

    /// Less than a value, or equal.
    #[must_use]
    pub fn le(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Le, value)
    }

    /// Greater than a value.
    #[must_use]
    pub fn gt(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Gt, value)
    }

    /// Greater than a value, or equal.
    #[must_use]
    pub fn ge(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Ge, value)
    }

    /// Equal to one of some values.
    #[must_use]
    pub fn is_in<V: Into<Literal>>(self, values: impl IntoIterator<Item = V>) -> Predicate {
        Predicate::In {
            column: self.0,
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// Null.
    #[must_use]
    pub fn is_null(self) -> Predicate {
        Predicate::IsNull(self.0)
    }

    /// Not null.
    #[must_use]
    pub fn is_not_null(self) -> Predicate {
        Predicate::Not(Box::new(Predicate::IsNull(self.0)))
    }
}

impl Predicate {
    /// Both conditions hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut parts) => {
                parts.push(other);
                Self::And(parts)
            }
            first => Self::And(vec![first, other]),
        }
    }

    /// One of both conditions holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut parts) => {
                parts.push(other);
                Self::Or(parts)
            }
            first => Self::Or(vec![first, other]),
        }
    }

    /// The names of the columns that the condition reads, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_columns(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Compare { column, .. } | Self::In { column, .. } | Self::IsNull(column) => {
                names.push(column)
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.collect_columns(names)),
            Self::Not(part) => part.collect_columns(names),
        }
    }
}

impl std::ops::Not for Predicate {
    type Output = Self;

    /// The condition is false.
    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}
