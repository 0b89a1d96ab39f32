//! Settings from code, presets, the environment, URLs and text.

mod agreement;
mod configuration;
mod durations;
mod environment;
mod parameters;
mod presets;
mod text;
mod validation;
mod variables;

use proptest::prelude::*;
use proptest::sample::select;
use queuepool::Settings;

/// Any name of any setting as it is written in a URL.
fn name() -> impl Strategy<Value = String> {
    let printed = Settings::default().to_string();
    let own = printed
        .split('&')
        .map(|pair| pair.split_once('=').expect("name=value").0);
    let all = own.chain(["max_pool_size", "validate_on_checkout"]);
    select(all.map(str::to_owned).collect::<Vec<_>>())
}
