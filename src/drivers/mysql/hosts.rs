//! The hosts of a manager, and what is asked of a session there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, DriverError, Error as MyError, Opts, OptsBuilder, Row, Value};

use super::MySqlManager;
use super::classify::classify;
use crate::contract::error_class::ErrorClass;
use crate::drivers::dsn::Dsn;
use crate::drivers::hosts::{Host, Judged, Opens, Session, Wanted, WrongRole};
use crate::error::Error;
use crate::tls::Verification;

const DEFAULT_PORT: u16 = 3306;

/// A server or a proxy that does not know a system variable says so.
const UNKNOWN_VARIABLE: u16 = 1193;

/// A host, and its port.
pub(super) type Server = (String, u16);

/// The same with keepalives, as for PostgreSQL, and how long they need to find a dead host. Not every system lets the driver set
/// the interval and the count.
pub(super) fn keeping_alive(opts: Opts) -> (Opts, Duration) {
    let idle = opts.get_tcp_keepalive_time_ms().unwrap_or(30_000);
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let interval = opts.get_tcp_keepalive_probe_interval_secs();
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let count = opts.get_tcp_keepalive_probe_count();
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    let (interval, count) = (None, None);
    let (interval, count) = (interval.unwrap_or(10_u32), count.unwrap_or(5_u32));
    let opts = OptsBuilder::from_opts(opts).tcp_keepalive_time_ms(Some(idle));
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let opts = opts
        .tcp_keepalive_probe_interval_secs(Some(interval))
        .tcp_keepalive_probe_count(Some(count));
    let needed = Duration::from_millis(idle.into()) + Duration::from_secs(interval.into()) * count;
    (opts.into(), needed)
}

#[cfg(target_os = "linux")]
pub(super) fn user_timeout_of(opts: &Opts) -> Option<u32> {
    opts.get_tcp_user_timeout_ms()
}

#[cfg(target_os = "linux")]
pub(super) fn user_timeout_set(opts: Opts, limit: Option<Duration>) -> Opts {
    let Some(limit) = limit else {
        return opts;
    };
    let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    OptsBuilder::from_opts(opts)
        .tcp_user_timeout_ms(Some(millis))
        .into()
}

/// Only Linux has this limit.
#[cfg(not(target_os = "linux"))]
pub(super) fn user_timeout_of(_: &Opts) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn user_timeout_set(opts: Opts, _: Option<Duration>) -> Opts {
    opts
}

/// Takes the hosts out of the URL, if they are not the one that the driver reads there itself. The names are without brackets,
/// which is how the driver takes an IPv6 address too.
///
/// # Errors
/// Settings for a list that nobody can mean, and for a URL that names neither a host nor a socket.
pub(super) fn taken(dsn: &mut Dsn<'_>) -> Result<Vec<Server>, Error> {
    const LOCAL: &str = "localhost";
    let named = dsn.take_hosts(LOCAL)?;
    if dsn.has("socket") {
        // Without a host, the driver does not take the URL.
        dsn.name_a_host(LOCAL);
    } else if dsn.has_user_alone() {
        return Err(dsn.refused(
            "it names no host: expected one, or a socket as the parameter unix_socket=/run/mysqld/mysqld.sock",
        ));
    }
    let Some(named) = named else {
        return Ok(Vec::new());
    };
    let hosts = match named.hosts.is_empty() {
        true => vec![LOCAL.to_owned()],
        false => named.hosts.clone(),
    };
    let server = |(index, host): (usize, &String)| {
        let port = named.port(index).unwrap_or(DEFAULT_PORT);
        (host.clone(), port)
    };
    Ok(hosts.iter().enumerate().map(server).collect())
}

/// The Opts name the first host.
pub(super) fn first_set(opts: Opts, servers: &[Server]) -> Opts {
    match servers.first() {
        None => opts,
        Some((host, port)) => OptsBuilder::from_opts(opts)
            .ip_or_hostname(Some(host.clone()))
            .tcp_port(*port)
            .into(),
    }
}

/// The error of the driver's type for a session in the wrong role.
fn as_an_error(wrong: WrongRole) -> MyError {
    MyError::IoError(io::Error::other(wrong))
}

pub(super) fn wrong_role(error: &MyError) -> Option<&WrongRole> {
    match error {
        MyError::IoError(cause) => cause.get_ref()?.downcast_ref(),
        _ => None,
    }
}

impl MySqlManager {
    /// The hosts of the URL if there are several or parameters name them, else the one of the Opts.
    pub(super) fn servers(&self) -> Vec<Server> {
        match self.servers.is_empty() {
            true => vec![(
                self.opts.get_ip_or_hostname().into_owned(),
                self.opts.get_tcp_port(),
            )],
            false => self.servers.clone(),
        }
    }

    /// What the walk has to know of the hosts. The driver verifies the name that it connects to, so where that is to be verified,
    /// it looks up the name itself.
    pub(super) fn to_walk(&self) -> Vec<Host> {
        let socket = self.opts.get_socket();
        let by_name = self.encryption.verification() == Verification::ChainAndName;
        let host = |(name, port): Server| {
            let is_a_name = name.parse::<IpAddr>().is_err() && socket.is_none() && !by_name;
            Host {
                label: match (socket, name.contains(':')) {
                    (Some(socket), _) => socket.to_owned(),
                    (None, true) => format!("[{name}]:{port}"),
                    (None, false) => format!("{name}:{port}"),
                },
                name: Some((name, port)).filter(|_| is_a_name),
            }
        };
        self.servers().into_iter().map(host).collect()
    }

    /// The same manager for one host alone, at this address if its name was looked up.
    fn at(&self, server: &Server, address: Option<SocketAddr>) -> MySqlManager {
        let (name, port) = server;
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .ip_or_hostname(Some(match address {
                Some(address) => address.ip().to_string(),
                None => name.clone(),
            }))
            .tcp_port(*port)
            .into();
        MySqlManager {
            opts,
            ..self.copy()
        }
    }

    fn login(&self) -> Result<Judged<Conn>, MyError> {
        let mut connection = match catch_unwind(AssertUnwindSafe(|| self.open())) {
            Ok(opened) => opened?,
            // mysql 28.0.4 cuts PARSEC's nonce short if it ends in a zero, as one in 256 does, and panics over its length. The
            // next login has another nonce.
            Err(_) => self.open()?,
        };
        self.refuse_node_that_is_not_ready(&mut connection)?;
        self.suits(connection)
    }

    /// The login's own SQL, and the judgement of what came of it: this is where a freshly opened session of a host is found to be
    /// what was asked for, the second best, or an error that leads to the next host.
    fn suits(&self, mut connection: Conn) -> Result<Judged<Conn>, MyError> {
        if self.statement_limit.is_none() && self.wanted == Wanted::Any {
            return Ok(Judged::Suits(connection));
        }
        let (version, session) = self.ask(&mut connection)?;
        if let Some(sql) = self.limit_of_statements(version.as_deref()) {
            self.run(&mut connection, &sql)?;
        }
        match self.wanted.complaint(session) {
            None => Ok(Judged::Suits(connection)),
            Some(why) if self.wanted == Wanted::PreferStandby => {
                Ok(Judged::SecondBest(connection, why))
            }
            Some(why) => Err(as_an_error(self.wanted.refusing(why))),
        }
    }

    /// The version and the role in one round trip. A server whose global read_only or innodb_read_only is on counts as a standby;
    /// MySQL's super_read_only implies the first. Users with the privilege to write all the same do not count.
    fn ask(&self, connection: &mut Conn) -> Result<(Option<String>, Session), MyError> {
        let role: &[&str] = match self.wanted {
            Wanted::Any => &[""],
            _ => &[
                ", @@global.read_only, @@global.innodb_read_only",
                ", @@global.read_only",
            ],
        };
        let ask = |columns: &&str, connection: &mut Conn| {
            let question = format!("SELECT VERSION(){columns}");
            self.note(&question);
            connection.query_first::<Row, _>(question)
        };
        let mut answer = ask(&role[0], connection);
        if let (Err(MyError::MySqlError(refusal)), Some(shorter)) = (&answer, role.get(1))
            && refusal.code == UNKNOWN_VARIABLE
        {
            answer = ask(shorter, connection);
        }
        let row = answer?;
        let text = |column: usize| match row.as_ref().and_then(|row| row.as_ref(column)) {
            Some(Value::Bytes(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        let is_on = |column| text(column).is_some_and(|value| value != "0" && value != "OFF");
        let read_only = is_on(1) || is_on(2);
        let session = Session {
            in_recovery: read_only,
            read_only,
        };
        Ok((text(0), session))
    }
}

impl Opens for MySqlManager {
    type Connection = Conn;
    type Error = MyError;

    fn open(&self, host: usize, address: Option<SocketAddr>) -> Result<Judged<Conn>, MyError> {
        let server = &self.servers()[host];
        let (name, port) = server;
        self.at(server, address)
            .login()
            .map_err(|error| match error {
                // The name says more than the address.
                MyError::DriverError(DriverError::CouldNotConnect(Some((_, words, kind)))) => {
                    let named = Some((format!("{name}:{port}"), words, kind));
                    MyError::DriverError(DriverError::CouldNotConnect(named))
                }
                other => other,
            })
    }

    fn goes_on(&self, error: &MyError) -> bool {
        !matches!(
            classify(error),
            ErrorClass::Permanent | ErrorClass::Statement
        )
    }

    fn words(&self, error: &MyError) -> String {
        let words = match error {
            MyError::MySqlError(refusal) => refusal.message.clone(),
            MyError::DriverError(DriverError::CouldNotConnect(Some((_, words, _)))) => {
                words.clone()
            }
            MyError::IoError(cause) => match wrong_role(error) {
                Some(wrong) => wrong.why.to_owned(),
                None => cause.to_string(),
            },
            other => other.to_string(),
        };
        // Masked before a long text is cut off, perhaps within the password.
        self.masked(words)
    }

    fn is_an_answer(&self, error: &MyError) -> bool {
        matches!(error, MyError::MySqlError(_)) || wrong_role(error).is_some()
    }

    fn silence(&self) -> MyError {
        MyError::DriverError(DriverError::ConnectTimeout)
    }
}
