//! Whether a server is read-only: a standby, or one whose sessions are read-only unless they say otherwise.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use super::classify::is_of_statement;
use crate::drivers::credentials::Unavailable;
use crate::settings::{Mode, ResetOnReturn, Role, Settings};

/// Whether the server is a standby, and whether the session is read-only unless it says otherwise.
const QUESTION: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
                        pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool";

/// Whether the session has been so from its login on, and not by its own settings or, behind a PgBouncer, by those of somebody
/// else. It is asked only then, because the first look at pg_settings takes a new session milliseconds.
const SINCE_LOGIN: &str = "SELECT reset_val FROM pg_catalog.pg_settings \
                           WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only'";

/// Columns that a reset asks for together with its proof; they cost next to nothing. Only in the second do the settings of the
/// session itself count.
const IN_RECOVERY: &str = ", pg_catalog.pg_is_in_recovery()";
const IS_READ_ONLY: &str = ", pg_catalog.pg_is_in_recovery() \
                            OR pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool";

thread_local! {
    /// What the login has said that this thread has just made, and the reset. The pool asks right after it, on the same thread. A
    /// `Client` has no room for a note.
    static LOGIN: Cell<Option<bool>> = const { Cell::new(None) };
    static RESET: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A server that does not understand the question is not asked again. It is something else than PostgreSQL.
#[derive(Debug, Default)]
pub(super) struct Asking(AtomicBool);

impl Asking {
    fn is_in_vain(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// On which connections the login asks for the role.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum AsksAtLogin {
    Always,
    #[default]
    IfWatched,
    Never,
}

impl AsksAtLogin {
    pub(super) fn of(settings: &Settings) -> Self {
        match settings.role {
            Role::Primary | Role::Replica => AsksAtLogin::Always,
            // Each connection is used once.
            Role::Any if settings.mode == Some(Mode::Null) => AsksAtLogin::Never,
            Role::Any if settings.reset_on_return == ResetOnReturn::Never => AsksAtLogin::Always,
            Role::Any => AsksAtLogin::IfWatched,
        }
    }
}

fn first_value(answer: &[SimpleQueryMessage], column: usize) -> Option<bool> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    match row.try_get(column).ok()?? {
        "t" | "on" => Some(true),
        "f" | "off" => Some(false),
        _ => None,
    }
}

impl PostgresManager {
    /// Opens a connection, and asks for the role in one string with what is set there anyway: if that is wanted, and on a watched connection, on which a return may send nothing
    /// that could ask. On others the first reset asks. A PgBouncer that has no server connection to spare answers no question, but
    /// it lets clients in.
    pub(super) fn log_in(
        &self,
        asks: AsksAtLogin,
        limit: Duration,
    ) -> Result<Result<Client, PgError>, Unavailable> {
        LOGIN.set(None);
        let opened = self.connect_within(limit)?;
        Ok(opened.and_then(|client| self.ask_at_login(client, asks)))
    }

    fn ask_at_login(&self, mut client: Client, asks: AsksAtLogin) -> Result<Client, PgError> {
        let asks = match asks {
            _ if self.role.is_in_vain() => false,
            AsksAtLogin::Always => true,
            AsksAtLogin::IfWatched => {
                self.login.opening.may_watch() && super::stream::find(&mut client).is_some()
            }
            AsksAtLogin::Never => false,
        };
        let limit = self.limit_left_to_set();
        if !asks {
            if let Some(limit) = limit {
                self.run(&mut client, limit)?;
                self.note_whether_watched(&mut client);
            }
            return Ok(client);
        }
        let question = match limit {
            Some(limit) => format!("{limit}; {QUESTION}"),
            None => QUESTION.to_owned(),
        };
        match self.ask(&mut client, &question) {
            Ok(answer) => LOGIN.set(self.judge(&mut client, &answer)?),
            Err(refusal) if is_of_statement(&refusal) && !client.is_closed() => {
                self.role.0.store(true, Ordering::Relaxed);
                // It was undone together with the question.
                if let Some(limit) = limit {
                    self.run(&mut client, limit)?;
                }
            }
            Err(error) => return Err(error),
        }
        // The pool's own question is no use of it.
        self.note_whether_watched(&mut client);
        Ok(client)
    }

    pub(super) fn is_read_only(&self, client: &mut Client) -> Result<Option<bool>, PgError> {
        if self.role.is_in_vain() {
            return Ok(None);
        }
        let answer = self.ask(client, QUESTION)?;
        self.judge(client, &answer)
    }

    fn judge(
        &self,
        client: &mut Client,
        answer: &[SimpleQueryMessage],
    ) -> Result<Option<bool>, PgError> {
        match (first_value(answer, 0), first_value(answer, 1)) {
            (Some(false), Some(true)) => {
                let answer = self.ask(client, SINCE_LOGIN)?;
                Ok(first_value(&answer, 0))
            }
            (in_recovery, _) => Ok(in_recovery),
        }
    }

    /// What a reset asks for after its proof. Under `never` the session is in its holder's hands, and only a standby is read-only
    /// whatever the holder has set.
    pub(super) fn role_columns(&self, never: bool) -> &'static str {
        match never {
            _ if self.role.is_in_vain() => "",
            true => IN_RECOVERY,
            false => IS_READ_ONLY,
        }
    }
}

pub(super) fn at_login() -> Option<bool> {
    LOGIN.take()
}

/// Notes what a reset was answered in this column of its first row.
pub(super) fn note(answer: &[SimpleQueryMessage], column: usize, never: bool) {
    let seen = first_value(answer, column);
    RESET.set(seen.filter(|seen| *seen || !never));
}

/// What was seen in passing. The answer to a reset is worth more than an error before it, which may have been about the user's own
/// transaction.
pub(super) fn seen(manager: &PostgresManager, client: &mut Client) -> Option<bool> {
    let refused = manager
        .watch(client)
        .is_some_and(|watch| watch.record().take_refused());
    RESET.take().or(refused.then_some(true))
}
