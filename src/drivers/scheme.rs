//! Which bundled driver a URL names.

use crate::error::{Error, NOT_SHOWN, URL};

/// The bundled drivers, whether this build has them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Postgres,
    MySql,
    Sqlite,
}

/// The driver that a URL names. The part of the scheme after `+` is ignored, as in `postgresql+psycopg2://`.
pub(crate) fn scheme(url: &str) -> Result<Scheme, Error> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let name = scheme.split('+').next().unwrap_or_default();
    let is_a_scheme = url.starts_with(&format!("{scheme}://"))
        && !name.is_empty()
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-.".contains(character));
    match name.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => Ok(Scheme::Postgres),
        "mysql" | "mariadb" => Ok(Scheme::MySql),
        "sqlite" => Ok(Scheme::Sqlite),
        // Anything else may be a password, or begin with one.
        other if is_a_scheme => Err(Error::setting_in(
            URL,
            "scheme",
            format_args!("{other:?}"),
            EXPECTED,
        )),
        _ => Err(Error::setting("database URL", NOT_SHOWN, EXPECTED)),
    }
}

const EXPECTED: &str = "a URL that begins with postgres://, mysql://, mariadb:// or sqlite:";
