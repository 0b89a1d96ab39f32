//! What happens by the clock or for the operator: the timer, the care of idle connections, the monitor, health checks, filling
//! a pool ahead of use and ending it.

pub(crate) mod health_check;
mod idle;
pub(crate) mod monitor;
mod shutdown;
pub(crate) mod sweep;
mod warm_up;

use std::sync::Arc;

use crate::base::sync::Mutex;
use crate::observe::history::History;
use crate::upkeep::health_check::Checking;
use crate::upkeep::monitor::MonitorSwitch;

/// What the handles of a pool share besides the pool itself. Guards do not need it.
pub(crate) struct Care {
    /// Never taken together with the gate's lock.
    pub(crate) history: Mutex<History>,
    pub(crate) checking: Checking,
    pub(crate) monitor: MonitorSwitch,
}

impl Care {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Care {
            history: Mutex::default(),
            checking: Checking::new(),
            monitor: MonitorSwitch::new(),
        })
    }
}
