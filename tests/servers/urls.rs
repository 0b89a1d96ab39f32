//! Which server a URL leads to, where it names one in the ways of libpq, SQLAlchemy and others.

use ::mysql::prelude::Queryable;
use queuepool::Database;
use queuepool::mysql::MySqlPool;
use queuepool::postgres::PostgresPool;
use support::servers::{MariaDb, Postgres, TestServer};

use crate::hosts::{nobody, settings};

/// The user and password of the server's URL, and what follows the port.
fn user_and_database(server: &impl TestServer) -> (String, String) {
    let (before, _) = server
        .url()
        .split_once('@')
        .map(|(user, rest)| (user.to_owned(), rest.to_owned()))
        .expect("a user");
    (before, "/app".to_owned())
}

/// The port of the server that the URL leads to, and whether the connection is a TCP one.
fn postgres(url: &str) -> (u16, bool) {
    let pool = PostgresPool::builder(url)
        .unwrap()
        .settings(settings())
        .build()
        .unwrap();
    let row = pool
        .get()
        .unwrap()
        .query_one(
            "SELECT current_setting('port')::int4, inet_server_port() IS NOT NULL",
            &[],
        )
        .unwrap();
    (u16::try_from(row.get::<_, i32>(0)).unwrap(), row.get(1))
}

fn mysql(url: &str) -> (u16, bool) {
    let pool = MySqlPool::builder(url)
        .unwrap()
        .settings(settings())
        .build()
        .unwrap();
    let sql = "SELECT @@port, host <> 'localhost' FROM information_schema.processlist WHERE id = CONNECTION_ID()";
    let row: Option<(u16, bool)> = pool.get().unwrap().query_first(sql).unwrap();
    row.expect("a row")
}

#[test]
fn on_postgres_host_and_port_replace_what_stands_before_the_database() {
    let (first, second) = (Postgres::start(), Postgres::start());
    let (user, database) = user_and_database(&first);
    let (one, other, none) = (first.port(), second.port(), nobody());
    let directory = second.directory().display();
    for (at, query, tcp) in [
        (format!("127.0.0.1:{one}"), format!("port={other}"), true),
        (
            format!("nowhere.invalid:{other}"),
            "host=127.0.0.1".to_owned(),
            true,
        ),
        (
            format!("nowhere.invalid:{none}"),
            format!("host=127.0.0.1&port={other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1:{other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1:{none}&host=127.0.0.1:{other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1,127.0.0.1&port={none},{other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one},127.0.0.1:{one}"),
            format!("port={other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host={directory}&port={other}"),
            false,
        ),
        (
            format!("localhost:{other}"),
            format!("host={directory}"),
            false,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("unix_sock={directory}/.s.PGSQL.{other}"),
            false,
        ),
        (
            String::new(),
            format!("unix_socket={directory}/.s.PGSQL.{other}"),
            false,
        ),
    ] {
        let url = format!("{user}@{at}{database}?{query}");
        assert_eq!(postgres(&url), (other, tcp), "{url}");
    }
}

#[test]
fn on_mysql_host_and_port_replace_what_stands_before_the_database() {
    let (first, second) = (MariaDb::start(), MariaDb::start());
    let (user, database) = user_and_database(&first);
    let (one, other, none) = (first.port(), second.port(), nobody());
    let socket = second.directory().join("mysqld.sock");
    let socket = socket.display();
    for (at, query, tcp) in [
        (format!("127.0.0.1:{one}"), format!("port={other}"), true),
        (
            format!("nowhere.invalid:{other}"),
            "host=127.0.0.1".to_owned(),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1:{other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1:{none}&host=127.0.0.1:{other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one},127.0.0.1:{one}"),
            format!("host=127.0.0.1&port={other}"),
            true,
        ),
        (
            format!("127.0.0.1:{one}"),
            format!("host=127.0.0.1,127.0.0.1&port={none},{other}"),
            true,
        ),
        (String::new(), format!("unix_socket={socket}"), false),
        (
            format!("127.0.0.1:{one}"),
            format!("unix_socket={socket}"),
            false,
        ),
    ] {
        let url = format!("{user}@{at}{database}?{query}");
        assert_eq!(mysql(&url), (other, tcp), "{url}");
    }
}

/// What has one answer only may be said, and what is around a URL is no part of it.
#[test]
fn a_url_as_files_and_other_programs_write_it_opens_the_database() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for url in [
        format!(
            " \"{}?client_encoding=utf8&gssencmode=disable&sslcompression=0\"\n",
            postgres.url()
        ),
        format!(
            "'{}?fallback_application_name=x&ssl=false&pool_reset_on_return=None'",
            postgres.url()
        ),
        format!(
            "{}?options=-c+statement_timeout=5000+-c+work_mem=5MB&pool_recycle=-1\r\n",
            postgres.url()
        ),
        format!(
            "\t{}?charset=utf8mb4&pool_reset_on_return=rollback ",
            mariadb.url()
        ),
    ] {
        let database = Database::open(&url).expect("read");
        assert_eq!(
            database.get().unwrap().query_i64("SELECT 7").unwrap(),
            7,
            "{url}"
        );
        if url.contains("options") {
            let mut connection = database.get().unwrap();
            let sql = "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'";
            assert_eq!(connection.query_i64(sql).unwrap(), 5000);
            let sql =
                "SELECT count(*) FROM pg_settings WHERE name = 'work_mem' AND setting = '5120'";
            assert_eq!(connection.query_i64(sql).unwrap(), 1);
        }
        if url.contains("fallback") {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND application_name = 'x'";
            assert_eq!(database.get().unwrap().query_i64(sql).unwrap(), 1);
        }
    }
}
