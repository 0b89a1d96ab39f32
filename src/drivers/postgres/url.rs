//! What a URL says to PostgreSQL's driver, in libpq's words and in those of other drivers that mean one thing only.

use ::postgres::{Config, Error as PgError};

use crate::drivers::dsn::Dsn;
use crate::drivers::hosts::{Wanted, user_timeout, wanted};
use crate::error::{Error, URL, chain};
use crate::tls::{Names, SslMode, Tls};

pub(super) const TLS_PARAMETERS: Names = Names {
    mode: &["sslmode", SSL],
    modes: "disable, allow, prefer, require, verify-ca, verify-full",
    roots: &["sslrootcert"],
    certificate: &["sslcert"],
    key: &["sslkey"],
};

/// In libpq, `ssl=true` is `sslmode=require`; for asyncpg it takes the words of `sslmode`.
const SSL: &str = "ssl";

/// What is left for the driver. It knows `host` and `port` too, but those are taken out, as are the names for what it does not
/// know.
const KNOWN: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "hostaddr",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "channel_binding",
    "load_balance_hosts",
    // For what was meant by a name that is none.
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
    "sslmode",
];

pub(super) struct Parsed {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) wanted: Option<Wanted>,
    /// The time of idleness before the first keepalive is given.
    pub(super) idle_is_wanted: bool,
}

pub(super) fn parse(url: &str) -> Result<Parsed, Error> {
    let mut dsn = Dsn::parse(url, &["postgresql", "postgres"], true)?;
    if dsn.has("sslpassword") {
        return Err(Error::unsupported(
            "sslpassword is given, but queuepool cannot read an encrypted sslkey: decrypt the file, and protect it by its \
             permissions",
        ));
    }
    let tls = tls(&mut dsn)?;
    take_the_only_answers(&mut dsn)?;
    dsn.rename("keepalives_count", "keepalives_retries");
    match dsn.has("application_name") {
        true => drop(dsn.take(|key| key == "fallback_application_name")),
        false => dsn.rename("fallback_application_name", "application_name"),
    }
    dsn.read_arguments_of_a_form("options");
    let wanted = wanted(&mut dsn)?;
    let limit = user_timeout(&mut dsn)?;
    socket(&mut dsn)?;
    let hosts = dsn.take_hosts("")?;
    dsn.check_known(&KNOWN)?;
    let mut config: Config = dsn
        .for_driver()
        .parse()
        .map_err(|error: PgError| dsn.refused(&chain(&error)))?;
    for host in hosts.iter().flat_map(|named| &named.hosts) {
        config.host(host);
    }
    for port in hosts.iter().flat_map(|named| &named.ports) {
        config.port(port.unwrap_or(super::hosts::DEFAULT_PORT));
    }
    if let Some(limit) = limit {
        config.tcp_user_timeout(limit);
    }
    Ok(Parsed {
        config,
        tls,
        wanted,
        idle_is_wanted: dsn.has("keepalives_idle"),
    })
}

fn tls(dsn: &mut Dsn<'_>) -> Result<Tls, Error> {
    let mut parameters = dsn.take(|key| TLS_PARAMETERS.have(key));
    let encrypts = parameters.iter().any(|(key, word)| {
        key != SSL && SslMode::from_word(word).is_some_and(SslMode::is_required)
    });
    parameters.retain_mut(|(key, value)| {
        if key != SSL {
            return true;
        }
        match value.to_ascii_lowercase().as_str() {
            // Beside a mode that says more, as Java's programs write both.
            "true" | "1" | "on" | "yes" if encrypts => return false,
            "true" | "1" | "on" | "yes" => *value = SslMode::Require.to_string(),
            "false" | "0" | "off" | "no" => *value = SslMode::Disable.to_string(),
            _ => {}
        }
        true
    });
    Tls::from_parameters(&parameters, &TLS_PARAMETERS)
}

/// Parameters to which the driver has one answer only, whether it is asked or not.
fn take_the_only_answers(dsn: &mut Dsn<'_>) -> Result<(), Error> {
    let is_utf8 = |value: &str| {
        let value = value.to_ascii_lowercase().replace(['-', '_'], "");
        matches!(value.as_str(), "utf8" | "unicode" | "auto")
    };
    dsn.take_only(
        "client_encoding",
        is_utf8,
        "utf8, which the driver always uses",
    )?;
    let is_without = |value: &str| matches!(value, "disable" | "prefer");
    dsn.take_only(
        "gssencmode",
        is_without,
        "disable, since the driver has no GSSAPI",
    )?;
    dsn.take_only(
        "sslcompression",
        |value| value == "0",
        "0, since TLS is never compressed",
    )
}

/// The socket's file, as pg8000 names it: turned into libpq's directory and port.
fn socket(dsn: &mut Dsn<'_>) -> Result<(), Error> {
    for (key, file) in dsn.take(|key| matches!(key, "unix_sock" | "unix_socket")) {
        let refused = |expected| {
            Err(Error::setting_in(
                URL,
                &key,
                format_args!("{file:?}"),
                expected,
            ))
        };
        if dsn.has("host") || dsn.has("port") {
            return refused("no host= and no port= beside it, or only those two");
        }
        match file.rsplit_once("/.s.PGSQL.") {
            Some((directory, port)) if directory.starts_with('/') => {
                dsn.add("host", directory);
                dsn.add("port", port);
            }
            _ => {
                return refused(
                    "the socket's file, such as /run/postgresql/.s.PGSQL.5432, or its directory as host=/run/postgresql",
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{SslMode, parse};

    #[test]
    fn ssl_is_a_switch_or_a_word_of_sslmode() {
        for (query, mode) in [
            ("ssl=true", SslMode::Require),
            ("ssl=1", SslMode::Require),
            ("ssl=False", SslMode::Disable),
            ("ssl=require", SslMode::Require),
            ("ssl=verify-full", SslMode::VerifyFull),
            ("ssl=true&sslmode=require", SslMode::Require),
            ("ssl=true&sslmode=verify-full", SslMode::VerifyFull),
            ("sslmode=disable&ssl=0", SslMode::Disable),
        ] {
            let parsed = parse(&format!("postgresql://h/d?{query}")).ok();
            assert_eq!(parsed.and_then(|read| read.tls.mode), Some(mode), "{query}");
        }
        for query in [
            "ssl=maybe",
            "ssl=true&sslmode=disable",
            "ssl=false&sslmode=require",
        ] {
            let error = parse(&format!("postgresql://h/d?{query}")).err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains("ssl"), "{query}: {text}");
        }
    }

    #[test]
    fn what_has_one_answer_only_is_refused_for_any_other() {
        for (query, words) in [
            ("client_encoding=latin1", "expected utf8"),
            ("gssencmode=require", "expected disable"),
            ("sslcompression=1", "expected 0"),
            (
                "unix_sock=/run/postgresql",
                "or its directory as host=/run/postgresql",
            ),
            ("unix_sock=/run/.s.PGSQL.1&host=x", "beside it"),
            ("unix_sock=/run/.s.PGSQL.x", "port 1 of 1"),
        ] {
            let error = parse(&format!("postgresql:///d?{query}")).err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(words), "{query}: {text}");
        }
    }
}
