//! The PostgreSQL driver against real servers.

use std::error::Error as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::servers::{PASSWORD, PgBouncer, Postgres, TestServer, free_port, to_nowhere};
use ::postgres::{Client, Config, SimpleQueryMessage};
use queuepool::ErrorKind;
use queuepool::postgres::{PostgresDriver, PostgresManager};
use queuepool::{Call, Driver, ErrorClass};
use queuepool::{ResetOnReturn, Settings};
use r2d2::ManageConnection;

const LIMIT: Duration = Duration::from_secs(5);

crate::servers::on_each!([
    a_healthy_connection_answers_the_ping,
    a_terminated_connection_is_lost,
    every_connection_is_lost_when_the_server_stops_or_crashes,
    a_ping_of_a_silent_server_ends_at_its_limit_and_does_not_mean_lost,
    a_wrong_password_or_database_is_permanent,
    a_full_server_is_transient,
    a_refused_statement_says_nothing_about_the_connection,
    a_reset_ends_transactions_in_every_state,
    a_reset_outside_a_transaction_leaves_no_warning_in_the_servers_log,
    a_full_reset_clears_the_session_and_a_rollback_does_not,
    the_command_timeout_stops_a_slow_statement_and_survives_a_full_reset,
    a_statement_timeout_in_the_urls_options_wins_over_the_command_timeout,
    the_server_sees_the_pools_name_unless_the_url_or_config_names_another,
    keepalive_probes_begin_after_30_seconds_unless_the_url_says_otherwise,
    a_validation_query_is_the_ping_and_is_not_bounded,
    a_unix_socket_is_named_in_the_host_or_in_a_parameter,
    a_password_shows_in_no_text,
]: installed = Postgres, newest = NewestPostgres);

/// What the pool does when it is built.
fn prepared(url: &str, settings: &Settings) -> (PostgresManager, PostgresDriver) {
    let mut manager = PostgresManager::from_url(url).expect("a good URL");
    let mut driver = PostgresDriver::new();
    driver
        .prepare(&mut manager, "orders", settings)
        .expect("good settings");
    (manager, driver)
}

fn with_command_timeout(limit: Duration) -> Settings {
    let mut settings = Settings::default();
    settings.command_timeout = Some(limit);
    settings
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

/// Ends the server's side of `client`, and returns when it is gone.
fn terminate<S: TestServer>(server: &S, client: &mut Client) {
    let pid = pid(client);
    let mut admin = Client::connect(&server.admin_url(), ::postgres::NoTls).expect("an admin");
    admin
        .simple_query(&format!("SELECT pg_terminate_backend({pid}, 5000)"))
        .expect("the right");
}

fn a_healthy_connection_answers_the_ping<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    driver.ping(&manager, &mut client, LIMIT).expect("alive");
    manager.is_valid(&mut client).expect("alive");
    assert!(!driver.is_broken(&manager, &mut client));
    assert!(<PostgresDriver as Driver<PostgresManager>>::is_bounded(
        &driver,
        Call::Ping
    ));
}

fn a_terminated_connection_is_lost<S: TestServer>() {
    let server = S::start();
    let (manager, driver) = prepared(&server.url(), &Settings::default());
    let mut client = manager.connect().expect("a connection");
    terminate(&server, &mut client);
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
        // After a crash of its parent a backend answers until it has noticed.
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

fn a_wrong_password_or_database_is_permanent<S: TestServer>() {
    let server = S::start();
    let port = server.port();
    for url in [
        format!("postgresql://app:wrong@127.0.0.1:{port}/app"),
        format!("postgresql://nobody:wrong@127.0.0.1:{port}/app"),
        format!("postgresql://app@127.0.0.1:{port}/app"),
        to_nowhere(&server.url()),
        format!("{}?options=-cnonsense%3D1", server.url()),
        format!("{}?options=-cwork_mem%3Dnonsense", server.url()),
    ] {
        let (manager, driver) = prepared(&url, &Settings::default());
        let error = manager.connect().err().expect("a refusal");
        assert_eq!(driver.classify(&error), ErrorClass::Permanent, "{error:?}");
    }
}

#[test]
fn an_unreachable_server_is_worth_another_attempt() {
    let missing = tempfile::tempdir().expect("a directory");
    for url in [
        format!("postgresql://app:x@127.0.0.1:{}/app", free_port()),
        "postgresql://app:x@no-such-host.invalid/app".to_owned(),
        format!(
            "postgresql:///app?user=app&host={}",
            missing.path().display()
        ),
    ] {
        let (manager, driver) = prepared(&url, &Settings::default());
        let error = manager.connect().err().expect("nobody there");
        let class = driver.classify(&error);
        assert!(
            matches!(class, ErrorClass::Lost | ErrorClass::Transient),
            "{class:?} {error:?}"
        );
    }
}

fn a_full_server_is_transient<S: TestServer>() {
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
    assert_eq!(driver.classify(&error), ErrorClass::Transient, "{error:?}");
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
    // In a failed transaction the refusal itself is logged, and nothing else.
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

#[test]
fn a_command_timeout_that_the_server_cannot_hold_is_a_settings_error() {
    for limit in [Duration::ZERO, Duration::from_secs(30 * 24 * 3600)] {
        let mut manager = PostgresManager::from_url("postgresql://h/d").expect("good");
        let error = PostgresDriver::new()
            .prepare(&mut manager, "orders", &with_command_timeout(limit))
            .expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains("command_timeout"), "{error}");
    }
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

fn keepalive_probes_begin_after_30_seconds_unless_the_url_says_otherwise<S: TestServer>() {
    let server = S::start();
    for (parameter, least, most) in [
        ("", 25, 30),
        ("?keepalives_idle=300", 290, 300),
        ("?keepalives_idle=7200", 7100, 7200),
    ] {
        let url = format!("{}{parameter}", server.url());
        let (manager, _) = prepared(&url, &Settings::default());
        let _client = manager.connect().expect("a connection");
        // Until the last answer is acknowledged, another timer stands there.
        let limit = Instant::now() + LIMIT;
        let left = loop {
            match crate::servers::keepalive_seconds(server.port()).as_slice() {
                [left] => break *left,
                _ if Instant::now() > limit => panic!("no keepalive timer for {parameter:?}"),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!((least..=most).contains(&left), "{parameter:?}: {left} s");
    }
    let off = format!("{}?keepalives=0", server.url());
    let (manager, _) = prepared(&off, &Settings::default());
    let _client = manager.connect().expect("a connection");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        crate::servers::keepalive_seconds(server.port()),
        Vec::<u64>::new()
    );
    let (manager, _) = prepared("postgresql://h/d?keepalives_count=9", &Settings::default());
    let shown = format!("{manager:?}");
    assert!(shown.contains("keepalives_retries: Some(9)"), "{shown}");
    assert!(shown.contains("keepalives_interval: Some(10s)"), "{shown}");
}

fn a_validation_query_is_the_ping_and_is_not_bounded<S: TestServer>() {
    let server = S::start();
    let mut settings = Settings::default();
    settings.validation_query = Some("SELECT count(*) FROM ready".to_owned());
    let (manager, driver) = prepared(&server.url(), &settings);
    assert!(!<PostgresDriver as Driver<PostgresManager>>::is_bounded(
        &driver,
        Call::Ping
    ));
    let mut client = manager.connect().expect("a connection");
    let error = driver
        .ping(&manager, &mut client, LIMIT)
        .expect_err("no such table");
    assert_eq!(driver.classify(&error), ErrorClass::Statement);
    client
        .batch_execute("CREATE TABLE ready ()")
        .expect("a table");
    driver.ping(&manager, &mut client, LIMIT).expect("valid");
    terminate(&server, &mut client);
    let error = driver.ping(&manager, &mut client, LIMIT).expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost);
}

#[test]
fn the_connect_timeout_ends_an_attempt_that_nobody_answers() {
    // A full backlog: the kernel drops further SYNs.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("0"))
        .expect("a smaller backlog");
    let _full: Vec<_> = (0..4)
        .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    let mut settings = Settings::default();
    settings.connect_timeout = Duration::from_millis(300);
    let url = format!("postgresql://app:x@{address}/app?connect_timeout=60");
    let (manager, driver) = prepared(&url, &settings);
    let begun = Instant::now();
    let error = manager.connect().err().expect("no answer");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    let class = driver.classify(&error);
    assert!(
        matches!(class, ErrorClass::Lost | ErrorClass::Transient),
        "{class:?}"
    );
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
        // There is no network to encrypt.
        settings.require_tls = true;
        let (manager, _) = prepared(&url, &settings);
        let mut client = manager.connect().expect("a connection");
        assert_eq!(text(&mut client, "SELECT inet_client_addr() IS NULL"), "t");
    }
}

#[test]
fn bad_urls_are_settings_errors_that_say_what_is_wrong() {
    for (url, says) in [
        ("", "scheme"),
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
        ("postgresql://h/d?nonsense=1", "`nonsense`"),
        ("postgresql://h/d?connect_timeout=soon", "`connect_timeout`"),
        (
            "postgresql://h/d?sslmode=perhaps",
            "invalid sslmode \"perhaps\" in the database URL: expected ",
        ),
        ("postgresql://h/d?sslmode=", "sslmode"),
        ("postgresql://h/d?flag", "unterminated"),
        (
            "postgresql://h/d?target_session_attrs=best",
            "`target_session_attrs`",
        ),
    ] {
        let error = PostgresManager::from_url(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Settings, "{url}: {error}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

fn a_password_shows_in_no_text<S: TestServer>() {
    for url in [
        "postgresql://u:hunter2@h/d?nonsense=1",
        "postgresql://u:p%40hunter2@h/d?nonsense=1",
        "postgresql://u:p@hunter2?hunter2=1@h/d",
        "postgresql://u:p@rd?hunter2=1@h/d",
        "postgresql://u:p@x:hunter2@h/d",
        "postgresql://u:p%ffhunter2@h:port/d",
        "postgresql://h/d?password=hunter2&hunter2=1",
        "postgresql://h/d?sslpassword=hunter2",
        "postgresql+hunter2://u:p@h/d?x=1",
    ] {
        let error = PostgresManager::from_url(url).expect_err(url);
        let texts = format!("{error} {error:?} {:?}", error.source());
        assert!(!texts.contains("hunter2"), "{url}: {texts}");
    }
    let server = S::start();
    let (manager, _) = prepared(&server.url(), &Settings::default());
    let mut texts = format!("{manager:?}");
    let wrong = server.url().replace("app:s3cret", "nobody:s3cret");
    let (other, _) = prepared(&wrong, &Settings::default());
    let error = other.connect().err().expect("a refusal");
    texts.push_str(&format!("{error} {error:?} {:?}", error.source()));
    for secret in [PASSWORD, "s3cret"] {
        assert!(!texts.contains(secret), "{texts}");
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
