//! How connections to PostgreSQL are opened, pinged and reset, and what their errors mean.

mod cancel;
mod classify;
mod connector;
mod defaults;
mod driver;
mod frames;
mod hosts;
mod limit;
mod login;
mod notices;
mod opening;
mod proof;
mod replication;
mod reset;
mod returned;
mod role;
pub(crate) mod statements;
mod stream;
mod url;
mod validation;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::postgres::config::{ChannelBinding, Host, LoadBalanceHosts, SslMode as ConfigSslMode};
use ::postgres::error::DbError;
use ::postgres::{Client, Config, Error as PgError, SimpleQueryMessage};
use r2d2::ManageConnection;

use cancel::Canceller;
use hosts::{Login, wanted_by};
use notices::Notices;
use opening::Opening;
use stream::Watch;

use super::credentials::Source;
use super::hosts::{Hosts, Wanted};
use crate::error::Error;
use crate::settings::Settings;
use crate::tls::{Encryption, SslMode, Tls};

pub use classify::is_conflict;
pub use driver::PostgresDriver;

/// For connections that no pool of ours has prepared, which has a connect_timeout of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one PostgreSQL database, on one host or on one of several.
///
/// TCP keepalives are on, with 30 s of idleness before the first probe, 10 s between probes and 5 probes, and the
/// application name is the pool's name, unless the URL or the `Config` says otherwise. `connect_timeout` and
/// `command_timeout` come from the pool's [`Settings`]. On Linux, data that is not acknowledged for 80 s ends a connection (see
/// [several hosts](crate::postgres#several-hosts), also for everything about a list of hosts).
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
    wanted: Wanted,
    /// `config` was made from a URL, so it has no callback for notices that a user has given it.
    from_url: bool,
    notices: Option<Notices>,
    hosts: Arc<Hosts>,
    login: Arc<Login>,
    credentials: Option<Arc<Source>>,
    canceller: Arc<Canceller>,
    statement_limit: Option<String>,
    echo: Option<String>,
    role: role::Asking,
}

impl PostgresManager {
    /// Takes a URL such as `postgresql://app:secret@db.example/orders`; `postgres://` and SQLAlchemy's
    /// `postgresql+psycopg2://` mean the same. The parameters are those of [`Config`] and libpq's
    /// `keepalives_count`, `fallback_application_name` and `ssl=true` (`sslmode=require`). What can only be said in one way here
    /// may be said: `client_encoding=utf8`, `gssencmode=disable`, `sslcompression=0`. A Unix socket is named by its directory,
    /// `postgresql://app@%2Frun%2Fpostgresql/orders` or `postgresql:///orders?user=app&host=/run/postgresql`, or by its file, as
    /// for pg8000: `?unix_sock=/run/postgresql/.s.PGSQL.5432`.
    ///
    /// As for libpq, `host=` and `port=` replace the hosts and the ports before the database's name.
    ///
    /// Of libpq's parameters for several hosts it knows `target_session_attrs` in all six words, `load_balance_hosts` and
    /// `tcp_user_timeout` in milliseconds: see [several hosts](crate::postgres#several-hosts).
    ///
    /// Encryption is set as for libpq: `sslmode` (default prefer), `sslrootcert` (a PEM file of authorities; the default, and
    /// `system`, is those of the operating system), `sslcert` and `sslkey` (PEM files of a client certificate and its key,
    /// which must not be encrypted). Unlike libpq, the manager reads no file that is not named in the URL and none of the
    /// `PGSSL…` variables, and it looks for the host name only in a certificate's subjectAltName. On Linux, the operating system's
    /// authorities are those in OpenSSL's usual places, or in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///
    /// # Errors
    /// Settings for a URL that is malformed, names no host, has a parameter that the driver does not know, contradicts itself, or
    /// has a list of hosts with an empty host, an invalid port or a number of ports that does not fit; Unsupported for
    /// `sslnegotiation=direct` and `sslpassword`. Without TLS, a mode that requires it is refused when the pool is built.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url::Parsed {
            config,
            tls,
            wanted,
            idle_is_wanted,
        } = url::parse(url)?;
        let mut manager = PostgresManager::build(config, idle_is_wanted)?;
        manager.wanted = wanted.unwrap_or(Wanted::Any);
        manager.from_url = true;
        Ok(manager.tls(tls))
    }

    /// Takes the driver's own configuration. Keepalive settings that it leaves at their defaults are replaced by those
    /// above.
    ///
    /// An `ssl_mode` of Disable or Require holds. Prefer, the driver's default, leaves the choice to the settings: require with
    /// `require_tls`, otherwise prefer. Use [`tls`](PostgresManager::tls) for the other modes and for certificates.
    ///
    /// # Errors
    /// Settings for a configuration without a host, or whose hosts, addresses and ports do not fit together; Unsupported for one
    /// with `sslnegotiation=direct`.
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

    /// Where the server's notices go, as `Config::notice_callback`. Without it they go to the log, at Info and under the driver's
    /// target, `postgres::config`, with the password masked if a server repeats it. A `Config` with one host keeps the callback that
    /// it has, and without one the driver logs its notices as they are; that of a `Config` with several hosts cannot be taken over.
    #[must_use]
    pub fn notice_callback(mut self, callback: impl Fn(DbError) + Send + Sync + 'static) -> Self {
        self.notices = Some(Arc::new(callback));
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
        let opening = Opening::new(&self.config, &self.encryption, self.watches_plain, target);
        let to_log = self.from_url || self.config.get_hosts().len() > 1;
        let to_log = to_log.then(|| notices::logged(&self.config, self.credentials.as_ref()));
        let notices = self.notices.clone().or(to_log);
        self.login = Arc::new(Login {
            configs: hosts::one_for_each(&self.config, notices.as_ref()),
            opening: Arc::new(opening),
            wanted: self.wanted,
            statement_limit: self.limit_for_the_walk(),
            echo: self.echo.clone(),
        });
        let in_random_order = self.config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        let pool = target.strip_prefix("queuepool::").unwrap_or(target);
        self.hosts = Arc::new(Hosts::new(
            pool,
            hosts::to_walk(&self.config),
            in_random_order,
        ));
        self.canceller = Arc::new(Canceller {
            login: self.login.clone(),
            hosts: self.hosts.clone(),
            credentials: self.credentials.clone(),
            each: self.each(),
            target: target.to_owned(),
        });
    }

    pub(crate) fn require_tls(&mut self) {
        self.arrange(true, "queuepool");
    }

    fn build(config: Config, idle_is_wanted: bool) -> Result<Self, Error> {
        let config = defaults::filled_in(config, idle_is_wanted)?;
        let tls = match config.get_ssl_mode() {
            ConfigSslMode::Disable => Tls::new(SslMode::Disable),
            ConfigSslMode::Require => Tls::new(SslMode::Require),
            _ => Tls::unsaid(),
        };
        let encryption = Encryption::plain();
        let hosts = Arc::new(Hosts::new("queuepool", Vec::new(), false));
        let login = Arc::new(Login {
            configs: Vec::new(),
            opening: Arc::new(Opening::new(&config, &encryption, false, "queuepool")),
            wanted: Wanted::Any,
            statement_limit: None,
            echo: None,
        });
        let manager = PostgresManager {
            canceller: Arc::new(Canceller {
                login: login.clone(),
                hosts: hosts.clone(),
                credentials: None,
                each: CONNECT_TIMEOUT,
                target: String::new(),
            }),
            credentials: None,
            login,
            hosts,
            wanted: wanted_by(&config),
            from_url: false,
            notices: None,
            encryption,
            watches_plain: false,
            some_are_watched: AtomicBool::new(false),
            tls: Tls::unsaid(),
            config,
            statement_limit: None,
            echo: None,
            role: Default::default(),
        };
        // This also arranges the rest.
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
        let limited_by_options = self
            .config
            .get_options()
            .is_some_and(|options| options.contains("statement_timeout"));
        self.statement_limit = match settings.command_timeout {
            Some(limit) if !limited_by_options => Some(limit::statement_limit(limit)?),
            _ => None,
        };
        self.echo = settings.echo.then(|| format!("queuepool::{pool_name}"));
        self.wanted = self.wanted.or_by_role(settings.role, self.hosts.to_walk());
        self.arrange(settings.require_tls, &format!("queuepool::{pool_name}"));
        self.encryption.check(pool_name, &url::TLS_PARAMETERS)
    }

    /// What is known of the connection's stream, if it is watched. No connection is asked if none was watched when it was opened,
    /// as with sslmode=prefer and a server that has no TLS.
    fn watch(&self, client: &mut Client) -> Option<Arc<Watch>> {
        let some_are = self.some_are_watched.load(Ordering::Relaxed);
        some_are.then(|| stream::find(client)).flatten()
    }

    /// Whether this connection, which has just been opened, is watched.
    fn note_whether_watched(&self, client: &mut Client) {
        if !self.login.opening.may_watch() {
            return;
        }
        if let Some(watch) = stream::find(client) {
            self.some_are_watched.store(true, Ordering::Relaxed);
            watch.record().is_as_new();
        }
    }

    fn note(&self, sql: &str) {
        self.login.note(sql);
    }

    fn run(&self, client: &mut Client, sql: &str) -> Result<(), PgError> {
        self.note(sql);
        client.batch_execute(sql)
    }

    fn ask(&self, client: &mut Client, sql: &str) -> Result<Vec<SimpleQueryMessage>, PgError> {
        self.note(sql);
        client.simple_query(sql)
    }
}

impl fmt::Debug for PostgresManager {
    /// `Config` prints `_` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresManager")
            .field("config", &self.config)
            .field("tls", &self.tls)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl ManageConnection for PostgresManager {
    type Connection = Client;
    type Error = PgError;

    fn connect(&self) -> Result<Client, PgError> {
        self.log_in(role::AsksAtLogin::Never, Duration::MAX)
            .unwrap_or_else(|unavailable| Err(login::without(unavailable)))
    }

    /// Asks the server, without a time limit; the pool uses the bounded ping of [`PostgresDriver`] instead.
    fn is_valid(&self, client: &mut Client) -> Result<(), PgError> {
        client.simple_query("").map(drop)
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_closed()
    }
}
