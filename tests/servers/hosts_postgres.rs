//! Several PostgreSQL hosts: which of them a connection leads to, and what a silent, full or wrong one costs.

use queuepool::postgres::{PostgresDriver, PostgresManager, PostgresPool};
use queuepool::{Error, ErrorKind, Mode, Pool, PrePing, Settings};
use support::half_read::{COPY, admin, is_cancelled_and_closed};
use support::scripted::{eventually, millis, secs};
use support::servers::{PgBouncer, Postgres};

use crate::hosts::{Silent, answering, at_ports, logs, nobody, settings, user_timeout};

const PORT: &str = "SELECT current_setting('port')";

fn pool(url: &str, settings: Settings) -> PostgresPool {
    let builder = PostgresPool::builder(url).unwrap();
    builder.settings(settings).build().unwrap()
}

/// The port of the server that the pool's next connection leads to.
fn leads_to(pool: &PostgresPool) -> Result<u16, Error> {
    let mut client = pool.get()?;
    let row = client.query_one(PORT, &[]).unwrap();
    Ok(row.get::<_, String>(0).parse().unwrap())
}

/// The same for one connection of a pool of its own.
fn opens(url: &str) -> Result<u16, Error> {
    leads_to(&pool(url, settings()))
}

#[test]
fn a_silent_first_host_costs_one_caller_its_connect_timeout_and_is_not_touched_again() {
    let (silent, server) = (Silent::new(), Postgres::start());
    let url = at_ports(&server, &[silent.port(), server.port()]);
    let pool = pool(&url, settings());
    let begun = std::time::Instant::now();
    let first = pool.get().unwrap();
    eprintln!("the first checkout took {:?}", begun.elapsed());
    let held = silent.callers();
    assert_eq!(held.len(), 1);
    let begun = std::time::Instant::now();
    let _second = pool.get().unwrap();
    eprintln!("the second checkout took {:?}", begun.elapsed());
    assert_eq!(silent.callers().len(), 0);
    let status = pool.status();
    assert_eq!(
        (status.total_connections_created, status.connection_errors),
        (2, 0)
    );
    // It holds no place: all four can be had.
    let others = [pool.get().unwrap(), pool.get().unwrap()];
    assert_eq!(silent.callers().len(), 0);
    drop((first, others));
}

#[test]
fn a_host_that_is_frozen_after_a_connection_to_it_is_passed_over_in_the_login() {
    let (first, second) = (Postgres::start(), Postgres::start());
    let url = at_ports(&first, &[first.port(), second.port()]);
    let pool = pool(
        &url,
        settings()
            .pre_ping(PrePing::Always)
            .health_check_timeout(millis(300)),
    );
    assert_eq!(leads_to(&pool).unwrap(), first.port());
    first.pause();
    // The frozen connection's ping times out, and its successor comes from the second host.
    assert_eq!(leads_to(&pool).unwrap(), second.port());
    first.resume();
    assert_eq!(leads_to(&pool).unwrap(), second.port());
}

#[test]
fn each_host_has_a_connect_timeout_of_its_own() {
    let (silent, server) = ([Silent::new(), Silent::new()], Postgres::start());
    let ports = [silent[0].port(), silent[1].port(), server.port()];
    let pool = pool(
        &at_ports(&server, &ports),
        settings().connect_timeout(millis(400)),
    );
    assert_eq!(leads_to(&pool).unwrap(), server.port());
    assert!(silent.iter().all(|silent| silent.callers().len() == 1));
}

#[test]
fn a_caller_in_a_hurry_shares_his_time_among_the_hosts() {
    let (silent, server) = (Silent::new(), Postgres::start());
    let url = at_ports(&server, &[silent.port(), server.port()]);
    // A host may take ten minutes, so it is the caller's own time that ends the wait for the first.
    let pool = pool(&url, settings().connect_timeout(secs(600)));
    let _client = pool.get_timeout(secs(8)).unwrap();
    assert_eq!(silent.callers().len(), 1);
}

#[test]
fn a_host_that_refuses_or_is_full_leads_to_the_next() {
    let full = Postgres::start_with(&["max_connections=4", "superuser_reserved_connections=3"]);
    let server = Postgres::start();
    let held = pool(&full.url(), settings());
    let _held = held.get().unwrap();
    let ports = [nobody(), full.port(), server.port()];
    assert_eq!(opens(&at_ports(&server, &ports)).unwrap(), server.port());

    let error = opens(&at_ports(&server, &ports[..2])).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Connect, "{text}");
    assert!(error.is_transient(), "{text}");
    let said = format!(
        "the hosts said: 127.0.0.1:{}: Connection refused (os error 111) | 127.0.0.1:{}: \
         remaining connection slots are reserved",
        ports[0], ports[1]
    );
    assert!(text.contains(&said), "{text}");
    assert!(!text.contains('\n') && !text.contains("s3cret"), "{text}");
}

#[test]
fn a_host_that_starts_up_or_hangs_up_and_a_full_pgbouncer_lead_to_the_next() {
    let server = Postgres::start();
    let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let starts_up = [b"E", &length[..], fields].concat();
    let bouncer = PgBouncer::start_with(&server, "session", &["max_client_conn=1"]);
    let held = pool(&bouncer.url(), settings());
    let _held = held.get().unwrap();
    for (first, said) in [
        (answering(starts_up), "the database system is starting up"),
        (answering(Vec::new()), "connection closed"),
        (
            bouncer.port(),
            "no more connections allowed (max_client_conn)",
        ),
    ] {
        let plain = |ports: &[u16]| format!("{}?sslmode=disable", at_ports(&server, ports));
        assert_eq!(
            opens(&plain(&[first, server.port()])).unwrap(),
            server.port(),
            "{said}"
        );
        let error = opens(&plain(&[first, nobody()])).unwrap_err();
        assert!(
            error.to_string().contains(&format!(":{first}: {said} | ")),
            "{error}"
        );
        assert!(error.is_transient(), "{error}");
    }
}

#[test]
fn a_refused_login_does_not_lead_to_the_next_host() {
    let first = Postgres::start();
    let second = Postgres::start_with(&["log_connections=on"]);
    let sql = "ALTER ROLE app PASSWORD 'another'";
    admin(&first).batch_execute(sql).unwrap();
    // The tests' own look at the log is in it, so the last line is known.
    let error = opens(&at_ports(&first, &[first.port(), second.port()])).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let said = format!(
        "the hosts said: 127.0.0.1:{}: password authentication failed",
        first.port()
    );
    assert!(error.to_string().contains(&said), "{error}");
    admin(&second);
    logs(&second, "connection authorized: user=postgres");
    assert!(
        !second.log_text().contains("user=app"),
        "{}",
        second.log_text()
    );
}

#[test]
fn each_of_libpqs_six_words_finds_its_server() {
    let primary = Postgres::start();
    let standby = primary.standby();
    let (first, second) = (primary.port(), standby.port());
    for (word, expected) in [
        ("any", [first, second]),
        ("read-write", [first, first]),
        ("read-only", [second, second]),
        ("primary", [first, first]),
        ("standby", [second, second]),
        ("prefer-standby", [second, second]),
    ] {
        let found = [[first, second], [second, first]].map(|ports| {
            let url = at_ports(&primary, &ports);
            opens(&format!(
                "{url}?target_session_attrs={word}&command_timeout=7"
            ))
            .unwrap()
        });
        assert_eq!(found, expected, "{word}");
    }

    // The pool's own limit comes in the same round trip.
    let url = format!(
        "{}?target_session_attrs=standby&command_timeout=7",
        standby.url()
    );
    let one = pool(&url, settings());
    let row = one.get().unwrap().query_one("SHOW statement_timeout", &[]);
    assert_eq!(row.unwrap().get::<_, String>(0), "7s");

    // A primary whose sessions are read-only is a primary, but not read-write.
    let closed = "ALTER SYSTEM SET default_transaction_read_only = on";
    let mut superuser = admin(&primary);
    superuser.batch_execute(closed).unwrap();
    superuser.batch_execute("SELECT pg_reload_conf()").unwrap();
    let url = primary.url();
    eventually("the primary is read-only", || {
        opens(&format!("{url}?target_session_attrs=read-only")).is_ok()
    });
    opens(&format!("{url}?target_session_attrs=primary")).unwrap();
    let error = opens(&format!("{url}?target_session_attrs=read-write")).unwrap_err();
    let expected = format!(
        "connecting to app@127.0.0.1:{}/app failed: the server was not taken because its sessions are read-only, and \
         target_session_attrs is read-write",
        primary.port()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_transient());
}

#[test]
fn where_no_host_is_what_was_asked_for_the_error_says_what_each_is() {
    let primary = Postgres::start();
    let standby = primary.standby();
    let ports = [nobody(), standby.port()];
    let url = at_ports(&primary, &ports);
    let error = opens(&format!("{url}?target_session_attrs=primary")).unwrap_err();
    let text = error.to_string();
    let expected = format!(
        "connecting to app@127.0.0.1:{},127.0.0.1:{}/app failed: the server was not taken because it is a standby, and \
         target_session_attrs is primary; the hosts said: 127.0.0.1:{}: Connection refused (os error 111) | 127.0.0.1:{}: it is a standby",
        ports[0], ports[1], ports[0], ports[1]
    );
    assert_eq!(text, expected);
    assert!(error.is_transient());
    // Nothing was sent for the error's sake.
    assert!(
        !standby.log_text().contains("ERROR"),
        "{}",
        standby.log_text()
    );

    // Without a standby, prefer-standby takes the primary.
    let url = at_ports(&primary, &[primary.port(), nobody()]);
    let url = format!("{url}?target_session_attrs=prefer-standby");
    assert_eq!(opens(&url).unwrap(), primary.port());
}

#[test]
fn the_pool_follows_the_primary() {
    let mut primary = Postgres::start();
    let standby = primary.standby();
    let url = at_ports(&primary, &[primary.port(), standby.port()]);
    let url = format!("{url}?target_session_attrs=read-write");
    let pool = pool(&url, settings().mode(Mode::Null));
    assert_eq!(leads_to(&pool).unwrap(), primary.port());
    primary.kill();
    leads_to(&pool).unwrap_err();
    admin(&standby)
        .batch_execute("SELECT pg_promote()")
        .unwrap();
    assert_eq!(leads_to(&pool).unwrap(), standby.port());
}

#[test]
fn load_balance_hosts_spreads_connections() {
    let (first, second) = (Postgres::start(), Postgres::start());
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
fn hosts_and_ports_may_also_be_parameters() {
    let server = Postgres::start();
    let url = server.url();
    let (before, _) = url.split_once('@').unwrap();
    let lists = format!(
        "{before}@/app?host=127.0.0.1,127.0.0.1&port={},{}",
        nobody(),
        server.port()
    );
    assert_eq!(opens(&lists).unwrap(), server.port());
    let socket = server.directory().display();
    let mixed = format!(
        "{before}@/app?host=127.0.0.1,{socket}&port={},{}",
        nobody(),
        server.port()
    );
    assert_eq!(opens(&mixed).unwrap(), server.port());
}

#[test]
fn a_cancel_leads_to_the_host_of_its_connection() {
    let primary = Postgres::start();
    let standby = primary.standby();
    for ports in [[nobody(), primary.port()], [standby.port(), primary.port()]] {
        let url = at_ports(&primary, &ports);
        let url = format!("{url}?target_session_attrs=read-write");
        is_cancelled_and_closed(&primary, &url, |client| {
            drop(client.copy_out(COPY).unwrap());
        });
    }
}

#[test]
fn unacknowledged_data_ends_a_connection_when_its_keepalives_would() {
    let server = Postgres::start();
    let other = at_ports(&server, &[nobody(), server.port()]);
    for (url, expected) in [
        (server.url(), 80_000),
        (other, 80_000),
        (
            format!(
                "{}?keepalives_idle=5&keepalives_interval=2&keepalives_count=4",
                server.url()
            ),
            13_000,
        ),
        (format!("{}?tcp_user_timeout=1500", server.url()), 1_500),
        (format!("{}?tcp_user_timeout=0", server.url()), 0),
        (format!("{}?keepalives=0", server.url()), 0),
    ] {
        let pool = pool(&url, settings());
        let mut client = pool.get().unwrap();
        let row = client.query_one("SELECT inet_client_port()", &[]).unwrap();
        let port = u16::try_from(row.get::<_, i32>(0)).unwrap();
        assert_eq!(user_timeout(port), expected, "{url}");
    }
}

#[test]
fn notices_go_where_the_manager_says() {
    let server = Postgres::start();
    for url in [server.url(), at_ports(&server, &[nobody(), server.port()])] {
        let (send, heard) = std::sync::mpsc::channel();
        let manager = PostgresManager::from_url(&url)
            .unwrap()
            .notice_callback(move |notice| send.send(notice.message().to_owned()).unwrap());
        let builder = Pool::builder(manager).driver(PostgresDriver::new());
        let pool = builder.settings(settings()).build().unwrap();
        let mut client = pool.get().unwrap();
        let sql = "DO $$ BEGIN RAISE NOTICE 'heard'; END $$";
        client.batch_execute(sql).unwrap();
        assert_eq!(
            heard.recv_timeout(secs(20)).as_deref(),
            Ok("heard"),
            "{url}"
        );
    }
}

#[test]
fn the_callback_of_a_configuration_with_one_host_holds() {
    let server = Postgres::start();
    let (send, heard) = std::sync::mpsc::channel();
    let mut config: postgres::Config = server.url().parse().unwrap();
    config.notice_callback(move |notice| send.send(notice.message().to_owned()).unwrap());
    let manager = PostgresManager::new(config).unwrap();
    let builder = Pool::builder(manager).driver(PostgresDriver::new());
    let pool = builder.settings(settings()).build().unwrap();
    let mut client = pool.get().unwrap();
    let sql = "DO $$ BEGIN RAISE NOTICE 'heard'; END $$";
    client.batch_execute(sql).unwrap();
    assert_eq!(heard.recv_timeout(secs(20)).as_deref(), Ok("heard"));
}
