//! The test harness itself.

use ::mysql::prelude::Queryable;
use std::time::Instant;
use support::servers::{
    MariaDb, MySql, NewestMariaDb, NewestPostgres, PgBouncer, Postgres, TestServer,
};

#[test]
fn servers_start_stop_and_start_again() {
    let begun = Instant::now();
    let mut server = Postgres::start();
    eprintln!("postgres started in {:?}", begun.elapsed());
    let begun = Instant::now();
    let mut maria = MariaDb::start();
    eprintln!("mariadb started in {:?}", begun.elapsed());
    let bouncer = PgBouncer::start(&server, "session");
    for _ in 0..2 {
        let mut client =
            ::postgres::Client::connect(&server.url(), ::postgres::NoTls).expect("postgres");
        client
            .simple_query("CREATE TABLE IF NOT EXISTS t (i int)")
            .expect("a table");
        ::postgres::Client::connect(&server.admin_url(), ::postgres::NoTls).expect("admin");
        ::postgres::Client::connect(&bouncer.url(), ::postgres::NoTls).expect("bouncer");
        ::mysql::Conn::new(maria.url().as_str()).expect("mariadb");
        ::mysql::Conn::new(maria.admin_url().as_str()).expect("mariadb admin");
        let begun = Instant::now();
        server.stop();
        server.start_again();
        server.kill();
        server.start_again();
        eprintln!("postgres restarts {:?}", begun.elapsed());
        let begun = Instant::now();
        maria.stop();
        maria.start_again();
        maria.kill();
        maria.start_again();
        eprintln!("mariadb restarts {:?}", begun.elapsed());
    }
}

#[test]
fn the_servers_of_today_start_stop_and_start_again() {
    fn check<S: TestServer>(version: fn(&str) -> String, at_least: u32) {
        if !S::is_here() {
            return;
        }
        let begun = Instant::now();
        let mut server = S::start();
        let found = version(&server.url());
        eprintln!("{found} started in {:?}", begun.elapsed());
        let major = found.split('.').next().expect("a first part");
        assert!(major.parse::<u32>().expect("a number") >= at_least);
        version(&server.admin_url());
        server.stop();
        server.start_again();
        version(&server.url());
        server.kill();
        server.start_again();
        version(&server.url());
    }
    let postgres = |url: &str| {
        let mut client = ::postgres::Client::connect(url, ::postgres::NoTls).expect("postgres");
        let row = client.query_one("SHOW server_version", &[]);
        row.expect("a row").get::<_, String>(0)
    };
    let mysql = |url: &str| {
        let mut connection = ::mysql::Conn::new(url).expect("mysql");
        let version: Option<String> = connection.query_first("SELECT VERSION()").expect("a row");
        version.expect("a row")
    };
    check::<NewestPostgres>(postgres, 18);
    // PARSEC was added in 11.6.
    check::<NewestMariaDb>(mysql, 11);
    check::<MySql>(mysql, 9);
}
