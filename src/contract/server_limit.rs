//! How many connections a server takes.

/// How many connections a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServerLimit {
    /// In all, over all its clients: `max_connections` on PostgreSQL, MySQL and MariaDB.
    pub max_connections: u64,
    /// Kept back for administrators, within `max_connections`: `superuser_reserved_connections` and
    /// `reserved_connections` on PostgreSQL. MySQL and MariaDB admit one administrator beyond `max_connections`: 0.
    pub reserved: u64,
}

impl ServerLimit {
    /// A limit of `max_connections`, of which `reserved` are kept back.
    #[must_use]
    pub fn new(max_connections: u64, reserved: u64) -> Self {
        ServerLimit {
            max_connections,
            reserved,
        }
    }

    /// What is left for applications.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// How many pools of this capacity fit, when nobody else connects.
    #[must_use]
    pub fn instances_of(&self, capacity: u64) -> u64 {
        self.available() / capacity.max(1)
    }

    /// How many connections are left when as many pools of this capacity as fit are full.
    #[must_use]
    pub fn remaining_of(&self, capacity: u64) -> u64 {
        self.available() % capacity.max(1)
    }
}
