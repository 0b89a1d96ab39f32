//! What a connection to MariaDB or MySQL carries over to its next user: the table of `ResetOnReturn`, cell by cell, and
//! random rounds.

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::{Database, ResetOnReturn};

use crate::pool::size;
use support::rounds::{Deed, Property, Row, Undone, hold, play};
use support::servers::{TestServer, on_each};

on_each!([
    never_hands_on_no_answer,
    rollback_leaves_what_the_table_says,
    full_leaves_what_the_table_says,
    every_cell_of_the_table_is_true
]: mariadb = MariaDb, mysql_itself = MySql);

fn never_hands_on_no_answer<S: TestServer>() {
    carried::<S>(ResetOnReturn::Never);
}

fn rollback_leaves_what_the_table_says<S: TestServer>() {
    carried::<S>(ResetOnReturn::Rollback);
}

fn full_leaves_what_the_table_says<S: TestServer>() {
    carried::<S>(ResetOnReturn::Full);
}

fn carried<S: TestServer>(how: ResetOnReturn) {
    let server = prepared::<S>();
    play(
        &pool(&server, how),
        how,
        &[SQL, BY_THE_DRIVER].concat(),
        PROPERTIES,
    );
}

fn every_cell_of_the_table_is_true<S: TestServer>() {
    let server = prepared::<S>();
    hold(TABLE, |how| pool(&server, how));
}

fn pool<S: TestServer>(server: &S, how: ResetOnReturn) -> MySqlPool {
    MySqlPool::builder(server.url())
        .unwrap()
        .settings(size(1, 0).reset_on_return(how))
        .build()
        .unwrap()
}

fn prepared<S: TestServer>() -> S {
    let server = S::start();
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    for sql in [
        "CREATE DATABASE other",
        "GRANT ALL ON other.* TO 'app'@'127.0.0.1'",
        "CREATE TABLE app.kept (a int) ENGINE=InnoDB",
        "CREATE TABLE app.second (a int) ENGINE=InnoDB",
    ] {
        admin.get().unwrap().execute(sql).unwrap();
    }
    server
}

/// The first value, or the error.
fn ask(connection: &mut Conn, sql: &str) -> String {
    match connection.query_first::<Option<String>, _>(sql) {
        Ok(Some(value)) => value.unwrap_or_else(|| "NULL".to_owned()),
        Ok(None) => "no row".to_owned(),
        Err(::mysql::Error::MySqlError(error)) => format!("error {}", error.code),
        Err(error) => format!("error {error}"),
    }
}

const fn row(
    what: &'static str,
    undone: Undone,
    leave: fn(&mut Conn),
    is_left: fn(&mut Conn) -> bool,
) -> Row<MySqlManager> {
    Row {
        what,
        leave,
        is_left,
        undone,
    }
}

fn run(connection: &mut Conn, sql: &str) {
    connection.query_drop(sql).unwrap();
}

const TABLE: &[Row<MySqlManager>] = &[
    row(
        "a transaction",
        Undone::ByRollback,
        |connection| run(connection, "BEGIN; INSERT INTO app.kept VALUES (1)"),
        |connection| {
            let is_left = ask(connection, "SELECT count(*) FROM app.kept") != "0";
            let _ = connection.query_drop("ROLLBACK");
            is_left
        },
    ),
    row(
        "autocommit",
        Undone::ByRollback,
        |connection| run(connection, "SET autocommit = 0"),
        |connection| ask(connection, "SELECT @@autocommit") == "0",
    ),
    row(
        "locked tables",
        Undone::ByRollback,
        |connection| run(connection, "LOCK TABLES app.kept WRITE"),
        |connection| ask(connection, "SELECT count(*) FROM app.second") == "error 1100",
    ),
    row(
        "the database",
        Undone::ByFull,
        |connection| run(connection, "USE other"),
        |connection| ask(connection, "SELECT DATABASE()") == "other",
    ),
    row(
        "the character set",
        Undone::ByFull,
        |connection| run(connection, "SET NAMES latin1"),
        |connection| ask(connection, "SELECT @@character_set_client") == "latin1",
    ),
    row(
        "sql_mode",
        Undone::ByFull,
        |connection| run(connection, "SET sql_mode = 'ANSI_QUOTES'"),
        |connection| ask(connection, "SELECT @@sql_mode") == "ANSI_QUOTES",
    ),
    row(
        "the time zone",
        Undone::ByFull,
        |connection| run(connection, "SET time_zone = '+09:00'"),
        |connection| ask(connection, "SELECT @@time_zone") == "+09:00",
    ),
    row(
        "a user variable",
        Undone::ByFull,
        |connection| run(connection, "SET @tenant = 42"),
        |connection| ask(connection, "SELECT @tenant") == "42",
    ),
    row(
        "a temporary table",
        Undone::ByFull,
        |connection| run(connection, "CREATE TEMPORARY TABLE app.mine (a int)"),
        |connection| ask(connection, "SELECT count(*) FROM app.mine") == "0",
    ),
    row(
        "GET_LOCK",
        Undone::ByFull,
        |connection| run(connection, "SELECT GET_LOCK('mine', 0)"),
        |connection| ask(connection, "SELECT IS_USED_LOCK('mine') = CONNECTION_ID()") == "1",
    ),
    row(
        "a statement prepared by SQL",
        Undone::ByFull,
        |connection| run(connection, "PREPARE asked FROM 'SELECT 1'"),
        |connection| ask(connection, "EXECUTE asked") == "1",
    ),
];

const PROPERTIES: &[Property<MySqlManager>] = &[
    ("its own answers", Undone::Always, |connection| {
        let token = fastrand::u64(..);
        (ask(connection, &format!("SELECT {token}")) == token.to_string()).to_string()
    }),
    ("autocommit", Undone::ByRollback, |connection| {
        ask(connection, "SELECT @@autocommit")
    }),
    (
        "a row of the next user's own",
        Undone::ByRollback,
        |connection| {
            // Outside a transaction and with autocommit on, nothing rolls it back. (Some of the last user's rows are committed
            // by what that user did next: BEGIN and LOCK TABLES do that.)
            let added = ask(connection, "INSERT INTO app.second VALUES (5)");
            let _ = connection.query_drop("ROLLBACK");
            let found = ask(connection, "SELECT count(*) FROM app.second");
            let _ = connection.query_drop("DELETE FROM app.second; COMMIT");
            format!("{added}, {found}")
        },
    ),
    ("locked tables", Undone::ByRollback, |connection| {
        ask(connection, "SELECT count(*) FROM app.second")
    }),
    (
        "a transaction of the next user's own",
        Undone::ByRollback,
        |connection| {
            // Allowed only outside a transaction.
            ask(
                connection,
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            )
        },
    ),
    ("database", Undone::ByFull, |connection| {
        ask(connection, "SELECT DATABASE()")
    }),
    (
        "character set and collation",
        Undone::ByFull,
        |connection| {
            ask(
                connection,
                "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_results, @@collation_connection)",
            )
        },
    ),
    ("session variables", Undone::ByFull, |connection| {
        ask(
            connection,
            "SELECT CONCAT_WS(' ', @@sql_mode, @@time_zone, @@sort_buffer_size, @@foreign_key_checks, \
             @@lock_wait_timeout, @@wait_timeout)",
        )
    }),
    ("isolation level", Undone::ByFull, |connection| {
        // MariaDB 10.11 knows only the older name.
        match ask(connection, "SELECT @@transaction_isolation") {
            unknown if unknown == "error 1193" => ask(connection, "SELECT @@tx_isolation"),
            level => level,
        }
    }),
    ("user variables", Undone::ByFull, |connection| {
        ask(connection, "SELECT CONCAT_WS(' ', @tenant, @other)")
    }),
    ("temporary tables", Undone::ByFull, |connection| {
        ask(connection, "SELECT count(*) FROM app.mine")
    }),
    ("GET_LOCK", Undone::ByFull, |connection| {
        ask(
            connection,
            "SELECT COALESCE(IS_USED_LOCK('mine') = CONNECTION_ID(), 0)",
        )
    }),
    ("statements prepared by SQL", Undone::ByFull, |connection| {
        ask(connection, "EXECUTE asked")
    }),
    ("last insert id", Undone::ByFull, |connection| {
        ask(connection, "SELECT LAST_INSERT_ID()")
    }),
];

macro_rules! run {
    ($($sql:literal),+ $(,)?) => {
        &[$(($sql, |connection| { let _ = connection.query_drop($sql); }),)+]
    };
}

const SQL: &[Deed<MySqlManager>] = run![
    "BEGIN",
    "BEGIN; INSERT INTO app.kept VALUES (1)",
    "START TRANSACTION READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SET autocommit = 0",
    "SET autocommit = 0; INSERT INTO app.kept VALUES (2)",
    "SET autocommit = 0; SELECT count(*) FROM app.kept",
    "BEGIN; INSERT INTO app.kept VALUES (3); SAVEPOINT one",
    "BEGIN; SELECT nonsense",
    "BEGIN; SELECT * FROM app.kept FOR UPDATE",
    "LOCK TABLES app.kept WRITE",
    "LOCK TABLES app.kept READ",
    "SET autocommit = 0; LOCK TABLES app.kept WRITE; INSERT INTO app.kept VALUES (4)",
    "USE other",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
    "SET character_set_results = NULL",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET time_zone = '+09:00'",
    "SET SESSION sort_buffer_size = 65536",
    "SET SESSION foreign_key_checks = 0",
    "SET SESSION lock_wait_timeout = 7",
    "SET SESSION wait_timeout = 1000",
    "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET @tenant = 42",
    "SET @other = 'x'",
    "CREATE TEMPORARY TABLE app.mine (a int)",
    "CREATE TEMPORARY TABLE app.mine (a int); INSERT INTO app.mine VALUES (1)",
    "SELECT GET_LOCK('mine', 0)",
    "SELECT GET_LOCK('mine', 0), GET_LOCK('more', 0)",
    "PREPARE asked FROM 'SELECT 1'",
    "SELECT LAST_INSERT_ID(77)",
    "SELECT nonsense",
    "SELECT 1; SELECT 2; SELECT 3",
    "SELECT 1; SELECT nonsense; SELECT 3",
    "HANDLER app.second OPEN",
];

const BY_THE_DRIVER: &[Deed<MySqlManager>] = &[
    ("a prepared query", |connection| {
        let _ = connection.exec_drop("SELECT ? + 1", (1,));
    }),
    ("a statement prepared and forgotten", |connection| {
        let _ = connection
            .prep("SELECT count(*) FROM app.second")
            .map(std::mem::forget);
    }),
    ("rows read halfway", |connection| {
        if let Ok(mut rows) = connection.query_iter("SELECT 1 UNION SELECT 2 UNION SELECT 3") {
            let _ = rows.next();
        }
    }),
    ("several results read halfway", |connection| {
        if let Ok(mut rows) = connection.query_iter("SELECT 1; SELECT 2; SELECT 3") {
            let _ = rows.next();
        }
    }),
    ("a transaction of the driver's, forgotten", |connection| {
        let options = ::mysql::TxOpts::default();
        let _ = connection.start_transaction(options).map(std::mem::forget);
    }),
    ("another database, by the driver", |connection| {
        let _ = connection.select_db("other");
    }),
];
