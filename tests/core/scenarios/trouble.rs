//! Scenario 23, and what the rules say of connecting in trouble: one connect for all who wait, refusals that hold, full servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use queuepool::{
    CloseReason, Connection, ErrorClass, ErrorKind, Pool, Retry, ServerLimit, Settings,
};

use support::scripted::*;

/// Refuses connects with this class until it is told otherwise, and notes when each came.
struct Refusing {
    server: Arc<Server>,
    refuses: Arc<AtomicBool>,
    came: Arc<Mutex<Vec<Instant>>>,
}

impl Refusing {
    fn with(class: ErrorClass) -> Self {
        let server = Server::new();
        let refuses = Arc::new(AtomicBool::new(true));
        let came = Arc::new(Mutex::new(Vec::new()));
        let (is_refusing, noted) = (refuses.clone(), came.clone());
        server.on_connect(move |_| {
            noted.lock().push(Instant::now());
            match is_refusing.load(SeqCst) {
                true => Act::Fail(class),
                false => Act::Succeed,
            }
        });
        Refusing {
            server,
            refuses,
            came,
        }
    }

    fn accept(&self) -> Instant {
        self.refuses.store(false, SeqCst);
        Instant::now()
    }

    fn refuse(&self) {
        self.refuses.store(true, SeqCst);
    }
}

/// Admits so many connections at once, and is full beyond that.
fn admits(server: &Arc<Server>, limit: usize) {
    let seen = Arc::downgrade(server);
    server.on_connect(move |_| {
        let server = seen.upgrade().expect("it is used");
        // The connect that asks is counted already.
        match server.open() > limit {
            true => Act::Fail(ErrorClass::Full),
            false => Act::Succeed,
        }
    });
}

struct EndsAtDrop<'a>(&'a AtomicBool);

impl Drop for EndsAtDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// Makes an attempt to connect fail three times, which is trouble.
fn get_into_trouble(pool: &Pool<ScriptedManager>) {
    for _ in 0..3 {
        pool.get().unwrap_err();
    }
}

fn once() -> Retry {
    Retry::default().max_attempts(1)
}

#[test]
fn scenario_23_five_hundred_callers_of_a_server_that_is_down_for_six_seconds() {
    let down = Refusing::with(ErrorClass::Lost);
    // Five attempts last for 7.5 s then.
    let retry = Retry::default().jitter(false);
    let pool = down.server.pool(Settings::default().retry(retry));
    let first = Mutex::new(None);
    let (is_up, connects) = thread::scope(|scope| {
        for _ in 0..500 {
            scope.spawn(|| {
                drop(
                    pool.get()
                        .expect("nobody is told before its policy says so"),
                );
                first.lock().get_or_insert_with(Instant::now);
            });
        }
        thread::sleep(secs(6));
        let connects = down.server.connects();
        (down.accept(), connects)
    });
    assert!(connects <= 100, "{connects}");
    let came = down.came.lock();
    let probe = came.iter().find(|came| **came >= is_up).expect("a probe");
    // The timer of a busy machine may be late; that the probe is due within 150 ms is a test of its own.
    assert!(*probe - is_up < secs(1), "{:?}", *probe - is_up);
    assert!(first.lock().expect("served") - *probe < secs(1));
    assert_laws(&pool.status());
}

#[test]
fn in_trouble_one_connect_at_a_time_is_made_for_all() {
    let down = Refusing::with(ErrorClass::Lost);
    let pool = down.server.pool(Settings::default().retry(once()));
    get_into_trouble(&pool);
    let gate = Gate::new();
    let waiting = gate.clone();
    down.server.on_connect(move |_| Act::Wait(waiting.clone()));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| pool.get().map(drop)))
            .collect();
        eventually("all wait for one", || {
            gate.waiting() == 1 && pool.status().waiting_requests == 8
        });
        thread::sleep(millis(300));
        assert_eq!(down.server.connects(), 4);
        gate.open();
        for caller in callers {
            caller.join().unwrap().unwrap();
        }
    });
}

#[test]
fn the_probe_of_one_counts_for_all_whose_own_delay_has_passed() {
    let down = Refusing::with(ErrorClass::Lost);
    let pool = down.server.pool(Settings::default().retry(once()));
    get_into_trouble(&pool);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| pool.get().unwrap_err()))
            .collect();
        for caller in callers {
            let error = caller.join().unwrap();
            assert!(
                error
                    .to_string()
                    .starts_with("connecting failed: scripted Lost"),
                "{error}"
            );
        }
    });
    // Threads start one after another, so more than one probe may have been needed.
    assert!(down.server.connects() <= 10, "{}", down.server.connects());
}

#[test]
fn scenario_11_in_trouble_the_next_new_caller_succeeds_while_others_sleep_for_long() {
    let down = Refusing::with(ErrorClass::Lost);
    let long = Retry::default().initial_delay(secs(20)).jitter(false);
    let pool = down
        .server
        .pool(Settings::default().retry(long).pool_size(2));
    thread::scope(|scope| {
        let sleepers: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| pool.get().map(drop)))
            .collect();
        eventually("all sleep", || {
            down.server.connects() >= 5 && pool.status().waiting_requests == 5
        });
        let is_up = down.accept();
        drop(pool.get().unwrap());
        assert!(is_up.elapsed() < secs(2), "{:?}", is_up.elapsed());
        sleepers
            .into_iter()
            .for_each(|one| one.join().unwrap().unwrap());
        assert!(is_up.elapsed() < secs(5), "and so do those who slept");
    });
}

#[test]
fn beside_a_mute_connect_the_next_starts_after_a_second_and_takes_its_place() {
    let server = Server::new();
    let gate = Gate::new();
    let mute = gate.clone();
    server.on_connect(move |n| match n {
        0..3 => Act::Fail(ErrorClass::Lost),
        3..5 => Act::Wait(mute.clone()),
        _ => Act::Succeed,
    });
    let pool = server.pool(
        Settings::default()
            .pool_size(2)
            .max_overflow(1)
            .retry(once()),
    );
    get_into_trouble(&pool);
    let began = Instant::now();
    let held = pool.get().unwrap();
    assert_eq!(held.id, 5);
    assert!(began.elapsed() >= secs(2), "{:?}", began.elapsed());
    assert_eq!(pool.status().abandoned_connects, 2, "both lost their place");
    gate.open();
    eventually("both came too late or are kept", || {
        pool.status().abandoned == 0
    });
    assert_laws(&pool.status());
}

#[test]
fn with_nobody_waiting_the_pool_finds_out_by_itself_that_the_database_is_back() {
    let down = Refusing::with(ErrorClass::Lost);
    let pool = down.server.pool(Settings::default().retry(once()));
    get_into_trouble(&pool);
    let before = down.server.connects();
    eventually("it looks again", || down.server.connects() > before);
    down.accept();
    eventually("it has a connection", || {
        pool.status().idle_connections == 1
    });
    assert_eq!(pool.status().database_error, None);
    let came = down.came.lock();
    for pair in came[before - 1..].windows(2) {
        assert!(
            pair[1] - pair[0] >= millis(990),
            "once a second: {:?}",
            pair[1] - pair[0]
        );
    }
}

#[test]
fn after_trouble_connects_grow_again_by_doubling() {
    let down = Refusing::with(ErrorClass::Lost);
    let pool = down.server.pool(Settings::default().retry(once()));
    get_into_trouble(&pool);
    // Each connect waits for a gate of its own.
    let gates: Arc<Mutex<Vec<Arc<Gate>>>> = Arc::default();
    let all = gates.clone();
    down.server.on_connect(move |_| {
        let gate = Gate::new();
        all.lock().push(gate.clone());
        Act::Wait(gate)
    });
    thread::scope(|scope| {
        let callers: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| pool.get().unwrap()))
            .collect();
        for (open, in_flight) in [1, 2, 4, 8].into_iter().enumerate() {
            eventually("as many as are permitted", || {
                gates.lock().len() == open + in_flight
            });
            thread::sleep(millis(50));
            assert_eq!(gates.lock().len() - open, in_flight);
            if in_flight < 8 {
                gates.lock()[open].open();
            }
        }
        let opens_all = Arc::new(AtomicBool::new(true));
        let (goes_on, gates) = (opens_all.clone(), gates.clone());
        scope.spawn(move || {
            while goes_on.load(SeqCst) {
                gates.lock().iter().for_each(|gate| gate.open());
                thread::sleep(millis(1));
            }
        });
        let held: Vec<_> = callers.into_iter().map(|one| one.join().unwrap()).collect();
        opens_all.store(false, SeqCst);
        assert_eq!(held.len(), 20);
    });
}

#[test]
fn a_refused_login_is_told_to_all_and_not_tried_again_while_it_holds() {
    let locked = Refusing::with(ErrorClass::Permanent);
    let pool = locked.server.pool(Settings::default());
    let told = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let error = pool.get().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Connect);
                assert_eq!(error.class(), Some(ErrorClass::Permanent));
                assert!(!error.is_transient());
                assert!(std::error::Error::source(&error).is_some());
                told.fetch_add(1, SeqCst);
            });
        }
    });
    assert_eq!(told.load(SeqCst), 100);
    let first = locked.server.connects();
    assert!(first <= 10 + 1, "only those that began together: {first}");
    let error = pool.get().unwrap_err().to_string();
    assert!(
        error.starts_with("connecting failed: scripted Permanent; it said so ")
            && error.contains("is asked again in"),
        "{error}"
    );
    locked.accept();
    eventually("it is asked again", || pool.get().is_ok());
    assert!(locked.server.connects() <= first + 2);
    drop(pool.get().unwrap());
}

#[test]
fn what_comes_back_goes_on_serving_while_a_refusal_holds() {
    let locked = Refusing::with(ErrorClass::Permanent);
    locked.accept();
    let pool = locked
        .server
        .pool(Settings::default().pool_size(1).max_overflow(1));
    let held = pool.get().unwrap();
    locked.refuse();
    pool.get().unwrap_err();
    let before = locked.server.connects();
    pool.get().unwrap_err();
    drop(held);
    for _ in 0..3 {
        drop(pool.get().unwrap());
    }
    assert_eq!(locked.server.connects(), before);
    assert_laws(&pool.status());
}

#[test]
fn a_full_server_is_no_outage_and_callers_go_on_with_what_comes_back() {
    let server = Server::new();
    admits(&server, 3);
    let pool = server.pool(Settings::default().pool_size(10).max_overflow(20));
    let end = Instant::now() + secs(3);
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                while Instant::now() < end {
                    let held = pool.get().expect("callers go on");
                    thread::sleep(millis(2));
                    drop(held);
                }
            });
        }
        while Instant::now() < end {
            assert!(pool.health_check().unwrap().reachable);
            thread::sleep(millis(100));
        }
    });
    let status = pool.status();
    assert_eq!(status.total, 3);
    assert!(
        status.refused_full >= 1 && status.refused_full <= 30,
        "{}",
        status.refused_full
    );
    assert_eq!(
        (status.database_error, status.unreachable_for),
        (None, None)
    );
    assert!(status.full_since.is_some());
    assert!(
        status.recommendations[0]
            .starts_with("The server is full, and this pool goes on with 3 of 30 connections")
            && status.recommendations[0].contains("scripted Full"),
        "{:?}",
        status.recommendations
    );
    assert!(
        !status
            .recommendations
            .iter()
            .any(|advice| advice.contains("Raise") || advice.contains("network")),
        "{:?}",
        status.recommendations
    );
}

#[test]
fn a_success_between_two_refusals_is_no_reason_to_raise_anything() {
    let server = Server::new();
    admits(&server, 3);
    let pool = server.pool(Settings::default().pool_size(4).max_overflow(4));
    let mut held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    pool.get_timeout(millis(50)).unwrap_err();
    admits(&server, 4);
    held.push(pool.get().unwrap());
    let status = pool.status();
    assert_eq!((status.checked_out, status.full_since), (4, None));
    assert_eq!(
        status.recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn the_error_of_a_full_server_says_what_it_said_and_how_many_this_pool_has() {
    let server = Server::new();
    admits(&server, 1);
    let pool = server.pool(Settings::default().retry(once()));
    let held = pool.get().unwrap();
    let error = pool.get_timeout(millis(200)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().starts_with(
            "no connection came back in time, and the server is full (this pool has 1 of its 30): connecting failed: scripted Full; \
             the server accepts no more connections, and this pool has 1 of its 30, connection timed out, timeout 0.20"
        ),
        "{error}"
    );
    drop(held);
}

#[test]
fn shut_out_by_a_full_server_the_check_says_full_and_the_caller_is_told() {
    let server = Server::new();
    admits(&server, 0);
    let pool = server.pool(Settings::default().retry(once()));
    let error = pool.get().unwrap_err();
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Connect, Some(ErrorClass::Full))
    );
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "connecting failed: scripted Full; the server accepts no more connections, and this pool has none of its 30, and other \
         clients hold all places"
    );
    let check = pool.health_check().unwrap();
    assert!(check.full && !check.reachable, "{check:?}");
    assert_eq!(pool.status().database_error, None, "no outage");
    admits(&server, 1);
    drop(pool.get_timeout(secs(5)).or_else(|_| pool.get()).unwrap());
    let check = pool.health_check().unwrap();
    assert!(!check.full && check.reachable, "{check:?}");
    eventually("the episode is over", || pool.status().full_since.is_none());
}

#[test]
fn while_the_server_is_full_no_connection_is_closed_for_its_age() {
    let server = Server::new();
    admits(&server, 1);
    let (pool, clock) = server.pool_with_clock(
        Settings::default()
            .retry(once())
            .recycle(secs(30))
            .recycle_jitter(0.0),
    );
    let held = pool.get().unwrap();
    pool.get_timeout(millis(50)).unwrap_err();
    drop(held);
    clock.advance(secs(31));
    assert_eq!(pool.get().unwrap().id, 0, "kept, although it is too old");
    assert_eq!(server.closes(), 0);
}

#[test]
fn above_its_share_a_pool_gives_up_one_connection_a_second_while_the_server_is_full() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(12, 0));
    admits(&server, 6);
    let pool = server.pool(Settings::default().instances(3).keepalive(secs(1000)));
    drop(pool.get().unwrap());
    assert!(pool.health_check().unwrap().reachable);
    assert_eq!(pool.status().server_limit.unwrap().available(), 12);
    let began = Instant::now();
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                while goes_on.load(SeqCst) {
                    let held = pool.get().unwrap();
                    thread::sleep(millis(5));
                    drop(held);
                }
            });
        }
        // A failed assertion must not leave them at work.
        let _end = EndsAtDrop(&goes_on);
        // That is so once it has six, of which it gives one up at once.
        eventually("the server has refused one", || {
            pool.status().refused_full > 0
        });
        eventually("it has its share of four", || pool.status().total == 4);
        assert!(began.elapsed() >= secs(1), "{:?}", began.elapsed());
        thread::sleep(millis(1500));
        let status = pool.status();
        assert_eq!(status.total, 4, "and keeps it");
        // Six, and one more if a connect was under way when the first was given up.
        let given_up = status.closed_by_reason[&CloseReason::OverShare];
        assert_eq!(given_up, status.total_connections_created - 4);
        assert!((2..=3).contains(&given_up), "{given_up}");
    });
    assert_laws(&pool.status());
}

#[test]
fn a_pool_that_is_refused_nothing_learns_by_asking_that_others_starve() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(12, 0));
    let pool = server.pool(
        Settings::default()
            .pool_size(6)
            .max_overflow(0)
            .instances(3),
    );
    let all: Vec<_> = (0..6).map(|_| pool.get().unwrap()).collect();
    assert_eq!(
        pool.status().server_limit,
        Some(ServerLimit::new(12, 0)),
        "asked at the first login"
    );
    *server.left.lock() = Some(1);
    drop(all);
    // While there is room, it keeps them.
    eventually("it has asked", || server.asked_for_room.load(SeqCst) > 0);
    assert_eq!(pool.status().total, 6);
    *server.left.lock() = Some(0);
    eventually("it has its share of four", || pool.status().total == 4);
    let status = pool.status();
    assert_eq!(status.closed_by_reason[&CloseReason::OverShare], 2);
    assert_eq!((status.refused_full, status.full_since), (0, None));
    let asked = server.asked_for_room.load(SeqCst);
    thread::sleep(millis(2500));
    assert_eq!(
        server.asked_for_room.load(SeqCst),
        asked,
        "with its share it asks no more"
    );
    assert_eq!(pool.status().total, 4);
    assert_laws(&pool.status());
}

#[test]
fn a_pool_with_callers_in_line_gives_up_what_is_above_its_share_too() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(12, 0));
    *server.left.lock() = Some(0);
    let pool = server.pool(
        Settings::default()
            .pool_size(6)
            .max_overflow(0)
            .instances(3),
    );
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while goes_on.load(SeqCst) {
                    let held = pool.get().unwrap();
                    thread::sleep(millis(5));
                    drop(held);
                }
            });
        }
        let _end = EndsAtDrop(&goes_on);
        eventually("it has its share of four", || {
            let status = pool.status();
            let given_up = status.closed_by_reason.get(&CloseReason::OverShare);
            status.total == 4 && given_up == Some(&2)
        });
    });
    assert_eq!(pool.status().refused_full, 0);
    assert_laws(&pool.status());
}

#[test]
fn one_instance_asks_for_no_room_and_no_share() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(12, 0));
    *server.left.lock() = Some(0);
    let pool = server.pool(Settings::default().pool_size(6).max_overflow(0));
    let all: Vec<_> = (0..6).map(|_| pool.get().unwrap()).collect();
    assert_eq!(pool.status().server_limit, None, "not asked at login");
    drop(all);
    (0..20).for_each(|_| drop(pool.get().unwrap()));
    assert_eq!(server.asked_for_room.load(SeqCst), 0);
    assert_eq!(pool.status().total, 6);
}

#[test]
fn a_starving_instance_that_never_had_a_connection_says_that_others_hold_all_places() {
    let server = Server::new();
    admits(&server, 0);
    let pool = server.pool(Settings::default().retry(once()).instances(12));
    let error = pool.get_timeout(millis(100)).unwrap_err().to_string();
    assert!(
        error.ends_with("this pool has none of its 30, and other clients hold all places"),
        "{error}"
    );
    let advice = pool.status().recommendations;
    assert!(
        advice[0].contains("Other clients hold all places."),
        "{advice:?}"
    );
}

#[test]
fn a_starving_instance_says_who_holds_the_places() {
    let server = Server::new();
    *server.limit.lock() = Some(ServerLimit::new(100, 3));
    admits(&server, 1);
    let pool = server.pool(Settings::default().retry(once()).instances(12));
    drop(pool.get().unwrap());
    assert!(pool.health_check().unwrap().reachable);
    let held = pool.get().unwrap();
    let error = pool.get_timeout(millis(100)).unwrap_err().to_string();
    assert!(
        error.contains("and other clients hold 96 of 97 places"),
        "{error}"
    );
    let advice = pool.status().recommendations;
    assert!(
        advice[0].contains("Other clients hold 96 of 97 places."),
        "{advice:?}"
    );
    drop(held);
}

#[test]
fn outage_timeout_ends_waits_while_the_database_is_known_not_to_answer() {
    let down = Refusing::with(ErrorClass::Lost);
    let patient = Retry::default().max_attempts(1000);
    let pool = down.server.pool(
        Settings::default()
            .retry(patient)
            .outage_timeout(millis(400)),
    );
    for _ in 0..2 {
        let began = Instant::now();
        let error = pool.get().unwrap_err();
        assert!(began.elapsed() >= millis(400));
        assert!(began.elapsed() < secs(10), "not the 30 s of the timeout");
        assert_eq!(error.kind(), ErrorKind::Connect);
        let text = error.to_string();
        assert!(
            text.starts_with("the database has not answered for ")
                && text.contains("and outage_timeout 400ms has passed; the last error: connecting failed: scripted Lost"),
            "{text}"
        );
    }
    assert_laws(&pool.status());
}

#[test]
fn outage_timeout_does_not_apply_at_capacity_nor_to_a_full_server() {
    let server = Server::new();
    admits(&server, 1);
    let pool = server.pool(
        Settings::default()
            .retry(once())
            .outage_timeout(Duration::from_millis(150)),
    );
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| pool.get().map(|had| had.id));
        thread::sleep(millis(800));
        assert!(!waits.is_finished());
        drop(held);
        assert_eq!(waits.join().unwrap().unwrap(), 0);
    });
    Connection::invalidate(pool.get().unwrap());
}

/// Longer than anybody relies on a connect.
const LONG: Duration = Duration::from_millis(2_200);

fn one_place() -> Settings {
    let settings = Settings::default().pool_size(1).max_overflow(0);
    settings.connect_timeout(secs(60))
}

#[test]
fn a_caller_who_has_timed_out_on_a_connect_that_does_not_end_begins_an_outage() {
    let server = Server::new();
    let (gate, waiting) = gated(|_| true);
    server.on_connect(waiting);
    let pool = server.pool(one_place());
    let error = pool.get_timeout(LONG).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let status = pool.status();
    let said = status.database_error.expect("nothing is heard of it");
    assert!(said.starts_with("connecting has not ended for "), "{said}");
    assert_eq!(status.connection_errors, 0, "it may still succeed");
    let check = pool.health_check().unwrap();
    assert!(check.skipped && !check.reachable, "{check:?}");
    gate.open();
    eventually("it is reached", || {
        pool.get().is_ok() && pool.status().database_error.is_none()
    });
    assert_eq!(pool.status().connection_errors, 0);
}

#[test]
fn a_caller_who_has_timed_out_on_a_connect_hook_begins_none() {
    let server = Server::new();
    let gate = Gate::new();
    let waiting = gate.clone();
    let pool = server
        .builder(one_place())
        .on_connect(move |_, _| {
            waiting.pass();
            Ok(())
        })
        .build()
        .unwrap();
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(error.to_string().contains("in its connect hook"), "{error}");
    assert_eq!(pool.status().database_error, None);
    gate.open();
}
