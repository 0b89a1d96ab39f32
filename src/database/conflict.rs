//! Whether a statement failed in favour of another session's.

use std::error::Error as StdError;

/// `error` is that of any of the drivers.
pub(super) fn is_conflict(error: &(dyn StdError + 'static)) -> bool {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.downcast_ref() {
        return crate::drivers::postgres::is_conflict(error);
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.downcast_ref() {
        return crate::drivers::mysql::is_conflict(error);
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.downcast_ref() {
        return crate::drivers::sqlite::is_conflict(error);
    }
    false
}
