//! Settings from code, presets, the environment and text.

#[allow(dead_code)]
#[path = "../support/scripted.rs"]
mod scripted;

mod configuration;
mod environment;
mod presets;
mod text;
mod validation;
