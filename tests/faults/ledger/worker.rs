//! Threads that commit numbered rows, or end without a commit, in every way in which a connection can be given back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Instant;

use fastrand::Rng;
use queuepool::{Connection, ErrorKind, Manager, Pool};

use super::book::{Book, Fate};
use super::{HANG, WORKERS};
use crate::subject::Session;
use support::scripted::millis;

/// All workers. They are not joined after a panic, because one may hang.
pub struct Crew {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// The pool's status, for the message when a worker hangs.
    status: Box<dyn Fn() -> String>,
}

struct Shared {
    over: AtomicBool,
    book: Arc<Book>,
    next: AtomicU64,
    begun: Instant,
    /// When each worker last made progress, in milliseconds since the start.
    moved: Vec<AtomicU64>,
}

impl Crew {
    pub fn start<M: Manager<Connection: Session>>(
        pool: &Pool<M>,
        book: &Arc<Book>,
        seed: u64,
    ) -> Crew {
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            book: book.clone(),
            next: AtomicU64::new(1),
            begun: Instant::now(),
            moved: (0..WORKERS).map(|_| AtomicU64::new(0)).collect(),
        });
        let threads = (0..WORKERS).map(|id| {
            let mut worker = Worker {
                id,
                pool: pool.clone(),
                rng: Rng::with_seed(seed ^ (id + 1) << 32),
                shared: shared.clone(),
            };
            let named = std::thread::Builder::new().name(format!("worker {id}"));
            named.spawn(move || worker.work()).unwrap()
        });
        let threads = threads.collect();
        let pool = pool.clone();
        Crew {
            threads,
            shared,
            status: Box::new(move || format!("{:#?}", pool.status())),
        }
    }

    /// Waits until this many more rows are committed.
    pub fn goes_on(&self, rows: usize) {
        let before = self.shared.book.acknowledged();
        self.watch_until(|| self.shared.book.acknowledged() >= before + rows);
    }

    pub fn stop(mut self) {
        self.shared.over.store(true, SeqCst);
        self.watch_until(|| self.threads.iter().all(JoinHandle::is_finished));
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    fn watch_until(&self, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            let now = self.shared.begun.elapsed();
            for (id, thread) in self.threads.iter().enumerate() {
                let still = now.saturating_sub(millis(self.shared.moved[id].load(SeqCst)));
                let hangs = still > HANG && !thread.is_finished();
                assert!(
                    !hangs,
                    "worker {id} hangs for {still:?}: {}",
                    (self.status)()
                );
                let died = thread.is_finished() && !self.shared.over.load(SeqCst);
                assert!(!died, "worker {id} has panicked");
            }
            assert!(
                start.elapsed() < HANG,
                "no row is committed any more: {}",
                (self.status)()
            );
            std::thread::sleep(millis(1));
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
    }
}

struct Worker<M: Manager> {
    id: u64,
    pool: Pool<M>,
    rng: Rng,
    shared: Arc<Shared>,
}

impl<M: Manager<Connection: Session>> Worker<M> {
    fn work(&mut self) {
        while !self.shared.over.load(SeqCst) {
            // A row that failed is never tried again: its number would be in doubt twice.
            let number = self.shared.next.fetch_add(1, SeqCst);
            let fate = self.round(number);
            self.shared.book.note(number, fate);
            self.moved();
        }
    }

    fn moved(&self) {
        let now = self.shared.begun.elapsed().as_millis() as u64;
        self.shared.moved[self.id as usize].store(now, SeqCst);
    }

    fn round(&mut self, number: u64) -> Fate {
        let connection = self.pool.get();
        self.moved();
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(error) => {
                let expected = [
                    ErrorKind::Connect,
                    ErrorKind::Timeout,
                    ErrorKind::Validation,
                ];
                assert!(expected.contains(&error.kind()), "{error:?}");
                // If the error came at once, a real caller would have other work to do.
                std::thread::sleep(millis(5));
                return rolled_back(&format!("{:?} at get", error.kind()));
            }
        };
        let insert = format!("INSERT INTO ledger VALUES ({number})");
        for sql in ["BEGIN", &insert] {
            let result = connection.run(sql);
            self.moved();
            if result.is_err() {
                return rolled_back("a statement failed");
            }
        }
        self.end(connection)
    }

    /// Ends the transaction and the guard in one of the possible ways.
    fn end(&mut self, mut connection: Connection<M>) -> Fate {
        match self.rng.u32(0..100) {
            0..6 => {
                // Whether or not this fails, no commit was sent.
                let _gone_either_way = connection.run("ROLLBACK");
                rolled_back("rolled back")
            }
            6..10 => {
                drop(connection);
                rolled_back("returned with the transaction open")
            }
            10..13 => {
                panic_with(connection);
                rolled_back("panicked with the transaction open")
            }
            13..16 => {
                Connection::invalidate(connection);
                rolled_back("invalidated with the transaction open")
            }
            16..19 => commit(&mut Connection::detach(connection)),
            19..22 => {
                let fate = commit(&mut *connection);
                panic_with(connection);
                fate
            }
            22..25 => {
                let fate = commit(&mut *connection);
                Connection::invalidate(connection);
                fate
            }
            _ => commit(&mut *connection),
        }
    }
}

fn commit(session: &mut impl Session) -> Fate {
    match session.run("COMMIT") {
        Ok(()) => Fate::Acknowledged,
        Err(_) => Fate::InDoubt,
    }
}

/// Panics in this thread, which drops the guard, without printing a panic message.
fn panic_with<M: Manager>(connection: Connection<M>) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = connection;
        resume_unwind(Box::new("a worker panics"));
    }));
    assert!(panicked.is_err());
}

fn rolled_back(why: &str) -> Fate {
    Fate::RolledBack(why.to_owned())
}
