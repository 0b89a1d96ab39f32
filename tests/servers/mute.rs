//! A server that accepts the TCP connection and then says nothing. In fact its kernel accepts, up to the listener's
//! backlog.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use queuepool::{Database, ErrorKind, Settings};

use crate::pool::{once, size};
use support::scripted::{assert_laws, eventually, millis, secs, state};

fn mute() -> (TcpListener, [String; 2]) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let urls =
        ["postgresql", "mysql"].map(|scheme| format!("{scheme}://app:x@127.0.0.1:{port}/app"));
    (listener, urls)
}

fn open(url: &str, settings: Settings) -> Database {
    Database::open_with(url, settings).unwrap()
}

#[test]
fn a_checkout_ends_at_its_timeout() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let (_listener, urls) = mute();
    for url in urls {
        let database = open(&url, size(5, 5));
        let overshoots: Vec<Duration> = (0..6)
            .map(|_| {
                let begun = Instant::now();
                let error = database.get_timeout(TIMEOUT).unwrap_err();
                let taken = begun.elapsed();
                assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
                assert!(taken >= TIMEOUT, "{taken:?}");
                taken - TIMEOUT
            })
            .collect();
        eprintln!("{}: {overshoots:?} over 300 ms", &url[..5]);
        assert!(
            overshoots.iter().all(|over| *over < millis(250)),
            "{overshoots:?}"
        );
        assert!(
            overshoots.iter().any(|over| *over < millis(50)),
            "{overshoots:?}"
        );
        assert_eq!(database.status().connection_timeouts, 6);
        let begun = Instant::now();
        drop(database);
        assert!(begun.elapsed() < millis(250), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_probe_ends_at_the_health_check_timeout() {
    let (_listener, urls) = mute();
    for url in urls {
        let database = open(&url, size(1, 0).health_check_timeout(millis(300)));
        let begun = Instant::now();
        let error = database.ping().unwrap_err();
        assert!(begun.elapsed() < millis(800), "{:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    }
}

#[test]
fn the_connect_timeout_abandons_the_attempt_and_frees_its_place() {
    for which in [0, 1] {
        let (listener, urls) = mute();
        let url = &urls[which];
        let settings = size(2, 0).connect_timeout(millis(200)).retry(once());
        let database = open(url, settings);
        for abandoned in 1..=2 {
            let begun = Instant::now();
            let error = database.get().unwrap_err();
            let taken = begun.elapsed();
            assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
            assert!(taken >= millis(200) && taken < secs(2), "{taken:?}");
            let status = database.status();
            assert_eq!(status.abandoned, abandoned, "{status:#?}");
            assert_eq!(status.opening_connections, 0);
            assert_eq!(status.connection_errors, abandoned);
            assert_eq!(state(&status), (2, 0, 0, 0));
        }
        // As many connects hang as the pool may have connections, so no more are started, and callers wait for one to end.
        let begun = Instant::now();
        let error = database.get_timeout(millis(150)).unwrap_err();
        let taken = begun.elapsed();
        assert!(taken >= millis(150) && taken < secs(2), "{taken:?}");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(error.to_string().contains("2 connects hang"), "{error}");

        // The kernel ends the connections that nobody accepted.
        drop(listener);
        eventually("the abandoned calls have returned", || {
            database.status().abandoned == 0
        });
        assert_laws(&database.status());
        let begun = Instant::now();
        database.close(secs(10)).unwrap();
        assert!(begun.elapsed() < secs(2), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_warm_up_and_a_close_end_at_their_own_deadlines() {
    let (_listener, urls) = mute();
    for url in urls {
        let database = open(&url, size(2, 0).timeout(millis(300)));
        let begun = Instant::now();
        database.warm_up(2).unwrap_err();
        assert!(begun.elapsed() < millis(800), "{:?}", begun.elapsed());
        let begun = Instant::now();
        let error = database.close(millis(300)).unwrap_err();
        assert!(begun.elapsed() < millis(800), "{:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(error.to_string().contains("2 being opened"), "{error}");
    }
}
