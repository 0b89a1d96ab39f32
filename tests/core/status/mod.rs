//! What an operator sees: the snapshot and its printed form, judgement, the health check, the monitor and its history.

mod advice;
mod definitions;
mod evidence;
mod health_check;
mod monitor;
mod printed;
mod recommendations;
mod since;
mod sizes;
mod snapshot;
