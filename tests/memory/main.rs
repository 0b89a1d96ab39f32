//! What an idle connection costs in memory, measured at the allocator.

use std::convert::Infallible;

use queuepool::{Pool, Settings};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CONNECTIONS: u32 = 1_000;

struct NoOp;

impl r2d2::ManageConnection for NoOp {
    type Connection = ();
    type Error = Infallible;

    fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

fn heap_bytes() -> usize {
    dhat::HeapStats::get().curr_bytes
}

fn pool() -> Pool<NoOp> {
    Pool::builder(NoOp)
        .settings(Settings::default().pool_size(CONNECTIONS).max_overflow(0))
        .build()
        .unwrap()
}

#[test]
fn a_thousand_idle_connections_cost_under_a_kibibyte_each() {
    let _profiler = dhat::Profiler::builder().testing().build();
    // What a process allocates once, no matter what it does with pools, is not a cost of a connection.
    drop(pool());
    let before = heap_bytes();
    let pool = pool();
    let built = heap_bytes();
    pool.warm_up(CONNECTIONS).unwrap();
    let warm = heap_bytes();
    assert_eq!(pool.status().idle_connections, u64::from(CONNECTIONS));
    let each = (warm - before) as f64 / f64::from(CONNECTIONS);
    eprintln!(
        "{each:.0} bytes of heap for each idle connection, {:.0} of them before it is opened",
        (built - before) as f64 / f64::from(CONNECTIONS)
    );
    dhat::assert!(each < 1024.0);
    // All are out at once and come back: the records of their holders are part of what a busy connection costs.
    let out: Vec<_> = (0..CONNECTIONS).map(|_| pool.get().unwrap()).collect();
    drop(out);
    let used = (heap_bytes() - before) as f64 / f64::from(CONNECTIONS);
    eprintln!("{used:.0} bytes after all were out at once");
    dhat::assert!(used < 1024.0);
}
