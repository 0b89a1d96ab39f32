//! Describing a pool before it is built.

mod debug;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::fork::Home;
use crate::base::helpers::Helpers;
use crate::base::log::say;
use crate::base::name;
use crate::base::one_by_one::OneByOne;
use crate::base::seldom::Seldom;
use crate::base::sync::tell_if_slow;
use crate::contract::call::Call;
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::{Driver, Manager, Undescribed};
use crate::contract::error_class::ErrorClass;
use crate::contract::facts::{Facts, ask_driver};
use crate::contract::hooks::{HookError, HookSet, Hooks};
use crate::error::Error;
use crate::gate::places::Places;
use crate::gate::{Gate, Rules};
use crate::lifecycle::name::{DEFAULT_NAME, Name};
use crate::lifecycle::shared::Shared;
use crate::pool::Pool;
use crate::pool::bundled::{bundled, require_tls};
use crate::pool::doors::doors;
use crate::settings::{Settings, UrlSettings};
use crate::upkeep::{Care, monitor};

/// A pool to be built; see [`Pool::builder`]. An event may have several hooks: they are called in the order in which they
/// were added, and none is called after the first that refuses.
///
/// A panic in a connect or checkout hook resumes in [`Pool::get`]; in all other hooks it is caught, counted and logged. In
/// either case the connection is closed and its place is given back. Inside a hook, `get`, `warm_up` and `close` of the
/// same pool return Unsupported, while `status` works.
#[must_use = "a builder does nothing until build()"]
pub struct Builder<M: Manager> {
    manager: M,
    driver: Option<Box<dyn Driver<M>>>,
    name: Option<String>,
    settings: Settings,
    url: UrlSettings,
    hooks: Hooks<M>,
    clock: Clock,
}

impl<M: Manager> Builder<M> {
    pub(crate) fn new(manager: M) -> Self {
        Builder {
            manager,
            driver: bundled(),
            name: None,
            settings: Settings::default(),
            url: UrlSettings::nothing(),
            hooks: Hooks::default(),
            clock: Clock::default(),
        }
    }

    /// What the pool must know about the driver. The default for a bundled manager is the bundled driver; for any other manager
    /// the ping is `is_valid` and nothing is reset.
    ///
    /// diesel's `ConnectionManager` works without one: diesel calls a connection broken that is returned inside a transaction,
    /// also after a panic, and the pool closes it (reason `lost`). But a transaction begun by SQL (`batch_execute("BEGIN")`), of
    /// which diesel does not know, would continue under the next holder, and a malformed URL would be quoted in libpq's error,
    /// password included. The example in `tests/diesel` is a driver that prevents both, and does not retry a wrong password. A
    /// reset of diesel's connections must not be `DISCARD ALL`, which discards what diesel has prepared and set.
    pub fn driver(mut self, driver: impl Driver<M>) -> Self {
        self.driver = Some(Box::new(driver));
        self
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn with_manager(mut self, change: impl FnOnce(M) -> M) -> Self {
        self.manager = change(self.manager);
        self
    }

    /// The settings that the URL named. Those set in code win over them.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
        allow(dead_code)
    )]
    pub(crate) fn url_settings(mut self, url: UrlSettings) -> Self {
        self.url = url;
        self
    }

    /// The pool's name in logs, status and errors, and the application name on the server. Default: `DB_POOL_NAME`, if the settings
    /// are those of the environment, or else `db_pool`, until the pool is added to a [`Registry`](crate::Registry) and takes the
    /// name that it has there. (The application name and what the driver itself logs stay `db_pool` then.) With a name that is blank
    /// or has more than 200 characters the build fails.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The settings. Default [`Settings::default`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Runs on every new connection, on the thread that opened it. An error closes the connection and reaches the caller
    /// who asked for it. [`ResetOnReturn::Rollback`](crate::ResetOnReturn) keeps what this hook sets in the session, while `Full`
    /// removes it, and the hook is not run again. Under `Full`, use [`on_checkout`](Builder::on_checkout) instead.
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection, &ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.connect.push(Box::new(hook));
        self
    }

    /// Runs at each checkout, on the caller's thread. After an error this connection is discarded and another one is tried,
    /// three in all.
    pub fn on_checkout<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection, &ConnectionInfo) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.hooks.checkout.push(Box::new(hook));
        self
    }

    /// Runs on each return, after the reset.
    pub fn on_checkin<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection, &ConnectionInfo) + Send + Sync + 'static,
    {
        self.hooks.checkin.push(Box::new(hook));
        self
    }

    /// Runs on each return, before the reset.
    pub fn on_reset<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection, &ConnectionInfo) + Send + Sync + 'static,
    {
        self.hooks.reset.push(Box::new(hook));
        self
    }

    /// Runs when a holder invalidates its connection.
    pub fn on_invalidate<F>(mut self, hook: F) -> Self
    where
        F: Fn(&mut M::Connection, &ConnectionInfo) + Send + Sync + 'static,
    {
        self.hooks.invalidate.push(Box::new(hook));
        self
    }

    /// Runs before the pool closes a connection.
    pub fn on_close<F>(mut self, hook: F) -> Self
    where
        F: Fn(&ConnectionInfo, CloseReason) + Send + Sync + 'static,
    {
        self.hooks.close.push(Box::new(hook));
        self
    }

    /// Runs when a checkout ends at its deadline. It is told how long the checkout waited.
    pub fn on_timeout<F>(mut self, hook: F) -> Self
    where
        F: Fn(Duration) + Send + Sync + 'static,
    {
        self.hooks.timeout.push(Box::new(hook));
        self
    }

    /// Asked what an error on an open connection means: one that its holder [notes](crate::Connection::note_error), or one of
    /// the pool's own ping or reset. `Some` overrules the driver's class. [`ErrorClass::Lost`] then reaches as far as the driver
    /// says for that error, or to all connections opened earlier if the driver does not call it lost; [`ErrorClass::Owed`]
    /// closes this connection only. `None` leaves the decision to the driver. Of several hooks the first that answers decides; a
    /// panic counts as `None`.
    ///
    /// The error is the driver's own, or whatever was passed to `note_error`.
    pub fn on_error<F>(mut self, hook: F) -> Self
    where
        F: Fn(&(dyn std::error::Error + 'static), &ConnectionInfo) -> Option<ErrorClass>
            + Send
            + Sync
            + 'static,
    {
        self.hooks.error.push(Box::new(hook));
        self
    }

    /// Takes over the customizer of an r2d2 pool unchanged. In new code prefer [`on_connect`](Builder::on_connect) and
    /// [`on_close`](Builder::on_close), which are told more.
    ///
    /// `on_acquire` is a part of connecting, before the connect hook and within connect_timeout, as in r2d2. On an error
    /// the connection is closed without `on_release`, and the error counts as a failed connect: it is of kind Connect, and
    /// the setting `retry` applies if the driver calls it transient. (On SQLite, whose connects run on the caller's thread,
    /// nothing ends an `on_acquire` that hangs.)
    ///
    /// `on_release` is given every connection that the pool closes, for whatever reason, on a thread of the pool's own and
    /// usually after the close hook. One that takes longer than 5 s is abandoned, and counted in `abandoned`. Unlike in r2d2, it
    /// is also given the connections that are idle when the pool is closed or dropped; a program that ends right after that must
    /// call [`close`](Pool::close) first to be sure of it. A detached connection belongs to its new owner and is not released;
    /// nor is one in a forked child process.
    ///
    /// # Panics
    /// A panic in `on_acquire` resumes in [`Pool::get`], one in `on_release` is caught and logged, and both are counted in
    /// `hook_failures`. Inside either of them, `get`, `warm_up` and `close` of the same pool return Unsupported. If a panic in
    /// `on_release` drops the connection and the driver panics in that drop, the process ends, as always in Rust with two panics
    /// at once.
    pub fn connection_customizer(
        mut self,
        customizer: Box<dyn r2d2::CustomizeConnection<M::Connection, M::Error>>,
    ) -> Self {
        self.hooks.customizer = Some(Arc::from(customizer));
        self
    }

    /// For tests: measures ages and freshness by a clock that can be moved.
    #[doc(hidden)]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the pool. It opens no connection unless warm_up asks for some (then the build waits for them) or min_pool_size
    /// does (those are opened in the background). It logs one line with the sizes, at level info. The first of a process also
    /// calibrates its clock where that is the processor's counter, which takes 0.6 ms, and up to 200 ms on a busy machine.
    ///
    /// # Errors
    /// Settings for a setting that is out of range, or a name that is blank or too long; Unsupported for a setting that the driver cannot honour, and
    /// in a process that was forked from one that had a pool; Resources where a thread that the pool needs cannot be started (a
    /// later build may succeed); with warm_up also the errors of [`Pool::warm_up`].
    pub fn build(self) -> Result<Pool<M>, Error> {
        static NEXT_POOL: AtomicU64 = AtomicU64::new(1);
        let Builder {
            mut manager,
            driver,
            name,
            settings,
            url,
            hooks,
            clock,
        } = self;
        let home = Home::of_a_pool()?;
        let is_described = driver.is_some();
        let mut driver = driver.unwrap_or_else(|| Box::new(Undescribed));
        let mut settings = settings.with_url(&url).with_role_of(&url)?;
        let mode = match settings.mode {
            Some(mode) => mode,
            None => ask_driver("default_mode", || driver.default_mode())?,
        };
        settings.validate_for(mode)?;
        // So that the status shows the mode in force.
        settings.mode = Some(mode);
        let given = name.or_else(|| settings.pool_name().map(str::to_owned));
        let name = given.as_deref().unwrap_or(DEFAULT_NAME);
        name::check(name)?;
        if name.contains('\0') {
            return Err(Error::setting(
                "name",
                format_args!("{name:?}"),
                "a name without NUL, which the names of threads and the application name on the server cannot contain",
            ));
        }
        if settings.require_tls {
            require_tls(&mut manager);
            let honoured = ask_driver("honours_require_tls", || driver.honours_require_tls())?;
            if !honoured && bundled::<M>().is_none() {
                say!(
                    Warn,
                    &format!("queuepool::{name}"),
                    "require_tls is set, but this pool's driver does not handle encryption: let the manager encrypt"
                );
            }
        }
        ask_driver("prepare", || driver.prepare(&mut manager, name, &settings))??;
        let facts = Facts::of(&*driver, &manager, is_described)?;
        let capacity = settings.pool_size + settings.max_overflow;
        let mut rules = Rules::of(
            &settings,
            mode,
            facts.is_bounded(Call::Connect),
            !hooks.checkout.is_empty(),
            clock.clone(),
        );
        rules.connecting = facts.connecting();
        rules.connect_timeout = facts.most_for_connecting(settings.connect_timeout);
        let places = Places::new(capacity)?;
        let shared = Arc::new_cyclic(|pool| Shared {
            home,
            // Each place has at most one call in progress, and at most as many calls again hang without a place. A call that
            // hangs may have a cancel in progress beside it. So there are at most three threads for each place.
            helpers: Helpers::new(name, 3 * capacity as usize + 1),
            name: Name::new(given.as_deref()),
            mode,
            capacity: u64::from(capacity),
            manager,
            driver,
            facts,
            doubts: Default::default(),
            hooks: HookSet::new(hooks, NEXT_POOL.fetch_add(1, Ordering::Relaxed)),
            built: clock.now(),
            clock,
            generation: Default::default(),
            gate: Gate::new(rules, places, doors(pool)),
            handles: AtomicUsize::new(0),
            notices: OneByOne::new(),
            reset_warnings: Seldom::default(),
            overrun_warnings: Seldom::default(),
            discarded: Arc::new(OneByOne::new()),
            settings,
        });
        if !is_described {
            shared.warn_that_nothing_is_undone();
            if shared.settings.command_timeout.is_some() {
                say!(
                    Warn,
                    shared.target(),
                    "command_timeout is set, but this pool has no Driver that would apply it: no statement is limited"
                );
            }
        }
        let server = shared.facts.server.as_ref();
        let server = server.map(|server| format!(", server={server}"));
        say!(
            Info,
            shared.target(),
            "Database connection pool configured: pool_size={}, max_overflow={}, total_max={capacity}{}",
            shared.settings.pool_size,
            shared.settings.max_overflow,
            server.unwrap_or_default(),
        );
        tell_if_slow();
        let pool = Pool::new(shared, Care::new());
        pool.shared.start_upkeep()?;
        monitor::start(&pool.shared, &pool.care)?;
        if pool.settings().warm_up > 0 {
            pool.warm_up(pool.settings().warm_up)?;
        }
        pool.shared.gate.look_again();
        Ok(pool)
    }
}
