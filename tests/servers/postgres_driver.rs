//! The PostgreSQL driver, tested with real servers.

use std::path::Path;
use std::time::{Duration, Instant};

use ::postgres::{Client, Config, SimpleQueryMessage};
use queuepool::postgres::{PostgresDriver, PostgresManager};
use queuepool::{Call, Driver, Error, ErrorClass, ResetOnReturn, Settings};
use r2d2::ManageConnection;
use support::servers::{NewestPostgres, PgBouncer, Postgres, TestServer, to_nowhere};

use crate::driver::{self, Bundled, LIMIT, with_command_timeout};

driver::tests_of!(PostgreSql, [
    a_terminated_connection_is_lost,
    every_connection_is_lost_when_the_server_stops_or_crashes,
    a_ping_of_a_silent_server_ends_at_its_limit_and_does_not_mean_lost,
    a_full_server_says_so,
    a_refused_statement_says_nothing_about_the_connection,
    a_reset_ends_transactions_in_every_state,
    a_reset_outside_a_transaction_leaves_no_warning_in_the_servers_log,
    a_full_reset_clears_the_session_and_a_rollback_does_not,
    the_command_timeout_stops_a_slow_statement_and_survives_a_full_reset,
    a_statement_timeout_in_the_urls_options_wins_over_the_command_timeout,
    the_server_sees_the_pools_name_unless_the_url_or_config_names_another,
    a_unix_socket_is_named_in_the_host_or_in_a_parameter,
    keepalive_probes_can_be_turned_off_and_counted,
]: installed = Postgres, newest = NewestPostgres);

/// PostgreSQL's driver.
pub struct PostgreSql;

impl driver::Server for Postgres {
    type Bundled = PostgreSql;
}

impl driver::Server for NewestPostgres {
    type Bundled = PostgreSql;
}

impl Bundled for PostgreSql {
    type Manager = PostgresManager;
    type Driver = PostgresDriver;

    const SCHEME: &str = "postgresql";
    const A_MINUTE_TO_CONNECT: &str = "connect_timeout=60";
    const KEEPALIVE: &[(&str, u64, u64)] = &[
        ("", 25, 30),
        ("?keepalives_idle=300", 290, 300),
        ("?keepalives_idle=7200", 7100, 7200),
    ];
    const TOO_LONG_A_COMMAND: Duration = Duration::from_secs(30 * 24 * 3600);
    const BAD_URLS: &[(&str, &str)] = &[
        ("", "it is empty"),
        ("localhost/app", "scheme"),
        ("host=localhost user=app", "scheme"),
        ("mysql://h/d", "scheme"),
        ("postgresqlx://h/d", "scheme"),
        ("postgresql://", "host"),
        ("postgresql:///app", "host"),
        ("postgresql://u@h:port/d", "`port`"),
        ("postgresql://u@h:99999/d", "`port`"),
        ("postgresql://u@[::1/d", "`host`"),
        ("postgresql://%ff@h/d", "utf-8"),
        (
            "postgresql://h/d?nonsense=1",
            "\"nonsense\" in the database URL: remove it",
        ),
        ("postgresql://h/d?connect_timeout=soon", "`connect_timeout`"),
        (
            "postgresql://h/d?sslmode=perhaps",
            "invalid sslmode \"perhaps\" in the database URL: expected ",
        ),
        ("postgresql://h/d?sslmode=", "sslmode"),
        ("postgresql://h/d?user", "unterminated"),
        ("postgresql://h/d?flag", "\"flag\" in the database URL"),
        (
            "postgresql://h/d?target_session_attrs=best",
            "invalid target_session_attrs \"best\" in the database URL: expected any, read-write, ",
        ),
    ];
    const BAD_URLS_WITH_A_PASSWORD: &[&str] = &[
        "postgresql://u:hunter2@h/d?nonsense=1",
        "postgresql://u:p%40hunter2@h/d?nonsense=1",
        "postgresql://u:p@hunter2?hunter2=1@h/d",
        "postgresql://u:p@rd?hunter2=1@h/d",
        "postgresql://u:p@x:hunter2@h/d",
        "postgresql://u:p%ffhunter2@h:port/d",
        "postgresql://h/d?password=hunter2&hunter2=1",
        "postgresql://h/d?sslpassword=hunter2",
        "postgresql+hunter2://u:p@h/d?x=1",
    ];

    fn manager(url: &str) -> Result<PostgresManager, Error> {
        PostgresManager::from_url(url)
    }

    fn refused(server: &impl TestServer) -> Vec<String> {
        let url = server.url();
        vec![
            format!("{url}?options=-cnonsense%3D1"),
            format!("{url}?options=-cwork_mem%3Dnonsense"),
        ]
    }

    fn nowhere(folder: &Path) -> Vec<String> {
        vec![format!(
            "postgresql:///app?user=app&host={}",
            folder.display()
        )]
    }

    fn execute(client: &mut Client, sql: &str) -> Result<(), ::postgres::Error> {
        client.batch_execute(sql)
    }

    fn terminate(server: &impl TestServer, client: &mut Client) {
        let pid = pid(client);
        let mut admin = Client::connect(&server.admin_url(), ::postgres::NoTls).expect("an admin");
        admin
            .simple_query(&format!("SELECT pg_terminate_backend({pid}, 5000)"))
            .expect("the right");
    }
}

fn prepared(url: &str, settings: &Settings) -> (PostgresManager, PostgresDriver) {
    driver::prepared::<PostgreSql>(url, settings)
}

fn text(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).expect("a good query");
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.expect("a row with a value")
}

fn pid(client: &mut Client) -> String {
    text(client, "SELECT pg_backend_pid()")
}

fn is_bounded(driver: &PostgresDriver, call: Call) -> bool {
    <PostgresDriver as Driver<PostgresManager>>::is_bounded(driver, call)
}

#[test]
fn a_ping_is_bounded_and_a_validation_query_is_not() {
    let url = "postgresql://h/d";
    let (_, driver) = prepared(url, &Settings::default());
    assert!(is_bounded(&driver, Call::Ping));
    let (_, driver) = prepared(url, &Settings::default().validation_query("SELECT 1"));
    assert!(!is_bounded(&driver, Call::Ping));
}

fn a_terminated_connection_is_lost<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    PostgreSql::terminate(&server, &mut client);
    let error = driver.ping(&manager, &mut client, LIMIT).expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
    let again = driver.ping(&manager, &mut client, LIMIT).expect_err("gone");
    assert_eq!(driver.classify(&again), ErrorClass::Lost, "{again:?}");
    assert!(driver.is_broken(&manager, &mut client));
}

fn every_connection_is_lost_when_the_server_stops_or_crashes<S: TestServer>() {
    let mut server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    for crash in [false, true] {
        let mut client = manager.connect().expect("a connection");
        match crash {
            true => server.kill(),
            false => server.stop(),
        }
        // After its parent has crashed, a backend answers until it notices.
        let begun = Instant::now();
        let error = loop {
            match driver.ping(&manager, &mut client, LIMIT) {
                Err(error) => break error,
                Ok(()) => assert!(begun.elapsed() < LIMIT, "the backend lives on"),
            }
        };
        assert_eq!(driver.classify(&error), ErrorClass::Lost, "{error:?}");
        let refused = manager.connect().err().expect("nobody listens");
        assert_eq!(driver.classify(&refused), ErrorClass::Lost, "{refused:?}");
        server.start_again();
    }
}

fn a_ping_of_a_silent_server_ends_at_its_limit_and_does_not_mean_lost<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    server.pause();
    let begun = Instant::now();
    let limit = Duration::from_millis(200);
    let error = driver.ping(&manager, &mut client, limit).expect_err("mute");
    let taken = begun.elapsed();
    server.resume();
    assert!(taken >= limit && taken < limit * 3, "{taken:?}");
    assert_eq!(driver.classify(&error), ErrorClass::Transient, "{error:?}");
}

fn a_full_server_says_so<S: TestServer>() {
    let server = S::start_with(&["max_connections=4", "superuser_reserved_connections=1"]);
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut clients = Vec::new();
    let error = loop {
        match manager.connect() {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!(clients.len(), 3);
    assert_eq!(driver.classify(&error), ErrorClass::Full, "{error:?}");
}

fn a_refused_statement_says_nothing_about_the_connection<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    for sql in [
        "SELEC 1",
        "SELECT 1/0",
        "SELECT * FROM missing",
        "VACUUM pg_authid; COMMIT",
    ] {
        let error = client.batch_execute(sql).expect_err("a refusal");
        assert_eq!(driver.classify(&error), ErrorClass::Statement, "{error:?}");
    }
    let error = client
        .query_one("SELECT 1 WHERE false", &[])
        .expect_err("no row");
    assert_eq!(driver.classify(&error), ErrorClass::Statement, "{error:?}");
}

fn a_reset_ends_transactions_in_every_state<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    client
        .batch_execute("CREATE TABLE t (i int)")
        .expect("a table");
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (1)")
            .expect("open");
        driver.reset(&manager, &mut client, how).expect("a reset");
        assert_eq!(text(&mut client, "SELECT count(*) FROM t"), "0");

        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (1)")
            .expect("open");
        client
            .batch_execute("SELECT 1/0")
            .expect_err("a failed transaction");
        driver
            .ping(&manager, &mut client, LIMIT)
            .expect("an empty query is fine even there");
        driver.reset(&manager, &mut client, how).expect("a reset");
        assert_eq!(text(&mut client, "SELECT count(*) FROM t"), "0");
        client
            .batch_execute("BEGIN; COMMIT")
            .expect("no transaction is left");
    }
}

fn a_reset_outside_a_transaction_leaves_no_warning_in_the_servers_log<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        driver.reset(&manager, &mut client, how).expect("a reset");
    }
    // Outside a transaction the resets log no warning.
    assert!(
        !server.log_text().contains("WARNING"),
        "{}",
        server.log_text()
    );
    client
        .batch_execute("ROLLBACK")
        .expect("what the reset avoids");
    assert!(
        server
            .log_text()
            .contains("WARNING:  there is no transaction in progress")
    );
}

fn a_full_reset_clears_the_session_and_a_rollback_does_not<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    let begun = pid(&mut client);
    client
        .batch_execute("CREATE TEMP TABLE scratch (i int); SET work_mem = '7MB'; LISTEN news")
        .expect("a session");
    driver
        .reset(&manager, &mut client, ResetOnReturn::Rollback)
        .expect("a reset");
    assert_eq!(text(&mut client, "SHOW work_mem"), "7MB");
    assert_eq!(text(&mut client, "SELECT count(*) FROM scratch"), "0");
    driver
        .reset(&manager, &mut client, ResetOnReturn::Full)
        .expect("a reset");
    assert_ne!(text(&mut client, "SHOW work_mem"), "7MB");
    client
        .batch_execute("SELECT * FROM scratch")
        .expect_err("it is gone");
    assert_eq!(
        text(&mut client, "SELECT count(*) FROM pg_listening_channels()"),
        "0"
    );
    assert_eq!(pid(&mut client), begun);
}

fn the_command_timeout_stops_a_slow_statement_and_survives_a_full_reset<S: TestServer>() {
    let server = S::start();
    let settings = with_command_timeout(Duration::from_millis(150));
    let (manager, driver) = prepared(&server.url(), &settings);
    let mut client = manager.connect().expect("a connection");
    for _ in 0..2 {
        let begun = Instant::now();
        let error = client
            .batch_execute("SELECT pg_sleep(5)")
            .expect_err("stopped");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(error.code().map(|code| code.code()), Some("57014"));
        assert_eq!(driver.classify(&error), ErrorClass::Statement);
        driver
            .reset(&manager, &mut client, ResetOnReturn::Full)
            .expect("a reset");
        assert_eq!(text(&mut client, "SHOW statement_timeout"), "150ms");
        assert_eq!(text(&mut client, "SHOW application_name"), "orders");
    }
}

fn a_statement_timeout_in_the_urls_options_wins_over_the_command_timeout<S: TestServer>() {
    let server = S::start();
    let url = format!("{}?options=-cstatement_timeout%3D7s", server.url());
    let (manager, _) = prepared(&url, &with_command_timeout(Duration::from_secs(1)));
    let mut client = manager.connect().expect("a connection");
    assert_eq!(text(&mut client, "SHOW statement_timeout"), "7s");
}

fn the_server_sees_the_pools_name_unless_the_url_or_config_names_another<S: TestServer>() {
    let server = S::start();
    let seen = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let (manager, _) = prepared(&server.url(), &Settings::default());
    assert_eq!(
        text(&mut manager.connect().expect("a connection"), seen),
        "orders"
    );
    let url = format!("{}?application_name=batch", server.url());
    let (manager, _) = prepared(&url, &Settings::default());
    assert_eq!(
        text(&mut manager.connect().expect("a connection"), seen),
        "batch"
    );
    let mut config: Config = server.url().parse().expect("good");
    config.application_name("mine");
    let mut manager = PostgresManager::new(config).expect("good");
    PostgresDriver::new()
        .prepare(&mut manager, "orders", &Settings::default())
        .expect("good");
    assert_eq!(
        text(&mut manager.connect().expect("a connection"), seen),
        "mine"
    );
}

fn keepalive_probes_can_be_turned_off_and_counted<S: TestServer>() {
    let server = S::start();
    let off = format!("{}?keepalives=0", server.url());
    let (manager, _) = prepared(&off, &Settings::default());
    let _client = manager.connect().expect("a connection");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        support::servers::keepalive_seconds(server.port()),
        Vec::<u64>::new()
    );
    let (manager, _) = prepared("postgresql://h/d?keepalives_count=9", &Settings::default());
    let shown = format!("{manager:?}");
    assert!(shown.contains("keepalives_retries: Some(9)"), "{shown}");
    assert!(shown.contains("keepalives_interval: Some(10s)"), "{shown}");
}

fn a_unix_socket_is_named_in_the_host_or_in_a_parameter<S: TestServer>() {
    let server = S::start();
    let directory = server.directory().display().to_string();
    let encoded = directory.replace('/', "%2F");
    let (user, port) = ("app:s3cret%2Fpass%40word", server.port());
    for url in [
        format!("postgresql://{user}@{encoded}:{port}/app"),
        format!("postgresql://{user}@/app?host={directory}&port={port}"),
        format!(
            "postgres:///app?user=app&password=s3cret%2Fpass%40word&host={encoded}&port={port}"
        ),
    ] {
        let mut settings = Settings::default();
        // There is no network whose traffic could be encrypted.
        settings.require_tls = true;
        let (manager, _) = prepared(&url, &settings);
        let mut client = manager.connect().expect("a connection");
        assert_eq!(text(&mut client, "SELECT inet_client_addr() IS NULL"), "t");
    }
}

#[test]
fn a_pgbouncer_accepts_the_pools_connections_and_its_resets() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start(&server, "session");
    let settings = with_command_timeout(Duration::from_millis(150));
    let (manager, driver) = prepared(&bouncer.url(), &settings);
    let mut client = manager.connect().expect("a connection");
    driver.ping(&manager, &mut client, LIMIT).expect("alive");
    driver
        .reset(&manager, &mut client, ResetOnReturn::Full)
        .expect("a reset");
    assert_eq!(text(&mut client, "SHOW statement_timeout"), "150ms");
    for wrong in [
        bouncer.url().replace("s3cret", "wrong"),
        bouncer.url().replace("app:", "nobody:"),
        to_nowhere(&bouncer.url()),
        format!("{}?options=-cwork_mem%3D5MB", bouncer.url()),
    ] {
        let manager = PostgresManager::from_url(&wrong).expect("a good URL");
        let error = manager.connect().err().expect("a refusal");
        assert_eq!(driver.classify(&error), ErrorClass::Permanent, "{error:?}");
    }
}
