//! How many connections the server accepts, and how many more it would accept now.

use mysql::prelude::Queryable;
use mysql::{Conn, Error as MyError};

use super::MySqlManager;
use crate::contract::server_limit::ServerLimit;

/// In a session, max_user_connections is what holds for its account; 0 means no limit.
const LIMITS: &str = "SELECT @@max_connections, @@session.max_user_connections";

const CONNECTED: &str = "SHOW GLOBAL STATUS LIKE 'Threads_connected'";

/// Without the privilege PROCESS a user sees its own sessions alone, which are the ones that count.
const OWN: &str = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = SUBSTRING_INDEX(USER(), '@', 1)";

impl MySqlManager {
    pub(super) fn server_limit(
        &self,
        connection: &mut Conn,
    ) -> Result<Option<ServerLimit>, MyError> {
        let limits = self.limits(connection)?;
        Ok(limits.map(|(all, own)| ServerLimit::new(all, 0).with_limit_for_user_or_database(own)))
    }

    /// That of the server, and that of the account if it has one.
    fn limits(&self, connection: &mut Conn) -> Result<Option<(u64, Option<u64>)>, MyError> {
        self.note(LIMITS);
        let limits: Option<(u64, u64)> = connection.query_first(LIMITS)?;
        Ok(limits.map(|(all, own)| (all, Some(own).filter(|own| *own > 0))))
    }

    /// The least of what the server and the account have left.
    pub(super) fn connections_left(&self, connection: &mut Conn) -> Result<Option<u64>, MyError> {
        let Some((all, own)) = self.limits(connection)? else {
            return Ok(None);
        };
        self.note(CONNECTED);
        let connected: Option<(String, u64)> = connection.query_first(CONNECTED)?;
        let Some((_, connected)) = connected else {
            return Ok(None);
        };
        let left = all.saturating_sub(connected);
        let Some(own) = own else {
            return Ok(Some(left));
        };
        self.note(OWN);
        let open: Option<u64> = connection.query_first(OWN)?;
        Ok(open.map(|open| left.min(own.saturating_sub(open))))
    }
}
