//! What the driver knows about a connection but shows only in its `Debug` form (of mysql 28).
//!
//! It is read where nothing else can tell, and never believed in the dangerous direction: if the form is not as expected, as
//! it may be in another version, the result is the same as if nothing had been read. Writing the form takes 1 to 4 µs, so it is
//! written only as far as it is needed.

use std::fmt::{self, Write};

use ::mysql::Conn;

/// Whether there is no rest of an answer that was not read to its end, nor of a statement that was not sent to its end.
pub(super) fn is_at_rest(connection: &Conn) -> bool {
    // The field after the buffers.
    are_empty(&form(connection, "codec")) != Some(false)
}

/// Whether the server's last answer said that a transaction is open. `None` if that answer was an error, or if the form could not be
/// read. A `false` proves little (`MySqlManager::roll_back` says why).
pub(super) fn is_in_transaction(connection: &Conn) -> Option<bool> {
    // The field after the flags.
    let form = form(connection, "character_set");
    // The last occurrence is the connection's own, since no user's text follows it.
    let (before, flags) = form.rsplit_once(", status_flags: StatusFlags(")?;
    // Without a good answer the flags mean nothing.
    let is_known = !before.contains(", ok_packet: None, ");
    is_known.then(|| flags.contains("SERVER_STATUS_IN_TRANS"))
}

/// The version of a MariaDB that tells old clients that it is 5.5.5, as those before 11 do.
pub(super) fn mariadb_version(connection: &Conn) -> Option<(u16, u16, u16)> {
    // The field after it.
    let form = form(connection, "ok_packet");
    // No user's text follows it.
    let (_, version) = form.rsplit_once(", mariadb_server_version: Some((")?;
    let (version, _) = version.split_once("))")?;
    let mut parts = version.split(", ").map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Whether nothing waits in the driver's buffers. The password and other texts of the user come before this in the form, but
/// inside a text, Debug writes a quote with a backslash, so the pattern cannot occur there.
fn are_empty(form: &str) -> Option<bool> {
    let (_, input) = form.split_once(" in_buf: b\"")?;
    if !input.starts_with('"') {
        return Some(false);
    }
    let output = input.strip_prefix("\", out_buf: b\"")?;
    Some(output.starts_with('"'))
}

/// The `Debug` form of a connection up to this field.
fn form(connection: &Conn, end: &'static str) -> String {
    let mut form = Shortened {
        text: String::with_capacity(4096),
        end,
    };
    // It fails where the form is cut short.
    let _ = write!(form, "{connection:?}");
    form.text
}

/// A text that ends before the name of a certain field, or at a limit.
struct Shortened {
    text: String,
    end: &'static str,
}

impl Shortened {
    /// More than the form of a connection takes if its buffers are empty and its statements short.
    const MOST: usize = 1 << 20;
}

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Before a text of the user there would be a quote.
        let is_end = text == self.end && self.text.ends_with(", ");
        if is_end || self.text.len() + text.len() > Shortened::MOST {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}
