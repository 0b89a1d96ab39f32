//! Makes a process unable to start threads for a while.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Leaves less memory than a thread's stack needs.
pub fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    let (before, most) = getrlimit(Resource::RLIMIT_AS).unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), most).unwrap();
    // The stack of a thread that has ended is kept for another thread, so these stacks are used up first.
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let mut kept = Vec::new();
    while let Ok(thread) = thread::Builder::new().spawn({
        let released = released.clone();
        move || {
            let _ = released.lock().unwrap().recv();
        }
    }) {
        kept.push(thread);
        assert!(kept.len() < 100, "the limit does not hold");
    }
    let result = work();
    setrlimit(Resource::RLIMIT_AS, before, most).unwrap();
    drop(release);
    kept.into_iter().for_each(|thread| thread.join().unwrap());
    result
}
