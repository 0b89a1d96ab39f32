//! Connects in proportion to the work: what is opened follows from how long connections are held, and a connect is slow only
//! against what connects usually take.

use std::thread;

use queuepool::{Pool, Settings};

use support::scripted::*;

/// Fifty threads, `rounds` times each.
fn fifty(pool: &Pool<ScriptedManager>, rounds: usize, hold: u64, pause: u64) {
    thread::scope(|scope| {
        for n in 0..50 {
            scope.spawn(move || {
                thread::sleep(millis(n * pause / 50));
                for _ in 0..rounds {
                    let connection = pool.get().unwrap();
                    thread::sleep(millis(hold));
                    drop(connection);
                    thread::sleep(millis(pause));
                }
            });
        }
    });
}

#[test]
fn fifty_threads_whose_work_two_connections_can_do_open_no_more_than_six() {
    // Once with all callers at the same time, and once in a steady stream.
    for (rounds, hold, pause) in [(1, 1, 0), (1, 10, 0), (8, 10, 250)] {
        let server = Server::new();
        server.on_connect(|_| Act::Take(millis(250)));
        let pool = server.pool(Settings::default());
        drop(pool.get().unwrap());
        fifty(&pool, rounds, hold, pause);
        let connects = server.connects();
        assert!(connects <= 6, "{connects} for {hold} ms of {pause}");
        assert_laws(&pool.status());
    }
}

#[test]
fn connections_that_are_kept_are_opened_for_all_who_wait() {
    let server = Server::new();
    server.on_connect(|_| Act::Take(millis(50)));
    let pool = server.pool(Settings::default());
    // Held for no time so far.
    drop(pool.get().unwrap());
    let held: Vec<_> = thread::scope(|scope| {
        let callers: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| pool.get().unwrap()))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    assert_eq!((held.len(), server.connects()), (30, 30));
}

#[test]
fn warm_up_beside_eight_callers_opens_eight() {
    let server = Server::new();
    server.on_connect(|_| Act::Take(millis(300)));
    let pool = server.pool(Settings::default());
    thread::scope(|scope| {
        scope.spawn(|| pool.warm_up(8).unwrap());
        eventually("it connects", || pool.status().opening_connections == 8);
        for _ in 0..8 {
            scope.spawn(|| drop(pool.get().unwrap()));
        }
    });
    assert_eq!(server.connects(), 8);
    assert_laws(&pool.status());
}
