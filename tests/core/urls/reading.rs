//! What is read from a URL. Everything else must be refused as a bad setting.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{Database, Error, ErrorKind, Settings};

use super::generators::*;

/// A pool with one place, whatever the URL asks for. It opens no connection.
fn small() -> Settings {
    Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .warm_up(0)
        .min_pool_size(0)
}

/// What was read, or why nothing was. Panics if the error is of any kind but Settings.
fn outcome<T: Debug>(read: Result<T, Error>) -> Result<String, ErrorKind> {
    match read {
        Ok(value) => Ok(format!("{value:?}")),
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Settings | ErrorKind::Unsupported),
                "{error:?}"
            );
            assert!(!error.to_string().is_empty());
            Err(kind)
        }
    }
}

/// The same names in two orders, each with the place of its value.
fn in_two_orders(
    known: &'static [&'static str],
) -> impl Strategy<Value = [Vec<(usize, &'static str)>; 2]> {
    subsequence(known, 0..=6)
        .prop_map(|names| names.into_iter().enumerate().collect::<Vec<_>>())
        .prop_flat_map(|names| {
            (
                Just(names.clone()).prop_shuffle(),
                Just(names).prop_shuffle(),
            )
        })
        .prop_map(|(one, other)| [one, other])
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn whatever_looks_like_a_url_is_read_or_refused_as_a_setting(url in url()) {
        let _ = outcome(PostgresManager::from_url(&url));
        let _ = outcome(MySqlManager::from_url(&url));
        let _ = outcome(SqliteManager::from_url(&url));
        let _ = outcome(PostgresPool::builder(&url).map(drop));
        let _ = outcome(MySqlPool::builder(&url).map(drop));
        let _ = outcome(SqlitePool::builder(&url).map(drop));
        let _ = outcome(url.parse::<Settings>());
    }

    #[test]
    fn whatever_looks_like_a_url_opens_the_database_that_its_scheme_names(url in url()) {
        if let Ok(database) = Database::open_with(&url, small()) {
            let scheme = url[..url.find(':').expect("a scheme")].to_ascii_lowercase();
            prop_assert_eq!(database.postgres().is_some(), scheme.starts_with("postgres"));
            prop_assert_eq!(database.mysql().is_some(), scheme.starts_with('m'));
            prop_assert_eq!(database.sqlite().is_some(), scheme.starts_with("sqlite"));
            prop_assert_eq!(database.settings().pool_size, 1);
        } else {
            let _ = outcome(Database::open_with(&url, small()));
        }
    }

    #[test]
    fn the_order_of_parameters_does_not_matter(
        [one, other] in prop_oneof![in_two_orders(&POSTGRES), in_two_orders(&MYSQL), in_two_orders(&SQLITE)],
        values in prop::collection::vec(value(), 6),
        own in prop::collection::vec((select(OWN.to_vec()), value()), 0..2),
        scheme in scheme(),
    ) {
        let url = |names: &[(usize, &str)]| {
            let driver = names.iter().map(|(place, name)| format!("{name}={}", encoded(&values[*place])));
            let own = own.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
            let parameters: Vec<String> = driver.chain(own).collect();
            format!("{scheme}://app:pass@host/app?{}", parameters.join("&"))
        };
        let (one, other) = (url(&one), url(&other));
        // Of several that are refused, any may be the one that is named.
        prop_assert_eq!(outcome(PostgresManager::from_url(&one)).ok(), outcome(PostgresManager::from_url(&other)).ok());
        prop_assert_eq!(outcome(MySqlManager::from_url(&one)).ok(), outcome(MySqlManager::from_url(&other)).ok());
        prop_assert_eq!(outcome(SqliteManager::from_url(&one)).ok(), outcome(SqliteManager::from_url(&other)).ok());
    }

    #[test]
    fn a_parameter_is_refused_by_its_name_or_read(
        scheme in scheme(), name in select([&OWN[..], &POSTGRES, &MYSQL, &SQLITE].concat()), value in value(),
    ) {
        assert_named_or_read(scheme, name, &value);
    }
}

#[test]
fn every_parameter_is_refused_by_its_name_or_read_whatever_its_value() {
    for scheme in ["postgresql", "mysql", "sqlite"] {
        for name in [&OWN[..], &POSTGRES, &MYSQL, &SQLITE].concat() {
            for value in VALUES {
                assert_named_or_read(scheme, name, value);
            }
        }
    }
}

#[track_caller]
fn assert_named_or_read(scheme: &str, name: &str, value: &str) {
    let (known, url): (&[&str], _) = match scheme.to_ascii_lowercase() {
        postgres if postgres.starts_with("postgres") => {
            (&POSTGRES, format!("{scheme}://app@host/app"))
        }
        sqlite if sqlite.starts_with("sqlite") => (&SQLITE, format!("{scheme}:///app.db")),
        _ => (&MYSQL, format!("{scheme}://app@host/app")),
    };
    outcome(Database::open_with(&url, small())).expect("good without the parameter");
    match Database::open_with(&format!("{url}?{name}={}", encoded(value)), small()) {
        Ok(_) => {
            // MySqlManager accepts every driver's way of saying "no TLS".
            let of_tls = known == MYSQL && name.starts_with("ssl");
            let is_known = known.contains(&name) || OWN.contains(&name) || of_tls;
            assert!(is_known, "{name} = {value:?} was read");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                matches!(error.kind(), ErrorKind::Settings | ErrorKind::Unsupported),
                "{text}"
            );
            // What the driver calls libpq's mode.
            let named = text.contains(name) || text.contains(&name.replace("_count", "_retries"));
            assert!(named, "{name} = {value:?}: {text}");
            assert!(text.len() < 1_000, "{text}");
        }
    }
}
