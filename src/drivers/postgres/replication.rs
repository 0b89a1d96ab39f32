//! How far the write-ahead log has come.

use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use crate::contract::replication::Replication;

/// There is one log.
const LOG: &str = "wal";

/// A standby says what it has replayed, a primary what it has written, and where it will insert the next record: with
/// `synchronous_commit = off` a transaction has committed before it is written. That second position is no measure of the lag, since
/// an open transaction may keep it ahead for 15 s. The time of the last replayed transaction is not asked, because on an idle
/// primary it only ages.
const SQL: &str = "SELECT pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() \
                   THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, '0/0'), \
                   pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() \
                   THEN NULL ELSE pg_catalog.pg_current_wal_insert_lsn() END, '0/0')";

/// The sizes of a page of the log and of one of its files, and of the headers with which they begin. With other sizes than these
/// defaults a position is one header too far at times, and a mark is reached later.
const PAGE: u64 = 8192;
const FILE: u64 = 16 << 20;
const PAGE_HEADER: u64 = 24;
const FILE_HEADER: u64 = 40;

/// The end of the last record, if the next one will be inserted there. On a new page that is behind the page's header, where no
/// standby arrives before there is such a record.
fn end_of_last_record(insert: u64) -> u64 {
    match (insert % PAGE, insert % FILE) {
        (_, FILE_HEADER) => insert - FILE_HEADER,
        (PAGE_HEADER, _) => insert - PAGE_HEADER,
        _ => insert,
    }
}

impl PostgresManager {
    pub(super) fn replication(&self, client: &mut Client) -> Result<Replication, PgError> {
        let answer = self.ask(client, SQL)?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let number = |column: usize| row?.get(column)?.parse::<u64>().ok();
        let Some(position) = number(0) else {
            // A standby that has replayed nothing yet.
            return Ok(Replication::unknown());
        };
        let told = Replication::at([(LOG, position)]);
        Ok(match number(1).map(end_of_last_record) {
            Some(committed) => told.with_committed(Replication::at([(LOG, committed)])),
            None => told,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_before_the_header_of_the_next_page_or_file() {
        for (insert, end) in [
            (3 * PAGE + 24, 3 * PAGE),
            (3 * PAGE + 40, 3 * PAGE + 40),
            (2 * FILE + 40, 2 * FILE),
            (3 * PAGE, 3 * PAGE),
            (3 * PAGE + 1000, 3 * PAGE + 1000),
        ] {
            assert_eq!(end_of_last_record(insert), end);
        }
    }
}
