//! The three databases, and what the test cases share.

use std::collections::BTreeMap;
use std::thread;

use queuepool::{AnyConnection, CloseReason, Database, Mode, PrePing, Settings, Status};
use tempfile::TempDir;

use support::scripted::{assert_laws, secs};
use support::servers::{MariaDb, Postgres};

pub enum Backend {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Sqlite(TempDir),
}

/// The tests of this module, run on each database.
macro_rules! on_each {
    ($($case:ident,)+) => {
        crate::backend::on_each! { postgres: $($case,)+ }
        crate::backend::on_each! { mariadb: $($case,)+ }
        crate::backend::on_each! { sqlite: $($case,)+ }
    };
    ($backend:ident: $($case:ident,)+) => {
        mod $backend {
            $(
                #[test]
                fn $case() {
                    super::$case(&mut crate::backend::Backend::$backend());
                }
            )+
        }
    };
}
pub(crate) use on_each;

impl Backend {
    /// With room for the suite's largest pool, of 100, and for an administrator.
    pub fn postgres() -> Backend {
        Backend::Postgres(Postgres::start_with(&["max_connections=120"]))
    }

    pub fn mariadb() -> Backend {
        Backend::MariaDb(MariaDb::start_with(&["--max-connections=120"]))
    }

    pub fn sqlite() -> Backend {
        Backend::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn url(&self) -> String {
        match self {
            Backend::Postgres(server) => server.url(),
            Backend::MariaDb(server) => server.url(),
            Backend::Sqlite(folder) => {
                format!("sqlite:///{}", folder.path().join("load.db").display())
            }
        }
    }

    pub fn open(&self, settings: Settings) -> Database {
        Database::open_with(&self.url(), settings).unwrap()
    }

    /// How many sessions of `app` the server itself counts. SQLite has no server.
    pub fn sessions(&self) -> Option<i64> {
        let (url, sql) = match self {
            Backend::Postgres(server) => (
                server.admin_url(),
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'",
            ),
            // From the status variables, not from information_schema.processlist, which occasionally crashes MariaDB
            // 10.11.19. The connection that asks is not counted.
            Backend::MariaDb(server) => (
                server.admin_url(),
                "SELECT VARIABLE_VALUE - 1 FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'THREADS_CONNECTED'",
            ),
            Backend::Sqlite(_) => return None,
        };
        let admin = Database::open_with(&url, settings(1, 0)).unwrap();
        Some(admin.get().unwrap().query_i64(sql).unwrap())
    }
}

/// Queue mode on SQLite too, and no pings, whether or not a connection was used within half a second, so that counts are
/// exact.
pub fn settings(pool_size: u32, max_overflow: u32) -> Settings {
    Settings::default()
        .pool_size(pool_size)
        .max_overflow(max_overflow)
        .mode(Mode::Queue)
        .pre_ping(PrePing::Never)
        .timeout(secs(60))
}

/// Asks for a number that the database has to send back, so that an answer meant for another session would show.
#[track_caller]
pub fn ask(connection: &mut AnyConnection, number: usize) {
    let answer = connection.query_i64(&format!("SELECT {number}")).unwrap();
    assert_eq!(answer, number as i64);
}

/// Runs `work` on threads named `worker-0` and so on. The test fails if one of them does.
pub fn on_threads(count: usize, work: impl Fn(usize) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        for worker in 0..count {
            thread::Builder::new()
                .name(format!("worker-{worker}"))
                // They need little stack, and there may be a thousand of them.
                .stack_size(256 * 1024)
                .spawn_scoped(scope, move || work(worker))
                .unwrap();
        }
    });
}

/// Asserts what the status says after `checkouts` that were all returned and none of which failed.
#[track_caller]
pub fn assert_all_given_back(status: &Status, checkouts: u64) {
    assert_laws(status);
    assert_eq!(
        (status.checkouts, status.checkins, status.checked_out),
        (checkouts, checkouts, 0)
    );
    assert_eq!(status.connection_acquisition_time.count(), checkouts);
    assert_eq!(status.connection_hold_time.count(), checkouts);
    assert_eq!(
        (status.connection_timeouts, status.connection_errors),
        (0, 0)
    );
    assert_eq!((status.waiting_requests, status.holders.len()), (0, 0));
    assert_eq!(status.idle_connections, status.checked_in);
}

pub fn closed(reasons: &[(CloseReason, u64)]) -> BTreeMap<CloseReason, u64> {
    reasons.iter().copied().collect()
}
