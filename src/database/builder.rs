//! Describing a database before it is opened.

use std::error::Error as StdError;
use std::fmt;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::Arc;
use std::time::Duration;

use crate::contract::connection_info::{CloseReason, ConnectionInfo};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::contract::credentials::Credentials;
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;
use crate::contract::hooks::{CloseHook, ErrorHook, HookError, TimeoutHook};
use crate::database::{Database, Kind};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::drivers::credentials::Source;
#[cfg(feature = "mysql")]
use crate::drivers::mysql::MySqlManager;
#[cfg(feature = "postgres")]
use crate::drivers::postgres::PostgresManager;
use crate::drivers::scheme;
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::SqliteManager;
use crate::error::Error;
use crate::pool::Pool;
use crate::pool::builder::Builder;
use crate::settings::{Settings, database_url_from_env};

type FallibleHook = Box<dyn Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync>;
type Hook = Box<dyn Fn(&ConnectionInfo) + Send + Sync>;

#[derive(Default)]
struct AnyHooks {
    connect: Vec<FallibleHook>,
    checkout: Vec<FallibleHook>,
    checkin: Vec<Hook>,
    reset: Vec<Hook>,
    invalidate: Vec<Hook>,
    close: Vec<CloseHook>,
    timeout: Vec<TimeoutHook>,
    error: Vec<ErrorHook>,
}

/// A database to be opened. The hooks are those of [`Builder`], but they are not given the connection.
#[must_use = "a builder does nothing until build()"]
pub struct DatabaseBuilder {
    url: String,
    name: Option<String>,
    settings: Settings,
    hooks: AnyHooks,
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    credentials: Option<Arc<Source>>,
}

impl Database {
    /// A database with the default settings, except for those that the URL names.
    ///
    /// # Errors
    /// Settings for a URL that is malformed or names a setting that is out of range; Unsupported for a scheme whose driver is not
    /// in this build.
    pub fn open(url: &str) -> Result<Self, Error> {
        Database::builder(url).build()
    }

    /// A database with these settings. Those set in code win over those in the URL.
    ///
    /// # Errors
    /// As [`open`](Database::open).
    pub fn open_with(url: &str, settings: Settings) -> Result<Self, Error> {
        Database::builder(url).settings(settings).build()
    }

    /// The database that `DATABASE_URL` names, with the settings of the environment ([`Settings::from_env`]) and the name in
    /// `DB_POOL_NAME`.
    ///
    /// # Errors
    /// As [`open`](Database::open); also Settings for a variable that is missing or malformed, which the error names.
    pub fn from_env() -> Result<Self, Error> {
        Database::open_with(&database_url_from_env()?, Settings::from_env()?)
    }

    /// Starts to describe a database with a name, settings and hooks.
    pub fn builder(url: &str) -> DatabaseBuilder {
        DatabaseBuilder::new(url)
    }
}

impl DatabaseBuilder {
    pub(crate) fn new(url: &str) -> Self {
        DatabaseBuilder {
            url: url.to_owned(),
            name: None,
            settings: Settings::default(),
            hooks: AnyHooks::default(),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            credentials: None,
        }
    }

    /// The pool's name; see [`Builder::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The settings. Those set in code win over those in the URL.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Has a closure asked for the password, and the user if it says one, whenever a connection is opened; see `credentials` of the
    /// managers. The URL need not contain them then. SQLite has no logins, and refuses to be built with it.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub fn credentials<E>(
        mut self,
        source: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
    ) -> Self {
        self.credentials = Some(Source::new(source));
        self
    }

    /// See [`Builder::on_connect`].
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.connect.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_checkout`].
    pub fn on_checkout<F>(mut self, hook: F) -> Self
    where
        F: Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.checkout.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_checkin`].
    pub fn on_checkin(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.checkin.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_reset`].
    pub fn on_reset(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.reset.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_invalidate`].
    pub fn on_invalidate(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.invalidate.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_close`].
    pub fn on_close(
        mut self,
        hook: impl Fn(&ConnectionInfo, CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.close.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_timeout`].
    pub fn on_timeout(mut self, hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.hooks.timeout.push(Box::new(hook));
        self
    }

    /// See [`Builder::on_error`].
    pub fn on_error<F>(mut self, hook: F) -> Self
    where
        F: Fn(&(dyn StdError + 'static), &ConnectionInfo) -> Option<ErrorClass>
            + Send
            + Sync
            + 'static,
    {
        self.hooks.error.push(Box::new(hook));
        self
    }

    /// Builds the pool. As with [`Builder::build`], it opens no connection unless warm_up or min_pool_size asks for some.
    ///
    /// # Errors
    /// Settings for a malformed URL or a setting that is out of range; Unsupported for a scheme whose driver is not in this build;
    /// and those of [`Builder::build`].
    #[cfg_attr(not(any(feature = "postgres", feature = "mysql")), allow(unused_mut))]
    pub fn build(mut self) -> Result<Database, Error> {
        let url = self.url.clone();
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        let credentials = self.credentials.take();
        match scheme::scheme(&url)? {
            #[cfg(feature = "postgres")]
            scheme::Scheme::Postgres => self
                .describe(Pool::<PostgresManager>::builder(url)?)
                .credentials_from(credentials)
                .build()
                .map(Kind::Postgres),
            #[cfg(feature = "mysql")]
            scheme::Scheme::MySql => self
                .describe(Pool::<MySqlManager>::builder(url)?)
                .credentials_from(credentials)
                .build()
                .map(Kind::MySql),
            #[cfg(all(feature = "sqlite", any(feature = "postgres", feature = "mysql")))]
            scheme::Scheme::Sqlite if credentials.is_some() => Err(Error::unsupported(
                "credentials() is given, but SQLite has no logins: leave it out",
            )),
            #[cfg(feature = "sqlite")]
            scheme::Scheme::Sqlite => self
                .describe(Pool::<SqliteManager>::builder(url)?)
                .build()
                .map(Kind::Sqlite),
            #[allow(unreachable_patterns)] // when all three are built in
            scheme => Err(Error::unsupported(format!(
                "this build of queuepool has no driver for the scheme of the database URL: add \"{}\" to the features of queuepool in \
                 Cargo.toml",
                scheme.feature()
            ))),
        }
        .map(Database::from_kind)
    }

    fn describe<M: Manager>(self, builder: Builder<M>) -> Builder<M> {
        let AnyHooks {
            connect,
            checkout,
            checkin,
            reset,
            invalidate,
            close,
            timeout,
            error,
        } = self.hooks;
        let mut builder = builder.settings(self.settings);
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        for hook in connect {
            builder = builder.on_connect(move |_, info| hook(info));
        }
        for hook in checkout {
            builder = builder.on_checkout(move |_, info| hook(info));
        }
        for hook in checkin {
            builder = builder.on_checkin(move |_, info| hook(info));
        }
        for hook in reset {
            builder = builder.on_reset(move |_, info| hook(info));
        }
        for hook in invalidate {
            builder = builder.on_invalidate(move |_, info| hook(info));
        }
        for hook in close {
            builder = builder.on_close(hook);
        }
        for hook in timeout {
            builder = builder.on_timeout(hook);
        }
        for hook in error {
            builder = builder.on_error(hook);
        }
        builder
    }
}

impl fmt::Debug for DatabaseBuilder {
    /// Without the URL, which may hold a password where nobody looks for one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
