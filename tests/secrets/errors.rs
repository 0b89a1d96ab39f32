//! Errors of every kind, on real servers, with everything beneath them and everything they leave behind.

use std::thread;

use queuepool::{Database, Error, ErrorKind, PrePing};

use crate::marker::{Secret, percent_encoded, percent_encoded_throughout};
use crate::subject::{Place, all_that_speaks, bouncer, mariadb, open, postgres};
use crate::texts::{Texts, assert_process_silent, of_database};
use support::scripted::{eventually, millis, secs};

const KINDS: [ErrorKind; 9] = [
    ErrorKind::Timeout,
    ErrorKind::Connect,
    ErrorKind::Validation,
    ErrorKind::Closed,
    ErrorKind::Overloaded,
    ErrorKind::Settings,
    ErrorKind::Hook,
    ErrorKind::Statement,
    ErrorKind::Unsupported,
];

/// An error and the database it came from, if there was one.
type Had = (Error, Option<Database>);

fn error_of(kind: ErrorKind, place: &Place, secret: &Secret) -> Vec<Had> {
    let good = place.url(&percent_encoded(&secret.whole()));
    let settings = all_that_speaks();
    let one = |settings, had: &dyn Fn(&Database) -> Error| -> Vec<Had> {
        let database = Database::open_with(&good, settings).unwrap();
        vec![(had(&database), Some(database))]
    };
    match kind {
        ErrorKind::Timeout => one(settings.max_overflow(0), &|database| {
            let _held = database.get().unwrap();
            database.get_timeout(millis(20)).unwrap_err()
        }),
        ErrorKind::Connect => {
            let wrong = secret.wrong();
            let refused = [percent_encoded(&wrong), percent_encoded_throughout(&wrong)];
            let urls = refused.map(|wrong| place.url(&wrong));
            let all = urls.into_iter().chain([place.unreachable(&secret.whole())]);
            let had = all.map(|url| {
                let database = open(&url);
                (database.get().unwrap_err(), Some(database))
            });
            had.collect()
        }
        ErrorKind::Validation => {
            let settings = settings
                .pre_ping(PrePing::Always)
                .max_validation_failures(1)
                .validation_query("SELEC 1");
            one(settings, &|database| {
                drop(database.get().unwrap());
                database.get().unwrap_err()
            })
        }
        ErrorKind::Closed => one(settings, &|database| {
            database.close(secs(10)).unwrap();
            database.get().unwrap_err()
        }),
        ErrorKind::Overloaded => one(settings.max_overflow(0).max_waiting(1), &|database| {
            let held = database.get().unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| database.get().map(drop));
                eventually("one waits", || database.status().waiting_requests == 1);
                let error = database.get().unwrap_err();
                drop(held);
                waiting.join().unwrap().unwrap();
                error
            })
        }),
        ErrorKind::Settings => {
            let urls = [
                place.url(&secret.whole()),
                format!("{good}?pool_size=none"),
                format!("{good}?nonsense=1"),
                format!("{good}?pool_size=0"),
            ];
            urls.map(|url| (Database::open(&url).unwrap_err(), None))
                .into()
        }
        ErrorKind::Hook => {
            let refuses = |builder: queuepool::DatabaseBuilder| {
                let database = builder.settings(all_that_speaks()).build().unwrap();
                (database.get().unwrap_err(), Some(database))
            };
            vec![
                refuses(
                    Database::builder(&good).on_connect(|info| Err(format!("{info:?}").into())),
                ),
                refuses(
                    Database::builder(&good).on_checkout(|info| Err(format!("{info:?}").into())),
                ),
            ]
        }
        ErrorKind::Statement => one(settings, &|database| {
            database.get().unwrap().execute("SELEC 1").unwrap_err()
        }),
        ErrorKind::Unsupported => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            one(settings, &|database| {
                runtime.block_on(async { database.get().unwrap_err() })
            })
        }
        _ => unreachable!("a kind that is not in the list"),
    }
}

fn of_every_kind(secret: &Secret, place: &Place) {
    for kind in KINDS {
        for (error, database) in error_of(kind, place, secret) {
            let mut texts = Texts::default();
            texts.add_error("an error", &error);
            texts.add_error("its copy", &error.clone());
            assert_eq!(error.kind(), kind, "{error:?}");
            if let Some(database) = database {
                texts.0.extend(of_database(&database).0);
            }
            texts.assert_without(secret);
        }
    }
    assert_process_silent(secret);
}

#[test]
fn not_on_postgres() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    of_every_kind(&secret, &place);
}

#[test]
fn not_on_mariadb() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    of_every_kind(&secret, &place);
}

#[test]
fn not_through_pgbouncer() {
    let secret = Secret::new();
    let (server, _) = postgres(&secret);
    for pool_mode in ["session", "transaction"] {
        let (_bouncer, place) = bouncer(&server, &secret, pool_mode);
        of_every_kind(&secret, &place);
    }
}
