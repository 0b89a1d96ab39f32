//! How connections to MySQL or MariaDB are opened, pinged and reset, and what their errors mean.

#[cfg(feature = "tls")]
mod authorities;
mod base;
mod classify;
mod driver;
mod explain;
mod galera;
mod hosts;
mod inside;
mod limit;
mod login;
mod opening;
mod owed;
mod parameters;
mod replication;
mod reset;
mod role;
mod room;
mod socket;
#[cfg(feature = "tls")]
mod ssl_opts;
pub(crate) mod statements;
mod strictly;
#[cfg(feature = "tls")]
mod system_roots;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::mysql::{Conn, Error as MyError, Opts, OptsBuilder, SslOpts};
use r2d2::ManageConnection;

use opening::HadNoTls;
use owed::listen;
use parameters::NAMES;
use socket::Socket;

use super::credentials::Source;
use super::dsn::Dsn;
use super::hosts::{Hosts, Wanted, in_random_order, user_timeout, wanted};
use crate::error::Error;
use crate::settings::{ResetOnReturn, Settings};
use crate::tls::{Encryption, SslMode, Tls};

#[cfg(feature = "tls")]
pub use authorities::guarded_provider;
pub use classify::is_conflict;
pub use driver::MySqlDriver;

/// For connections that no pool of ours has prepared, which has a connect_timeout of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one MySQL or MariaDB database, on one host or on one of several.
///
/// TCP keepalives are on, with 30 s of idleness before the first probe, 10 s between probes and 5 probes, and the
/// connection attribute `program_name` is the pool's name, unless the URL or the `Opts` says otherwise.
/// `connect_timeout` and `command_timeout` come from the pool's [`Settings`]; the latter becomes `max_statement_time` on
/// MariaDB, and on MySQL `max_execution_time`, which stops reads only. On Linux, data that is not acknowledged for 80 s ends a
/// connection (see [several hosts](crate::mysql#several-hosts), also for everything about a list of hosts).
///
/// The driver's `prefer_socket` is off here, although the driver's own default is on. With it, the driver abandons a TCP
/// connection to 127.0.0.1 for the Unix socket that the server names, which belongs to another server if the port is
/// forwarded. To use a socket, name it with `socket`. An encrypted connection is never abandoned for a socket.
///
/// The driver takes its cryptography from the rustls default of the process. The first encrypted connection installs ring
/// there, unless the process has a default already. An application that brings its own provider installs it earlier, through
/// `guarded_provider`. Opening a verified connection costs one more round trip, in which the server proves that it receives
/// what the pool sends: the driver would take what somebody else sent before the encryption began for the server's.
pub struct MySqlManager {
    opts: Opts,
    tls: Tls,
    /// The mode if `tls` names none.
    default_mode: SslMode,
    encryption: Encryption,
    had_no_tls: Arc<HadNoTls>,
    /// The last login was in plain because the server offers no TLS.
    had_to_be_plain: Arc<AtomicBool>,
    /// The cipher suites from a URL, or everything that an `Opts` had.
    ssl_opts: SslOpts,
    /// They come from an `Opts`, and mean what they mean to the driver.
    ssl_opts_are_the_drivers: bool,
    /// Under which it logs.
    target: String,
    statement_limit: Option<Duration>,
    /// The driver's own reset restores the character set before it runs the `init` of the `Opts`.
    init_sets_names: bool,
    /// The server, or a proxy in front of it, has refused several statements in one request.
    one_by_one: Arc<AtomicBool>,
    echo: bool,
    /// Those of the URL, if there are several.
    servers: Vec<hosts::Server>,
    wanted: Wanted,
    in_random_order: bool,
    hosts: Arc<Hosts>,
    role: Arc<role::Asking>,
    galera: Arc<galera::Galera>,
    credentials: Option<Arc<Source>>,
}

impl MySqlManager {
    /// Takes a URL such as `mysql://app:secret@db.example/orders`; `mariadb://` and SQLAlchemy's `mysql+pymysql://` mean
    /// the same. The parameters are those of [`Opts`]. In addition, `prefer_socket` is honoured, `unix_socket` means
    /// `socket` and needs no host beside it, and `charset=utf8mb4` is accepted, since the driver always uses it. Several hosts are
    /// `mysql://app:secret@db1:3306,db2:3306/orders`; as for libpq, `host=` and `port=` replace what stands there.
    /// `target_session_attrs`, `load_balance_hosts` and `tcp_user_timeout` are
    /// those of libpq: see [several hosts](crate::mysql#several-hosts).
    ///
    /// Encryption is set by `ssl-mode` (or `ssl_mode`, `sslmode`; default preferred), in MySQL's five words or libpq's six,
    /// with libpq's meaning: see [`SslMode`]. `ssl-ca` is a PEM file of the authorities to trust instead of the operating
    /// system's, and without a mode means `VERIFY_CA`; `ssl-ca=system` stands for those of the operating system, and without a
    /// mode means `VERIFY_IDENTITY`. `ssl-cert` and `ssl-key` are PEM files of a client certificate and its key. The
    /// driver's own `root_cert_path`, `cert_chain_path`, `priv_key_path`, `cipher_suites` and `danger_…` are understood too;
    /// without a mode they mean `VERIFY_IDENTITY`, minus the checks that `danger_…` turns off. A connection to a Unix socket is
    /// never encrypted.
    ///
    /// # Errors
    /// Settings for a URL that is malformed, has a parameter that the driver does not know, or contradicts itself. Files are
    /// read, and refused, only when the pool is built.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let mut dsn = Dsn::parse(url, &["mysql", "mariadb"], false)?;
        // The driver would take it for the beginning of the fragment, and lose what follows.
        if url.contains('#') {
            return Err(dsn.refused("a '#' in the user or password is not percent-encoded"));
        }
        let tls = parameters::taken(&mut dsn)?;
        dsn.rename("unix_socket", "socket");
        let is_utf8mb4 = |charset: &str| charset.eq_ignore_ascii_case("utf8mb4");
        dsn.take_only(
            "charset",
            is_utf8mb4,
            "utf8mb4, which the driver always uses",
        )?;
        let wanted = wanted(&mut dsn)?.unwrap_or(Wanted::Any);
        let in_random_order = in_random_order(&mut dsn)?;
        let limit = user_timeout(&mut dsn)?;
        let servers = hosts::taken(&mut dsn)?;
        dsn.check_known(&parameters::KNOWN)?;
        let socket_is_wanted = dsn.has("prefer_socket");
        // For cipher_suites the driver looks at the provider of the process.
        #[cfg(feature = "tls")]
        if dsn.has("cipher_suites") {
            authorities::install();
        }
        let opts =
            Opts::from_url(&dsn.for_driver()).map_err(|error| dsn.refused(&error.to_string()))?;
        let prefer_socket = socket_is_wanted && opts.get_prefer_socket();
        let opts = hosts::user_timeout_set(hosts::first_set(opts, &servers), limit);
        let manager = MySqlManager {
            servers,
            wanted,
            in_random_order,
            ..MySqlManager::build(opts, prefer_socket, SslMode::Prefer)
        };
        Ok(manager.tls(tls))
    }

    /// Takes the driver's own options. Keepalive options that are not set get the values above.
    ///
    /// The `ssl_opts` mean what they mean to the driver, which trusts Mozilla's authorities in addition to those that they name.
    /// Without `ssl_opts` connections are plain, unless the setting `require_tls` encrypts them as `SslMode::Require` does. Use
    /// [`tls`](MySqlManager::tls) for what the options cannot say.
    ///
    /// # Errors
    /// Unsupported for options with `ssl_opts` in a build without TLS.
    pub fn new(opts: impl Into<Opts>) -> Result<Self, Error> {
        let opts = opts.into();
        let ssl_opts = opts.get_ssl_opts().cloned();
        let manager = MySqlManager::build(opts, false, SslMode::Disable);
        match ssl_opts {
            None => Ok(manager),
            // Here the driver would panic.
            #[cfg(not(feature = "tls"))]
            Some(_) => Err(Error::unsupported(
                "the Opts have ssl_opts, but this build of queuepool has no TLS: build it with the feature `tls`",
            )),
            #[cfg(feature = "tls")]
            Some(ssl_opts) => {
                let mut manager = manager.tls(ssl_opts::said_by(&ssl_opts));
                manager.ssl_opts_are_the_drivers = true;
                Ok(manager)
            }
        }
    }

    /// Encrypts as `tls` says, instead of as the options or the URL said. Its files are read when the pool is built.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self.ssl_opts_are_the_drivers = false;
        self.arrange(false, "queuepool");
        self
    }

    /// Called by the constructors too, so that the encryption asked for also holds for a manager that no pool of ours has
    /// prepared.
    fn arrange(&mut self, require_tls: bool, pool: &str) {
        self.encryption = match self.opts.get_socket() {
            Some(_) => Encryption::plain(),
            None => self.tls.encryption(self.default_mode, require_tls),
        };
        self.hosts = Arc::new(Hosts::new(pool, self.to_walk(), self.in_random_order));
    }

    pub(crate) fn require_tls(&mut self) {
        self.arrange(true, "queuepool");
    }

    fn build(opts: Opts, prefer_socket: bool, default_mode: SslMode) -> Self {
        let (opts, user_timeout) = hosts::keeping_alive(opts);
        let opts = match hosts::user_timeout_of(&opts) {
            Some(_) => opts,
            None => hosts::user_timeout_set(opts, Some(user_timeout)),
        };
        let mut manager = MySqlManager {
            ssl_opts: opts.get_ssl_opts().cloned().unwrap_or_default(),
            ssl_opts_are_the_drivers: false,
            opts: OptsBuilder::from_opts(opts)
                .ssl_opts(None)
                .prefer_socket(prefer_socket)
                .into(),
            tls: Tls::unsaid(),
            default_mode,
            encryption: Encryption::plain(),
            had_no_tls: Arc::default(),
            had_to_be_plain: Arc::default(),
            target: "queuepool".to_owned(),
            statement_limit: None,
            init_sets_names: false,
            one_by_one: Arc::default(),
            echo: false,
            servers: Vec::new(),
            wanted: Wanted::Any,
            in_random_order: false,
            hosts: Arc::new(Hosts::new("queuepool", Vec::new(), false)),
            role: Arc::default(),
            galera: Arc::default(),
            credentials: None,
        };
        manager.arrange(false, "queuepool");
        manager
    }

    /// The same manager once more, which remembers in the same place.
    fn copy(&self) -> MySqlManager {
        MySqlManager {
            opts: self.opts.clone(),
            tls: self.tls.clone(),
            default_mode: self.default_mode,
            encryption: self.encryption.clone(),
            had_no_tls: self.had_no_tls.clone(),
            had_to_be_plain: self.had_to_be_plain.clone(),
            ssl_opts: self.ssl_opts.clone(),
            ssl_opts_are_the_drivers: self.ssl_opts_are_the_drivers,
            target: self.target.clone(),
            statement_limit: self.statement_limit,
            init_sets_names: self.init_sets_names,
            one_by_one: self.one_by_one.clone(),
            echo: self.echo,
            servers: self.servers.clone(),
            wanted: self.wanted,
            in_random_order: self.in_random_order,
            hosts: self.hosts.clone(),
            role: self.role.clone(),
            galera: self.galera.clone(),
            credentials: self.credentials.clone(),
        }
    }

    fn prepare(&mut self, pool_name: &str, settings: &Settings) -> Result<(), Error> {
        self.arrange(settings.require_tls, pool_name);
        self.check_encryption(pool_name)?;
        self.check_write_timeout()?;
        let limit = settings.connect_timeout;
        let own = self.opts.get_tcp_connect_timeout();
        let mut attributes: Option<HashMap<String, String>> =
            self.opts.get_connect_attrs().cloned();
        if let Some(attributes) = &mut attributes {
            attributes
                .entry("program_name".to_owned())
                .or_insert_with(|| pool_name.to_owned());
        }
        self.opts = OptsBuilder::from_opts(self.opts.clone())
            .tcp_connect_timeout(Some(own.map_or(limit, |own| own.min(limit))))
            .connect_attrs(attributes)
            .into();
        // Otherwise only the reset after a panic needs it, and that one runs both again itself: it is not worth a round trip for
        // each connect.
        if settings.reset_on_return == ResetOnReturn::Full && !self.init_sets_names {
            self.init_sets_names = true;
            self.opts = reset::setting_names_first(&self.opts);
        }
        self.statement_limit = limit::checked(settings.command_timeout)?;
        self.target = format!("queuepool::{pool_name}");
        self.echo = settings.echo;
        self.wanted = self.wanted.or_by_role(settings.role, self.hosts.to_walk());
        Ok(())
    }

    fn check_encryption(&self, pool_name: &str) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        if self.ssl_opts_are_the_drivers {
            return self.look_at_the_drivers_files().map_err(Error::from);
        }
        self.encryption.check(pool_name, &NAMES)
    }
}

impl fmt::Debug for MySqlManager {
    /// Only the server and the user, because the driver's own `Opts` and `Conn` print the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlManager")
            .field("hosts", &self.servers())
            .field("socket", &self.opts.get_socket())
            .field("user", &self.opts.get_user())
            .field("database", &self.opts.get_db_name())
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ManageConnection for MySqlManager {
    type Connection = Conn;
    type Error = MyError;

    fn connect(&self) -> Result<Conn, MyError> {
        self.connect_within(Duration::MAX)
            .unwrap_or_else(|unavailable| Err(login::without(unavailable)))
    }

    fn is_valid(&self, connection: &mut Conn) -> Result<(), MyError> {
        listen(connection)?;
        connection.ping()
    }

    fn has_broken(&self, connection: &mut Conn) -> bool {
        socket::look(connection) != Socket::Quiet
    }
}
