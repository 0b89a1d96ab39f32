//! Moving from r2d2: the same day in the life of an r2d2 pool and of one of queuepool, and what their handlers, hooks and
//! customizers recorded of it.

use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use queuepool::{CloseReason, ErrorKind, Pool, PrePing, Retry, Settings};
use r2d2::event::{AcquireEvent, CheckinEvent, CheckoutEvent, ReleaseEvent, TimeoutEvent};

/// A server of numbered connections: those opened before `alive_from` are dead.
#[derive(Clone, Default)]
struct Server(Arc<Shared>);

#[derive(Default)]
struct Shared {
    opened: AtomicUsize,
    alive_from: AtomicUsize,
    down: AtomicBool,
}

#[derive(Debug)]
struct Numbered {
    number: usize,
    broken: bool,
}

#[derive(Debug)]
struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

impl r2d2::ManageConnection for Server {
    type Connection = Numbered;
    type Error = Refused;

    fn connect(&self) -> Result<Numbered, Refused> {
        if self.0.down.load(SeqCst) {
            return Err(Refused("the server is down"));
        }
        let number = self.0.opened.fetch_add(1, SeqCst) + 1;
        Ok(Numbered {
            number,
            broken: false,
        })
    }

    fn is_valid(&self, connection: &mut Numbered) -> Result<(), Refused> {
        match connection.number >= self.0.alive_from.load(SeqCst) {
            true => Ok(()),
            false => Err(Refused("the server has forgotten us")),
        }
    }

    fn has_broken(&self, connection: &mut Numbered) -> bool {
        connection.broken
    }
}

impl Server {
    fn restart(&self) {
        let next = self.0.opened.load(SeqCst) + 1;
        self.0.alive_from.store(next, SeqCst);
    }
}

/// What was heard, in order.
#[derive(Clone, Default, Debug)]
struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    fn note(&self, words: impl Into<String>) {
        self.0.lock().push(words.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Somebody's handler.
impl r2d2::HandleEvent for Record {
    fn handle_acquire(&self, _: AcquireEvent) {
        self.note("acquire");
    }
    fn handle_release(&self, _: ReleaseEvent) {
        self.note("release");
    }
    fn handle_checkout(&self, _: CheckoutEvent) {
        self.note("checkout");
    }
    fn handle_timeout(&self, _: TimeoutEvent) {
        self.note("timeout");
    }
    fn handle_checkin(&self, _: CheckinEvent) {
        self.note("checkin");
    }
}

impl r2d2::HandleError<Refused> for Record {
    fn handle_error(&self, error: Refused) {
        self.note(error.0);
    }
}

/// Somebody's customizer, which refuses one connection.
#[derive(Debug)]
struct Customizer {
    record: Record,
    refuses: usize,
}

impl r2d2::CustomizeConnection<Numbered, Refused> for Customizer {
    fn on_acquire(&self, connection: &mut Numbered) -> Result<(), Refused> {
        self.record
            .note(format!("on_acquire {}", connection.number));
        match connection.number == self.refuses {
            true => Err(Refused("not this one")),
            false => Ok(()),
        }
    }

    fn on_release(&self, connection: Numbered) {
        self.record
            .note(format!("on_release {}", connection.number));
    }
}

/// Longer than anything here takes: no time-out is compared, except where a test lets one pass.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);

fn r2d2_builder() -> r2d2::Builder<Server> {
    r2d2::Pool::builder()
        .max_size(1)
        .min_idle(Some(0))
        .connection_timeout(LONG)
        .test_on_check_out(true)
        .error_handler(Box::new(r2d2::NopErrorHandler))
}

fn settings() -> Settings {
    let retry = Retry::default().initial_delay(Duration::from_millis(1));
    Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .timeout(LONG)
        .pre_ping(PrePing::Always)
        .retry(retry)
}

/// The table in the guide (src/guide/from_r2d2.md).
fn with_hooks(builder: queuepool::Builder<Server>, record: &Record) -> queuepool::Builder<Server> {
    let [connect, close, checkout, checkin, timeout] = std::array::from_fn(|_| record.clone());
    builder
        .on_connect(move |_, _| {
            connect.note("acquire");
            Ok(())
        })
        .on_close(move |_, _| close.note("release"))
        .on_checkout(move |_, _| {
            checkout.note("checkout");
            Ok(())
        })
        .on_checkin(move |_, _| checkin.note("checkin"))
        .on_timeout(move |_| timeout.note("timeout"))
}

fn queuepool(server: &Server, record: &Record) -> Pool<Server> {
    let builder = Pool::builder(server.clone()).settings(settings());
    with_hooks(builder, record).build().unwrap()
}

/// What both pools can do.
trait Subject {
    fn get(&self, limit: Duration) -> Option<impl DerefMut<Target = Numbered>>;
}

impl Subject for r2d2::Pool<Server> {
    fn get(&self, limit: Duration) -> Option<impl DerefMut<Target = Numbered>> {
        self.get_timeout(limit).ok()
    }
}

impl Subject for Pool<Server> {
    fn get(&self, limit: Duration) -> Option<impl DerefMut<Target = Numbered>> {
        self.get_timeout(limit).ok()
    }
}

/// A use, a reuse while another times out, a restart of the server, a connection that breaks in use, and a new one.
fn a_day_of(pool: &impl Subject, server: &Server) {
    drop(pool.get(LONG).unwrap());
    let held = pool.get(LONG).unwrap();
    assert!(pool.get(SHORT).is_none());
    drop(held);
    server.restart();
    drop(pool.get(LONG).unwrap());
    let mut held = pool.get(LONG).unwrap();
    held.broken = true;
    drop(held);
    drop(pool.get(LONG).unwrap());
}

#[test]
fn hooks_hear_what_an_event_handler_heard_in_the_same_order() {
    let (theirs, ours) = (Record::default(), Record::default());
    let server = Server::default();
    let pool = r2d2_builder().event_handler(Box::new(theirs.clone()));
    a_day_of(&pool.build(server.clone()).unwrap(), &server);
    let server = Server::default();
    a_day_of(&queuepool(&server, &ours), &server);
    let theirs = theirs.take();
    let day = "acquire checkout checkin, checkout timeout checkin, release acquire checkout checkin, \
               checkout checkin release, acquire checkout checkin";
    assert_eq!(theirs.join(" "), day.replace(',', ""));
    let mut ours = ours.take();
    // The pool is dropped by now, of which r2d2 tells nobody.
    assert_eq!(ours.pop().unwrap(), "release");
    assert_eq!(ours, theirs);
}

#[test]
fn a_customizer_is_carried_over_as_it_is_and_sees_the_same() {
    let (theirs, ours) = (Record::default(), Record::default());
    let customizer = |record: &Record| {
        let record = record.clone();
        Box::new(Customizer { record, refuses: 2 })
    };
    let server = Server::default();
    let pool = r2d2_builder().connection_customizer(customizer(&theirs));
    a_day_of(&pool.build(server.clone()).unwrap(), &server);
    let server = Server::default();
    let pool = Pool::builder(server.clone())
        .settings(settings())
        .connection_customizer(customizer(&ours))
        .build()
        .unwrap();
    a_day_of(&pool, &server);
    let theirs = theirs.take();
    // Connection 2 was refused and another opened, without an error for the caller; the refused one is not released.
    let day = [
        "on_acquire 1",
        "on_release 1",
        "on_acquire 2",
        "on_acquire 3",
        "on_release 3",
        "on_acquire 4",
    ];
    assert_eq!(theirs, day);
    pool.close(LONG).unwrap();
    // It does not wait for the release of one that broke in use, whose place was free at once.
    support::scripted::eventually("all three are released", || {
        let ours = ours.0.lock();
        ours.iter()
            .filter(|words| words.starts_with("on_release"))
            .count()
            == 3
    });
    let ours = ours.take();
    let of = |which: &str, all: &[String]| -> Vec<String> {
        let chosen = all.iter().filter(|words| words.starts_with(which));
        chosen.cloned().collect()
    };
    assert_eq!(of("on_acquire", &ours), of("on_acquire", &theirs));
    // Ours are released on one of the pool's own threads, while the next is acquired. The last is released when the pool is closed,
    // which r2d2 drops unseen.
    let mut released = of("on_release", &ours);
    released.sort();
    assert_eq!(released.pop().unwrap(), "on_release 4");
    assert_eq!(released, of("on_release", &theirs));
}

#[test]
fn an_error_handlers_errors_are_the_last_error_of_the_status_and_the_checkouts() {
    let theirs = Record::default();
    let server = Server::default();
    server.0.down.store(true, SeqCst);
    let pool = r2d2_builder()
        .error_handler(Box::new(theirs.clone()))
        .build(server.clone())
        .unwrap();
    let error = pool.get_timeout(SHORT * 10).unwrap_err();
    assert!(theirs.take().contains(&"the server is down".to_owned()));
    assert_eq!(
        error.to_string(),
        "timed out waiting for connection: the server is down"
    );
    let record = Record::default();
    let pool = queuepool(&server, &record);
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.downcast_ref::<Refused>().unwrap().0,
        "the server is down"
    );
    let status = pool.status();
    assert_eq!(
        status.last_error.unwrap(),
        "connecting failed: the server is down"
    );
    assert_eq!(
        status.connection_errors, 5,
        "attempts, as the setting retry has it"
    );
    assert_eq!(record.take(), [""; 0], "it did not time out, but gave up");
    pool.get_timeout(Duration::from_nanos(1)).unwrap_err();
    assert_eq!(record.take(), ["timeout"]);
}

#[test]
fn a_pool_that_opens_all_at_once_as_r2d2_does_warms_up() {
    let (theirs, ours) = (Record::default(), Record::default());
    let pool = r2d2_builder().max_size(3).min_idle(None);
    let pool = pool.event_handler(Box::new(theirs.clone()));
    let pool = pool.build(Server::default()).unwrap();
    let builder = Pool::builder(Server::default()).settings(settings().pool_size(3).warm_up(3));
    let warm = with_hooks(builder, &ours).build().unwrap();
    assert_eq!(theirs.take(), ["acquire"; 3]);
    assert_eq!(ours.take(), ["acquire"; 3]);
    assert_eq!(pool.state().idle_connections, 3);
    assert_eq!(warm.status().idle_connections, 3);
}

#[test]
fn try_get_is_a_checkout_here_which_r2d2_does_not_report() {
    let (theirs, ours) = (Record::default(), Record::default());
    let pool = r2d2_builder().event_handler(Box::new(theirs.clone()));
    let pool = pool.build(Server::default()).unwrap();
    drop(pool.get().unwrap());
    drop(pool.try_get().unwrap());
    let own = queuepool(&Server::default(), &ours);
    drop(own.get().unwrap());
    drop(own.try_get().unwrap().unwrap());
    let heard = ["acquire", "checkout", "checkin"];
    assert_eq!(theirs.take(), [&heard[..], &["checkin"]].concat());
    assert_eq!(ours.take(), [&heard[..], &["checkout", "checkin"]].concat());
}

#[test]
fn a_lifetime_is_a_recycle_and_its_end_a_close_with_a_reason() {
    let reasons: Arc<Mutex<Vec<CloseReason>>> = Arc::default();
    let heard = reasons.clone();
    let clock = queuepool::Clock::stopped();
    let settings = settings()
        .recycle(Duration::from_secs(1800))
        .recycle_jitter(0.0);
    let pool = Pool::builder(Server::default())
        .settings(settings)
        .clock(clock.clone())
        .on_close(move |_, reason| heard.lock().push(reason))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    clock.advance(Duration::from_secs(1801));
    assert_eq!(pool.get().unwrap().number, 2);
    assert_eq!(*reasons.lock(), [CloseReason::Recycled]);
}
