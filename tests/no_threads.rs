//! Where no thread can be started, a connect fails; nothing hangs, and no place is lost. Alone in its process, because
//! the limit is the process's.
#![cfg(target_os = "linux")]

use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use queuepool::{ErrorKind, Retry, Settings};

#[path = "support/scripted.rs"]
#[allow(dead_code)]
mod scripted;

use scripted::*;

/// Less than a thread's stack is left.
fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    let (before, most) = getrlimit(Resource::RLIMIT_AS).unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), most).unwrap();
    assert!(thread::Builder::new().spawn(|| ()).is_err());
    let result = work();
    setrlimit(Resource::RLIMIT_AS, before, most).unwrap();
    result
}

#[test]
fn without_threads_a_connect_fails_and_the_pool_recovers() {
    let (ended, ends) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        if ends.recv_timeout(secs(30)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("the pool hangs");
            std::process::abort();
        }
    });
    let server = Server::new();
    let retry = Retry::default().max_attempts(1).initial_delay(millis(50));
    let settings = Settings::default().min_idle(2).retry(retry);
    // The process's timer thread.
    drop(server.pool(Settings::default()));
    let pool = without_threads(|| {
        let pool = server.pool(settings);
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        pool
    });
    let all: Vec<_> = (0..30).map(|_| pool.get().unwrap()).collect();
    drop(all);
    assert_laws(&pool.status());
    drop(ended);
}
