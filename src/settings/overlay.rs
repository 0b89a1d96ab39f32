//! What one place, the environment or a URL, says about the settings.

use std::collections::BTreeMap;
use std::fmt;

use super::Settings;
use super::table::{self, MAX_POOL_SIZE, Row};
use super::value::{Count, Form};
use crate::error::Error;

/// A value as the user wrote it, and under what name.
#[derive(Clone)]
pub(super) struct Written {
    /// The name with its place, such as `DB_POOL_SIZE`.
    pub(super) name: String,
    pub(super) text: String,
    /// The text might be part of a password: it is in no error.
    pub(super) is_secret: bool,
}

/// For errors; a value which could be (part of) a URL with its password is not shown.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        if self.is_secret || self.text.contains('@') || self.text.contains("://") {
            return f.write_str("(not shown)");
        }
        if self.text.trim().is_empty() {
            return f.write_str("(nothing)");
        }
        for character in self.text.chars().take(LONGEST) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        if self.text.chars().nth(LONGEST).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

impl Written {
    pub(super) fn refused(&self, accepted: impl fmt::Display) -> Error {
        Error::setting(&self.name, self, accepted)
    }

    /// Two places say different things.
    fn contradicted_by(&self, other: &Written) -> Error {
        self.refused(format_args!(
            "{} = {other} says otherwise; leave one of the two out",
            other.name
        ))
    }
}

/// The settings that one place names; the others are not touched by it.
#[derive(Clone)]
pub(crate) struct Overlay {
    /// Meaningful for the rows in `given` only.
    values: Settings,
    /// By a row's path.
    given: BTreeMap<&'static str, Written>,
    capacity: Option<(u32, Written)>,
}

/// Names only: a value may be more than it seems.
impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.given.values().map(|written| &written.name))
            .finish()
    }
}

impl Overlay {
    pub(super) fn new() -> Self {
        Overlay {
            values: Settings::default(),
            given: BTreeMap::new(),
            capacity: None,
        }
    }

    /// What a place that names no setting says.
    pub(crate) fn nothing() -> Self {
        Overlay::new()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.capacity.is_none()
    }

    /// Takes one value; `name` is one of [`table::is_name`]. A second value for the same setting must be the same.
    pub(super) fn insert(&mut self, name: &str, written: Written) -> Result<(), Error> {
        match table::row(name) {
            Some(row) => self.insert_row(row, written),
            None => self.insert_capacity(written),
        }
    }

    fn insert_row(&mut self, row: &'static Row, written: Written) -> Result<(), Error> {
        let mut values = self.values.clone();
        if written.text.trim().is_empty() || (row.parse)(&written.text, &mut values).is_none() {
            return Err(written.refused(row.accepted));
        }
        match self.given.get(row.path) {
            Some(before) if !(row.same)(&self.values, &values) => {
                return Err(before.contradicted_by(&written));
            }
            _ => {}
        }
        self.values = values;
        self.given.insert(row.path, written);
        Ok(())
    }

    fn insert_capacity(&mut self, written: Written) -> Result<(), Error> {
        let capacity = Count::parse(&written.text)
            .filter(|capacity| *capacity > 0)
            .ok_or_else(|| written.refused("a whole number from 1 is"))?;
        match &self.capacity {
            Some((before, before_written)) if *before != capacity => {
                return Err(before_written.contradicted_by(&written));
            }
            _ => {}
        }
        self.capacity = Some((capacity, written));
        Ok(())
    }

    /// Turns a max_pool_size into pool_size and max_overflow, once all is read.
    pub(super) fn finish(mut self) -> Result<Self, Error> {
        let Some((capacity, written)) = self.capacity.take() else {
            return Ok(self);
        };
        let pool_size = match self.given.get("pool_size") {
            None => capacity,
            Some(size) if self.values.pool_size > capacity => {
                return Err(written.refused(format_args!(
                    "{MAX_POOL_SIZE} is pool_size and max_overflow together, so at least {} = {size} is",
                    size.name
                )));
            }
            Some(_) => self.values.pool_size,
        };
        let max_overflow = capacity - pool_size;
        if let Some(overflow) = self.given.get("max_overflow")
            && self.values.max_overflow != max_overflow
        {
            return Err(overflow.refused(format_args!(
                "{} = {written} with a pool_size of {pool_size} leaves {max_overflow}; leave one of the two out",
                written.name
            )));
        }
        self.values.pool_size = pool_size;
        self.values.max_overflow = max_overflow;
        for path in ["pool_size", "max_overflow"] {
            self.given.entry(path).or_insert_with(|| written.clone());
        }
        Ok(self)
    }

    pub(super) fn values(&self) -> &Settings {
        &self.values
    }

    /// Under what name this place gives the setting, if it does.
    pub(super) fn written_as(&self, row: &Row) -> Option<&str> {
        self.given
            .get(row.path)
            .map(|written| written.name.as_str())
    }
}
