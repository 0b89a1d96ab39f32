//! Settings from a database URL's query.

use percent_encoding::percent_decode_str;

use super::overlay::{Overlay, Written};
use super::provenance::Source;
use super::role::TARGET_SESSION_ATTRS;
use super::{Settings, table};
use crate::error::{Error, ErrorKind, URL};

/// What a URL says about the settings.
pub(crate) type UrlSettings = Overlay;

impl Settings {
    /// For tests: what the driver would get of the URL, and the default preset with what the URL sets.
    #[doc(hidden)]
    pub fn from_url(url: &str) -> Result<(String, Self), Error> {
        let (left, parameters) = split_url(url)?;
        Ok((left, Settings::default().with_url(&parameters)))
    }

    /// Takes from the URL whatever code has not set.
    pub(crate) fn with_url(self, url: &UrlSettings) -> Settings {
        self.overlaid(url, Source::Url)
    }
}

/// The text without the white space and the quotes around it, which are left there by files that are not read by a shell and by
/// secrets with a line feed at their end. To mean one of them, percent-encode it.
///
/// # Errors
/// Settings for a quote at one end only. The text itself is not in the error.
pub(crate) fn bare(text: &str) -> Result<&str, Error> {
    const QUOTES: [char; 3] = ['"', '\'', '`'];
    let is_space = |character: char| character.is_whitespace() || character == '\u{feff}';
    let mut inside = text.trim_matches(is_space);
    loop {
        let begins = QUOTES.iter().find(|quote| inside.starts_with(**quote));
        let ends = QUOTES.iter().find(|quote| inside.ends_with(**quote));
        let (quote, end) = match (begins, ends) {
            (None, None) => return Ok(inside),
            (Some(begin), Some(end)) if begin == end && inside.len() > 1 => {
                inside = inside[1..inside.len() - 1].trim_matches(is_space);
                continue;
            }
            (Some(begin), _) => (begin, "beginning"),
            (None, Some(quote)) => (quote, "end"),
        };
        return Err(Error::new(
            ErrorKind::Settings,
            format!(
                "invalid database URL: there is a quotation mark ({quote}) at its {end} only: expected none, or one at each \
                 end; inside the URL it is written %{:02X}",
                u32::from(*quote)
            ),
        ));
    }
}

/// Takes our own parameters out of a URL. The rest goes to the driver and stays as it was, byte for byte, except that
/// SQLAlchemy's driver name is dropped (`postgresql+psycopg2://` becomes `postgresql://`), as is what is [around](bare) it.
///
/// The first `?` begins the query, so one in a password must be written %3F. Values are percent-decoded (a `+` is a
/// plus). Any text may be passed in; one that is not a URL comes back unchanged.
///
/// # Errors
/// Settings for a value that does not parse and for a parameter given twice with different values, in which case the error
/// names the parameter; for parameters that may be the end of a password, and for a quote at one end. The URL itself is never in
/// an error.
pub(crate) fn split_url(url: &str) -> Result<(String, UrlSettings), Error> {
    let url = without_driver_name(bare(url)?);
    let mut overlay = Overlay::new();
    let Some((address, rest)) = url.split_once('?') else {
        return Ok((url, overlay));
    };
    let (query, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    // An @ this late may end a password in which a ? was not encoded. Then our "values" are pieces of that password.
    // A text that is not a URL may be anything that has a password in it, such as libpq's `user=app password=…`.
    let is_a_url = address.contains("://") || address.starts_with("sqlite:");
    let is_secret = rest.contains('@') || !is_a_url;
    let kept = read_query(query, URL, is_secret, &mut overlay)?;
    if is_secret && !overlay.is_empty() && may_be_cut_off(address) {
        return Err(Error::new(
            ErrorKind::Settings,
            "invalid database URL: it has an '@' after the first '?', so its parameters may be the end of a password: expected \
             the '?' of the password to be percent-encoded, or the '@' of the parameter",
        ));
    }
    let attrs = kept
        .iter()
        .find_map(|pair| pair.strip_prefix(TARGET_SESSION_ATTRS)?.strip_prefix('='));
    if let Some(word) = attrs {
        overlay.note_session_attrs(percent_decode_str(word).decode_utf8_lossy().into_owned());
    }
    let rest_of_query = kept.join("&");
    // If this '?' were left out, one in the fragment would begin the query.
    let left = if kept.is_empty() && !fragment.contains('?') {
        format!("{address}{fragment}")
    } else {
        format!("{address}?{rest_of_query}{fragment}")
    };
    Ok((left, overlay.finish()?))
}

/// Reads our parameters into `overlay` and returns the others unchanged, each as `name=value`. `place` is for errors.
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
            name: name.to_owned(),
            place: place.to_owned(),
            text: value.to_owned(),
            is_secret,
        };
        written.text = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| written.refused("percent-encoded UTF-8"))?
            .into_owned();
        overlay.insert(written)?;
    }
    Ok(others)
}

/// Whether this may be a user name and the beginning of a password.
fn may_be_cut_off(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    !rest.contains('@') && !rest.starts_with(['/', '[']) && rest.contains(':')
}

/// Turns `postgresql+psycopg2://…` into `postgresql://…`.
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
