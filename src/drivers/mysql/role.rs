//! Whether a server is read-only, by its global settings: those of a session are the user's own.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use ::mysql::{Conn, Error as MyError, Row, Value};

use super::MySqlManager;

/// Every MySQL and MariaDB has both. MySQL's super_read_only brings read_only with it; innodb_read_only is what Amazon's Aurora
/// sets on its readers.
const COLUMNS: &str = "@@global.read_only, @@global.innodb_read_only";
const COUNT: usize = 2;

thread_local! {
    /// What the ping or reset has seen that this thread has just made. The pool asks right after it, on the same thread.
    static SEEN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether the server has answered at the last login. Something else than MySQL or MariaDB may not.
#[derive(Debug, Default)]
pub(super) struct Asking {
    answers: AtomicBool,
    is_in_vain: AtomicBool,
}

/// Whether one of the columns, from column `first` on, is on: 1 or a word. `None` if they are not there.
fn read(row: Option<&Row>, first: usize) -> Option<bool> {
    let is_on = |column| match row?.as_ref(column)? {
        Value::Bytes(text) => Some(!matches!(&**text, b"0" | b"OFF")),
        Value::Int(number) => Some(*number != 0),
        _ => None,
    };
    Some(is_on(first)? || is_on(first + 1)?)
}

pub(super) fn take_seen() -> Option<bool> {
    SEEN.take()
}

impl MySqlManager {
    /// Asks for the role together with other columns, which come after it. A server that does not know the role is asked for the
    /// others alone, then and from then on. Returns the role and where the others begin.
    pub(super) fn ask_at_login(
        &self,
        connection: &mut Conn,
        others: &str,
    ) -> Result<(Option<Row>, Option<bool>, usize), MyError> {
        let mut ask = |question: String| self.run_all(connection, &[], Some(&question));
        if !self.role.is_in_vain.load(Ordering::Relaxed) {
            match ask(format!("SELECT {COLUMNS}, {others}")) {
                Err(MyError::MySqlError(refusal)) if is_about_columns(refusal.code) => {
                    self.role.is_in_vain.store(true, Ordering::Relaxed);
                }
                answer => {
                    let row = answer?;
                    let read_only = read(row.as_ref(), 0);
                    let answers = read_only.is_some();
                    self.role.answers.store(answers, Ordering::Relaxed);
                    return Ok((row, read_only, COUNT));
                }
            }
        }
        let row = ask(format!("SELECT {others}"))?;
        Ok((row, None, 0))
    }

    pub(super) fn is_read_only(&self, connection: &mut Conn) -> Result<Option<bool>, MyError> {
        if self.role.is_in_vain.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let row = self.run_all(connection, &[], Some(&format!("SELECT {COLUMNS}")))?;
        Ok(read(row.as_ref(), 0))
    }

    /// What a reset asks for in passing, if the last login was answered. Nothing that a user can set changes the answer.
    pub(super) fn role_columns(&self) -> &'static str {
        SEEN.set(None);
        match self.role.answers.load(Ordering::Relaxed) {
            true => COLUMNS,
            false => "",
        }
    }

    /// Notes what the reset was answered, from column `first` on.
    pub(super) fn note_role(&self, row: Option<&Row>, first: usize) {
        SEEN.set(read(row, first));
    }
}

/// Whether the server does not know a column, or does not let this user see it.
fn is_about_columns(code: u16) -> bool {
    matches!(code, 1054 | 1064 | 1142 | 1193 | 1227 | 1238)
}
