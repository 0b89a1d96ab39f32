//! Runs a model through its interleavings, and checks what must hold at the end of every model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread::JoinHandle;
use parking_lot::Mutex;
use queuepool::model::{self, Fault};
use queuepool::{Error, Status};

use crate::database::{Database, ModelPool};

/// No model lets this much time pass. Whoever waits this long waits for ever, which loom reports as a deadlock.
pub const NEVER: Duration = Duration::from_secs(1_000_000);
/// The limit of whatever may time out.
pub const SOON: Duration = Duration::from_secs(1);

/// The environment variable that names the [`Fault`] with which a model runs in a process of its own.
pub const FAULT: &str = "QUEUEPOOL_MODEL_FAULT";

/// Which interleavings are tried.
#[derive(Clone, Copy)]
pub enum Reach {
    All,
    /// Those in which threads that could go on are preempted at most this many times.
    Preemptions(usize),
}

/// Who gets a connection that comes back while somebody waits (`src/gate/barging.rs`).
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// The oldest waiter, always.
    Strict,
    /// Whoever takes it first.
    Barging,
}

/// Runs `model` through its interleavings, in strict order and with barging. Fails unless exactly the `expected` outcomes occur in
/// each.
#[track_caller]
pub fn explore<T: Ord + Debug + Clone + Send + 'static, const N: usize>(
    name: &str,
    reach: Reach,
    expected: [T; N],
    model: impl Fn() -> T + Send + Sync + 'static,
) {
    let model = Arc::new(model);
    for order in [Order::Strict, Order::Barging] {
        let model = model.clone();
        explore_in(order, name, reach, expected.clone(), move || model());
    }
}

/// As [`explore`], in this order alone.
#[track_caller]
pub fn explore_in<T: Ord + Debug + Send + 'static, const N: usize>(
    order: Order,
    name: &str,
    reach: Reach,
    expected: [T; N],
    model: impl Fn() -> T + Send + Sync + 'static,
) {
    break_as_asked();
    let mut loom = loom::model::Builder::new();
    loom.max_branches = 10_000;
    loom.preemption_bound = match reach {
        Reach::All => None,
        Reach::Preemptions(most) => Some(most),
    };
    let outcomes = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = outcomes.clone();
    let start = Instant::now();
    loom.check(move || {
        model::begin(matches!(order, Order::Strict));
        let outcome = model();
        *seen.lock().entry(outcome).or_insert(0) += 1;
    });
    let outcomes = std::mem::take(&mut *outcomes.lock());
    let explored: u64 = outcomes.values().sum();
    println!(
        "{name}, {order:?}: {explored} interleavings in {:.1?}, by outcome {outcomes:?}",
        start.elapsed()
    );
    let expected = BTreeSet::from(expected);
    assert!(
        outcomes.keys().eq(&expected),
        "{order:?}: expected all of {expected:?} and nothing else"
    );
    assert!(explored >= 200, "too few to show anything");
}

fn break_as_asked() {
    let Ok(asked) = std::env::var(FAULT) else {
        return;
    };
    let fault = Fault::ALL
        .into_iter()
        .find(|fault| format!("{fault:?}") == asked);
    model::break_core(fault.expect("no such fault"));
}

pub fn spawn<T: 'static>(
    pool: &ModelPool,
    work: impl FnOnce(ModelPool) -> T + 'static,
) -> JoinHandle<T> {
    let pool = pool.clone();
    loom::thread::spawn(move || work(pool))
}

/// A caller that returns its connection at once.
pub fn caller(pool: &ModelPool, timeout: Duration) -> JoinHandle<&'static str> {
    spawn(pool, move |pool| outcome(&pool.get_timeout(timeout)))
}

/// How a call ended.
pub fn outcome<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => match error.kind() {
            queuepool::ErrorKind::Timeout => "timeout",
            queuepool::ErrorKind::Connect => "connect",
            queuepool::ErrorKind::Closed => "closed",
            queuepool::ErrorKind::Overloaded => "overloaded",
            queuepool::ErrorKind::Cancelled => "cancelled",
            other => panic!("{other:?}: {error}"),
        },
    }
}

/// Lets the other threads run until `there` holds for the pool.
pub fn until(pool: &ModelPool, there: impl Fn(&Status) -> bool) {
    while !there(&pool.status()) {
        loom::thread::yield_now();
    }
}

/// Lets the helper threads finish what is under way.
pub fn settle(pool: &ModelPool) {
    until(pool, |status| {
        status.opening_connections + status.abandoned == 0
            && status.checked_in == status.idle_connections
    });
}

/// Asserts that nobody waits and nothing is under way; that nothing is lost, which would leave fewer connections than the
/// capacity, and nothing has leaked; and that everything is closed at the end.
#[track_caller]
pub fn assert_whole(database: &Database, pool: ModelPool) {
    let status = pool.status();
    assert_laws(&status);
    assert_eq!(
        database.open() as u64,
        status.total,
        "a connection is lost: {status:#?}"
    );
    assert_eq!(
        status.idle_connections, status.total,
        "a connection is nowhere: {status:#?}"
    );
    assert_nothing_under_way(&status);
    assert!(status.peak_total <= status.total_capacity, "{status:#?}");
    // If a place is lost, the last of these callers waits for ever.
    let all: Vec<_> = (0..status.total_capacity)
        .map(|_| pool.get().unwrap())
        .collect();
    drop(all);
    pool.close(NEVER).unwrap();
    assert_closed(database, &pool);
}

/// Asserts that the pool is closed and nothing is left.
#[track_caller]
pub fn assert_closed(database: &Database, pool: &ModelPool) {
    assert_eq!(outcome(&pool.get()), "closed");
    let status = pool.status();
    assert_laws(&status);
    assert_nothing_under_way(&status);
    assert_eq!(status.total, 0, "{status:#?}");
    assert_eq!(database.open(), 0, "a connection stayed open");
}

#[track_caller]
fn assert_nothing_under_way(status: &Status) {
    let Status {
        checked_out,
        waiting_requests,
        opening_connections,
        abandoned,
        ..
    } = *status;
    let under_way = [
        checked_out,
        waiting_requests,
        opening_connections,
        abandoned,
    ];
    assert_eq!(under_way, [0; 4], "{status:#?}");
}

/// Asserts both laws of the counters.
#[track_caller]
fn assert_laws(status: &Status) {
    assert_eq!(
        status.total_connections_created,
        status.total_connections_closed + status.detached + status.total,
        "{status:#?}"
    );
    assert_eq!(
        status.checkouts,
        status.checkins + status.checked_out,
        "{status:#?}"
    );
}
