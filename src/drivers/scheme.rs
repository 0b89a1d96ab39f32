//! Which bundled driver a URL names.

use crate::error::{Error, ErrorKind, NOT_SHOWN, URL};
use crate::settings::bare;

/// The bundled drivers, whether this build has them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Postgres,
    MySql,
    Sqlite,
}

/// The driver that a URL names. The part of the scheme after `+` is ignored, as in `postgresql+psycopg2://`.
pub(crate) fn scheme(url: &str) -> Result<Scheme, Error> {
    let url = bare(url)?;
    if let Some(error) = is_anothers(url) {
        return Err(error);
    }
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
        "" if url.is_empty() => Err(Error::setting("database URL", "\"\"", EXPECTED)),
        _ => Err(Error::setting("database URL", NOT_SHOWN, EXPECTED)),
    }
}

impl Scheme {
    /// The feature of this crate that has the driver.
    #[allow(dead_code)] // where all three are built in
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Scheme::Postgres => "postgres",
            Scheme::MySql => "mysql",
            Scheme::Sqlite => "sqlite",
        }
    }
}

const EXPECTED: &str = "a URL that begins with postgres://, mysql://, mariadb:// or sqlite: (for a file, sqlite:///app.db)";

/// What other programs call databases that one of the drivers knows, and what that driver's URLs begin with.
const SCHEMES: [(&[&str], &str); 5] = [
    (&["postgis", "pgsql", "psql", "pg"], "postgresql://"),
    (
        &[
            "cockroach",
            "cockroachdb",
            "yugabyte",
            "yugabytedb",
            "redshift",
            "timescale",
            "timescaledb",
            "timescalegis",
        ],
        "postgresql://, if it is to be spoken to as PostgreSQL",
    ),
    (
        &["mysql2", "mysqli", "mysqlgis", "mysqlclient", "trilogy"],
        "mysql://",
    ),
    (
        &["tidb", "percona", "aurora", "vitess"],
        "mysql://, if it is to be spoken to as MySQL",
    ),
    (
        &["sqlite2", "sqlite3", "spatialite", "file", "libsql"],
        "sqlite:///app.db for a path relative to the working directory, sqlite:////var/lib/app.db for an absolute path",
    ),
];

/// The error for a text that is plainly some other program's way of naming a database, with the word to write. Only words of ours
/// are in it, as the text may contain a password.
pub(crate) fn is_anothers(text: &str) -> Option<Error> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("jdbc:") {
        return Some(refused(
            "it begins with jdbc:, which is Java's: expected the same without jdbc:, such as \
             postgresql://user:password@host/database",
        ));
    }
    let name = lower.split([':', '+']).next().unwrap_or_default();
    let scheme = SCHEMES
        .iter()
        .find_map(|(names, own)| Some((names.iter().find(|known| **known == name)?, own)));
    if let Some((name, own)) = scheme
        && lower.len() > name.len()
    {
        return Some(refused(&format!(
            "its scheme is {name}, which belongs to another program: expected {own}"
        )));
    }
    const KEYS: [&str; 8] = [
        "host=",
        "hostaddr=",
        "port=",
        "dbname=",
        "user=",
        "password=",
        "service=",
        "sslmode=",
    ];
    if !lower.contains("://") && KEYS.iter().any(|key| lower.starts_with(key)) {
        return Some(refused(
            "it has no scheme and is in libpq's form of key=value: expected postgresql://user:password@host:port/dbname, or a postgres::Config, \
             which reads this form",
        ));
    }
    const FILES: [&str; 4] = [".db", ".db3", ".sqlite", ".sqlite3"];
    let is_a_file =
        !lower.contains([':', '@', '=', '?']) && FILES.iter().any(|end| lower.ends_with(end));
    is_a_file.then(|| {
        refused("it names a file, without a scheme: expected sqlite:///app.db for a path relative to the working directory, \
             sqlite:////var/lib/app.db for an absolute path")
    })
}

fn refused(complaint: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!("invalid database URL: {complaint}"),
    )
}
