//! What a pool of a bundled driver is built from: a URL, or the driver's own configuration value.

#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::contract::credentials::Credentials;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::drivers::credentials::Source as Closure;
#[cfg(feature = "mysql")]
use crate::drivers::mysql::MySqlManager;
#[cfg(feature = "postgres")]
use crate::drivers::postgres::PostgresManager;
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::SqliteManager;
use crate::error::Error;
use crate::pool::builder::Builder;
use crate::pool::source::{Source, sealed::Sealed};
use crate::settings::split_url;

/// From a URL. Those of its parameters that are settings of the pool are taken off.
macro_rules! built_from_url {
    ($feature:literal, $manager:ty, $($text:ty),+) => {$(
        #[cfg(feature = $feature)]
        impl Sealed<$manager> for $text {}

        #[cfg(feature = $feature)]
        impl Source<$manager> for $text {
            type Output = Result<Builder<$manager>, Error>;

            fn into_builder(self) -> Self::Output {
                let (url, settings) = split_url(self.as_ref())?;
                Ok(Builder::new(<$manager>::from_url(&url)?).url_settings(settings))
            }
        }
    )+};
}

built_from_url!("postgres", PostgresManager, &str, &String, String);
built_from_url!("mysql", MySqlManager, &str, &String, String);
built_from_url!("sqlite", SqliteManager, &str, &String, String);

/// A closure that is asked for the credentials.
macro_rules! asked_for_credentials {
    ($feature:literal, $manager:ident) => {
        #[cfg(feature = $feature)]
        impl Builder<$manager> {
            #[doc = concat!("See [`", stringify!($manager), "::credentials`].")]
            pub fn credentials<E>(
                self,
                source: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
            ) -> Self {
                self.with_manager(|manager| manager.credentials(source))
            }

            pub(crate) fn credentials_from(self, source: Option<Arc<Closure>>) -> Self {
                match source {
                    Some(source) => self.with_manager(|manager| manager.credentials_from(source)),
                    None => self,
                }
            }
        }
    };
}

asked_for_credentials!("postgres", PostgresManager);
asked_for_credentials!("mysql", MySqlManager);

#[cfg(feature = "postgres")]
impl Sealed<PostgresManager> for ::postgres::Config {}

#[cfg(feature = "postgres")]
impl Source<PostgresManager> for ::postgres::Config {
    type Output = Result<Builder<PostgresManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(PostgresManager::new(self)?))
    }
}

#[cfg(feature = "mysql")]
impl Sealed<MySqlManager> for ::mysql::Opts {}

#[cfg(feature = "mysql")]
impl Source<MySqlManager> for ::mysql::Opts {
    type Output = Result<Builder<MySqlManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(MySqlManager::new(self)?))
    }
}

#[cfg(feature = "sqlite")]
impl Sealed<SqliteManager> for &Path {}

/// A file.
#[cfg(feature = "sqlite")]
impl Source<SqliteManager> for &Path {
    type Output = Result<Builder<SqliteManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(SqliteManager::file(self)))
    }
}

#[cfg(feature = "sqlite")]
impl Sealed<SqliteManager> for PathBuf {}

/// A file.
#[cfg(feature = "sqlite")]
impl Source<SqliteManager> for PathBuf {
    type Output = Result<Builder<SqliteManager>, Error>;

    fn into_builder(self) -> Self::Output {
        Ok(Builder::new(SqliteManager::file(self)))
    }
}
