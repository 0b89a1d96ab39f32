//! One row of what a query returned.

use std::sync::Arc;

use crate::contract::value::{FromValue, Value};
use crate::error::{Error, ErrorKind};

/// A column of a row: a value, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Value(Value),
    /// What it is, and what to do. It follows `column "total" is `.
    Unreadable(String),
}

/// The names of the columns, which all rows of one answer share.
pub(crate) type Names = Arc<[String]>;

/// A row that [`AnyConnection::query`](crate::AnyConnection::query) returned. Its columns are read by name or by number, from 0.
///
/// Names are compared as the database returns them: PostgreSQL folds those without quotes to lower case. Of several columns with
/// the same name, the first is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    names: Names,
    cells: Vec<Cell>,
}

/// How a column of a [`Row`] is found: a `&str` is its name, a `usize` its number. It cannot be implemented for other types.
pub trait Column: sealed::Sealed {
    #[doc(hidden)]
    fn index(&self, names: &[String]) -> Option<usize>;

    #[doc(hidden)]
    fn label(&self) -> String;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for usize {}
}

impl Column for &str {
    fn index(&self, names: &[String]) -> Option<usize> {
        names.iter().position(|name| name == self)
    }

    fn label(&self) -> String {
        format!("{self:?}")
    }
}

impl Column for usize {
    fn index(&self, names: &[String]) -> Option<usize> {
        Some(*self).filter(|index| *index < names.len())
    }

    fn label(&self) -> String {
        self.to_string()
    }
}

impl Row {
    pub(crate) fn new(names: Names, cells: Vec<Cell>) -> Self {
        Row { names, cells }
    }

    /// The value of a column, as a type of Rust: `let size: i64 = row.get("size")?`. A column that may be NULL is read as an
    /// `Option`.
    ///
    /// # Errors
    /// Statement, with the column, what it holds and what was expected: if there is no such column, if its value is not of this
    /// type, and if the column's type cannot be read without a cast ([`AnyConnection::query`](crate::AnyConnection::query) says
    /// which). Nothing is converted, except a whole number to a float that holds it exactly, and 0 and 1 to a `bool`.
    pub fn get<T: FromValue>(&self, column: impl Column) -> Result<T, Error> {
        let index = self.index(&column)?;
        let value = self.value_at(index)?;
        T::from_value(value).ok_or_else(|| {
            let advice = match value {
                Value::Null => ", or read it as an Option",
                _ => "",
            };
            let expected = T::EXPECTED;
            self.complaint(index, &format!("{value}: expected {expected}{advice}"))
        })
    }

    /// The value of a column, whatever it is.
    ///
    /// # Errors
    /// As [`get`](Row::get).
    pub fn value(&self, column: impl Column) -> Result<&Value, Error> {
        self.value_at(self.index(&column)?)
    }

    /// The names of the columns, in their order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn index(&self, column: &impl Column) -> Result<usize, Error> {
        column.index(&self.names).ok_or_else(|| {
            let (label, names) = (column.label(), &self.names);
            let last = names.len().saturating_sub(1);
            let message =
                format!("there is no column {label}: expected one of {names:?}, or 0 to {last}");
            Error::new(ErrorKind::Statement, message)
        })
    }

    fn value_at(&self, index: usize) -> Result<&Value, Error> {
        match &self.cells[index] {
            Cell::Value(value) => Ok(value),
            Cell::Unreadable(what) => Err(self.complaint(index, what)),
        }
    }

    fn complaint(&self, index: usize, what: &str) -> Error {
        let message = format!("column {:?} is {what}", self.names[index]);
        Error::new(ErrorKind::Statement, message)
    }
}
