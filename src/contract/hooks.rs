//! The hooks, through which users' code is told of events: connect, checkout, checkin, reset, invalidate, close, timeout and error.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::base::panics::{Foreign, Panic, keep_panic, let_go};
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::Manager;
use crate::contract::error_class::ErrorClass;

/// The error that a connect or checkout hook may return.
pub type HookError = Box<dyn StdError + Send + Sync>;

/// What r2d2 calls a customizer. It is shared with each connection that it has acquired, so that it can release that connection
/// even after the hooks were dropped.
pub(crate) type Customizer<M> = Arc<
    dyn r2d2::CustomizeConnection<
            <M as r2d2::ManageConnection>::Connection,
            <M as r2d2::ManageConnection>::Error,
        >,
>;

type Fallible<C> = Box<dyn Fn(&mut C, &ConnectionInfo) -> Result<(), HookError> + Send + Sync>;
type Infallible<C> = Box<dyn Fn(&mut C, &ConnectionInfo) + Send + Sync>;

pub(crate) type CloseHook = Box<dyn Fn(&ConnectionInfo, CloseReason) + Send + Sync>;
pub(crate) type TimeoutHook = Box<dyn Fn(Duration) + Send + Sync>;
pub(crate) type ErrorHook =
    Box<dyn Fn(&(dyn StdError + 'static), &ConnectionInfo) -> Option<ErrorClass> + Send + Sync>;

/// The hooks of one pool. Those of one event are in the order in which they were added.
pub(crate) struct Hooks<M: Manager> {
    pub(crate) connect: Vec<Fallible<M::Connection>>,
    pub(crate) checkout: Vec<Fallible<M::Connection>>,
    pub(crate) checkin: Vec<Infallible<M::Connection>>,
    pub(crate) reset: Vec<Infallible<M::Connection>>,
    pub(crate) invalidate: Vec<Infallible<M::Connection>>,
    pub(crate) close: Vec<CloseHook>,
    pub(crate) timeout: Vec<TimeoutHook>,
    pub(crate) error: Vec<ErrorHook>,
    pub(crate) customizer: Option<Customizer<M>>,
}

impl<M: Manager> Default for Hooks<M> {
    fn default() -> Self {
        Hooks {
            connect: Vec::new(),
            checkout: Vec::new(),
            checkin: Vec::new(),
            reset: Vec::new(),
            invalidate: Vec::new(),
            close: Vec::new(),
            timeout: Vec::new(),
            error: Vec::new(),
            customizer: None,
        }
    }
}

impl<M: Manager> Drop for Hooks<M> {
    /// Drops the hooks one by one, because what a hook has captured may panic when it is dropped, and two such panics at once would
    /// end the process.
    fn drop(&mut self) {
        mem::take(&mut self.connect).into_iter().for_each(let_go);
        mem::take(&mut self.checkout).into_iter().for_each(let_go);
        mem::take(&mut self.checkin).into_iter().for_each(let_go);
        mem::take(&mut self.reset).into_iter().for_each(let_go);
        mem::take(&mut self.invalidate).into_iter().for_each(let_go);
        mem::take(&mut self.close).into_iter().for_each(let_go);
        mem::take(&mut self.timeout).into_iter().for_each(let_go);
        mem::take(&mut self.error).into_iter().for_each(let_go);
        let_go(self.customizer.take());
    }
}

/// Calls each hook in turn. None is called after the first that refuses.
fn ask_each<C>(
    hooks: &[Fallible<C>],
    connection: &mut C,
    info: &ConnectionInfo,
) -> Result<(), HookError> {
    hooks.iter().try_for_each(|hook| hook(connection, info))
}

fn tell_each<C>(
    hooks: &[Infallible<C>],
    connection: &mut C,
    info: &ConnectionInfo,
) -> Result<(), HookError> {
    hooks.iter().for_each(|hook| hook(connection, info));
    Ok(())
}

impl<M: Manager> Hooks<M> {
    fn has_any(&self) -> bool {
        let Hooks {
            connect,
            checkout,
            checkin,
            reset,
            invalidate,
            close,
            timeout,
            error,
            customizer,
        } = self;
        !(connect.is_empty()
            && checkout.is_empty()
            && checkin.is_empty()
            && reset.is_empty()
            && invalidate.is_empty()
            && close.is_empty()
            && timeout.is_empty()
            && error.is_empty()
            && customizer.is_none())
    }

    pub(crate) fn connected(
        &self,
        connection: &mut M::Connection,
        info: &ConnectionInfo,
    ) -> Result<(), HookError> {
        ask_each(&self.connect, connection, info)
    }

    pub(crate) fn checking_out(
        &self,
        connection: &mut M::Connection,
        info: &ConnectionInfo,
    ) -> Result<(), HookError> {
        ask_each(&self.checkout, connection, info)
    }

    pub(crate) fn checking_in(
        &self,
        connection: &mut M::Connection,
        info: &ConnectionInfo,
    ) -> Result<(), HookError> {
        tell_each(&self.checkin, connection, info)
    }

    pub(crate) fn resetting(
        &self,
        connection: &mut M::Connection,
        info: &ConnectionInfo,
    ) -> Result<(), HookError> {
        tell_each(&self.reset, connection, info)
    }

    pub(crate) fn invalidating(
        &self,
        connection: &mut M::Connection,
        info: &ConnectionInfo,
    ) -> Result<(), HookError> {
        tell_each(&self.invalidate, connection, info)
    }

    pub(crate) fn closing(
        &self,
        info: &ConnectionInfo,
        reason: CloseReason,
    ) -> Result<(), HookError> {
        self.close.iter().for_each(|hook| hook(info, reason));
        Ok(())
    }

    pub(crate) fn timed_out(&self, waited: Duration) -> Result<(), HookError> {
        self.timeout.iter().for_each(|hook| hook(waited));
        Ok(())
    }
}

/// How a hook failed.
pub(crate) enum HookFailure {
    Refused(Foreign<HookError>),
    Panicked(Panic),
}

/// The hooks of a pool. They are dropped when the pool is closed, because one of them may have captured the pool.
pub(crate) struct HookSet<M: Manager> {
    hooks: RwLock<Option<Arc<Hooks<M>>>>,
    /// There is at least one, or a customizer.
    has_any: bool,
    /// These say which hooks there are, so that a pool without such hooks never takes the lock.
    pub(crate) has_checkout: bool,
    pub(crate) has_checkin: bool,
    pub(crate) has_reset: bool,
    pub(crate) has_customizer: bool,
    pub(crate) has_error: bool,
    pool: PoolId,
}

/// Identifies a pool of this process in the check for re-entrance.
pub(crate) type PoolId = u64;

thread_local! {
    /// The pools of which this thread is running a hook.
    static INSIDE: RefCell<Vec<PoolId>> = const { RefCell::new(Vec::new()) };
}

struct Inside;

impl Inside {
    fn enter(pool: PoolId) -> Self {
        // A connection that is kept in a thread-local may be returned after this thread-local has been destroyed. Then there is
        // nothing to record, since nothing reads it any more.
        let _ended = INSIDE.try_with(|inside| inside.borrow_mut().push(pool));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ended = INSIDE.try_with(|inside| inside.borrow_mut().pop());
    }
}

impl<M: Manager> HookSet<M> {
    pub(crate) fn new(hooks: Hooks<M>, pool: PoolId) -> Self {
        HookSet {
            has_any: hooks.has_any(),
            has_checkout: !hooks.checkout.is_empty(),
            has_checkin: !hooks.checkin.is_empty(),
            has_reset: !hooks.reset.is_empty(),
            has_customizer: hooks.customizer.is_some(),
            has_error: !hooks.error.is_empty(),
            hooks: RwLock::new(Some(Arc::new(hooks))),
            pool,
        }
    }

    /// Whether this thread is running one of this pool's hooks.
    #[inline]
    pub(crate) fn inside(&self) -> bool {
        self.has_any
            && INSIDE
                .try_with(|inside| inside.borrow().contains(&self.pool))
                .unwrap_or(false)
    }

    pub(crate) fn discard(&self) {
        let hooks = self.hooks.write().take();
        let_go(hooks);
    }

    /// Runs `call` on the hooks, if they are still there. It does so under no lock, since hooks are users' code.
    pub(crate) fn run(
        &self,
        call: impl FnOnce(&Hooks<M>) -> Result<(), HookError>,
    ) -> Result<(), HookFailure> {
        let Some(hooks) = self.hooks.read().clone() else {
            return Ok(());
        };
        let result = self.run_apart(|| call(&hooks));
        // This may be the last reference, if the pool was closed in the meantime.
        let_go(hooks);
        result
    }

    /// Runs users' code as a hook, whether the hooks are still there or not.
    pub(crate) fn run_apart(
        &self,
        call: impl FnOnce() -> Result<(), HookError>,
    ) -> Result<(), HookFailure> {
        let _inside = Inside::enter(self.pool);
        match keep_panic(call) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(HookFailure::Refused(Foreign::new(error))),
            Err(panic) => Err(HookFailure::Panicked(panic)),
        }
    }
}
