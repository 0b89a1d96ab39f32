//! Threads for driver calls that may block, so that callers do not hang with them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::log::say;
use crate::base::panics::catch;
use crate::base::sync::{Mutex, Receiver, Sender, spawn, unbounded};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How long a helper thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// The helper threads of one pool. They are started on demand, end after ten idle seconds, and do not keep the pool alive. Clones
/// stand for the same threads.
#[derive(Clone)]
pub(crate) struct Helpers {
    shared: Arc<Shared>,
}

struct Shared {
    /// `<pool name>-helper`, cut by the system to what it can show.
    name: String,
    limit: usize,
    /// Sent to under the lock of `count`; `None` wakes a thread so that it looks whether it is to end.
    jobs: Sender<Option<Job>>,
    work: Receiver<Option<Job>>,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    threads: usize,
    /// Threads that wait for work, less what has been sent and not yet been taken. Below zero: so many jobs wait for a thread.
    free: isize,
    stopped: bool,
}

impl Helpers {
    /// At most `limit` threads.
    pub(crate) fn new(pool: &str, limit: usize) -> Self {
        let (jobs, work) = unbounded();
        Helpers {
            shared: Arc::new(Shared {
                name: format!("{pool}-helper"),
                limit,
                jobs,
                work,
                count: Mutex::default(),
            }),
        }
    }

    /// Runs `job` on a helper thread. If as many as allowed are busy, the job waits for one.
    ///
    /// # Errors
    /// If no thread runs and none can be started; the job comes back.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Unrun> {
        self.shared.run(Box::new(job))
    }

    /// Idle threads end; busy ones finish what they were given.
    pub(crate) fn stop(&self) {
        let mut count = self.shared.count.lock();
        count.stopped = true;
        self.shared.wake_to_end(&mut count);
    }
}

/// A job for which no thread could be had.
pub(crate) struct Unrun {
    pub(crate) error: io::Error,
    pub(crate) job: Job,
}

impl Shared {
    fn run(self: &Arc<Self>, job: Job) -> Result<(), Unrun> {
        let mut count = self.count.lock();
        if count.free > 0 || count.threads >= self.limit {
            self.send(&mut count, Some(job));
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
            count.threads += 1;
            return Ok(());
        };
        let job = first
            .lock()
            .take()
            .expect("bug: a job ran on a thread that was not started");
        if count.threads == 0 {
            return Err(Unrun { error, job });
        }
        self.send(&mut count, Some(job));
        Ok(())
    }

    fn send(&self, count: &mut Count, job: Option<Job>) {
        count.free -= 1;
        // `work` stands beside it, so there is always a receiver.
        let _ = self.jobs.send(job);
    }

    fn work(&self, first: Option<Job>) {
        let mut next = first;
        while let Some(job) = next.take().or_else(|| self.next_job()) {
            if catch(job).is_err() {
                say!(Error, "queuepool", "a job of {} panicked", self.name);
            }
        }
    }

    /// `None`: this thread is to end, and is no longer counted.
    fn next_job(&self) -> Option<Job> {
        let stopped = {
            let mut count = self.count.lock();
            count.free += 1;
            count.stopped
        };
        let received = match stopped {
            true => None,
            false => self.work.recv_timeout(IDLE).ok(),
        };
        if let Some(Some(job)) = received {
            return Some(job);
        }
        // Idle for too long, or woken to end. Nothing is sent meanwhile.
        let mut count = self.count.lock();
        count.free += isize::from(received.is_some());
        while let Ok(sent) = self.work.try_recv() {
            if let Some(job) = sent {
                return Some(job);
            }
            count.free += 1;
        }
        count.free -= 1;
        count.threads -= 1;
        self.wake_to_end(&mut count);
        None
    }

    /// Each that ends wakes the next.
    fn wake_to_end(&self, count: &mut Count) {
        if count.stopped && count.free > 0 {
            self.send(count, None);
        }
    }
}
