//! How the core can be broken under `--cfg queuepool_loom`, so that the models show that they would notice (`tests/model/broken.rs`).

use std::sync::OnceLock;

/// What can be broken, so that the models show that they would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A caller leaves at its deadline without a look at what was handed to it at the last moment.
    IgnoresLastMoment,
    /// What is posted to a waiter does not wake it.
    GivesWithoutWaking,
    /// A caller looks under one hold of the lock whether it still waits, and leaves under another.
    LeavesInTwoHolds,
    /// A caller looks for an idle connection under one hold of the lock, and joins the queue under another without a second look.
    JoinsInTwoHolds,
    /// A connection becomes idle beside those who wait, and nobody is told.
    ParksWithoutNudging,
    /// A caller joins the queue and leaves the bays open.
    JoinsWithoutGathering,
    /// A connection that comes back is parked without a look whether the bay is open.
    ParksInClosedBay,
    /// A caller leaves that was told of an idle connection, and the next one is not.
    LeavesWithoutPassingOn,
    /// A caller whose wait is cancelled leaves without a look at what was handed to it at the last moment.
    CancelIgnoresLastMoment,
    /// A caller that is told something else when its token is cancelled does not look at the token afterwards.
    CancelIsForgotten,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 10] = [
        Fault::IgnoresLastMoment,
        Fault::GivesWithoutWaking,
        Fault::LeavesInTwoHolds,
        Fault::JoinsInTwoHolds,
        Fault::ParksWithoutNudging,
        Fault::LeavesWithoutPassingOn,
        Fault::JoinsWithoutGathering,
        Fault::ParksInClosedBay,
        Fault::CancelIgnoresLastMoment,
        Fault::CancelIsForgotten,
    ];
}

static FAULT: OnceLock<Fault> = OnceLock::new();

/// Breaks the core for the rest of this process.
pub fn break_core(fault: Fault) {
    assert_eq!(
        *FAULT.get_or_init(|| fault),
        fault,
        "bug: the core is broken once"
    );
}

pub(crate) fn is_broken(fault: Fault) -> bool {
    FAULT.get() == Some(&fault)
}
