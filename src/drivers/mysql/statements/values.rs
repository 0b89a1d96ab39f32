//! Parameters and rows of an [`AnyConnection`](crate::AnyConnection).

use ::mysql::consts::ColumnType;
use ::mysql::{Column, Value as MyValue};

use crate::contract::row::Cell;
use crate::contract::value::Value;

/// The "character set" of what is no text.
const BINARY: u16 = 63;

/// The servers have no type for truth values: theirs are whole numbers.
pub(super) fn parameter(value: &Value) -> MyValue {
    match value {
        Value::Null => MyValue::NULL,
        Value::Bool(value) => MyValue::Int((*value).into()),
        Value::Integer(value) => MyValue::Int(*value),
        Value::Float(value) => MyValue::Double(*value),
        Value::Text(text) => MyValue::Bytes(text.clone().into_bytes()),
        Value::Bytes(bytes) => MyValue::Bytes(bytes.clone()),
    }
}

/// A value that was received in the binary protocol.
pub(super) fn cell(column: &Column, value: MyValue) -> Cell {
    Cell::Value(match value {
        MyValue::NULL => Value::Null,
        MyValue::Int(value) => Value::Integer(value),
        MyValue::UInt(value) => return whole(value),
        MyValue::Float(value) => Value::Float(value.into()),
        MyValue::Double(value) => Value::Float(value),
        MyValue::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            Value::Text(match column.column_type() {
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => date,
                _ => format!(
                    "{date} {hour:02}:{minute:02}:{second:02}{}",
                    Fraction(micros)
                ),
            })
        }
        MyValue::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = days * 24 + u32::from(hours);
            let fraction = Fraction(micros);
            Value::Text(format!(
                "{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
            ))
        }
        MyValue::Bytes(bytes) => return of_bytes(column, bytes),
    })
}

fn of_bytes(column: &Column, bytes: Vec<u8>) -> Cell {
    let is_text = match column.column_type() {
        ColumnType::MYSQL_TYPE_BIT => {
            let add = |all, byte: &u8| all << 8 | u64::from(*byte);
            return whole(bytes.iter().fold(0, add));
        }
        ColumnType::MYSQL_TYPE_DECIMAL
        | ColumnType::MYSQL_TYPE_NEWDECIMAL
        | ColumnType::MYSQL_TYPE_JSON => true,
        _ => column.character_set() != BINARY,
    };
    if !is_text {
        return Cell::Value(Value::Bytes(bytes));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cell::Value(Value::Text(text)),
        Err(_) => Cell::Unreadable("a text that is not UTF-8: cast it to BINARY".to_owned()),
    }
}

fn whole(value: u64) -> Cell {
    match i64::try_from(value) {
        Ok(value) => Cell::Value(Value::Integer(value)),
        Err(_) => Cell::Unreadable(format!(
            "the unsigned {value}: expected at most {}; cast it to CHAR in the statement",
            i64::MAX
        )),
    }
}

/// Microseconds as the server writes them for six decimals, or nothing.
struct Fraction(u32);

impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            micros => write!(f, ".{micros:06}"),
        }
    }
}
