//! What a reset sends: one string in one round trip, and a second one if the transaction had failed or somebody had prepared
//! statements by SQL. Each includes the question that only the right answer satisfies ([`Proof`]).
//!
//! After the last end of a transaction in it, the statements of one string succeed or fail together. So if any of them fails, the
//! session stays as it was, the reset fails, and the connection is closed.

use ::postgres::error::SqlState;
use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use super::proof::Proof;
use super::role;
use crate::settings::ResetOnReturn;

/// Everything that `DISCARD ALL` does except `DEALLOCATE ALL`, because the driver keeps prepared statements of its own, with which
/// it looks up types, and would go on using their names. Besides, `DISCARD ALL` is refused together with any other statement.
/// The authorization comes first, so that the rest runs as the user who logged in. Functions and tables are named by their schema
/// `pg_catalog`, whatever the search_path says.
const FULL: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; CLOSE ALL; RESET ALL; UNLISTEN *; \
                    DISCARD TEMP; DISCARD SEQUENCES";

/// Returns the names in the column [`NAME`]. The driver's own statements are not among them.
const PREPARED_BY_SQL: &str =
    "SELECT name AS prepared_by_sql FROM pg_catalog.pg_prepared_statements WHERE from_sql";
const NAME: &str = "prepared_by_sql";

pub(super) fn reset(
    manager: &PostgresManager,
    client: &mut Client,
    how: ResetOnReturn,
) -> Result<(), PgError> {
    let proof = Proof::new();
    match how {
        ResetOnReturn::Never => {
            if prove(manager, client, &proof)? {
                note_reset(manager, client, how);
            }
            return Ok(());
        }
        ResetOnReturn::Rollback => {
            let (number, role) = (proof.number(), manager.role_columns(false));
            let rest = format!("; UNLISTEN *; SELECT {number}{role}");
            let answer = end_transaction(manager, client, &rest)?;
            proof.check(client, &answer)?;
            role::note(&answer, 1, false);
        }
        ResetOnReturn::Full => full(manager, client, &proof)?,
    }
    forget_notifications(client);
    note_reset(manager, client, how);
    Ok(())
}

/// Notes, if the connection is watched, what the reset has proven and undone.
fn note_reset(manager: &PostgresManager, client: &mut Client, how: ResetOnReturn) {
    let Some(watch) = manager.watch(client) else {
        return;
    };
    let mut record = watch.record();
    record.proven();
    record.take_answered();
    if how != ResetOnReturn::Never {
        record.unlistened();
    }
    if how == ResetOnReturn::Full {
        record.is_as_new();
    }
}

/// Asks only the question. Returns whether it was answered.
fn prove(manager: &PostgresManager, client: &mut Client, proof: &Proof) -> Result<bool, PgError> {
    let (number, role) = (proof.number(), manager.role_columns(true));
    match manager.ask(client, &format!("SELECT {number}{role}")) {
        // In a failed transaction no question is answered, and the transaction stays for the next user to end. But an empty
        // statement is not refused there. If it is, that was the answer to the question; and if an answer is left over, the driver
        // closes the connection.
        Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
            let answer = manager.ask(client, "")?;
            let is_its_own = matches!(&*answer, [SimpleQueryMessage::CommandComplete(0)]);
            match is_its_own && !client.is_closed() {
                true => Ok(false),
                false => proof.check(client, &[]).map(|()| false),
            }
        }
        answer => {
            let answer = answer?;
            proof.check(client, &answer)?;
            role::note(&answer, 1, true);
            Ok(true)
        }
    }
}

fn full(manager: &PostgresManager, client: &mut Client, proof: &Proof) -> Result<(), PgError> {
    let limit = manager.statement_limit.as_deref().unwrap_or_default();
    let (number, role) = (proof.number(), manager.role_columns(false));
    let rest = format!(
        "; {FULL}; SELECT {number}, pg_catalog.pg_advisory_unlock_all(){role}; {PREPARED_BY_SQL}; {limit}"
    );
    let answer = end_transaction(manager, client, &rest)?;
    proof.check(client, &answer)?;
    role::note(&answer, 2, false);
    let names = prepared_by_sql(&answer)?;
    if names.is_empty() {
        return Ok(());
    }
    let deallocate = names.iter().map(|name| format!("DEALLOCATE {name};"));
    manager.run(client, &deallocate.collect::<String>())
}

/// Rolls back whatever is open, then runs `rest`.
pub(super) fn end_transaction(
    manager: &PostgresManager,
    client: &mut Client,
    rest: &str,
) -> Result<Vec<SimpleQueryMessage>, PgError> {
    // A ROLLBACK outside a transaction puts a warning into the server's log. A BEGIN before it prevents that, but is refused in a
    // failed transaction.
    match manager.ask(client, &format!("BEGIN; ROLLBACK{rest}")) {
        Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
            manager.ask(client, &format!("ROLLBACK{rest}"))
        }
        other => other,
    }
}

/// The names of the statements prepared by SQL, quoted, since an SQL name may be any text.
fn prepared_by_sql(answer: &[SimpleQueryMessage]) -> Result<Vec<String>, PgError> {
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) if row.columns()[0].name() == NAME => Some(row),
        _ => None,
    });
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    rows.map(|row| Ok(row.try_get(0)?.map(quoted)))
        .filter_map(Result::transpose)
        .collect()
}

/// Discards unread notifications. Those that arrived before the answer to the reset are the last ones, since the session listens
/// to nothing any more. Exactly as many are taken out as are in memory, because after those the iterator would ask the connection
/// for more.
fn forget_notifications(client: &mut Client) {
    let mut notifications = client.notifications();
    let unread = notifications.len();
    let mut buffered = notifications.iter();
    for _ in 0..unread {
        if !matches!(buffered.next(), Ok(Some(_))) {
            return;
        }
    }
}
