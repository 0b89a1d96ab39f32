//! PostgreSQL servers in the wrong role: what follows a switch-over, and what is none. Nobody tells the pool of an error here unless
//! it says so.

use std::time::{Duration, Instant};

use ::postgres::{Client, NoTls};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::{
    CloseReason, Connection, Database, ErrorClass, ErrorKind, ResetOnReturn, Retry, Role, Settings,
};

use support::proxy::Turns;
use support::scripted::{assert_laws, eventually, millis, secs};
use support::servers::{PgBouncer, Postgres};

const WRITE: &str = "INSERT INTO ledger VALUES (1)";

fn settings() -> Settings {
    let retry = Retry::default().max_attempts(2).initial_delay(millis(1));
    Settings::default()
        .pool_size(4)
        .max_overflow(0)
        .retry(retry)
}

fn pool(url: &str, watched: bool, settings: Settings) -> PostgresPool {
    let manager = PostgresManager::from_url(url).unwrap();
    PostgresPool::builder(manager.watch_plain_connections(watched))
        .driver(queuepool::postgres::PostgresDriver::new())
        .settings(settings)
        .build()
        .unwrap()
}

fn admin(server: &Postgres) -> Client {
    Client::connect(&server.admin_url(), NoTls).unwrap()
}

fn start() -> Postgres {
    let server = Postgres::start();
    let mut owner = Client::connect(&server.url(), NoTls).unwrap();
    owner
        .batch_execute("CREATE TABLE ledger (number int)")
        .unwrap();
    server
}

/// Makes the server read-only, or not, and keeps its sessions. Returns when they know.
fn fence(server: &Postgres, on: bool) {
    let mut witness = Client::connect(&server.url(), NoTls).unwrap();
    let word = if on { "on" } else { "off" };
    let mut admin = admin(server);
    let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {word}");
    admin.batch_execute(&sql).unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").unwrap();
    let limit = Instant::now() + secs(10);
    loop {
        let row = witness.query_one("SHOW default_transaction_read_only", &[]);
        if row.unwrap().get::<_, &str>(0) == word {
            break;
        }
        assert!(
            Instant::now() < limit,
            "the server has not read its settings"
        );
        std::thread::sleep(millis(5));
    }
    // The others are told at the same time, and each hears it before its next statement.
    std::thread::sleep(millis(50));
}

fn fill(pool: &PostgresPool) {
    drop([(); 4].map(|()| pool.get().unwrap()));
}

/// Whether a write succeeded.
fn write(pool: &PostgresPool) -> bool {
    pool.get()
        .is_ok_and(|mut client| client.batch_execute(WRITE).is_ok())
}

fn unsuited(pool: &PostgresPool) -> u64 {
    let reasons = pool.status().closed_by_reason;
    reasons.get(&CloseReason::Unsuited).copied().unwrap_or(0)
}

/// Writes for this long. Returns how many failed, and whether the last did not.
fn write_for(pool: &PostgresPool, time: Duration) -> (usize, bool) {
    let start = Instant::now();
    let (mut failed, mut last) = (0, true);
    while start.elapsed() < time {
        last = write(pool);
        failed += usize::from(!last);
        std::thread::sleep(millis(5));
    }
    (failed, last)
}

#[test]
fn a_live_primary_that_is_made_read_only_is_left_after_one_error() {
    for (watched, how) in [
        (false, ResetOnReturn::Rollback),
        (true, ResetOnReturn::Rollback),
        (false, ResetOnReturn::Full),
        (true, ResetOnReturn::Full),
    ] {
        let (old, new) = (start(), start());
        let proxy = Turns::start(&[old.port()]);
        let url = proxy.url(old.port(), &old.url());
        let pool = pool(&url, watched, settings().reset_on_return(how));
        fill(&pool);
        assert!(write(&pool));
        fence(&old, true);
        proxy.lead_to(&[new.port()]);
        let failed = (0..20).filter(|_| !write(&pool)).count();
        assert_eq!(failed, 1, "watched {watched} {how:?}");
        let status = pool.status();
        let created = status.total_connections_created;
        assert_eq!(
            (created, unsuited(&pool)),
            (5, 1),
            "watched {watched} {how:?}"
        );
        assert_eq!(status.unsuited_for, None);
        assert_laws(&status);
    }
}

#[test]
fn under_never_an_error_that_is_noted_closes_the_connection_it_occurred_on() {
    let (old, new) = (start(), start());
    let proxy = Turns::start(&[old.port()]);
    let url = proxy.url(old.port(), &old.url());
    let pool = pool(
        &url,
        false,
        settings().reset_on_return(ResetOnReturn::Never),
    );
    fill(&pool);
    fence(&old, true);
    proxy.lead_to(&[new.port()]);
    let mut failed = 0;
    for _ in 0..20 {
        let mut client = pool.get().unwrap();
        if let Err(error) = client.batch_execute(WRITE) {
            failed += 1;
            let class = Connection::note_error(&mut client, &error);
            assert_eq!(class, ErrorClass::Unsuited);
        }
    }
    // Each on its own: nothing was confirmed.
    assert_eq!((failed, unsuited(&pool)), (4, 4));
    assert_eq!(pool.status().total_connections_created, 5);
}

#[test]
fn a_users_own_read_only_transaction_closes_nothing() {
    let server = start();
    for watched in [false, true] {
        for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
            let pool = pool(&server.url(), watched, settings().reset_on_return(how));
            for round in 0..40 {
                let mut client = pool.get().unwrap();
                let own = [
                    "BEGIN READ ONLY",
                    "SET TRANSACTION READ ONLY; BEGIN READ ONLY",
                ][round % 2];
                client.batch_execute(own).unwrap();
                let error = client.batch_execute(WRITE).unwrap_err();
                if round % 4 > 1 {
                    Connection::note_error(&mut client, &error);
                }
            }
            // A session that its user has made read-only stays so under rollback.
            let mut client = pool.get().unwrap();
            client
                .batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                .unwrap();
            client.batch_execute(WRITE).unwrap_err();
            drop(client);
            for _ in 0..20 {
                write(&pool);
            }
            let status = pool.status();
            assert_eq!(
                status.total_connections_created, 1,
                "watched {watched} {how:?}"
            );
            assert_eq!(status.unsuited_for, None);
        }
    }
}

#[test]
fn a_user_who_is_read_only_by_intent_reads_on_and_the_primary_is_not_for_him() {
    let server = start();
    admin(&server)
        .batch_execute("ALTER ROLE app SET default_transaction_read_only = on")
        .unwrap();
    for watched in [false, true] {
        let pool = pool(&server.url(), watched, settings());
        fill(&pool);
        let (failed, last) = write_for(&pool, secs(2));
        assert!(failed > 20 && !last);
        assert_eq!(
            pool.status().total_connections_created,
            4,
            "watched {watched}"
        );
        assert_eq!(pool.status().unsuited_for, None);
    }
    // Here all errors are noted: one connection a second is closed.
    let started = Instant::now();
    let database = Database::open_with(&server.url(), settings()).unwrap();
    while started.elapsed() < secs(2) {
        database.get().unwrap().execute(WRITE).unwrap_err();
    }
    let created = database.status().total_connections_created;
    assert!(
        (2..=2 + started.elapsed().as_secs()).contains(&created),
        "{created}"
    );
    let primary = pool(&server.url(), false, settings().role(Role::Primary));
    let error = primary.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_transient());
    assert!(
        error
            .to_string()
            .contains("the server is read-only, and role=primary"),
        "{error}"
    );
}

#[test]
fn a_replica_on_purpose_is_kept_and_its_promotion_is_noticed() {
    let primary = start();
    let standby = primary.start_standby();
    for watched in [false, true] {
        let pool = pool(&standby.url(), watched, settings());
        fill(&pool);
        let (failed, last) = write_for(&pool, secs(2));
        assert!(failed > 20 && !last);
        assert_eq!(
            pool.status().total_connections_created,
            4,
            "watched {watched}"
        );
    }
    let replica = pool(&standby.url(), false, settings().role(Role::Replica));
    let database = Database::open_with(&standby.url(), settings().role(Role::Replica)).unwrap();
    for _ in 0..50 {
        assert!(!write(&replica));
        database.get().unwrap().execute(WRITE).unwrap_err();
    }
    assert_eq!(replica.status().total_connections_created, 1);
    assert_eq!(database.status().total_connections_created, 1);
    let wrong = pool(&primary.url(), false, settings().role(Role::Replica));
    let error = wrong.get().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the server accepts writes, and role=replica"),
        "{error}"
    );

    let any = pool(&standby.url(), false, settings());
    let primary_wanted = pool(&standby.url(), false, settings().role(Role::Primary));
    assert!(!write(&any));
    primary_wanted.get().unwrap_err();
    standby.promote();
    eventually("the session accepts writes", || write(&any));
    assert!(write(&primary_wanted));
    assert_eq!(
        Connection::info(&any.get().unwrap()).read_only(),
        Some(false)
    );
    assert_eq!(any.status().total_connections_created, 1);
}

#[test]
fn an_address_that_leads_to_both_kinds_is_borne() {
    let primary = start();
    let standby = primary.start_standby();
    let proxy = Turns::start(&[primary.port(), standby.port()]);
    let url = proxy.url(primary.port(), &primary.url());
    for noted in [false, true] {
        let before = proxy.connects();
        let started = Instant::now();
        let pool = pool(&url, false, settings());
        while started.elapsed() < secs(4) {
            for client in [(); 4].map(|()| pool.get().unwrap()).iter_mut() {
                if let Err(error) = client.batch_execute(WRITE)
                    && noted
                {
                    Connection::note_error(client, &error);
                }
            }
            std::thread::sleep(millis(10));
        }
        let connects = proxy.connects() - before;
        // The first that was found read-only looks like a switch-over, which is followed once.
        let most = 4 + 4 + 1 + started.elapsed().as_secs() as usize;
        assert!(connects <= most, "noted {noted}: {connects}");
        assert_laws(&pool.status());
    }
}

#[test]
fn a_fence_that_is_taken_away_again_is_noticed_and_costs_two_rounds_of_logins() {
    let server = start();
    for watched in [false, true] {
        let pool = pool(&server.url(), watched, settings());
        fill(&pool);
        fence(&server, true);
        let (failed, last) = write_for(&pool, secs(4));
        assert!(failed > 100 && !last, "{failed}");
        assert!(pool.status().unsuited_for.is_some());
        let advice = &pool.status().recommendations[0];
        assert!(advice.contains("RECONNECT"), "{advice}");
        let created = pool.status().total_connections_created;
        // One thread uses one connection: four at first, one after each replacement, and one a second after that.
        assert!(created <= 4 + 2 + 3, "watched {watched}: {created}");
        fence(&server, false);
        eventually("the session accepts writes", || write(&pool));
        let (failed, _) = write_for(&pool, millis(500));
        assert_eq!(failed, 0);
        if !watched {
            assert_eq!(pool.status().unsuited_for, None, "seen at the return");
        }
        assert_laws(&pool.status());
    }
}

/// A PgBouncer whose server connections lead through a proxy, and the pool in front of it.
fn behind_pgbouncer(mode: &str, wanted: Role) {
    let (old, new) = (start(), start());
    let proxy = Turns::start(&[old.port()]);
    let database = format!("app = host=127.0.0.1 port={} dbname=app", proxy.port());
    let extra = ["admin_users = app", "[databases]", &database];
    let bouncer = PgBouncer::start_with(&old, mode, &extra);
    let pool = pool(&bouncer.url(), false, settings().role(wanted));
    fill(&pool);
    assert!(write(&pool));
    fence(&old, true);
    proxy.lead_to(&[new.port()]);
    let started = Instant::now();
    let (failed, last) = write_for(&pool, secs(3));
    assert!(
        failed > 1 && !last,
        "{mode}: its server connections lead to the old one"
    );
    if wanted == Role::Any {
        let created = pool.status().total_connections_created;
        let most = 4 + 2 + started.elapsed().as_secs();
        assert!(created <= most, "{mode}: {created}");
        let advice = &pool.status().recommendations[0];
        assert!(advice.contains("RECONNECT"), "{advice}");
    }
    let console = format!("{}/pgbouncer", bouncer.url().trim_end_matches("/app"));
    let mut console = Client::connect(&console, NoTls).unwrap();
    console.simple_query("RECONNECT").unwrap();
    eventually("writes are good again", || write(&pool));
    let (failed, _) = write_for(&pool, millis(500));
    assert_eq!(failed, 0, "{mode} {wanted:?}");
    assert_eq!(pool.status().unsuited_for, None);
    assert_laws(&pool.status());
}

#[test]
fn pgbouncers_server_connections_outlive_a_switch_over_until_reconnect() {
    behind_pgbouncer("transaction", Role::Any);
    behind_pgbouncer("session", Role::Any);
    behind_pgbouncer("transaction", Role::Primary);
}

#[test]
fn a_primary_that_comes_back_as_a_standby_before_the_proxy_notices_is_left() {
    for watched in [false, true] {
        let mut old = start();
        let new = old.start_standby();
        let proxy = Turns::start(&[old.port()]);
        let url = proxy.url(old.port(), &old.url());
        let pool = pool(&url, watched, settings());
        fill(&pool);
        old.stop();
        new.promote();
        old.start_again_as_standby_of(&new);
        let (failed, last) = write_for(&pool, millis(1500));
        assert!(failed > 1 && !last);
        let up = Instant::now();
        proxy.lead_to(&[new.port()]);
        eventually("writes are good again", || write(&pool));
        // Two replacements were in vain, and the first that is closed alone shows the way.
        assert!(
            up.elapsed() < secs(3),
            "watched {watched}: {:?}",
            up.elapsed()
        );
        assert_eq!(write_for(&pool, millis(300)).0, 0);
        assert_laws(&pool.status());
    }
}
