//! Parameters of a URL that neither the pool nor the driver knows: what to write in place of each.

use crate::error::{Error, ErrorKind, NOT_SHOWN, URL};
use crate::settings::{letters, meant};

/// Longer than any name of a parameter.
const LONGEST: usize = 40;

/// Words of other drivers and of other pools, as letters alone, and what says the same here.
#[rustfmt::skip]
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["connectionlimit", "pool", "maximumpoolsize", "maxconnections", "maxpool", "poolmaxsize", "poolmaxconns"],
     "write max_pool_size for the greatest number of connections"),
    (&["minimumidle", "minconnections", "poolminsize", "poolminconns"], "write min_pool_size"),
    (&["poolclass"], "write pool_mode=queue or pool_mode=null"),
    (&["maxlifetime", "poolmaxconnlifetime", "maxconnlifetime"], "write pool_recycle"),
    (&["connectiontimeout", "acquiretimeout"], "write pool_timeout for the wait of a checkout, connect_timeout for a connect"),
    (&["statementtimeout", "maxexecutiontime", "maxstatementtime", "sockettimeout", "readtimeout"],
     "write command_timeout, the limit of one statement"),
    (&["pgbouncer"], "remove it: the pool works behind PgBouncer without being told"),
    (&["preparedstatementcachesize", "statementcachesize", "preparethreshold", "preparedstatements", "cacheprepstmts"],
     "remove it: the pool prepares no statement of its own"),
    (&["schema", "currentschema", "searchpath"], "write options=-c%20search_path%3DNAME on PostgreSQL"),
    (&["servertimezone", "connectiontimezone", "timezone", "loc"], "remove it, and set the session's time zone in on_connect"),
    (&["isolationlevel"], "remove it, and set the session's isolation level in on_connect"),
    (&["reconnect", "autoreconnect"], "remove it: the pool replaces lost connections by itself"),
    (&["serverversion"], "remove it: the server tells its version itself"),
    (&["loadbalance", "topologykeys"], "list the hosts and write load_balance_hosts=random, or remove it"),
    (&["passfile", "service", "servicefile"],
     "no such file is read: write what it says into the URL, or have a closure asked for the password (`credentials`)"),
    (&["requireauth"], "write channel_binding=require, which over TLS admits SCRAM alone, or remove it"),
    (&["sslcrl", "sslcrldir", "sslminprotocolversion", "sslmaxprotocolversion", "requirepeer", "sslcertmode"],
     "this check is not supported; remove it only if you can do without it"),
    (&["checksamethread"], "remove it: any thread may use a connection, one at a time"),
    (&["cache"], "remove it: connections share the file in WAL mode, without a shared cache"),
    (&["cipher", "kdfiter", "key", "hexkey"], "encrypted files (SQLCipher) are not supported"),
    (&["database", "db"], "write the database as the path of the URL, as in //host/database"),
    (&["characterencoding", "collation", "useunicode"], "remove it: the connection is always UTF-8"),
];

/// The error for a parameter that nobody knows. `known` is what the driver knows; `may_show` is false where the name may be a piece
/// of a password that was cut off by a character in it.
pub(crate) fn unknown(key: &str, known: &[&'static str], may_show: bool) -> Error {
    let is_a_name = key.len() <= LONGEST
        && key
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "_-.".contains(character));
    let text = match is_a_name && may_show {
        true => format!("unknown parameter {key:?} in {URL}: {}", remedy(key, known)),
        false => format!(
            "unknown parameter {NOT_SHOWN} in {URL}: remove it, or percent-encode the special characters of the password"
        ),
    };
    Error::new(ErrorKind::Settings, text)
}

fn remedy(key: &str, known: &[&'static str]) -> String {
    let plain = letters(key);
    let elsewhere = ELSEWHERE.iter().find(|(names, _)| names.contains(&&*plain));
    match (elsewhere, meant(key, known)) {
        (Some((_, advice)), _) => (*advice).to_owned(),
        (None, Some(meant)) => format!("did you mean {meant}?"),
        (None, None) => "remove it".to_owned(),
    }
}
