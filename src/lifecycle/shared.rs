//! What all handles, guards and helper threads of one pool share.

use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::base::clock::Clock;
use crate::base::fork::{FORK_FIRST, Home};
use crate::base::helpers::Helpers;
use crate::base::log::{say, write};
use crate::base::one_by_one::OneByOne;
use crate::base::panics::{catch, let_go, text};
use crate::base::runtime::on_async_runtime_thread;
use crate::base::seldom::Seldom;
use crate::base::sync::{AtomicU64, Instant};
use crate::base::timer;
use crate::contract::driver::{Driver, Manager};
use crate::contract::facts::Facts;
use crate::contract::hooks::{HookError, HookFailure, HookSet, Hooks};
use crate::error::{Error, ErrorKind};
use crate::gate::lease::{Keeper, Live};
use crate::gate::{Discarded, Gate, Notice};
use crate::lifecycle::name::Name;
use crate::settings::{Mode, Settings};

/// A public method, and the line that called it.
pub(crate) struct CalledAt(
    pub(crate) &'static str,
    pub(crate) &'static Location<'static>,
);

impl Display for CalledAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.0, self.1.file(), self.1.line())
    }
}

pub(crate) struct Shared<M: Manager> {
    /// In a forked child nothing here may be touched: locks may be held by threads that do not exist there, and the connections
    /// belong to the parent.
    pub(crate) home: Home,
    pub(crate) name: Name,
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    /// pool_size + max_overflow.
    pub(crate) capacity: u64,
    pub(crate) manager: M,
    pub(crate) driver: Box<dyn Driver<M>>,
    pub(crate) facts: Facts,
    /// Raised when a connection is lost and it is unclear whether the server has gone too.
    pub(crate) doubts: AtomicU64,
    pub(crate) hooks: HookSet<M>,
    pub(crate) helpers: Helpers,
    pub(crate) clock: Clock,
    /// When the pool was built, on that clock.
    pub(crate) built: Instant,
    /// Raised when all connections that were opened before must be replaced.
    pub(crate) generation: AtomicU64,
    /// The one lock, and all that is behind it.
    pub(crate) gate: Gate<M>,
    pub(crate) handles: AtomicUsize,
    /// What the timer has to tell the log.
    pub(crate) notices: OneByOne<Notice>,
    pub(crate) reset_warnings: Seldom,
    pub(crate) overrun_warnings: Seldom,
    /// What the timer has to drop. Such a drop may block for good, and must not keep the pool alive.
    pub(crate) discarded: Arc<OneByOne<Box<dyn Send>>>,
}

/// If the logger blocks for good, only this many of the latest notices are kept.
const MOST_NOTICES: usize = 100;

impl<M: Manager> Shared<M> {
    /// Refuses a call that may wait where it must not: in a forked child, inside a hook of this pool, and on a thread of an async
    /// runtime.
    #[inline]
    pub(crate) fn may_block_here(&self, call: impl Display) -> Result<(), Error> {
        // tokio is asked last and once, because it answers with a panic, which the process's panic hook sees.
        if self.home.is_left() || self.hooks.inside() || on_async_runtime_thread() {
            return Err(self.must_not_block_here(&call));
        }
        Ok(())
    }

    #[cold]
    fn must_not_block_here(&self, call: &dyn Display) -> Error {
        if self.home.is_left() {
            return Error::unsupported(format!(
                "{call}: the pool {} was built before this process was forked off, and its connections are the \
                 parent's: {FORK_FIRST}",
                self.name
            ));
        }
        if self.hooks.inside() {
            return Error::unsupported(format!(
                "{call} inside a hook of the same pool would wait for itself"
            ));
        }
        Error::unsupported(format!(
            "{call} blocks, and this is a thread of an async runtime: call it in spawn_blocking or block_in_place"
        ))
    }

    /// The pool that is kept alive by this connection, which is out.
    pub(crate) fn kept(live: &Live<M>) -> Arc<Self> {
        Shared::of(live.keeper.clone())
    }

    /// As [`kept`](Shared::kept): the connection keeps it alive no longer.
    #[inline]
    pub(crate) fn end_keeping(live: &mut Live<M>) -> Arc<Self> {
        Shared::of(live.keeper.take())
    }

    #[inline]
    fn of(keeper: Option<Keeper>) -> Arc<Self> {
        let pool = keeper.and_then(|keeper| keeper.downcast().ok());
        pool.expect("bug: a connection is out and does not know its pool")
    }

    /// In a forked child: leaks what belongs to the parent, so that it is neither closed nor counted, and the pool with all that is
    /// idle in it.
    pub(crate) fn forget(self: &Arc<Self>, of_the_parent: impl Sized) {
        std::mem::forget(of_the_parent);
        std::mem::forget(self.clone());
    }

    /// The log target, `queuepool::<name>`.
    pub(crate) fn target(&self) -> &str {
        self.name.target()
    }

    /// Logs a lifecycle event: at level debug, or info with echo_pool.
    pub(crate) fn event(&self, words: std::fmt::Arguments<'_>) {
        let level = if self.settings.echo_pool {
            log::Level::Info
        } else {
            log::Level::Debug
        };
        write(level, self.target(), words);
    }

    /// Runs a hook. If it fails, that is counted and logged: a refusal at level info, a panic as a warning.
    pub(crate) fn run_hook(
        &self,
        name: &str,
        call: impl FnOnce(&Hooks<M>) -> Result<(), HookError>,
    ) -> Result<(), HookFailure> {
        let result = self.hooks.run(call);
        self.note_failure(name, &result);
        result
    }

    pub(crate) fn note_failure(&self, name: &str, result: &Result<(), HookFailure>) {
        if let Err(failure) = result {
            self.gate.lock().counters_mut().counts.hook_failures += 1;
            match failure {
                HookFailure::Refused(error) => {
                    let words = self.mask(text(&**error.get()));
                    say!(
                        Info,
                        self.target(),
                        "the {name} hook refused a connection: {words}"
                    );
                }
                HookFailure::Panicked(panic) => {
                    say!(
                        Warn,
                        self.target(),
                        "the {name} hook panicked: {}",
                        self.mask(panic.words().to_owned())
                    );
                }
            }
        }
    }

    /// `QueuePool` or `NullPool`.
    pub(crate) fn pool_type(&self) -> &'static str {
        match self.mode {
            Mode::Queue => "QueuePool",
            Mode::Null => "NullPool",
        }
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(
            ErrorKind::Closed,
            format!("the pool {} is closed", self.name),
        )
    }

    /// Runs the work on a helper thread, or on this one if none can be started.
    pub(crate) fn on_helper(self: &Arc<Self>, work: impl FnOnce(&Arc<Shared<M>>) + Send + 'static) {
        let shared = self.clone();
        if let Err(unrun) = self.helpers.run(move || work(&shared)) {
            (unrun.job)();
        }
    }

    /// Tells the driver, once, that the pool has closed.
    pub(crate) fn shut_driver(&self) {
        if self.gate.lock().shut_driver() {
            let told = catch(|| self.driver.shutdown(&self.manager));
            if told.is_err() {
                say!(
                    Warn,
                    self.target(),
                    "the driver panicked in Driver::shutdown"
                );
            }
        }
    }

    /// Logs these notices and drops what is discarded. A logger may block, and so may a drop, and the timer must not: on its thread
    /// both are left to helpers, one for each at most.
    pub(crate) fn tell(self: &Arc<Self>, notices: Vec<Notice>, discarded: Discarded) {
        if !timer::is_this_thread() {
            notices.into_iter().for_each(|notice| self.log(notice));
            discarded.into_iter().for_each(let_go);
            return;
        }
        if self.discarded.add(discarded, usize::MAX) {
            let line = self.discarded.clone();
            let work = move || {
                while let Some(discarded) = line.next() {
                    let_go(discarded);
                }
            };
            if self.helpers.run(work).is_err() {
                self.discarded.no_helper();
            }
        }
        if self.notices.add(notices, MOST_NOTICES) {
            let shared = self.clone();
            let work = move || {
                while let Some(notice) = shared.notices.next() {
                    shared.log(notice);
                }
            };
            if self.helpers.run(work).is_err() {
                self.notices.no_helper();
            }
        }
    }

    fn log(&self, notice: Notice) {
        match notice {
            Notice::Warning(words) => say!(Warn, self.target(), "{words}"),
            Notice::Event(words) => self.event(format_args!("{words}")),
        }
    }
}

impl<M: Manager> Drop for Shared<M> {
    fn drop(&mut self) {
        // It has not been told yet if connections were still out when the last handle was dropped.
        self.shut_driver();
        self.helpers.stop();
    }
}
