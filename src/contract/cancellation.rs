//! Ending waits for a connection from another thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::sync::{AtomicU64, Mutex};

/// Ends waits for a connection from another thread: all that were begun with this token or a clone of it
/// ([`Pool::get_cancellable`](crate::Pool::get_cancellable)), in however many pools. A token is cancelled once and for good.
///
/// A service that is told to stop can let its requests end at once instead of after the setting `timeout`:
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use queuepool::{CancellationToken, Database, ErrorKind, Settings};
///
/// let database = Database::open_with("sqlite::memory:", Settings::default().pool_size(1).max_overflow(0))?;
/// let stopping = CancellationToken::new();
/// let held = database.get()?;
/// let request = std::thread::spawn({
///     let (database, stopping) = (database.clone(), stopping.clone());
///     move || database.get_cancellable(&stopping).map(drop)
/// });
///
/// // In the thread that handles SIGTERM:
/// stopping.cancel();
///
/// let error = request.join().unwrap().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # drop(held);
/// # }
/// # Ok::<(), queuepool::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// 1 once it is cancelled.
    cancelled: AtomicU64,
    /// Taken neither inside a pool's locks nor around them.
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    last: u64,
    all: BTreeMap<u64, Arc<dyn Interrupt>>,
}

/// A wait that can be told that it is cancelled.
pub(crate) trait Interrupt: Send + Sync {
    /// Has it look at its token.
    fn interrupt(&self);
}

/// A wait that hears of its token for as long as this lives.
pub(crate) struct Listening {
    token: CancellationToken,
    number: u64,
}

impl CancellationToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        CancellationToken::default()
    }

    /// Ends all waits that use this token, and has all that begin later fail at once. A checkout that has its connection is not
    /// affected. It does not block, and may be called more than once.
    pub fn cancel(&self) {
        let waits = {
            let mut waits = self.0.waits.lock();
            self.0.cancelled.store(1, Ordering::Release);
            std::mem::take(&mut waits.all)
        };
        for wait in waits.into_values() {
            wait.interrupt();
        }
    }

    /// Whether [`cancel`](CancellationToken::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire) == 1
    }

    /// A wait that listens before it looks whether the token is cancelled misses nothing.
    pub(crate) fn listen(&self, wait: Arc<dyn Interrupt>) -> Listening {
        let mut waits = self.0.waits.lock();
        waits.last += 1;
        let number = waits.last;
        waits.all.insert(number, wait);
        Listening {
            token: self.clone(),
            number,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let ended = self.token.0.waits.lock().all.remove(&self.number);
        // Not under the lock.
        drop(ended);
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
