//! SQLite through the pool and `Database`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use queuepool::sqlite::{self, SqlitePool};
use queuepool::{CloseReason, Database, Error, ErrorKind, Mode, Pool, ResetOnReturn, Settings};
use rusqlite::Connection;

use support::sqlite::{count, folder, wal_of};

const SECOND: Duration = Duration::from_secs(1);

fn url(path: &Path) -> String {
    assert!(path.is_absolute());
    format!("sqlite:///{}", path.display())
}

fn with_table(database: &Database) {
    database
        .get()
        .unwrap()
        .execute("CREATE TABLE t (v)")
        .unwrap();
}

fn rows(database: &Database) -> i64 {
    let mut connection = database.get().unwrap();
    connection.query_i64("SELECT count(*) FROM t").unwrap()
}

fn insert(database: &Database) -> Result<u64, Error> {
    database.get()?.execute("INSERT INTO t VALUES (1)")
}

#[test]
fn a_database_by_url_is_a_null_pool_unless_a_queue_is_asked_for() {
    let folder = folder();
    let url = url(&folder.path().join("app.db"));
    let database = Database::open(&url).unwrap();
    with_table(&database);
    insert(&database).unwrap();
    assert_eq!(rows(&database), 1);
    database.ping().unwrap();
    let status = database.status();
    assert_eq!(status.pool_type, "NullPool");
    assert_eq!((status.size, status.total, status.overflow), (0, 0, 0));
    assert_eq!(
        status.total_connections_created, 4,
        "one was opened by the ping"
    );
    assert_eq!(status.closed_by_reason[&CloseReason::NullPool], 4);
    assert_eq!(status.checkouts, 3);
    assert!(database.sqlite().is_some());

    let queue = Database::open(&format!("{url}?pool_mode=queue&pool_size=2")).unwrap();
    for _ in 0..3 {
        insert(&queue).unwrap();
    }
    let status = queue.status();
    assert_eq!(status.pool_type, "QueuePool");
    assert_eq!((status.size, status.checked_in), (2, 1));
    assert_eq!(status.total_connections_created, 1);
    assert_eq!(rows(&database), 4);
}

#[test]
fn three_slashes_are_relative_and_four_absolute() {
    // The working directory belongs to the whole process, so this runs in a child with its own.
    const CHILD: &str = "QUEUEPOOL_TEST_RELATIVE";
    if std::env::var_os(CHILD).is_some() {
        for url in [
            "sqlite:///three.db",
            "sqlite://two.db",
            "sqlite:none.db",
            "sqlite:///sub/three.db",
        ] {
            with_table(&Database::open(url).unwrap());
        }
        return;
    }
    let folder = folder();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "pool::three_slashes_are_relative_and_four_absolute",
        ])
        .env(CHILD, "1")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for name in ["three.db", "two.db", "none.db", "sub/three.db"] {
        let path = folder.path().join(name);
        assert!(path.exists(), "{name}");
        assert_eq!(count(&Connection::open(&path).unwrap()), 0);
    }
    let absolute = folder.path().join("four.db");
    with_table(&Database::open(&format!("sqlite:///{}", absolute.display())).unwrap());
    assert!(absolute.exists());
}

/// Eight threads, each a hundred times: check out, write one row in a transaction, return.
fn eight_threads_write(pool: &SqlitePool) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut connection = pool.get().unwrap();
                    let transaction = sqlite::immediate(&mut connection).unwrap();
                    let before: i64 = transaction
                        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                        .unwrap();
                    transaction
                        .execute("INSERT INTO t VALUES (?1)", [before])
                        .unwrap();
                    transaction.commit().unwrap();
                }
            });
        }
    });
}

#[test]
fn eight_threads_write_without_an_error_in_either_mode_on_a_file_and_in_memory() {
    let folder = folder();
    for mode in [Mode::Null, Mode::Queue] {
        for url in [
            url(&folder.path().join(format!("{mode:?}.db"))),
            "sqlite::memory:".to_owned(),
        ] {
            let settings = Settings::default().mode(mode).pool_size(3).max_overflow(2);
            let database = Database::open_with(&url, settings).unwrap();
            with_table(&database);
            eight_threads_write(database.sqlite().unwrap());
            assert_eq!(rows(&database), 800, "{mode:?} {url}");
            // Each transaction must have read what the one before it wrote.
            let mut connection = database.get().unwrap();
            let distinct = connection.query_i64("SELECT count(DISTINCT v) FROM t");
            assert_eq!(distinct.unwrap(), 800);
            let status = database.status();
            assert!(status.peak_total <= 5, "{status:#?}");
            assert_eq!(status.connection_errors, 0);
            assert_eq!(status.checkouts, 803);
        }
    }
}

#[test]
fn memory_survives_between_checkouts_and_each_database_has_its_own() {
    for url in ["sqlite::memory:", "sqlite://", "sqlite:///:memory:"] {
        let one = Database::open(url).unwrap();
        let other = Database::open(url).unwrap();
        with_table(&one);
        assert_eq!(one.status().total, 0, "no connection is open in between");
        insert(&one).unwrap();
        assert_eq!(rows(&one), 1);
        let error = insert(&other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Statement, "{error:?}");
        assert!(error.to_string().contains("no such table"), "{error}");
        let clone = one.clone();
        drop(one);
        assert_eq!(rows(&clone), 1, "the database lives as long as a handle");
        clone.close(SECOND).unwrap();
        assert_eq!(clone.get().unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_read_only_database_reads_and_a_write_is_a_statement_error_with_sqlites_own_beneath() {
    let folder = folder();
    let url = url(&folder.path().join("app.db"));
    let writing = Database::open(&url).unwrap();
    with_table(&writing);
    writing.close(SECOND).unwrap();
    let reading = Database::open(&format!("{url}?mode=ro")).unwrap();
    assert_eq!(rows(&reading), 0);
    let error = insert(&reading).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement, "{error:?}");
    assert!(error.to_string().contains("readonly"), "{error}");
    let beneath = std::error::Error::source(&error).unwrap();
    assert!(beneath.is::<rusqlite::Error>(), "{beneath:?}");
}

#[test]
fn what_cannot_be_opened_is_told_at_once_and_in_words_that_help() {
    let folder = folder();
    let missing = folder.path().join("missing/app.db");
    let error = Database::open(&url(&missing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings, "{error:?}");
    for says in [
        missing.to_str().unwrap(),
        "does not exist",
        "sqlite:////var/lib/app.db",
    ] {
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let error = Database::open(&url(folder.path())).unwrap_err();
    assert!(error.to_string().contains("is a directory"), "{error}");

    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "this is not a database. ".repeat(100)).unwrap();
    let absent = format!("{}?mode=rw", url(&folder.path().join("absent.db")));
    for (url, says) in [
        (url(&notes), "is not an SQLite database"),
        (absent, "does not exist"),
    ] {
        let database = Database::open(&url).unwrap();
        let error = database.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .is::<rusqlite::Error>()
        );
        let status = database.status();
        assert_eq!(
            status.connection_errors, 1,
            "a permanent error is not retried"
        );
        assert_eq!(status.total, 0);
        assert!(status.last_error.unwrap().contains(says));
    }
}

#[test]
fn the_wal_file_stays_between_checkouts_and_is_gone_after_close() {
    let folder = folder();
    for (name, mode) in [("null.db", Mode::Null), ("queue.db", Mode::Queue)] {
        let path = folder.path().join(name);
        let database = Database::open_with(&url(&path), Settings::default().mode(mode)).unwrap();
        with_table(&database);
        insert(&database).unwrap();
        assert!(wal_of(&path).exists());
        database.close(SECOND).unwrap();
        assert!(!wal_of(&path).exists(), "{mode:?}");
        assert_eq!(count(&Connection::open(&path).unwrap()), 1);
    }
    // Dropping the last handle removes it too.
    let path = folder.path().join("dropped.db");
    let database = Database::open(&url(&path)).unwrap();
    with_table(&database);
    drop(database);
    assert!(!wal_of(&path).exists());
}

#[test]
fn in_queue_mode_a_transaction_left_open_is_rolled_back_and_full_drops_what_is_temporary() {
    for (how, is_left) in [
        (ResetOnReturn::Rollback, true),
        (ResetOnReturn::Full, false),
    ] {
        let settings = Settings::default()
            .mode(Mode::Queue)
            .pool_size(1)
            .max_overflow(0)
            .reset_on_return(how);
        let database = Database::open_with("sqlite::memory:", settings).unwrap();
        with_table(&database);
        let mut connection = database.get().unwrap();
        connection.execute("CREATE TEMP TABLE scratch (v)").unwrap();
        connection
            .execute("BEGIN; INSERT INTO t VALUES (1)")
            .unwrap();
        drop(connection);
        assert_eq!(rows(&database), 0);
        insert(&database).unwrap();
        assert_eq!(rows(&database), 1);
        let scratch = database
            .get()
            .unwrap()
            .query_i64("SELECT count(*) FROM scratch");
        assert_eq!(scratch.is_ok(), is_left, "{how:?}");
        assert_eq!(database.status().total_connections_created, 1);
    }
}

#[test]
fn a_guard_dropped_by_a_panicking_thread_leaves_nothing_behind() {
    let settings = Settings::default()
        .mode(Mode::Queue)
        .pool_size(1)
        .max_overflow(0);
    let database = Database::open_with("sqlite::memory:", settings).unwrap();
    with_table(&database);
    let panicked = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut connection = database.get().unwrap();
                connection.execute("CREATE TEMP TABLE scratch (v)").unwrap();
                connection
                    .execute("BEGIN; INSERT INTO t VALUES (1)")
                    .unwrap();
                panic!("on purpose");
            })
            .join()
    });
    assert!(panicked.is_err());
    assert_eq!(rows(&database), 0);
    let mut connection = database.get().unwrap();
    connection
        .query_i64("SELECT count(*) FROM scratch")
        .unwrap_err();
}

#[test]
fn the_urls_settings_take_effect_and_code_goes_before_them() {
    let url = "sqlite::memory:?pool_size=3&max_overflow=1&pool_timeout=0.2&pool_mode=queue&cache_size=-500";
    let database = Database::open(url).unwrap();
    let settings = database.settings();
    assert_eq!((settings.pool_size, settings.max_overflow), (3, 1));
    assert_eq!(settings.timeout, Duration::from_millis(200));
    let out: Vec<_> = (0..4).map(|_| database.get().unwrap()).collect();
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error
            .to_string()
            .starts_with("QueuePool limit of size 3 overflow 1 reached"),
        "{error}"
    );
    drop(out);
    assert_eq!(database.status().checked_in, 3);
    // A parameter that belongs to the driver reaches the driver.
    let cache = database.get().unwrap().query_i64("PRAGMA cache_size");
    assert_eq!(cache.unwrap(), -500);

    let in_code = Settings::default().pool_size(2);
    let database = Database::open_with(url, in_code).unwrap();
    let settings = database.settings();
    assert_eq!((settings.pool_size, settings.max_overflow), (2, 1));

    let error = Database::open("sqlite::memory:?pool_sise=3").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("pool_sise"), "{error}");
}

#[test]
fn code_goes_before_the_url_the_url_before_the_environment_and_that_before_the_preset() {
    const CHILD: &str = "QUEUEPOOL_TEST_PRECEDENCE";
    if std::env::var_os(CHILD).is_some() {
        let preset = Settings::development().with_env().unwrap();
        let settings = preset.timeout(Duration::from_secs(4));
        let url = "sqlite::memory:?pool_timeout=3&max_overflow=3";
        let database = Database::open_with(url, settings).unwrap();
        let settings = database.settings();
        assert_eq!(settings.timeout, Duration::from_secs(4), "code");
        assert_eq!(settings.max_overflow, 3, "the URL");
        assert_eq!(settings.pool_size, 2, "the environment");
        assert_eq!(
            settings.recycle,
            Settings::development().recycle,
            "the preset"
        );

        let database = Database::from_env().unwrap();
        assert_eq!(database.settings().pool_size, 2);
        assert_eq!(
            database.settings().max_overflow,
            7,
            "the URL in the environment"
        );
        with_table(&database);
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pool::code_goes_before_the_url_the_url_before_the_environment_and_that_before_the_preset"])
        .env_clear()
        .env(CHILD, "1")
        .env("DATABASE_URL", "sqlite::memory:?max_overflow=7")
        .env("DB_POOL_SIZE", "2")
        .env("DATABASE_MAX_OVERFLOW", "2")
        .env("DB_POOL_TIMEOUT", "2s")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );
}

#[test]
fn a_typed_pool_is_built_from_a_path_and_two_pools_share_the_file() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let one: SqlitePool = Pool::builder(path.clone()).unwrap().build().unwrap();
    let other = SqlitePool::builder(&*path).unwrap().build().unwrap();
    one.get()
        .unwrap()
        .execute_batch("CREATE TABLE t (v)")
        .unwrap();
    other
        .get()
        .unwrap()
        .execute("INSERT INTO t VALUES (1)", [])
        .unwrap();
    assert_eq!(count(&one.get().unwrap()), 1);
}

#[test]
fn a_detached_connection_outlives_the_pool() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let pool = SqlitePool::builder(&*path).unwrap().build().unwrap();
    let own: Connection = queuepool::Connection::detach(pool.get().unwrap());
    own.execute_batch("CREATE TABLE t (v)").unwrap();
    pool.close(SECOND).unwrap();
    assert_eq!(count(&own), 0);
    assert_eq!(pool.status().detached, 1);
}

#[test]
fn the_hooks_of_a_database_see_each_event() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = |event: &'static str| {
        let seen = seen.clone();
        move || seen.lock().unwrap().push(event)
    };
    let (connect, checkout, checkin, reset, close) = (
        note("connect"),
        note("checkout"),
        note("checkin"),
        note("reset"),
        note("close"),
    );
    let database = Database::builder("sqlite::memory:")
        .on_connect(move |_| {
            connect();
            Ok(())
        })
        .on_checkout(move |_| {
            checkout();
            Ok(())
        })
        .on_checkin(move |_| checkin())
        .on_reset(move |_| reset())
        .on_close(move |_, reason| {
            assert_eq!(reason, CloseReason::NullPool);
            close();
        })
        .build()
        .unwrap();
    drop(database.get().unwrap());
    assert_eq!(
        *seen.lock().unwrap(),
        ["connect", "checkout", "reset", "checkin", "close"]
    );
}
