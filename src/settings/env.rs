//! Settings from the environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use super::overlay::{Overlay, Written};
use super::provenance::Source;
use super::{Settings, kubernetes, table};
use crate::base::log::say;
use crate::error::{Error, ErrorKind};

const PREFIXES: [&str; 2] = ["DB_", "DATABASE_"];

/// Stands in an error for a value that cannot be shown because it is not Unicode.
const NOT_UNICODE: &str = "(not Unicode)";
const UNICODE: &str = "Unicode text";

/// Not a setting: the name of a pool that code gives none.
const POOL_NAME: &str = "pool_name";

impl Settings {
    /// The default preset with what the environment sets: short for `Settings::default().with_env()`.
    ///
    /// # Errors
    /// As [`with_env`](Settings::with_env).
    pub fn from_env() -> Result<Self, Error> {
        Settings::default().with_env()
    }

    /// Takes from the environment whatever code has not set.
    ///
    /// Each setting has a variable with either of two prefixes, `DB_` or `DATABASE_`: `DB_POOL_SIZE` and
    /// `DATABASE_POOL_SIZE` mean the same, and the documentation of each field names its own. Nothing else in this crate reads
    /// these variables. An empty variable counts as unset, because that is what a Compose file makes of a variable that nobody
    /// has set.
    ///
    /// `DB_POOL_NAME` (or `DATABASE_POOL_NAME`) is the name of every pool that is built with these settings and that code gives no
    /// name.
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
    /// Settings for a value that does not parse, for two variables of one setting with different values, and for a `DB_POOL_…` or
    /// `DATABASE_POOL_…` that is no setting. Exempt are the names that Kubernetes injects for a service whose name begins with
    /// `db-pool` or `database-pool`, such as `DB_POOL_PORT` and `DB_POOL_SERVICE_HOST`. The error names the variable. Any other
    /// `DB_…` or `DATABASE_…` may belong to somebody else: one that is nearly the name of a setting, such as `DB_MAX_OVERFLO`, is
    /// told in the log, at Warn, and so is one that is not used because code has set another value, at Info.
    pub fn with_env(self) -> Result<Self, Error> {
        self.with_vars(env::vars_os())
    }

    /// For tests, as a process has only one environment: takes these variables for it.
    #[doc(hidden)]
    pub fn with_vars(
        self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let overlay = from_vars(variables)?;
        Ok(self.overlaid(&overlay, Source::Environment))
    }
}

/// What these variables say about the settings.
pub(crate) fn from_vars(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Overlay, Error> {
    // Sorted, so that of several errors it is always the same one that is reported.
    let sorted: BTreeMap<OsString, OsString> = variables.collect();
    let mut overlay = Overlay::new();
    let set = sorted.iter().filter(|(_, value)| !value.is_empty());
    for (variable, value) in set {
        let Some(variable) = variable.to_str() else {
            continue;
        };
        let Some(name) = setting_name(variable) else {
            continue;
        };
        if !table::is_name(&name) && name != POOL_NAME {
            check_is_anothers(variable, &name)?;
            continue;
        }
        let text = value
            .to_str()
            .ok_or_else(|| Error::setting_in(variable, &name, NOT_UNICODE, UNICODE))?;
        let written = Written {
            text: text.to_owned(),
            place: variable.to_owned(),
            is_secret: false,
            name,
        };
        match written.name == POOL_NAME {
            true => overlay.insert_pool_name(written)?,
            false => overlay.insert(written)?,
        }
    }
    overlay.finish()
}

/// Refuses a variable that nobody but a user of ours can mean, and warns of one that is probably meant for us. Its value is not
/// shown, as it may be anything.
fn check_is_anothers(variable: &str, name: &str) -> Result<(), Error> {
    let words = format!("the environment variable {variable} is no setting of queuepool");
    let meant = |others| {
        let meant = table::meant(name, others)?;
        let mut prefixes = PREFIXES.iter();
        let prefix = prefixes.find(|prefix| variable.starts_with(**prefix))?;
        Some(format!(
            "did you mean {prefix}{}?",
            meant.to_ascii_uppercase()
        ))
    };
    if !name.starts_with("pool_") {
        if let Some(remedy) = meant(&[]) {
            say!(Warn, "queuepool", "{words}, and is not used: {remedy}");
        }
        return Ok(());
    }
    if kubernetes::makes(&name.to_ascii_uppercase()) {
        return Ok(());
    }
    let remedy = meant(&[POOL_NAME]).unwrap_or_else(|| "remove it".to_owned());
    Err(Error::new(
        ErrorKind::Settings,
        format!("{words}: {remedy}"),
    ))
}

/// The database's URL from the environment.
///
/// # Errors
/// Settings when DATABASE_URL is missing, empty or not Unicode. The value is never in the error, as it may contain a password.
pub(crate) fn database_url_from_env() -> Result<String, Error> {
    database_url(env::var_os("DATABASE_URL"))
}

fn database_url(value: Option<OsString>) -> Result<String, Error> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(Error::new(
            ErrorKind::Settings,
            "DATABASE_URL is not set: expected the database's URL, for example \
             postgresql://user:password@localhost:5432/orders, mysql://user:password@localhost/orders or \
             sqlite:///orders.db",
        ));
    };
    let refused = |_| Error::setting("DATABASE_URL", NOT_UNICODE, UNICODE);
    value.into_string().map_err(refused)
}

/// The name of the setting as in a URL: what follows a prefix, in lower case. `None` without a prefix.
fn setting_name(variable: &str) -> Option<String> {
    let rest = PREFIXES
        .iter()
        .find_map(|prefix| variable.strip_prefix(prefix))?;
    let is_upper_case = !rest.contains(|character: char| character.is_ascii_lowercase());
    is_upper_case.then(|| rest.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
