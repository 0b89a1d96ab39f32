//! A logger is user code too: one that asks the pool for its status must not find the pool's lock taken.

use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use queuepool::{Pool, Settings};

use support::alone;
use support::scripted::*;

static POOL: OnceLock<Pool<ScriptedManager>> = OnceLock::new();

struct Asking;

impl log::Log for Asking {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("queuepool")
            && let Some(pool) = POOL.get()
        {
            assert_laws(&pool.status());
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_may_ask_for_the_status() {
    alone(|| {
        log::set_logger(&Asking).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
        let (ended, ends) = mpsc::channel();
        std::thread::spawn(move || {
            everything_that_is_logged();
            let _ = ended.send(());
        });
        ends.recv_timeout(Duration::from_secs(30))
            .expect("the logger waits for the pool's lock");
    });
}

fn everything_that_is_logged() {
    let server = Server::new();
    let gate = Gate::new();
    let mute = gate.clone();
    server.on_connect(move |n| match n {
        0 => Act::Panic,
        1 => Act::Wait(mute.clone()),
        _ => Act::Succeed,
    });
    let settings = Settings::default()
        .timeout(millis(300))
        .connect_timeout(millis(100))
        .holder_warn_after(secs(10));
    let (pool, clock) = server.pool_with_clock(settings);
    let pool = POOL.get_or_init(|| pool);
    pool.get().unwrap_err();
    pool.get().unwrap_err();
    let held = pool.get().unwrap();
    clock.advance(secs(11));
    pool.upkeep();
    drop(held);
    server.restart();
    clock.advance(secs(1));
    drop(pool.get().unwrap());
    gate.open();
    pool.close(secs(10)).unwrap();
}
