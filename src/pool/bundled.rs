//! Which driver belongs to a bundled manager. Nobody has to name it, so nobody can forget to.

use std::any::Any;

use crate::contract::driver::{Driver, Manager};
#[cfg(feature = "mysql")]
use crate::drivers::mysql::{MySqlDriver, MySqlManager};
#[cfg(feature = "postgres")]
use crate::drivers::postgres::{PostgresDriver, PostgresManager};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::{SqliteDriver, SqliteManager};

/// The driver of a bundled manager; `None` for any other manager.
pub(crate) fn bundled<M: Manager>() -> Option<Box<dyn Driver<M>>> {
    let drivers: Vec<Box<dyn Any>> = vec![
        #[cfg(feature = "postgres")]
        Box::new(Box::new(PostgresDriver::new()) as Box<dyn Driver<PostgresManager>>),
        #[cfg(feature = "mysql")]
        Box::new(Box::new(MySqlDriver::new()) as Box<dyn Driver<MySqlManager>>),
        #[cfg(feature = "sqlite")]
        Box::new(Box::new(SqliteDriver::default()) as Box<dyn Driver<SqliteManager>>),
    ];
    drivers
        .into_iter()
        .find_map(|driver| driver.downcast().ok())
        .map(|driver| *driver)
}

/// Tells a bundled manager to encrypt, whichever driver it is used with: none of its connections is plain unless its URL says so.
pub(crate) fn require_tls(manager: &mut dyn Any) {
    #[cfg(feature = "postgres")]
    if let Some(manager) = manager.downcast_mut::<PostgresManager>() {
        manager.require_tls();
    }
    #[cfg(feature = "mysql")]
    if let Some(manager) = manager.downcast_mut::<MySqlManager>() {
        manager.require_tls();
    }
    // SQLite has nothing to encrypt.
    let _ = manager;
}
