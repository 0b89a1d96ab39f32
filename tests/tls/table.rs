//! A table of expected outcomes: each row has a URL's parameters and what comes of them.

use std::path::PathBuf;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use queuepool::{Database, Error, ErrorKind, Settings};

use support::certificates::{Authority, Certificate, Files};
use support::servers::Postgres;

/// The files that this side has, and who signed the certificates that servers present.
pub struct World {
    pub ours: Authority,
    pub others: Authority,
    files: Files,
    pub roots: PathBuf,
    pub client: (PathBuf, PathBuf),
    strange_client: (PathBuf, PathBuf),
}

impl World {
    pub fn new() -> Self {
        let files = Files::new();
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let roots = files.put("roots.pem", &ours.certificate);
        let pair = |name: &str, certificate: Certificate| {
            (
                files.put(&format!("{name}.crt"), &certificate.certificate),
                files.put(&format!("{name}.key"), &certificate.key),
            )
        };
        let client = pair("client", ours.client());
        let strange_client = pair("strange", others.client());
        World {
            roots,
            client,
            strange_client,
            ours,
            others,
            files,
        }
    }

    /// Replaces the client certificate that this side presents.
    pub fn renew_client(&self, by: &Authority) {
        let renewed = by.client();
        std::fs::write(&self.client.0, renewed.certificate).unwrap();
        std::fs::write(&self.client.1, renewed.key).unwrap();
    }

    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        self.files.put(name, contents)
    }

    /// The parameters that the words of a row stand for, with libpq's names.
    fn parameters(&self, row: &str) -> String {
        let pair = |(certificate, key): &(PathBuf, PathBuf)| {
            format!("sslcert={}&sslkey={}", certificate.display(), key.display())
        };
        let words = row.split_whitespace().map(|word| match word {
            "roots" => format!("sslrootcert={}", self.roots.display()),
            "client" => pair(&self.client),
            "stranger" => pair(&self.strange_client),
            mode => format!("sslmode={mode}"),
        });
        words.collect::<Vec<_>>().join("&")
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    Plain,
    Encrypted,
    /// Refused on the first attempt, with an error of kind Connect that contains all of these words; `…` separates parts of
    /// the text.
    Refused(&'static str),
}

pub use Outcome::{Encrypted, Plain, Refused};

/// With the usual retries, which must not be used for any of these refusals.
pub fn settings() -> Settings {
    Settings::default().timeout(Duration::from_secs(20))
}

pub fn open(url: &str) -> Database {
    Database::open_with(url, settings()).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether the connection is encrypted, according to the server itself.
pub fn is_encrypted(database: &Database) -> Result<bool, Error> {
    let mut connection = database.get()?;
    // MySQL and MariaDB keep the answer in different tables.
    if let Some(connection) = connection.mysql() {
        let cipher: Option<(String, String)> = connection
            .query_first("SHOW STATUS LIKE 'Ssl_cipher'")
            .unwrap();
        return Ok(!cipher.unwrap().1.is_empty());
    }
    Ok(connection.query_i64(Postgres::IS_ENCRYPTED)? == 1)
}

/// Tries each row of `table` on the server at `url`, and reports all that do not turn out as expected.
pub fn check(url: &str, world: &World, table: &[(&str, Outcome)]) {
    check_by(is_encrypted, url, world, table);
}

/// Like [`check`], for a server that has to be asked in another way.
pub fn check_by(
    mut is_encrypted: impl FnMut(&Database) -> Result<bool, Error>,
    url: &str,
    world: &World,
    table: &[(&str, Outcome)],
) {
    let mut wrong = Vec::new();
    for (row, expected) in table {
        let database = open(&format!("{url}?{}", world.parameters(row)));
        let came = is_encrypted(&database);
        let as_expected = match (&came, expected) {
            (Ok(encrypted), Plain) => !encrypted,
            (Ok(encrypted), Encrypted) => *encrypted,
            (Err(error), Refused(words)) => {
                let text = error.to_string();
                error.kind() == ErrorKind::Connect
                    && words.split('…').all(|part| text.contains(part))
                    && database.status().connection_errors == 1
            }
            _ => false,
        };
        if !as_expected {
            let came = came.map_err(|error| error.to_string());
            wrong.push(format!("{row}: expected {expected:?}, found {came:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

pub const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

pub const UNKNOWN: Outcome = Refused("UnknownIssuer…this side refused the server's certificate");
const EXPIRED: Outcome = Refused("expired…this side refused the server's certificate");

/// The rows for a server whose certificate is good.
pub const GOOD: [(&str, Outcome); 14] = [
    ("", Encrypted),
    ("disable", Plain),
    ("allow", Plain),
    ("prefer", Encrypted),
    ("require", Encrypted),
    ("verify-ca", UNKNOWN),
    ("verify-full", UNKNOWN),
    ("prefer client", Encrypted),
    ("disable roots", Plain),
    ("allow roots", Plain),
    ("prefer roots", Encrypted),
    ("require roots", Encrypted),
    ("verify-ca roots", Encrypted),
    ("verify-full roots", Encrypted),
];

/// The rows for a server whose certificate is from an authority that is not named.
pub const STRANGE: [(&str, Outcome); 13] = [
    ("", Encrypted),
    ("disable", Plain),
    ("allow", Plain),
    ("prefer", Encrypted),
    ("require", Encrypted),
    ("verify-ca", UNKNOWN),
    ("verify-full", UNKNOWN),
    ("disable roots", Plain),
    ("allow roots", Plain),
    ("prefer roots", Plain),
    ("require roots", UNKNOWN),
    ("verify-ca roots", UNKNOWN),
    ("verify-full roots", UNKNOWN),
];

/// The rows for a server whose certificate is for another host.
pub const ELSEWHERE: [(&str, Outcome); 13] = [
    ("", Encrypted),
    ("disable", Plain),
    ("allow", Plain),
    ("prefer", Encrypted),
    ("require", Encrypted),
    ("verify-ca", UNKNOWN),
    ("verify-full", UNKNOWN),
    ("disable roots", Plain),
    ("allow roots", Plain),
    ("prefer roots", Encrypted),
    ("require roots", Encrypted),
    ("verify-ca roots", Encrypted),
    (
        "verify-full roots",
        Refused("db.example…this side refused…subjectAltName"),
    ),
];

/// The rows for a server whose certificate has expired. That is found out first, whoever signed it.
pub const OLD: [(&str, Outcome); 13] = [
    ("", Encrypted),
    ("disable", Plain),
    ("allow", Plain),
    ("prefer", Encrypted),
    ("require", Encrypted),
    ("verify-ca", EXPIRED),
    ("verify-full", EXPIRED),
    ("disable roots", Plain),
    ("allow roots", Plain),
    ("prefer roots", Plain),
    ("require roots", EXPIRED),
    ("verify-ca roots", EXPIRED),
    ("verify-full roots", EXPIRED),
];

/// The rows for a server without TLS.
pub const NONE: [(&str, Outcome); 13] = {
    const UNOFFERED: Outcome =
        Refused("server does not …; the server does not offer TLS, but ssl…asks for it");
    [
        ("", Plain),
        ("disable", Plain),
        ("allow", Plain),
        ("prefer", Plain),
        ("require", UNOFFERED),
        ("verify-ca", UNOFFERED),
        ("verify-full", UNOFFERED),
        ("disable roots", Plain),
        ("allow roots", Plain),
        ("prefer roots", Plain),
        ("require roots", UNOFFERED),
        ("verify-ca roots", UNOFFERED),
        ("verify-full roots", UNOFFERED),
    ]
};
