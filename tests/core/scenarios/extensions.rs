//! What users keep with a connection: how long it lives, and what its drops may do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

use queuepool::{Connection, Mode, Pool, ResetOnReturn, Settings};

use support::scripted::*;

type Work = Box<dyn Fn() + Send + Sync>;

/// Runs this when it is dropped.
struct OnDrop(Work);

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Of another type, so that both can be kept.
struct Another(#[allow(dead_code)] OnDrop);

fn keep(connection: &mut Connection<ScriptedManager>, work: impl Fn() + Send + Sync + 'static) {
    let before = Connection::extensions(connection).insert(OnDrop(Box::new(work)));
    assert!(before.is_none());
}

/// Counts the drops, and how many closes the driver had seen by then.
fn counted(server: &Arc<Server>) -> (Arc<AtomicUsize>, impl Fn() + Send + Sync + 'static) {
    let drops = Arc::new(AtomicUsize::new(0));
    let (server, counter) = (server.clone(), drops.clone());
    (drops, move || {
        assert_eq!(server.closes(), 0, "the connection was closed first");
        counter.fetch_add(1, SeqCst);
    })
}

fn of_one(server: &Arc<Server>, settings: Settings) -> Pool<ScriptedManager> {
    server.pool(settings.pool_size(1).max_overflow(0).timeout(secs(10)))
}

#[test]
fn values_are_kept_by_their_types_from_checkout_to_checkout() {
    let server = Server::new();
    let pool = of_one(&server, Settings::default());
    let mut connection = pool.get().unwrap();
    let extensions = Connection::extensions(&mut connection);
    assert_eq!(extensions.insert(1_u8), None);
    assert_eq!(extensions.insert("text"), None);
    assert_eq!(extensions.insert(2_u8), Some(1));
    drop(connection);
    let mut connection = pool.get().unwrap();
    let extensions = Connection::extensions(&mut connection);
    assert_eq!(extensions.get::<u8>(), Some(&2));
    *extensions.get_mut::<u8>().unwrap() += 1;
    assert_eq!(*extensions.get_or_insert_with(|| 9_u8), 3);
    assert_eq!(*extensions.get_or_insert_with(|| 9_u16), 9);
    assert_eq!(extensions.get::<u32>(), None);
    assert_eq!(extensions.remove::<&str>(), Some("text"));
    assert_eq!(extensions.remove::<&str>(), None);
    extensions.clear();
    assert_eq!(extensions.get::<u8>(), None);
}

#[test]
fn they_are_dropped_once_and_before_the_connection() {
    type End = fn(&Pool<ScriptedManager>, Connection<ScriptedManager>);
    let ends: [(&str, End); 5] = [
        ("invalidated", |_, connection| {
            Connection::invalidate(connection);
        }),
        ("the pool is closed", |pool, connection| {
            drop(connection);
            pool.close(secs(10)).unwrap();
        }),
        ("invalidate_all", |pool, connection| {
            pool.invalidate_all();
            drop(connection);
        }),
        ("found broken", |_, connection| {
            connection.broken.store(true, SeqCst);
        }),
        ("detached", |_, connection| {
            let detached = Connection::detach(connection);
            detached.discount();
            std::mem::forget(detached);
        }),
    ];
    for local in [false, true] {
        for (what, end) in ends {
            let server = Server::new();
            server.local.store(local, SeqCst);
            let pool = of_one(&server, Settings::default());
            let mut connection = pool.get().unwrap();
            let (drops, count) = counted(&server);
            keep(&mut connection, count);
            assert_eq!(drops.load(SeqCst), 0);
            end(&pool, connection);
            eventually(what, || drops.load(SeqCst) == 1);
            assert_laws(&pool.status());
        }
    }
}

#[test]
fn in_null_mode_they_live_for_one_checkout() {
    let server = Server::new();
    let pool = of_one(&server, Settings::default().mode(Mode::Null));
    let mut connection = pool.get().unwrap();
    let (drops, count) = counted(&server);
    keep(&mut connection, count);
    drop(connection);
    eventually("it is dropped", || drops.load(SeqCst) == 1);
    let mut connection = pool.get().unwrap();
    assert!(
        Connection::extensions(&mut connection)
            .get::<OnDrop>()
            .is_none()
    );
}

#[test]
fn a_reset_in_full_drops_them_before_it_and_no_other_does() {
    for (how, expected) in [
        (ResetOnReturn::Never, 0),
        (ResetOnReturn::Rollback, 0),
        (ResetOnReturn::Full, 1),
    ] {
        let server = Server::new();
        let pool = of_one(&server, Settings::default().reset_on_return(how));
        let drops = Arc::new(AtomicUsize::new(0));
        let (counter, asked) = (drops.clone(), server.clone());
        let mut connection = pool.get().unwrap();
        keep(&mut connection, move || {
            assert!(how != ResetOnReturn::Full || asked.resets() == 0);
            counter.fetch_add(1, SeqCst);
        });
        drop(connection);
        assert_eq!(drops.load(SeqCst), expected, "{how:?}");
        assert_eq!(pool.get().unwrap().id, 0);
    }
}

#[test]
fn a_panic_of_the_holder_drops_them() {
    silence_scripted_panics();
    let server = Server::new();
    let pool = of_one(&server, Settings::default());
    let mut connection = pool.get().unwrap();
    Connection::extensions(&mut connection).insert(7_u8);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = connection;
        panic!("{SCRIPTED_PANIC}");
    }));
    panicked.unwrap_err();
    let mut connection = pool.get().unwrap();
    assert_eq!(connection.id, 0);
    assert_eq!(Connection::extensions(&mut connection).get::<u8>(), None);
}

#[test]
fn a_drop_that_panics_takes_no_place_and_no_other_value_with_it() {
    silence_scripted_panics();
    for local in [false, true] {
        for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
            let server = Server::new();
            server.local.store(local, SeqCst);
            let pool = of_one(&server, Settings::default().reset_on_return(how));
            let drops = Arc::new(AtomicUsize::new(0));
            for round in 1..=3 {
                let mut connection = pool.get().unwrap();
                keep(&mut connection, || panic!("{SCRIPTED_PANIC}"));
                let counter = drops.clone();
                let count = move || {
                    counter.fetch_add(1, SeqCst);
                };
                Connection::extensions(&mut connection).insert(Another(OnDrop(Box::new(count))));
                match round {
                    1 => drop(connection),
                    2 => Connection::invalidate(connection),
                    _ => {
                        let detached = Connection::detach(connection);
                        detached.discount();
                    }
                }
                if round == 1 && how == ResetOnReturn::Rollback {
                    Connection::extensions(&mut pool.get().unwrap()).clear();
                }
                eventually("the other value is dropped", || drops.load(SeqCst) == round);
            }
            assert_laws(&pool.status());
            drop(pool.get().unwrap());
        }
    }
}

#[test]
fn a_drop_that_hangs_holds_nobody_up_whatever_the_driver() {
    for local in [false, true] {
        let server = Server::new();
        server.local.store(local, SeqCst);
        let pool = server.pool(Settings::default().pool_size(1).max_overflow(1));
        let gate = Gate::new();
        let mut connection = pool.get().unwrap();
        let closed = gate.clone();
        keep(&mut connection, move || closed.pass());
        // On a thread of its own, which would hang with the drop.
        let (returned, has_returned) = mpsc::channel();
        thread::spawn(move || {
            Connection::invalidate(connection);
            returned.send(()).unwrap();
        });
        has_returned
            .recv_timeout(secs(30))
            .expect("invalidate hangs");
        eventually("the drop hangs", || gate.waiting() == 1);
        drop(pool.get().unwrap());
        assert_eq!(pool.status().total, 2, "its place is taken until it ends");
        gate.open();
        eventually("the drop has ended", || pool.status().total == 1);
        assert_laws(&pool.status());
    }
}

/// Nothing of the pool is locked while they are dropped.
#[test]
fn a_drop_may_use_the_pool() {
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let server = Server::new();
        let pool = server.pool(Settings::default().pool_size(2).reset_on_return(how));
        let asked = Arc::new(AtomicUsize::new(0));
        let work = |connection: &mut Connection<ScriptedManager>| {
            let (pool, asked) = (pool.clone(), asked.clone());
            keep(connection, move || {
                // Another thread needs the lock too.
                let other = pool.clone();
                thread::spawn(move || assert_laws(&other.status()))
                    .join()
                    .unwrap();
                drop(pool.get().unwrap());
                asked.fetch_add(1, SeqCst);
            });
        };
        let mut connection = pool.get().unwrap();
        work(&mut connection);
        drop(connection);
        let mut connection = pool.get().unwrap();
        Connection::extensions(&mut connection).clear();
        work(&mut connection);
        Connection::invalidate(connection);
        let mut connection = pool.get().unwrap();
        work(&mut connection);
        Connection::detach(connection).discount();
        eventually("all were dropped", || asked.load(SeqCst) == 3);
    }
}
