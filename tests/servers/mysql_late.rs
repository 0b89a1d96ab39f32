//! MariaDB and MySQL: a late answer reaches nobody, whatever was asked, however the connection was made and whatever it
//! held; and a statement that a write_timeout cut off is not run.

use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Opts, OptsBuilder};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::{CloseReason, Connection, Pool, ResetOnReturn, SslMode, Tls};

use crate::pool::size;
use support::scripted::{eventually, secs};
use support::servers::{TestServer, on_each};

on_each!([
    a_late_answer_reaches_nobody_whatever_was_asked,
    a_late_answer_reaches_nobody_over_a_unix_socket,
    a_late_error_is_not_taken_for_the_resets_own,
    a_slow_statement_replaces_no_other_connection,
    without_a_time_out_nothing_is_asked,
    a_statement_that_was_sent_halfway_is_not_run,
    a_statement_that_was_sent_halfway_is_not_run_even_where_its_error_is_noted,
    a_statement_that_was_sent_halfway_is_not_run_where_its_connection_is_invalidated,
    a_statement_that_a_hook_sent_halfway_is_not_run,
]: mariadb = MariaDb, mysql_itself = MySql);

on_each!([a_late_answer_reaches_nobody_over_tls]: newest_mariadb = NewestMariaDb, mysql_with_tls = MySql);

/// The read_timeout of a driver that gives up before the server answers.
const PATIENCE: Duration = Duration::from_millis(200);

type Deed = (&'static str, fn(&mut Conn) -> Result<(), ::mysql::Error>);

/// Each is answered after the driver has given up and while the reset waits for its own answer.
const DEEDS: &[Deed] = &[
    ("rows", |connection| {
        connection.query_drop("SELECT 'secret', SLEEP(0.3)")
    }),
    ("no rows", |connection| {
        connection.query_drop("DO SLEEP(0.3)")
    }),
    ("a prepared statement", |connection| {
        connection.exec_drop("SELECT 'secret', SLEEP(?)", (0.3,))
    }),
    ("several results", |connection| {
        // The first result comes in time.
        let mut sets =
            connection.query_iter("SELECT 1; SELECT 'secret', SLEEP(0.3); SELECT 'more'")?;
        while let Some(rows) = sets.iter() {
            rows.collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }),
    ("as many results as a reset has", |connection| {
        connection.query_drop("DO SLEEP(0.3); DO 1; DO 1; SELECT 'secret'")
    }),
    ("a transaction", |connection| {
        connection.query_drop("BEGIN")?;
        connection.query_drop("INSERT INTO held VALUES (1)")?;
        connection.query_drop("SELECT 'secret', SLEEP(0.3)")
    }),
    ("locked tables", |connection| {
        connection.query_drop("LOCK TABLES held WRITE")?;
        connection.query_drop("SELECT 'secret', SLEEP(0.3)")
    }),
    ("a ping", |connection| {
        let answer = connection.query_drop("DO SLEEP(0.3)");
        // The ping may get the late answer.
        let _ = connection.ping();
        answer
    }),
];

fn opts(url: &str) -> OptsBuilder {
    OptsBuilder::from_opts(Opts::from_url(url).unwrap())
}

fn pool(manager: MySqlManager, how: ResetOnReturn) -> MySqlPool {
    let settings = size(1, 0).reset_on_return(how);
    Pool::builder(manager).settings(settings).build().unwrap()
}

/// Checks all the above when nobody notes the error.
fn late_answers_reach_nobody(opts: &OptsBuilder, managed: impl Fn(Opts) -> MySqlManager) {
    let patient = Opts::from(opts.clone());
    pool(managed(patient), ResetOnReturn::Rollback)
        .get()
        .unwrap()
        .query_drop("CREATE TABLE held (a int) ENGINE=InnoDB")
        .unwrap();
    for how in [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ] {
        for (what, deed) in DEEDS {
            let opts = opts.clone().read_timeout(Some(PATIENCE));
            let pool = pool(managed(opts.into()), how);
            deed(&mut pool.get().unwrap()).expect_err("a time-out");
            for number in 0..3 {
                let got: Option<i64> = pool
                    .get()
                    .unwrap()
                    .query_first(format!("SELECT {number}"))
                    .unwrap();
                assert_eq!(got, Some(number), "{how:?} {what}");
            }
            let status = pool.status();
            assert_eq!(status.total_connections_created, 2, "{how:?} {what}");
            let lost = status.closed_by_reason.get(&CloseReason::Lost);
            assert_eq!(lost.copied().unwrap_or_default(), 0, "{how:?} {what}");
        }
    }
}

fn a_late_answer_reaches_nobody_whatever_was_asked<S: TestServer>() {
    let server = S::start();
    late_answers_reach_nobody(&opts(&server.url()), |opts| {
        MySqlManager::new(opts).unwrap()
    });
}

fn a_late_answer_reaches_nobody_over_a_unix_socket<S: TestServer>() {
    let server = S::start();
    let socket = server.directory().join("mysqld.sock").display().to_string();
    let opts = opts(&server.url()).socket(Some(socket));
    late_answers_reach_nobody(&opts, |opts| MySqlManager::new(opts).unwrap());
}

fn a_late_answer_reaches_nobody_over_tls<S: TestServer>() {
    let server = S::start();
    let managed = |opts| {
        MySqlManager::new(opts)
            .unwrap()
            .tls(Tls::new(SslMode::Require))
    };
    late_answers_reach_nobody(&opts(&server.url()), managed);
}

/// The server refuses late, with the error that a proxy gives when it does not accept several statements at once.
fn a_late_error_is_not_taken_for_the_resets_own<S: TestServer>() {
    let server = S::start();
    for how in [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ] {
        let opts = opts(&server.url()).read_timeout(Some(PATIENCE));
        let pool = pool(MySqlManager::new(opts).unwrap(), how);
        let late = "CREATE PROCEDURE late() BEGIN DO SLEEP(0.3); \
                    SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1064; END";
        let mut connection = pool.get().unwrap();
        let _ = connection.query_drop("DROP PROCEDURE IF EXISTS late");
        connection.query_drop(late).unwrap();
        connection
            .query_drop("CALL late()")
            .expect_err("a time-out");
        drop(connection);
        for number in 0..3 {
            let got: Option<i64> = pool
                .get()
                .unwrap()
                .query_first(format!("SELECT {number}"))
                .unwrap();
            assert_eq!(got, Some(number), "{how:?}");
        }
        assert_eq!(pool.status().total_connections_created, 2, "{how:?}");
    }
}

fn a_slow_statement_replaces_no_other_connection<S: TestServer>() {
    let server = S::start();
    let opts = opts(&server.url()).read_timeout(Some(PATIENCE));
    let pool = MySqlPool::builder(Opts::from(opts))
        .unwrap()
        .settings(size(4, 0))
        .build()
        .unwrap();
    let mut held = [(); 4].map(|()| pool.get().unwrap());
    held[0].query_drop("DO SLEEP(0.3)").expect_err("a time-out");
    drop(held);
    drop([(); 4].map(|()| pool.get().unwrap()));
    let status = pool.status();
    assert_eq!(status.total_connections_created, 5, "{status:#?}");
    assert_eq!(status.validation_failures, 0);
}

fn without_a_time_out_nothing_is_asked<S: TestServer>() {
    let server = S::start();
    let questions = |pool: &MySqlPool| -> u64 {
        let (_, asked): (String, u64) = pool
            .get()
            .unwrap()
            .query_first("SHOW SESSION STATUS LIKE 'Questions'")
            .unwrap()
            .unwrap();
        asked
    };
    for (patience, asked) in [(None, 1), (Some(secs(20)), 2)] {
        let opts = opts(&server.url())
            .read_timeout(patience)
            .write_timeout(patience);
        let pool = pool(MySqlManager::new(opts).unwrap(), ResetOnReturn::Never);
        let before = questions(&pool);
        assert_eq!(questions(&pool) - before, asked, "{patience:?}");
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

/// More than fits into the buffers between the two while the server does not read.
const LARGE: usize = 12 << 20;

/// If the driver could not send all of a statement, it sends the whole of it again, before whatever comes next and when it
/// is dropped; and the server takes the beginning of that for the part that was missing.
fn halfway<S: TestServer>(ended: fn(Connection<MySqlManager>, &::mysql::Error)) {
    let server = S::start_with(&["--max-allowed-packet=64M"]);
    let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
    admin
        .query_drop("CREATE TABLE app.sent (a LONGBLOB) ENGINE=InnoDB")
        .unwrap();
    for how in [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ] {
        let impatient = opts(&server.url()).write_timeout(Some(PATIENCE));
        let pool = pool(MySqlManager::new(impatient).unwrap(), how);
        let mut connection = pool.get().unwrap();
        let statement = connection.prep("INSERT INTO sent VALUES (?)").unwrap();
        let session = connection.connection_id();
        server.pause();
        let error = connection
            .exec_drop(&statement, (vec![b'x'; LARGE],))
            .expect_err("a time-out");
        server.resume();
        ended(connection, &error);
        eventually("the session has ended", || {
            let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
            let rows: Vec<::mysql::Row> = admin.query("SHOW PROCESSLIST").unwrap();
            !rows.iter().any(|row| row.get("Id") == Some(session))
        });
        let rows: Option<i64> = admin.query_first("SELECT count(*) FROM app.sent").unwrap();
        assert_eq!(rows, Some(0), "{how:?}");
        let got: Option<i64> = pool.get().unwrap().query_first("SELECT 42").unwrap();
        assert_eq!(got, Some(42), "{how:?}");
        let closed = pool.status().closed_by_reason;
        assert_eq!(closed.get(&CloseReason::Lost), None, "{closed:?}");
    }
}

fn a_statement_that_was_sent_halfway_is_not_run<S: TestServer>() {
    halfway::<S>(|connection, _| drop(connection));
}

fn a_statement_that_was_sent_halfway_is_not_run_even_where_its_error_is_noted<S: TestServer>() {
    halfway::<S>(|mut connection, error| {
        Connection::note_error(&mut connection, error);
    });
}

fn a_statement_that_was_sent_halfway_is_not_run_where_its_connection_is_invalidated<
    S: TestServer,
>() {
    halfway::<S>(|connection, _| Connection::invalidate(connection));
}

/// The hook refuses the connection, and the pool then drops it.
fn a_statement_that_a_hook_sent_halfway_is_not_run<S: TestServer>() {
    let server = S::start_with(&["--max-allowed-packet=64M"]);
    let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
    admin
        .query_drop("CREATE TABLE app.sent (a LONGBLOB) ENGINE=InnoDB")
        .unwrap();
    let impatient = opts(&server.url()).write_timeout(Some(PATIENCE));
    let (prepared, is_prepared) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let may_go = parking_lot::Mutex::new(may_go);
    let pool = queuepool::Pool::builder(MySqlManager::new(impatient).unwrap())
        .settings(size(1, 0))
        .on_connect(move |connection, _| {
            let statement = connection.prep("INSERT INTO sent VALUES (?)")?;
            prepared.send(connection.connection_id())?;
            may_go.lock().recv()?;
            Ok(connection.exec_drop(&statement, (vec![b'x'; LARGE],))?)
        })
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(drop));
        let session = is_prepared.recv().unwrap();
        server.pause();
        go.send(()).unwrap();
        let error = caller.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), queuepool::ErrorKind::Hook, "{error}");
        server.resume();
        eventually("the session has ended", || {
            let mut admin = Conn::new(opts(&server.admin_url())).unwrap();
            let rows: Vec<::mysql::Row> = admin.query("SHOW PROCESSLIST").unwrap();
            !rows.iter().any(|row| row.get("Id") == Some(session))
        });
    });
    let rows: Option<i64> = admin.query_first("SELECT count(*) FROM app.sent").unwrap();
    assert_eq!(rows, Some(0));
}
