//! Faults of the server itself, under load. Each function here is a test for PostgreSQL and for MariaDB.

use std::cell::RefCell;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use queuepool::Retry;

use crate::backend::Backend;
use crate::subject::queuepool;
use crate::trial::{Begin, Trial, settings};
use support::scripted::{assert_laws, eventually, millis, secs};

crate::backend::on_both! {
    a_killed_server_is_used_again_as_soon_as_it_is_back,
    a_restarted_server_is_used_again_as_soon_as_it_is_back,
    a_frozen_server_is_used_again_as_soon_as_it_goes_on,
    when_every_session_is_ended_at_once_the_next_caller_is_served,
    when_others_leave_a_full_server_the_next_caller_is_served,
    sessions_that_the_server_ends_for_their_idleness_never_reach_a_caller,
    callers_asleep_between_attempts_are_woken_by_the_first_success,
}

/// Long enough for callers to be in a pause that would last several more seconds.
const OUTAGE: Duration = Duration::from_secs(3);

/// When a login first succeeds, observed by a thread that does nothing else.
fn accepts<B: Backend>(url: &str) -> Instant {
    loop {
        if B::bare(url).is_ok() {
            return Instant::now();
        }
        std::thread::sleep(millis(1));
    }
}

fn start_again<B: Backend>(server: &mut B) -> Instant {
    let url = server.url();
    std::thread::scope(|scope| {
        let accepts = scope.spawn(|| accepts::<B>(&url));
        server.start_again();
        accepts.join().unwrap()
    })
}

fn outage<B: Backend>(fault: &'static str, strike: &mut dyn FnMut(&mut B)) {
    let mut server = B::start();
    let mut trial = Trial {
        fault,
        begin: Begin::Loaded,
        workers: 6,
        sql: String::new(),
        url: server.url(),
        strike,
        lasts: OUTAGE,
        is_noticed: true,
        mend: &mut start_again::<B>,
    };
    trial.queuepool(&mut server);
    trial.r2d2(&mut server);
}

fn a_killed_server_is_used_again_as_soon_as_it_is_back<B: Backend>() {
    outage::<B>("server killed (SIGKILL) and started again", &mut B::kill);
}

fn a_restarted_server_is_used_again_as_soon_as_it_is_back<B: Backend>() {
    outage::<B>("server shut down cleanly and started again", &mut B::stop);
}

fn a_frozen_server_is_used_again_as_soon_as_it_goes_on<B: Backend>() {
    for (fault, begin) in [
        ("server frozen (SIGSTOP) for 3 s: in use", Begin::Loaded),
        ("server frozen (SIGSTOP) for 3 s: idle", Begin::Idle),
    ] {
        let mut server = B::start();
        let mut trial = Trial {
            fault,
            begin,
            workers: 6,
            sql: String::new(),
            url: server.url(),
            strike: &mut |server: &mut B| server.pause(),
            // Three times the connect_timeout.
            lasts: OUTAGE,
            is_noticed: true,
            mend: &mut |server: &mut B| {
                server.resume();
                Instant::now()
            },
        };
        trial.queuepool(&mut server);
        trial.r2d2(&mut server);
    }
}

fn when_every_session_is_ended_at_once_the_next_caller_is_served<B: Backend>() {
    let mut server = B::start();
    let mut trial = Trial {
        fault: "every session ended at once",
        begin: Begin::Loaded,
        workers: 6,
        sql: String::new(),
        url: server.url(),
        strike: &mut |server: &mut B| server.end_sessions(),
        lasts: millis(0),
        is_noticed: true,
        mend: &mut |_| Instant::now(),
    };
    trial.queuepool(&mut server);
    trial.r2d2(&mut server);
}

fn when_others_leave_a_full_server_the_next_caller_is_served<B: Backend>() {
    const ROOM: usize = 10; // the lowest limit that MariaDB accepts
    let mut server = B::start_for(ROOM);
    let others = RefCell::new(Vec::new());
    let mut trial = Trial {
        fault: "connection limit reached by others",
        begin: Begin::Cold,
        workers: 6,
        sql: String::new(),
        url: server.url(),
        strike: &mut |server: &mut B| {
            let url = server.url();
            // The sessions of a moment ago are still being ended.
            eventually("the server is full", || {
                others.borrow_mut().extend(B::bare(&url));
                others.borrow().len() == ROOM
            });
        },
        lasts: OUTAGE,
        is_noticed: true,
        mend: &mut |server: &mut B| {
            others.borrow_mut().clear();
            accepts::<B>(&server.url())
        },
    };
    trial.queuepool(&mut server);
    trial.r2d2(&mut server);
}

fn sessions_that_the_server_ends_for_their_idleness_never_reach_a_caller<B: Backend>() {
    let mut server = B::start_impatient();
    let mut trial = Trial {
        fault: "idle sessions ended by the server after 1 s",
        begin: Begin::Idle,
        workers: 6,
        sql: String::new(),
        url: server.url(),
        strike: &mut |server: &mut B| {
            eventually("the server has ended them", || server.sessions().is_empty());
        },
        lasts: secs(1),
        is_noticed: false,
        mend: &mut |_| Instant::now(),
    };
    trial.queuepool(&mut server);
    trial.r2d2(&mut server);
}

fn callers_asleep_between_attempts_are_woken_by_the_first_success<B: Backend>() {
    const SLEEPERS: usize = 3;
    let mut server = B::start();
    // Longer than a checkout may take, so a caller who is not woken is not served.
    let retry = Retry::default()
        .initial_delay(secs(60))
        .max_delay(secs(60))
        .jitter(false);
    let pool = queuepool(
        B::manager(&server.url(), secs(1)),
        B::Driver::default(),
        settings().retry(retry).timeout(secs(20)),
    );
    // A server that has just begun to listen may miss the request to stop.
    drop(B::bare(&server.url()).unwrap());
    server.stop();
    // Nobody may be served with a connection that another has returned.
    let all_have_one = Barrier::new(SLEEPERS);
    std::thread::scope(|scope| {
        let sleepers: Vec<_> = (0..SLEEPERS)
            .map(|_| {
                scope.spawn(|| {
                    let connection = pool.get();
                    all_have_one.wait();
                    connection.map(drop)
                })
            })
            .collect();
        eventually("all callers have failed once", || {
            pool.status().connection_errors == SLEEPERS as u64
        });
        start_again(&mut server);
        // Not through a caller, who would keep opening connections as long as somebody waits ahead of it.
        pool.warm_up(1).unwrap();
        for sleeper in sleepers {
            sleeper.join().unwrap().unwrap();
        }
    });
    assert_laws(&pool.status());
}
