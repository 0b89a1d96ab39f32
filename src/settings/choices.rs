//! The settings that are a choice between named alternatives.

use std::time::Duration;

/// Whether a connection is tested before it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrePing {
    /// Not tested, so a stale connection reaches its caller. There is one exception: if a connection was lost and it is unclear
    /// whether the server went with it, each of the other connections is tested once before its next use.
    Never,
    /// Tested at every checkout.
    Always,
    /// Tested unless it was proved alive (used without an error, reset, or pinged) within this time.
    IdleFor(Duration),
}

impl Default for PrePing {
    /// [`PrePing::IdleFor`] 500 ms.
    fn default() -> Self {
        PrePing::IdleFor(Duration::from_millis(500))
    }
}

impl From<bool> for PrePing {
    /// `true` is the default, [`PrePing::IdleFor`] 500 ms; `false` is [`PrePing::Never`].
    fn from(on: bool) -> Self {
        if on {
            PrePing::default()
        } else {
            PrePing::Never
        }
    }
}

/// How a returned connection is reset before the next user gets it.
///
/// Whatever the setting, a connection on which an answer may still be owed is closed, and so is one whose holder panicked if it
/// cannot be reset in full. A reset that fails, or is not answered within `health_check_timeout`, closes the connection.
///
/// The reset ends before the drop of the connection does, so that from then on no other session meets a lock or a transaction that
/// it undoes. Only on a thread of a tokio runtime, `spawn_blocking` included, is it left to a helper thread, except on SQLite.
///
/// To leave it to one wherever another connection is idle was measured and rejected. With 0.5 ms between program and server, one
/// thread that checks out for each statement took half of the time. But in half of the trials a `SELECT … FOR UPDATE NOWAIT` on
/// another session, sent right after the drop, was refused; four threads opened ten or eleven connections where five had been
/// enough; and without the delay, eight threads on PostgreSQL took half as long again. Whoever ends every transaction saves the
/// round trip with `Never` on MySQL and MariaDB; on PostgreSQL the pool can know that none is open, as is told below the table.
///
/// In the tables, "undone" means that the next user finds it as it was after the login, the driver's own `init` and, except
/// under `Full`, the connect hooks; "stays" means that the next user finds what the last one left. Whatever connect hooks have
/// set in the session is gone after `Full`, since they are not run again.
///
/// | PostgreSQL | `Never` | `Rollback` | `Full` |
/// |---|---|---|---|
/// | transaction, its locks and rows | stays | undone | undone |
/// | `LISTEN`, unread notifications | stays | undone | undone |
/// | settings (`SET`), role and session authorization | stays | stays | undone |
/// | temporary tables and sequences, `currval` | stays | stays | undone |
/// | cursors `WITH HOLD`, advisory locks | stays | stays | undone |
/// | statements prepared by SQL (`PREPARE`) | stays | stays | undone |
/// | custom settings (`app.tenant`) | stays | stays | undone: empty, or as the server has it |
/// | the pool's statement limit, if a user changed it | stays | stays | the pool's again |
/// | loaded libraries, the driver's own statements | stays | stays | stays |
///
/// On PostgreSQL nothing is sent where the pool knows that there is nothing to undo: it reads what goes by on encrypted
/// connections, and on plain TCP connections if `PostgresManager::watch_plain_connections` is set. There, a `LISTEN` that a
/// function or a trigger executes shows only once a notification comes. Until then the session goes on listening; what is notified
/// before the next user's first answer is dropped, and what comes later reaches that user.
///
/// | MySQL, MariaDB | `Never` | `Rollback` | `Full` |
/// |---|---|---|---|
/// | transaction, its locks and rows | stays | undone | undone |
/// | `autocommit` | stays | undone | undone |
/// | `LOCK TABLES` | stays | undone | undone |
/// | database (`USE`) | stays | stays | undone; the connection is closed if the login had none |
/// | character set, collation, and what `Opts::init` set | stays | stays | undone |
/// | session variables (`sql_mode`, time zone, isolation level) | stays | stays | undone |
/// | user variables, temporary tables, `GET_LOCK` | stays | stays | undone |
/// | statements prepared by SQL (`PREPARE`) | stays | stays | undone |
/// | the pool's statement limit, if a user changed it | stays | stays | the pool's again |
/// | active roles (`SET ROLE`) | stays | stays | as the connect hooks left them |
/// | a `LOCAL INFILE` handler set on the connection | stays | undone | undone |
///
/// | SQLite in queue mode | `Never` | `Rollback` | `Full` |
/// |---|---|---|---|
/// | transaction, its locks and rows | stays | undone | undone |
/// | a reader that was leaked (`mem::forget`) | stays | closed | closed |
/// | pragmas, `query_only` and `locking_mode` among them | stays | stays | undone |
/// | attached databases, temporary tables, views and triggers | stays | stays | undone |
/// | busy timeout, functions, collations, hooks | stays | stays | undone |
///
/// In null mode every connection is closed when it is returned, so nothing stays. Before that, `Rollback` and `Full` both roll
/// back, so that no lock outlives the return, and `Never` sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResetOnReturn {
    /// Not at all. The pool only asks whether an answer is still owed: on PostgreSQL because the driver loses count after a `COPY`
    /// that the server refuses, unless the connection is watched and there was no `COPY`, and on MySQL with a `read_timeout` or
    /// `write_timeout` in the `Opts`. Otherwise nothing is sent.
    Never,
    /// Transactions are rolled back, and whatever else the tables say: one round trip on MySQL and MariaDB, one on PostgreSQL where
    /// it is not known that there is nothing to undo, none on SQLite.
    #[default]
    Rollback,
    /// The session is as it was after the login: one or two round trips on PostgreSQL if anything was sent, two or more on MySQL
    /// and MariaDB (`COM_RESET_CONNECTION`, then what that leaves), and a new connection on SQLite.
    Full,
}

/// Which server of a replicated database a pool's connections lead to, and what follows when a server that accepted writes no
/// longer does.
///
/// A server is read-only on PostgreSQL if it is in recovery, or if `default_transaction_read_only` is on for this user from the
/// login on; on MySQL and MariaDB if its global `read_only` or `innodb_read_only` is on, also for a user who may write all the
/// same. Each login asks, together with what is asked there anyway; for `Primary` and `Replica` it asks before any hook runs, which
/// costs MySQL and MariaDB a round trip, and PostgreSQL one without `command_timeout`. For `Any`, PostgreSQL's logins ask only on
/// watched connections and under `reset_on_return = never`; elsewhere the first return tells, so that a login does not wait where a
/// PgBouncer has no server connection to spare. A node of a Galera cluster that is not ready counts as a server that cannot accept
/// logins now, whatever the role. SQLite, and drivers that do not implement [`Driver::is_read_only`](crate::Driver::is_read_only),
/// cannot know, and then the role changes nothing.
///
/// Later the pool asks again when a connection comes back on which the server refused a write as read-only. Whoever uses
/// `AnyConnection` or [`note_error`](crate::Connection::note_error) tells it so; on watched PostgreSQL connections it sees that for
/// itself, and on all others each reset asks in passing. Such an error proves nothing, because a user's own READ ONLY transaction
/// is refused in the same words; only the server's answer does. Under `reset_on_return = never` a connection on which such an error
/// was noted is closed without asking. In null mode every connection is new, and only the login asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Whichever server answers. A pool that has been on a server that accepts writes follows a switch-over: once a connection is
    /// found on a read-only server, it is closed, and all that were opened before are replaced; again 1 s later if that led to
    /// read-only servers too, and then once every 60 s. In between one connection is closed each second, and after a minute one
    /// after 2, 4, 8 … 60 s. It ends with the first login to a server that accepts writes, and what was opened before that is
    /// replaced too.
    ///
    /// In the first 60 s one login at a time, each 100 ms at the earliest, shows where logins lead; one that leads to a read-only
    /// server is closed and handed to nobody. A thread that gives back a connection on which a write was refused waits for it, for at
    /// most 150 ms, so that it does not run into the next refusal. The connection is with the others by then: whoever reads is not
    /// kept waiting. (On a thread of an async runtime nobody waits where the reset runs on a helper thread.)
    ///
    /// A pool that has never been on such a server, or whose logins lead to servers of both kinds by turns, closes only connections
    /// on which a write was refused, and at most one a second.
    #[default]
    Any,
    /// Only a server that accepts writes. A login to another one is a failed connect, which [`retry`](crate::Settings::retry)
    /// repeats. Once a connection is found on a read-only server, it is closed and all that were opened before are replaced.
    Primary,
    /// Only a server that is read-only: a hot standby or a replica. A login to another one is a failed connect, which
    /// [`retry`](crate::Settings::retry) repeats. No connection is closed because its server is read-only.
    Replica,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Any => "any",
            Role::Primary => "primary",
            Role::Replica => "replica",
        }
    }
}

/// Whether connections are kept between uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Connections are kept between uses, as in SQLAlchemy's QueuePool.
    Queue,
    /// Connections are opened at checkout and closed at checkin, as in SQLAlchemy's NullPool, but never more than
    /// `pool_size + max_overflow` at once.
    Null,
}
