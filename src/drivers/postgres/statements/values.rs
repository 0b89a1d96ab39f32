//! Parameters and rows of an [`AnyConnection`](crate::AnyConnection).
//!
//! A parameter is sent as text and without a type, as libpq and psql do it: the server infers the type from the statement and reads
//! the text as a value of it, so that a number fits a column of every numeric type and a text one of type json, uuid or timestamp.
//! Bytes and truth values have their types, because as text they would also fit where they do not belong.
//!
//! Rows come in the binary form of their types. Those are read here of which one form is obvious.

use std::error::Error as StdError;

use ::postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use bytes::BytesMut;

use super::numeric;
use crate::contract::row::Cell;
use crate::contract::value::Value;

type Failure = Box<dyn StdError + Sync + Send>;

/// A parameter with the type that it is declared with.
pub(super) fn parameter(value: &Value) -> (Parameter<'_>, Type) {
    let declared = match value {
        Value::Bool(_) => Type::BOOL,
        Value::Bytes(_) => Type::BYTEA,
        Value::Null | Value::Integer(_) | Value::Float(_) | Value::Text(_) => Type::UNKNOWN,
    };
    (Parameter(value), declared)
}

#[derive(Debug)]
pub(super) struct Parameter<'v>(&'v Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Bool(value) => out.extend_from_slice(&[u8::from(*value)]),
            Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Float(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Text(value) => out.extend_from_slice(value.as_bytes()),
            Value::Bytes(value) => out.extend_from_slice(value),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            Value::Bool(_) | Value::Bytes(_) => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

/// A value that was received.
pub(super) struct Received(pub(super) Cell);

impl<'a> FromSql<'a> for Received {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let value = match read(of, raw) {
            Ok(value) => value,
            Err(error) => Err(error.to_string()),
        };
        Ok(Received(match value {
            Ok(value) => Cell::Value(value),
            Err(what) => Cell::Unreadable(what),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Received(Cell::Value(Value::Null)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The value, or what it is instead.
fn read(of: &Type, raw: &[u8]) -> Result<Result<Value, String>, Failure> {
    let text = |raw: &[u8]| match std::str::from_utf8(raw) {
        Ok(text) => Ok(Value::Text(text.to_owned())),
        Err(_) => Err("a text that is not UTF-8: cast it to bytea".to_owned()),
    };
    Ok(Ok(match *of {
        Type::BOOL => Value::Bool(bool::from_sql(of, raw)?),
        Type::INT2 => Value::Integer(i16::from_sql(of, raw)?.into()),
        Type::INT4 => Value::Integer(i32::from_sql(of, raw)?.into()),
        Type::INT8 => Value::Integer(i64::from_sql(of, raw)?),
        Type::OID => Value::Integer(u32::from_sql(of, raw)?.into()),
        Type::FLOAT4 => Value::Float(f32::from_sql(of, raw)?.into()),
        Type::FLOAT8 => Value::Float(f64::from_sql(of, raw)?),
        Type::BYTEA => Value::Bytes(raw.to_owned()),
        Type::VOID => Value::Null,
        Type::NUMERIC => {
            Value::Text(numeric::text(raw).ok_or("a numeric of an unknown form: cast it to text")?)
        }
        Type::UUID if raw.len() == 16 => Value::Text(uuid(raw)),
        // A byte with the version comes first.
        Type::JSONB if raw.first() == Some(&1) => return Ok(text(&raw[1..])),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::UNKNOWN
        | Type::JSON
        | Type::XML => {
            return Ok(text(raw));
        }
        _ if matches!(of.kind(), Kind::Enum(_)) || of.name() == "citext" => return Ok(text(raw)),
        _ => {
            return Ok(Err(format!(
                "of type {of}: cast it to text in the statement"
            )));
        }
    }))
}

/// As the server writes it.
fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
