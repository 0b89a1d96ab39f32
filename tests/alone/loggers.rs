//! Loggers that panic and loggers that block: neither kind costs a place or stops other pools.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use queuepool::{ErrorClass, Settings};

use support::alone;
use support::scripted::*;

static PANICS: AtomicBool = AtomicBool::new(false);
/// Warnings of the pool "blocked" wait here.
static BLOCKS: OnceLock<Arc<Gate>> = OnceLock::new();

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "queuepool::blocked" && record.level() == log::Level::Warn {
            BLOCKS.get().expect("set by the test").pass();
        }
        // As println! does when its stdout has closed.
        assert!(
            !PANICS.load(SeqCst) || !record.target().starts_with("queuepool"),
            "scripted: failed printing to stdout"
        );
    }

    fn flush(&self) {}
}

fn install() {
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    silence_scripted_panics();
}

#[test]
fn a_logger_that_panics_costs_no_place_kills_no_helper_and_ends_no_care() {
    alone(|| {
        install();
        PANICS.store(true, SeqCst);
        let server = Server::new();
        server.on_connect(|n| match n {
            0 => Act::Panic,
            _ => Act::Succeed,
        });
        server.on_ping(|n| match n {
            0 => Act::Fail(ErrorClass::Lost),
            _ => Act::Succeed,
        });
        server.on_reset(|n| match n {
            0 => Act::Fail(ErrorClass::Statement),
            _ => Act::Succeed,
        });
        let settings = Settings::default()
            .pool_size(4)
            .max_overflow(0)
            .idle_timeout(secs(60))
            .holder_warn_after(secs(10))
            .echo_pool(true);
        let (pool, clock) = server.pool_with_clock(settings);
        pool.get().unwrap_err();
        for _ in 0..3 {
            let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
            assert!(pool.get_timeout(millis(10)).is_err());
            clock.advance(secs(11));
            pool.upkeep();
            drop(held);
            clock.advance(secs(1));
            // A ping is due, and the first one finds its connection lost.
            drop(pool.get().unwrap());
            assert_laws(&pool.status());
        }
        eventually("idle connections are still cared for", || {
            clock.advance(secs(61));
            pool.upkeep();
            pool.status().idle_connections == 0
        });
        let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
        drop(all);
        assert_laws(&pool.status());
        pool.close(secs(10)).unwrap();
    });
}

#[test]
fn a_logger_that_blocks_in_one_pools_warning_stops_no_other_pool() {
    alone(|| {
        install();
        let log = BLOCKS.get_or_init(Gate::new);
        let settings = || {
            Settings::default()
                .pool_size(1)
                .max_overflow(0)
                .connect_timeout(millis(50))
                .timeout(secs(20))
        };
        // Only the timer gives up a connect that hangs, and it reports this one as an outage.
        let hangs = |server: &Arc<Server>| {
            let gate = Gate::new();
            let hung = gate.clone();
            server.on_connect(move |_| Act::Wait(hung.clone()));
            gate
        };
        let blocked = Server::new();
        let release_blocked = hangs(&blocked);
        let first = blocked.builder(settings()).name("blocked").build().unwrap();
        assert!(first.get_timeout(millis(100)).is_err());
        eventually("the logger blocks", || log.waiting() > 0);

        let other = Server::new();
        let release_other = hangs(&other);
        let second = other.builder(settings()).name("other").build().unwrap();
        // Long enough for its connect to have begun, on a busy machine too.
        assert!(second.get_timeout(millis(100)).is_err());
        eventually("the timer still comes to another pool", || {
            second.status().abandoned_connects > 0
        });
        eventually("and to the first one", || {
            first.status().abandoned_connects > 0
        });
        assert!(log.waiting() > 0, "it still blocks");

        log.open();
        release_blocked.open();
        release_other.open();
        first.close(secs(10)).unwrap();
        second.close(secs(10)).unwrap();
    });
}
