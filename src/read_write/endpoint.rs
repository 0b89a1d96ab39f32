//! What reads and writes can lead to: a database or a typed pool.

use std::sync::Arc;
use std::time::Duration;

use crate::checkout::connection::Connection;
use crate::contract::driver::Manager;
use crate::contract::replication::Replication;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::database::{Database, any_connection::AnyConnection};
use crate::error::Error;
use crate::observe::status::Status;
use crate::pool::Pool;
use crate::registry::Member;
use crate::settings::Settings;

/// A `Database` or a [`Pool`]: what a [`ReadWrite`](crate::ReadWrite) sends reads and writes to. It cannot be
/// implemented outside this crate.
pub trait Endpoint: sealed::Sealed + Clone + Send + Sync + 'static {
    /// What it hands out: an `AnyConnection` or a [`Connection`].
    type Connection;

    #[doc(hidden)]
    #[track_caller]
    fn get_timeout(&self, timeout: Duration) -> Result<Self::Connection, Error>;
    #[doc(hidden)]
    fn settings(&self) -> &Settings;
    #[doc(hidden)]
    fn name(&self) -> &str;
    #[doc(hidden)]
    fn status(&self) -> Status;
    #[doc(hidden)]
    fn close(&self, deadline: Duration) -> Result<(), Error>;
    /// Asks the server how far its log has come.
    #[doc(hidden)]
    fn question(&self) -> sealed::Question;
    #[doc(hidden)]
    fn member(&self) -> Member;
}

pub(crate) mod sealed {
    use super::{Arc, Duration, Error, Replication};

    /// It does not keep the pool from being closed by its last handle.
    pub type Question = Arc<dyn Fn(Duration) -> Result<Replication, Error> + Send + Sync>;

    pub trait Sealed {}
}

/// The same for both, whose methods have the same names.
macro_rules! endpoint {
    ($endpoint:ty [$($generic:tt)*], $connection:ty, $question:expr) => {
        impl<$($generic)*> sealed::Sealed for $endpoint {}

        impl<$($generic)*> Endpoint for $endpoint {
            type Connection = $connection;

            #[track_caller]
            fn get_timeout(&self, timeout: Duration) -> Result<$connection, Error> {
                self.get_timeout(timeout)
            }

            fn settings(&self) -> &Settings {
                self.settings()
            }

            fn name(&self) -> &str {
                self.name()
            }

            fn status(&self) -> Status {
                self.status()
            }

            fn close(&self, deadline: Duration) -> Result<(), Error> {
                self.close(deadline)
            }

            fn question(&self) -> sealed::Question {
                $question(self)
            }

            fn member(&self) -> Member {
                self.into()
            }
        }
    };
}

endpoint!(Pool<M> [M: Manager], Connection<M>, Pool::replication);
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
endpoint!(Database [], AnyConnection, Database::replication);
