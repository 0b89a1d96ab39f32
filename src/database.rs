//! A database from its URL: the driver is chosen by the scheme.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::builder::{Builder, DEFAULT_NAME};
use crate::connection::Connection;
use crate::driver::{ErrorClass, Manager};
#[cfg(feature = "mysql")]
use crate::drivers::mysql::{self, MySqlManager};
#[cfg(feature = "postgres")]
use crate::drivers::postgres::{self, PostgresManager};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::{self, SqliteManager};
use crate::drivers::{FirstValue, source};
use crate::error::{Error, ErrorKind, chain};
use crate::hooks::{CloseHook, CloseReason, ConnectionInfo, HookError, TimeoutHook};
use crate::pool::Pool;
use crate::settings::{Settings, database_url_from_env};
use crate::status::Status;

/// A pool of whichever driver the URL names: `postgres`/`postgresql`, `mysql`/`mariadb` or `sqlite`. Cheap to clone.
#[derive(Clone)]
pub struct Database(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "postgres")]
    Postgres(Pool<PostgresManager>),
    #[cfg(feature = "mysql")]
    MySql(Pool<MySqlManager>),
    #[cfg(feature = "sqlite")]
    Sqlite(Pool<SqliteManager>),
}

/// The same expression for the pool of whichever driver it is.
macro_rules! with_pool {
    ($database:expr, $pool:ident => $body:expr) => {
        match &$database.0 {
            #[cfg(feature = "postgres")]
            Kind::Postgres($pool) => $body,
            #[cfg(feature = "mysql")]
            Kind::MySql($pool) => $body,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite($pool) => $body,
        }
    };
}

impl Database {
    /// A database with the default settings, except those that the URL names.
    ///
    /// # Errors
    /// Settings for a malformed URL or nonsense in it; Unsupported for a scheme without a driver, or TLS.
    pub fn open(url: &str) -> Result<Self, Error> {
        Database::builder(url).build()
    }

    /// A database with these settings. Those set in code go before those in the URL.
    ///
    /// # Errors
    /// As [`open`](Database::open).
    pub fn open_with(url: &str, settings: Settings) -> Result<Self, Error> {
        Database::builder(url).settings(settings).build()
    }

    /// The database that `DATABASE_URL` names, with the settings of the environment ([`Settings::from_env`]).
    ///
    /// # Errors
    /// As [`open`](Database::open); Settings naming the variable that is missing or malformed.
    pub fn from_env() -> Result<Self, Error> {
        Database::open_with(&database_url_from_env()?, Settings::from_env()?)
    }

    /// Starts to describe a database, with a name, settings and hooks.
    pub fn builder(url: &str) -> DatabaseBuilder {
        DatabaseBuilder {
            url: url.to_owned(),
            name: DEFAULT_NAME.to_owned(),
            settings: Settings::default(),
            hooks: AnyHooks::default(),
        }
    }

    /// A connection, within the setting `timeout`.
    ///
    /// # Errors
    /// As [`Pool::get`].
    ///
    /// # Panics
    /// As [`Pool::get`].
    #[track_caller]
    pub fn get(&self) -> Result<AnyConnection, Error> {
        self.get_timeout(self.settings().timeout)
    }

    /// A connection, within `timeout`, everything included.
    ///
    /// # Errors
    /// As [`Pool::get`].
    ///
    /// # Panics
    /// As [`Pool::get`].
    #[track_caller]
    pub fn get_timeout(&self, timeout: Duration) -> Result<AnyConnection, Error> {
        let inside = match &self.0 {
            #[cfg(feature = "postgres")]
            Kind::Postgres(pool) => Inside::Postgres(pool.get_timeout(timeout)?),
            #[cfg(feature = "mysql")]
            Kind::MySql(pool) => Inside::MySql(pool.get_timeout(timeout)?),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(pool) => Inside::Sqlite(pool.get_timeout(timeout)?),
        };
        Ok(self.any(inside))
    }

    /// An idle connection, or `None`; see [`Pool::try_get`].
    ///
    /// # Errors
    /// As [`Pool::try_get`].
    ///
    /// # Panics
    /// As [`Pool::try_get`].
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<AnyConnection>, Error> {
        let inside = match &self.0 {
            #[cfg(feature = "postgres")]
            Kind::Postgres(pool) => pool.try_get()?.map(Inside::Postgres),
            #[cfg(feature = "mysql")]
            Kind::MySql(pool) => pool.try_get()?.map(Inside::MySql),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(pool) => pool.try_get()?.map(Inside::Sqlite),
        };
        Ok(inside.map(|inside| self.any(inside)))
    }

    fn any(&self, inside: Inside) -> AnyConnection {
        let echo_target =
            with_pool!(self, pool => self.settings().echo.then(|| pool.inner().target.clone()));
        AnyConnection {
            inside,
            echo_target,
        }
    }

    /// Whether the database answers; see [`Pool::ping`].
    ///
    /// # Errors
    /// As [`Pool::ping`].
    ///
    /// # Panics
    /// As [`Pool::ping`].
    pub fn ping(&self) -> Result<(), Error> {
        with_pool!(self, pool => pool.ping())
    }

    /// One consistent snapshot.
    #[must_use]
    pub fn status(&self) -> Status {
        with_pool!(self, pool => pool.status())
    }

    /// Whether the pool is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        with_pool!(self, pool => pool.settings())
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        with_pool!(self, pool => pool.name())
    }

    /// See [`Pool::warm_up`].
    ///
    /// # Errors
    /// As [`Pool::warm_up`].
    pub fn warm_up(&self, connections: u32) -> Result<(), Error> {
        with_pool!(self, pool => pool.warm_up(connections))
    }

    /// See [`Pool::invalidate_all`].
    pub fn invalidate_all(&self) {
        with_pool!(self, pool => pool.invalidate_all());
    }

    /// See [`Pool::close`].
    ///
    /// # Errors
    /// As [`Pool::close`].
    pub fn close(&self, deadline: Duration) -> Result<(), Error> {
        with_pool!(self, pool => pool.close(deadline))
    }

    /// The typed pool, if this is PostgreSQL.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(&self) -> Option<&Pool<PostgresManager>> {
        match &self.0 {
            Kind::Postgres(pool) => Some(pool),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed pool, if this is MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    #[must_use]
    pub fn mysql(&self) -> Option<&Pool<MySqlManager>> {
        match &self.0 {
            Kind::MySql(pool) => Some(pool),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed pool, if this is SQLite.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(&self) -> Option<&Pool<SqliteManager>> {
        match &self.0 {
            Kind::Sqlite(pool) => Some(pool),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_pool!(self, pool => f.debug_tuple("Database").field(pool).finish())
    }
}

type FallibleHook = Box<dyn Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync>;
type Hook = Box<dyn Fn(&ConnectionInfo) + Send + Sync>;

#[derive(Default)]
struct AnyHooks {
    connect: Option<FallibleHook>,
    checkout: Option<FallibleHook>,
    checkin: Option<Hook>,
    reset: Option<Hook>,
    invalidate: Option<Hook>,
    close: Option<CloseHook>,
    timeout: Option<TimeoutHook>,
}

/// A database to be opened; the hooks are those of [`Builder`], without the connection.
#[must_use = "a builder does nothing until build()"]
pub struct DatabaseBuilder {
    url: String,
    name: String,
    settings: Settings,
    hooks: AnyHooks,
}

impl DatabaseBuilder {
    /// The pool's name. Default `db_pool`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The settings. Those set in code go before those in the URL.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// See [`Builder::on_connect`].
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.connect = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_checkout`].
    pub fn on_checkout<F>(mut self, hook: F) -> Self
    where
        F: Fn(&ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.checkout = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_checkin`].
    pub fn on_checkin(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.checkin = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_reset`].
    pub fn on_reset(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.reset = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_invalidate`].
    pub fn on_invalidate(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.hooks.invalidate = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_close`].
    pub fn on_close(
        mut self,
        hook: impl Fn(&ConnectionInfo, CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.close = Some(Box::new(hook));
        self
    }

    /// See [`Builder::on_timeout`].
    pub fn on_timeout(mut self, hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.hooks.timeout = Some(Box::new(hook));
        self
    }

    /// Builds the pool; as [`Builder::build`] it opens nothing unless warm_up or min_idle asks for it.
    ///
    /// # Errors
    /// Settings for a malformed URL or nonsense in the settings; Unsupported for a scheme without a driver, or TLS.
    pub fn build(self) -> Result<Database, Error> {
        let url = self.url.clone();
        match source::scheme(&url)? {
            #[cfg(feature = "postgres")]
            source::Scheme::Postgres => self
                .describe(Pool::<PostgresManager>::builder(url)?)
                .build()
                .map(Kind::Postgres),
            #[cfg(feature = "mysql")]
            source::Scheme::MySql => self
                .describe(Pool::<MySqlManager>::builder(url)?)
                .build()
                .map(Kind::MySql),
            #[cfg(feature = "sqlite")]
            source::Scheme::Sqlite => self
                .describe(Pool::<SqliteManager>::builder(url)?)
                .build()
                .map(Kind::Sqlite),
            #[allow(unreachable_patterns)] // when all three are built in
            scheme => Err(Error::unsupported(format!(
                "this build has no driver for the URL's scheme ({scheme:?}): enable queuepool's feature for it"
            ))),
        }
        .map(Database)
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
        } = self.hooks;
        let mut builder = builder.name(self.name).settings(self.settings);
        if let Some(hook) = connect {
            builder = builder.on_connect(move |_, info| hook(info));
        }
        if let Some(hook) = checkout {
            builder = builder.on_checkout(move |_, info| hook(info));
        }
        if let Some(hook) = checkin {
            builder = builder.on_checkin(move |_, info| hook(info));
        }
        if let Some(hook) = reset {
            builder = builder.on_reset(move |_, info| hook(info));
        }
        if let Some(hook) = invalidate {
            builder = builder.on_invalidate(move |_, info| hook(info));
        }
        if let Some(hook) = close {
            builder = builder.on_close(hook);
        }
        if let Some(hook) = timeout {
            builder = builder.on_timeout(hook);
        }
        builder
    }
}

/// A connection of whichever driver the database has: a small common surface, and the typed connection inside.
#[must_use = "a connection that is dropped at once goes back unused"]
pub struct AnyConnection {
    inside: Inside,
    /// Where the setting echo logs the SQL that is run here.
    echo_target: Option<String>,
}

enum Inside {
    #[cfg(feature = "postgres")]
    Postgres(Connection<PostgresManager>),
    #[cfg(feature = "mysql")]
    MySql(Connection<MySqlManager>),
    #[cfg(feature = "sqlite")]
    Sqlite(Connection<SqliteManager>),
}

impl AnyConnection {
    /// Runs SQL without parameters, one statement or several separated by semicolons, and returns the number of rows they
    /// changed. On PostgreSQL and MySQL rows that a statement returns count too; on SQLite they do not.
    ///
    /// # Errors
    /// Statement when the database refused it, Connect when the connection is lost; the driver's own error is beneath.
    pub fn execute(&mut self, sql: &str) -> Result<u64, Error> {
        self.echo(sql);
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => {
                run(connection, |connection| postgres::execute(connection, sql))
            }
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => {
                run(connection, |connection| mysql::execute(connection, sql))
            }
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => {
                run(connection, |connection| sqlite::execute(connection, sql))
            }
        }
    }

    /// Runs SQL without parameters and returns the first column of the first row, a whole number.
    ///
    /// # Errors
    /// As [`execute`](AnyConnection::execute); Statement also when there is no row, or it is NULL or no whole number.
    pub fn query_i64(&mut self, sql: &str) -> Result<i64, Error> {
        self.echo(sql);
        let value = match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => run(connection, |connection| {
                postgres::query_i64(connection, sql)
            })?,
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => {
                run(connection, |connection| mysql::query_i64(connection, sql))?
            }
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => {
                run(connection, |connection| sqlite::query_i64(connection, sql))?
            }
        };
        match value {
            FirstValue::Integer(integer) => Ok(integer),
            other => Err(Error::new(
                ErrorKind::Statement,
                format!("query_i64 wants one whole number and got {other}"),
            )),
        }
    }

    /// Whether the connection answers: the pool's own ping (or `validation_query`), on this thread. PostgreSQL's keeps to
    /// `health_check_timeout`; MySQL's takes as long as the driver waits.
    ///
    /// # Errors
    /// Connect when it does not; the driver's own error is beneath.
    pub fn ping(&mut self) -> Result<(), Error> {
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => ping(connection),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => ping(connection),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => ping(connection),
        }
    }

    /// The typed connection, if this is PostgreSQL.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(&mut self) -> Option<&mut Connection<PostgresManager>> {
        match &mut self.inside {
            Inside::Postgres(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed connection, if this is MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    #[must_use]
    pub fn mysql(&mut self) -> Option<&mut Connection<MySqlManager>> {
        match &mut self.inside {
            Inside::MySql(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    /// The typed connection, if this is SQLite.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(&mut self) -> Option<&mut Connection<SqliteManager>> {
        match &mut self.inside {
            Inside::Sqlite(connection) => Some(connection),
            #[allow(unreachable_patterns)] // with this driver alone
            _ => None,
        }
    }

    fn echo(&self, sql: &str) {
        if let Some(target) = &self.echo_target {
            log::debug!(target: target, "{sql}");
        }
    }
}

impl fmt::Debug for AnyConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(connection) => connection.fmt(f),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => connection.fmt(f),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => connection.fmt(f),
        }
    }
}

fn run<M: Manager, T>(
    connection: &mut Connection<M>,
    work: impl FnOnce(&mut M::Connection) -> Result<T, M::Error>,
) -> Result<T, Error> {
    work(connection).map_err(|error| {
        let kind = match Connection::classify(connection, &error) {
            ErrorClass::Lost => ErrorKind::Connect,
            ErrorClass::Transient | ErrorClass::Permanent | ErrorClass::Statement => {
                ErrorKind::Statement
            }
        };
        Error::new(kind, chain(&error)).with_source(Arc::new(error))
    })
}

fn ping<M: Manager>(connection: &mut Connection<M>) -> Result<(), Error> {
    Connection::ping(connection).map_err(|error| {
        Error::new(
            ErrorKind::Connect,
            format!("the ping failed: {}", chain(&error)),
        )
        .with_source(Arc::new(error))
    })
}
