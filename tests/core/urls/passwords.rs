//! A password that a URL holds, as it is or percent-encoded, must not show anywhere.

use std::error::Error as StdError;
use std::fmt::Debug;

use proptest::prelude::*;
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::sqlite::{SqliteManager, SqlitePool};
use queuepool::{Database, Error, ErrorKind, Settings};

use super::generators::*;

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
        .min_pool_size(0);
    let opened = Database::open_with(url, settings);
    if let Ok(database) = &opened {
        assert_silent(url, Ok(database.settings()));
        assert_silent(url, Ok(database.settings().to_string()));
        assert_silent(url, Ok(database.status()));
        assert_silent(url, Ok(database.status().to_string()));
    }
    assert_silent(url, opened);
}

/// Put around the secret: a character that ends an unencoded password, followed by text that would then be shown.
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
        // What follows may contain an @ of its own.
        let password = encoded(&format!("{before}{SECRET}{after}"));
        assert_silent_everywhere(&format!("{scheme}://app:{password}@{rest}"));
    }

    #[test]
    fn not_a_password_that_was_not_encoded(
        scheme in scheme(), before in before(), after in odd(), rest in rest(),
    ) {
        // If it contains an @, nobody can tell where it ends.
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

/// What the tests above have found.
#[test]
fn not_a_password_that_is_cut_off_by_what_it_holds() {
    for url in [
        "mysql://app:?s3cret0@",
        "mysql://app:12?socket=s3cret@host/d",
        "mysql://app:12?validation_query=s3cret@host/d",
        "postgres://app:@s3cret@999.1.1.1:1",
        "postgres://app:p@host/s3cret@host/d",
        "postgres://app:12?application_name=s3cret@host/d",
        "postgres://host:5432/d?password=p@s3cret",
        "sqlite://app:x?s3cret@host",
        "sqlite://app:x?cache_size=s3cret@host",
        "app/s3cret@host:5432/d?next=http://other",
    ] {
        let error = Database::open(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Settings, "{url}: {error}");
        assert_silent_everywhere(url);
    }
}

#[test]
fn an_at_sign_that_can_be_read_in_one_way_only_is_read() {
    let user_of = |url: &str| format!("{:?}", PostgresManager::from_url(url).expect(url));
    assert!(user_of("postgres://app:p?w/d@host/d").contains("Tcp(\"host\")"));
    assert!(user_of("postgres://host/d?user=me@server").contains("\"me@server\""));
    assert!(user_of("postgres://app:p@host/d?application_name=a@b").contains("\"a@b\""));
    assert!(user_of("postgres://[::1]:5432/d?application_name=a@b").contains("\"a@b\""));
    let manager = MySqlManager::from_url("mysql://host/d?user=me@server").expect("one way only");
    assert!(format!("{manager:?}").contains("\"me@server\""));
}
