//! Gets and drops for `benches/counting.sh`, which counts their instructions and how many of them are spent on counting.

mod nothing;

use std::hint::black_box;

use nothing::Nothing;
use queuepool::Pool;

const PAIRS: u32 = 10_000;

/// Collected by name.
#[inline(never)]
fn counted_pairs(pool: &Pool<Nothing>) {
    for _ in 0..PAIRS {
        drop(black_box(pool.get().unwrap()));
    }
}

fn main() {
    let pool = Pool::builder(Nothing).build().unwrap();
    pool.warm_up(10).unwrap();
    // The first checkout is the peak, whose time is noted, and names the thread.
    drop(pool.get().unwrap());
    counted_pairs(&pool);
    println!("{PAIRS}");
}
