//! Panics in each kind of hook, and in a user's own `unwrap`: what they print, what they carry, and what they leave behind.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use queuepool::{Connection, ConnectionInfo, Database, DatabaseBuilder};

use crate::capture;
use crate::marker::{Secret, percent_encoded};
use crate::subject::{Place, all_that_speaks, mariadb, open, postgres};
use crate::texts::{Texts, assert_process_silent, of_database};
use support::scripted::millis;

const WORDS: &str = "a hook knows this: ";

fn panics(info: &ConnectionInfo) -> ! {
    panic!("{WORDS}{info:?}")
}

fn with_hook(builder: DatabaseBuilder, hook: &str) -> DatabaseBuilder {
    match hook {
        "connect" => builder.on_connect(|info| panics(info)),
        "checkout" => builder.on_checkout(|info| panics(info)),
        "checkin" => builder.on_checkin(|info| panics(info)),
        "reset" => builder.on_reset(|info| panics(info)),
        "invalidate" => builder.on_invalidate(|info| panics(info)),
        "close" => builder.on_close(|info, _| panics(info)),
        "timeout" => builder.on_timeout(|waited| panic!("{WORDS}{waited:?}")),
        other => unreachable!("{other}"),
    }
}

fn payload(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap()
}

fn in_every_hook(secret: &Secret, place: &Place) {
    let url = place.url(&percent_encoded(&secret.whole()));
    for hook in [
        "connect",
        "checkout",
        "checkin",
        "reset",
        "invalidate",
        "close",
        "timeout",
    ] {
        let name = format!("panics in {hook}");
        let builder = Database::builder(&url)
            .name(&name)
            .settings(all_that_speaks().max_overflow(0));
        let database = with_hook(builder, hook).build().unwrap();
        let mut texts = Texts::default();
        let used = catch_unwind(AssertUnwindSafe(|| {
            let held = database.get().unwrap();
            texts.add_error("no room", &database.get_timeout(millis(1)).unwrap_err());
            drop(held);
            if let Some(pool) = database.postgres() {
                Connection::invalidate(pool.get().unwrap());
            }
            if let Some(pool) = database.mysql() {
                Connection::invalidate(pool.get().unwrap());
            }
        }));
        if let Err(panic) = &used {
            texts.add("a panic's words", payload(&**panic));
        }
        database.invalidate_all();
        texts.0.extend(of_database(&database).0);
        let _ = database.close(millis(100));
        texts.assert_without(secret);
        let resumes = ["connect", "checkout"].contains(&hook);
        assert_eq!(used.is_err(), resumes, "{hook}");
        let said = |text: &str| text.contains(WORDS) && (hook == "timeout" || text.contains(&name));
        assert!(
            capture::panics().iter().any(|panic| said(panic)),
            "{hook} did not panic"
        );
    }
    let unreachable = open(&place.unreachable(&secret.whole()));
    let refused = open(&place.url(&percent_encoded(&secret.wrong())));
    for database in [unreachable, refused] {
        let panic = catch_unwind(AssertUnwindSafe(|| database.get().unwrap())).unwrap_err();
        secret.assert_not_in("a user's own panic", &payload(&*panic));
    }
    assert_process_silent(secret);
}

#[test]
fn not_in_panics_on_postgres() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    in_every_hook(&secret, &place);
}

#[test]
fn not_in_panics_on_mariadb() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    in_every_hook(&secret, &place);
}
