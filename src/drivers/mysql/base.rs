//! What a session was like when its connection had been opened, as far as a reset has to restore it: autocommit, and the
//! roles that are active.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};

use ::mysql::{Conn, Row, Value};
use parking_lot::Mutex;

/// After login, `init` and the connect hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) autocommit: bool,
    /// As CURRENT_ROLE() tells it; empty: none, or a server that has no roles.
    pub(super) role: String,
}

impl Base {
    /// The columns that [`Base::read`] reads. The comments are code to MySQL 8 and later, and to MariaDB since 10.0.5,
    /// each of which skips the other's; older servers have no roles.
    pub(super) const COLUMNS: &str =
        "@@autocommit /*!80000 , CURRENT_ROLE() */ /*M!100005 , CURRENT_ROLE() */";

    /// From a row that has those columns from this one on.
    pub(super) fn read(row: Option<&Row>, first: usize) -> Base {
        let text = |column| match row.and_then(|row| row.as_ref(column)) {
            Some(Value::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let role = text(first + 1);
        Base {
            autocommit: !matches!(&*text(first), "0" | "OFF"),
            // MySQL's word where MariaDB says NULL.
            role: match role.as_str() {
                "NONE" => String::new(),
                _ => role,
            },
        }
    }

    fn is_usual(&self) -> bool {
        self.autocommit && self.role.is_empty()
    }

    /// SQL that makes these the active roles. MySQL tells a list of quoted names, MariaDB one that is not quoted.
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
        }
    }
}

/// The few sessions of a pool that are not as usual.
///
/// They are found by the number of their socket, since the driver's connection has no room for a note. Of the sockets that
/// are open at one time each has its own number, and every connection is noted, as usual or not, before it is lent for the
/// first time: so what an earlier socket of the same number has left here is gone by then. A connection keeps its socket for as
/// long as it lives. What is left of connections that are closed is at most one entry for each number there was.
#[derive(Debug, Default)]
pub(super) struct Bases(Mutex<HashMap<RawFd, Base>>);

impl Bases {
    pub(super) fn note(&self, connection: &Conn, base: Base) {
        let socket = connection.as_raw_fd();
        let mut unusual = self.0.lock();
        match base.is_usual() {
            true => unusual.remove(&socket),
            false => unusual.insert(socket, base),
        };
    }

    pub(super) fn of(&self, connection: &Conn) -> Base {
        let unusual = self.0.lock();
        unusual
            .get(&connection.as_raw_fd())
            .cloned()
            .unwrap_or_default()
    }
}
