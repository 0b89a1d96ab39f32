//! What the driver knows of a connection and does not tell: it shows in its `Debug` form only (of mysql 28).
//!
//! Read where nothing else can tell, and never believed in the dangerous direction: where the form is not as expected, as
//! it may be in another version, it is as if it had not been looked at. To write it takes 4 to 9 us.

use std::fmt::{self, Write};

use ::mysql::Conn;

/// A connection's buffers, and what the server's last answer said of its transaction.
pub(super) struct Inside {
    buffers_are_empty: Option<bool>,
    in_transaction: Option<bool>,
}

impl Inside {
    pub(super) fn of(connection: &Conn) -> Inside {
        let mut text = Shortened(String::with_capacity(4096));
        // It ends early where a buffer is full of bytes.
        let _ = write!(text, "{connection:?}");
        Inside::from(&text.0)
    }

    fn from(text: &str) -> Inside {
        // In a text that is somebody's, a quote is written with a backslash; so these can be in none.
        let is_empty = |name: &str| match text.contains(&format!("{name}: b\"\"")) {
            true => Some(true),
            false => text.contains(&format!("{name}: b\"")).then_some(false),
        };
        let buffers_are_empty = match (is_empty("in_buf"), is_empty("out_buf")) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        // The last one is the connection's own: what follows it is nobody's text.
        let flags = text
            .rsplit_once(", status_flags: StatusFlags(")
            .and_then(|(_, rest)| rest.split_once(')'))
            // Without an answer to go by, the flags are none.
            .filter(|_| !text.contains(", ok_packet: None, "));
        Inside {
            buffers_are_empty,
            in_transaction: flags.map(|(flags, _)| flags.contains("SERVER_STATUS_IN_TRANS")),
        }
    }

    /// Whether nothing is left of an answer that was not read to its end, or of a statement that was not sent to its end.
    pub(super) fn is_at_rest(&self) -> bool {
        self.buffers_are_empty != Some(false)
    }

    /// Whether the server said so with its last answer. `None`: that was an error, or it cannot be told.
    pub(super) fn is_in_transaction(&self) -> Option<bool> {
        self.in_transaction
    }
}

/// As much as a connection's form takes when its buffers are empty and its statements short.
struct Shortened(String);

impl Shortened {
    const MOST: usize = 1 << 20;
}

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > Shortened::MOST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
