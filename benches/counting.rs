//! A loop of gets and drops for `benches/counting.sh`, which counts how many instructions they take and how many of those
//! go into the pool's counting.

mod nothing;

use std::hint::black_box;

use nothing::Nothing;
use queuepool::Pool;

const PAIRS: u32 = 10_000;

/// callgrind collects only what runs inside this function, which it finds by name.
#[inline(never)]
fn counted_pairs(pool: &Pool<Nothing>) {
    for _ in 0..PAIRS {
        drop(black_box(pool.get().unwrap()));
    }
}

fn main() {
    let pool = Pool::builder(Nothing).build().unwrap();
    pool.warm_up(10).unwrap();
    // The first checkout sets the peak, whose time is recorded, and names the thread; later ones do neither.
    drop(pool.get().unwrap());
    counted_pairs(&pool);
    println!("{PAIRS}");
}
