//! A node of a Galera cluster that is not ready, because it has lost the others or is still joining them, takes logins and answers
//! what needs no table. Everything else it refuses with the error 1047. So each login to a node asks whether it is ready.

use std::sync::atomic::{AtomicU8, Ordering};

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, MySqlError};

use super::MySqlManager;

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// Whether the servers belong to a Galera cluster: asked at the first login.
#[derive(Debug, Default)]
pub(super) struct Galera(AtomicU8);

impl MySqlManager {
    /// # Errors
    /// The error 1047, which is worth another attempt.
    pub(super) fn refuse_node_that_is_not_ready(
        &self,
        connection: &mut Conn,
    ) -> Result<(), MyError> {
        if self.galera.0.load(Ordering::Relaxed) == UNKNOWN {
            let is_node = self.shows(connection, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", "ON")?;
            let known = if is_node { YES } else { NO };
            self.galera.0.store(known, Ordering::Relaxed);
        }
        let is_node = self.galera.0.load(Ordering::Relaxed) == YES;
        let sql = "SHOW GLOBAL STATUS LIKE 'wsrep_ready'";
        if is_node && self.shows(connection, sql, "OFF")? {
            return Err(MyError::MySqlError(MySqlError {
                state: "08S01".to_owned(),
                message: "WSREP has not yet prepared node for application use".to_owned(),
                code: 1047,
            }));
        }
        Ok(())
    }

    /// Whether the second column of the only row is this. What is not MariaDB may refuse the question.
    fn shows(&self, connection: &mut Conn, sql: &str, expected: &str) -> Result<bool, MyError> {
        self.note(sql);
        match connection.query_first::<(String, String), _>(sql) {
            Ok(row) => Ok(row.is_some_and(|(_, value)| value == expected)),
            Err(MyError::MySqlError(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
