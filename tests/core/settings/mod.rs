//! Settings from code, presets, the environment and text.

mod configuration;
mod environment;
mod presets;
mod text;
mod validation;
