//! A driver that only counts, so that all steps of a model are the pool's own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::sync::{Condvar, Mutex};
use queuepool::{Call, Driver, ErrorClass, Pool, ResetOnReturn, Settings};

use crate::explore::NEVER;

pub type ModelPool = Pool<Manager>;

#[derive(Default)]
pub struct Database {
    /// The connect with this number fails with this class of error.
    fails: Option<(usize, ErrorClass)>,
    /// The first connect waits for this gate.
    gate: Option<Gate>,
    /// This call runs on a helper thread, all others on the thread that needs them.
    on_helper: Option<Call>,
    connects: AtomicUsize,
    open: AtomicUsize,
}

/// Closed until it is opened, then open for good.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
    }
}

impl Database {
    pub fn failing_once(class: ErrorClass) -> Self {
        Database {
            fails: Some((0, class)),
            ..Database::default()
        }
    }

    /// As [`failing_once`](Database::failing_once), but the connect after the first.
    pub fn failing_then(class: ErrorClass) -> Self {
        Database {
            fails: Some((1, class)),
            ..Database::default()
        }
    }

    /// The first connect hangs until it is [let go](Database::let_go).
    pub fn hanging_once() -> Self {
        Database {
            gate: Some(Gate::default()),
            ..Database::default()
        }
    }

    pub fn let_go(&self) {
        let gate = self.gate.as_ref();
        gate.expect("no connect hangs here").open();
    }

    pub fn on_helper(self, call: Call) -> Self {
        Database {
            on_helper: Some(call),
            ..self
        }
    }

    /// A pool in which nothing times out except what the model sets.
    pub fn pool(self, settings: Settings) -> (Arc<Database>, ModelPool) {
        let database = Arc::new(self);
        let pool = Pool::builder(Manager(database.clone()))
            .driver(ModelDriver(database.clone()))
            .settings(settings)
            .build()
            .unwrap();
        (database, pool)
    }

    pub fn connects(&self) -> usize {
        self.connects.load(SeqCst)
    }

    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }
}

/// Settings for `pool_size` connections without overflow and without time limits.
pub fn settings(pool_size: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(0)
        .timeout(NEVER)
        .connect_timeout(NEVER)
        .health_check_timeout(NEVER)
        .reset_on_return(ResetOnReturn::Never)
}

pub struct Session {
    /// How many sessions were connected before this one.
    pub number: usize,
    database: Arc<Database>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.database.open.fetch_sub(1, SeqCst);
    }
}

#[derive(Debug)]
pub struct Refused(ErrorClass);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {:?}", self.0)
    }
}

impl std::error::Error for Refused {}

pub struct Manager(Arc<Database>);

impl queuepool::r2d2::ManageConnection for Manager {
    type Connection = Session;
    type Error = Refused;

    fn connect(&self) -> Result<Session, Refused> {
        let number = self.0.connects.fetch_add(1, SeqCst);
        if let Some(gate) = self.0.gate.as_ref().filter(|_| number == 0) {
            gate.pass();
        }
        match self.0.fails {
            Some((fails, class)) if number == fails => Err(Refused(class)),
            _ => {
                self.0.open.fetch_add(1, SeqCst);
                Ok(Session {
                    number,
                    database: self.0.clone(),
                })
            }
        }
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Refused> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }
}

struct ModelDriver(Arc<Database>);

impl Driver<Manager> for ModelDriver {
    fn classify(&self, error: &Refused) -> ErrorClass {
        error.0
    }

    fn is_bounded(&self, call: Call) -> bool {
        self.0.on_helper != Some(call)
    }
}
