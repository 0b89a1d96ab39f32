//! The state of a session after its connection was opened, as far as a reset has to restore it: autocommit and the active
//! roles.

use std::collections::HashMap;

use ::mysql::{Conn, Row, Value};
use parking_lot::Mutex;

use super::socket::{Key, key};

/// The state after the login, `init` and the connect hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) autocommit: bool,
    /// As CURRENT_ROLE() returns it. Empty if no role is active, or if the server has no roles.
    pub(super) role: String,
    /// Whether the server is read-only, as it has said at the login.
    pub(super) read_only: Option<bool>,
}

impl Base {
    /// The columns that [`Base::read`] reads. The first comment is code to MySQL 8 and later, and the second to MariaDB since
    /// 10.0.5; each server skips the other's. Older servers have no roles.
    pub(super) const COLUMNS: &str =
        "@@autocommit /*!80000 , CURRENT_ROLE() */ /*M!100005 , CURRENT_ROLE() */";

    /// Reads a row that has these columns, beginning with column `first`.
    pub(super) fn read(row: Option<&Row>, first: usize) -> Base {
        let text = |column| match row.and_then(|row| row.as_ref(column)) {
            Some(Value::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let role = text(first + 1);
        Base {
            autocommit: !matches!(&*text(first), "0" | "OFF"),
            // MySQL says NONE where MariaDB says NULL.
            role: match role.as_str() {
                "NONE" => String::new(),
                _ => role,
            },
            read_only: Some(false),
        }
    }

    fn is_usual(&self) -> bool {
        self.autocommit && self.role.is_empty() && self.read_only == Some(false)
    }

    /// SQL that activates these roles. MySQL returns a list of quoted names, MariaDB one name without quotes.
    pub(super) fn set_role(&self) -> String {
        match self.role.as_str() {
            "" => "SET ROLE NONE".to_owned(),
            quoted if quoted.starts_with('`') => format!("SET ROLE {quoted}"),
            name => format!("SET ROLE `{}`", name.replace('`', "``")),
        }
    }
}

impl Default for Base {
    fn default() -> Self {
        Base {
            autocommit: true,
            role: String::new(),
            read_only: Some(false),
        }
    }
}

/// The few sessions of a pool whose state is not the usual one.
///
/// They are found by the file descriptor of their socket, since the driver's connection has no room for a note. This is safe:
/// sockets that are open at the same time have different descriptors, a connection keeps its socket for as long as it lives, and
/// every connection, usual or not, is noted before its first checkout, which replaces what an earlier socket with the same
/// descriptor has left here. Closed connections leave at most one entry for each descriptor.
#[derive(Debug, Default)]
pub(super) struct Bases(Mutex<HashMap<Key, Base>>);

impl Bases {
    pub(super) fn note(&self, connection: &Conn, base: Base) {
        let socket = key(connection);
        let mut unusual = self.0.lock();
        match base.is_usual() {
            true => unusual.remove(&socket),
            false => unusual.insert(socket, base),
        };
    }

    pub(super) fn of(&self, connection: &Conn) -> Base {
        let unusual = self.0.lock();
        unusual.get(&key(connection)).cloned().unwrap_or_default()
    }
}
