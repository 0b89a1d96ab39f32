//! A registry of pools to which a lot has happened, and in which nothing happens any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use queuepool::{
    Clock, Connection, Driver, ErrorClass, ErrorKind, Mode, Pool, PrePing, Registry, Retry,
    ServerLimit, Settings, r2d2,
};

use support::scripted::{Act, Gate, ScriptedManager, Server, eventually, gated, millis, secs};

/// Characters that must be escaped, some that need not be, and some that would end a careless lexer's input.
pub const ODD: &str = "кг \"1\" \\ a\nb\r\t{le=\"0\"} \0 \u{1f418}";

type Scripted = Pool<ScriptedManager>;
type Held = Vec<Connection<ScriptedManager>>;

/// Pools whose numbers no longer change.
pub struct Subject {
    pub registry: Registry,
    pub busy: Scripted,
    pub clock: Clock,
    /// The connections that are checked out of `busy`: all of them.
    pub out: Held,
    _held: Held,
    _stuck: Stuck,
}

pub fn settings(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .timeout(secs(30))
        .retry(Retry::default().max_attempts(1))
}

pub fn subject() -> Subject {
    let (busy, clock, out) = busy();
    let (null, held) = null();
    let odd = Server::new().pool(settings(1, 0));
    drop(odd.get().unwrap());
    let stuck = Stuck::new();
    let registry = Registry::new()
        .add("busy", &busy)
        .and_then(|registry| registry.add("null", null))
        .and_then(|registry| registry.add("opening", &stuck.opening))
        .and_then(|registry| registry.add("hung", hung(&stuck.gate)))
        .and_then(|registry| registry.add("limited", limited()))
        .and_then(|registry| registry.add(ODD, odd))
        .unwrap();
    Subject {
        registry,
        busy,
        clock,
        out,
        _held: vec![held],
        _stuck: stuck,
    }
}

/// In the end, all 5 connections have been out for 41 s.
fn busy() -> (Scripted, Clock, Held) {
    let server = Server::new();
    let clock = Clock::stopped();
    let refusals = Arc::new(AtomicUsize::new(0));
    let refuse = refusals.clone();
    let pool = server
        .builder(settings(3, 2).max_waiting(1).pre_ping(PrePing::Always))
        .name("orders")
        .clock(clock.clone())
        .on_checkout(move |_, _| match refuse.load(SeqCst) {
            0 => Ok(()),
            left => {
                refuse.store(left - 1, SeqCst);
                Err("refused".into())
            }
        })
        .build()
        .unwrap();

    // With a success after each, so that it is no trouble.
    for n in 0..6 {
        server.on_connect(|_| Act::Fail(ErrorClass::Statement));
        match n {
            0..4 => assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect),
            _ => assert!(!pool.health_check().unwrap().reachable),
        }
        server.on_connect(|_| Act::Succeed);
        Connection::detach(pool.get().unwrap()).discount();
    }
    for _ in 0..4 {
        Connection::invalidate(pool.get().unwrap());
    }
    eventually("the invalidated connections are closed", || {
        pool.status().total == 0
    });
    refusals.store(2, SeqCst);
    drop(pool.get().unwrap());
    drop(pool.get().unwrap());
    eventually("the refused connections are closed", || {
        pool.status().total == 1
    });

    let mut out: Held = (0..5).map(|_| pool.get().unwrap()).collect();
    for _ in 0..4 {
        let timed_out = pool.get_timeout(millis(20)).unwrap_err();
        assert_eq!(timed_out.kind(), ErrorKind::Timeout);
    }
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().unwrap());
        eventually("it waits", || pool.status().waiting_requests == 1);
        for _ in 0..8 {
            assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Overloaded);
        }
        clock.advance(millis(250));
        drop(out.pop());
        out.push(waiter.join().unwrap());
    });
    Connection::invalidate(out.pop().unwrap());
    eventually("the invalidated connection is closed", || {
        pool.status().total == 4
    });

    drop(out.pop());
    server.on_ping(|_| Act::Fail(ErrorClass::Statement));
    // A check whose ping fails asks again with a new connection.
    server.on_connect(|_| Act::Fail(ErrorClass::Statement));
    assert!(!pool.health_check().unwrap().reachable);
    server.on_connect(|_| Act::Succeed);
    eventually("the tested connection is closed", || {
        pool.status().total == 3
    });
    drop(out.pop());
    out.push(pool.get().unwrap());
    eventually("the untested connection is closed", || {
        pool.status().total == 3
    });
    server.on_ping(|_| Act::Succeed);
    out.push(pool.get().unwrap());
    out.push(pool.get().unwrap());
    clock.advance(secs(41));
    (pool, clock, out)
}

/// 1 connection is out, which in null mode is not overflow.
fn null() -> (Scripted, Connection<ScriptedManager>) {
    let settings = settings(2, 1).mode(Mode::Null).recycle(Duration::MAX);
    let (pool, _stands_still) = Server::new().pool_with_clock(settings);
    let held = pool.get().unwrap();
    drop(pool.get().unwrap());
    eventually("one connection is closed", || pool.status().total == 1);
    (pool, held)
}

/// A ping and at least two connects that do not return, and at least two connects that returned too late.
fn hung(gate: &Arc<Gate>) -> Scripted {
    let server = Server::new();
    let waits = |gate: &Arc<Gate>| {
        let gate = gate.clone();
        move |_| Act::Wait(gate.clone())
    };
    server.on_ping(waits(gate));
    let limit = millis(50);
    let pool = server.pool(
        settings(6, 0)
            .connect_timeout(limit)
            .health_check_timeout(limit),
    );
    // On the caller's thread the connect has no time limit.
    server.local.store(true, SeqCst);
    drop(pool.get().unwrap());
    server.local.store(false, SeqCst);
    server.on_connect(|_| Act::Fail(ErrorClass::Statement));
    assert!(!pool.health_check().unwrap().reachable);
    // If the machine is too busy to start a connect within its limit, it is not made, and the next one may be.
    let hang_two = |gate: &Arc<Gate>| {
        let before = gate.waiting();
        server.on_connect(waits(gate));
        while gate.waiting() < before + 2 {
            assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect);
        }
    };
    let late = Gate::new();
    hang_two(&late);
    late.open();
    eventually("the connects return late", || {
        let status = pool.status();
        status.opening_connections + status.hung_connects == 0
            && status.idle_connections == status.total
    });
    pool.invalidate_all();
    eventually("their connections are closed", || pool.status().total == 0);
    hang_two(gate);
    eventually("all calls are given up", || {
        let status = pool.status();
        status.opening_connections == 0 && status.abandoned == status.hung_connects + 1
    });
    pool
}

/// A server with a limit, one number of which exceeds what an integer gauge can hold.
fn limited() -> Pool<Limited> {
    let pool = Pool::builder(Limited)
        .driver(Limited)
        .settings(settings(1, 0).min_pool_size(1).pre_ping(PrePing::Never))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    assert!(pool.health_check().unwrap().reachable);
    eventually("the limit is known", || {
        pool.status().server_limit.is_some()
    });
    pool
}

struct Limited;

impl r2d2::ManageConnection for Limited {
    type Connection = ();
    type Error = std::io::Error;

    fn connect(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> std::io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

impl Driver<Limited> for Limited {
    fn server_limit(&self, _: &Limited, (): &mut ()) -> std::io::Result<Option<ServerLimit>> {
        Ok(Some(ServerLimit::new(u64::MAX, 3)))
    }
}

/// Two callers that wait for their connects, and the gate that holds up these connects and the calls that hang.
struct Stuck {
    opening: Scripted,
    gate: Arc<Gate>,
    callers: Vec<JoinHandle<()>>,
}

impl Stuck {
    fn new() -> Self {
        let server = Server::new();
        let (gate, script) = gated(|_| true);
        server.on_connect(script);
        let opening = server.pool(settings(4, 0).connect_timeout(secs(100)).timeout(secs(100)));
        let callers = (0..2)
            .map(|_| {
                let pool = opening.clone();
                thread::spawn(move || drop(pool.get()))
            })
            .collect();
        eventually("both connections are being opened", || {
            let status = opening.status();
            (status.opening_connections, status.waiting_requests) == (2, 2)
        });
        Stuck {
            opening,
            gate,
            callers,
        }
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.gate.open();
        for caller in self.callers.drain(..) {
            let _served = caller.join();
        }
    }
}
