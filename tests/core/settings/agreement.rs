//! The environment, a URL and a text are three ways to write the same settings: each takes what the others take, with the same
//! effect, except that an empty variable counts as unset.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use queuepool::{Error, ErrorKind, Settings};

use super::name;

type Written = (String, String);

fn from_environment(written: &[Written], prefix: &str) -> Result<Settings, Error> {
    let variables = written.iter().map(|(name, value)| {
        let variable = format!("{prefix}{}", name.to_ascii_uppercase());
        (variable.into(), value.into())
    });
    Settings::default().with_vars(variables)
}

fn query(written: &[Written]) -> String {
    let pairs: Vec<String> = written
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    pairs.join("&")
}

fn from_url(written: &[Written]) -> Result<Settings, Error> {
    let (left, settings) =
        Settings::from_url(&format!("postgres://app:pass@h/d?{}", query(written)))?;
    assert_eq!(left, "postgres://app:pass@h/d");
    Ok(settings)
}

/// Values near what some setting takes, and far from it: huge, blank, with control characters, beyond ASCII.
fn value() -> impl Strategy<Value = String> {
    let words = "on|OFF|true|No|1|0|never|always|none|auto|queue|null|rollback|full|SELECT 1|inf|NaN|1e999|-0";
    prop_oneof![
        3 => "[0-9]{1,4}",
        1 => "-?[0-9]{1,30}(\\.[0-9]{0,9})?",
        2 => "([0-9 ]{1,21}(ns|us|ms|s|m|min|h|days|w|months|years)){1,4}",
        2 => words,
        1 => "[ \t\u{a0}\u{3000}]{0,2}(on|5|5s|never)[ \t\u{a0}\u{3000}]{0,2}",
        1 => "[\0-\x20\x7f]{0,3}",
        1 => "\\PC{0,80}",
        1 => "[a-z0-9%&=?#@:/+]{0,12}",
    ]
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    prop::collection::vec((name(), value()), 1..5)
}

proptest! {
    #![proptest_config(match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(10_000),
    })]

    #[test]
    fn a_value_says_the_same_wherever_it_stands(name in name(), value in value()) {
        let is_empty = value.is_empty();
        let written = [(name.clone(), value)];
        if is_empty {
            // The one exception: an empty variable counts as unset.
            prop_assert_eq!(from_environment(&written, "DB_").expect("unset"), Settings::default());
            prop_assert!(from_url(&written).unwrap_err().to_string().contains(&name));
            prop_assert!(query(&written).parse::<Settings>().unwrap_err().to_string().contains(&name));
            return Ok(());
        }
        match from_environment(&written, "DB_") {
            Ok(settings) => {
                prop_assert_eq!(&from_environment(&written, "DATABASE_").expect("as with DB_"), &settings);
                prop_assert_eq!(&from_url(&written).expect("as in the environment"), &settings);
                prop_assert_eq!(&query(&written).parse::<Settings>().expect("as in the environment"), &settings);
                prop_assert_eq!(&settings.to_string().parse::<Settings>().expect("printed"), &settings);
            }
            Err(error) => {
                let place = format!(" in DB_{}: expected ", name.to_ascii_uppercase());
                prop_assert!(error.to_string().starts_with(&format!("invalid {name} ")), "{}", error);
                prop_assert!(error.to_string().contains(&place), "{}", error);
                for (error, name) in [
                    (error, name.to_ascii_uppercase()),
                    (from_environment(&written, "DATABASE_").unwrap_err(), name.to_ascii_uppercase()),
                    (from_url(&written).unwrap_err(), name.clone()),
                    (query(&written).parse::<Settings>().unwrap_err(), name.clone()),
                ] {
                    prop_assert_eq!(error.kind(), ErrorKind::Settings);
                    prop_assert!(error.to_string().contains(&name), "{}", error);
                    prop_assert!(error.to_string().len() < 1_000, "{}", error);
                    prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn the_order_in_which_settings_are_written_does_not_matter(
        (one, other) in written().prop_flat_map(|written| (Just(written.clone()), Just(written).prop_shuffle())),
    ) {
        // Of two that are refused or that contradict each other, either may be the one that is named.
        prop_assert_eq!(from_url(&one).ok(), from_url(&other).ok());
        prop_assert_eq!(
            query(&one).parse::<Settings>().ok(),
            query(&other).parse::<Settings>().ok()
        );
    }

    #[test]
    fn what_is_out_of_range_is_named_as_it_was_written(name in name(), value in value()) {
        if let Ok(settings) = from_environment(&[(name.clone(), value)], "DB_")
            && let Err(error) = settings.validate()
        {
            prop_assert_eq!(error.kind(), ErrorKind::Settings);
            let variable = format!("DB_{}", name.to_ascii_uppercase());
            prop_assert!(error.to_string().contains(&variable), "{}", error);
        }
    }
}
