//! The hosts of a configuration, each as a configuration of its own, and what is asked of a session there.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ::postgres::config::{Host as ConfigHost, TargetSessionAttrs};
use ::postgres::types::private::BytesMut;
use ::postgres::types::{IsNull, ToSql, Type};
use ::postgres::{Client, Config, Error as PgError, SimpleQueryMessage};

use super::classify::classify;
use super::notices::Notices;
use super::opening::Opening;
use crate::base::log::say;
use crate::contract::error_class::ErrorClass;
use crate::drivers::hosts::{Host, Judged, Opens, Session, Wanted, WrongRole, ports_are_wrong};
use crate::error::{Error, ErrorKind, chain};

pub(super) const DEFAULT_PORT: u16 = 5432;

const QUESTION: &str =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";

/// What the answer to the question says.
fn session_of(answer: &[SimpleQueryMessage]) -> Option<Session> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    Some(Session {
        in_recovery: row.get(0)? == "t",
        read_only: row.get(1)? == "on",
    })
}

/// The driver knows three of the words.
pub(super) fn wanted_by(config: &Config) -> Wanted {
    match config.get_target_session_attrs() {
        TargetSessionAttrs::ReadWrite => Wanted::ReadWrite,
        TargetSessionAttrs::ReadOnly => Wanted::ReadOnly,
        _ => Wanted::Any,
    }
}

/// Opens sessions at any of the hosts.
#[derive(Clone)]
pub(super) struct Login {
    /// One for each host.
    pub(super) configs: Vec<Config>,
    pub(super) opening: Arc<Opening>,
    pub(super) wanted: Wanted,
    pub(super) statement_limit: Option<String>,
    /// The target under which the pool's own SQL is logged, if it is.
    pub(super) echo: Option<String>,
}

impl Login {
    pub(super) fn note(&self, sql: &str) {
        if let Some(target) = &self.echo {
            say!(Debug, target, "{sql}");
        }
    }

    /// The configuration of this host, at this address if its name was looked up.
    pub(super) fn config_at(&self, host: usize, address: Option<SocketAddr>) -> Config {
        let mut config = self.configs[host].clone();
        if let Some(address) = address {
            // The name stays, so that a certificate is checked for it.
            config.hostaddr(address.ip());
        }
        config
    }

    /// The login's own SQL, in one round trip, and the judgement of what came of it: this is where a freshly opened session of a
    /// host is found to be what was asked for, the second best, or an error that leads to the next host.
    fn suits(&self, mut client: Client) -> Result<Judged<Client>, PgError> {
        let question = (self.wanted != Wanted::Any).then_some(QUESTION);
        let limit = self.statement_limit.as_deref();
        let Some(question) = question else {
            if let Some(limit) = limit {
                self.note(limit);
                client.batch_execute(limit)?;
            }
            return Ok(Judged::Suits(client));
        };
        let sql = limit.map_or(question.to_owned(), |limit| format!("{limit}; {question}"));
        self.note(&sql);
        let session = session_of(&client.simple_query(&sql)?);
        // A server that gives no such answer is not known to be what was asked for.
        let complaint = match session {
            Some(session) => self.wanted.complaint(session),
            None => Some("it does not say whether it is a primary or a standby"),
        };
        match complaint {
            None => Ok(Judged::Suits(client)),
            Some(why) if self.wanted == Wanted::PreferStandby => {
                Ok(Judged::SecondBest(client, why))
            }
            Some(why) => Err(as_an_error(self.wanted.refusing(why), &mut client)),
        }
    }
}

impl Opens for Login {
    type Connection = Client;
    type Error = PgError;

    fn open(&self, host: usize, address: Option<SocketAddr>) -> Result<Judged<Client>, PgError> {
        let config = self.config_at(host, address);
        self.suits(self.opening.open(&config)?)
    }

    fn goes_on(&self, error: &PgError) -> bool {
        !matches!(
            classify(error),
            ErrorClass::Permanent | ErrorClass::Statement
        )
    }

    fn words(&self, error: &PgError) -> String {
        let words = match (wrong_role(error), error.as_db_error()) {
            (Some(wrong), _) => wrong.why.to_owned(),
            (None, Some(refusal)) => refusal.message().to_owned(),
            (None, None) => StdError::source(error).map_or_else(|| error.to_string(), chain),
        };
        // Masked before a long text is cut off, perhaps within the password.
        self.masked(words, None)
    }

    fn is_an_answer(&self, error: &PgError) -> bool {
        error.as_db_error().is_some() || wrong_role(error).is_some()
    }

    fn silence(&self) -> PgError {
        PgError::__private_api_timeout()
    }
}

/// An error of the driver's type that says this. The driver makes errors only of what happens to it; here a parameter of a
/// statement refuses to be written, before anything is sent.
fn as_an_error(wrong: WrongRole, client: &mut Client) -> PgError {
    let parameter = Refusing(wrong);
    client
        .query_typed("SELECT $1", &[(&parameter, Type::TEXT)])
        .err()
        .unwrap_or_else(PgError::__private_api_timeout)
}

pub(super) fn wrong_role(error: &PgError) -> Option<&WrongRole> {
    StdError::source(error).and_then(|cause| cause.downcast_ref())
}

#[derive(Debug)]
struct Refusing(WrongRole);

impl ToSql for Refusing {
    fn to_sql(
        &self,
        _: &Type,
        _: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Err(Box::new(self.0))
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        of_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(of_type, out)
    }
}

/// Refuses lists that the driver refuses only when it connects.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let (hosts, addresses, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    let count = hosts.len().max(addresses.len());
    let refused = |words: String| {
        Err(Error::new(
            ErrorKind::Settings,
            format!("invalid hosts of the PostgreSQL configuration: {words}"),
        ))
    };
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return refused(format!(
            "{} of host and {} of hostaddr: expected as many of each, or only one of the two",
            hosts.len(),
            addresses.len()
        ));
    }
    if let Some(complaint) = ports_are_wrong(ports.len(), count) {
        return refused(complaint);
    }
    if count < 2 {
        return Ok(());
    }
    let is_empty = |host: &ConfigHost| matches!(host, ConfigHost::Tcp(name) if name.is_empty());
    if let Some(empty) = hosts.iter().position(is_empty) {
        return refused(format!(
            "host {} of {count} is empty: expected a name, an address or a directory",
            empty + 1
        ));
    }
    if let Some(zero) = ports.iter().position(|port| *port == 0) {
        return refused(format!(
            "port {} of {} is 0: expected a whole number from 1 to 65535",
            zero + 1,
            ports.len()
        ));
    }
    Ok(())
}

/// What the walk has to know of the hosts of `config`.
pub(super) fn to_walk(config: &Config) -> Vec<Host> {
    let hosts = config.get_hosts().iter().enumerate();
    let host = |(index, host): (usize, &ConfigHost)| {
        let port = port(config, index);
        let (shown, is_a_name) = match host {
            ConfigHost::Tcp(name) => (name.clone(), name.parse::<IpAddr>().is_err()),
            #[cfg(unix)]
            ConfigHost::Unix(directory) => (directory.display().to_string(), false),
        };
        let has_address = !config.get_hostaddrs().is_empty();
        Host {
            label: match shown.contains(':') {
                true => format!("[{shown}]:{port}"),
                false => format!("{shown}:{port}"),
            },
            name: Some((shown, port)).filter(|_| is_a_name && !has_address),
        }
    };
    hosts.map(host).collect()
}

fn port(config: &Config, index: usize) -> u16 {
    let ports = config.get_ports();
    let port = ports.get(index).or_else(|| ports.first());
    port.copied().unwrap_or(DEFAULT_PORT)
}

/// A configuration for each host of `config`, whose notices go to `notices`; with one host, they go where `config` says without it.
pub(super) fn one_for_each(config: &Config, notices: Option<&Notices>) -> Vec<Config> {
    let mut whole = config.clone();
    // The pool asks itself, and walks itself.
    whole.target_session_attrs(TargetSessionAttrs::Any);
    let hosts = config.get_hosts();
    if hosts.len() < 2 {
        to(notices, &mut whole);
        return vec![whole];
    }
    let one = |(index, host): (usize, &ConfigHost)| {
        let mut one = without_hosts(&whole);
        match host {
            ConfigHost::Tcp(name) => one.host(name),
            #[cfg(unix)]
            ConfigHost::Unix(directory) => one.host_path(directory),
        };
        if let Some(address) = config.get_hostaddrs().get(index) {
            one.hostaddr(*address);
        }
        one.port(port(config, index));
        to(notices, &mut one);
        one
    };
    hosts.iter().enumerate().map(one).collect()
}

fn to(notices: Option<&Notices>, config: &mut Config) {
    if let Some(notices) = notices.cloned() {
        config.notice_callback(move |notice| notices(notice));
    }
}

/// Hosts can only be added to a configuration, so the rest of it is copied.
fn without_hosts(config: &Config) -> Config {
    let mut copy = Config::new();
    config.get_user().map(|user| copy.user(user));
    config
        .get_password()
        .map(|password| copy.password(password));
    config.get_dbname().map(|name| copy.dbname(name));
    config.get_options().map(|options| copy.options(options));
    config
        .get_application_name()
        .map(|name| copy.application_name(name));
    config
        .get_connect_timeout()
        .map(|limit| copy.connect_timeout(*limit));
    config
        .get_tcp_user_timeout()
        .map(|limit| copy.tcp_user_timeout(*limit));
    config
        .get_keepalives_interval()
        .map(|interval| copy.keepalives_interval(interval));
    config
        .get_keepalives_retries()
        .map(|retries| copy.keepalives_retries(retries));
    copy.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding());
    copy
}
