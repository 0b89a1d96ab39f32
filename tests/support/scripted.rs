//! A driver whose connect, ping, reset and close do what the test says, and which counts them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use queuepool::{
    Builder, Call, Clock, Driver, ErrorClass, Extent, Pool, Replication, Reset, ResetOnReturn,
    ServerLimit, Settings, Status,
};

/// The message of a scripted panic.
pub const SCRIPTED_PANIC: &str = "scripted panic";

/// What a call to the driver does.
#[derive(Clone)]
pub enum Act {
    Succeed,
    Fail(ErrorClass),
    Panic,
    /// Waits for the gate, then succeeds.
    Wait(Arc<Gate>),
    Take(Duration),
    /// For a ping or reset: waits until it is aborted, then succeeds.
    UntilAborted,
}

/// Closed until it is opened, then open for good.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicUsize,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    pub fn pass(&self) {
        let mut open = self.open.lock();
        self.waiting.fetch_add(1, SeqCst);
        while !*open {
            self.opened.wait(&mut open);
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    /// Returns false if the gate stayed closed for this long.
    pub fn pass_within(&self, limit: Duration) -> bool {
        let mut open = self.open.lock();
        if !*open {
            self.opened.wait_for(&mut open, limit);
        }
        *open
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }
}

/// A script in which the chosen calls wait for a gate and the others succeed.
pub fn gated(
    chosen: impl Fn(usize) -> bool + Send + 'static,
) -> (Arc<Gate>, impl FnMut(usize) -> Act + Send + 'static) {
    let gate = Gate::new();
    let waiting = gate.clone();
    (gate, move |n| {
        if chosen(n) {
            Act::Wait(waiting.clone())
        } else {
            Act::Succeed
        }
    })
}

type Script = Mutex<Box<dyn FnMut(usize) -> Act + Send>>;

/// The server from the test's point of view.
pub struct Server {
    connect: Script,
    ping: Script,
    reset: Script,
    close: Script,
    question: Script,
    pub connects: AtomicUsize,
    pub pings: AtomicUsize,
    pub resets: AtomicUsize,
    pub closes: AtomicUsize,
    /// How often it was asked how far its log has come.
    pub questions: AtomicUsize,
    /// How many connections are being opened, open or being closed now, and the most there have been.
    open: AtomicUsize,
    pub most_open: AtomicUsize,
    /// Connections opened before the connect with this number are dead.
    dead_before: AtomicUsize,
    /// All calls are bounded, so they run on the thread that needs them.
    pub local: AtomicBool,
    /// Connects are bounded, so they run on the thread of the caller who asks.
    pub connects_here: AtomicBool,
    /// A ping runs on a helper thread even if everything else is local.
    pub pings_apart: AtomicBool,
    /// Pings and resets can be aborted, so they run on the thread that needs them.
    pub abortable: AtomicBool,
    pub aborts: AtomicUsize,
    pub panics_when_asked_to_abort: AtomicBool,
    pub aborts_panic: AtomicBool,
    /// What the server reports about how many connections it accepts.
    pub limit: Mutex<Option<ServerLimit>>,
    /// How many more connections it says that it would accept.
    pub left: Mutex<Option<u64>>,
    pub asked_for_room: AtomicUsize,
    /// What the server says of its log.
    pub replication: Mutex<Replication>,
    pub resets_are: Mutex<Vec<ResetOnReturn>>,
    /// What the loss of a connection says about the others.
    pub extent: Mutex<Extent>,
    /// The driver panics when it is asked what an error means.
    pub panics_when_asked: AtomicBool,
    pub shutdowns: AtomicUsize,
    /// Whether the server is read-only, by the number of the connection that asks.
    role: Mutex<Box<dyn FnMut(usize) -> Option<bool> + Send>>,
    /// How often it was asked, logins included.
    pub asked: AtomicUsize,
    /// The login says nothing of it.
    pub silent_logins: AtomicBool,
    /// What the driver has seen in passing of whether the server is read-only.
    pub seen: Mutex<Option<bool>>,
}

fn always(act: Act) -> Script {
    Mutex::new(Box::new(move |_| act.clone()))
}

impl Server {
    pub fn new() -> Arc<Self> {
        Arc::new(Server {
            connect: always(Act::Succeed),
            ping: always(Act::Succeed),
            reset: always(Act::Succeed),
            close: always(Act::Succeed),
            question: always(Act::Succeed),
            connects: AtomicUsize::new(0),
            pings: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            closes: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            dead_before: AtomicUsize::new(0),
            local: AtomicBool::new(false),
            connects_here: AtomicBool::new(false),
            pings_apart: AtomicBool::new(false),
            abortable: AtomicBool::new(false),
            aborts: AtomicUsize::new(0),
            panics_when_asked_to_abort: AtomicBool::new(false),
            aborts_panic: AtomicBool::new(false),
            left: Mutex::default(),
            asked_for_room: AtomicUsize::new(0),
            limit: Mutex::default(),
            replication: Mutex::new(Replication::unknown()),
            resets_are: Mutex::default(),
            extent: Mutex::new(Extent::Server),
            panics_when_asked: AtomicBool::new(false),
            shutdowns: AtomicUsize::new(0),
            role: Mutex::new(Box::new(|_| None)),
            asked: AtomicUsize::new(0),
            silent_logins: AtomicBool::new(false),
            seen: Mutex::default(),
        })
    }

    /// The script is told how many connects came before this one.
    pub fn on_connect(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.connect.lock() = Box::new(script);
    }

    pub fn on_ping(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.ping.lock() = Box::new(script);
    }

    pub fn on_reset(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.reset.lock() = Box::new(script);
    }

    pub fn on_close(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.close.lock() = Box::new(script);
    }

    /// Whether the server is read-only: the script is told the number of the connection that asks.
    pub fn on_role(&self, script: impl FnMut(usize) -> Option<bool> + Send + 'static) {
        *self.role.lock() = Box::new(script);
    }

    pub fn is_read_only(&self, read_only: bool) {
        self.on_role(move |_| Some(read_only));
    }

    /// How often the server was asked whether it is read-only.
    pub fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    pub fn on_question(&self, script: impl FnMut(usize) -> Act + Send + 'static) {
        *self.question.lock() = Box::new(script);
    }

    /// From now on, all connections opened so far are dead; new ones work.
    pub fn restart(&self) {
        self.dead_before.store(self.connects.load(SeqCst), SeqCst);
    }

    /// Whether a statement on this connection would find that the server has ended it.
    pub fn is_dead(&self, connection: &ScriptedConnection) -> bool {
        let is_dead = connection.id < self.dead_before.load(SeqCst);
        if is_dead {
            connection.discount();
        }
        is_dead
    }

    pub fn connects(&self) -> usize {
        self.connects.load(SeqCst)
    }

    pub fn pings(&self) -> usize {
        self.pings.load(SeqCst)
    }

    pub fn resets(&self) -> usize {
        self.resets.load(SeqCst)
    }

    pub fn closes(&self) -> usize {
        self.closes.load(SeqCst)
    }

    pub fn questions(&self) -> usize {
        self.questions.load(SeqCst)
    }

    pub fn aborts(&self) -> usize {
        self.aborts.load(SeqCst)
    }

    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    pub fn most_open(&self) -> usize {
        self.most_open.load(SeqCst)
    }

    pub fn builder(self: &Arc<Self>, settings: Settings) -> Builder<ScriptedManager> {
        Pool::builder(ScriptedManager(self.clone()))
            .driver(Scripted(self.clone()))
            .settings(settings)
    }

    pub fn pool(self: &Arc<Self>, settings: Settings) -> Pool<ScriptedManager> {
        self.builder(settings).build().unwrap()
    }

    pub fn pool_with_clock(self: &Arc<Self>, settings: Settings) -> (Pool<ScriptedManager>, Clock) {
        let clock = Clock::stopped();
        (
            self.builder(settings).clock(clock.clone()).build().unwrap(),
            clock,
        )
    }

    fn play(&self, script: &Script, count: &AtomicUsize) -> Result<(), ScriptedError> {
        self.play_on(&Gate::new(), script, count)
    }

    fn play_on(
        &self,
        aborted: &Gate,
        script: &Script,
        count: &AtomicUsize,
    ) -> Result<(), ScriptedError> {
        let before = count.fetch_add(1, SeqCst);
        let act = (script.lock())(before);
        match act {
            Act::Succeed => Ok(()),
            Act::Fail(class) => Err(ScriptedError(class)),
            Act::Panic => std::panic::panic_any(SCRIPTED_PANIC),
            Act::Wait(gate) => {
                gate.pass();
                Ok(())
            }
            Act::Take(time) => {
                std::thread::sleep(time);
                Ok(())
            }
            Act::UntilAborted => {
                assert!(aborted.pass_within(secs(10)), "nobody aborts the call");
                Ok(())
            }
        }
    }
}

pub struct ScriptedConnection {
    pub id: usize,
    pub broken: AtomicBool,
    /// Whether the server counts it as open.
    counted: AtomicBool,
    aborted: Arc<Gate>,
    server: Arc<Server>,
}

impl ScriptedConnection {
    /// Takes the connection out of the server's count, because it is lost or has been detached from the pool that has to
    /// answer for the count.
    pub fn discount(&self) {
        if self.counted.swap(false, SeqCst) {
            self.server.open.fetch_sub(1, SeqCst);
        }
    }
}

impl Drop for ScriptedConnection {
    fn drop(&mut self) {
        struct Discount<'a>(&'a ScriptedConnection);
        impl Drop for Discount<'_> {
            fn drop(&mut self) {
                self.0.discount();
            }
        }
        let _also_after_a_panic = Discount(self);
        let _cannot_fail = self.server.play(&self.server.close, &self.server.closes);
    }
}

#[derive(Debug)]
pub struct ScriptedError(pub ErrorClass);

impl fmt::Display for ScriptedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scripted {:?}", self.0)
    }
}

impl std::error::Error for ScriptedError {}

pub struct ScriptedManager(pub Arc<Server>);

impl r2d2::ManageConnection for ScriptedManager {
    type Connection = ScriptedConnection;
    type Error = ScriptedError;

    fn connect(&self) -> Result<ScriptedConnection, ScriptedError> {
        let open = self.0.open.fetch_add(1, SeqCst) + 1;
        self.0.most_open.fetch_max(open, SeqCst);
        struct Undo<'a>(&'a AtomicUsize);
        impl Drop for Undo<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        let undo = Undo(&self.0.open);
        let id = self.0.connects();
        self.0.play(&self.0.connect, &self.0.connects)?;
        std::mem::forget(undo);
        Ok(ScriptedConnection {
            id,
            broken: AtomicBool::new(false),
            counted: AtomicBool::new(true),
            aborted: Gate::new(),
            server: self.0.clone(),
        })
    }

    fn is_valid(&self, _: &mut ScriptedConnection) -> Result<(), ScriptedError> {
        unreachable!("the driver's ping is used")
    }

    fn has_broken(&self, connection: &mut ScriptedConnection) -> bool {
        let broken = connection.broken.load(SeqCst);
        if broken {
            connection.discount();
        }
        broken
    }
}

pub struct Scripted(Arc<Server>);

impl Driver<ScriptedManager> for Scripted {
    fn ping(
        &self,
        _: &ScriptedManager,
        connection: &mut ScriptedConnection,
        _: Duration,
    ) -> Result<(), ScriptedError> {
        let played = self
            .0
            .play_on(&connection.aborted, &self.0.ping, &self.0.pings);
        let played = played.and_then(|()| {
            if connection.id < self.0.dead_before.load(SeqCst) {
                return Err(ScriptedError(ErrorClass::Lost));
            }
            Ok(())
        });
        if matches!(played, Err(ScriptedError(ErrorClass::Lost))) {
            connection.discount();
        }
        played
    }

    fn reset(
        &self,
        _: &ScriptedManager,
        connection: &mut ScriptedConnection,
        how: ResetOnReturn,
    ) -> Result<Reset, ScriptedError> {
        self.0.resets_are.lock().push(how);
        let played = self
            .0
            .play_on(&connection.aborted, &self.0.reset, &self.0.resets);
        if matches!(played, Err(ScriptedError(ErrorClass::Lost))) {
            connection.discount();
        }
        played.map(|()| Reset::Done)
    }

    fn classify(&self, error: &ScriptedError) -> ErrorClass {
        if self.0.panics_when_asked.load(SeqCst) {
            std::panic::panic_any(SCRIPTED_PANIC);
        }
        error.0
    }

    fn extent(&self, _: &ScriptedError) -> Extent {
        *self.0.extent.lock()
    }

    fn is_read_only(
        &self,
        _: &ScriptedManager,
        connection: &mut ScriptedConnection,
    ) -> Result<Option<bool>, ScriptedError> {
        self.0.asked.fetch_add(1, SeqCst);
        Ok((self.0.role.lock())(connection.id))
    }

    fn read_only_at_login(
        &self,
        manager: &ScriptedManager,
        connection: &mut ScriptedConnection,
    ) -> Result<Option<bool>, ScriptedError> {
        match self.0.silent_logins.load(SeqCst) {
            true => Ok(None),
            false => self.is_read_only(manager, connection),
        }
    }

    fn seen_read_only(&self, _: &ScriptedManager, _: &mut ScriptedConnection) -> Option<bool> {
        self.0.seen.lock().take()
    }

    fn shutdown(&self, _: &ScriptedManager) {
        self.0.shutdowns.fetch_add(1, SeqCst);
    }

    fn is_bounded(&self, call: Call) -> bool {
        match call {
            Call::Ping if self.0.pings_apart.load(SeqCst) => false,
            Call::Connect if self.0.connects_here.load(SeqCst) => true,
            _ => self.0.local.load(SeqCst),
        }
    }

    fn server_limit(
        &self,
        _: &ScriptedManager,
        _: &mut ScriptedConnection,
    ) -> Result<Option<ServerLimit>, ScriptedError> {
        Ok(*self.0.limit.lock())
    }

    fn connections_left(
        &self,
        _: &ScriptedManager,
        _: &mut ScriptedConnection,
    ) -> Result<Option<u64>, ScriptedError> {
        self.0.asked_for_room.fetch_add(1, SeqCst);
        Ok(*self.0.left.lock())
    }

    fn replication(
        &self,
        _: &ScriptedManager,
        _: &mut ScriptedConnection,
    ) -> Result<Replication, ScriptedError> {
        self.0.play(&self.0.question, &self.0.questions)?;
        Ok(self.0.replication.lock().clone())
    }

    fn abort_handle(&self, connection: &ScriptedConnection) -> Option<Box<dyn FnOnce() + Send>> {
        if self.0.panics_when_asked_to_abort.load(SeqCst) {
            std::panic::panic_any(SCRIPTED_PANIC);
        }
        if !self.0.abortable.load(SeqCst) {
            return None;
        }
        let (server, aborted) = (self.0.clone(), connection.aborted.clone());
        Some(Box::new(move || {
            server.aborts.fetch_add(1, SeqCst);
            aborted.open();
            if server.aborts_panic.load(SeqCst) {
                std::panic::panic_any(SCRIPTED_PANIC);
            }
        }))
    }
}

/// (size, checked_in, overflow, checked_out)
pub fn state(status: &Status) -> (u64, u64, u64, u64) {
    (
        status.size,
        status.checked_in,
        status.overflow,
        status.checked_out,
    )
}

/// Asserts the laws of the counters.
#[track_caller]
pub fn assert_laws(status: &Status) {
    let closed_and_open = status.total_connections_closed + status.detached + status.total;
    assert_eq!(
        status.total_connections_created, closed_and_open,
        "{status:#?}"
    );
    assert_eq!(
        status.checkouts,
        status.checkins + status.checked_out,
        "{status:#?}"
    );
    assert_eq!(
        status.checked_in,
        status.total - status.checked_out,
        "{status:#?}"
    );
    assert_eq!(
        status.connection_acquisition_time.count(),
        status.checkouts,
        "{status:#?}"
    );
    for (part, whole) in [
        (
            status.connection_timeouts + status.overloaded_count,
            status.failed_checkouts,
        ),
        (status.pool_exhausted_count, status.waited),
        (status.peak_waiting, status.waited),
        (status.refused_full, status.connection_errors),
    ] {
        assert!(part <= whole, "{part} of {whole}: {status:#?}");
    }
}

/// Waits for what another thread is about to make true; fails after ten seconds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "never came true: {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Keeps scripted panics from being printed, because there are thousands of them.
pub fn silence_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&SCRIPTED_PANIC) {
                before(info);
            }
        }));
    });
}
