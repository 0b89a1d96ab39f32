//! A password in a URL, plain or percent-encoded, shows neither in an error nor in the Debug output of what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::sqlite::{SqliteManager, SqlitePool};

const SECRET: &str = "s3cret";

fn is_silent<T: std::fmt::Debug>(url: &str, read: Result<T, queuepool::Error>) {
    let text = match read {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(
        !text.contains(SECRET),
        "the password of {url:?} shows in {text}"
    );
}

fuzz_target!(|parts: (bool, &str, &str, &str)| {
    let (encoded, before, after, rest) = parts;
    let mut password = format!("{before}{SECRET}{after}");
    // With a second one, the text may be two hosts or one password: nobody can tell.
    if rest.contains('@') || rest.contains(SECRET) {
        return;
    }
    if encoded {
        password = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
    } else if password.contains('@') {
        return;
    }
    for scheme in ["postgresql", "mysql", "sqlite"] {
        let url = format!("{scheme}://app:{password}@{rest}");
        is_silent(&url, PostgresManager::from_url(&url));
        is_silent(&url, MySqlManager::from_url(&url));
        is_silent(&url, SqliteManager::from_url(&url));
        is_silent(&url, PostgresPool::builder(&url).map(drop));
        is_silent(&url, MySqlPool::builder(&url).map(drop));
        is_silent(&url, SqlitePool::builder(&url).map(drop));
    }
});
