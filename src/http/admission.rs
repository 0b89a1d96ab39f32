//! Whether a request is let in, and to what: by its Host, and by its token.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{HeaderMap, Uri};
use subtle::{Choice, ConstantTimeEq};

use crate::error::{Error, NOT_SHOWN};
use crate::http::host::{self, Host};
use crate::http::request::is_probe;
use crate::http::{Options, Paths, Response};

/// Who is let in, worked out from the [`Options`] and from where the server listens.
pub(super) struct Admission {
    paths: Paths,
    bearer: Option<Vec<u8>>,
    hosts: Vec<String>,
}

impl Admission {
    /// # Errors
    /// Settings for a token or a name that no client could send.
    pub(super) fn new(options: Options, listens_on: IpAddr) -> Result<Self, Error> {
        let Options {
            paths,
            bearer,
            hosts,
        } = options;
        let is_loopback = listens_on.to_canonical().is_loopback();
        let normal = |name: String| {
            host::name(&name).ok_or_else(|| {
                let expected = "a host's name in ASCII, without scheme and port";
                Error::setting("hosts", format_args!("{name:?}"), expected)
            })
        };
        let mut hosts = hosts
            .into_iter()
            .map(normal)
            .collect::<Result<Vec<_>, _>>()?;
        if is_loopback {
            hosts.push("localhost".to_owned());
        }
        if let Some(token) = &bearer
            && (token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let expected = "at least one character, all of them visible ASCII: one read from a file may end with a line feed";
            return Err(Error::setting("bearer", NOT_SHOWN, expected));
        }
        Ok(Admission {
            paths: paths.unwrap_or(if is_loopback {
                Paths::All
            } else {
                Paths::Metrics
            }),
            bearer: bearer.map(String::into_bytes),
            hosts,
        })
    }

    pub(super) fn paths(&self) -> Paths {
        self.paths
    }

    /// Whether everybody who can reach the server may read what [`Paths::All`] adds.
    pub(super) fn is_open(&self) -> bool {
        self.paths == Paths::All && self.bearer.is_none()
    }

    /// # Errors
    /// The refusal: 400 without a Host, with several or with one that is malformed; 421 with one that is not this server's.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Response> {
        let mut given = headers.get_all(HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            let error = "exactly one Host header is needed";
            return Err(Response::refusal(400, error, None));
        };
        self.check(host.to_str().unwrap_or_default())?;
        // A target may name a host too. What is in front of the server may go by either, so both must be right.
        uri.authority()
            .map_or(Ok(()), |named| self.check(named.as_str()))
    }

    fn check(&self, host: &str) -> Result<(), Response> {
        match Host::read(host) {
            Some(Host::Address) => Ok(()),
            Some(Host::Name(name)) if self.hosts.contains(&name) => Ok(()),
            Some(Host::Name(name)) => {
                let error = format!(
                    "this server does not answer to the name {name:?}: ask by its IP address, or give the name to \
                     http::Options::hosts"
                );
                Err(Response::refusal(421, error, None))
            }
            None => {
                let error = "the Host is not a name or an IP address, with or without a port";
                Err(Response::refusal(400, error, None))
            }
        }
    }

    /// The paths that the request may ask for.
    ///
    /// # Errors
    /// The refusal, 401: the token is wrong, or there is none and `path` is not a probe. What there is beyond the probes is not
    /// told without the token.
    pub(super) fn check_token(&self, path: &str, headers: &HeaderMap) -> Result<Paths, Response> {
        let Some(token) = &self.bearer else {
            return Ok(self.paths);
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (None, _) if is_probe(path) => Ok(Paths::Probes),
            (None, _) => Err(Response::unauthorized("a token is needed here")),
            (Some(one), None) if brings(one.as_bytes(), token) => Ok(self.paths),
            _ => Err(Response::unauthorized("the token is wrong")),
        }
    }
}

/// Whether the value of an Authorization header brings this token.
fn brings(value: &[u8], token: &[u8]) -> bool {
    let Some((scheme, given)) = value.split_at_checked("Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && is_same(given.trim_ascii(), token)
}

/// Compares in a time that depends only on what was given, and not on the token or on how much of it is right.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let mut same: Choice = given.len().ct_eq(&token.len());
    for (byte, expected) in given.iter().zip(token.iter().cycle()) {
        same &= byte.ct_eq(expected);
    }
    same.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_only_as_a_whole() {
        assert!(is_same(b"s3cret", b"s3cret"));
        for other in [
            "",
            "s",
            "s3cre",
            "s3cret!",
            "s3creT",
            "x3cret",
            "s3crets3cret",
        ] {
            assert!(!is_same(other.as_bytes(), b"s3cret"), "{other}");
        }
    }

    #[test]
    fn a_token_or_name_that_no_client_could_send_is_refused_and_no_token_is_shown() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        for token in ["", "s3cret\n", "s3 cret", "s3crét"] {
            let refused = Admission::new(Options::default().bearer(token), loopback);
            let error = refused.err().unwrap().to_string();
            assert!(error.contains("bearer"), "{error}");
            assert!(!error.contains("s3"), "{error}");
        }
        for name in ["", "http://orders", "orders:80", "a b", "ü.example"] {
            let refused = Admission::new(Options::default().hosts([name]), loopback);
            let error = refused.err().unwrap().to_string();
            assert!(error.contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn without_being_told_all_is_served_on_loopback_alone() {
        let paths = |address: &str| {
            let admission = Admission::new(Options::default(), address.parse().unwrap()).unwrap();
            admission.paths()
        };
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(paths(address), Paths::All, "{address}");
        }
        for address in ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "fe80::1"] {
            assert_eq!(paths(address), Paths::Metrics, "{address}");
        }
    }
}
