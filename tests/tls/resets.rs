//! Encrypted connections are watched: a reset is sent where there is something to reset, and a statement that outlasts it is
//! cancelled.

use ::postgres::Client;
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::{Pool, PrePing, ResetOnReturn, Settings};

use crate::postgres::{ANY, ENCRYPTED, PLAIN};
use crate::table::{HERE, World};
use support::half_read::leave_a_sleeper;
use support::scripted::millis;
use support::servers::{PgBouncer, Postgres};

fn pool(url: &str, watches_plain: bool, how: ResetOnReturn) -> PostgresPool {
    let settings = Settings::default()
        .pool_size(1)
        .max_overflow(0)
        .pre_ping(PrePing::Never)
        .health_check_timeout(millis(300))
        .reset_on_return(how);
    let manager = PostgresManager::from_url(url)
        .unwrap()
        .watch_plain_connections(watches_plain);
    Pool::builder(manager).settings(settings).build().unwrap()
}

fn server(world: &World, admits: &str) -> Postgres {
    let certificate = world.ours.server(&HERE);
    Postgres::start_with_files(
        &["ssl=on", "log_statement=all"],
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
            ("pg_hba.conf", admits),
        ],
    )
}

/// How many strings of SQL the server is sent at the return of a connection that was held so.
fn sent(server: &Postgres, pool: &PostgresPool, hold: impl FnOnce(&mut Client)) -> usize {
    let mut holder = pool.get().unwrap();
    hold(&mut holder);
    let from = server.log_text().len();
    drop(holder);
    let log = server.log_text().split_off(from);
    log.matches("statement: ").count()
}

fn run(sql: &str) -> impl FnOnce(&mut Client) {
    move |client| client.batch_execute(sql).unwrap()
}

fn is_watched(server: &Postgres, pool: &PostgresPool) -> bool {
    let selected = sent(server, pool, run("SELECT 1"));
    // A reset that is due is sent in any case.
    assert_eq!(sent(server, pool, run("LISTEN news")), 1);
    selected == 0
}

#[test]
fn an_encrypted_connection_is_reset_where_that_is_due() {
    let world = World::new();
    let server = server(&world, ANY);
    for mode in ["require", "prefer", "verify-full"] {
        let roots = world.roots.display();
        let roots = match mode {
            "verify-full" => format!("&sslrootcert={roots}"),
            _ => String::new(),
        };
        let url = format!("{}?sslmode={mode}{roots}", server.url());
        let rollback = pool(&url, false, ResetOnReturn::Rollback);
        assert!(is_watched(&server, &rollback), "{mode}");
        let query = |client: &mut Client| {
            let long = "x".repeat(200_000);
            let row = client.query_one("SELECT $1::text", &[&long]).unwrap();
            assert_eq!(row.get::<_, String>(0), long);
        };
        assert_eq!(sent(&server, &rollback, query), 0);
        assert_eq!(sent(&server, &rollback, run("BEGIN; SELECT 1; COMMIT")), 0);
        assert_eq!(sent(&server, &rollback, run("BEGIN; SELECT 1")), 1);
        let never = pool(&url, false, ResetOnReturn::Never);
        assert_eq!(sent(&server, &never, run("SELECT 1")), 0);
        let copy = |client: &mut Client| drop(client.copy_out("COPY (SELECT 1) TO STDOUT"));
        assert_eq!(sent(&server, &never, copy), 1);
    }
}

/// Whichever way a connection was opened at last, and whichever way a cancel has to take.
#[test]
fn plain_connections_are_watched_if_that_is_wanted() {
    let world = World::new();
    let without_tls = Postgres::start_with(&["log_statement=all"]);
    let admin = "host all postgres 127.0.0.1/32 scram-sha-256\n";
    let any = server(&world, ANY);
    let only_plain = server(&world, &format!("{admin}{PLAIN}"));
    let only_encrypted = server(&world, &format!("{admin}{ENCRYPTED}"));
    for (server, mode, is_encrypted) in [
        (&without_tls, "disable", false),
        (&without_tls, "allow", false),
        (&without_tls, "prefer", false),
        (&any, "disable", false),
        (&any, "allow", false),
        (&any, "prefer", true),
        (&only_plain, "prefer", false),
        (&only_encrypted, "allow", true),
    ] {
        let url = format!("{}?sslmode={mode}", server.url());
        for wanted in [true, false] {
            let pool = pool(&url, wanted, ResetOnReturn::Rollback);
            let found = is_watched(server, &pool);
            assert_eq!(found, wanted || is_encrypted, "{mode} {wanted}");
            let row = pool.get().unwrap().query_one(
                "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                &[],
            );
            assert_eq!(row.unwrap().get::<_, bool>(0), is_encrypted, "{mode}");
            let mut holder = pool.get().unwrap();
            let left = support::half_read::pid(&mut holder);
            leave_a_sleeper(&mut holder);
            drop(holder);
            assert!(support::half_read::ends(server, left), "{mode} {wanted}");
        }
    }
}

/// A watched plain connection fails as one that the driver opens, and is refused with the same words.
#[test]
fn a_refused_login_reads_the_same() {
    let world = World::new();
    let only_encrypted = server(&world, ENCRYPTED);
    let without_tls = Postgres::start();
    let neither = Postgres::start_with_files(&[], &[("pg_hba.conf", ENCRYPTED)]);
    let bouncer = PgBouncer::start(&without_tls, "session");
    for (url, mode) in [
        (only_encrypted.url(), "disable"),
        (without_tls.url().replace("app:", "nobody:"), "prefer"),
        (without_tls.url().replace("app:", "nobody:"), "disable"),
        (support::servers::to_nowhere(&without_tls.url()), "prefer"),
        (bouncer.url().replace("app:", "nobody:"), "prefer"),
        (without_tls.url(), "require"),
        (neither.url(), "prefer"),
    ] {
        let url = format!("{url}?sslmode={mode}");
        let words = [true, false].map(|wanted| {
            let error = pool(&url, wanted, ResetOnReturn::Rollback)
                .get()
                .unwrap_err();
            format!("{:?} {error}", error.kind())
        });
        assert_eq!(words[0], words[1], "{url}");
    }
}
