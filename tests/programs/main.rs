//! The examples, run as programs.

mod index;
mod verify;
