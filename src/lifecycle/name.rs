//! What a pool is called, in the log and wherever it is named.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// The name of a pool that was not given one.
pub(crate) const DEFAULT_NAME: &str = "db_pool";

/// A pool's name. One that was not given may be replaced once, by the name under which the pool is registered.
pub(crate) struct Name {
    built: Called,
    is_given: bool,
    registered: OnceLock<Called>,
}

struct Called {
    name: Arc<str>,
    /// The log target, `queuepool::<name>`.
    target: String,
}

impl Called {
    fn new(name: &str) -> Self {
        Called {
            name: Arc::from(name),
            target: format!("queuepool::{name}"),
        }
    }
}

impl Name {
    /// `None` is [`DEFAULT_NAME`].
    pub(crate) fn new(given: Option<&str>) -> Self {
        Name {
            built: Called::new(given.unwrap_or(DEFAULT_NAME)),
            is_given: given.is_some(),
            registered: OnceLock::new(),
        }
    }

    /// Takes this name if none was given. The first registry decides. Names of threads cannot contain a NUL.
    pub(crate) fn adopt(&self, name: &str) {
        if !self.is_given && !name.contains('\0') {
            self.registered.get_or_init(|| Called::new(name));
        }
    }

    fn called(&self) -> &Called {
        self.registered.get().unwrap_or(&self.built)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.called().name
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        self.called().name.clone()
    }

    pub(crate) fn target(&self) -> &str {
        &self.called().target
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
