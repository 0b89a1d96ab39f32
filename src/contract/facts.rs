//! What a driver says once for the whole life of a pool. It is asked when the pool is built.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::base::panics::catch;
use crate::contract::call::Call;
use crate::contract::driver::{Driver, Manager};
use crate::error::Error;
use crate::settings::ResetOnReturn;

/// How many ways to reset there are.
const WAYS: usize = ResetOnReturn::Full as usize + 1;

/// What a driver says once for the whole life of a pool.
pub(crate) struct Facts {
    bounded: [bool; Call::ALL.len()],
    pub(crate) proves: bool,
    /// How many hosts a connect walks along, if it does.
    hosts: Option<u32>,
    /// Which server and database it connects to.
    pub(crate) server: Option<String>,
    /// For each way to reset, true until the driver has said that it cannot.
    resets: [AtomicBool; WAYS],
}

impl Facts {
    /// # Errors
    /// Unsupported if the driver panics when it is asked.
    pub(crate) fn of<M: Manager>(
        driver: &dyn Driver<M>,
        manager: &M,
        is_described: bool,
    ) -> Result<Self, Error> {
        let mut bounded = [false; Call::ALL.len()];
        for call in Call::ALL {
            bounded[call as usize] = ask_driver("is_bounded", || driver.is_bounded(call))?;
        }
        Ok(Facts {
            bounded,
            proves: ask_driver("proves", || driver.proves(manager))?,
            hosts: ask_driver("hosts", || driver.hosts(manager))?,
            server: ask_driver("server", || driver.server(manager))?,
            // Our own stand-in for a missing driver cannot reset connections, and need not be asked.
            resets: [(); WAYS].map(|()| AtomicBool::new(is_described)),
        })
    }

    pub(crate) fn is_bounded(&self, call: Call) -> bool {
        self.bounded[call as usize]
    }

    /// How an error of connecting begins.
    pub(crate) fn connecting(&self) -> String {
        match &self.server {
            Some(server) => format!("connecting to {server}"),
            None => "connecting".to_owned(),
        }
    }

    /// How long a connect may take.
    pub(crate) fn most_for_connecting(&self, connect_timeout: Duration) -> Duration {
        connect_timeout.saturating_mul(self.hosts.unwrap_or(1).max(1))
    }

    /// Whether a connect is to know how much time its caller has.
    pub(crate) fn walks(&self) -> bool {
        self.hosts.is_some()
    }

    /// Whether [`Driver::reset`] must be called.
    #[inline]
    pub(crate) fn resets(&self, how: ResetOnReturn) -> bool {
        (how != ResetOnReturn::Never || self.proves)
            && self.resets[how as usize].load(Ordering::Relaxed)
    }

    /// The driver cannot reset in this way. Returns whether that was not known.
    pub(crate) fn note_that_it_cannot(&self, how: ResetOnReturn) -> bool {
        self.resets[how as usize].swap(false, Ordering::Relaxed)
    }
}

/// Asks the driver while the pool is being built.
///
/// # Errors
/// Unsupported if the driver panics.
pub(crate) fn ask_driver<T>(what: &str, ask: impl FnOnce() -> T) -> Result<T, Error> {
    catch(ask).map_err(|words| {
        Error::unsupported(format!("the driver panicked in Driver::{what}: {words}"))
    })
}
