//! How connections to PostgreSQL are opened, pinged and reset, and what their errors mean.

mod cancel;
mod classify;
mod connector;
mod driver;
mod frames;
mod opening;
mod proof;
mod reset;
mod returned;
mod role;
mod statements;
mod stream;
mod validation;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::postgres::config::{ChannelBinding, Host, SslMode as ConfigSslMode, SslNegotiation};
use ::postgres::{Client, Config, Error as PgError, SimpleQueryMessage};
use r2d2::ManageConnection;

use cancel::Canceller;
use opening::Opening;
use stream::Watch;

use super::dsn::Dsn;
use crate::base::log::say;
use crate::contract::server_limit::ServerLimit;
use crate::error::{Error, ErrorKind, chain};
use crate::settings::{Settings, print_duration};
use crate::tls::{Encryption, Names, SslMode, Tls};

pub use driver::PostgresDriver;
pub(crate) use statements::{execute, query_i64};

const TLS_PARAMETERS: Names = Names {
    mode: &["sslmode"],
    modes: "disable, allow, prefer, require, verify-ca, verify-full",
    roots: &["sslrootcert"],
    certificate: &["sslcert"],
    key: &["sslkey"],
};

/// tokio-postgres waits two hours, which is Linux' own default. Load balancers and firewalls forget an idle connection long
/// before that.
const DRIVERS_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// Opens connections to one PostgreSQL database.
///
/// TCP keepalives are on, with 30 s of idleness before the first probe, 10 s between probes and 5 probes, and the
/// application name is the pool's name, unless the URL or the `Config` says otherwise. `connect_timeout` and
/// `command_timeout` come from the pool's [`Settings`].
///
/// `command_timeout` is set with `SET statement_timeout` after login, not in the startup packet, because PgBouncer
/// refuses `options` there. Behind a PgBouncer in transaction mode, such a setting stays with the server's connection
/// and affects other clients: set the limit on the role instead (`ALTER ROLE … SET statement_timeout`). A
/// `statement_timeout` in the `options` of the URL or the `Config` wins over `command_timeout`.
pub struct PostgresManager {
    config: Config,
    tls: Tls,
    encryption: Encryption,
    watches_plain: bool,
    /// The stream of a connection that it has opened is ours.
    some_are_watched: AtomicBool,
    opening: Arc<Opening>,
    canceller: Arc<Canceller>,
    statement_limit: Option<String>,
    echo: Option<String>,
    role: role::Asking,
}

impl PostgresManager {
    /// Takes a URL such as `postgresql://app:secret@db.example/orders`; `postgres://` and SQLAlchemy's
    /// `postgresql+psycopg2://` mean the same. The parameters are those of [`Config`] and libpq's
    /// `keepalives_count`. A Unix socket is named by its directory: `postgresql://app@%2Frun%2Fpostgresql/orders` or
    /// `postgresql:///orders?user=app&host=/run/postgresql`.
    ///
    /// Encryption is set as for libpq: `sslmode` (default prefer), `sslrootcert` (a PEM file of authorities; the default, and
    /// `system`, is those of the operating system), `sslcert` and `sslkey` (PEM files of a client certificate and its key,
    /// which must not be encrypted). Unlike libpq, the manager reads no file that is not named in the URL and none of the
    /// `PGSSL…` variables, and it looks for the host name only in a certificate's subjectAltName. On Linux, the operating system's
    /// authorities are those in OpenSSL's usual places, or in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///
    /// # Errors
    /// Settings for a URL that is malformed, names no host, has a parameter that the driver does not know, or contradicts itself;
    /// Unsupported for `sslnegotiation=direct` and for `sslpassword`. In a build without TLS, a mode that requires it is refused
    /// when the pool is built.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let mut dsn = Dsn::parse(url, &["postgresql", "postgres"], true)?;
        if dsn.has("sslpassword") {
            return Err(Error::unsupported(
                "sslpassword is given, but queuepool cannot read an encrypted sslkey: decrypt the file, and protect it by its \
                 permissions",
            ));
        }
        let tls = Tls::from_parameters(&dsn.take(|key| TLS_PARAMETERS.have(key)), &TLS_PARAMETERS)?;
        dsn.rename("keepalives_count", "keepalives_retries");
        let config: Config = dsn
            .for_driver()
            .parse()
            .map_err(|error: PgError| dsn.refused(&chain(&error)))?;
        let manager = PostgresManager::build(config, dsn.has("keepalives_idle"))?;
        Ok(manager.tls(tls))
    }

    /// Takes the driver's own configuration. Keepalive settings that it leaves at their defaults are replaced by those
    /// above.
    ///
    /// An `ssl_mode` of Disable or Require holds. Prefer, the driver's default, leaves the choice to the settings: require with
    /// `require_tls`, otherwise prefer. Use [`tls`](PostgresManager::tls) for the other modes and for certificates.
    ///
    /// # Errors
    /// Settings for a configuration without a host, Unsupported for one with `sslnegotiation=direct`.
    pub fn new(config: Config) -> Result<Self, Error> {
        PostgresManager::build(config, false)
    }

    /// Encrypts as `tls` says, instead of as the configuration or the URL said. Its files are read when the pool is built.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self.arrange(false, "queuepool");
        self
    }

    /// Watches plain TCP connections too, as encrypted ones always are: what goes by on them tells the pool whether there is
    /// anything to reset when one is returned, and the round trip is saved if there is not. Default false.
    ///
    /// The driver takes a watched plain connection to be encrypted. So on these, `cancel_token().cancel_query(NoTls)` of your own
    /// fails; the pool itself cancels as before. With `sslmode=prefer` and a server that has no TLS, each connect takes two TCP
    /// connections. Unix sockets are never watched, nor is anything if both kinds of hosts are named.
    #[must_use]
    pub fn watch_plain_connections(mut self, on: bool) -> Self {
        self.watches_plain = on;
        self.arrange(false, "queuepool");
        self
    }

    /// Called by the constructors too, so that the encryption asked for also holds for a manager that no pool of ours has
    /// prepared.
    fn arrange(&mut self, require_tls: bool, target: &str) {
        self.encryption = match self.only_unix_sockets() {
            true => Encryption::plain(),
            false => self.tls.encryption(SslMode::Prefer, require_tls),
        };
        self.encryption.channel_binding =
            self.config.get_channel_binding() == ChannelBinding::Require;
        let (config, encryption, plain) = (&self.config, &self.encryption, self.watches_plain);
        self.opening = Arc::new(Opening::new(config, encryption, plain, target));
        self.canceller = Canceller::of(&self.opening, config, encryption, plain, target);
    }

    pub(crate) fn require_tls(&mut self) {
        self.arrange(true, "queuepool");
    }

    fn build(mut config: Config, idle_is_wanted: bool) -> Result<Self, Error> {
        // It would fail at login or be silently ignored.
        if config.get_ssl_negotiation() == SslNegotiation::Direct {
            return Err(Error::unsupported(
                "sslnegotiation=direct is not supported: leave it out, since every server that takes it also takes the usual \
                 negotiation",
            ));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::new(
                ErrorKind::Settings,
                "the PostgreSQL configuration names no host: expected one, as in postgresql://host/database, or a Unix socket, \
                 as in postgresql:///database?host=/var/run/postgresql",
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
        // The host is the name that a certificate must have. If only addresses are given, the driver has none to check.
        if config.get_hosts().is_empty() {
            for address in config.get_hostaddrs().to_vec() {
                config.host(&address.to_string());
            }
        }
        let tls = match config.get_ssl_mode() {
            ConfigSslMode::Disable => Tls::new(SslMode::Disable),
            ConfigSslMode::Require => Tls::new(SslMode::Require),
            _ => Tls::unsaid(),
        };
        let encryption = Encryption::plain();
        let opening = Arc::new(Opening::new(&config, &encryption, false, "queuepool"));
        let manager = PostgresManager {
            canceller: Canceller::of(&opening, &config, &encryption, false, "queuepool"),
            opening,
            encryption,
            watches_plain: false,
            some_are_watched: AtomicBool::new(false),
            tls: Tls::unsaid(),
            config,
            statement_limit: None,
            echo: None,
            role: Default::default(),
        };
        Ok(manager.tls(tls))
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
        if self.config.get_application_name().is_none() {
            self.config.application_name(pool_name);
        }
        let limit = settings.connect_timeout;
        let own = self.config.get_connect_timeout().copied();
        self.config
            .connect_timeout(own.map_or(limit, |own| own.min(limit)));
        self.arrange(settings.require_tls, &format!("queuepool::{pool_name}"));
        self.encryption.check(pool_name, &TLS_PARAMETERS)?;
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

    fn explain(&self, error: &PgError) -> Option<String> {
        if let Some(cause) = crate::tls::cause(error) {
            let (parameter, authorities) = (TLS_PARAMETERS.mode[0], self.encryption.authorities());
            return Some(self.encryption.explain(cause, parameter, &authorities));
        }
        opening::is_unoffered(error).then(|| self.encryption.unoffered(&TLS_PARAMETERS))
    }

    /// What is known of the connection's stream, if it is watched. No connection is asked if none was watched when it was opened,
    /// as with sslmode=prefer and a server that has no TLS.
    fn watch(&self, client: &mut Client) -> Option<Arc<Watch>> {
        let some_are = self.some_are_watched.load(Ordering::Relaxed);
        some_are.then(|| stream::find(client)).flatten()
    }

    /// Whether this connection, which has just been opened, is watched.
    fn note_whether_watched(&self, client: &mut Client) {
        if !self.opening.may_watch() {
            return;
        }
        if let Some(watch) = stream::find(client) {
            self.some_are_watched.store(true, Ordering::Relaxed);
            watch.record().is_as_new();
        }
    }

    fn note(&self, sql: &str) {
        if let Some(target) = &self.echo {
            say!(Debug, target, "{sql}");
        }
    }

    fn run(&self, client: &mut Client, sql: &str) -> Result<(), PgError> {
        self.note(sql);
        client.batch_execute(sql)
    }

    fn ask(&self, client: &mut Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, PgError> {
        self.note(sql);
        client.simple_query(sql)
    }

    /// `reserved_connections` exists since PostgreSQL 16.
    fn server_limit(&self, client: &mut Client) -> Result<Option<ServerLimit>, PgError> {
        const SQL: &str = "SELECT current_setting('max_connections'), \
                           current_setting('superuser_reserved_connections'), \
                           current_setting('reserved_connections', true)";
        Ok(self
            .ask(client, SQL)?
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let number = |column: usize| row.get(column)?.parse::<u64>().ok();
                    let reserved = number(1)? + number(2).unwrap_or(0);
                    Some(ServerLimit::new(number(0)?, reserved))
                }
                _ => None,
            }))
    }
}

/// Rounded up to whole milliseconds, which is what the server counts in, because 0 would switch the limit off.
fn statement_limit(limit: Duration) -> Result<String, Error> {
    let millis = limit.as_nanos().div_ceil(1_000_000);
    match i32::try_from(millis) {
        Ok(millis @ 1..) => Ok(format!("SET statement_timeout = {millis}")),
        _ => Err(Error::setting(
            "command_timeout",
            print_duration(limit),
            "more than zero and at most 24 days, PostgreSQL's greatest statement_timeout",
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
        self.set_up(self.opening.open()?)
    }

    /// Asks the server, without a time limit; the pool uses the bounded ping of [`PostgresDriver`] instead.
    fn is_valid(&self, client: &mut Client) -> Result<(), PgError> {
        client.simple_query("").map(drop)
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_closed()
    }
}
