//! Credentials from a closure: tokens that expire, and closures that fail, panic, hang or take their time.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use ::mysql::prelude::Queryable;
use parking_lot::Mutex;
use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::{Credentials, Database, Error, ErrorKind, ResetOnReturn, Settings};
use r2d2::ManageConnection;

use crate::hosts::{self, Silent};
use crate::pool::{once, size};
use support::scripted::{Gate, assert_laws, eventually, millis, secs};
use support::servers::{MariaDb, MySql, NewestPostgres, PASSWORD, PgBouncer, Postgres, TestServer};

const SECRET: &str = "wh4t-the-closure-knows";

/// A server whose user `app` can be given another password.
trait Expiring: TestServer {
    fn set_password(&self, password: &str);
    /// How many logins of `app` have been refused.
    fn refused(&self) -> u64;
    /// Neither user nor password.
    fn url_of_nobody(&self) -> String;
}

macro_rules! on_postgres {
    ($($server:ident),+) => {$(
        impl Expiring for $server {
            fn set_password(&self, password: &str) {
                let admin = Database::open_with(&self.admin_url(), size(1, 0)).unwrap();
                let set = format!("ALTER ROLE app PASSWORD '{password}'");
                admin.get().unwrap().execute(&set).unwrap();
            }

            fn refused(&self) -> u64 {
                let log = self.log_text();
                log.matches("password authentication failed for user \"app\"").count() as u64
            }

            fn url_of_nobody(&self) -> String {
                format!("postgresql://127.0.0.1:{}/app", self.port())
            }
        }
    )+};
}

on_postgres!(Postgres, NewestPostgres);

macro_rules! on_mysql {
    ($($server:ident),+) => {$(
        impl Expiring for $server {
            fn set_password(&self, password: &str) {
                let mut admin = mysql_admin(&self.admin_url());
                let set = format!("ALTER USER 'app'@'127.0.0.1' IDENTIFIED BY '{password}'");
                admin.query_drop(set).unwrap();
            }

            fn refused(&self) -> u64 {
                let mut admin = mysql_admin(&self.admin_url());
                let row: Option<(String, u64)> =
                    admin.query_first("SHOW GLOBAL STATUS LIKE 'Aborted_connects'").unwrap();
                row.unwrap().1
            }

            /// Under the default mode the driver would break off a login to find out that there is no TLS.
            fn url_of_nobody(&self) -> String {
                format!("mysql://127.0.0.1:{}/app?ssl-mode=disabled", self.port())
            }
        }
    )+};
}

on_mysql!(MariaDb, MySql);

/// With `prefer_socket`, the driver would leave a connection behind, which would count.
fn mysql_admin(url: &str) -> ::mysql::Conn {
    let opts = ::mysql::Opts::from_url(url).unwrap();
    ::mysql::Conn::new(::mysql::OptsBuilder::from_opts(opts).prefer_socket(false)).unwrap()
}

/// What the closure answers, and how often it was asked.
#[derive(Clone, Default)]
struct Safe {
    passwords: Arc<Mutex<Vec<&'static str>>>,
    asked: Arc<AtomicUsize>,
}

impl Safe {
    /// One after the other; the last for good.
    fn with(passwords: &[&'static str]) -> Self {
        let safe = Safe::default();
        safe.answers(passwords);
        safe
    }

    fn answers(&self, passwords: &[&'static str]) {
        *self.passwords.lock() = passwords.iter().rev().copied().collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    fn credentials(&self) -> Credentials {
        self.asked.fetch_add(1, SeqCst);
        let mut passwords = self.passwords.lock();
        let password = match passwords.len() {
            1 => passwords[0],
            _ => passwords.pop().unwrap(),
        };
        Credentials::new("app", password)
    }
}

fn open<E>(
    server: &impl Expiring,
    settings: Settings,
    closure: impl Fn() -> Result<Credentials, E> + Send + Sync + 'static,
) -> Database {
    let builder = Database::builder(&server.url_of_nobody()).name("expiring");
    builder
        .settings(settings)
        .credentials(closure)
        .build()
        .unwrap()
}

fn open_safe(server: &impl Expiring, settings: Settings, safe: &Safe) -> Database {
    let safe = safe.clone();
    open(server, settings, move || Ok::<_, Error>(safe.credentials()))
}

fn one() -> Settings {
    size(1, 0).retry(once())
}

#[track_caller]
fn assert_unavailable(database: &Database, words: &str) -> Error {
    let error = database.get().unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(error.is_transient(), "{error:?}");
    assert!(text.contains("the credentials could not be had"), "{text}");
    assert!(text.contains(words), "{text}");
    assert!(error.source().is_none(), "{error:?}");
    assert_eq!(error.class(), None);
    error
}

#[track_caller]
fn assert_whole(database: &Database) {
    database.get().unwrap().execute("SELECT 1").unwrap();
    let status = database.status();
    assert_eq!(
        (status.opening_connections, status.abandoned),
        (0, 0),
        "{status:#?}"
    );
    assert_laws(&status);
}

support::servers::on_each!([
    a_password_that_expires_reaches_no_caller,
    a_password_that_is_refused_is_not_tried_twice_unless_the_closure_has_another,
    ten_connects_at_once_share_one_answer,
    ten_refusals_at_once_share_the_next_answer,
    a_closure_that_fails_is_a_failed_connect_without_its_words,
    a_closure_that_fails_once_is_asked_again_by_the_retry_policy,
    a_closure_that_panics_is_a_failed_connect_without_its_words,
    a_closure_that_hangs_costs_no_place,
    closures_that_hang_are_bounded,
    a_full_reset_needs_no_password,
    the_closures_user_comes_before_that_of_the_url,
    all_hosts_are_walked_with_the_same_answer,
    a_caller_in_a_hurry_does_not_hurry_the_closure,
]: postgres = Postgres, newest_postgres = NewestPostgres, mariadb = MariaDb, mysql = MySql);

fn a_password_that_expires_reaches_no_caller<S: Expiring>() {
    let server = S::start();
    let safe = Safe::with(&[PASSWORD]);
    let database = open_safe(&server, size(2, 0), &safe);
    let held = database.get().unwrap();
    assert_eq!(safe.asked(), 1);
    let before = server.refused();
    server.set_password("the-next");
    // The closure has kept the first one, and gets another once it is asked again.
    safe.answers(&[PASSWORD, "the-next"]);
    database.get().unwrap().execute("SELECT 1").unwrap();
    let status = database.status();
    assert_eq!(
        (status.connection_errors, status.total),
        (0, 2),
        "{status:#?}"
    );
    assert_eq!(server.refused() - before, 1);
    assert_eq!(safe.asked(), 3);
    drop(held);
    assert_whole(&database);
}

fn a_password_that_is_refused_is_not_tried_twice_unless_the_closure_has_another<S: Expiring>() {
    let server = S::start();
    let safe = Safe::with(&[SECRET]);
    let database = open_safe(&server, one(), &safe);
    let before = server.refused();
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(!error.is_transient(), "{error:?}");
    assert!(
        error.to_string().contains("asked again after the refusal"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    assert_eq!((server.refused() - before, safe.asked()), (1, 2));

    // Another one that is wrong is tried, and told.
    let safe = Safe::with(&[SECRET, "wrong-too"]);
    let database = open_safe(&server, one(), &safe);
    let before = server.refused();
    database.get().unwrap_err();
    assert_eq!((server.refused() - before, safe.asked()), (2, 2));
}

/// Waits until this many helper threads of the pool `expiring` wait for something.
fn until_helpers_wait(count: usize) {
    let waits = |task: &std::path::Path| {
        let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
        let stat = read("stat");
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('S'));
        read("comm").starts_with("expiring-helper"[..15].trim_end()) && state == Some(true)
    };
    let waiting = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter(|task| waits(&task.as_ref().unwrap().path()))
            .count()
    };
    eventually("they wait", || {
        waiting() >= count && {
            // Not for a lock, which would be theirs by now.
            thread::sleep(millis(50));
            waiting() >= count
        }
    });
}

/// A connect that takes longer than a second, and than twice the slowest before it, counts as failed, and after three of them the
/// pool makes one at a time. So the first one here takes its time, lest ten at once become too slow on a busy machine.
fn take_time() {
    thread::sleep(secs(5));
}

fn ten_connects_at_once_share_one_answer<S: Expiring>() {
    let server = S::start();
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let database = {
        let (gate, asked) = (gate.clone(), asked.clone());
        open(&server, size(11, 0), move || {
            match asked.fetch_add(1, SeqCst) {
                0 => take_time(),
                _ => gate.pass(),
            }
            Ok::<_, Error>(Credentials::new("app", PASSWORD))
        })
    };
    let _first = database.get().unwrap();
    thread::scope(|scope| {
        let callers = [(); 10].map(|()| scope.spawn(|| database.get().unwrap()));
        eventually("ten connects", || {
            database.status().opening_connections == 10
        });
        until_helpers_wait(10);
        gate.open();
        let held = callers.map(|caller| caller.join().unwrap());
        assert_eq!(asked.load(SeqCst), 2);
        drop(held);
    });
    assert_eq!(database.status().connection_errors, 0);
    assert_whole(&database);
}

fn ten_refusals_at_once_share_the_next_answer<S: Expiring>() {
    let server = S::start();
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let database = {
        let (gate, asked) = (gate.clone(), asked.clone());
        open(&server, size(11, 0), move || {
            let password = match asked.fetch_add(1, SeqCst) {
                0 => {
                    take_time();
                    PASSWORD
                }
                1 => {
                    gate.pass();
                    SECRET
                }
                _ => PASSWORD,
            };
            Ok::<_, Error>(Credentials::new("app", password))
        })
    };
    let _first = database.get().unwrap();
    thread::scope(|scope| {
        let callers = [(); 10].map(|()| scope.spawn(|| database.get().unwrap()));
        eventually("ten connects", || {
            database.status().opening_connections == 10
        });
        until_helpers_wait(10);
        gate.open();
        let held = callers.map(|caller| caller.join().unwrap());
        assert_eq!(asked.load(SeqCst), 3);
        drop(held);
    });
    assert_eq!(database.status().connection_errors, 0);
}

/// An error that says what it must not.
fn telltale() -> Box<dyn StdError> {
    SECRET.into()
}

fn a_closure_that_fails_is_a_failed_connect_without_its_words<S: Expiring>() {
    let server = S::start();
    let fails = Arc::new(AtomicUsize::new(1));
    let failing = fails.clone();
    let database = open(&server, one(), move || match failing.load(SeqCst) {
        0 => Ok(Credentials::new("app", PASSWORD)),
        _ => Err(telltale()),
    });
    let before = server.refused();
    let error = assert_unavailable(&database, "returned an error");
    let status = database.status();
    assert_eq!(status.connection_errors, 1, "{status:#?}");
    for text in [format!("{error:?}"), format!("{status:?} {status}")] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert_eq!(server.refused(), before);
    fails.store(0, SeqCst);
    assert_whole(&database);
}

fn a_closure_that_fails_once_is_asked_again_by_the_retry_policy<S: Expiring>() {
    let server = S::start();
    let asked = AtomicUsize::new(0);
    let database = open(&server, size(1, 0), move || {
        match asked.fetch_add(1, SeqCst) {
            0 => Err(telltale()),
            _ => Ok(Credentials::new("app", PASSWORD)),
        }
    });
    assert_whole(&database);
}

fn a_closure_that_panics_is_a_failed_connect_without_its_words<S: Expiring>() {
    let server = S::start();
    let asked = AtomicUsize::new(0);
    let database = open(&server, one(), move || match asked.fetch_add(1, SeqCst) {
        // As a panic, but nothing is printed.
        0 => std::panic::resume_unwind(Box::new(SECRET)),
        _ => Ok::<_, Error>(Credentials::new("app", PASSWORD)),
    });
    let error = assert_unavailable(&database, "panicked");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    assert_whole(&database);
}

fn a_closure_that_hangs_costs_no_place<S: Expiring>() {
    let server = S::start();
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let database = {
        let (gate, asked) = (gate.clone(), asked.clone());
        open(&server, one().connect_timeout(millis(400)), move || {
            if asked.fetch_add(1, SeqCst) == 0 {
                gate.pass();
            }
            Ok::<_, Error>(Credentials::new("app", PASSWORD))
        })
    };
    assert_unavailable(&database, "did not answer in time");
    let status = database.status();
    assert_eq!(
        (status.opening_connections, status.abandoned),
        (0, 0),
        "{status:#?}"
    );
    // It still hangs, and the next connect asks once more.
    assert_whole(&database);
    assert_eq!((gate.waiting(), asked.load(SeqCst)), (1, 2));
    gate.open();
    eventually("it has returned", || gate.waiting() == 0);
    database.invalidate_all();
    assert_whole(&database);
    database.close(secs(10)).unwrap();
}

fn closures_that_hang_are_bounded<S: Expiring>() {
    let server = S::start();
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let database = {
        let (gate, asked) = (gate.clone(), asked.clone());
        let settings = size(10, 0).retry(once()).connect_timeout(millis(200));
        open(&server, settings, move || {
            asked.fetch_add(1, SeqCst);
            gate.pass();
            Ok::<_, Error>(Credentials::new("app", PASSWORD))
        })
    };
    for _ in 0..4 {
        assert_unavailable(&database, "did not answer in time");
    }
    assert_unavailable(&database, "4 calls of the closure");
    assert_eq!(asked.load(SeqCst), 4);
    gate.open();
    eventually("they have returned", || gate.waiting() == 0);
    eventually("it serves again", || database.get().is_ok());
    assert_whole(&database);
}

fn a_full_reset_needs_no_password<S: Expiring>() {
    let server = S::start();
    let safe = Safe::with(&[PASSWORD]);
    let settings = one().reset_on_return(ResetOnReturn::Full);
    let database = open_safe(&server, settings, &safe);
    drop(database.get().unwrap());
    server.set_password("the-next");
    let before = server.refused();
    for _ in 0..3 {
        database.get().unwrap().execute("SELECT 1").unwrap();
    }
    let status = database.status();
    assert_eq!(
        (status.total_connections_created, safe.asked()),
        (1, 1),
        "{status:#?}"
    );
    assert_eq!(server.refused(), before);
}

fn the_closures_user_comes_before_that_of_the_url<S: Expiring>() {
    let server = S::start();
    let url = server.url_of_nobody();
    let nobody = url.replace("//", "//nobody:wrong@");
    let builder = Database::builder(&nobody).settings(one());
    let closure = || Ok::<_, Error>(Credentials::new("app", PASSWORD));
    assert_whole(&builder.credentials(closure).build().unwrap());

    let app = url.replace("//", "//app@");
    let builder = Database::builder(&app).settings(one());
    let closure = || Ok::<_, Error>(Credentials::from_password(PASSWORD));
    assert_whole(&builder.credentials(closure).build().unwrap());
}

/// The server's URL with a host before it.
fn url_with(first: u16, server: &impl Expiring) -> String {
    let own = format!("127.0.0.1:{}", server.port());
    let hosts = format!("127.0.0.1:{first},{own}");
    server.url_of_nobody().replace(&own, &hosts)
}

fn all_hosts_are_walked_with_the_same_answer<S: Expiring>() {
    let (silent, server) = (Silent::new(), S::start());
    let safe = Safe::with(&[SECRET, PASSWORD]);
    let builder = Database::builder(&url_with(silent.port(), &server)).settings(hosts::settings());
    let closure = safe.clone();
    let closure = move || Ok::<_, Error>(closure.credentials());
    let database = builder.credentials(closure).build().unwrap();
    let before = server.refused();
    let held = database.get().unwrap();
    assert_eq!((server.refused() - before, safe.asked()), (1, 2));
    // What the first walk has found out holds for the second.
    assert_eq!(silent.callers().len(), 1);
    drop(held);
    assert_whole(&database);
}

/// Where there are several hosts to walk along, they share what the caller has left. The closure has its connect_timeout, or it
/// would be given up again and again.
fn a_caller_in_a_hurry_does_not_hurry_the_closure<S: Expiring>() {
    let server = S::start();
    let (gate, asked) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let url = url_with(hosts::nobody(), &server);
    let database = {
        let (gate, asked) = (gate.clone(), asked.clone());
        let builder = Database::builder(&url).settings(one().connect_timeout(secs(30)));
        let closure = move || {
            asked.fetch_add(1, SeqCst);
            gate.pass();
            Ok::<_, Error>(Credentials::new("app", PASSWORD))
        };
        builder.credentials(closure).build().unwrap()
    };
    for _ in 0..3 {
        database.get_timeout(millis(100)).unwrap_err();
    }
    assert_eq!((gate.waiting(), asked.load(SeqCst)), (1, 1));
    gate.open();
    // The place of the slow connect may have been given to another meanwhile, which is the pool's own affair.
    database.get().unwrap().execute("SELECT 1").unwrap();
}

#[test]
fn pgbouncers_refusal_is_one_too() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start(&server, "session");
    let safe = Safe::with(&[SECRET, PASSWORD]);
    let closure = safe.clone();
    let url = bouncer.url();
    let database = Database::builder(&url).settings(one());
    let database = database.credentials(move || Ok::<_, Error>(closure.credentials()));
    assert_whole(&database.build().unwrap());
    assert_eq!(safe.asked(), 2);
}

/// A statement that outlasts its connection's reset is cancelled, for which the pool logs in once more.
#[test]
fn the_pools_own_question_before_a_cancel_is_asked_with_them_too() {
    let server = Postgres::start();
    let safe = Safe::with(&[PASSWORD]);
    let settings = one().health_check_timeout(millis(300));
    let database = open_safe(&server, settings, &safe);
    let mut held = database.get().unwrap();
    let typed = held.postgres().unwrap();
    // The rest of the answer is owed, and nobody reads it.
    let rows = typed.query_raw(
        "SELECT pg_sleep(0.1), repeat('x', 10000) FROM generate_series(1, 6000)",
        Vec::<i32>::new(),
    );
    drop(rows.unwrap());
    drop(held);
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'";
    eventually("it is cancelled", || {
        admin.get().unwrap().query_i64(busy).unwrap() == 0
    });
    assert_eq!(safe.asked(), 2);
}

#[test]
fn a_manager_in_somebody_elses_pool_asks_too() {
    let postgres = Postgres::start();
    let manager = PostgresManager::from_url(&postgres.url_of_nobody()).unwrap();
    let manager = manager.credentials(|| Ok::<_, Error>(Credentials::new("app", PASSWORD)));
    manager
        .connect()
        .unwrap()
        .batch_execute("SELECT 1")
        .unwrap();
    let manager = manager.credentials(|| Err(telltale()));
    let error = manager.connect().err().unwrap();
    assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");

    let mariadb = MariaDb::start();
    let manager = MySqlManager::from_url(&mariadb.url_of_nobody()).unwrap();
    let manager = manager.credentials(|| Ok::<_, Error>(Credentials::new("app", PASSWORD)));
    manager.connect().unwrap().query_drop("SELECT 1").unwrap();
    let manager = manager.credentials(|| Err(telltale()));
    let error = manager.connect().err().unwrap();
    assert!(
        error
            .to_string()
            .contains("the credentials could not be had"),
        "{error}"
    );
    assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");
}

#[test]
fn sqlite_has_no_logins() {
    let builder = Database::builder("sqlite::memory:");
    let closure = || Ok::<_, Error>(Credentials::from_password(SECRET));
    let error = builder.credentials(closure).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn debug_hides_the_password() {
    let text = format!(
        "{:?} {:#?}",
        Credentials::new("app", SECRET),
        Credentials::from_password(SECRET)
    );
    assert!(text.contains("app") && !text.contains(SECRET), "{text}");
}
