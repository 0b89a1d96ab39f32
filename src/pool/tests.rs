use std::cell::Cell;
use std::convert::Infallible;
use std::panic::Location;
use std::thread;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::pool::Pool;
use crate::settings::{ResetOnReturn, Settings};

struct Nothing;

impl r2d2::ManageConnection for Nothing {
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

#[test]
fn in_a_stall_the_short_way_out_is_closed() {
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never);
    let pool = Pool::builder(Nothing).settings(settings).build();
    let pool = pool.expect("a pool");
    for _ in 0..2 {
        drop(pool.get());
    }
    let gate = &pool.shared.gate;
    let looks_at_what_is_parked = || {
        let looked = Cell::new(false);
        let looks = |_: &_, _| {
            looked.set(true);
            false
        };
        let clock = &pool.shared.clock;
        let taken = gate
            .own_bay()
            .take(Instant::now(), clock, Location::caller(), looks);
        assert!(taken.is_none());
        looked.get()
    };
    assert!(looks_at_what_is_parked());
    thread::scope(|scope| {
        let held = gate.lock_queue();
        scope.spawn(|| drop(gate.lock_queue()));
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while !gate.own_bay().stalls().any() {
            assert!(std::time::Instant::now() < end, "no stall was declared");
            thread::yield_now();
        }
        assert!(!looks_at_what_is_parked());
        drop(held);
    });
    assert!(looks_at_what_is_parked());
}
