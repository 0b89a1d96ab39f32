//! The scenarios of the QueuePool semantics, by their numbers, against a driver that obeys the test.

mod aborts;
mod bays;
mod cancelling;
mod capacity;
mod contract;
mod corners;
mod customizer;
mod extensions;
mod failures;
mod fairness;
mod hooks;
mod idle_for;
mod leaks;
mod lifecycle;
mod others_code;
mod overload;
mod panics;
mod proportion;
mod random;
mod readiness;
mod resets;
mod roles;
mod trouble;
mod verdicts;
mod warming;
