//! The pool itself, against a driver that obeys the test: no server, a few seconds.

mod async_runtime;
mod custom_manager;
mod first_page;
mod from_r2d2;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod public_names;
mod read_write;
mod registry;
mod scenarios;
mod settings;
mod status;
#[cfg(feature = "serde")]
mod status_json;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod urls;
