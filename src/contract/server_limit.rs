//! How many connections a server accepts.

/// How many connections a server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ServerLimit {
    /// The limit for all clients together: `max_connections` on PostgreSQL, MySQL and MariaDB.
    pub max_connections: u64,
    /// The part of `max_connections` that is reserved for administrators: `superuser_reserved_connections` plus
    /// `reserved_connections` on PostgreSQL; 0 on MySQL and MariaDB, which admit one administrator beyond `max_connections`.
    pub reserved: u64,
    /// The least limit for the pool's own user or database, where there is one: `CONNECTION LIMIT` of the role and the database on
    /// PostgreSQL, `max_user_connections` on MySQL and MariaDB.
    pub for_user_or_database: Option<u64>,
}

impl ServerLimit {
    /// A limit of `max_connections`, of which `reserved` are reserved for administrators.
    #[must_use]
    pub fn new(max_connections: u64, reserved: u64) -> Self {
        ServerLimit {
            max_connections,
            reserved,
            for_user_or_database: None,
        }
    }

    /// The same, where the pool's user or database may have no more than this.
    #[must_use]
    pub fn with_limit_for_user_or_database(mut self, limit: Option<u64>) -> Self {
        self.for_user_or_database = limit;
        self
    }

    /// What is left for applications: the least of the limits.
    #[must_use]
    pub fn available(&self) -> u64 {
        let of_all = self.max_connections.saturating_sub(self.reserved);
        self.for_user_or_database
            .map_or(of_all, |limit| limit.min(of_all))
    }

    /// How many pools of this capacity fit into the limit if nobody else connects.
    #[must_use]
    pub fn instances_of(&self, capacity: u64) -> u64 {
        self.available() / capacity.max(1)
    }

    /// How many connections are left if as many pools of this capacity as fit are full.
    #[must_use]
    pub fn remaining_of(&self, capacity: u64) -> u64 {
        self.available() % capacity.max(1)
    }
}
