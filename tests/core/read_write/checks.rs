//! The servers are asked at an interval, each apart from the others, until the last handle is gone.

use std::sync::atomic::AtomicUsize;

use queuepool::{ErrorClass, Settings};

use super::*;

/// Checked every 10 ms, by the clock of the machine.
fn watched(fleet: &Fleet, name: &str) -> Apart {
    let settings = || {
        Settings::default()
            .pool_size(2)
            .health_check_timeout(secs(1))
    };
    let primary = fleet
        .primary
        .builder(settings())
        .name(name)
        .build()
        .unwrap();
    let replicas = fleet
        .replicas
        .iter()
        .map(|replica| replica.pool(settings()));
    let described = replicas.fold(ReadWrite::new(primary), Builder::replica);
    described.check_interval(millis(10)).build().unwrap()
}

#[test]
fn a_check_that_hangs_does_not_stop_the_others() {
    let fleet = Fleet::new(2);
    let (gate, wait) = gated(|_| true);
    fleet.replicas[0].on_question(wait);
    let apart = watched(&fleet, "hangs");
    eventually("it hangs", || gate.waiting() == 1);
    let before = fleet.replicas[1].questions();
    eventually("the other is asked", || {
        fleet.replicas[1].questions() >= before + 5
    });
    assert_eq!(
        fleet.replicas[0].questions(),
        1,
        "one check of each at a time"
    );
    eventually("it is passed over", || {
        apart.status().replicas[0].passed_over.is_some()
    });
    assert!(why_passed_over(&apart, 0).contains("has not ended"));
    gate.open();
    eventually("it is fit again", || {
        apart.status().replicas[0].passed_over.is_none()
    });
}

#[test]
fn a_primary_whose_check_hangs_does_not_stop_the_replicas() {
    let fleet = Fleet::new(1);
    let (gate, wait) = gated(|_| true);
    fleet.primary.on_question(wait);
    let _apart = watched(&fleet, "hangs");
    eventually("it hangs", || gate.waiting() == 1);
    let before = fleet.replicas[0].questions();
    eventually("the other is asked", || {
        fleet.replicas[0].questions() >= before + 5
    });
    gate.open();
}

#[test]
fn a_check_that_panics_is_a_failure_and_the_next_one_comes() {
    silence_scripted_panics();
    let (primary, replica) = (Server::new(), Server::new());
    let connects = AtomicUsize::new(0);
    let panicking = replica
        .builder(Settings::default())
        .on_connect(move |_, _| {
            // The hook is users' code, and its panic resumes where the connection is asked for.
            match connects.fetch_add(1, SEQ) {
                0..3 => std::panic::panic_any(SCRIPTED_PANIC),
                _ => Ok(()),
            }
        });
    let apart = ReadWrite::new(primary.pool(Settings::default()))
        .replica(panicking.build().unwrap())
        .check_interval(millis(10))
        .build()
        .unwrap();
    eventually("it is passed over", || {
        apart.status().replicas[0].passed_over.is_some()
    });
    assert!(why_passed_over(&apart, 0).contains("scripted panic"));
    eventually("it has answered", || {
        apart.status().replicas[0].passed_over.is_none()
    });
    assert!(replica.questions() >= 1);
}

#[test]
fn a_replica_that_is_down_is_found_and_found_again_without_a_caller() {
    let fleet = Fleet::new(1);
    let apart = watched(&fleet, "down");
    eventually("it was asked", || fleet.replicas[0].questions() >= 1);
    fleet.replicas[0].restart();
    fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
    eventually("it is passed over", || {
        apart.status().replicas[0].passed_over.is_some()
    });
    drop(apart.read().unwrap());
    assert_eq!(checkouts(&apart), [1, 0]);
    fleet.replicas[0].on_connect(|_| Act::Succeed);
    eventually("it is fit", || {
        apart.status().replicas[0].passed_over.is_none()
    });
}

#[test]
fn a_reader_that_waits_for_its_write_has_the_servers_asked_sooner() {
    let fleet = Fleet::new(1);
    log_is_at(&fleet.primary, 1);
    log_is_at(&fleet.replicas[0], 1);
    let settings = || Settings::default().pool_size(2);
    let apart = ReadWrite::new(fleet.primary.pool(settings()))
        .replica(fleet.replicas[0].pool(settings()))
        .read_your_writes(true)
        .check_interval(secs(3600))
        .build()
        .unwrap();
    eventually("a first round", || fleet.replicas[0].questions() >= 1);
    drop(apart.write().unwrap());
    eventually("a replica has it", || {
        let before = checkouts(&apart)[1];
        drop(apart.read().unwrap());
        checkouts(&apart)[1] > before
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_ends_with_the_last_handle_and_so_do_the_pools_even_if_a_check_hangs() {
    let is_running = |name: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names =
            tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        names.any(|comm| comm.is_ok_and(|comm| comm.trim() == name))
    };
    let fleet = Fleet::new(1);
    let (gate, wait) = gated(|_| true);
    fleet.replicas[0].on_question(wait);
    let apart = watched(&fleet, "endrw");
    eventually("it hangs", || gate.waiting() == 1);
    assert!(is_running("endrw-replicas"));
    let other = apart.clone();
    drop(apart);
    let before = fleet.primary.questions();
    eventually("it goes on", || fleet.primary.questions() >= before + 2);
    drop(other);
    eventually("the thread has ended", || !is_running("endrw-replicas"));
    eventually("the primary's pool is shut", || fleet.primary.open() == 0);
    gate.open();
    eventually("all are", || fleet.replicas[0].open() == 0);
}
