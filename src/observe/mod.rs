//! What a pool tells of itself: one consistent snapshot, what has been sampled, and what is to be made of it.

#[cfg(feature = "serde")]
pub(crate) mod as_json;
pub(crate) mod checked;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod judgement;
pub(crate) mod report;
pub(crate) mod since;
pub(crate) mod sizing;
pub(crate) mod snapshot;
pub(crate) mod status;
