//! Several MariaDB or MySQL hosts: which of them a connection leads to, and what a silent, full or wrong one costs.

use std::os::fd::AsRawFd;

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use queuepool::mysql::MySqlPool;
use queuepool::{Error, ErrorKind, Mode, PrePing, Settings};
use support::scripted::{millis, secs};
use support::servers::{MariaDb, MySql, TestServer};

use crate::hosts::{Silent, at_ports, nobody, settings, user_timeout_of};

fn pool(url: &str, settings: Settings) -> MySqlPool {
    let builder = MySqlPool::builder(url).unwrap();
    builder.settings(settings).build().unwrap()
}

/// The port of the server that the pool's next connection leads to.
fn leads_to(pool: &MySqlPool) -> Result<u16, Error> {
    let port = pool.get()?.query_first("SELECT @@port").unwrap();
    Ok(port.expect("a row"))
}

fn opens(url: &str) -> Result<u16, Error> {
    leads_to(&pool(url, settings()))
}

fn admin(server: &impl TestServer) -> Conn {
    Conn::new(server.admin_url().as_str()).unwrap()
}

#[test]
fn a_silent_first_host_costs_one_caller_its_connect_timeout_and_is_not_touched_again() {
    let (silent, server) = (Silent::new(), MariaDb::start());
    let url = at_ports(&server, &[silent.port(), server.port()]);
    let pool = pool(&url, settings());
    let begun = std::time::Instant::now();
    let first = pool.get().unwrap();
    eprintln!("the first checkout took {:?}", begun.elapsed());
    let held = silent.callers();
    assert_eq!(held.len(), 1);
    let begun = std::time::Instant::now();
    let others = [0; 3].map(|_| pool.get().unwrap());
    eprintln!("the next three checkouts took {:?}", begun.elapsed());
    assert_eq!(silent.callers().len(), 0);
    let status = pool.status();
    assert_eq!(
        (status.total_connections_created, status.connection_errors),
        (4, 0)
    );
    drop((first, others));
}

#[test]
fn a_host_that_is_frozen_after_a_connection_to_it_is_passed_over_in_the_login() {
    let (first, second) = (MariaDb::start(), MariaDb::start());
    let url = at_ports(&first, &[first.port(), second.port()]);
    let pool = pool(
        &url,
        settings()
            .pre_ping(PrePing::Always)
            .health_check_timeout(millis(300)),
    );
    assert_eq!(leads_to(&pool).unwrap(), first.port());
    first.pause();
    assert_eq!(leads_to(&pool).unwrap(), second.port());
    first.resume();
}

#[test]
fn a_caller_in_a_hurry_shares_his_time_among_the_hosts() {
    let (silent, server) = (Silent::new(), MariaDb::start());
    let url = at_ports(&server, &[silent.port(), server.port()]);
    let pool = pool(&url, settings().connect_timeout(secs(600)));
    let _client = pool.get_timeout(secs(8)).unwrap();
    assert_eq!(silent.callers().len(), 1);
}

#[test]
fn a_host_that_refuses_or_is_full_leads_to_the_next() {
    let full = MariaDb::start_with(&["--max-user-connections=1"]);
    let server = MariaDb::start();
    let held = pool(&full.url(), settings());
    let _held = held.get().unwrap();
    let ports = [nobody(), full.port(), server.port()];
    assert_eq!(opens(&at_ports(&server, &ports)).unwrap(), server.port());

    let error = opens(&at_ports(&server, &ports[..2])).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Connect, "{text}");
    assert!(error.is_transient(), "{text}");
    let said = format!(
        "the hosts said: 127.0.0.1:{}: Connection refused (os error 111) | 127.0.0.1:{}: User app already has more than \
         'max_user_connections' active connections",
        ports[0], ports[1]
    );
    assert!(text.contains(&said), "{text}");
    assert!(!text.contains('\n') && !text.contains("s3cret"), "{text}");
}

#[test]
fn a_refused_login_does_not_lead_to_the_next_host() {
    let (first, second) = (MariaDb::start(), MariaDb::start());
    let sql = "SET PASSWORD FOR 'app'@'127.0.0.1' = PASSWORD('another')";
    admin(&first).query_drop(sql).unwrap();
    let count = |server: &MariaDb| {
        let row: Option<(String, u64)> = admin(server)
            .query_first("SHOW GLOBAL STATUS LIKE 'Connections'")
            .unwrap();
        row.expect("a row").1
    };
    // Asking is a connection, or two: the driver goes on by the server's socket.
    let (one, before) = (count(&second), count(&second));
    let error = opens(&at_ports(&first, &[first.port(), second.port()])).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let said = format!(
        "the hosts said: 127.0.0.1:{}: Access denied for user 'app'",
        first.port()
    );
    assert!(error.to_string().contains(&said), "{error}");
    assert_eq!(count(&second), before + (before - one));
}

fn each_word_finds_its_server<S: TestServer>() {
    let (writable, closed) = (S::start(), S::start());
    admin(&closed)
        .query_drop("SET GLOBAL read_only = 1")
        .unwrap();
    let (first, second) = (writable.port(), closed.port());
    for (word, expected) in [
        ("any", [first, second]),
        ("read-write", [first, first]),
        ("read-only", [second, second]),
        ("primary", [first, first]),
        ("standby", [second, second]),
        ("prefer-standby", [second, second]),
    ] {
        let found = [[first, second], [second, first]].map(|ports| {
            let url = at_ports(&writable, &ports);
            opens(&format!(
                "{url}?target_session_attrs={word}&command_timeout=7"
            ))
            .unwrap()
        });
        assert_eq!(found, expected, "{word}");
    }
    let error = opens(&format!("{}?target_session_attrs=read-write", closed.url())).unwrap_err();
    let expected = format!(
        "connecting to app@127.0.0.1:{}/app failed: the server was not taken because its sessions are read-only, and \
         target_session_attrs is read-write",
        closed.port()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_transient());
    let only = format!("{}?target_session_attrs=prefer-standby", writable.url());
    assert_eq!(opens(&only).unwrap(), first);
}

#[test]
fn each_of_libpqs_six_words_finds_its_server_on_mariadb() {
    each_word_finds_its_server::<MariaDb>();
}

#[test]
fn each_of_libpqs_six_words_finds_its_server_on_mysql() {
    if MySql::is_here() {
        each_word_finds_its_server::<MySql>();
    }
}

#[test]
fn load_balance_hosts_spreads_connections() {
    let (first, second) = (MariaDb::start(), MariaDb::start());
    let url = at_ports(&first, &[first.port(), second.port()]);
    let count = |url: &str| {
        let pool = pool(url, settings().mode(Mode::Null));
        let found = (0..40).map(|_| leads_to(&pool).unwrap());
        found.filter(|port| *port == second.port()).count()
    };
    assert_eq!(count(&url), 0);
    // Fewer than 5 of 40 have a probability of one in a million.
    let random = count(&format!("{url}?load_balance_hosts=random"));
    assert!((5..=35).contains(&random), "{random}");
}

#[test]
fn unacknowledged_data_ends_a_connection_when_its_keepalives_would() {
    let server = MariaDb::start();
    let other = at_ports(&server, &[nobody(), server.port()]);
    for (url, expected) in [
        (server.url(), 80_000),
        (other, 80_000),
        (
            format!(
                "{}?tcp_keepalive_time_ms=5000&tcp_keepalive_probe_count=2",
                server.url()
            ),
            25_000,
        ),
        (format!("{}?tcp_user_timeout=1500", server.url()), 1_500),
        (format!("{}?tcp_user_timeout_ms=1600", server.url()), 1_600),
        (format!("{}?tcp_user_timeout=0", server.url()), 0),
    ] {
        let pool = pool(&url, settings());
        let connection = pool.get().unwrap();
        let socket = connection.as_raw_fd().to_string();
        assert_eq!(user_timeout_of(&socket), expected, "{url}");
    }
}

#[test]
fn the_host_that_gave_the_last_connection_is_asked_first() {
    let mut first = MariaDb::start();
    let second = MariaDb::start();
    let url = at_ports(&first, &[first.port(), second.port()]);
    let pool = pool(&url, settings().mode(Mode::Null));
    assert_eq!(leads_to(&pool).unwrap(), first.port());
    first.kill();
    assert_eq!(leads_to(&pool).unwrap(), second.port());
    first.start_again();
    assert_eq!(leads_to(&pool).unwrap(), second.port());
}
