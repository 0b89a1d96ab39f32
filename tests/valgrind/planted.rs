//! What the tools must notice: two threads increment a variable, and only the pool keeps them from doing so at the same
//! time. With one connection it does, and nothing may be reported; with two (`planted 2`) it is a race. So it is if a thread
//! increments it while the driver does so on a helper (`planted helper`), which hears of its work through a channel.

use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::sync::Barrier;
use std::thread;

use queuepool::{Pool, Settings};

struct Nowhere {
    counts: bool,
}

impl r2d2::ManageConnection for Nowhere {
    type Connection = ();
    type Error = Never;

    fn connect(&self) -> Result<(), Never> {
        if self.counts {
            count();
        }
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

#[derive(Debug)]
struct Never(Infallible);

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for Never {}

struct Count(UnsafeCell<u64>);

// SAFETY: violated if two connections are asked for, which is the point.
unsafe impl Sync for Count {}

/// Not on a stack, where drd does not look.
static COUNT: Count = Count(UnsafeCell::new(0));

fn count() {
    let count = COUNT.0.get();
    // SAFETY: see above.
    unsafe { *count += 1 };
}

fn pool(connections: u32, driver: Nowhere) -> Pool<Nowhere> {
    let settings = Settings::default().pool_size(connections).max_overflow(0);
    let pool = Pool::builder(driver).settings(settings).build();
    pool.expect("a pool")
}

fn main() {
    let mode = std::env::args().nth(1).expect("a mode");
    match mode.parse() {
        Ok(connections) => on_two_threads(connections),
        Err(_) => on_a_helper(),
    }
}

fn on_two_threads(connections: u32) {
    let pool = pool(connections, Nowhere { counts: false });
    // Both hold a connection before either counts, so that the pool's locks do not happen to order them.
    let both_hold_one = (connections > 1).then(|| Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _connection = pool.get().expect("a connection");
                if let Some(barrier) = &both_hold_one {
                    barrier.wait();
                }
                count();
            });
        }
    });
}

fn on_a_helper() {
    let pool = pool(1, Nowhere { counts: true });
    thread::scope(|scope| {
        scope.spawn(count);
        let _connection = pool.get().expect("a connection");
    });
}
