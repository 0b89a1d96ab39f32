//! Scenario 19: operations of every kind at random, from eight threads. `QUEUEPOOL_STRESS` is how many (10,000), and
//! `QUEUEPOOL_SEED` which (19): a failure prints both.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use queuepool::{
    Builder, Clock, Connection, ErrorClass, ErrorKind, Mode, Pool, PrePing, ResetOnReturn, Retry,
    Settings,
};

use super::customizer::Ledger;
use support::scripted::*;

const THREADS: u64 = 8;

/// No operation takes nearly as long.
const HANG: Duration = Duration::from_secs(60);

fn from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

fn quick() -> Settings {
    Settings::default()
        .pool_size(4)
        .max_overflow(3)
        .timeout(millis(15))
        .recycle(secs(20))
        .retry(
            Retry::default()
                .max_attempts(3)
                .initial_delay(millis(1))
                .max_delay(millis(20)),
        )
        .idle_timeout(secs(10))
        .keepalive(secs(5))
        .holder_warn_after(secs(8))
}

/// What differs from run to run.
struct Run {
    settings: Settings,
    /// The driver's calls run on the caller's thread.
    local: bool,
    /// So do its pings and resets, because they can be aborted.
    abortable: bool,
    hooks: bool,
    /// Closed by one of the threads when most operations are done.
    closes_early: bool,
    /// Nobody leaves a connect behind, so the server must never see more connections than the capacity.
    strict: bool,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            settings: quick(),
            local: false,
            abortable: false,
            hooks: true,
            closes_early: false,
            strict: false,
        }
    }
}

#[test]
fn scenario_19_anything_at_random() {
    Run::default().play();
}

#[test]
fn scenario_19_never_more_than_the_capacity() {
    Run {
        settings: quick().pool_size(2).max_overflow(2).timeout(secs(30)),
        strict: true,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_in_null_mode() {
    Run {
        settings: quick().mode(Mode::Null).timeout(secs(30)),
        strict: true,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_in_null_mode_with_a_local_driver() {
    Run {
        settings: quick().mode(Mode::Null).pool_size(2).max_overflow(1),
        local: true,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_on_one_connection() {
    Run {
        settings: quick()
            .pool_size(1)
            .max_overflow(0)
            .health_check_timeout(millis(50))
            .pre_ping(PrePing::Always),
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_with_a_limit_to_those_who_wait() {
    Run {
        settings: quick().pool_size(1).max_overflow(1).max_waiting(2),
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_with_a_local_driver() {
    Run {
        settings: quick().pool_size(2).max_overflow(1).min_pool_size(1),
        local: true,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_with_calls_that_can_be_aborted() {
    Run {
        settings: quick().health_check_timeout(millis(5)),
        abortable: true,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_without_hooks_and_resets() {
    Run {
        settings: quick()
            .pool_size(3)
            .max_overflow(2)
            .min_pool_size(2)
            .reset_on_return(ResetOnReturn::Never),
        hooks: false,
        ..Run::default()
    }
    .play();
}

/// Without overflow, hooks and resets nearly every way is the short one.
#[test]
fn scenario_19_on_the_short_ways() {
    Run {
        settings: quick()
            .pool_size(5)
            .max_overflow(0)
            .reset_on_return(ResetOnReturn::Never),
        hooks: false,
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_with_calls_that_are_abandoned() {
    Run {
        settings: quick()
            .pool_size(2)
            .max_overflow(2)
            .connect_timeout(millis(2))
            .health_check_timeout(millis(2)),
        ..Run::default()
    }
    .play();
}

#[test]
fn scenario_19_with_a_close_in_the_middle() {
    Run {
        settings: quick().min_pool_size(2),
        closes_early: true,
        ..Run::default()
    }
    .play();
}

/// What the threads of a run share.
struct Shared {
    pool: Pool<ScriptedManager>,
    server: Arc<Server>,
    clock: Clock,
    operations: u64,
    done: AtomicU64,
    run: Run,
    ledger: Ledger,
}

impl Run {
    fn play(self) {
        silence_scripted_panics();
        let operations = from_env("QUEUEPOOL_STRESS", 10_000);
        let seed = from_env("QUEUEPOOL_SEED", 19);
        println!("QUEUEPOOL_STRESS={operations} QUEUEPOOL_SEED={seed}");
        let calm = Arc::new(AtomicBool::new(false));
        let server = Server::new();
        server.local.store(self.local, SeqCst);
        server.abortable.store(self.abortable, SeqCst);
        misbehave(&server, seed, &calm);
        let (clock, ledger) = (Clock::stopped(), Ledger::new());
        let mut builder = server.builder(self.settings.clone()).clock(clock.clone());
        if self.hooks {
            builder = unreliable_hooks(builder, seed, &calm);
            builder = builder.connection_customizer(ledger.customizer());
            unreliable_customizer(&ledger, seed, &calm);
        }
        let shared = Arc::new(Shared {
            pool: builder.build().unwrap(),
            server,
            clock,
            operations,
            done: AtomicU64::new(0),
            run: self,
            ledger,
        });
        shared.run_all(seed);
        calm.store(true, SeqCst);
        shared.check_the_end();
    }
}

impl Shared {
    fn run_all(self: &Arc<Self>, seed: u64) {
        let (ended, ends) = channel();
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (shared, ended) = (self.clone(), ended.clone());
                thread::spawn(move || {
                    shared.work(&mut Rng::with_seed(seed.wrapping_mul(1000) + thread));
                    drop(ended);
                })
            })
            .collect();
        drop(ended);
        let (mut seen, mut since) = (0, Instant::now());
        while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(millis(100)) as Result<(), _> {
            let done = self.done.load(Relaxed);
            if done > seen {
                (seen, since) = (done, Instant::now());
            }
            assert!(
                since.elapsed() < HANG,
                "nothing has moved for {HANG:?} after {done} operations: {:#?}",
                self.pool.status()
            );
        }
        for thread in threads {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }

    fn work(&self, rng: &mut Rng) {
        let mut held = Vec::new();
        while self.done.fetch_add(1, Relaxed) < self.operations {
            self.operate(rng, &mut held);
        }
    }

    fn operate(&self, rng: &mut Rng, held: &mut Vec<Connection<ScriptedManager>>) {
        let pool = &self.pool;
        if self.run.closes_early && self.done.load(Relaxed) > self.operations / 4 * 3 {
            // Threads that come late find it closed, which is harmless.
            let _still_out = pool.close(millis(rng.u64(0..3)));
        }
        if self.run.strict {
            // So that whoever waits is served before its deadline.
            held.clear();
        }
        match rng.u32(0..100) {
            0..22 => held.extend(self.checkout(|| pool.get().map(Some))),
            22..32 => held.extend(self.checkout(|| pool.get_timeout(Duration::ZERO).map(Some))),
            32..40 => {
                let short = if self.run.strict {
                    secs(30)
                } else {
                    millis(rng.u64(1..10))
                };
                let start = Instant::now();
                held.extend(self.checkout(|| pool.get_timeout(short).map(Some)));
                // A loaded machine is late; a clock that is started again is late by far more. Under Miri an operation takes
                // ten seconds and more.
                let late = !cfg!(miri) && start.elapsed() >= secs(20);
                assert!(!late, "{:?}", start.elapsed());
            }
            40..48 => held.extend(self.checkout(|| pool.try_get())),
            48..60 => held.clear(),
            60..68 => drop(held.pop()),
            68..70 => {
                if let Some(connection) = held.pop() {
                    connection.broken.store(true, SeqCst);
                }
            }
            70..73 => {
                if let Some(connection) = held.pop() {
                    Connection::invalidate(connection);
                }
            }
            73..76 => {
                if let Some(connection) = held.pop() {
                    connection.discount();
                    drop(catch_unwind(AssertUnwindSafe(|| {
                        drop(Connection::detach(connection));
                    })));
                }
            }
            76..79 => {
                let connection = held.pop();
                catch_unwind(AssertUnwindSafe(|| {
                    let _held = connection;
                    resume_unwind(Box::new("the holder panics"));
                }))
                .unwrap_err();
            }
            79..80 => {
                let most = self.run.settings.pool_size;
                let wanted = if self.run.settings.mode == Some(Mode::Null) {
                    0
                } else {
                    rng.u32(0..=most)
                };
                let _may_fail = pool.warm_up(wanted);
            }
            80..81 => pool.invalidate_all(),
            81..82 => self.server.restart(),
            82..86 => self.clock.advance(millis(rng.u64(0..2000))),
            86..88 => pool.upkeep(),
            88..90 => {
                // A connect hook's panic resumes here too.
                drop(catch_unwind(AssertUnwindSafe(|| pool.ping())));
            }
            90..93 => thread::sleep(Duration::from_micros(rng.u64(0..1000))),
            93 => drop(pool.clone()),
            94 => drop((format!("{pool:?}"), pool.is_healthy())),
            _ => {
                let status = pool.status();
                assert_laws(&status);
                assert!(status.total <= status.total_capacity, "{status:#?}");
                assert!(
                    status.idle_connections <= u64::from(self.run.settings.pool_size),
                    "{status:#?}"
                );
            }
        }
        // No more than a few wait for each other.
        held.truncate(2);
    }

    /// Hooks panic into the checkout; an error must be one that this run can cause.
    fn checkout(
        &self,
        get: impl FnOnce() -> Result<Option<Connection<ScriptedManager>>, queuepool::Error>,
    ) -> Option<Connection<ScriptedManager>> {
        match catch_unwind(AssertUnwindSafe(get)) {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                let expected = match error.kind() {
                    ErrorKind::Timeout | ErrorKind::Connect | ErrorKind::Validation => true,
                    ErrorKind::Hook => self.run.hooks,
                    ErrorKind::Closed => self.run.closes_early,
                    ErrorKind::Overloaded => self.run.settings.max_waiting.is_some(),
                    _ => false,
                };
                assert!(expected, "{error:?}");
                None
            }
            Err(panic) => {
                assert_eq!(panic.downcast_ref::<&str>(), Some(&SCRIPTED_PANIC));
                None
            }
        }
    }

    /// Where a connect must not take more than 2 ms, a busy machine (or valgrind) is late several times in a row.
    fn get_at_last(&self, n: u64) -> Connection<ScriptedManager> {
        let start = Instant::now();
        loop {
            match self.pool.get_timeout(secs(20)) {
                Ok(connection) => return connection,
                Err(error)
                    if error.kind() == ErrorKind::Connect
                        && self.run.settings.connect_timeout < millis(10)
                        && start.elapsed() < HANG => {}
                // The last login may have been refused, which holds for a while.
                Err(error)
                    if error.class() == Some(ErrorClass::Permanent) && start.elapsed() < HANG =>
                {
                    std::thread::sleep(millis(50));
                }
                Err(error) => panic!("after {n}: {error}: {:#?}", self.pool.status()),
            }
        }
    }

    /// Nobody holds a connection any more, and everything works again.
    fn check_the_end(&self) {
        let (pool, capacity) = (&self.pool, self.pool.status().total_capacity);
        eventually("all that was under way has ended", || {
            let status = pool.status();
            status.checked_in == status.idle_connections
                && (status.opening_connections, status.abandoned) == (0, 0)
        });
        assert_laws(&pool.status());
        assert_eq!(pool.status().checked_out, 0, "{:#?}", pool.status());
        assert_eq!(pool.status().waiting_requests, 0, "{:#?}", pool.status());
        if !self.run.closes_early {
            let all: Vec<_> = (0..capacity).map(|n| self.get_at_last(n)).collect();
            assert!(pool.get_timeout(Duration::ZERO).is_err());
            drop(all);
            assert_laws(&pool.status());
        }
        pool.close(secs(20)).unwrap();
        let status = pool.status();
        assert_laws(&status);
        assert_eq!((status.total, status.idle_connections), (0, 0));
        assert_eq!(
            status.closed_by_reason.values().sum::<u64>(),
            status.total_connections_closed
        );
        eventually("no connection is left open", || self.server.open() == 0);
        if self.run.hooks {
            self.check_the_ledger();
        }
        if self.run.abortable {
            assert!(self.server.aborts() > 0, "nothing was aborted");
        }
        if self.run.strict {
            assert!(
                self.server.most_open() as u64 <= capacity,
                "{} open at once",
                self.server.most_open()
            );
        }
    }

    /// The customizer has released everything that it acquired, except for detached connections.
    fn check_the_ledger(&self) {
        let (acquired, released) = (self.ledger.acquired(), self.ledger.released());
        let detached = self.pool.status().detached as usize;
        assert_eq!(acquired.len(), released.len() + detached);
    }
}

/// The customizer refuses, panics and is slow until `calm` is set.
fn unreliable_customizer(ledger: &Ledger, seed: u64, calm: &Arc<AtomicBool>) {
    let script = |number: u64, may_fail: bool| {
        let (mut rng, calm) = (Rng::with_seed(seed ^ (number << 48)), calm.clone());
        move |_: usize| match rng.u32(0..100) {
            _ if calm.load(SeqCst) => Act::Succeed,
            0..2 if may_fail => Act::Fail(ErrorClass::Transient),
            2..3 if may_fail => Act::Fail(ErrorClass::Permanent),
            3..4 => Act::Panic,
            4..10 => Act::Take(Duration::from_micros(rng.u64(0..3000))),
            _ => Act::Succeed,
        }
    };
    ledger.on_acquire(script(1, true));
    ledger.on_release(script(2, false));
}

/// The server fails, panics and is slow until `calm` is set.
fn misbehave(server: &Server, seed: u64, calm: &Arc<AtomicBool>) {
    let abortable = server.abortable.load(SeqCst);
    let script = |number: u64, can_be_aborted: bool| {
        let (mut rng, calm) = (Rng::with_seed(seed ^ (number << 32)), calm.clone());
        move |_: usize| {
            if calm.load(SeqCst) {
                return Act::Succeed;
            }
            match rng.u32(0..100) {
                0..2 => Act::Fail(ErrorClass::Lost),
                2..4 => Act::Fail(ErrorClass::Transient),
                // Seldom: no connect is tried for a second after that.
                4..5 if rng.u32(0..50) == 0 => Act::Fail(ErrorClass::Permanent),
                5..6 => Act::Fail(ErrorClass::Statement),
                6..7 => Act::Panic,
                7 if can_be_aborted => Act::UntilAborted,
                7..20 => Act::Take(Duration::from_micros(rng.u64(0..3000))),
                _ => Act::Succeed,
            }
        }
    };
    server.on_connect(script(1, false));
    server.on_ping(script(2, abortable));
    server.on_reset(script(3, abortable));
    server.on_close(script(4, false));
}

/// Every hook is set, refuses where it may, and panics at times.
fn unreliable_hooks(
    builder: Builder<ScriptedManager>,
    seed: u64,
    calm: &Arc<AtomicBool>,
) -> Builder<ScriptedManager> {
    let act = |number: u64| {
        let (rng, calm) = (
            parking_lot::Mutex::new(Rng::with_seed(seed ^ (number << 40))),
            calm.clone(),
        );
        move || {
            let drawn = rng.lock().u32(0..100);
            match drawn {
                _ if calm.load(SeqCst) => Ok(()),
                0 => std::panic::panic_any(SCRIPTED_PANIC),
                1..4 => Err("refused".into()),
                _ => Ok(()),
            }
        }
    };
    let (connect, checkout, checkin, reset) = (act(1), act(2), act(3), act(4));
    let (invalidate, close, timeout) = (act(5), act(6), act(7));
    builder
        .on_connect(move |_, _| connect())
        .on_checkout(move |_, _| checkout())
        .on_checkin(move |_, _| drop(checkin()))
        .on_reset(move |_, _| drop(reset()))
        .on_invalidate(move |_, _| drop(invalidate()))
        .on_close(move |_, _| drop(close()))
        .on_timeout(move |_| drop(timeout()))
}
