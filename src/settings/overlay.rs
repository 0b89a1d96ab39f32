//! What one place says about the settings: the environment, a URL or a text.

use std::collections::BTreeMap;
use std::fmt;

use super::Settings;
use super::table::{self, MAX_POOL_SIZE, Row};
use super::value::{CountFromOne, Form};
use crate::error::{Error, NOT_SHOWN};

/// A value as the user wrote it, and where.
#[derive(Clone)]
pub(super) struct Written {
    /// One of [`table::is_name`].
    pub(super) name: String,
    /// A variable such as `DB_POOL_SIZE`, or "the database URL".
    pub(super) place: String,
    pub(super) text: String,
    /// The text may be part of a password, and must be in no error.
    pub(super) is_secret: bool,
}

/// The value alone, in quotes, for errors. One that may be a URL or a part of it is not shown, because of the password in it.
struct Value<'a>(&'a Written);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        let Written {
            text, is_secret, ..
        } = self.0;
        if *is_secret || text.contains('@') || text.contains("://") {
            return f.write_str(NOT_SHOWN);
        }
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "{:?}…", &text[..end]),
            None => write!(f, "{text:?}"),
        }
    }
}

/// For errors: `pool_size "5" in DB_POOL_SIZE`.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.name, Value(self), self.place)
    }
}

impl Written {
    pub(super) fn refused(&self, expected: impl fmt::Display) -> Error {
        Error::setting_in(&self.place, &self.name, Value(self), expected)
    }

    fn contradicted_by(&self, other: &Written) -> Error {
        self.refused(format_args!(
            "the same value as {other}, or only one of the two"
        ))
    }
}

/// The settings that one place names. It leaves all others as they are.
#[derive(Clone)]
pub(crate) struct Overlay {
    /// Only those of the rows in `given` have a meaning.
    values: Settings,
    /// By the rows' paths.
    given: BTreeMap<&'static str, Written>,
    capacity: Option<(u32, Written)>,
    /// The driver's parameter `target_session_attrs`, which also says something of the role.
    session_attrs: Option<String>,
    pool_name: Option<Written>,
}

/// Names only: a value may contain more than the setting, such as a password.
impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                self.given
                    .values()
                    .map(|written| (&written.name, &written.place)),
            )
            .finish()
    }
}

impl Overlay {
    pub(super) fn new() -> Self {
        Overlay {
            values: Settings::default(),
            given: BTreeMap::new(),
            capacity: None,
            session_attrs: None,
            pool_name: None,
        }
    }

    /// What is said by a place that names no setting.
    pub(crate) fn nothing() -> Self {
        Overlay::new()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.capacity.is_none()
    }

    /// Takes one value. A second value for the same setting must be equal to the first.
    pub(super) fn insert(&mut self, written: Written) -> Result<(), Error> {
        match table::row(&written.name) {
            Some(row) => self.insert_row(row, written),
            None => self.insert_capacity(written),
        }
    }

    fn insert_row(&mut self, row: &'static Row, written: Written) -> Result<(), Error> {
        let mut values = self.values.clone();
        if written.text.trim().is_empty() || (row.parse)(&written.text, &mut values).is_none() {
            return Err(written.refused(row.expected));
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
        let capacity = CountFromOne::parse(&written.text)
            .filter(|capacity| *capacity > 0)
            .ok_or_else(|| written.refused(CountFromOne::EXPECTED))?;
        match &self.capacity {
            Some((before, before_written)) if *before != capacity => {
                return Err(before_written.contradicted_by(&written));
            }
            _ => {}
        }
        self.capacity = Some((capacity, written));
        Ok(())
    }

    /// Turns max_pool_size into pool_size and max_overflow, once everything has been read.
    pub(super) fn finish(mut self) -> Result<Self, Error> {
        let Some((capacity, written)) = self.capacity.take() else {
            return Ok(self);
        };
        let pool_size = match self.given.get("pool_size") {
            None => capacity,
            Some(size) if self.values.pool_size > capacity => {
                return Err(written.refused(format_args!(
                    "at least {size}, since {MAX_POOL_SIZE} is the sum of pool_size and max_overflow"
                )));
            }
            Some(_) => self.values.pool_size,
        };
        let max_overflow = capacity - pool_size;
        if let Some(overflow) = self.given.get("max_overflow")
            && self.values.max_overflow != max_overflow
        {
            return Err(overflow.refused(format_args!(
                "{max_overflow}, which is what {written} leaves beside a pool_size of {pool_size}, or only one of the two"
            )));
        }
        self.values.pool_size = pool_size;
        self.values.max_overflow = max_overflow;
        for path in ["pool_size", "max_overflow"] {
            self.given.entry(path).or_insert_with(|| written.clone());
        }
        Ok(self)
    }

    pub(super) fn insert_pool_name(&mut self, written: Written) -> Result<(), Error> {
        if written.text.trim().is_empty() {
            return Err(written.refused("a name that is not blank"));
        }
        match &self.pool_name {
            Some(before) if before.text != written.text => Err(before.contradicted_by(&written)),
            _ => {
                self.pool_name = Some(written);
                Ok(())
            }
        }
    }

    pub(super) fn pool_name(&self) -> Option<&str> {
        self.pool_name.as_ref().map(|written| written.text.as_str())
    }

    pub(super) fn note_session_attrs(&mut self, word: String) {
        self.session_attrs = Some(word);
    }

    pub(super) fn session_attrs(&self) -> Option<&str> {
        self.session_attrs.as_deref()
    }

    pub(super) fn values(&self) -> &Settings {
        &self.values
    }

    /// How this place gives the setting, if it does.
    pub(super) fn given(&self, row: &Row) -> Option<&Written> {
        self.given.get(row.path)
    }
}
