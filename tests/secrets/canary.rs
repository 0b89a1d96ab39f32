//! The search itself: a password that is planted where it can show is found in every place that is searched.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use queuepool::{Database, Mode, Settings};

use crate::capture;
use crate::marker::{Secret, percent_encoded, percent_encoded_throughout};
use crate::texts::{Texts, of_database, of_guard, printed};
use support::certificates::Authority;
use support::scripted::{eventually, millis};
use support::servers::{MariaDb, Postgres};

/// The same for all pools.
const WITHOUT_A_POOL: [&str; 7] = [
    "GET /",
    "GET /?pool",
    "GET /health",
    "GET /health?pool",
    "GET /health/live",
    "GET /health/live?pool",
    "Debug of Server",
];
/// These refuse the name of a pool, and do not repeat it.
const OF_ALL_POOLS: [&str; 2] = ["GET /metrics?pool", "GET /status?pool"];
/// The configuration and the counts of one pool, without its name.
const NAMELESS: [&str; 2] = ["GET /health/pool?pool", "Debug of Sample"];
/// A database uses one of them and has guards of its type.
const DRIVERS: [&str; 3] = ["PostgreSQL", "MySQL", "SQLite"];
/// What must be there to see in a value that has no room for a password.
const OWN_WORDS: [(&str, &str); 2] = [
    ("Debug of Sample", "Sample {"),
    ("Debug of Server", "local_addr: 127.0.0.1:"),
];

#[test]
fn every_spelling_of_the_password_is_found() {
    let secret = Secret::new();
    assert_eq!(secret.in_text("nothing to see"), None);
    for password in [secret.whole(), secret.wrong()] {
        let bytes = password.as_bytes();
        let hex = |form: fn(&u8) -> String| bytes.iter().map(form).collect::<String>();
        for (spelling, text) in [
            ("plain", password.clone()),
            ("upper case", password.to_ascii_uppercase()),
            ("percent-encoded", percent_encoded(&password)),
            ("throughout", percent_encoded_throughout(&password)),
            (
                "throughout, in upper case",
                percent_encoded_throughout(&password).to_ascii_uppercase(),
            ),
            ("form-encoded", password.replace(' ', "+")),
            ("JSON", serde_json::to_string(&password).unwrap()),
            ("Debug", format!("{password:?}")),
            ("Debug of bytes", format!("{bytes:?} {bytes:#?}")),
            ("Debug of a byte string", bytes.escape_ascii().to_string()),
            ("JSON of bytes", serde_json::to_string(bytes).unwrap()),
            ("hexadecimal", hex(|byte| format!("{byte:02x}"))),
            ("HEXADECIMAL", hex(|byte| format!("{byte:02X}"))),
            ("hexadecimal bytes", format!("{bytes:02x?}")),
            ("base64", STANDARD.encode(bytes)),
            ("base64 for URLs", URL_SAFE_NO_PAD.encode(bytes)),
            (
                "basic authentication",
                STANDARD.encode(format!("app:{password}")),
            ),
            (
                "basic authentication with a longer name",
                STANDARD.encode(format!("user:{password}")),
            ),
        ] {
            assert!(
                secret.in_text(&text).is_some(),
                "{spelling} hides it: {text}"
            );
        }
    }
}

#[test]
fn a_key_is_found_as_a_file_and_as_bytes() {
    let mut secret = Secret::new();
    let pem = Authority::new("ours").client().key;
    assert_eq!(secret.in_text(&pem), None);
    secret.add_key(&pem);
    for line in pem.lines().filter(|line| !line.starts_with("-----")) {
        assert!(secret.in_text(line).is_some(), "{line}");
    }
    let key = ::pem::parse(&pem).unwrap();
    let bytes = key.contents();
    let file = pem.as_bytes();
    for text in [
        format!("{bytes:?}"),
        format!("{bytes:02X?}"),
        format!("{file:?}"),
    ] {
        assert!(secret.in_text(&text).is_some(), "{text}");
    }
}

#[test]
fn any_single_piece_is_found_in_base64_wherever_it_stands() {
    let secret = Secret::new();
    for piece in secret.pieces() {
        for before in ["", "a", "ab", "abc", "abcd", "abcde"] {
            let text = STANDARD.encode(format!("{before}{piece}and so on"));
            assert!(secret.in_text(&text).is_some(), "{before} hides {piece}");
        }
    }
}

/// A pool whose name, validation query, holder and errors all contain the password.
fn telltale(secret: &Secret, url: &str) -> (Database, Texts) {
    let refuses = Arc::new(AtomicBool::new(false));
    let refusing = refuses.clone();
    let words = secret.whole();
    let settings = Settings::default()
        .mode(Mode::Queue)
        .pool_size(1)
        .max_overflow(1)
        .echo(true)
        .enable_pool_metrics(true)
        .metrics_collection_interval(millis(10))
        .validation_query(format!("SELECT 1 -- {words}"));
    let database = Database::builder(url)
        .name(secret.whole())
        .settings(settings)
        .on_connect(move |_| match refusing.load(SeqCst) {
            true => Err(words.clone().into()),
            false => Ok(()),
        })
        .build()
        .unwrap();
    let named = std::thread::Builder::new().name(secret.whole());
    let held = named.spawn({
        let database = database.clone();
        move || database.get().unwrap()
    });
    let mut held = held.unwrap().join().unwrap();
    let mut texts = of_guard(&mut held);
    refuses.store(true, SeqCst);
    texts.add_error("an error", &database.get().unwrap_err());
    eventually("a sample", || !database.history(0).is_empty());
    // The refused connection keeps its place until it is closed, and meanwhile none is free for a check.
    eventually("a check", || {
        database.health_check().unwrap().error.is_some()
    });
    texts.0.extend(of_database(&database).0);
    (database, texts)
}

fn is_found_in_every_text(url: &str, driver: &str) {
    let secret = Secret::new();
    let (_, texts) = telltale(&secret, url);
    assert!(texts.0.len() > 40, "{}", texts.0.len());
    let of_another = |place: &str| {
        let others = DRIVERS.iter().filter(|other| **other != driver);
        place.starts_with("Debug of Pool, ") && others.into_iter().any(|name| place.ends_with(name))
    };
    for (place, text) in &texts.0 {
        let is_found = secret.in_text(text).is_some();
        let place = place.as_str();
        match WITHOUT_A_POOL.contains(&place)
            || OF_ALL_POOLS.contains(&place)
            || NAMELESS.contains(&place)
            || of_another(place)
        {
            true => assert!(!text.is_empty() && !is_found, "{place}: {text}"),
            false => assert!(is_found, "{place} does not show it: {text}"),
        }
    }
    let text_of = |wanted: &str| -> &str {
        let found = texts.0.iter().find(|(place, _)| place == wanted);
        &found
            .unwrap_or_else(|| panic!("{wanted} is not searched"))
            .1
    };
    for (place, words) in OWN_WORDS {
        assert!(
            text_of(place).contains(words),
            "{place}: {}",
            text_of(place)
        );
    }
    text_of(&format!("Debug of Pool, {driver}"));
    text_of(&format!("Debug of Connection, {driver}"));
}

#[test]
fn a_password_planted_in_a_pools_name_is_found_in_every_text() {
    is_found_in_every_text("sqlite::memory:", "SQLite");
}

#[test]
fn a_password_planted_in_a_pools_name_is_found_in_every_text_on_postgres() {
    is_found_in_every_text(&Postgres::start().url(), "PostgreSQL");
}

#[test]
fn a_password_planted_in_a_pools_name_is_found_in_every_text_on_mariadb() {
    is_found_in_every_text(&MariaDb::start().url(), "MySQL");
}

#[test]
fn a_password_planted_in_a_name_and_in_sql_is_found_in_the_log() {
    let secret = Secret::new();
    let (database, _) = telltale(&secret, "sqlite::memory:");
    database.close(millis(10)).unwrap_or_default();
    let ours: Vec<_> = capture::lines()
        .into_iter()
        .filter(capture::Line::is_ours)
        .collect();
    for target in [
        format!("queuepool::{}", secret.whole()),
        "queuepool::http".to_owned(),
    ] {
        assert!(
            ours.iter().any(|line| line.target == target),
            "{target} logs nothing"
        );
    }
    let text = |line: &&capture::Line| secret.in_text(&line.text).is_some();
    assert!(ours.iter().filter(text).count() > 3);
}

#[test]
fn a_password_planted_in_a_statement_is_found_in_the_drivers_lines() {
    let (secret, server) = (Secret::new(), Postgres::start());
    let database = Database::open(&server.url()).unwrap();
    let sql = format!("SELECT 1 -- {}", secret.whole());
    database.get().unwrap().execute(&sql).unwrap();
    let drivers = capture::lines().into_iter().filter(|line| !line.is_ours());
    let found: Vec<_> = drivers
        .filter(|line| secret.in_text(&line.text).is_some())
        .collect();
    assert!(
        found
            .iter()
            .any(|line| line.target.starts_with("tokio_postgres"))
    );
}

#[test]
fn what_prints_nothing_would_be_searched_if_it_did() {
    let secret = Secret::new();
    struct Silent(#[allow(dead_code)] String);
    assert_eq!(printed!(Silent(secret.whole())), "");
    assert!(secret.in_text(&printed!(secret.whole())).is_some());
}

#[test]
fn a_password_planted_in_a_panic_is_found_in_what_it_prints() {
    let secret = Secret::new();
    let payload = catch_unwind(|| panic!("{}", secret.whole())).unwrap_err();
    assert!(
        secret
            .in_text(payload.downcast_ref::<String>().unwrap())
            .is_some()
    );
    assert!(
        capture::panics()
            .iter()
            .any(|panic| secret.in_text(panic).is_some())
    );
}

/// This is why guards are printed without their connections, and managers without their options.
#[test]
fn the_mysql_drivers_own_options_show_their_password_and_are_found() {
    let secret = Secret::new();
    let opts = ::mysql::OptsBuilder::new().pass(Some(secret.whole()));
    assert!(
        secret
            .in_text(&format!("{:?}", ::mysql::Opts::from(opts)))
            .is_some()
    );
}
