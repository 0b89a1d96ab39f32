//! What the pool must know about SQLite.

use std::error::Error as _;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use super::busy::{failure, is_busy};
use super::manager::SqliteManager;
use super::place::{Place, complaint};
use super::statements::execute;
use crate::base::log::say;
use crate::contract::call::{Call, Reset};
use crate::contract::driver::Driver;
use crate::contract::error_class::ErrorClass;
use crate::error::{Error, ErrorKind};
use crate::settings::{Mode, ResetOnReturn, Settings};

/// The [`Driver`] for SQLite: null mode unless the settings ask for queue mode, and every call on the caller's thread.
///
/// - The ping is `SELECT 1`. It proves little, since there is no server to lose: it succeeds even after the file was deleted.
///   A `validation_query` that reads a table proves more; it runs on a helper thread, since it may take any time.
/// - `reset_on_return = rollback` ends a transaction that was left open, and costs nothing if there is none. `full` replaces
///   the connection by a newly opened one, which takes 40 µs and more ([the table](crate::sqlite)) and starts with a cold page
///   cache. SQLite has no other way to undo attached databases, functions, hooks and those pragmas that cannot be read. In null
///   mode, where the connection is closed next, `full` only rolls back.
/// - `command_timeout` is not applied, since there is no server to watch a statement; a log line at level info says so.
#[derive(Debug, Default)]
pub struct SqliteDriver {
    validation_query: Option<String>,
    never_resets: bool,
}

impl Driver<SqliteManager> for SqliteDriver {
    /// Logs the resolved path.
    ///
    /// # Errors
    /// Settings for a pragma that is out of range, a path whose directory does not exist, and a path that is a directory.
    fn prepare(
        &mut self,
        manager: &mut SqliteManager,
        pool_name: &str,
        settings: &Settings,
    ) -> Result<(), Error> {
        manager.pragmas_in_force().validate()?;
        if manager.is_on_the_file_system() {
            let folder_of_memory;
            let path = match manager.place() {
                Place::File(path) => Some(path),
                Place::Memory { folder: None } => None,
                Place::Memory {
                    folder: Some(folder),
                } => {
                    folder_of_memory = folder.join("memory.db");
                    Some(&folder_of_memory)
                }
            };
            if let Some(complaint) = path.and_then(|path| complaint(path)) {
                return Err(Error::new(ErrorKind::Settings, complaint));
            }
        }
        let target = format!("queuepool::{pool_name}");
        say!(
            Info,
            &target,
            "pool {pool_name}: the SQLite database is {}",
            manager.place()
        );
        if let Some(limit) = settings.command_timeout {
            say!(
                Info,
                &target,
                "pool {pool_name}: command_timeout {limit:?} is not applied, because SQLite has no server to enforce it"
            );
        }
        self.validation_query.clone_from(&settings.validation_query);
        self.never_resets = settings.reset_on_return == ResetOnReturn::Never;
        manager.configure(settings.connect_timeout, target, settings.echo);
        Ok(())
    }

    fn honours_require_tls(&self) -> bool {
        // There is nothing to encrypt.
        true
    }

    fn connect(
        &self,
        manager: &SqliteManager,
        limit: Duration,
    ) -> Result<Connection, rusqlite::Error> {
        manager.connect_within(limit)
    }

    fn ping(
        &self,
        manager: &SqliteManager,
        conn: &mut Connection,
        _limit: Duration,
    ) -> Result<(), rusqlite::Error> {
        let sql = self.validation_query.as_deref().unwrap_or("SELECT 1");
        manager.log_sql(sql);
        let had_none = conn.is_autocommit();
        let ran = execute(conn, sql).map(drop);
        // A transaction begun by the query would continue under the next user. One that was open before belongs to the holder.
        if had_none && !conn.is_autocommit() && !self.never_resets {
            manager.run(conn, "ROLLBACK")?;
        }
        ran
    }

    /// For `rollback` only if a transaction is open or a statement is still being read.
    fn reset_is_due(
        &self,
        _manager: &SqliteManager,
        conn: &mut Connection,
        how: ResetOnReturn,
    ) -> bool {
        how == ResetOnReturn::Full || !conn.is_autocommit() || conn.is_busy()
    }

    fn reset(
        &self,
        manager: &SqliteManager,
        conn: &mut Connection,
        how: ResetOnReturn,
    ) -> Result<Reset, rusqlite::Error> {
        if !conn.is_autocommit() {
            manager.run(conn, "ROLLBACK")?;
        }
        // A reader that is still open would keep the next user in an old snapshot. There is one only if it was leaked
        // (mem::forget).
        if conn.is_busy() {
            let text = "a statement of the connection's last user is still being read";
            return Err(failure(ffi::SQLITE_BUSY, text));
        }
        if how == ResetOnReturn::Full {
            manager.open_anew(conn)?;
        }
        Ok(Reset::Done)
    }

    /// True for a syntax error, an unknown table or column, a refusal by the authorizer, and a query that needs parameters.
    fn refuses_query(&self, error: &rusqlite::Error) -> bool {
        if let rusqlite::Error::InvalidParameterCount(..) = error {
            return true;
        }
        // Which variant it comes in depends on the features that rusqlite is built with.
        let error = error.source().and_then(|error| error.downcast_ref());
        let code = error.map(|error: &ffi::Error| error.extended_code & 0xff);
        matches!(code, Some(ffi::SQLITE_ERROR | ffi::SQLITE_AUTH))
    }

    fn classify(&self, error: &rusqlite::Error) -> ErrorClass {
        if is_busy(error) {
            return ErrorClass::Transient;
        }
        match error.sqlite_error_code() {
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::AuthorizationForStatementDenied,
            ) => ErrorClass::Permanent,
            None if matches!(
                error,
                rusqlite::Error::NulError(_) | rusqlite::Error::InvalidPath(_)
            ) =>
            {
                ErrorClass::Permanent
            }
            _ => ErrorClass::Statement,
        }
    }

    fn is_bounded(&self, call: Call) -> bool {
        // Everything is local, but a query of the user's may take any time.
        call != Call::Ping || self.validation_query.is_none()
    }

    fn default_mode(&self) -> Mode {
        Mode::Null
    }

    fn shutdown(&self, manager: &SqliteManager) {
        manager.shut();
    }
}
