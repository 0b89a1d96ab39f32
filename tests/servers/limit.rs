//! How many connections the server accepts: asked once, and what follows from it for the size of the pool.

use ::mysql::prelude::Queryable;
use queuepool::mysql::MySqlPool;
use queuepool::postgres::PostgresPool;
use queuepool::{CloseReason, Database, Mode, Settings};

use crate::pool::size;
use support::scripted::{assert_laws, eventually, secs};
use support::servers::{MariaDb, Postgres, TestServer};

/// In null mode no connection is ever idle, so only a health check can ask.
#[test]
fn in_null_mode_a_health_check_asks() {
    let server = Postgres::start_with(&["max_connections=37", "superuser_reserved_connections=5"]);
    let settings = Settings::default().mode(Mode::Null);
    let database = Database::open_with(&server.url(), settings).unwrap();
    drop(database.get().unwrap());
    assert_eq!(database.status().server_limit, None);
    assert!(database.health_check().unwrap().reachable);
    let limit = database.status().server_limit.expect("asked by now");
    assert_eq!((limit.max_connections, limit.reserved), (37, 5));
    eventually("all connections are closed", || {
        database.status().total == 0
    });
}

#[test]
fn postgres_is_asked_once_for_its_limit_and_what_it_reserves() {
    let server = Postgres::start_with(&[
        "max_connections=37",
        "superuser_reserved_connections=5",
        "log_statement=all",
    ]);
    let pool = PostgresPool::builder(server.url())
        .unwrap()
        .settings(size(10, 6))
        .build()
        .unwrap();
    assert_eq!(pool.status().server_limit, None);
    for _ in 0..3 {
        // The first check opens a connection, the second finds it idle.
        assert!(pool.health_check().unwrap().reachable);
    }
    let limit = pool.status().server_limit.expect("asked by now");
    assert_eq!((limit.max_connections, limit.reserved), (37, 5));
    assert_eq!((limit.available(), limit.instances_of(16)), (32, 2));
    pool.upkeep();
    let asked = |text: String| text.matches("current_setting('max_connections')").count();
    assert_eq!(asked(server.log_text()), 1, "{}", server.log_text());
    let text = pool.status().to_string();
    let line = "Server Limit: 37 connections, 5 reserved; 2 pools of this capacity fit";
    assert!(text.contains(line), "{text}");
    assert_eq!(
        pool.status().recommendations,
        ["Pool is healthy. No action needed."]
    );
}

#[test]
fn a_pool_larger_than_the_server_is_told_what_fits() {
    let server = Postgres::start_with(&["max_connections=20"]);
    let pool = PostgresPool::builder(server.url())
        .unwrap()
        .settings(size(10, 20))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    pool.upkeep();
    eventually("upkeep asks on an idle connection", || {
        pool.status().server_limit.is_some()
    });
    assert_eq!(
        pool.status().recommendations,
        [
            "Lower pool_size + max_overflow from 30 to 17 or less: the server takes 20 connections and reserves 3. \
             Of 2 instances each may have 8, of 3 5."
        ]
    );
}

support::servers::on_each!([mariadb_and_mysql_are_asked_too]: mariadb = MariaDb, mysql_itself = MySql);

fn mariadb_and_mysql_are_asked_too<S: TestServer>() {
    let server = S::start_with(&["--max-connections=41"]);
    let pool = MySqlPool::builder(server.url())
        .unwrap()
        .settings(size(1, 0))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    assert!(pool.health_check().unwrap().reachable);
    let limit = pool.status().server_limit.expect("asked by now");
    assert_eq!((limit.max_connections, limit.reserved), (41, 0));
    assert_eq!(limit.for_user_or_database, None);
}

#[test]
fn the_least_limit_of_role_and_database_counts() {
    let server = Postgres::start();
    for (limits, least) in [
        ("ALTER ROLE app CONNECTION LIMIT 12", 12),
        ("ALTER DATABASE app CONNECTION LIMIT 9", 9),
    ] {
        let mut admin =
            ::postgres::Client::connect(&server.admin_url(), ::postgres::NoTls).unwrap();
        admin.batch_execute(limits).unwrap();
        let pool = PostgresPool::builder(&server.url())
            .unwrap()
            .settings(size(1, 0))
            .build()
            .unwrap();
        drop(pool.get().unwrap());
        assert!(pool.health_check().unwrap().reachable);
        let limit = pool.status().server_limit.expect("asked by now");
        assert_eq!(limit.for_user_or_database, Some(least));
        assert_eq!(limit.available(), least);
    }
}

#[test]
fn the_limit_of_the_account_counts() {
    let server = MariaDb::start();
    let url = server.admin_url();
    let mut admin = ::mysql::Conn::new(::mysql::Opts::from_url(&url).unwrap()).unwrap();
    let accounts = "ALTER USER 'app'@'127.0.0.1', 'app'@'localhost' WITH MAX_USER_CONNECTIONS 7";
    admin.query_drop(accounts).unwrap();
    let pool = MySqlPool::builder(&server.url())
        .unwrap()
        .settings(size(1, 0))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    assert!(pool.health_check().unwrap().reachable);
    let limit = pool.status().server_limit.expect("asked by now");
    assert_eq!(limit.for_user_or_database, Some(7));
    assert_eq!(limit.available(), 7);
}

#[test]
fn a_larger_pool_that_the_server_has_no_room_for_is_taken_from_the_overflow() {
    let server = Postgres::start_with(&["max_connections=20"]);
    let pool = PostgresPool::builder(server.url())
        .unwrap()
        .settings(size(4, 12))
        .build()
        .unwrap();
    assert!(pool.health_check().unwrap().reachable);
    assert!(pool.health_check().unwrap().reachable);
    let _held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    assert_eq!(
        pool.status().recommendations,
        [
            "Raise pool_size from 4 to 6, and lower max_overflow from 12 to 10, if this is the usual load: \
             4 connections are in use, 100 % of pool_size."
        ]
    );
}

/// Two instances on a server that has room for four: the first has taken all four, wants no more and is refused nothing; the second
/// comes later.
fn the_second_instance_gets_its_share(url: &str) {
    let open = || {
        let settings = size(4, 0).instances(2).timeout(secs(20));
        Database::open_with(url, settings).unwrap()
    };
    let (first, second) = (open(), open());
    let held: Vec<_> = (0..4).map(|_| first.get().unwrap()).collect();
    assert_eq!(
        first.status().server_limit.expect("asked").available(),
        4,
        "asked at the first login"
    );
    drop(held);
    let held: Vec<_> = (0..2).map(|_| second.get().unwrap()).collect();
    eventually("the first has its share", || first.status().total == 2);
    let status = first.status();
    assert_eq!(status.refused_full, 0);
    assert_eq!(status.closed_by_reason[&CloseReason::OverShare], 2);
    assert_eq!(second.status().total, 2);
    drop(held);
    assert_laws(&first.status());
    assert_laws(&second.status());
}

#[test]
fn two_instances_share_what_the_server_takes() {
    let server = Postgres::start_with(&["max_connections=7"]);
    the_second_instance_gets_its_share(&server.url());
}

#[test]
fn two_instances_share_what_the_role_or_the_database_may_have() {
    let server = Postgres::start();
    for limits in [
        "ALTER ROLE app CONNECTION LIMIT 4",
        "ALTER ROLE app CONNECTION LIMIT -1; ALTER DATABASE app CONNECTION LIMIT 4",
    ] {
        let url = server.admin_url();
        let mut admin = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
        admin.batch_execute(limits).unwrap();
        drop(admin);
        the_second_instance_gets_its_share(&server.url());
        eventually("the sessions of this round have ended", || {
            let mut admin = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
            let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
            admin.query_one(open, &[]).unwrap().get::<_, i64>(0) == 0
        });
    }
}

support::servers::on_each!([two_instances_share_what_mysql_takes]: mariadb_room = MariaDb, mysql_room = MySql);

fn two_instances_share_what_mysql_takes<S: TestServer>() {
    // MariaDB and MySQL accept no limit below 10, and the others are held here.
    let server = S::start_with(&["--max-connections=10"]);
    let opts = ::mysql::Opts::from_url(&server.url()).unwrap();
    let others: Vec<_> = (0..6)
        .map(|_| ::mysql::Conn::new(opts.clone()).unwrap())
        .collect();
    let open = |instances| {
        let settings = size(4, 0).instances(instances).timeout(secs(20));
        Database::open_with(&server.url(), settings).unwrap()
    };
    let (first, second) = (open(5), open(5));
    drop((0..4).map(|_| first.get().unwrap()).collect::<Vec<_>>());
    let held: Vec<_> = (0..2).map(|_| second.get().unwrap()).collect();
    eventually("the first has its share of two", || {
        first.status().total == 2
    });
    assert_eq!(first.status().refused_full, 0);
    drop((held, others));
    assert_laws(&first.status());
}

#[test]
fn two_instances_share_what_the_account_may_have() {
    let server = MariaDb::start();
    let url = server.admin_url();
    let mut admin = ::mysql::Conn::new(::mysql::Opts::from_url(&url).unwrap()).unwrap();
    let accounts = "ALTER USER 'app'@'127.0.0.1', 'app'@'localhost' WITH MAX_USER_CONNECTIONS 4";
    admin.query_drop(accounts).unwrap();
    the_second_instance_gets_its_share(&server.url());
}
