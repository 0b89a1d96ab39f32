//! What a query for one whole number returned.

use std::fmt;

/// The first column of a result's first row, for [`AnyConnection::query_i64`](crate::AnyConnection::query_i64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FirstValue {
    /// It is a whole number that fits.
    Integer(i64),
    /// It is something else, given as text that is cut to a readable length.
    NotAnInteger(String),
    /// It is NULL.
    Null,
    /// The statement returned no row, or rows without columns.
    NoRow,
}

impl FirstValue {
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    /// The text protocols of both servers write integers of every width like this, and whole decimals such as `sum(bigint)`.
    pub(crate) fn from_text(text: &str) -> Self {
        match text.parse() {
            Ok(integer) => FirstValue::Integer(integer),
            Err(_) => FirstValue::NotAnInteger(text.chars().take(40).collect()),
        }
    }
}

impl fmt::Display for FirstValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FirstValue::Integer(integer) => integer.fmt(f),
            FirstValue::NotAnInteger(text) => write!(f, "{text:?}"),
            FirstValue::Null => f.write_str("NULL"),
            FirstValue::NoRow => f.write_str("no row"),
        }
    }
}
