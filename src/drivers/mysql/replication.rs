//! How far a replica is behind, and which transactions a server has.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, Row, Value};

use super::MySqlManager;
use crate::contract::replication::Replication;

/// MySQL has the last, MariaDB the others; none needs a privilege. Not `gtid_current_pos`, which on a replica of MariaDB would
/// count in what somebody has written there: a number that the primary will use for something else.
const GTIDS: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('gtid_binlog_pos', 'gtid_slave_pos', 'gtid_executed')";

/// MySQL since 8.0.22, MariaDB since 10.5.1; and before.
const STATUS: [&str; 2] = ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];
const SECONDS_BEHIND: [&str; 2] = ["Seconds_Behind_Source", "Seconds_Behind_Master"];

/// The errors of a server that does not know the statement, and of one that keeps it from this user.
const SYNTAX: u16 = 1064;
const NO_PRIVILEGE: u16 = 1227;

impl MySqlManager {
    pub(super) fn replication(&self, connection: &mut Conn) -> Result<Replication, MyError> {
        self.note(GTIDS);
        let rows: Vec<(String, String)> = connection.query(GTIDS)?;
        let of = |wanted: &str| {
            let row = rows.iter().find(|(name, _)| name == wanted);
            row.map(|(_, text)| text.as_str())
        };
        let mut told = match (of("gtid_slave_pos"), of("gtid_binlog_pos")) {
            (Some(replayed), Some(written)) => {
                let written = Replication::at(of_mariadb(written));
                Replication::at(of_mariadb(replayed)).with_written(written)
            }
            _ => Replication::at(of_mysql(of("gtid_executed").unwrap_or_default())),
        };
        match self.replica_status(connection) {
            // On a primary there is no row, and no lag.
            Ok(None) => {}
            Ok(Some(row)) => told = told.with_lag(seconds_behind(&row)),
            Err(MyError::MySqlError(refusal)) if refusal.code == NO_PRIVILEGE => {
                let words = format!(
                    "the lag is told to users with the privilege REPLICATION CLIENT alone (MariaDB: REPLICA MONITOR): {}",
                    self.masked(refusal.message)
                );
                told = told.with_refusal(words);
            }
            Err(error) => return Err(error),
        }
        Ok(told)
    }

    fn replica_status(&self, connection: &mut Conn) -> Result<Option<Row>, MyError> {
        let [new, old] = STATUS;
        self.note(new);
        match connection.query_first(new) {
            Err(MyError::MySqlError(refusal)) if refusal.code == SYNTAX => {
                self.note(old);
                connection.query_first(old)
            }
            answer => answer,
        }
    }
}

/// NULL is unknown: a thread of the replication does not run.
fn seconds_behind(row: &Row) -> Option<Duration> {
    let columns = row.columns_ref();
    let wanted = |name: &str| {
        SECONDS_BEHIND
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let place = columns
        .iter()
        .position(|column| wanted(&column.name_str()))?;
    match row.as_ref(place)? {
        Value::Bytes(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
    .map(Duration::from_secs)
}

/// `0-1-100,5-2-7`: in each domain the last transaction, whose number grows within its domain.
fn of_mariadb(text: &str) -> Vec<(String, u64)> {
    let one = |gtid: &str| {
        let mut parts = gtid.trim().split('-');
        let (domain, _server, number) = (parts.next()?, parts.next()?, parts.next()?);
        Some((domain.to_owned(), number.parse().ok()?))
    };
    text.split(',').filter_map(one).collect()
}

/// `uuid:1-100:105,uuid:1-7`: of each server the transactions that were executed. What counts is the first interval without a gap.
fn of_mysql(text: &str) -> Vec<(String, u64)> {
    let one = |set: &str| {
        let (server, intervals) = set.trim().split_once(':')?;
        let first = intervals.split(':').next()?;
        let (from, to) = first.split_once('-').unwrap_or((first, first));
        let to = to.parse().ok().filter(|_| from == "1")?;
        Some((server.to_owned(), to))
    };
    text.split(',').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned<const N: usize>(position: [(&str, u64); N]) -> Vec<(String, u64)> {
        position
            .map(|(origin, number)| (origin.to_owned(), number))
            .into()
    }

    #[test]
    fn the_positions_of_mariadb_are_read_by_domain() {
        assert_eq!(of_mariadb("0-1-100"), owned([("0", 100)]));
        assert_eq!(of_mariadb("0-1-100,5-2-7"), owned([("0", 100), ("5", 7)]));
        assert_eq!(of_mariadb(""), []);
    }

    #[test]
    fn the_positions_of_mysql_are_read_by_server_up_to_the_first_gap() {
        assert_eq!(of_mysql("a-b:1-100"), owned([("a-b", 100)]));
        assert_eq!(
            of_mysql("a-b:1-100:105,\nc-d:1"),
            owned([("a-b", 100), ("c-d", 1)])
        );
        assert_eq!(
            of_mysql("a-b:5-9"),
            [],
            "what came before is not known to be there"
        );
        assert_eq!(of_mysql(""), []);
    }
}
