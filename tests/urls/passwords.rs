//! A password that a URL holds, as it is or percent-encoded, shows nowhere.

use std::error::Error as StdError;
use std::fmt::Debug;

use proptest::prelude::*;
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{Database, Error, Settings};

use crate::generators::*;

const SECRET: &str = "s3cret";

#[track_caller]
fn assert_silent<T: Debug>(url: &str, read: Result<T, Error>) {
    let mut texts = Vec::new();
    match read {
        Ok(value) => texts.push(format!("{value:?}")),
        Err(error) => {
            let mut next: Option<&dyn StdError> = Some(&error);
            while let Some(error) = next {
                texts.push(format!("{error} {error:?} {error:#?}"));
                next = error.source();
            }
        }
    }
    for text in texts {
        assert!(!text.contains(SECRET), "{url:?} shows in: {text}");
    }
}

#[track_caller]
fn assert_silent_everywhere(url: &str) {
    assert_silent(url, PostgresManager::from_url(url));
    assert_silent(url, MySqlManager::from_url(url));
    assert_silent(url, SqliteManager::from_url(url));
    assert_silent(url, PostgresPool::builder(url).map(drop));
    assert_silent(url, MySqlPool::builder(url).map(drop));
    assert_silent(url, SqlitePool::builder(url).map(drop));
    assert_silent(url, url.parse::<Settings>());
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .warm_up(0)
        .min_idle(0);
    let opened = Database::open_with(url, settings);
    if let Ok(database) = &opened {
        assert_silent(url, Ok(database.settings()));
        assert_silent(url, Ok(database.settings().to_string()));
        assert_silent(url, Ok(database.status()));
        assert_silent(url, Ok(database.status().to_string()));
    }
    assert_silent(url, opened);
}

/// Around the secret: what ends a password that was not encoded, followed by what would then be shown.
fn before() -> impl Strategy<Value = String> {
    let cut_off = prop::sample::select(vec![
        "", "?", "/", "#", "12?", "12/", "12/x?", "a:", "[", ",", "'", "`", "://",
    ]);
    let parameter = prop::sample::select([&OWN[..], &POSTGRES, &MYSQL, &SQLITE].concat());
    let taken_for = prop_oneof![
        Just(String::new()),
        parameter.prop_map(|name| format!("{name}=")),
        Just("ssl".to_owned()),
        Just("validation_query=SELECT".to_owned()),
        odd(),
    ];
    (odd(), cut_off, taken_for)
        .prop_map(|(odd, cut_off, taken_for)| format!("{odd}{cut_off}{taken_for}"))
        .boxed()
        .prop_union(odd().boxed())
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn not_a_password_that_was_encoded(scheme in scheme(), before in odd(), after in odd(), rest in rest()) {
        // What follows may hold an @ of its own.
        let password = encoded(&format!("{before}{SECRET}{after}"));
        assert_silent_everywhere(&format!("{scheme}://app:{password}@{rest}"));
    }

    #[test]
    fn not_a_password_that_was_not_encoded(
        scheme in scheme(), before in before(), after in odd(), rest in rest(),
    ) {
        // With an @ in it nobody can tell where it ends.
        let password = format!("{before}{SECRET}{after}").replace('@', "");
        assert_silent_everywhere(&format!("{scheme}://app:{password}@{}", rest.replace('@', "")));
    }

    #[test]
    fn not_a_password_with_an_at_sign_that_was_not_encoded(
        scheme in scheme(), before in "[a-z0-9]{0,3}", after in "[a-z0-9@!$]{0,3}", rest in rest(),
    ) {
        let url = format!("{scheme}://app:{before}@{SECRET}{after}@{}", rest.replace('@', ""));
        assert_silent_everywhere(&url);
    }

    #[test]
    fn not_a_password_that_is_a_parameter(scheme in scheme(), after in "[a-z0-9@!$:/?]{0,3}", rest in rest()) {
        let mark = if rest.contains('?') { "&" } else { "?" };
        assert_silent_everywhere(&format!("{scheme}://{}{mark}password={SECRET}{after}", rest.replace(['@', '#'], "")));
    }
}
