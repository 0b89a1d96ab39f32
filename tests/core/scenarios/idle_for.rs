//! How long a connection had been idle, as its holder and hooks are told.

use std::sync::Arc;

use parking_lot::Mutex;
use queuepool::{Connection, PrePing, Settings};

use support::scripted::*;

fn settings() -> Settings {
    Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .pre_ping(PrePing::Never)
        .idle_timeout(secs(60))
}

#[test]
fn the_holder_is_told_how_long_it_had_been_idle() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings());
    let held = pool.get().unwrap();
    clock.advance(secs(5));
    assert_eq!(
        Connection::info(&held).idle_for(),
        secs(0),
        "opened for this checkout"
    );
    drop(held);
    clock.advance(secs(7));
    let held = pool.get().unwrap();
    clock.advance(secs(5));
    let told = Connection::info(&held).idle_for();
    assert!(told >= secs(7) && told < secs(8), "{told:?}");
}

#[test]
fn hooks_are_told_the_same() {
    let told: Arc<Mutex<Vec<(&str, u64)>>> = Arc::default();
    let note = |what: &'static str| {
        let told = told.clone();
        move |info: &queuepool::ConnectionInfo| told.lock().push((what, info.idle_for().as_secs()))
    };
    let (connect, checkout, checkin, close) = (
        note("connect"),
        note("checkout"),
        note("checkin"),
        note("close"),
    );
    let server = Server::new();
    let clock = queuepool::Clock::stopped();
    let pool = server
        .builder(settings())
        .clock(clock.clone())
        .on_connect(move |_, info| {
            connect(info);
            Ok(())
        })
        .on_checkout(move |_, info| {
            checkout(info);
            Ok(())
        })
        .on_checkin(move |_, info| checkin(info))
        .on_close(move |info, _| close(info))
        .build()
        .unwrap();
    for idle in [7, 90] {
        let held = pool.get().unwrap();
        clock.advance(secs(3));
        drop(held);
        eventually("it is idle", || pool.status().idle_connections == 1);
        clock.advance(secs(idle));
    }
    pool.upkeep();
    eventually("it is closed", || told.lock().len() >= 6);
    assert_eq!(
        *told.lock(),
        [
            ("connect", 0),
            ("checkout", 0),
            ("checkin", 0),
            ("checkout", 7),
            ("checkin", 7),
            ("close", 90)
        ]
    );
}
