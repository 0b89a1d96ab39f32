//! Counts the heap of queuepool's and r2d2's pools, for the section `memory` of the suite. In a process of its own: counting makes
//! each allocation slower.

#[path = "../nothing/mod.rs"]
mod nothing;

use nothing::Nothing;
use queuepool::Settings;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const MANY: u32 = 1_000;

fn heap() -> f64 {
    // The pools' threads give back what they needed for opening.
    std::thread::sleep(std::time::Duration::from_millis(20));
    dhat::HeapStats::get().curr_bytes as f64
}

/// A pool in the states that are counted.
trait Counted: Sized {
    /// Built for so many connections, none of which is open if the pool can do that.
    fn build(connections: u32) -> Self;
    fn open(&self, connections: u32);
    /// All out at once, and back.
    fn use_all(&self, connections: u32);
}

impl Counted for queuepool::Pool<Nothing> {
    fn build(connections: u32) -> Self {
        let settings = Settings::default().pool_size(connections).max_overflow(0);
        queuepool::Pool::builder(Nothing)
            .settings(settings)
            .build()
            .unwrap()
    }

    fn open(&self, connections: u32) {
        self.warm_up(connections).unwrap();
    }

    fn use_all(&self, connections: u32) {
        let out: Vec<_> = (0..connections).map(|_| self.get().unwrap()).collect();
        drop(out);
    }
}

impl Counted for r2d2::Pool<Nothing> {
    fn build(connections: u32) -> Self {
        let builder = r2d2::Pool::builder().max_size(connections);
        builder.min_idle(Some(0)).build_unchecked(Nothing)
    }

    fn open(&self, connections: u32) {
        self.use_all(connections);
    }

    fn use_all(&self, connections: u32) {
        let out: Vec<_> = (0..connections).map(|_| self.get().unwrap()).collect();
        drop(out);
    }
}

/// Bytes of a pool of 10 that has opened none, of 10 all open, and of each connection of 1,000: idle, and after all were out.
fn count<P: Counted>() -> [f64; 4] {
    // What a process allocates once, no matter what it does with pools, is not a cost of a pool.
    let first = P::build(10);
    first.open(10);
    let before = heap();
    let small = P::build(10);
    let built = heap() - before;
    small.open(10);
    let open = heap() - before;
    drop(small);
    let before = heap();
    let large = P::build(MANY);
    large.open(MANY);
    let idle = heap() - before;
    large.use_all(MANY);
    let used = heap() - before;
    drop(first);
    [built, open, idle / f64::from(MANY), used / f64::from(MANY)]
}

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let (ours, r2d2) = (
        count::<queuepool::Pool<Nothing>>(),
        count::<r2d2::Pool<Nothing>>(),
    );
    let whats = [
        "pool-of-10-nothing-open",
        "pool-of-10-all-open",
        "connection-of-1000-idle",
        "connection-of-1000-after-all-were-out",
    ];
    for (what, (ours, r2d2)) in whats.into_iter().zip(ours.into_iter().zip(r2d2)) {
        println!("{what}, {ours:.0}, {r2d2:.0}");
    }
}
