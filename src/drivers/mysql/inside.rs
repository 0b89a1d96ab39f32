//! What the driver knows about a connection but shows only in its `Debug` form (of mysql 28).
//!
//! It is read where nothing else can tell, and never believed in the dangerous direction: if the form is not as expected, as
//! it may be in another version, the result is the same as if nothing had been read. Writing the form takes 4 to 9 µs.

use std::fmt::{self, Write};

use ::mysql::Conn;

/// The state of a connection's buffers, and what the server's last answer said about its transaction.
pub(super) struct Inside {
    buffers_are_empty: Option<bool>,
    in_transaction: Option<bool>,
}

impl Inside {
    pub(super) fn of(connection: &Conn) -> Inside {
        let mut text = Shortened(String::with_capacity(4096));
        // It is cut short if a buffer is full of bytes.
        let _ = write!(text, "{connection:?}");
        Inside::from(&text.0)
    }

    fn from(text: &str) -> Inside {
        // Inside a user's text, Debug writes a quote with a backslash, so these patterns cannot occur there.
        let is_empty = |name: &str| match text.contains(&format!("{name}: b\"\"")) {
            true => Some(true),
            false => text.contains(&format!("{name}: b\"")).then_some(false),
        };
        let buffers_are_empty = match (is_empty("in_buf"), is_empty("out_buf")) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        // The last occurrence is the connection's own, since no user's text follows it.
        let flags = text
            .rsplit_once(", status_flags: StatusFlags(")
            .and_then(|(_, rest)| rest.split_once(')'))
            // If there was no good answer, the flags mean nothing.
            .filter(|_| !text.contains(", ok_packet: None, "));
        Inside {
            buffers_are_empty,
            in_transaction: flags.map(|(flags, _)| flags.contains("SERVER_STATUS_IN_TRANS")),
        }
    }

    /// Whether there is no rest of an answer that was not read to its end, nor of a statement that was not sent to its end.
    pub(super) fn is_at_rest(&self) -> bool {
        self.buffers_are_empty != Some(false)
    }

    /// Whether the server's last answer said that a transaction is open. `None` if that answer was an error, or if the form could
    /// not be read.
    pub(super) fn is_in_transaction(&self) -> Option<bool> {
        self.in_transaction
    }
}

/// A text of limited length. The limit is more than the form of a connection takes if its buffers are empty and its statements
/// short.
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
