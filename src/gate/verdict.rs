//! What is known against a connection.

use crate::contract::connection_info::CloseReason;
use crate::contract::error_class::{ErrorClass, Extent};

/// What is known against a connection; the later in this order, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Sound,
    /// Its server has refused a write because it is read-only, or because the user's transaction was.
    Unsuited,
    /// An answer may still come that its next user would be given.
    Owed,
    /// This session has ended, and no other.
    Ended,
    /// It is lost, and perhaps the server with it.
    Suspect,
    /// It is lost, as are all that were opened before.
    Gone,
}

impl Verdict {
    pub(crate) fn of(class: ErrorClass, extent: impl FnOnce() -> Extent) -> Self {
        match class {
            ErrorClass::Unsuited => Verdict::Unsuited,
            ErrorClass::Owed => Verdict::Owed,
            ErrorClass::Lost => match extent() {
                Extent::Session => Verdict::Ended,
                Extent::Unclear => Verdict::Suspect,
                Extent::Server => Verdict::Gone,
            },
            ErrorClass::Transient
            | ErrorClass::Full
            | ErrorClass::Permanent
            | ErrorClass::Statement => Verdict::Sound,
        }
    }

    /// Of an idle connection, which its server left without being asked to by anybody who used it.
    pub(crate) fn found_by_ping(self) -> Self {
        match self {
            Verdict::Suspect => Verdict::Gone,
            other => other,
        }
    }

    pub(crate) fn is_lost(self) -> bool {
        self > Verdict::Owed
    }

    /// Why such a connection is closed without asking its server; `None`: it need not be.
    pub(crate) fn close_reason(self) -> Option<CloseReason> {
        match self {
            Verdict::Sound | Verdict::Unsuited => None,
            Verdict::Owed => Some(CloseReason::Owed),
            Verdict::Ended | Verdict::Suspect | Verdict::Gone => Some(CloseReason::Lost),
        }
    }
}
