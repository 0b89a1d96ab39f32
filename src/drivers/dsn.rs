//! Prepares database URLs for the driver that parses them: parameters that the driver would refuse or misread are taken out
//! here, and passwords are removed from its complaints.

mod hosts;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
#[cfg(feature = "postgres")]
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::scheme::is_anothers;
use super::unknown::unknown;
use crate::error::{Error, ErrorKind, URL};
use crate::settings::bare;

/// A database URL in three pieces: the driver's own scheme, everything up to the query, and the parameters of the query.
pub(crate) struct Dsn<'a> {
    url: &'a str,
    scheme: &'static str,
    body: Cow<'a, str>,
    parameters: Vec<Parameter<'a>>,
}

/// One `key=value` of the query, as it was written.
struct Parameter<'a> {
    raw: Cow<'a, str>,
}

impl Parameter<'_> {
    fn key(&self) -> Cow<'_, str> {
        decode(self.raw.split_once('=').map_or(&*self.raw, |(key, _)| key))
    }

    fn value(&self) -> Cow<'_, str> {
        decode(self.raw.split_once('=').map_or("", |(_, value)| value))
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

impl<'a> Dsn<'a> {
    /// Takes `url` apart if its scheme is one of `schemes`, the first of which is the one that the driver itself understands.
    /// A `+driver` after the scheme, as SQLAlchemy writes it, is ignored.
    ///
    /// `userinfo_first` says that the driver looks for the `@` before it looks for the query; then a password may contain an
    /// unescaped `?`. A URL that can be read in two ways is refused if one of them takes a piece of the password for something
    /// that is shown.
    pub(crate) fn parse(
        url: &'a str,
        schemes: &[&'static str],
        userinfo_first: bool,
    ) -> Result<Self, Error> {
        let url = bare(url)?;
        if let Some(error) = is_anothers(url) {
            return Err(error);
        }
        let own = schemes.first().copied().unwrap_or_default();
        let form = format!("{own}://user:password@host:port/database?parameter=value");
        if url.is_empty() {
            return Err(Error::new(
                ErrorKind::Settings,
                format!("invalid database URL: it is empty; expected {form}"),
            ));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::new(
                ErrorKind::Settings,
                format!("invalid database URL: it has no scheme; expected {form}"),
            ));
        };
        let name = scheme.split('+').next().unwrap_or_default();
        if !schemes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Error::new(
                ErrorKind::Settings,
                format!(
                    "invalid database URL: its scheme is not {}; expected {form}",
                    schemes.join(" or ")
                ),
            ));
        }
        let userinfo =
            userinfo_end(rest, userinfo_first).map_err(|complaint| refused(own, complaint))?;
        if userinfo.is_some_and(|end| is_placeholder(&rest[..end])) {
            return Err(refused(
                own,
                "the password is a placeholder in brackets: expected the password itself, without brackets",
            ));
        }
        let searched_from = userinfo.filter(|_| userinfo_first).unwrap_or(0);
        let (body, query) = match rest[searched_from..].find('?') {
            Some(at) => (&rest[..searched_from + at], &rest[searched_from + at + 1..]),
            None => (rest, ""),
        };
        Ok(Dsn {
            url,
            scheme: own,
            body: Cow::Borrowed(body),
            parameters: query
                .split('&')
                .filter(|raw| !raw.is_empty())
                .map(|raw| Parameter {
                    raw: Cow::Borrowed(raw),
                })
                .collect(),
        })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.parameters.iter().any(|known| known.key() == key)
    }

    /// Takes out every parameter whose key `wanted` accepts, and returns the keys and values, decoded.
    pub(crate) fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        self.parameters
            .extract_if(.., |parameter| wanted(&parameter.key()))
            .map(|taken| (taken.key().into_owned(), taken.value().into_owned()))
            .collect()
    }

    /// Renames the parameter `from` to the name under which the driver knows it.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        for parameter in &mut self.parameters {
            if parameter.key() == from {
                let value = parameter.raw.split_once('=').map_or("", |(_, value)| value);
                parameter.raw = Cow::Owned(format!("{to}={value}"));
            }
        }
    }

    /// Adds a parameter.
    #[cfg(feature = "postgres")]
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        let raw = Cow::Owned(format!("{key}={value}"));
        self.parameters.push(Parameter { raw });
    }

    /// Takes out every parameter of this name, for which the driver has one answer only.
    ///
    /// # Errors
    /// Settings for a value that is not `accepted`.
    pub(crate) fn take_only(
        &mut self,
        key: &str,
        accepted: impl Fn(&str) -> bool,
        expected: impl fmt::Display,
    ) -> Result<(), Error> {
        let taken = self.take(|name| name == key);
        match taken.iter().find(|(_, value)| !accepted(value)) {
            Some((_, other)) => {
                let value = format_args!("{other:?}");
                Err(Error::setting_in(URL, key, value, expected))
            }
            None => Ok(()),
        }
    }

    /// In the value of this parameter, which is command line arguments, every `+` becomes a space if it was encoded as a form: if
    /// some `+` can be nothing else, as in `-c+name=value`.
    #[cfg(feature = "postgres")]
    pub(crate) fn read_arguments_of_a_form(&mut self, key: &str) {
        for parameter in &mut self.parameters {
            let raw = &parameter.raw;
            let is_a_form = ["-c+", "+-c", "+--"].iter().any(|sign| raw.contains(sign));
            if parameter.key() == key && is_a_form {
                parameter.raw = Cow::Owned(raw.replace('+', "%20"));
            }
        }
    }

    /// Refuses the first parameter that is not in `known`, with what to write in its place.
    pub(crate) fn check_known(&self, known: &[&'static str]) -> Result<(), Error> {
        let keys = self.parameters.iter().map(Parameter::key);
        let Some(key) = { keys }.find(|key| !known.contains(&&**key)) else {
            return Ok(());
        };
        let may_show =
            !key.is_empty() && !self.secrets().iter().any(|secret| secret.contains(&*key));
        Err(unknown(&key, known, may_show))
    }

    /// The URL for the driver, with the parameters that are left.
    pub(crate) fn for_driver(&self) -> String {
        let mut url = format!("{}://{}", self.scheme, self.body);
        for (index, parameter) in self.parameters.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            // tokio-postgres takes the first @ of the whole URL for the end of the password.
            url.push_str(&parameter.raw.replace('@', "%40"));
        }
        url
    }

    /// The driver's complaint about this URL, as an error of kind Settings. Drivers quote the words that they stumble over, and in
    /// a URL whose password contains an unescaped `@`, `/` or `?`, such a word can be a part of the password.
    pub(crate) fn refused(&self, complaint: &str) -> Error {
        let secrets = self.secrets();
        let text: String = complaint
            .split_inclusive(['`', '\''])
            .map(|piece| {
                let word = piece.trim_end_matches(['`', '\'']);
                match secrets.iter().any(|secret| secret.contains(word)) && !word.is_empty() {
                    true => piece.replacen(word, "***", 1),
                    false => piece.to_owned(),
                }
            })
            .collect();
        refused(self.scheme, &text)
    }

    /// Everything that may be or contain a password, both as written and decoded.
    fn secrets(&self) -> Vec<String> {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let userinfo = rest.rsplit_once('@').map_or("", |(before, _)| before);
        let password = userinfo.split_once(':').map_or("", |(_, after)| after);
        let mut secrets = vec![password.to_owned(), decode(password).into_owned()];
        // What follows an unescaped `&` in a password and has no `=`, up to the next parameter that has one: PostgreSQL's driver
        // reads all of it as one key, MySQL's driver reads each piece as a key, with a space for each `+`.
        let mut rest: Option<String> = None;
        for parameter in &self.parameters {
            if let Some(rest) = &mut rest {
                match parameter.raw.split_once('=') {
                    None => rest.extend([&*parameter.raw, "&"]),
                    Some(_) if rest.is_empty() => {}
                    Some((key, _)) => {
                        rest.push_str(key);
                        secrets.extend(spellings(std::mem::take(rest)));
                    }
                }
            }
            let key = parameter.key().to_ascii_lowercase();
            if key.contains("pass") || key.contains("pwd") {
                secrets.push(parameter.value().into_owned());
                rest.get_or_insert_default();
            }
        }
        secrets.extend(spellings(rest.unwrap_or_default()));
        secrets
    }
}

/// The text as it is written, and as each of the drivers reads it.
fn spellings(raw: String) -> [String; 3] {
    let as_a_form = decode(&raw.replace('+', " ")).into_owned();
    [decode(&raw).into_owned(), as_a_form, raw]
}

/// Whether the password of `user:password` stands in brackets and says that it is none, as consoles print it: `[YOUR-PASSWORD]`.
fn is_placeholder(userinfo: &str) -> bool {
    let password = decode(
        userinfo
            .split_once(':')
            .map_or("", |(_, password)| password),
    );
    let inside = [('[', ']'), ('<', '>'), ('{', '}')]
        .iter()
        .find_map(|(open, close)| password.strip_prefix(*open)?.strip_suffix(*close));
    let words: Option<String> = inside.map(|inside| inside.replace(['-', '_', ' '], ""));
    words.is_some_and(|words| {
        ["password", "yourpassword", "dbpassword", "yourdbpassword"]
            .contains(&&*words.to_ascii_lowercase())
    })
}

fn refused(scheme: &str, complaint: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!(
            "invalid database URL: {complaint}; expected {scheme}://user:password@host:port/database?parameter=value, with \
             special characters of the password percent-encoded"
        ),
    )
}

/// The position of the `@` that ends the user and password, if there is one.
fn userinfo_end(rest: &str, userinfo_first: bool) -> Result<Option<usize>, &'static str> {
    const ENCODE: &str = "an '@', '/', '?' or '#' in the user or password, or an '@' after them, is not percent-encoded";
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let in_authority = match userinfo_first {
        true => authority.find('@'),
        false => authority.rfind('@'),
    };
    let end = match (in_authority, after.find('@')) {
        (Some(end), _) => end,
        (None, None) => return Ok(None),
        (None, Some(later))
            if (!authority.contains(':') || authority.starts_with('['))
                && after[..later].contains('?') =>
        {
            return Ok(None);
        }
        (None, Some(later)) if userinfo_first && !are_hosts_with_ports(authority) => {
            authority.len() + later
        }
        (None, Some(_)) => return Err(ENCODE),
    };
    let address = rest[end + 1..].split('?').next().unwrap_or_default();
    match address.contains('@') {
        true => Err(ENCODE),
        false => Ok(Some(end)),
    }
}

/// Whether this is a list of hosts with ports, and so not a user with the beginning of a password, as far as anybody can tell.
fn are_hosts_with_ports(authority: &str) -> bool {
    authority.split(',').all(|host| {
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        host.ends_with(']') || port.chars().all(|digit| digit.is_ascii_digit())
    })
}
