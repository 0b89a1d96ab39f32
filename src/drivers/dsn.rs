//! Database URLs, looked at before the driver parses them: parameters that a driver would refuse or misread are taken
//! out here, and its complaints are cleared of passwords.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::{Error, ErrorKind};

/// A database URL in three pieces: the driver's own scheme, everything up to the query, and the query's parameters.
pub(crate) struct Dsn<'a> {
    url: &'a str,
    scheme: &'static str,
    body: &'a str,
    parameters: Vec<Parameter<'a>>,
}

/// One `key=value` of the query, as written.
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
    /// Takes `url` apart if its scheme is one of `schemes`; the first of them is what the driver itself understands.
    /// A `+driver` after the scheme, as SQLAlchemy writes it, is ignored.
    ///
    /// A password may contain an unescaped `?` where `userinfo_first` says that the driver looks for the `@` before it
    /// looks for the query. A URL that can be read in two ways, one of which takes a piece of the password for something
    /// that is shown, is refused.
    pub(crate) fn parse(
        url: &'a str,
        schemes: &[&'static str],
        userinfo_first: bool,
    ) -> Result<Self, Error> {
        let own = schemes.first().copied().unwrap_or_default();
        let form = format!("{own}://user:password@host:port/database?parameter=value");
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::new(
                ErrorKind::Settings,
                format!("the database URL has no scheme; write {form}"),
            ));
        };
        let name = scheme.split('+').next().unwrap_or_default();
        if !schemes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Error::new(
                ErrorKind::Settings,
                format!("the database URL's scheme is not one of {schemes:?}; write {form}"),
            ));
        }
        let searched_from = match userinfo_end(rest, userinfo_first) {
            Ok(end) => end.filter(|_| userinfo_first).unwrap_or(0),
            Err(complaint) => return Err(refused(own, complaint)),
        };
        let (body, query) = match rest[searched_from..].find('?') {
            Some(at) => (&rest[..searched_from + at], &rest[searched_from + at + 1..]),
            None => (rest, ""),
        };
        Ok(Dsn {
            url,
            scheme: own,
            body,
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

    /// Takes out every parameter whose key `wanted` accepts, and returns their keys and values, decoded.
    pub(crate) fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        self.parameters
            .extract_if(.., |parameter| wanted(&parameter.key()))
            .map(|taken| (taken.key().into_owned(), taken.value().into_owned()))
            .collect()
    }

    /// Gives the parameter `from` the name that the driver knows it by.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        for parameter in &mut self.parameters {
            if parameter.key() == from {
                let value = parameter.raw.split_once('=').map_or("", |(_, value)| value);
                parameter.raw = Cow::Owned(format!("{to}={value}"));
            }
        }
    }

    /// The URL for the driver, with what is left of the query.
    pub(crate) fn for_driver(&self) -> String {
        let mut url = format!("{}://{}", self.scheme, self.body);
        for (index, parameter) in self.parameters.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            // tokio-postgres would take the first @ of all for the end of a password.
            url.push_str(&parameter.raw.replace('@', "%40"));
        }
        url
    }

    /// The driver's complaint about this URL as an error of kind Settings. Drivers quote the words they stumble over,
    /// and in a URL whose password contains an unescaped `@`, `/` or `?` such a word can be a part of the password.
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

    /// All that may be, or contain, a password: as written and decoded.
    fn secrets(&self) -> Vec<String> {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let userinfo = rest.rsplit_once('@').map_or("", |(before, _)| before);
        let password = userinfo.split_once(':').map_or("", |(_, after)| after);
        let mut secrets = vec![password.to_owned(), decode(password).into_owned()];
        // What follows an unescaped `&` of a password and has no `=`, up to the next one: PostgreSQL's driver reads all of it
        // as one key, MySQL's as a key each, with spaces for each `+`.
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

/// As written, and as the drivers read it.
fn spellings(raw: String) -> [String; 3] {
    let as_a_form = decode(&raw.replace('+', " ")).into_owned();
    [decode(&raw).into_owned(), as_a_form, raw]
}

fn refused(scheme: &str, complaint: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!(
            "the database URL is not accepted: {complaint}. Write {scheme}://user:password@host:port/database?parameter=value, \
             with special characters of the password percent-encoded"
        ),
    )
}

/// Where the `@` stands that ends the user and password, if there is one.
fn userinfo_end(rest: &str, userinfo_first: bool) -> Result<Option<usize>, &'static str> {
    const ENCODE: &str = "an '@', '/', '?' or '#' of the user or password, or an '@' after them, is not percent-encoded";
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

/// Then it is not a user with the beginning of a password, or at least nobody can tell.
fn are_hosts_with_ports(authority: &str) -> bool {
    authority.split(',').all(|host| {
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        host.ends_with(']') || port.chars().all(|digit| digit.is_ascii_digit())
    })
}
