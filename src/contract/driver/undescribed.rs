//! The driver of a manager for which nobody gave one.

use super::{Driver, Manager};

pub(crate) struct Undescribed;

impl<M: Manager> Driver<M> for Undescribed {}
