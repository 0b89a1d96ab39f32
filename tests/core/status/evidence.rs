//! What the status reports rests on what was asked, and what it advises can be done.

use std::time::{Duration, Instant};

use queuepool::{
    Call, CloseReason, Driver, ErrorClass, ErrorKind, Health, Mode, PrePing, ServerLimit,
};

use super::health_check::settings;
use support::scripted::*;

#[test]
fn a_database_that_answered_since_is_not_told_to_be_out_of_reach() {
    let server = Server::new();
    let pool = server.pool(settings());
    drop(pool.get().unwrap());
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.warm_up(2).unwrap_err();
    assert!(pool.health_check().unwrap().reachable);
    drop(pool.get().unwrap());
    let status = pool.status();
    assert_eq!(status.last_health_check_error, None);
    assert_eq!(
        status.recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn a_ping_that_found_the_pool_used_up_says_nothing_of_the_database() {
    let server = Server::new();
    let pool = server.pool(settings());
    assert!(pool.health_check().unwrap().reachable);
    let _both = (pool.get().unwrap(), pool.get().unwrap());
    assert_eq!(pool.ping().unwrap_err().kind(), ErrorKind::Timeout);
    let check = pool.health_check().unwrap();
    let advice = pool.status().recommendations;
    assert!(!advice[0].contains("has not been reached"), "{advice:#?}");
    assert!(check.skipped && check.reachable, "{check:?}");
}

#[test]
fn a_ping_before_hand_out_outweighs_an_older_failure() {
    let server = Server::new();
    let pool = server.pool(settings().pre_ping(PrePing::Always));
    drop(pool.get().unwrap());
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    pool.warm_up(2).unwrap_err();
    let pings = server.pings();
    let (gate, script) = gated(|_| true);
    server.on_connect(script);
    std::thread::scope(|scope| {
        let one = pool.get().unwrap();
        assert_eq!(server.pings(), pings + 1);
        let waiting = scope.spawn(|| pool.get());
        eventually("a connect takes the last place", || gate.waiting() == 1);
        let check = pool.health_check().unwrap();
        drop(one);
        drop(waiting.join().unwrap());
        gate.open();
        assert!(check.skipped && check.reachable, "{check:?}");
    });
}

#[test]
fn a_warning_in_null_mode_is_not_called_healthy() {
    let server = Server::new();
    server
        .local
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let pool = server.pool(settings().pool_size(10).mode(Mode::Null));
    let _held: Vec<_> = (0..8).map(|_| pool.get().unwrap()).collect();
    let status = pool.status();
    assert_eq!(status.health, Health::Warning);
    assert_ne!(
        status.recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn advice_to_shrink_can_be_followed() {
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings().pool_size(100).min_pool_size(10));
    for _ in 0..1000 {
        drop(pool.get().unwrap());
    }
    clock.advance(secs(3700));
    let advice = pool.status().recommendations;
    let words: Vec<&str> = advice[0].split([' ', ':']).collect();
    assert_eq!(
        &words[..5],
        ["Lower", "pool_size", "from", "100", "to"],
        "{advice:#?}"
    );
    let wanted: u32 = words[5].parse().unwrap();
    let followed = pool.settings().clone().pool_size(wanted);
    followed.validate().unwrap();
}

#[test]
fn advice_to_grow_can_be_followed() {
    let server = Server::new();
    server
        .local
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let pool = server.pool(
        settings()
            .pool_size(5000)
            .max_overflow(5000)
            .critical_utilization(1.0),
    );
    let _held: Vec<_> = (0..200).map(|_| pool.get().unwrap()).collect();
    let advice = pool.status().recommendations;
    let line = advice
        .iter()
        .find(|line| line.starts_with("Raise max_overflow from 5000 to "));
    let wanted: u32 = line.map_or(5000, |line| {
        line.split([' ', ',']).nth(5).unwrap().parse().unwrap()
    });
    pool.settings()
        .clone()
        .max_overflow(wanted)
        .validate()
        .unwrap();
}

struct Limited(Option<ErrorClass>, Duration);

impl Driver<ScriptedManager> for Limited {
    fn ping(
        &self,
        _: &ScriptedManager,
        _: &mut ScriptedConnection,
        _: Duration,
    ) -> Result<(), ScriptedError> {
        std::thread::sleep(self.1 / 2);
        Ok(())
    }

    fn classify(&self, error: &ScriptedError) -> ErrorClass {
        error.0
    }

    fn server_limit(
        &self,
        _: &ScriptedManager,
        _: &mut ScriptedConnection,
    ) -> Result<Option<ServerLimit>, ScriptedError> {
        std::thread::sleep(self.1);
        self.0.map_or(Ok(None), |class| Err(ScriptedError(class)))
    }

    fn is_bounded(&self, _: Call) -> bool {
        false
    }
}

#[test]
fn a_connection_lost_while_the_limit_is_asked_is_closed() {
    let server = Server::new();
    let pool = server
        .builder(settings())
        .driver(Limited(Some(ErrorClass::Lost), Duration::ZERO))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    pool.health_check().unwrap();
    let lost = pool
        .status()
        .closed_by_reason
        .get(&CloseReason::Lost)
        .copied();
    assert_eq!(
        (queuepool::Connection::info(&pool.get().unwrap()).id(), lost),
        (2, Some(1))
    );
}

#[test]
fn a_health_check_ends_within_its_timeout() {
    let server = Server::new();
    let pool = server
        .builder(settings().health_check_timeout(millis(1000)))
        .driver(Limited(None, millis(1800)))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    let start = Instant::now();
    pool.health_check().unwrap();
    assert!(start.elapsed() < millis(1500), "{:?}", start.elapsed());
}

#[test]
fn checks_that_wait_for_another_keep_no_caller_from_connecting() {
    let server = Server::new();
    let pool = server.pool(
        settings()
            .enable_pool_metrics(true)
            .health_check_interval(millis(20))
            .health_check_timeout(secs(8)),
    );
    let (gate, script) = gated(|_| true);
    drop(pool.get().unwrap());
    server.on_ping(script);
    eventually("a check pings and hangs", || gate.waiting() == 1);
    std::thread::sleep(millis(1000));
    let got = pool.get_timeout(secs(3)).map(drop);
    gate.open();
    got.unwrap();
}
