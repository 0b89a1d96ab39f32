//! What a pool of a bundled driver is built from: a URL, or the driver's own configuration value.

use std::any::Any;
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};

use crate::builder::{Builder, Source};
use crate::contract::driver::{Driver, Manager};
#[cfg(feature = "mysql")]
use crate::drivers::mysql::{MySqlDriver, MySqlManager};
#[cfg(feature = "postgres")]
use crate::drivers::postgres::{PostgresDriver, PostgresManager};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::{SqliteDriver, SqliteManager};
use crate::error::Error;
use crate::settings::split_url;

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

/// From a URL; the pool's own settings among its parameters are taken off.
macro_rules! built_from_url {
    ($manager:ty, $($text:ty),+) => {$(
        impl Source<$manager> for $text {
            type Output = Result<Builder<$manager>, Error>;

            fn into_builder(self) -> Self::Output {
                let (url, settings) = split_url(self.as_ref())?;
                Ok(Builder::new(<$manager>::from_url(&url)?).url_settings(settings))
            }
        }
    )+};
}

#[cfg(feature = "postgres")]
built_from_url!(PostgresManager, &str, &String, String);
#[cfg(feature = "mysql")]
built_from_url!(MySqlManager, &str, &String, String);
#[cfg(feature = "sqlite")]
built_from_url!(SqliteManager, &str, &String, String);

#[cfg(feature = "postgres")]
impl Source<PostgresManager> for ::postgres::Config {
    type Output = Result<Builder<PostgresManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(PostgresManager::new(self)?))
    }
}

#[cfg(feature = "mysql")]
impl Source<MySqlManager> for ::mysql::Opts {
    type Output = Result<Builder<MySqlManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(MySqlManager::new(self)?))
    }
}

/// A file.
#[cfg(feature = "sqlite")]
impl Source<SqliteManager> for &Path {
    type Output = Result<Builder<SqliteManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(SqliteManager::file(self)))
    }
}

/// A file.
#[cfg(feature = "sqlite")]
impl Source<SqliteManager> for PathBuf {
    type Output = Result<Builder<SqliteManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(SqliteManager::file(self)))
    }
}

/// The driver of a bundled manager: nobody has to name it, and so nobody can forget to.
pub(crate) fn bundled<M: Manager>() -> Option<Box<dyn Driver<M>>> {
    let drivers: Vec<Box<dyn Any>> = vec![
        #[cfg(feature = "postgres")]
        Box::new(Box::new(PostgresDriver::new()) as Box<dyn Driver<PostgresManager>>),
        #[cfg(feature = "mysql")]
        Box::new(Box::new(MySqlDriver::new()) as Box<dyn Driver<MySqlManager>>),
        #[cfg(feature = "sqlite")]
        Box::new(Box::new(SqliteDriver::default()) as Box<dyn Driver<SqliteManager>>),
    ];
    drivers
        .into_iter()
        .find_map(|driver| driver.downcast().ok())
        .map(|driver| *driver)
}

/// Under whichever driver: no connection of a bundled manager is plain where nothing says so.
pub(crate) fn require_tls(manager: &mut dyn Any) {
    #[cfg(feature = "postgres")]
    if let Some(manager) = manager.downcast_mut::<PostgresManager>() {
        manager.require_tls();
    }
    #[cfg(feature = "mysql")]
    if let Some(manager) = manager.downcast_mut::<MySqlManager>() {
        manager.require_tls();
    }
    // SQLite has nothing to encrypt.
    let _ = manager;
}
