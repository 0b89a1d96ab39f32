//! What a pool reports about itself: a consistent snapshot, the samples of the last hour, and advice drawn from both.

#[cfg(feature = "serde")]
pub(crate) mod as_json;
pub(crate) mod checked;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod judgement;
mod limit;
pub(crate) mod report;
pub(crate) mod since;
pub(crate) mod sizing;
pub(crate) mod snapshot;
pub(crate) mod status;
mod times;
