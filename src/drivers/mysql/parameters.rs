//! What a URL says about TLS, in the words of MySQL's clients, of libpq and of the driver.

use crate::drivers::dsn::Dsn;
use crate::error::Error;
use crate::tls::{Names, Roots, SslMode, Tls};

pub(super) const NAMES: Names = Names {
    mode: &["ssl-mode", "ssl_mode", "sslmode"],
    modes: "disabled, preferred, required, verify_ca, verify_identity (or libpq's disable, allow, prefer, require, \
            verify-ca, verify-full)",
    roots: &["ssl-ca", "ssl_ca", "sslrootcert", "root_cert_path"],
    certificate: &["ssl-cert", "ssl_cert", "sslcert", "cert_chain_path"],
    key: &["ssl-key", "ssl_key", "sslkey", "priv_key_path"],
};

/// The driver's own parameters; any of them asks it for TLS with all checks.
const DRIVERS: [&str; 3] = ["root_cert_path", "cert_chain_path", "priv_key_path"];
const CIPHERS: &str = "cipher_suites";
const DRIVERS_SWITCHES: [&str; 2] = [
    "danger_accept_invalid_certs",
    "danger_skip_domain_validation",
];

/// Takes all of it out of `dsn`, except the cipher suites, which the driver reads itself.
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
            _ => return Err(Error::setting(&key, value, "true or false")),
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
        // Python's, the other way round.
        if key.eq_ignore_ascii_case("ssl_disabled") {
            match off {
                true => continue,
                false => off = matches!(&*value, "true" | "1" | "on" | "yes"),
            }
        }
        match tls.mode {
            _ if !off => {
                let accepted = match is_unsupported(&key) {
                    true => {
                        "it is not supported; ssl-mode, ssl-ca, ssl-cert, ssl-key and cipher_suites are, and TLS 1.2 and \
                         1.3 without revocation lists"
                    }
                    false => {
                        "it is another driver's word for what ssl-mode=PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY \
                         says here; write that"
                    }
                };
                // Its value may be a password.
                return Err(Error::setting(&key, "(not shown)", accepted));
            }
            Some(mode) if mode.is_required() => return Err(beside(&key, &value, mode)),
            Some(_) => {}
            None if is_whole(&key) => tls.mode = Some(SslMode::Disable),
            None => {}
        }
    }
    // As MySQL's own clients take it.
    if tls.mode.is_none() && matches!(tls.roots, Some(Roots::File(_))) {
        tls.mode = Some(SslMode::VerifyCa);
    }
    Ok(tls)
}

fn beside(key: &str, value: &str, mode: SslMode) -> Error {
    Error::setting(
        key,
        value,
        format_args!("the URL asks for ssl-mode={mode} too; leave one of them"),
    )
}

/// Parameters of other languages' drivers.
fn is_anothers(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    is_whole(&key)
        || key.starts_with("ssl")
        || key.starts_with("tls")
        || key.starts_with("verify_")
        || key.starts_with("pkcs12_")
}

/// What no mode says: revocation lists, ciphers, versions, directories of authorities.
fn is_unsupported(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["crl", "cipher", "version", "capath", "fips"]
        .iter()
        .any(|word| key.contains(word))
}

/// Those that switch TLS itself, and not one of its checks.
fn is_whole(key: &str) -> bool {
    matches!(
        key.to_ascii_lowercase().as_str(),
        "ssl" | "tls" | "usessl" | "require_ssl" | "ssl_disabled"
    )
}
