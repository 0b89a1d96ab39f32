//! Settings from a database URL's query.

use percent_encoding::percent_decode_str;

use super::overlay::{Overlay, Written};
use super::provenance::Source;
use super::{Settings, table};
use crate::error::{Error, ErrorKind};

/// What a URL says about the settings.
pub(crate) type UrlSettings = Overlay;

impl Settings {
    /// Takes from the URL what code has not set.
    pub(crate) fn with_url(self, url: &UrlSettings) -> Settings {
        self.overlaid(url, Source::Url)
    }
}

/// Takes our own parameters out of a URL. What is left goes to the driver: everything else stays as it was, byte for
/// byte, except for SQLAlchemy's driver name (`postgresql+psycopg2://` becomes `postgresql://`).
///
/// The first `?` begins the query, so one in a password must be written %3F. Values are percent-decoded (a `+` is a
/// plus). Anything may be passed in; what is no URL comes back unchanged.
///
/// # Errors
/// For a value that does not parse, and for a parameter given twice with different values: the error names the parameter.
/// For parameters that may be the end of a password. The URL is never in an error.
pub(crate) fn split_url(url: &str) -> Result<(String, UrlSettings), Error> {
    let url = without_driver_name(url);
    let mut overlay = Overlay::new();
    let Some((address, rest)) = url.split_once('?') else {
        return Ok((url, overlay));
    };
    let (query, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    // An @ this late may end a password in which a ? was not encoded; then our "values" are pieces of it.
    // What is no URL may be anything with a password, such as libpq's `user=app password=…`.
    let is_a_url = address.contains("://") || address.starts_with("sqlite:");
    let is_secret = rest.contains('@') || !is_a_url;
    let kept = read_query(query, "in the URL", is_secret, &mut overlay)?;
    if is_secret && !overlay.is_empty() && may_be_cut_off(address) {
        return Err(Error::new(
            ErrorKind::Settings,
            "the database URL has an '@' after the first '?', so its parameters may be the end of a password: percent-encode \
             the '?' of the password, or the '@' of the parameter",
        ));
    }
    let rest_of_query = kept.join("&");
    // Without its '?', one in the fragment would begin the query.
    let left = if kept.is_empty() && !fragment.contains('?') {
        format!("{address}{fragment}")
    } else {
        format!("{address}?{rest_of_query}{fragment}")
    };
    Ok((left, overlay.finish()?))
}

/// Reads our parameters into `overlay`; returns the others, `name=value` as they were.
pub(super) fn read_query<'query>(
    query: &'query str,
    place: &str,
    is_secret: bool,
    overlay: &mut Overlay,
) -> Result<Vec<&'query str>, Error> {
    let mut others = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !table::is_name(name) {
            others.push(pair);
            continue;
        }
        let mut written = Written {
            name: format!("{name} {place}"),
            text: value.to_owned(),
            is_secret,
        };
        written.text = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| written.refused("percent-encoded UTF-8 is"))?
            .into_owned();
        overlay.insert(name, written)?;
    }
    Ok(others)
}

/// Whether this may be a user and the beginning of a password.
fn may_be_cut_off(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    !rest.contains('@') && !rest.starts_with(['/', '[']) && rest.contains(':')
}

/// `postgresql+psycopg2://…` without `+psycopg2`.
fn without_driver_name(url: &str) -> String {
    if let Some((scheme, rest)) = url.split_once("://")
        && let Some((database, driver)) = scheme.split_once('+')
        && !database.is_empty()
        && database
            .chars()
            .all(|character| character.is_ascii_alphanumeric())
        && driver
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "+-._".contains(character))
    {
        return format!("{database}://{rest}");
    }
    url.to_owned()
}

#[cfg(test)]
mod tests;
