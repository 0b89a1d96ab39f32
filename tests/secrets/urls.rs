//! URLs that are refused, or read in a way that their writer did not intend. `tests/core/urls` does the same with random
//! URLs.

use queuepool::mysql::MySqlPool;
use queuepool::postgres::PostgresPool;
use queuepool::sqlite::SqlitePool;
use queuepool::{Database, Error, Settings};

use crate::marker::{Secret, percent_encoded, percent_encoded_throughout};
use crate::texts::{Texts, assert_process_silent, printed};

const SCHEMES: [&str; 4] = ["postgresql", "mysql", "sqlite", "oracle"];

/// What may follow the password.
const ENDS: [&str; 14] = [
    "",
    "@127.0.0.1:1/app",
    "@127.0.0.1:1/app?nonsense=1",
    "@127.0.0.1:1/app?pool_size=ten",
    "@127.0.0.1:1/app?pool_size=0",
    "@127.0.0.1:1/app?pool_size=1&max_pool_size=0",
    "@127.0.0.1:port/app",
    "@127.0.0.1:99999/app?pool_size=1",
    "@[::1/app",
    "@",
    "@/app",
    "@127.0.0.1:1/app?sslmode=require",
    "@127.0.0.1:1/app?sslmode=nonsense",
    "@127.0.0.1:1/app#fragment",
];

/// The whole password, and pieces of it with each character that has a meaning in a URL before and after them.
fn passwords(secret: &Secret) -> Vec<String> {
    let whole = secret.whole();
    let mut passwords = vec![
        whole.clone(),
        percent_encoded(&whole),
        percent_encoded_throughout(&whole),
        whole.replace('@', "%40"),
        whole.replace('%', "%25"),
    ];
    let [first, second, third, ..] = secret.pieces() else {
        unreachable!("there are thirteen")
    };
    for separator in [
        "", "@", ":", "/", "?", "#", "&", "=", "%", "%FF", "'", "\"", "`", "\\", "[", ",", " ",
    ] {
        passwords.push(format!("{first}{separator}{second}"));
        passwords.push(format!("{separator}{first}"));
        passwords.push(format!("1{separator}{first}=1"));
        passwords.push(format!("1{separator}pool_size={first}"));
        passwords.push(format!("1{separator}pool_size={first}&{second}"));
        passwords.push(format!("1{separator}sslmode={first}"));
        passwords.push(format!(
            "1{separator}{first}{separator}{second}{separator}{third}"
        ));
    }
    passwords
}

fn add<T: std::fmt::Debug>(texts: &mut Texts, what: &str, read: Result<T, Error>) -> bool {
    match read {
        Ok(value) => texts.add_debug(what, &value),
        Err(error) => {
            texts.add_error(what, &error);
            return true;
        }
    }
    false
}

/// Returns whether the URL is refused.
fn read(secret: &Secret, url: &str) -> bool {
    let mut texts = Texts::default();
    let settings = Settings::default().pool_size(1).max_overflow(0);
    let refused = add(&mut texts, "Database", Database::open_with(url, settings));
    texts.add("DatabaseBuilder", printed!(Database::builder(url)));
    add(
        &mut texts,
        "PostgresPool",
        PostgresPool::builder(url).map(drop),
    );
    add(&mut texts, "MySqlPool", MySqlPool::builder(url).map(drop));
    add(&mut texts, "SqlitePool", SqlitePool::builder(url).map(drop));
    add(&mut texts, "Settings", url.parse::<Settings>());
    for (place, text) in &texts.0 {
        if let Some(found) = secret.in_text(text) {
            panic!("{place} shows {found} of {url}: {text}");
        }
    }
    refused
}

#[test]
fn not_of_a_url_that_is_refused_or_misread() {
    let secret = Secret::new();
    let (mut refused, mut all) = (0, 0);
    for scheme in SCHEMES {
        for password in passwords(&secret) {
            for end in ENDS {
                // `user:1?2` is either a host with a port and a parameter, or a user with a password and no host: nobody
                // can tell. SQLite's URL is a path, which is shown.
                if end.is_empty() && (password.contains('?') || scheme == "sqlite") {
                    continue;
                }
                all += 1;
                refused += usize::from(read(&secret, &format!("{scheme}://app:{password}{end}")));
            }
        }
    }
    assert!(refused > all / 2 && refused < all, "{refused} of {all}");
    assert_process_silent(&secret);
}

#[test]
fn not_of_what_is_no_url_at_all_or_has_the_password_elsewhere() {
    let secret = Secret::new();
    for password in passwords(&secret) {
        // An & that is not encoded ends one parameter and begins another.
        let value = password.replace('&', "%26");
        // With a =, it could be one of our parameters and its value.
        let alone = password.replace('=', "");
        for url in [
            alone,
            format!("app:{password}@host/app"),
            format!("postgresql:app:{password}@host/app"),
            format!("postgresql//app:{password}@host/app"),
            format!("postgresql:/app:{password}@host/app"),
            format!("mysql:app:{password}@host/app"),
            format!("postgresql://app:1@host:1/app?password={value}&nonsense=1"),
            format!("host=127.0.0.1 user=app password={value}"),
            format!("user=app;password={value}"),
        ] {
            read(&secret, &url);
        }
    }
    assert_process_silent(&secret);
}

/// Each piece after the first is a parameter without a value; to one of the drivers, it also has the name of the next
/// parameter at its end.
#[test]
fn not_of_a_password_among_the_parameters_that_an_unescaped_ampersand_cuts() {
    let secret = Secret::new();
    let [first, second, third, ..] = secret.pieces() else {
        unreachable!("there are thirteen")
    };
    for scheme in ["postgresql", "mysql"] {
        for rest in [
            second.clone(),
            format!("{second}&{third}"),
            format!("{second}+{third}"),
            percent_encoded_throughout(second),
            format!("{second}'{third}&`{second}"),
            format!("pass{second}&{third}"),
        ] {
            for (name, end) in [
                ("password", ""),
                ("password", "&nonsense=1"),
                ("password", "&connect_timeout=1&nonsense=1"),
                ("password", "&passfile=1"),
                ("PASSWORD", "&nonsense=1"),
                ("pwd", "&nonsense=1"),
            ] {
                let url = format!("{scheme}://app:1@host:1/app?{name}={first}&{rest}{end}");
                assert!(read(&secret, &url), "{url} is accepted");
            }
        }
    }
    assert_process_silent(&secret);
    let url = format!("postgresql://app@host:1/app?password={first}&nonsense=1");
    let error = Database::open(&url).unwrap_err().to_string();
    assert!(error.contains("\"nonsense\""), "{error}");
}
