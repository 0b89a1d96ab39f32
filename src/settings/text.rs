//! Settings as text, in the form of a URL's query.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Settings;
use super::overlay::Overlay;
use super::provenance::Source;
use super::table::ROWS;
use super::url::read_query;
use crate::error::{Error, ErrorKind};

/// Everything but what needs no encoding anywhere; a `+`, which some read as a space, is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// All settings, as parameters of a URL: `pool_size=10&max_overflow=20&pool_timeout=30s&…`.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, row) in ROWS.iter().enumerate() {
            let separator = if position == 0 { "" } else { "&" };
            let value = (row.print)(self);
            let value = utf8_percent_encode(&value, ENCODED);
            write!(f, "{separator}{}={value}", row.name)?;
        }
        Ok(())
    }
}

/// The default preset with what the text says, which counts as set in code.
impl FromStr for Settings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut overlay = Overlay::new();
        let is_secret = text.contains('@') || text.contains("://");
        let others = read_query(text, "in the text", is_secret, &mut overlay)?;
        if others.iter().any(|other| !other.is_empty()) {
            // The text may be a URL by mistake, so what was found is not repeated.
            return Err(Error::new(
                ErrorKind::Settings,
                "the text of settings names one that there is not: it is name=value&name=value with the names of a URL's \
                 parameters, such as pool_size=5&max_overflow=10",
            ));
        }
        Ok(Settings::default().overlaid(&overlay.finish()?, Source::Code))
    }
}
