//! What a driver may leave out, and how often it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use queuepool::{
    Call, CloseReason, Driver, ErrorClass, ErrorKind, Mode, Pool, Reset, ResetOnReturn, Settings,
};

use support::scripted::*;

/// A manager of connections that remember that somebody's work is unfinished.
struct Plain;

#[derive(Debug)]
struct NoError;

impl std::fmt::Display for NoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no error")
    }
}

impl std::error::Error for NoError {}

impl r2d2::ManageConnection for Plain {
    type Connection = bool;
    type Error = NoError;

    fn connect(&self) -> Result<bool, NoError> {
        Ok(false)
    }

    fn is_valid(&self, _: &mut bool) -> Result<(), NoError> {
        Ok(())
    }

    fn has_broken(&self, _: &mut bool) -> bool {
        false
    }
}

/// Says only what errors mean.
struct OnlyClassifies;

impl Driver<Plain> for OnlyClassifies {
    fn classify(&self, _: &NoError) -> ErrorClass {
        ErrorClass::Permanent
    }
}

#[test]
fn a_driver_that_resets_nothing_has_the_connection_of_a_panicking_holder_closed() {
    let pools = [
        Pool::builder(Plain).build().unwrap(),
        Pool::builder(Plain).driver(OnlyClassifies).build().unwrap(),
    ];
    for pool in pools {
        for _ in 0..2 {
            let holder = pool.clone();
            let holder = thread::spawn(move || {
                let mut held = holder.get().unwrap();
                *held = true;
                panic!("on purpose");
            });
            holder.join().unwrap_err();
            let unfinished = *pool.get().unwrap();
            assert!(!unfinished, "what the holder began");
            pool.invalidate_all();
        }
    }
}

struct Counts {
    resets: AtomicUsize,
    limits: AtomicUsize,
    bounded: AtomicUsize,
}

struct Unable(Arc<Counts>);

impl Driver<Plain> for Unable {
    fn reset(&self, _: &Plain, _: &mut bool, _: ResetOnReturn) -> Result<Reset, NoError> {
        self.0.resets.fetch_add(1, SeqCst);
        Ok(Reset::NotSupported)
    }

    fn server_limit(
        &self,
        _: &Plain,
        _: &mut bool,
    ) -> Result<Option<queuepool::ServerLimit>, NoError> {
        self.0.limits.fetch_add(1, SeqCst);
        Ok(None)
    }

    fn is_bounded(&self, _: Call) -> bool {
        self.0.bounded.fetch_add(1, SeqCst);
        true
    }
}

#[test]
fn what_a_driver_does_not_support_it_is_asked_once_and_its_constants_at_build() {
    let counts = Arc::new(Counts {
        resets: AtomicUsize::new(0),
        limits: AtomicUsize::new(0),
        bounded: AtomicUsize::new(0),
    });
    let pool = Pool::builder(Plain)
        .driver(Unable(counts.clone()))
        .build()
        .unwrap();
    let at_build = counts.bounded.load(SeqCst);
    for _ in 0..10 {
        drop(pool.get().unwrap());
        pool.health_check().unwrap();
    }
    assert_eq!(counts.resets.load(SeqCst), 1);
    assert_eq!(counts.limits.load(SeqCst), 1);
    assert_eq!(counts.bounded.load(SeqCst), at_build);
    assert_eq!(pool.status().total_connections_closed, 0);
}

/// Rolls back, and knows no reset in full: `true` is a transaction that was left open.
struct RollsBack;

impl Driver<Plain> for RollsBack {
    fn reset(&self, _: &Plain, is_open: &mut bool, how: ResetOnReturn) -> Result<Reset, NoError> {
        if how == ResetOnReturn::Full {
            return Ok(Reset::NotSupported);
        }
        *is_open = false;
        Ok(Reset::Done)
    }
}

#[test]
fn a_driver_that_cannot_reset_in_full_goes_on_rolling_back() {
    let pool = Pool::builder(Plain).driver(RollsBack).build().unwrap();
    for round in 0..3 {
        *pool.get().unwrap() = true;
        assert!(
            !*pool.get().unwrap(),
            "round {round}: what the last user began"
        );
        let holder = pool.clone();
        let holder = thread::spawn(move || {
            let mut held = holder.get().unwrap();
            *held = true;
            panic!("on purpose");
        });
        holder.join().unwrap_err();
        assert!(
            !*pool.get().unwrap(),
            "round {round}: what the panicking user began"
        );
    }
    assert_eq!(pool.status().closed_by_reason[&CloseReason::Panicked], 3);
}

/// Knows without a round trip what there is to reset: `true` is a transaction that was left open.
struct Knowing {
    resets: Arc<Mutex<Vec<ResetOnReturn>>>,
    panics: bool,
}

impl Driver<Plain> for Knowing {
    fn reset_is_due(&self, _: &Plain, is_open: &mut bool, how: ResetOnReturn) -> bool {
        assert_eq!(how, ResetOnReturn::Rollback);
        if self.panics {
            std::panic::panic_any(SCRIPTED_PANIC);
        }
        *is_open
    }

    fn reset(&self, _: &Plain, is_open: &mut bool, how: ResetOnReturn) -> Result<Reset, NoError> {
        self.resets.lock().push(how);
        *is_open = false;
        Ok(Reset::Done)
    }
}

#[test]
fn only_what_is_due_is_reset_and_all_of_it_after_a_panic() {
    silence_scripted_panics();
    for panics in [false, true] {
        let resets = Arc::default();
        let driver = Knowing {
            resets: Arc::clone(&resets),
            panics,
        };
        let pool = Pool::builder(Plain).driver(driver).build().unwrap();
        drop(pool.get().unwrap());
        // A driver that panics when it is asked has not said that there is nothing to do.
        let expected = match panics {
            false => vec![],
            true => vec![ResetOnReturn::Rollback],
        };
        assert_eq!(std::mem::take(&mut *resets.lock()), expected);
        *pool.get().unwrap() = true;
        eventually("the reset has run", || pool.status().idle_connections == 1);
        assert_eq!(
            std::mem::take(&mut *resets.lock()),
            [ResetOnReturn::Rollback]
        );
        let holder = pool.clone();
        thread::spawn(move || {
            let _held = holder.get().unwrap();
            std::panic::panic_any(SCRIPTED_PANIC);
        })
        .join()
        .unwrap_err();
        assert_eq!(std::mem::take(&mut *resets.lock()), [ResetOnReturn::Full]);
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

/// Has to ask at each return whether an answer is owed.
struct Proving(Arc<Mutex<Vec<ResetOnReturn>>>);

impl Driver<Plain> for Proving {
    fn proves(&self, _: &Plain) -> bool {
        true
    }

    fn reset(&self, _: &Plain, _: &mut bool, how: ResetOnReturn) -> Result<Reset, NoError> {
        self.0.lock().push(how);
        Ok(Reset::Done)
    }
}

#[test]
fn under_never_a_driver_that_proves_is_asked_for_it_only_where_the_connection_has_a_next_user() {
    for (mode, asked) in [
        (Mode::Queue, vec![ResetOnReturn::Never]),
        (Mode::Null, vec![]),
    ] {
        let resets = Arc::default();
        let never = Settings::default().reset_on_return(ResetOnReturn::Never);
        let pool = Pool::builder(Plain)
            .driver(Proving(Arc::clone(&resets)))
            .settings(never.mode(mode))
            .build()
            .unwrap();
        drop(pool.get().unwrap());
        assert_eq!(*resets.lock(), asked, "{mode:?}");
    }
}

enum Asked {
    Bounded,
    Mode,
    Proves,
    Prepare,
}

struct Panics(Asked);

impl Driver<Plain> for Panics {
    fn prepare(&mut self, _: &mut Plain, _: &str, _: &Settings) -> Result<(), queuepool::Error> {
        match self.0 {
            Asked::Prepare => std::panic::panic_any(SCRIPTED_PANIC),
            _ => Ok(()),
        }
    }

    fn is_bounded(&self, _: Call) -> bool {
        match self.0 {
            Asked::Bounded => std::panic::panic_any(SCRIPTED_PANIC),
            _ => true,
        }
    }

    fn proves(&self, _: &Plain) -> bool {
        match self.0 {
            Asked::Proves => std::panic::panic_any(SCRIPTED_PANIC),
            _ => false,
        }
    }

    fn default_mode(&self) -> Mode {
        match self.0 {
            Asked::Mode => std::panic::panic_any(SCRIPTED_PANIC),
            _ => Mode::Queue,
        }
    }
}

#[test]
fn a_driver_that_panics_when_asked_for_a_constant_fails_the_build() {
    silence_scripted_panics();
    for (asked, name) in [
        (Asked::Bounded, "is_bounded"),
        (Asked::Mode, "default_mode"),
        (Asked::Proves, "proves"),
        (Asked::Prepare, "prepare"),
    ] {
        let error = Pool::builder(Plain)
            .driver(Panics(asked))
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains(SCRIPTED_PANIC), "{error}");
    }
}

#[test]
fn a_driver_is_told_once_that_its_pool_has_closed() {
    let server = Server::new();
    let pool = server.pool(Settings::default());
    drop(pool.get().unwrap());
    pool.close(secs(5)).unwrap();
    pool.close(secs(5)).unwrap();
    drop(pool);
    assert_eq!(server.shutdowns.load(SeqCst), 1);

    // The same if the last handle is dropped before the last connection.
    let server = Server::new();
    let pool = server.pool(Settings::default());
    let held = pool.get().unwrap();
    drop(pool);
    assert_eq!(server.shutdowns.load(SeqCst), 0, "one is still out");
    drop(held);
    eventually("it is told", || server.shutdowns.load(SeqCst) == 1);
}

#[test]
fn hooks_of_one_event_are_called_in_turn_and_the_first_refusal_ends_the_round() {
    let heard = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let say = |what: &'static str| {
        let heard = heard.clone();
        move || heard.lock().push(what)
    };
    let server = Server::new();
    let (one, two, refused, never) = (say("one"), say("two"), say("refused"), say("never"));
    let (in_first, in_second) = (say("checked in"), say("and again"));
    let pool = server
        .builder(Settings::default())
        .on_connect(move |_, _| {
            one();
            Ok(())
        })
        .on_connect(move |_, _| {
            two();
            Ok(())
        })
        .on_checkout(move |_, info| {
            refused();
            match info.id() {
                1 => Err("refused".into()),
                _ => Ok(()),
            }
        })
        .on_checkout(move |_, _| {
            never();
            Ok(())
        })
        .on_checkin(move |_, _| in_first())
        .on_checkin(move |_, _| in_second())
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    let wanted = [
        "one",
        "two",
        "refused", // and closed
        "one",
        "two",
        "refused",
        "never",
        "checked in",
        "and again",
    ];
    assert_eq!(*heard.lock(), wanted);
    assert_laws(&pool.status());
}

#[test]
fn a_connect_hook_that_blocks_is_seen_in_the_status_and_named_in_timeouts() {
    let server = Server::new();
    let gate = Gate::new();
    let blocks = gate.clone();
    let pool = server
        .builder(Settings::default().pool_size(1).max_overflow(0))
        .on_connect(move |_, _| {
            blocks.pass();
            Ok(())
        })
        .build()
        .unwrap();
    thread::scope(|scope| {
        let error = scope.spawn(|| pool.get_timeout(millis(200)).map(drop).unwrap_err());
        eventually("the hook runs", || gate.waiting() == 1);
        assert_eq!(pool.status().in_connect_hook, 1);
        // Not the caller for whom it is opened.
        let other = pool.get_timeout(millis(20)).map(drop).unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Timeout);
        let error = error.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Connect);
        for error in [other, error] {
            assert!(
                error.to_string().contains("in its connect hook for"),
                "{error}"
            );
        }
        gate.open();
    });
    eventually("it is ready", || pool.status().in_connect_hook == 0);
}

#[test]
fn a_new_connection_that_is_too_old_already_is_handed_out_once() {
    // By a connect hook that takes longer than recycle.
    let server = Server::new();
    let (pool, connects) = {
        let (clock, server) = (queuepool::Clock::stopped(), &server);
        let slow = clock.clone();
        let settings = Settings::default().recycle(secs(1)).recycle_jitter(0.0);
        let pool = server
            .builder(settings)
            .clock(clock)
            .on_connect(move |_, _| {
                slow.advance(secs(2));
                Ok(())
            })
            .build()
            .unwrap();
        (pool, server.clone())
    };
    for n in 1..=3 {
        drop(pool.get().unwrap());
        assert_eq!(connects.connects(), n);
    }
    // By a connect hook that invalidates all connections.
    let server = Server::new();
    let slot: Arc<parking_lot::Mutex<Option<Pool<ScriptedManager>>>> = Arc::default();
    let inside = slot.clone();
    let pool = server
        .builder(Settings::default())
        .on_connect(move |_, _| {
            if let Some(pool) = &*inside.lock() {
                pool.invalidate_all();
            }
            Ok(())
        })
        .build()
        .unwrap();
    *slot.lock() = Some(pool.clone());
    drop(pool.get().unwrap());
    pool.ping().unwrap();
    assert_eq!(server.connects(), 2);
    let status = pool.status();
    let invalidated = status.closed_by_reason.get(&CloseReason::Invalidated);
    assert!(invalidated.is_some_and(|count| *count >= 1), "{status:?}");
    slot.lock().take();
}

/// How many threads of this process have a name with this prefix.
fn threads(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with(prefix))
        .count()
}

#[test]
fn a_pool_with_keepalive_keeps_no_thread_for_good() {
    let server = Server::new();
    let settings = Settings::default()
        .keepalive(Duration::from_secs(3600))
        .idle_timeout(Duration::from_secs(1));
    // Looked at every 100 ms.
    let pool = server
        .builder(settings.min_pool_size(1))
        .name("calm")
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    let start = std::time::Instant::now();
    while threads("calm-helper") > 0 {
        assert!(start.elapsed() < secs(30), "it stays");
        thread::sleep(millis(50));
    }
    assert_eq!(pool.status().total, 1);
}
