//! What a connection that has come back shows without a round trip, if it is watched.

use std::cell::Cell;

use ::postgres::Client;

use super::PostgresManager;
use crate::settings::ResetOnReturn;

thread_local! {
    /// Where the connection is that was not due for a reset last, and whether it had answered. Finding its stream takes longer than
    /// everything else here, and [`has_answered`] is asked right after [`reset_is_due`].
    static LAST: Cell<Option<(*const Client, bool)>> = const { Cell::new(None) };
}

/// If the connection is not watched, or not everything on it is understood, a reset is due.
pub(super) fn reset_is_due(
    manager: &PostgresManager,
    client: &mut Client,
    how: ResetOnReturn,
) -> bool {
    let Some(watch) = manager.watch(client) else {
        return true;
    };
    let mut record = watch.record();
    let is_due = match how {
        // The reset asks whether the server is read-only.
        _ if record.is_refused() => true,
        ResetOnReturn::Never => !record.is_settled(),
        ResetOnReturn::Rollback => !record.is_idle(),
        ResetOnReturn::Full => !record.is_untouched(),
    };
    if !is_due {
        if how != ResetOnReturn::Never {
            record.drop_notifications();
        }
        LAST.set(Some((client, record.take_answered())));
    }
    is_due
}

/// Of a connection that is not watched, nothing is known, and its return counts as an answer.
pub(super) fn has_answered(manager: &PostgresManager, client: &mut Client) -> bool {
    match LAST.take() {
        Some((last, has_answered)) if std::ptr::eq(last, client) => has_answered,
        _ => manager
            .watch(client)
            .is_none_or(|watch| watch.record().take_answered()),
    }
}

/// The pool itself has asked, and has noted that it was answered.
pub(super) fn forget_answer(manager: &PostgresManager, client: &mut Client) {
    if let Some(watch) = manager.watch(client) {
        watch.record().take_answered();
    }
}
