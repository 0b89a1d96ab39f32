//! A database from its URL, whose scheme chooses the driver.

pub(crate) mod any_connection;
pub(crate) mod builder;
mod conflict;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::cancellation::CancellationToken;
use crate::contract::replication::Replication;
use crate::database::any_connection::{AnyConnection, Inside};
#[cfg(feature = "mysql")]
use crate::drivers::mysql::MySqlManager;
#[cfg(feature = "postgres")]
use crate::drivers::postgres::PostgresManager;
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::SqliteManager;
use crate::error::Error;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::pool::Pool;
use crate::settings::Settings;

/// A pool of whichever driver the URL names: `postgres`/`postgresql`, `mysql`/`mariadb` or `sqlite`. It is cheap to clone.
#[derive(Clone)]
pub struct Database(Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    #[cfg(feature = "postgres")]
    Postgres(Pool<PostgresManager>),
    #[cfg(feature = "mysql")]
    MySql(Pool<MySqlManager>),
    #[cfg(feature = "sqlite")]
    Sqlite(Pool<SqliteManager>),
}

/// Evaluates the same expression on the pool of whichever driver it is.
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
    pub(crate) fn from_kind(kind: Kind) -> Self {
        Database(kind)
    }

    /// A connection, within the time of the setting `timeout`.
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

    /// A connection, within `timeout` in all.
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

    /// As [`get`](Database::get), until the token is cancelled; see [`Pool::get_cancellable`].
    ///
    /// # Errors
    /// As [`Pool::get_cancellable`].
    ///
    /// # Panics
    /// As [`Pool::get`].
    #[track_caller]
    pub fn get_cancellable(&self, token: &CancellationToken) -> Result<AnyConnection, Error> {
        let inside = match &self.0 {
            #[cfg(feature = "postgres")]
            Kind::Postgres(pool) => Inside::Postgres(pool.get_cancellable(token)?),
            #[cfg(feature = "mysql")]
            Kind::MySql(pool) => Inside::MySql(pool.get_cancellable(token)?),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(pool) => Inside::Sqlite(pool.get_cancellable(token)?),
        };
        Ok(self.any(inside))
    }

    /// An idle connection, or `None` if there is none; see [`Pool::try_get`].
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
        let echo_target = with_pool!(self, pool => self.settings().echo.then(|| pool.shared().target().to_owned()));
        AnyConnection {
            inside,
            echo_target,
            in_transaction: false,
        }
    }

    /// Checks whether the database answers; see [`Pool::ping`].
    ///
    /// # Errors
    /// As [`Pool::ping`].
    ///
    /// # Panics
    /// As [`Pool::ping`].
    pub fn ping(&self) -> Result<(), Error> {
        with_pool!(self, pool => pool.ping())
    }

    /// Checks whether the database answers, without queueing behind users; see [`Pool::health_check`].
    ///
    /// # Errors
    /// As [`Pool::health_check`].
    pub fn health_check(&self) -> Result<HealthCheck, Error> {
        with_pool!(self, pool => pool.health_check())
    }

    /// The monitor's samples with a number above `after`; see [`Pool::history`].
    #[must_use]
    pub fn history(&self, after: u64) -> Vec<Sample> {
        with_pool!(self, pool => pool.history(after))
    }

    /// The state of the pool in one consistent snapshot.
    #[must_use]
    pub fn status(&self) -> Status {
        with_pool!(self, pool => pool.status())
    }

    /// Whether the health of the pool is not critical.
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

    /// Takes this name, unless it was given one.
    pub(crate) fn adopt(&self, name: &str) {
        with_pool!(self, pool => pool.adopt(name));
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

    /// Whether the database's pool has been closed; see [`Pool::is_closed`].
    #[must_use]
    pub fn is_closed(&self) -> bool {
        with_pool!(self, pool => pool.is_closed())
    }

    /// Asks the server how far its log has come; see [`Pool::replication`].
    pub(crate) fn replication(
        &self,
    ) -> Arc<dyn Fn(Duration) -> Result<Replication, Error> + Send + Sync> {
        with_pool!(self, pool => pool.replication())
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
