//! Retrying while somebody else has the file locked.

use std::time::{Duration, Instant};

use rusqlite::{ErrorCode, ffi};

/// Runs `attempt` until it succeeds, fails for a reason other than a lock, or the deadline has passed.
pub(super) fn persist<T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && Instant::now() + pause < deadline => {
                std::thread::sleep(pause);
                // Far less than a caller would notice, and far more than a switch of the journal mode takes (a millisecond or
                // two).
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

/// Whether a statement failed because another connection has the database, or what it needs of it, locked: SQLite's codes BUSY,
/// LOCKED and PROTOCOL. Roll the transaction back and run it again from its beginning. [`Error::is_conflict`](crate::Error::is_conflict)
/// says the same of the errors of a [`Database`](crate::Database).
#[must_use]
pub fn is_conflict(error: &rusqlite::Error) -> bool {
    is_busy(error)
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

pub(super) fn failure(code: std::ffi::c_int, text: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(text.to_owned()))
}
