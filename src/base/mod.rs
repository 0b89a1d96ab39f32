//! What the other rooms are built from and what knows nothing of pools: time, locks, threads, logging, panics, histograms.

pub(crate) mod abort;
pub(crate) mod clock;
#[cfg(not(queuepool_loom))]
mod counter;
pub(crate) mod descriptors;
#[cfg(queuepool_loom)]
pub(crate) mod fault;
pub(crate) mod fork;
pub(crate) mod helpers;
pub(crate) mod histogram;
#[cfg(not(queuepool_loom))]
pub(crate) mod instant;
pub(crate) mod log;
#[cfg(queuepool_loom)]
pub(crate) mod loom;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod mask;
pub(crate) mod name;
pub(crate) mod one_by_one;
pub(crate) mod panics;
pub(crate) mod runtime;
pub(crate) mod seldom;
pub(crate) mod slot;
pub(crate) mod sync;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod words;
