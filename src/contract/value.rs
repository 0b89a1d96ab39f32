//! One value of a row or of a statement's parameters.

use std::fmt;

/// A value that a statement is given or that a row holds.
///
/// As a parameter it is made with `into()`: from integers of up to 64 bits except `u64`, floats, `bool`, text, bytes, and from an
/// `Option` of these, whose `None` is NULL.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// NULL.
    Null,
    /// A truth value. Only PostgreSQL returns it; MySQL and SQLite return 0 or 1, which [`Row::get`](crate::Row::get) reads as
    /// `bool` too.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A text, and whatever a database returns in the form of one.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

macro_rules! from {
    ($($given:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$given> for Value {
            fn from(given: $given) -> Self {
                Value::$variant(given.into())
            }
        }
    )+};
}
from! {
    bool => Bool,
    i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, u8 => Integer, u16 => Integer, u32 => Integer,
    f32 => Float, f64 => Float,
    &str => Text, String => Text, &String => Text,
    &[u8] => Bytes, Vec<u8> => Bytes,
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(given: Option<T>) -> Self {
        given.map_or(Value::Null, Into::into)
    }
}

/// What it is, for the text of an error; a long text is cut.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Text(text) => write!(f, "{:?}", text.chars().take(40).collect::<String>()),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// What [`Row::get`](crate::Row::get) returns: `i64`, `f64`, `bool`, `String`, `Vec<u8>`, [`Value`], and an `Option` of each, which is
/// `None` where the column is NULL. It cannot be implemented for other types.
pub trait FromValue: Sized + sealed::Sealed {
    /// What is expected, in the words of an error.
    #[doc(hidden)]
    const EXPECTED: &'static str;

    #[doc(hidden)]
    fn from_value(value: &Value) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i64 {}
    impl Sealed for f64 {}
    impl Sealed for bool {}
    impl Sealed for String {}
    impl Sealed for Vec<u8> {}
    impl Sealed for super::Value {}
    impl<T: super::FromValue> Sealed for Option<T> {}
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    const EXPECTED: &'static str = "a floating-point number, or a whole one of at most 2^53";

    /// A column of floats may hold a whole number in SQLite.
    fn from_value(value: &Value) -> Option<Self> {
        /// Up to here a float holds every whole number exactly.
        const EXACT: u64 = 1 << 53;
        match value {
            Value::Float(value) => Some(*value),
            #[allow(clippy::cast_precision_loss)] // there is none
            Value::Integer(value) if value.unsigned_abs() <= EXACT => Some(*value as f64),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "a truth value, 0 or 1";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl FromValue for Value {
    const EXPECTED: &'static str = "any value";

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
