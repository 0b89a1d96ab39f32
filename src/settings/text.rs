//! Settings as text, in the form of a URL's query.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::overlay::Overlay;
use super::provenance::Source;
use super::table::{self, ROWS};
use super::url::read_query;
use super::value::{Form, Ping, PoolMode, PoolRole, Reset};
use super::{Mode, PrePing, ResetOnReturn, Role, Settings};
use crate::error::{Error, ErrorKind, NOT_SHOWN};

/// Everything is encoded that needs it anywhere, and `+` too, which some read as a space.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Where a setting was written, in errors.
const PLACE: &str = "the settings text";

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

/// The default preset with the settings that the text names, which count as set in code.
impl FromStr for Settings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut overlay = Overlay::new();
        let is_secret = text.contains('@') || text.contains("://");
        let others = read_query(text, PLACE, is_secret, &mut overlay)?;
        if let Some(other) = others.iter().find(|other| !other.is_empty()) {
            let position = text.split('&').position(|pair| pair == *other);
            return Err(unknown(other, position.unwrap_or_default() + 1, is_secret));
        }
        Ok(Settings::default().overlaid(&overlay.finish()?, Source::Code))
    }
}

/// The words of a choice, as a URL and the environment have them.
macro_rules! choices {
    ($($(#[$doc:meta])* $choice:ident: $name:literal by $read:expr, $print:expr, $expected:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Settings for any other word.
        impl FromStr for $choice {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                $read(text).ok_or_else(|| Error::setting($name, format_args!("{text:?}"), $expected))
            }
        }

        /// The word that `from_str` reads.
        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$print(self))
            }
        }
    )*};
}

choices! {
    /// `queue` or `null`. The setting also knows `auto`, for the driver's own choice, which is `None` in
    /// [`Settings::mode`](field@Settings::mode).
    Mode: "pool_mode" by |text| PoolMode::parse(text).flatten(), |mode: &Mode| PoolMode::print(&Some(*mode)), "queue or null";
    /// `true`, `false`, `never`, `always`, or a time such as `2s`.
    PrePing: "pool_pre_ping" by Ping::parse, Ping::print, Ping::EXPECTED;
    /// `never`, `rollback` or `full`.
    ResetOnReturn: "reset_on_return" by Reset::parse, Reset::print, Reset::EXPECTED;
    /// `any`, `primary` or `replica`.
    Role: "role" by PoolRole::parse, PoolRole::print, PoolRole::EXPECTED;
}

/// The text may be a URL by mistake, or another with a password in it. So a name is repeated only where it is plain which
/// setting was meant; for any other, its position must do.
fn unknown(pair: &str, position: usize, is_secret: bool) -> Error {
    let name = pair.split_once('=').map(|(name, _)| name);
    let meant = name
        .filter(|_| !is_secret)
        .and_then(|name| table::meant(name, &[]));
    let text = match (name, meant) {
        (Some(name), Some(meant)) => {
            format!("unknown setting {name:?} in {PLACE}: expected {meant}")
        }
        _ => format!(
            "unknown setting {NOT_SHOWN} in {PLACE}, pair {position}: expected name=value&name=value with the names of a \
             URL's parameters, such as pool_size=5&max_overflow=10"
        ),
    };
    Error::new(ErrorKind::Settings, text)
}
