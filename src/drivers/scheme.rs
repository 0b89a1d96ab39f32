//! Which bundled driver a URL names.

use crate::error::Error;

/// The bundled drivers by their URL schemes, whether this build has them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Postgres,
    MySql,
    Sqlite,
}

/// The driver that a URL names; the part of the scheme after `+` is ignored, as in `postgresql+psycopg2://`.
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
        other if is_a_scheme => Err(Error::setting(
            "the database URL's scheme",
            format_args!("{other:?}"),
            ACCEPTED,
        )),
        _ => Err(Error::setting("the database URL", "(not shown)", ACCEPTED)),
    }
}

const ACCEPTED: &str = "it must begin with postgres://, mysql://, mariadb:// or sqlite:";
