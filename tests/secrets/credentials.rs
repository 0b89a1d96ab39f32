//! Passwords that come from a closure, and a closure that says them when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use queuepool::{Credentials, Database};

use crate::marker::Secret;
use crate::subject::{Place, all_that_speaks, mariadb, postgres};
use crate::texts::{Texts, assert_process_silent, of_database, of_guard};
use support::scripted::secs;
use support::servers::PASSWORD_IN_URL;

const RIGHT: usize = 0;
const WRONG: usize = 1;
const FAILS: usize = 2;
const PANICS: usize = 3;

fn say_nothing(secret: &Secret, place: &Place) {
    let url = place.url(PASSWORD_IN_URL);
    let url = url.replace(&format!(":{PASSWORD_IN_URL}@"), "@");
    let does = Arc::new(AtomicUsize::new(RIGHT));
    let (what, right, wrong) = (does.clone(), secret.whole(), secret.wrong());
    let closure = move || -> Result<Credentials, Box<dyn std::error::Error>> {
        match what.load(SeqCst) {
            RIGHT => Ok(Credentials::new("app", right.clone())),
            WRONG => Ok(Credentials::from_password(wrong.clone())),
            FAILS => Err(right.clone().into()),
            // What a panic prints is the closure's own business. This one prints nothing.
            _ => std::panic::resume_unwind(Box::new(right.clone())),
        }
    };
    secret.assert_not_in_debug_of("Credentials", &closure().unwrap());
    let builder = Database::builder(&url)
        .name("spoken")
        .settings(all_that_speaks());
    let database = builder.credentials(closure).build().unwrap();
    let mut texts = Texts::default();
    for (act, words) in [
        (FAILS, "returned an error"),
        (PANICS, "panicked"),
        (WRONG, "asked again"),
        (RIGHT, ""),
    ] {
        does.store(act, SeqCst);
        match database.get() {
            Ok(mut held) if act == RIGHT => {
                held.execute("SELECT 1").unwrap();
                texts.0.extend(of_guard(&mut held).0);
            }
            Ok(_) => panic!("{words}: it connected"),
            Err(error) => {
                assert!(error.to_string().contains(words), "{error}");
                texts.add_error(words, &error);
            }
        }
        texts.0.extend(of_database(&database).0);
        // A refused password is remembered for a second.
        support::scripted::eventually("it would be asked again", || {
            act == RIGHT || act != WRONG || {
                does.store(RIGHT, SeqCst);
                database.get().is_ok()
            }
        });
    }
    database.invalidate_all();
    drop(database.get().unwrap());
    database.close(secs(10)).unwrap();
    texts.0.extend(of_database(&database).0);
    texts.assert_without(secret);
    assert_process_silent(secret);
}

#[test]
fn credentials_from_a_closure_say_nothing_on_postgres() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    say_nothing(&secret, &place);
}

#[test]
fn credentials_from_a_closure_say_nothing_on_mariadb() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    say_nothing(&secret, &place);
}
