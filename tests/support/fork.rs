//! Tries something in a forked child of the test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, write};

/// Runs `work` in a forked child, which then ends. Fails if it panicked or has not ended after 30 s.
#[track_caller]
pub fn in_child(work: impl FnOnce()) {
    // Only this thread exists in the child. It allocates, which glibc allows there, and ends without running the process's
    // exit handlers.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Child => {
            let result = catch_unwind(AssertUnwindSafe(work));
            if let Err(panic) = &result {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
                // The test harness captures the test's own output in a place from which this process's would never be
                // shown.
                let said = format!("in the child: {}\n", words.unwrap_or("a panic"));
                let _unheard = write(std::io::stderr(), said.as_bytes());
            }
            unsafe { nix::libc::_exit(i32::from(result.is_err())) }
        }
        ForkResult::Parent { child } => {
            let limit = Instant::now() + Duration::from_secs(30);
            loop {
                match waitpid(child, Some(WaitPidFlag::WNOHANG)).expect("our child") {
                    WaitStatus::StillAlive if Instant::now() < limit => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    WaitStatus::StillAlive => {
                        let _ended_meanwhile = kill(child, Signal::SIGKILL);
                        panic!("the child hangs");
                    }
                    status => {
                        assert_eq!(status, WaitStatus::Exited(child, 0));
                        return;
                    }
                }
            }
        }
    }
}
