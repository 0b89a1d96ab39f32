//! Any text as settings is read or refused and never causes a panic; what is read can be validated, printed, and read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use queuepool::{ErrorKind, Settings};

fuzz_target!(|text: &str| {
    match text.parse::<Settings>() {
        Ok(settings) => {
            let _may_be_nonsense = settings.validate();
            let printed = settings.to_string();
            assert!(printed.is_ascii());
            assert_eq!(printed.parse::<Settings>().expect("printed"), settings);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Settings),
    }
});
