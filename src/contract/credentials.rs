//! Who logs in, where that is not written in the configuration.

use std::fmt;

/// A user and a password that are asked for when a connection is opened, because they expire: tokens of a cloud's identity
/// service, leases of a secret store, files that are rotated.
///
/// They come from the closure that is given to `credentials` on a manager, on a pool's builder or on
/// [`Database::builder`](crate::Database::builder). `Debug` does not show the password.
///
/// A file that is rotated:
///
/// ```no_run
/// use queuepool::{Credentials, Database};
///
/// let database = Database::builder("postgresql://app@db.internal/orders")
///     .credentials(|| std::fs::read_to_string("/run/secrets/orders").map(|file| Credentials::from_password(file.trim_end())))
///     .build()?;
/// # Ok::<(), queuepool::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Option<String>,
    password: String,
}

impl Credentials {
    /// A user and its password.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Credentials {
            user: Some(user.into()),
            password: password.into(),
        }
    }

    /// The password of the user that the URL or the driver's own configuration names.
    #[must_use]
    pub fn from_password(password: impl Into<String>) -> Self {
        Credentials {
            user: None,
            password: password.into(),
        }
    }

    /// The user. `None`: the one of the URL or the configuration.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &format_args!("_"))
            .finish()
    }
}
