//! A thousand panics in every driver call and in every hook: the pool has its full capacity afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use queuepool::{Connection, Error, Pool, PrePing, Settings};

use support::scripted::*;

const PANICS: usize = 1_000;
const CAPACITY: u64 = 3;

/// Panics for the first thousand calls.
#[derive(Clone, Default)]
struct Rage(Arc<AtomicUsize>);

impl Rage {
    fn act(&self) -> Act {
        if self.is_spent() {
            return Act::Succeed;
        }
        self.0.fetch_add(1, SeqCst);
        Act::Panic
    }

    fn hook(&self) -> impl Fn() + Send + Sync + 'static {
        let rage = self.clone();
        move || {
            if matches!(rage.act(), Act::Panic) {
                panic_any(SCRIPTED_PANIC);
            }
        }
    }

    fn is_spent(&self) -> bool {
        self.0.load(SeqCst) >= PANICS
    }
}

fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(1)
        .timeout(secs(1))
        .pre_ping(PrePing::Always)
}

/// Makes every kind of call: checkouts that time out at capacity, returns, an invalidation and a probe.
fn use_all_of(pool: &Pool<ScriptedManager>) {
    let get = |call: &dyn Fn() -> Result<Connection<ScriptedManager>, Error>| {
        catch_unwind(AssertUnwindSafe(call)).ok()?.ok()
    };
    let held: Vec<_> = (0..CAPACITY).filter_map(|_| get(&|| pool.get())).collect();
    if held.len() as u64 == CAPACITY {
        assert!(get(&|| pool.get_timeout(millis(0))).is_none());
    }
    drop(held);
    if let Some(connection) = get(&|| pool.get()) {
        Connection::invalidate(connection);
    }
    drop(catch_unwind(AssertUnwindSafe(|| pool.ping())));
}

#[track_caller]
fn assert_full_capacity_after(server: &Server, pool: &Pool<ScriptedManager>, rage: &Rage) {
    for _ in 0..PANICS {
        use_all_of(pool);
        if rage.is_spent() {
            break;
        }
    }
    assert!(rage.is_spent(), "{:#?}", pool.status());
    let held: Vec<_> = (0..CAPACITY)
        .map(|_| pool.get_timeout(secs(20)).unwrap())
        .collect();
    let status = pool.status();
    assert_eq!((status.checked_out, status.abandoned), (CAPACITY, 0));
    drop(held);
    assert_laws(&pool.status());
    pool.close(secs(20)).unwrap();
    eventually("none is left open", || server.open() == 0);
}

#[test]
fn after_a_thousand_panics_in_any_driver_call_the_capacity_is_full() {
    silence_scripted_panics();
    for call in ["connect", "ping", "reset", "close"] {
        for local in [false, true] {
            let (server, rage) = (Server::new(), Rage::default());
            server.local.store(local, SeqCst);
            let raging = rage.clone();
            let script = move |_| raging.act();
            match call {
                "connect" => server.on_connect(script),
                "ping" => server.on_ping(script),
                "reset" => server.on_reset(script),
                _ => server.on_close(script),
            }
            assert_full_capacity_after(&server, &server.pool(settings()), &rage);
        }
    }
}

#[test]
fn after_a_thousand_panics_in_any_hook_the_capacity_is_full() {
    silence_scripted_panics();
    for hook in [
        "connect",
        "checkout",
        "checkin",
        "reset",
        "invalidate",
        "close",
        "timeout",
    ] {
        let (server, rage) = (Server::new(), Rage::default());
        let (builder, act) = (server.builder(settings()), rage.hook());
        let builder = match hook {
            "connect" => builder.on_connect(move |_, _| {
                act();
                Ok(())
            }),
            "checkout" => builder.on_checkout(move |_, _| {
                act();
                Ok(())
            }),
            "checkin" => builder.on_checkin(move |_, _| act()),
            "reset" => builder.on_reset(move |_, _| act()),
            "invalidate" => builder.on_invalidate(move |_, _| act()),
            "close" => builder.on_close(move |_, _| act()),
            _ => builder.on_timeout(move |_| act()),
        };
        let pool = builder.build().unwrap();
        assert_full_capacity_after(&server, &pool, &rage);
        assert_eq!(pool.status().hook_failures, PANICS as u64, "{hook}");
    }
}
