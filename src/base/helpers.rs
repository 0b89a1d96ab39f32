//! Threads that run the driver calls which may block, so that no caller hangs with them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::sync::{Condvar, Instant, Mutex, spawn};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How long a helper thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Threads of one pool, started on demand and gone after ten idle seconds. They hold no pool. Clones are the same threads.
#[derive(Clone)]
pub(crate) struct Helpers {
    shared: Arc<Shared>,
}

struct Shared {
    /// `<pool name>-helper`, cut by the system to what it can show.
    name: String,
    limit: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for work, those already notified included until they have taken it.
    idle: usize,
    stopped: bool,
}

impl Helpers {
    /// At most `limit` threads.
    pub(crate) fn new(pool: &str, limit: usize) -> Self {
        Helpers {
            shared: Arc::new(Shared {
                name: format!("{pool}-helper"),
                limit,
                state: Mutex::default(),
                work: Condvar::new(),
            }),
        }
    }

    /// Runs `job` on a helper thread; beyond the limit it waits for one.
    ///
    /// # Errors
    /// When no thread runs and none can be started; the job comes back.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Unrun> {
        self.shared.run(Box::new(job))
    }

    /// Idle threads end; busy ones finish what they were given.
    pub(crate) fn stop(&self) {
        self.shared.state.lock().stopped = true;
        self.shared.work.notify_all();
    }
}

/// A job for which no thread could be had.
pub(crate) struct Unrun {
    pub(crate) error: io::Error,
    pub(crate) job: Job,
}

impl Shared {
    fn run(self: &Arc<Self>, job: Job) -> Result<(), Unrun> {
        let mut state = self.state.lock();
        if state.idle > state.jobs.len() || state.threads >= self.limit {
            state.jobs.push_back(job);
            self.work.notify_one();
            return Ok(());
        }
        // In a cell, because a spawn that fails drops what it was given. Under the lock, so that no job is left to a
        // thread that never starts.
        let first = Arc::new(Mutex::new(Some(job)));
        let (shared, cell) = (self.clone(), first.clone());
        let spawned = spawn(self.name.clone(), move || {
            let job = cell.lock().take();
            shared.work(job);
        });
        let Err(error) = spawned else {
            state.threads += 1;
            return Ok(());
        };
        let job = first
            .lock()
            .take()
            .expect("bug: a job ran on a thread that was not started");
        if state.threads == 0 {
            return Err(Unrun { error, job });
        }
        state.jobs.push_back(job);
        self.work.notify_one();
        Ok(())
    }

    fn work(&self, first: Option<Job>) {
        let mut next = first;
        while let Some(job) = next.take().or_else(|| self.next_job()) {
            if catch(job).is_err() {
                say!(Error, "queuepool", "a job of {} panicked", self.name);
            }
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let end = Instant::now() + IDLE;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.stopped || Instant::now() >= end {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            self.work.wait_until(&mut state, end);
            state.idle -= 1;
        }
    }
}
