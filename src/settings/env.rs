//! Settings from the environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use super::overlay::{Overlay, Written};
use super::provenance::Source;
use super::{Settings, table};
use crate::base::log::say;
use crate::error::{Error, ErrorKind};

const PREFIXES: [&str; 2] = ["DB_", "DATABASE_"];

impl Settings {
    /// The default preset, overlaid by the environment: short for `Settings::default().with_env()`.
    ///
    /// # Errors
    /// As [`with_env`](Settings::with_env).
    pub fn from_env() -> Result<Self, Error> {
        Settings::default().with_env()
    }

    /// Takes from the environment what code has not set.
    ///
    /// Each setting has a variable, under either prefix, `DB_` or `DATABASE_`: `DB_POOL_SIZE` and
    /// `DATABASE_POOL_SIZE` are the same; every field says its own. Nothing else in this crate reads them.
    /// A `DB_POOL_…` or `DATABASE_POOL_…` that is no setting is logged at warn (an orchestrator may inject one for a
    /// service of that name) and left alone.
    ///
    /// ```
    /// use queuepool::Settings;
    ///
    /// let settings = Settings::production().pool_size(8).with_env()?;
    /// assert_eq!(settings.pool_size, 8);
    /// # Ok::<(), queuepool::Error>(())
    /// ```
    ///
    /// # Errors
    /// A value that does not parse, and both prefixes set to different values. A variable that is set to nothing is an
    /// error too: whoever wrote `DB_POOL_SIZE=$SIZE` and forgot SIZE did not mean the default. The error names the variable.
    pub fn with_env(self) -> Result<Self, Error> {
        let overlay = from_vars(env::vars_os())?;
        Ok(self.overlaid(&overlay, Source::Environment))
    }
}

/// What these variables say about the settings.
pub(crate) fn from_vars(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Overlay, Error> {
    // Sorted, so that of several errors always the same is reported.
    let sorted: BTreeMap<OsString, OsString> = variables.collect();
    let mut overlay = Overlay::new();
    for (variable, value) in &sorted {
        let Some(variable) = variable.to_str() else {
            continue;
        };
        let Some(name) = setting_name(variable) else {
            continue;
        };
        if table::is_name(&name) {
            let text = value.to_str().ok_or_else(|| not_unicode(variable))?;
            let written = Written {
                name: variable.to_owned(),
                text: text.to_owned(),
                is_secret: false,
            };
            overlay.insert(&name, written)?;
        } else if name.starts_with("pool_") {
            say!(
                Warn,
                "queuepool::settings::env",
                "the environment variable {variable} is no setting of queuepool; ignored"
            );
        }
    }
    overlay.finish()
}

/// The database's URL from the environment.
///
/// # Errors
/// When DATABASE_URL is missing, empty or not Unicode. The value is in no error: it may contain a password.
pub(crate) fn database_url_from_env() -> Result<String, Error> {
    database_url(env::var_os("DATABASE_URL"))
}

fn database_url(value: Option<OsString>) -> Result<String, Error> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(Error::new(
            ErrorKind::Settings,
            "DATABASE_URL is not set: set it to the database's URL, for example \
             postgresql://user:password@localhost:5432/orders, mysql://user:password@localhost/orders or \
             sqlite:///orders.db",
        ));
    };
    value.into_string().map_err(|_| not_unicode("DATABASE_URL"))
}

/// The rest of the name after a prefix, in lower case, as in a URL.
fn setting_name(variable: &str) -> Option<String> {
    let rest = PREFIXES
        .iter()
        .find_map(|prefix| variable.strip_prefix(prefix))?;
    let is_upper_case = !rest.contains(|character: char| character.is_ascii_lowercase());
    is_upper_case.then(|| rest.to_ascii_lowercase())
}

fn not_unicode(variable: &str) -> Error {
    Error::setting(variable, "(not Unicode)", "Unicode text is")
}

#[cfg(test)]
mod tests;
