//! The MySQL and MariaDB driver, tested with both servers.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Opts, OptsBuilder};
use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::{Driver, Error, ErrorClass, ResetOnReturn, Settings};
use r2d2::ManageConnection;
use support::servers::{MariaDb, MySql, TestServer, to_nowhere};

use crate::driver::{self, Bundled, LIMIT, with_command_timeout};

driver::tests_of!(MySqlFamily, [
    a_killed_connection_is_lost_and_known_to_be_without_a_round_trip,
    a_connection_killed_while_it_works_is_lost,
    every_connection_is_lost_when_the_server_stops_or_crashes,
    the_local_look_at_a_silent_servers_connection_does_not_block,
    a_ping_and_a_reset_that_a_silent_server_does_not_answer_can_be_aborted,
    an_answer_nobody_read_is_owed_and_says_nothing_of_the_server,
    a_full_server_says_so,
    a_refused_statement_says_nothing_about_the_connection,
    a_reset_rolls_an_open_transaction_back,
    a_full_reset_clears_the_session_and_a_rollback_does_not,
    the_command_timeout_stops_a_slow_statement_and_survives_a_full_reset,
    the_server_sees_the_pools_name_unless_the_opts_name_another,
    a_tcp_url_stays_on_tcp_and_a_socket_is_used_when_named,
    other_spellings_of_the_scheme_and_sqlalchemys_charset_are_understood,
]: mariadb = MariaDb, mysql_itself = MySql);

/// MySQL's driver.
pub struct MySqlFamily;

impl driver::Server for MariaDb {
    type Bundled = MySqlFamily;
}

impl driver::Server for MySql {
    type Bundled = MySqlFamily;
}

impl Bundled for MySqlFamily {
    type Manager = MySqlManager;
    type Driver = MySqlDriver;

    const SCHEME: &str = "mysql";
    const A_MINUTE_TO_CONNECT: &str = "tcp_connect_timeout_ms=60000";
    const KEEPALIVE: &[(&str, u64, u64)] =
        &[("", 25, 30), ("?tcp_keepalive_time_ms=300000", 290, 300)];
    const TOO_LONG_A_COMMAND: Duration = Duration::from_secs(60 * 24 * 3600);
    const BAD_URLS: &[(&str, &str)] = &[
        ("", "it is empty"),
        ("localhost/app", "scheme"),
        ("postgres://h/d", "scheme"),
        ("mysqlx://h/d", "scheme"),
        ("mysql://", "URL"),
        ("mysql:///app", "URL"),
        ("mysql://u@h:port/d", "port"),
        ("mysql://u@h:99999/d", "port"),
        ("mysql://u@[::1/d", "IPv6"),
        (
            "mysql://h/d?nonsense=1",
            "\"nonsense\" in the database URL: remove it",
        ),
        (
            "mysql://h/d?tcp_connect_timeout_ms=soon",
            "`tcp_connect_timeout_ms'",
        ),
        (
            "mysql://h/d?ssl-mode=perhaps",
            "invalid ssl-mode \"perhaps\" in the database URL: expected ",
        ),
        (
            "mysql://h/d?charset=latin1",
            "invalid charset \"latin1\" in the database URL: expected utf8mb4",
        ),
        ("mysql://u:p#w@h/d", "percent-encoded"),
        ("mysql://u:12/w@h/d", "percent-encoded"),
    ];
    const BAD_URLS_WITH_A_PASSWORD: &[&str] = &[
        "mysql://u:hunter2@h/d?nonsense=1",
        "mysql://u:p%40hunter2@h/d?nonsense=1",
        "mysql://u:1?hunter2=1@h/d",
        "mysql://u:1/hunter2@h/d",
        "mysql://u:1#hunter2@h/d",
        "mysql://u:hunter2/x@h/d",
        "mysql://h/d?password=hunter2&hunter2=1",
        "mysql://h/d?port=hunter2&password=hunter2",
        "mysql://h/d?pkcs12_pass=hunter2",
        "mysql+hunter2://u:p@h/d?x=1",
    ];

    fn manager(url: &str) -> Result<MySqlManager, Error> {
        MySqlManager::from_url(url)
    }

    fn refused(server: &impl TestServer) -> Vec<String> {
        vec![to_nowhere(&server.admin_url())]
    }

    fn nowhere(_: &Path) -> Vec<String> {
        vec!["mysql://app:x@localhost/app?socket=/nowhere/mysqld.sock".to_owned()]
    }

    fn execute(connection: &mut Conn, sql: &str) -> Result<(), ::mysql::Error> {
        connection.query_drop(sql)
    }

    fn terminate(server: &impl TestServer, connection: &mut Conn) {
        let mut admin = Conn::new(server.admin_url().as_str()).expect("an admin");
        let id = connection.connection_id();
        admin.query_drop(format!("KILL {id}")).expect("the right");
        let limit = Instant::now() + LIMIT;
        while processes(&mut admin).iter().any(|process| process.0 == id) {
            assert!(Instant::now() < limit, "connection {id} is still there");
        }
    }
}

trait MySqlServer: driver::Server {
    /// The query for the statement limit of 150 ms, and the server's answer to it.
    const STATEMENT_LIMIT: (&str, &str);
}

impl MySqlServer for MariaDb {
    const STATEMENT_LIMIT: (&str, &str) = ("SELECT @@max_statement_time", "0.150000");
}

impl MySqlServer for MySql {
    const STATEMENT_LIMIT: (&str, &str) = ("SELECT @@max_execution_time", "150");
}

fn prepared(url: &str, settings: &Settings) -> (MySqlManager, MySqlDriver) {
    driver::prepared::<MySqlFamily>(url, settings)
}

fn prepare(manager: MySqlManager, settings: &Settings) -> (MySqlManager, MySqlDriver) {
    driver::prepare::<MySqlFamily>(manager, settings)
}

fn text(connection: &mut Conn, sql: &str) -> String {
    let value: Option<Option<String>> = connection.query_first(sql).expect("a good query");
    value.flatten().expect("a row with a value")
}

/// The server's connections, each with its id and the statement that it runs. Not from information_schema: MariaDB 10.11.19
/// has crashed when that table was polled.
fn processes(admin: &mut Conn) -> Vec<(u32, String)> {
    let rows: Vec<::mysql::Row> = admin.query("SHOW FULL PROCESSLIST").expect("rows");
    let process = |row: ::mysql::Row| {
        let statement: Option<String> = row.get("Info").expect("the column Info");
        (
            row.get("Id").expect("the column Id"),
            statement.unwrap_or_default(),
        )
    };
    rows.into_iter().map(process).collect()
}

fn a_killed_connection_is_lost_and_known_to_be_without_a_round_trip<S: MySqlServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    MySqlFamily::terminate(&server, &mut connection);
    assert!(driver.is_broken(&manager, &mut connection));
    let error = driver
        .ping(&manager, &mut connection, LIMIT)
        .expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
    // What a user's statement gets.
    let mut connection = manager.connect().expect("a connection");
    MySqlFamily::terminate(&server, &mut connection);
    let error = connection.query_drop("SELECT 1").expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
    let error = connection.query_drop("SELECT 1").expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
    assert!(driver.is_broken(&manager, &mut connection));
}

fn a_connection_killed_while_it_works_is_lost<S: MySqlServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    let id = connection.connection_id();
    let sleeper = std::thread::spawn(move || connection.query_drop("DO SLEEP(20)"));
    let mut admin = Conn::new(server.admin_url().as_str()).expect("an admin");
    let sleeps = |process: &(u32, String)| process.0 == id && process.1.starts_with("DO SLEEP");
    while !processes(&mut admin).iter().any(sleeps) {}
    admin.query_drop(format!("KILL {id}")).expect("the right");
    let error = sleeper.join().expect("no panic").expect_err("killed");
    assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
}

fn every_connection_is_lost_when_the_server_stops_or_crashes<S: MySqlServer>() {
    let mut server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    for crash in [false, true] {
        let mut connection = manager.connect().expect("a connection");
        match crash {
            true => server.kill(),
            false => server.stop(),
        }
        assert!(driver.is_broken(&manager, &mut connection));
        let error = driver
            .ping(&manager, &mut connection, LIMIT)
            .expect_err("gone");
        assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
        let refused = manager.connect().expect_err("nobody listens");
        assert_eq!(driver.classify(&refused), ErrorClass::Lost, "{refused:?}");
        server.start_again();
    }
}

fn the_local_look_at_a_silent_servers_connection_does_not_block<S: MySqlServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    server.pause();
    let begun = Instant::now();
    let broken = driver.is_broken(&manager, &mut connection);
    let taken = begun.elapsed();
    server.resume();
    assert!(!broken);
    assert!(taken < Duration::from_millis(50), "{taken:?}");
}

fn a_ping_and_a_reset_that_a_silent_server_does_not_answer_can_be_aborted<S: MySqlServer>() {
    const WAIT: Duration = Duration::from_millis(50);
    let server = S::start();
    let socket = server.directory().join("mysqld.sock");
    let by_socket = format!("{}?socket={}", server.url(), socket.display());
    for url in [server.url(), by_socket] {
        let (manager, driver) = prepared(&url, &Settings::default());
        let connect = || manager.connect().expect("a connection");
        let (mut pinged, mut reset, mut reset_in_full) = (connect(), connect(), connect());
        server.pause();
        let aborted = |connection: &mut Conn, call: &dyn Fn(&mut Conn) -> Result<(), _>| {
            let begun = Instant::now();
            let abort = driver.abort_handle(connection).expect("a handle");
            let (called, calls) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    calls.recv().expect("a call");
                    std::thread::sleep(WAIT);
                    abort();
                });
                called.send(()).expect("an abort that waits");
                let error = call(connection).expect_err("no answer");
                assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
            });
            assert!(begun.elapsed() >= WAIT, "it failed without the abort");
            assert!(driver.is_broken(&manager, connection));
        };
        aborted(&mut pinged, &|conn| driver.ping(&manager, conn, LIMIT));
        aborted(&mut reset, &|conn| {
            driver
                .reset(&manager, conn, ResetOnReturn::Rollback)
                .map(drop)
        });
        aborted(&mut reset_in_full, &|conn| {
            driver.reset(&manager, conn, ResetOnReturn::Full).map(drop)
        });
        server.resume();
    }
}

fn an_answer_nobody_read_is_owed_and_says_nothing_of_the_server<S: MySqlServer>() {
    let server = S::start();
    // What is sent behind the driver's back must not need encryption.
    let url = format!("{}?ssl-mode=DISABLED", server.url());
    for how in [
        ResetOnReturn::Never,
        ResetOnReturn::Rollback,
        ResetOnReturn::Full,
    ] {
        let settings = Settings::default().reset_on_return(how);
        let (manager, driver) = prepared(&url, &settings);
        let with_an_unread_answer = || {
            let mut connection = manager.connect().expect("a connection");
            // A command sent behind the driver's back.
            let ping = [1, 0, 0, 0, 0x0e];
            nix::sys::socket::send(
                connection.as_raw_fd(),
                &ping,
                nix::sys::socket::MsgFlags::empty(),
            )
            .expect("an open socket");
            let limit = Instant::now() + LIMIT;
            while !manager.has_broken(&mut connection) {
                assert!(Instant::now() < limit, "the answer does not come");
            }
            connection
        };
        let mut connection = with_an_unread_answer();
        let error = driver
            .ping(&manager, &mut connection, LIMIT)
            .expect_err("another's answer");
        assert_eq!(driver.classify(&error), ErrorClass::Owed, "{error:?}");
        let mut connection = with_an_unread_answer();
        // If no reset follows, looking at the socket has to suffice.
        let is_never = how == ResetOnReturn::Never;
        assert_eq!(driver.is_broken(&manager, &mut connection), is_never);
        if !is_never {
            let error = driver
                .reset(&manager, &mut connection, how)
                .expect_err("another's answer");
            assert_eq!(driver.classify(&error), ErrorClass::Owed, "{error:?}");
        }
    }
}

fn a_full_server_says_so<S: MySqlServer>() {
    let server = S::start_with(&["--max-connections=10", "--max-user-connections=2"]);
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let (admin, _) = prepared(&server.admin_url(), &Settings::default());
    for manager in [manager, admin] {
        let mut connections = Vec::new();
        let error = loop {
            match manager.connect() {
                Ok(connection) => connections.push(connection),
                Err(error) => break error,
            }
        };
        assert!(connections.len() >= 2);
        assert_eq!(driver.classify(&error), ErrorClass::Full, "{error:?}");
    }
}

fn a_refused_statement_says_nothing_about_the_connection<S: MySqlServer>() {
    // MariaDB's default; MySQL's is 64 MiB.
    let server = S::start_with(&["--max-allowed-packet=16M"]);
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    for sql in ["SELEC 1", "SELECT * FROM missing"] {
        let error = connection.query_drop(sql).expect_err("a refusal");
        assert_eq!(driver.classify(&error), ErrorClass::Statement, "{error:?}");
        assert!(!driver.is_broken(&manager, &mut connection));
        driver
            .ping(&manager, &mut connection, LIMIT)
            .expect("alive");
    }
}

fn a_reset_rolls_an_open_transaction_back<S: MySqlServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    connection
        .query_drop("CREATE TABLE t (i int) ENGINE=InnoDB")
        .expect("a table");
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        connection.query_drop("START TRANSACTION").expect("open");
        connection
            .query_drop("INSERT INTO t VALUES (1)")
            .expect("a row");
        driver
            .reset(&manager, &mut connection, how)
            .expect("a reset");
        assert_eq!(text(&mut connection, "SELECT count(*) FROM t"), "0");
        // This is refused inside a transaction.
        connection
            .query_drop("SET TRANSACTION READ WRITE")
            .expect("no transaction is left");
        driver
            .reset(&manager, &mut connection, how)
            .expect("also outside one");
    }
}

fn a_full_reset_clears_the_session_and_a_rollback_does_not<S: MySqlServer>() {
    // Not Debian's default, which would hide that the character set was lost.
    let server = S::start_with(&["--character-set-server=latin1"]);
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    let id = connection.connection_id();
    let charset = "SELECT concat(@@character_set_client, ' ', @@character_set_results, ' ', @@collation_connection)";
    let at_first = text(&mut connection, charset);
    connection
        .query_drop("CREATE TEMPORARY TABLE scratch (i int); SET @x = 'left', SESSION sort_buffer_size = 65536")
        .expect("a session");
    driver
        .reset(&manager, &mut connection, ResetOnReturn::Rollback)
        .expect("a reset");
    assert_eq!(text(&mut connection, "SELECT @x"), "left");
    assert_eq!(text(&mut connection, "SELECT count(*) FROM scratch"), "0");
    driver
        .reset(&manager, &mut connection, ResetOnReturn::Full)
        .expect("a reset");
    assert_eq!(text(&mut connection, "SELECT @x IS NULL"), "1");
    assert_ne!(text(&mut connection, "SELECT @@sort_buffer_size"), "65536");
    connection
        .query_drop("SELECT * FROM scratch")
        .expect_err("it is gone");
    assert_eq!(text(&mut connection, charset), at_first);
    assert_eq!(text(&mut connection, "SELECT 'é€'"), "é€");
    assert_eq!(text(&mut connection, "SELECT DATABASE()"), "app");
    assert_eq!(connection.connection_id(), id);
}

fn the_command_timeout_stops_a_slow_statement_and_survives_a_full_reset<S: MySqlServer>() {
    let server = S::start();
    // Not SLEEP, which ends early without an error.
    let slow = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                SELECT count(*) FROM n a, n b, n c";
    let mut settings = with_command_timeout(Duration::from_millis(150));
    settings.validation_query = Some(slow.to_owned());
    let (manager, driver) = prepared(&server.url(), &settings);
    let mut connection = manager.connect().expect("a connection");
    driver
        .ping(&manager, &mut connection, LIMIT)
        .expect_err("the pool's own statement is stopped, and its error is seen");
    for _ in 0..2 {
        let begun = Instant::now();
        // Not query_drop either, which loses the error that comes instead of the first row.
        let answer: Result<Vec<String>, _> = connection.query(slow);
        let error = answer.expect_err("stopped");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(driver.classify(&error), ErrorClass::Statement, "{error:?}");
        driver
            .reset(&manager, &mut connection, ResetOnReturn::Full)
            .expect("a reset");
        let (question, limit) = S::STATEMENT_LIMIT;
        assert_eq!(text(&mut connection, question), limit);
    }
}

fn the_server_sees_the_pools_name_unless_the_opts_name_another<S: MySqlServer>() {
    let server = S::start_with(&["--performance-schema=ON"]);
    let seen = "SELECT attr_value FROM performance_schema.session_connect_attrs \
                WHERE attr_name = 'program_name' AND processlist_id = CONNECTION_ID()";
    let (manager, _) = prepared(&server.admin_url(), &Settings::default());
    assert_eq!(
        text(&mut manager.connect().expect("a connection"), seen),
        "orders"
    );
    let opts = OptsBuilder::from_opts(Opts::from_url(&server.admin_url()).expect("good"))
        .connect_attrs(Some([("program_name", "mine")].into()));
    let manager = MySqlManager::new(opts).expect("good");
    let (manager, _) = prepare(manager, &Settings::default());
    assert_eq!(
        text(&mut manager.connect().expect("a connection"), seen),
        "mine"
    );
}

fn a_tcp_url_stays_on_tcp_and_a_socket_is_used_when_named<S: MySqlServer>() {
    let server = S::start();
    let socket = server.directory().join("mysqld.sock");
    let peer = "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()";
    let (manager, _) = prepared(&server.url(), &Settings::default());
    let host = text(&mut manager.connect().expect("a connection"), peer);
    assert!(host.starts_with("127.0.0.1"), "{host}");
    let opts = Opts::from_url(&server.url()).expect("good");
    let (manager, _) = prepare(MySqlManager::new(opts).expect("good"), &Settings::default());
    let host = text(&mut manager.connect().expect("a connection"), peer);
    assert!(host.starts_with("127.0.0.1"), "{host}");
    for parameter in [
        format!("socket={}", socket.display()),
        format!("unix_socket={}", socket.display()),
        // The driver does not leave an encrypted connection, which MySQL offers by itself, for a socket.
        "prefer_socket=true&ssl-mode=disabled".to_owned(),
    ] {
        let url = format!("{}?{parameter}", server.url());
        let (manager, _) = prepared(&url, &Settings::default());
        let host = text(&mut manager.connect().expect("a connection"), peer);
        assert_eq!(host, "localhost", "{parameter}");
    }
}

fn other_spellings_of_the_scheme_and_sqlalchemys_charset_are_understood<S: MySqlServer>() {
    let server = S::start();
    for scheme in [
        "mysql",
        "mariadb",
        "mysql+pymysql",
        "mariadb+mariadbconnector",
    ] {
        let url = format!("{}?charset=utf8mb4", server.url().replace("mysql", scheme));
        let (manager, _) = prepared(&url, &Settings::default());
        manager.connect().expect("a connection");
    }
}
