//! What a URL says about TLS, in the words of MySQL's own clients, of libpq and of the driver.

use crate::drivers::dsn::Dsn;
use crate::error::{Error, NOT_SHOWN, URL};
use crate::tls::{Names, Roots, SslMode, Tls};

pub(super) const NAMES: Names = Names {
    mode: &["ssl-mode", "ssl_mode", "sslmode"],
    modes: "disabled, preferred, required, verify_ca, verify_identity (or libpq's disable, allow, prefer, require, \
            verify-ca, verify-full)",
    roots: &["ssl-ca", "ssl_ca", "sslrootcert", "root_cert_path"],
    certificate: &["ssl-cert", "ssl_cert", "sslcert", "cert_chain_path"],
    key: &["ssl-key", "ssl_key", "sslkey", "priv_key_path"],
};

/// The driver's own parameters. Any of them makes the driver use TLS with all checks.
const DRIVERS: [&str; 3] = ["root_cert_path", "cert_chain_path", "priv_key_path"];
const CIPHERS: &str = "cipher_suites";
const DRIVERS_SWITCHES: [&str; 2] = [
    "danger_accept_invalid_certs",
    "danger_skip_domain_validation",
];

/// What is left for the driver. It knows `host` and `port` too, but those are taken out, as are the names for what it does not
/// know.
pub(super) const KNOWN: [&str; 26] = [
    "user",
    "password",
    "socket",
    "server_key_path",
    "db_name",
    "prefer_socket",
    "enable_cleartext_plugin",
    "secure_auth",
    "tcp_keepalive_time_ms",
    "tcp_keepalive_probe_interval_secs",
    "tcp_keepalive_probe_count",
    "tcp_user_timeout_ms",
    "compress",
    "tcp_connect_timeout_ms",
    "stmt_cache_size",
    "reset_connection",
    "check_health",
    "max_allowed_packet",
    "cipher_suites",
    "pool_min",
    "pool_max",
    // For what was meant by a name that is none.
    "unix_socket",
    "tcp_user_timeout",
    "target_session_attrs",
    "load_balance_hosts",
    "ssl-mode",
];

/// Takes all parameters about TLS out of `dsn`, except the cipher suites, which the driver reads itself.
pub(super) fn taken(dsn: &mut Dsn<'_>) -> Result<Tls, Error> {
    let parameters: Vec<(String, String)> = dsn
        .take(|key| NAMES.have(&key.to_ascii_lowercase()))
        .into_iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
        .collect();
    let mut tls = Tls::from_parameters(&parameters, &NAMES)?;
    let named = tls.mode;
    let drivers_own = parameters.iter().any(|(key, _)| DRIVERS.contains(&&**key))
        || DRIVERS_SWITCHES.iter().any(|key| dsn.has(key))
        || dsn.has(CIPHERS);
    if drivers_own && tls.mode.is_none() {
        tls.mode = Some(SslMode::VerifyFull);
    }
    for (key, value) in dsn.take(|key| DRIVERS_SWITCHES.contains(&key)) {
        let weaker = match (key.as_str(), value.as_str()) {
            (_, "false") => continue,
            ("danger_accept_invalid_certs", "true") => SslMode::Require,
            (_, "true") => SslMode::VerifyCa,
            _ => {
                return Err(Error::setting_in(
                    URL,
                    &key,
                    format_args!("{value:?}"),
                    "true or false",
                ));
            }
        };
        match named {
            Some(named) if named > weaker => return Err(beside(&key, &value, named)),
            _ => tls.mode = tls.mode.min(Some(weaker)),
        }
        if weaker == SslMode::Require {
            tls.roots = None;
        }
    }
    for (key, value) in dsn.take(is_anothers) {
        let value = value.to_ascii_lowercase();
        let mut off = matches!(&*value, "false" | "0" | "off" | "no" | "disabled");
        // Python's parameter, which says it the other way round.
        if key.eq_ignore_ascii_case("ssl_disabled") {
            match off {
                true => continue,
                false => off = matches!(&*value, "true" | "1" | "on" | "yes"),
            }
        }
        match tls.mode {
            _ if !off => {
                let expected = match is_unsupported(&key) {
                    true => {
                        "only ssl-mode, ssl-ca, ssl-cert, ssl-key and cipher_suites; this one is not supported (TLS is 1.2 or \
                         1.3, without revocation lists)"
                    }
                    false => {
                        "ssl-mode=PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY; this is another driver's word for it"
                    }
                };
                return Err(Error::setting_in(URL, &key, NOT_SHOWN, expected));
            }
            Some(mode) if mode.is_required() => return Err(beside(&key, &value, mode)),
            Some(_) => {}
            None if is_whole(&key) => tls.mode = Some(SslMode::Disable),
            None => {}
        }
    }
    // As MySQL's own clients do.
    if tls.mode.is_none() && matches!(tls.roots, Some(Roots::File(_))) {
        tls.mode = Some(SslMode::VerifyCa);
    }
    Ok(tls)
}

fn beside(key: &str, value: &str, mode: SslMode) -> Error {
    Error::setting_in(
        URL,
        key,
        format_args!("{value:?}"),
        format_args!(
            "a value that agrees with ssl-mode={mode} in the same URL, or only one of the two"
        ),
    )
}

/// Whether this is a parameter of another language's driver.
fn is_anothers(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    is_whole(&key)
        || key.starts_with("ssl")
        || key.starts_with("tls")
        || key.starts_with("verify_")
        || key.starts_with("pkcs12_")
}

/// Whether the parameter is about something that no mode can say: revocation lists, ciphers, versions, directories of
/// authorities, FIPS.
fn is_unsupported(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["crl", "cipher", "version", "capath", "fips"]
        .iter()
        .any(|word| key.contains(word))
}

/// Whether the parameter switches TLS as a whole, and not one of its checks.
fn is_whole(key: &str) -> bool {
    matches!(
        key.to_ascii_lowercase().as_str(),
        "ssl" | "tls" | "usessl" | "requiressl" | "require_ssl" | "ssl_disabled"
    )
}
