//! SQLite's URLs, in SQLAlchemy's forms.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::pragmas::{self, Pragmas};
use crate::drivers::scheme::is_anothers;
use crate::drivers::unknown::unknown;
use crate::error::{Error, ErrorKind, URL};
use crate::settings::bare;

/// A part of every error in which a file could not be found.
pub(super) const SLASHES: &str = "three slashes (sqlite:///app.db) begin a path relative to the working directory, four \
                                  (sqlite:////var/lib/app.db) an absolute path";

const KNOWN: [&str; 13] = [
    "journal_mode",
    "synchronous",
    "temp_store",
    "cache_size",
    "mmap_size",
    "foreign_keys",
    "busy_timeout",
    "journal_size_limit",
    "mode",
    "immutable",
    "nolock",
    "vfs",
    "uri",
];

/// The parts of a URL.
#[derive(Debug)]
pub(super) struct Parsed {
    /// `None` means memory.
    pub path: Option<PathBuf>,
    pub pragmas: Pragmas,
    pub mode: Option<Access>,
    /// SQLite's own URI parameters (`immutable`, `vfs`, `nolock`), which are passed on to it.
    pub passed_on: Vec<(&'static str, String)>,
    /// pysqlite's `uri=true`: a path that begins with `file:` is a URI itself.
    is_uri: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Create,
}

pub(super) fn parse(url: &str) -> Result<Parsed, Error> {
    let url = bare(url)?;
    if let Some(error) = is_anothers(url) {
        return Err(error);
    }
    let (location, query) = match url.split_once('?') {
        Some((location, query)) => (location, query),
        None => (url, ""),
    };
    let rest = after_scheme(location)?;
    let has_authority = rest.starts_with("//") && !rest.starts_with("///");
    if has_authority && url.contains('@') {
        // The URL is not repeated: what stands before the @ may be a password, and a ? in it would look like a parameter.
        return Err(malformed(format!(
            "SQLite is a local file and has no user, password or host (encrypted files, as of SQLCipher, are not supported); \
             expected three slashes before a file name with an @ ({SLASHES})"
        )));
    }
    let mut parsed = Parsed {
        path: path(rest)?,
        pragmas: Pragmas::default(),
        mode: None,
        passed_on: Vec::new(),
        is_uri: false,
    };
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        parsed.set(&name, &value)?;
        if seen.contains(&name) {
            return Err(in_url(
                &name,
                &value,
                "this parameter only once; it is given twice",
            ));
        }
        seen.push(name);
    }
    if parsed.is_uri {
        parsed.path = parsed.path.map(|path| of_uri(&path).unwrap_or(path));
    }
    let opens_a_file =
        !parsed.passed_on.is_empty() || matches!(parsed.mode, Some(Access::Read | Access::Write));
    if parsed.path.is_none() && opens_a_file {
        return Err(malformed(format!(
            "it names no file, but mode, immutable, nolock and vfs need a file ({SLASHES})"
        )));
    }
    Ok(parsed)
}

impl Parsed {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        if self.pragmas.set(name, value)? {
            return Ok(());
        }
        let flag = || match pragmas::parse_bool(&value.to_ascii_lowercase()) {
            Some(on) => Ok(u8::from(on).to_string()),
            None => Err(in_url(name, value, "on or off")),
        };
        match name {
            "mode" => match value {
                "ro" => self.mode = Some(Access::Read),
                "rw" => self.mode = Some(Access::Write),
                "rwc" => self.mode = Some(Access::Create),
                "memory" => self.path = None,
                _ => {
                    let expected =
                        "ro (read only), rw (must exist), rwc (created if missing) or memory";
                    return Err(in_url(name, value, expected));
                }
            },
            "immutable" => self.passed_on.push(("immutable", flag()?)),
            "nolock" => self.passed_on.push(("nolock", flag()?)),
            "vfs" if !value.is_empty() => self.passed_on.push(("vfs", value.to_owned())),
            "vfs" => return Err(in_url(name, value, "the name of an SQLite VFS")),
            "uri" => self.is_uri = flag()? == "1",
            _ => {
                // Its value is not repeated, as it may be a password.
                let error = unknown(name, &KNOWN, true);
                return Err(error.reworded(format!(
                    "{error} (SQLite's URLs have the pragmas {}, and SQLite's own mode, immutable, nolock, vfs)",
                    pragmas::NAMES
                )));
            }
        }
        Ok(())
    }
}

/// The text after `sqlite:` or `sqlite+anything:`.
fn after_scheme(location: &str) -> Result<&str, Error> {
    location
        .split_once(':')
        .filter(|(scheme, _)| {
            let name = scheme.split_once('+').map_or(*scheme, |(name, _)| name);
            name.eq_ignore_ascii_case("sqlite")
        })
        .map(|(_, rest)| rest)
        // The text is not repeated, as it may be another database's URL with a password in it.
        .ok_or_else(|| malformed(format!("expected one that begins with sqlite: ({SLASHES})")))
}

/// `None` means memory.
fn path(rest: &str) -> Result<Option<PathBuf>, Error> {
    let path = rest
        .strip_prefix("///")
        .or_else(|| rest.strip_prefix("//"))
        .unwrap_or(rest);
    let path = decode(path)?;
    if path.contains('\0') {
        return Err(malformed("a path cannot contain a NUL (%00)"));
    }
    Ok((!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path)))
}

/// The path in `file:app.db`, `file:/var/lib/app.db` or `file:///var/lib/app.db`.
fn of_uri(uri: &Path) -> Option<PathBuf> {
    let path = uri.to_str()?.strip_prefix("file:")?;
    let path = match path.strip_prefix("//") {
        Some(rest) => &rest[rest.find('/')?..],
        None => path,
    };
    Some(PathBuf::from(path))
}

fn decode(text: &str) -> Result<String, Error> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(malformed(
            "its percent-encoded bytes are not UTF-8; for such a file name use SqliteManager::file",
        )),
    }
}

fn in_url(name: &str, value: &str, expected: &str) -> Error {
    Error::setting_in(URL, name, format_args!("{value:?}"), expected)
}

fn malformed(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Settings, format!("invalid SQLite URL: {why}"))
}
