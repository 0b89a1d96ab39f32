//! Ways to get around the encryption that was asked for, each of which is blocked.

use std::io::{Read, Write};
use std::net::TcpStream;

use ::mysql::prelude::Queryable;
use ::mysql::{OptsBuilder, SslOpts};
use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::PostgresManager;
use queuepool::r2d2;
use queuepool::{Driver, ErrorKind, Pool, Retry};

use crate::mariadb::server as mariadb;
use crate::pretender::{between, join};
use crate::table::{HERE, World, settings};
use support::servers::{MariaDb, Postgres};

/// A driver that prepares nothing.
pub struct Own;

impl Driver<PostgresManager> for Own {}
impl Driver<MySqlManager> for Own {}

fn holds_without_a_pool_of_ours<M>(manager: impl Fn() -> M)
where
    M: queuepool::Manager,
    Own: Driver<M>,
{
    assert!(manager().connect().is_err());
    let r2d2 = r2d2::Pool::builder()
        .max_size(1)
        .connection_timeout(std::time::Duration::from_millis(300))
        .build_unchecked(manager());
    assert!(r2d2.get().is_err());
    let pool = Pool::builder(manager())
        .driver(Own)
        // To a driver that classifies nothing, each refusal is worth another attempt.
        .settings(settings().retry(Retry::default().max_attempts(1)))
        .build()
        .unwrap();
    assert!(pool.get().is_err());
}

#[test]
fn a_manager_encrypts_without_a_pool_of_ours_too() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for mode in ["require", "verify-full"] {
        let url = format!("{}?sslmode={mode}", postgres.url());
        holds_without_a_pool_of_ours(|| PostgresManager::from_url(&url).unwrap());
        let url = format!("{}?sslmode={mode}", mariadb.url());
        holds_without_a_pool_of_ours(|| MySqlManager::from_url(&url).unwrap());
    }
}

#[test]
fn a_socket_that_the_server_names_is_not_taken() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    for (mode, user) in [
        ("DISABLED", "app@localhost"),
        ("PREFERRED", "app@127.0.0.1"),
        ("VERIFY_IDENTITY", "app@127.0.0.1"),
    ] {
        let roots = world.roots.display();
        let url = format!(
            "{}?prefer_socket=true&ssl-mode={mode}&ssl-ca={roots}",
            server.url()
        );
        let pool = MySqlPool::builder(&url)
            .unwrap()
            .settings(settings())
            .build()
            .unwrap();
        let came: Option<String> = pool.get().unwrap().query_first("SELECT USER()").unwrap();
        assert_eq!(came.as_deref(), Some(user), "{mode}");
    }
}

pub fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[low, middle, high, number], payload].concat()
}

/// The answer to a query for a single text.
fn result_set(value: &str) -> Vec<u8> {
    let column = [
        &[3][..],
        b"def",
        &[
            0, 0, 0, 1, b'x', 0, 0x0c, 33, 0, 20, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0,
        ],
    ]
    .concat();
    let end = [0xfe, 0, 0, 2, 0];
    let row = [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [
        packet(1, &[1]),
        packet(2, &column),
        packet(3, &end),
        packet(4, &row),
        packet(5, &end),
    ]
    .concat()
}

/// The server's greeting without MariaDB's own extensions.
pub fn greeting(server: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    server.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(head[0]) + usize::from(head[1]) * 256];
    server.read_exact(&mut body).unwrap();
    let version = 2 + body[1..].iter().position(|byte| *byte == 0).unwrap();
    let extensions = version + 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 6;
    body[extensions..extensions + 4].fill(0);
    packet(0, &body)
}

/// A man in the middle without any certificate, who sends more than the server's greeting.
fn forger(server: u16) -> u16 {
    between(server, |mut client, mut server| {
        let accepted = packet(3, &[0, 0, 0, 2, 0, 0, 0]);
        let sent = [
            greeting(&mut server),
            accepted,
            result_set("16777216"),
            result_set("forged"),
            result_set("forged again"),
        ];
        client.write_all(&sent.concat()).unwrap();
        join(&client, &server);
    })
}

fn a_forged_login_is_refused(manager: MySqlManager) {
    let pool = Pool::builder(manager).settings(settings()).build().unwrap();
    let error = pool.get().expect_err("a forged login");
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error.to_string().contains("before the encryption"),
        "{error}"
    );
}

#[test]
fn what_is_sent_before_the_encryption_is_not_taken_for_the_servers() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    let port = forger(server.port());
    let roots = world.roots.display();
    for mode in ["VERIFY_CA", "VERIFY_IDENTITY"] {
        let url =
            format!("mysql://nobody:wrong@127.0.0.1:{port}/app?ssl-mode={mode}&ssl-ca={roots}");
        a_forged_login_is_refused(MySqlManager::from_url(&url).unwrap());
    }
    for skips_the_name in [false, true] {
        let ssl_opts = SslOpts::default()
            .with_root_cert_path(Some(world.roots.clone()))
            .with_danger_skip_domain_validation(skips_the_name);
        let opts = OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(port)
            .user(Some("nobody"))
            .pass(Some("wrong"))
            .ssl_opts(Some(ssl_opts));
        a_forged_login_is_refused(MySqlManager::new(opts).unwrap());
    }
}
