//! The one timer thread of the process.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use scheduled_thread_pool::ScheduledThreadPool;

use crate::base::panics::catch;
use crate::error::{Error, ErrorKind};

const NAME: &str = "queuepool-timer";

/// The one timer thread of the process. It makes places and fires timers, all of which are short and never block: no driver,
/// hook or logger runs on it.
///
/// # Errors
/// Resources where it has to be started and no thread can be had. The next call tries again.
pub(crate) fn timer() -> Result<Arc<ScheduledThreadPool>, Error> {
    static TIMER: Mutex<Option<Arc<ScheduledThreadPool>>> = Mutex::new(None);
    let mut timer = TIMER.lock();
    if let Some(timer) = &*timer {
        return Ok(timer.clone());
    }
    let unstarted = |words: String| {
        Error::new(
            ErrorKind::Resources,
            format!("no thread could be started for the timer: {words}"),
        )
    };
    // It panics where it gets no thread, which most of the time shows in one that does nothing. Its end is waited for, because until
    // then there is one thread less to be had.
    let probe = thread::Builder::new()
        .name(NAME.to_owned())
        .spawn(|| ())
        .map_err(|error| unstarted(error.to_string()))?;
    let _ = probe.join();
    let started = catch(|| {
        ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern(NAME)
            .build()
    });
    Ok(timer.insert(Arc::new(started.map_err(unstarted)?)).clone())
}

/// Runs `job` on the timer thread after `delay`. There is a timer once there is a pool.
pub(crate) fn after(delay: Duration, job: impl FnOnce() + Send + 'static) {
    if let Ok(timer) = timer() {
        timer.execute_after(delay, job);
    }
}

/// Whether this is the timer's own thread.
pub(crate) fn is_this_thread() -> bool {
    thread::current().name() == Some(NAME)
}
