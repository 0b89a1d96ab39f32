//! Leaves out of an answer what is not for everybody.

use serde_json::{Map, Value};

use super::database::Database;
use crate::observe::judgement::NOTHING_TO_DO;
use crate::observe::status::Status;

/// Stands where a text was.
const NOT_SHOWN: &str = "not shown here";

/// Whether an answer has texts of errors, threads and source lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Detail {
    Full,
    Brief,
}

impl Detail {
    pub(super) fn of_text(self, text: String) -> String {
        match self {
            Detail::Full => text,
            Detail::Brief => NOT_SHOWN.to_owned(),
        }
    }

    pub(super) fn apply_to_database(self, mut database: Database) -> Database {
        database.error = database.error.map(|error| self.of_text(error));
        database
    }

    /// Without the holders: see [`apply_to_holders`](Detail::apply_to_holders).
    pub(super) fn apply_to(self, mut status: Status) -> Status {
        if self == Detail::Full {
            return status;
        }
        for text in [
            &mut status.last_error,
            &mut status.database_error,
            &mut status.last_health_check_error,
            &mut status.passed_over,
        ] {
            *text = text.take().map(|text| self.of_text(text));
        }
        // Which advice quotes an error or names a line is not told by its text. That there is advice is.
        if status.recommendations != [NOTHING_TO_DO] {
            status.recommendations = vec![format!("There is advice, {NOT_SHOWN}.")];
        }
        status
    }

    /// Of each holder in a status, leaves how long it has held which connection.
    pub(super) fn apply_to_holders(self, status: &mut Map<String, Value>) {
        if self == Detail::Full {
            return;
        }
        let holders = status.get_mut("holders").and_then(Value::as_array_mut);
        for holder in holders.into_iter().flatten() {
            for name in ["thread", "location"] {
                holder[name] = NOT_SHOWN.into();
            }
        }
    }
}
