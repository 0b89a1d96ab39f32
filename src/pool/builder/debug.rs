//! What a builder shows of itself.

use std::fmt;

use super::Builder;
use crate::contract::driver::Manager;

impl<M: Manager> fmt::Debug for Builder<M> {
    /// Without the manager, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
