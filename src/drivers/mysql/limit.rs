//! The setting `command_timeout`, which the server enforces.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError};

use super::MySqlManager;
use crate::error::Error;
use crate::settings::print_duration;

/// MariaDB accepts at most a year and MySQL at most 49 days, so the smaller limit holds for both.
pub(super) fn checked(limit: Option<Duration>) -> Result<Option<Duration>, Error> {
    match limit {
        Some(limit) if limit.is_zero() || limit > Duration::from_millis(u32::MAX.into()) => {
            Err(Error::setting(
                "command_timeout",
                print_duration(limit),
                "more than zero and at most 49 days, MySQL's greatest max_execution_time",
            ))
        }
        limit => Ok(limit),
    }
}

impl MySqlManager {
    /// The SQL that sets the limit on the server of this connection.
    pub(super) fn limit_of_statements_there(
        &self,
        connection: &mut Conn,
    ) -> Result<Option<String>, MyError> {
        if self.statement_limit.is_none() {
            return Ok(None);
        }
        let question = "SELECT VERSION()";
        self.note(question);
        let version: Option<String> = connection.query_first(question)?;
        Ok(self.limit_of_statements(version.as_deref()))
    }

    /// The SQL that sets the limit on a server of this version. The driver knows which of the two servers it is, but does not tell.
    /// It is asked on every connect, because a failover may lead from one to the other.
    pub(super) fn limit_of_statements(&self, version: Option<&str>) -> Option<String> {
        let limit = self.statement_limit?;
        Some(
            match version.is_some_and(|version| version.contains("MariaDB")) {
                true => format!(
                    "SET SESSION max_statement_time = {:.6}",
                    limit.as_secs_f64().max(1e-6)
                ),
                false => format!(
                    "SET SESSION max_execution_time = {}",
                    limit.as_nanos().div_ceil(1_000_000)
                ),
            },
        )
    }
}
