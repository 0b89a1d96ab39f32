//! Which processors the suite and the servers run on. Where the two share one or move about, a query takes up to twice as long,
//! and by another factor in each run.

use std::thread;

/// Half of the processors for the suite, the other half for the servers; none where there is only one, or where the system
/// cannot pin.
#[derive(Clone)]
pub struct Processors {
    suite: Vec<usize>,
    servers: Vec<usize>,
}

impl Processors {
    pub fn of_this_machine() -> Processors {
        let mut suite = allowed();
        let servers = suite.split_off(suite.len().div_ceil(2));
        Processors { suite, servers }
    }

    pub fn text(&self) -> String {
        if self.servers.is_empty() {
            return "not pinned: there is one processor, or this system cannot pin".to_owned();
        }
        let (suite, servers) = (&self.suite, &self.servers);
        format!("servers' rows: the suite on processors {suite:?}, the servers on {servers:?}")
    }

    /// Starts a server on its processors: a process inherits those of the thread that starts it.
    pub fn start<S: Send>(&self, start: impl FnOnce() -> S + Send) -> S {
        self.on(&self.servers, start)
    }

    /// Measures on the suite's processors. The threads of the pools inherit them too.
    pub fn measure<R: Send>(&self, measure: impl FnOnce() -> R + Send) -> R {
        self.on(&self.suite, measure)
    }

    fn on<R: Send>(&self, processors: &[usize], run: impl FnOnce() -> R + Send) -> R {
        let is_pinned = !self.servers.is_empty();
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                if is_pinned {
                    pin(processors);
                }
                run()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

#[cfg(target_os = "linux")]
fn allowed() -> Vec<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0));
    let is_set = |set: &CpuSet, processor| set.is_set(processor).unwrap_or(false);
    set.map_or_else(
        |_| Vec::new(),
        |set| {
            (0..CpuSet::count())
                .filter(|processor| is_set(&set, *processor))
                .collect()
        },
    )
}

#[cfg(target_os = "linux")]
fn pin(processors: &[usize]) {
    use nix::sched::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(*processor).expect("a processor of this machine");
    }
    sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).expect("processors that are allowed");
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> Vec<usize> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn pin(_: &[usize]) {}
