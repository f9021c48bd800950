//! Expressions over columns.

use std::fmt;

/// What is computed from the columns of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(String),
}

impl From<&str> for Expr {
    fn from(name: &str) -> Self {
        Self::Column(name.to_owned())
    }
}

impl From<String> for Expr {
    fn from(name: String) -> Self {
        Self::Column(name)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => f.write_str(name),
        }
    }
}
