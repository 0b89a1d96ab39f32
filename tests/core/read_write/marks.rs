//! Reads that see what was written.

use std::thread;

use queuepool::read_write::WriteGuard;

use super::*;

/// A replica that has all that the primary has, asked a moment ago.
fn in_step() -> Fleet {
    let fleet = Fleet::new(1);
    log_is_at(&fleet.primary, 1);
    log_is_at(&fleet.replicas[0], 1);
    fleet
}

impl Fleet {
    /// Writes, some time after the last check.
    fn write(&self, apart: &Apart) {
        self.clock.advance(millis(1));
        let guard = apart.write().unwrap();
        log_is_at(&self.primary, 2);
        drop(guard);
    }
}

#[test]
fn a_thread_that_asks_for_it_reads_from_the_primary_until_a_replica_has_what_it_wrote() {
    let fleet = in_step();
    let apart = fleet.described().read_your_writes(true).build().unwrap();
    apart.check();
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [0, 1], "it has written nothing yet");
    fleet.write(&apart);
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [2, 1]);
    thread::scope(|scope| {
        let other = scope.spawn(|| drop(apart.read().unwrap()));
        other.join().unwrap();
    });
    assert_eq!(checkouts(&apart), [2, 2], "another thread has not written");
    fleet.clock.advance(millis(1));
    apart.check();
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [3, 2], "the replica has not replayed it");
    log_is_at(&fleet.replicas[0], 2);
    apart.check();
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [3, 3]);
}

#[test]
fn it_counts_from_the_end_of_the_guard() {
    let fleet = in_step();
    let apart = fleet.described().read_your_writes(true).build().unwrap();
    let guard = apart.write().unwrap();
    fleet.clock.advance(millis(1));
    apart.check();
    drop(apart.read().unwrap());
    assert_eq!(
        checkouts(&apart),
        [1, 1],
        "while it is held nothing is complete"
    );
    fleet.clock.advance(millis(1));
    drop(guard);
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [2, 1]);
    drop(WriteGuard::into_inner(apart.write().unwrap()));
}

#[test]
fn without_being_asked_for_a_thread_reads_from_the_replicas_after_a_write() {
    let fleet = in_step();
    let apart = fleet.apart();
    apart.check();
    fleet.write(&apart);
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [1, 1]);
}

#[test]
fn what_one_read_write_was_written_by_does_not_concern_another() {
    let (fleet, other) = (in_step(), in_step());
    let apart = fleet.described().read_your_writes(true).build().unwrap();
    let others = other.described().read_your_writes(true).build().unwrap();
    apart.check();
    others.check();
    fleet.write(&apart);
    drop(others.read().unwrap());
    assert_eq!(checkouts(&others), [0, 1]);
}

#[test]
fn a_mark_crosses_threads() {
    let fleet = in_step();
    let apart = fleet.apart();
    apart.check();
    fleet.write(&apart);
    let mark = apart.mark();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            drop(apart.read_after(&mark).unwrap());
            assert_eq!(checkouts(&apart), [2, 0]);
            log_is_at(&fleet.replicas[0], 2);
            fleet.clock.advance(millis(1));
            apart.check();
            drop(apart.read_after(&mark).unwrap());
            assert_eq!(checkouts(&apart), [2, 1]);
        });
        reader.join().unwrap();
    });
}

#[test]
fn a_read_after_a_mark_sees_this_threads_writes_too() {
    let fleet = in_step();
    let apart = fleet.described().read_your_writes(true).build().unwrap();
    let mark = apart.mark();
    fleet.clock.advance(millis(1));
    apart.check();
    fleet.write(&apart);
    drop(apart.read_after(&mark).unwrap());
    assert_eq!(checkouts(&apart), [2, 0]);
}

#[test]
fn one_of_two_replicas_may_have_it() {
    let fleet = Fleet::new(2);
    let apart = fleet.apart();
    log_is_at(&fleet.primary, 2);
    log_is_at(&fleet.replicas[0], 1);
    log_is_at(&fleet.replicas[1], 2);
    let mark = apart.mark();
    fleet.clock.advance(millis(1));
    apart.check();
    for _ in 0..4 {
        drop(apart.read_after(&mark).unwrap());
    }
    assert_eq!(checkouts(&apart), [0, 0, 4]);
}

#[test]
fn where_nothing_is_known_of_positions_the_primary_has_it() {
    let fleet = Fleet::new(1);
    let apart = fleet.described().read_from_primary(false);
    let apart = apart.build().unwrap();
    let mark = apart.mark();
    fleet.clock.advance(secs(3600));
    apart.check();
    drop(apart.read_after(&mark).unwrap());
    assert_eq!(checkouts(&apart), [1, 0], "though read_from_primary is off");
}

#[test]
fn a_lag_in_seconds_has_a_mark_one_second_later() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    *fleet.replicas[0].replication.lock() = Replication::unknown().with_lag(Some(secs(2)));
    let mark = apart.mark();
    fleet.clock.advance(millis(2999));
    apart.check();
    drop(apart.read_after(&mark).unwrap());
    assert_eq!(checkouts(&apart), [1, 0]);
    fleet.clock.advance(millis(1));
    apart.check();
    drop(apart.read_after(&mark).unwrap());
    assert_eq!(checkouts(&apart), [1, 1]);
}
