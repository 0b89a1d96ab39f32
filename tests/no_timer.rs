//! The first pool of a process needs a thread for its timer. Where there is none the build is an error, and the next one tries
//! again. Alone in its process: the timer is the process's, and so is the limit.
#![cfg(target_os = "linux")]

use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use queuepool::{ErrorKind, Settings};

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
fn without_a_thread_for_the_timer_the_first_build_is_an_error_and_the_next_succeeds() {
    let server = Server::new();
    for _ in 0..2 {
        let built = without_threads(|| server.builder(Settings::default()).build().map(drop));
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
        assert!(
            error.is_transient() && error.to_string().contains("timer"),
            "{error}"
        );
    }
    let pool = server.pool(Settings::default());
    drop(pool.get().unwrap());
    assert_laws(&pool.status());
}
