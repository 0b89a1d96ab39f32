//! PostgreSQL, on [`postgres`](::postgres) and `r2d2_postgres`.
//!
//! [`PostgresManager`] opens connections, from a URL or a [`Config`]; [`PostgresDriver`] tells the pool how to ping and reset
//! them and what their errors mean. A checked-out connection is a [`Client`].
//!
//! ```no_run
//! use queuepool::postgres::PostgresPool;
//!
//! let pool = PostgresPool::builder("postgresql://app:secret@db.internal/orders")?.build()?;
//! let mut client = pool.get()?;
//! for row in client.query("SELECT id FROM invoice WHERE open = $1", &[&true])? {
//!     println!("{}", row.get::<_, i64>(0));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no TLS in this version: a URL or `Config` that requires it is Unsupported. A statement of your own is bounded by
//! `command_timeout` (the server's `statement_timeout`) and by nothing else.

use std::fmt;
use std::io;
use std::time::Duration;

use ::postgres::config::{ChannelBinding, Host, SslMode, SslNegotiation};
use ::postgres::error::{Severity, SqlState};
use ::postgres::{Client, Config, Error as PgError, NoTls, SimpleQueryMessage};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use super::FirstValue;
use super::dsn::{Dsn, TlsWish, tls_required, tls_unsupported};
use crate::driver::{Call, Driver, ErrorClass, ServerLimit};
use crate::error::{Error, ErrorKind, chain};
use crate::settings::{ResetOnReturn, Settings};

/// The driver itself, in the version that this crate is built with.
pub use ::postgres;

/// A pool of PostgreSQL connections: `PostgresPool::builder(url)?`, or from a `postgres::Config`.
pub type PostgresPool = crate::Pool<PostgresManager>;

/// tokio-postgres waits two hours, Linux' own default; load balancers and firewalls forget an idle connection long
/// before.
const DRIVERS_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// Opens connections to one PostgreSQL database.
///
/// TCP keepalives are on, with 30 s of idleness before the first probe, 10 s between probes and 5 probes, and the
/// application name is the pool's, except where the URL or the `Config` says otherwise. `connect_timeout` and
/// `command_timeout` come from the pool's [`Settings`].
///
/// `command_timeout` is set with `SET statement_timeout` after login, not in the startup packet, because PgBouncer
/// refuses `options` there. Behind a PgBouncer in transaction mode such a setting stays with the server's connection
/// and meets other clients: set the limit on the role instead (`ALTER ROLE … SET statement_timeout`). A
/// `statement_timeout` in the URL's or the `Config`'s own `options` wins over `command_timeout`.
pub struct PostgresManager {
    inner: PostgresConnectionManager<NoTls>,
    config: Config,
    plain_allowed: bool,
    statement_limit: Option<String>,
    echo: Option<String>,
}

impl PostgresManager {
    /// Takes a URL such as `postgresql://app:secret@db.example/orders`; `postgres://` and SQLAlchemy's
    /// `postgresql+psycopg2://` mean the same. The parameters are those of [`Config`], and libpq's
    /// `keepalives_count`. A Unix socket is named by its directory: `postgresql://app@%2Frun%2Fpostgresql/orders` or
    /// `postgresql:///orders?user=app&host=/run/postgresql`.
    ///
    /// # Errors
    /// Settings for a URL that is malformed, names no host, or has a parameter that the driver does not know;
    /// Unsupported for one that asks for TLS (`sslmode` of `require`, `verify-ca` or `verify-full`, a certificate).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let mut dsn = Dsn::parse(url, &["postgresql", "postgres"], true)?;
        let mut plain_allowed = false;
        // tokio-postgres knows three of libpq's six words, so none of them is left for it.
        for (key, mode) in dsn.take(|key| key == "sslmode") {
            match TlsWish::from_mode(&mode) {
                Some(TlsWish::PlainAllowed) => plain_allowed = true,
                Some(TlsWish::Required) => return Err(tls_unsupported(&format!("{key}={mode}"))),
                None => {
                    return Err(Error::setting(
                        &key,
                        mode,
                        "one of disable, allow, prefer, require, verify-ca, verify-full",
                    ));
                }
            }
        }
        let certificates = |key: &str| key.starts_with("ssl") && key != "sslnegotiation";
        if let Some((key, _)) = dsn.take(certificates).first() {
            return Err(tls_unsupported(key));
        }
        dsn.rename("keepalives_count", "keepalives_retries");
        let config: Config = dsn
            .for_driver()
            .parse()
            .map_err(|error: PgError| dsn.refused(&chain(&error)))?;
        let mut manager = PostgresManager::build(config, dsn.has("keepalives_idle"))?;
        manager.plain_allowed |= plain_allowed;
        Ok(manager)
    }

    /// Takes the driver's own configuration. Keepalive settings that it leaves at their defaults are replaced by those
    /// above.
    ///
    /// # Errors
    /// Settings for a configuration without a host, Unsupported for one that asks for TLS.
    pub fn new(config: Config) -> Result<Self, Error> {
        PostgresManager::build(config, false)
    }

    fn build(mut config: Config, idle_is_wanted: bool) -> Result<Self, Error> {
        if config.get_ssl_mode() == SslMode::Require {
            return Err(tls_unsupported("sslmode=require"));
        }
        // Both would be silently ignored, or fail at login, on a plain connection.
        if config.get_ssl_negotiation() == SslNegotiation::Direct {
            return Err(tls_unsupported("sslnegotiation=direct"));
        }
        if config.get_channel_binding() == ChannelBinding::Require {
            return Err(tls_unsupported("channel_binding=require"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::new(
                ErrorKind::Settings,
                "the PostgreSQL configuration names no host: write postgresql://host/database, or \
                 postgresql:///database?host=/var/run/postgresql for a Unix socket",
            ));
        }
        if config.get_keepalives_idle() == DRIVERS_KEEPALIVE_IDLE && !idle_is_wanted {
            config.keepalives_idle(Duration::from_secs(30));
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(Duration::from_secs(10));
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(5);
        }
        Ok(PostgresManager {
            inner: PostgresConnectionManager::new(config.clone(), NoTls),
            plain_allowed: config.get_ssl_mode() == SslMode::Disable,
            config,
            statement_limit: None,
            echo: None,
        })
    }

    fn only_unix_sockets(&self) -> bool {
        self.config.get_hostaddrs().is_empty()
            && self
                .config
                .get_hosts()
                .iter()
                .all(|host| !matches!(host, Host::Tcp(_)))
    }

    fn prepare(&mut self, pool_name: &str, settings: &Settings) -> Result<(), Error> {
        if settings.require_tls && !self.plain_allowed && !self.only_unix_sockets() {
            return Err(tls_required(
                "write sslmode=disable in the URL (Config::ssl_mode(SslMode::Disable) in a Config)",
            ));
        }
        if self.config.get_application_name().is_none() {
            self.config.application_name(pool_name);
        }
        let limit = settings.connect_timeout;
        let own = self.config.get_connect_timeout().copied();
        self.config
            .connect_timeout(own.map_or(limit, |own| own.min(limit)));
        self.inner = PostgresConnectionManager::new(self.config.clone(), NoTls);
        let limited_by_options = self
            .config
            .get_options()
            .is_some_and(|options| options.contains("statement_timeout"));
        self.statement_limit = match settings.command_timeout {
            Some(limit) if !limited_by_options => Some(statement_limit(limit)?),
            _ => None,
        };
        self.echo = settings.echo.then(|| format!("queuepool::{pool_name}"));
        Ok(())
    }

    fn note(&self, sql: &str) {
        if let Some(target) = &self.echo {
            log::debug!(target: target, "{sql}");
        }
    }

    fn run(&self, client: &mut Client, sql: &str) -> Result<(), PgError> {
        self.note(sql);
        client.batch_execute(sql)
    }

    /// `reserved_connections` came with PostgreSQL 16.
    fn server_limit(&self, client: &mut Client) -> Result<Option<ServerLimit>, PgError> {
        const SQL: &str = "SELECT current_setting('max_connections'), \
                           current_setting('superuser_reserved_connections'), \
                           current_setting('reserved_connections', true)";
        self.note(SQL);
        let messages = client.simple_query(SQL)?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let number = |column: usize| row.get(column)?.parse::<u64>().ok();
                let reserved = number(1)? + number(2).unwrap_or(0);
                Some(ServerLimit::new(number(0)?, reserved))
            }
            _ => None,
        }))
    }

    fn limit_statements(&self, client: &mut Client) -> Result<(), PgError> {
        match &self.statement_limit {
            Some(sql) => self.run(client, sql),
            None => Ok(()),
        }
    }
}

/// The server counts in whole milliseconds, and 0 would switch the limit off: so it is rounded up.
fn statement_limit(limit: Duration) -> Result<String, Error> {
    let millis = limit.as_nanos().div_ceil(1_000_000);
    match i32::try_from(millis) {
        Ok(millis @ 1..) => Ok(format!("SET statement_timeout = {millis}")),
        _ => Err(Error::setting(
            "command_timeout",
            format!("{limit:?}"),
            "more than 0 and at most 24 days, PostgreSQL's greatest statement_timeout",
        )),
    }
}

impl fmt::Debug for PostgresManager {
    /// `Config` prints `_` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresManager")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl ManageConnection for PostgresManager {
    type Connection = Client;
    type Error = PgError;

    fn connect(&self) -> Result<Client, PgError> {
        let mut client = self.inner.connect()?;
        self.limit_statements(&mut client)?;
        Ok(client)
    }

    /// Asks the server, without a limit; the pool uses [`PostgresDriver`]'s bounded ping instead.
    fn is_valid(&self, client: &mut Client) -> Result<(), PgError> {
        self.inner.is_valid(client)
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        self.inner.has_broken(client)
    }
}

/// How the pool pings and resets PostgreSQL connections and reads their errors.
///
/// The ping is an empty query with a deadline, or the settings' `validation_query`. The empty query also succeeds in a
/// transaction that has failed; with `reset_on_return` off, such a connection is handed out as it was left.
#[derive(Debug, Default)]
pub struct PostgresDriver {
    validation_query: Option<String>,
}

impl PostgresDriver {
    /// A driver that takes its settings when the pool is built.
    #[must_use]
    pub fn new() -> Self {
        PostgresDriver::default()
    }
}

impl Driver<PostgresManager> for PostgresDriver {
    fn prepare(
        &mut self,
        manager: &mut PostgresManager,
        pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        self.validation_query.clone_from(&settings.validation_query);
        manager.prepare(pool_name, settings)
    }

    fn ping(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        limit: Duration,
    ) -> Result<(), PgError> {
        match &self.validation_query {
            Some(sql) => manager.run(client, sql),
            None => client.is_valid(limit),
        }
    }

    /// Rollback: the transaction is rolled back. Full: then also all that `DISCARD ALL` clears, while the application
    /// name and the statement limit of the pool stay.
    fn reset(
        &self,
        manager: &PostgresManager,
        client: &mut Client,
        how: ResetOnReturn,
    ) -> Result<(), PgError> {
        // A ROLLBACK outside a transaction puts a warning into the server's log, which BEGIN before it prevents; but in
        // a failed transaction BEGIN is refused.
        match manager.run(client, "BEGIN; ROLLBACK") {
            Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
                manager.run(client, "ROLLBACK")?;
            }
            other => other?,
        }
        if how == ResetOnReturn::Full {
            // Refused together with any other statement, hence a call of its own.
            manager.run(client, "DISCARD ALL")?;
            manager.limit_statements(client)?;
        }
        Ok(())
    }

    fn classify(&self, error: &PgError) -> ErrorClass {
        classify(error)
    }

    fn has_server_limit(&self) -> bool {
        true
    }

    fn server_limit(
        &self,
        manager: &PostgresManager,
        connection: &mut Client,
    ) -> Result<Option<ServerLimit>, PgError> {
        manager.server_limit(connection)
    }

    fn is_bounded(&self, call: Call) -> bool {
        match call {
            Call::Ping => self.validation_query.is_none(),
            Call::Connect | Call::Reset | Call::Close | Call::ServerLimit => false,
        }
    }
}

fn classify(error: &PgError) -> ErrorClass {
    if let Some(refusal) = error.as_db_error() {
        let ends_the_session = match refusal.parsed_severity() {
            Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
            // PgBouncer does not send the untranslated field.
            None => matches!(refusal.severity(), "FATAL" | "PANIC"),
        };
        return match refusal.code().code() {
            "08P01" if is_bouncers_refusal(refusal.message()) => ErrorClass::Permanent,
            state => classify_state(state, ends_the_session),
        };
    }
    if error.is_closed() {
        return ErrorClass::Lost;
    }
    // The driver does not tell its kinds of errors apart in any other way.
    match error.to_string().as_str() {
        "timeout waiting for server" => ErrorClass::Transient,
        "error connecting to server" => match io_cause(error) {
            // From target_session_attrs: the primary is elsewhere, for now.
            Some(cause) if cause.raw_os_error().is_none() => ErrorClass::Transient,
            Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied => ErrorClass::Permanent,
            _ => ErrorClass::Lost,
        },
        "error communicating with the server"
        | "error parsing response from server"
        | "unexpected message from server" => ErrorClass::Lost,
        "invalid configuration"
        | "invalid connection string"
        | "authentication error"
        | "error performing TLS handshake" => ErrorClass::Permanent,
        _ => ErrorClass::Statement,
    }
}

/// PgBouncer sends "protocol violation" for nearly all that it has to say, a wrong password included.
fn is_bouncers_refusal(message: &str) -> bool {
    [
        "authentication failed",
        "no such ",
        "unsupported startup parameter",
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn classify_state(state: &str, ends_the_session: bool) -> ErrorClass {
    match state {
        // Killed by an administrator, by a crash, by an idle limit or with its database.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => ErrorClass::Lost,
        "57P03" => ErrorClass::Transient,
        _ if state.starts_with("08") => ErrorClass::Lost,
        _ if !ends_the_session => ErrorClass::Statement,
        // Too many connections, out of memory. As a mere error it is a statement's (a full disk).
        _ if state.starts_with("53") => ErrorClass::Transient,
        _ if state.starts_with("58") || state.starts_with("XX") => ErrorClass::Lost,
        // Password, database, permission, options: what a login can be refused for.
        _ => ErrorClass::Permanent,
    }
}

fn io_cause(error: &PgError) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref())
}

/// Runs one or several statements; returns the rows affected, or returned, by all of them.
pub(crate) fn execute(client: &mut Client, sql: &str) -> Result<u64, PgError> {
    let rows = client
        .simple_query(sql)?
        .into_iter()
        .map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => rows,
            _ => 0,
        });
    Ok(rows.sum())
}

/// Runs one statement; returns the first column of its first row.
pub(crate) fn query_i64(client: &mut Client, sql: &str) -> Result<FirstValue, PgError> {
    let messages = client.simple_query(sql)?;
    let first = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(match first {
        Some(row) if !row.is_empty() => row.get(0).map_or(FirstValue::Null, FirstValue::from_text),
        _ => FirstValue::NoRow,
    })
}
