//! A proxy in front of MariaDB or MySQL that accepts only one statement at a time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use ::mysql::prelude::Queryable;
use ::mysql::{Opts, OptsBuilder};
use queuepool::ResetOnReturn;
use queuepool::mysql::MySqlPool;

use crate::pool::size;
use support::scripted::secs;
use support::servers::{TestServer, on_each};

on_each!([
    several_statements_that_are_refused_are_sent_one_by_one_from_then_on,
    one_by_one_a_late_answer_reaches_nobody_either,
    words_that_a_proxy_does_not_know_cost_no_connection,
    a_refusal_that_is_the_sessions_own_is_not_remembered,
]: mariadb = MariaDb, mysql_itself = MySql);

/// Forwards the statements that it does not refuse, and records all of them.
pub(crate) struct Proxy {
    port: u16,
    statements: Arc<Mutex<Vec<String>>>,
}

const COM_QUERY: u8 = 3;

impl Proxy {
    /// Statements that are refused are answered with a syntax error.
    pub(crate) fn start(server: u16, refuses: fn(&str) -> bool) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            statements: Arc::default(),
        };
        let statements = proxy.statements.clone();
        // The threads end with the test's process.
        spawn(move || {
            for client in listener.incoming() {
                let (client, statements) = (client.unwrap(), statements.clone());
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (mut from, mut to) =
                    (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                spawn(move || {
                    serve(client, &upstream, &|sql: &str| {
                        statements.lock().unwrap().push(sql.to_owned());
                        refuses(sql)
                    });
                    let _ = upstream.shutdown(Shutdown::Both);
                });
            }
        });
        proxy
    }

    pub(crate) fn opts<S: TestServer>(&self, server: &S) -> OptsBuilder {
        // The proxy cannot read what is encrypted, so the connection is not.
        let opts = Opts::from_url(&server.url()).unwrap();
        OptsBuilder::from_opts(opts).tcp_port(self.port)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock().unwrap())
    }
}

fn serve(mut client: TcpStream, mut upstream: &TcpStream, refuses: &dyn Fn(&str) -> bool) {
    let mut header = [0; 4];
    while client.read_exact(&mut header).is_ok() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
        let mut payload = vec![0; length];
        if client.read_exact(&mut payload).is_err() {
            return;
        }
        let is_query = header[3] == 0 && payload.first() == Some(&COM_QUERY);
        let sql = String::from_utf8_lossy(payload.get(1..).unwrap_or_default()).into_owned();
        let sent = match is_query && refuses(&sql) {
            true => client.write_all(&refusal()),
            false => upstream.write_all(&[&header[..], &payload].concat()),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// An error packet, as the first packet of an answer.
fn refusal() -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(1064_u16.to_le_bytes());
    payload.extend(b"#42000one statement at a time");
    let mut packet = (payload.len() as u32).to_le_bytes().to_vec();
    packet[3] = 1;
    packet.extend(payload);
    packet
}

fn is_several(sql: &str) -> bool {
    sql.contains(';')
}

pub(crate) fn pool(opts: OptsBuilder, how: ResetOnReturn) -> MySqlPool {
    MySqlPool::builder(Opts::from(opts))
        .unwrap()
        .settings(size(1, 0).reset_on_return(how))
        .build()
        .unwrap()
}

fn several_statements_that_are_refused_are_sent_one_by_one_from_then_on<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), is_several);
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let pool = pool(proxy.opts(&server), how);
        let mut refused = Vec::new();
        for _ in 0..3 {
            let mut connection = pool.get().unwrap();
            connection.query_drop("SET autocommit = 0").unwrap();
            connection.query_drop("DO 1").unwrap();
            proxy.take();
            drop(connection);
            let sent = proxy.take();
            refused.push(sent.iter().filter(|sql| is_several(sql)).count());
            let autocommit: Option<i64> = pool
                .get()
                .unwrap()
                .query_first("SELECT @@autocommit")
                .unwrap();
            assert_eq!(autocommit, Some(1), "{how:?}");
            if how == ResetOnReturn::Rollback && refused.len() > 1 {
                let asks = "SELECT 0, @@global.read_only, @@global.innodb_read_only";
                assert_eq!(
                    sent,
                    ["ROLLBACK", "UNLOCK TABLES", "SET autocommit=1", asks]
                );
            }
        }
        assert_eq!(refused, [1, 0, 0], "{how:?}");
        assert_eq!(pool.status().total_connections_created, 1);
    }
}

fn one_by_one_a_late_answer_reaches_nobody_either<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), is_several);
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Full] {
        let opts = proxy
            .opts(&server)
            .read_timeout(Some(std::time::Duration::from_millis(200)));
        let pool = pool(opts, how);
        // Lets the driver learn that the proxy refuses several statements.
        drop(pool.get().unwrap());
        for (number, slow) in ["DO SLEEP(0.3)", "SELECT 'secret', SLEEP(0.3)"]
            .iter()
            .enumerate()
        {
            pool.get()
                .unwrap()
                .query_drop(slow)
                .expect_err("a time-out");
            let mut connection = pool.get().unwrap();
            let got: Option<i64> = connection.query_first("SELECT 42").unwrap();
            assert_eq!(got, Some(42), "{how:?} {slow}");
            drop(connection);
            assert_eq!(pool.status().total_connections_created, number as u64 + 2);
        }
    }
}

fn words_that_a_proxy_does_not_know_cost_no_connection<S: TestServer>() {
    let server = S::start();
    let knows_little =
        |sql: &str| is_several(sql) || sql.contains("CHAIN") || sql.contains("UNLOCK");
    let proxy = Proxy::start(server.port(), knows_little);
    let pool = pool(proxy.opts(&server), ResetOnReturn::Rollback);
    for _ in 0..3 {
        pool.get().unwrap().query_drop("BEGIN").unwrap();
    }
    assert_eq!(pool.status().total_connections_created, 1);
}

/// The refusal of one reset must not decide how the others are sent.
fn a_refusal_that_is_the_sessions_own_is_not_remembered<S: TestServer>() {
    let server = S::start();
    let proxy = Proxy::start(server.port(), |_| false);
    let pool = pool(
        proxy.opts(&server).read_timeout(Some(secs(20))),
        ResetOnReturn::Rollback,
    );
    let mut connection = pool.get().unwrap();
    // A transaction that no ROLLBACK ends.
    connection.query_drop("XA START 'mine'").unwrap();
    drop(connection);
    let mut next = pool.get().unwrap();
    next.query_drop("DO 1").unwrap();
    proxy.take();
    drop(next);
    let sent = proxy.take();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(is_several(&sent[0]), "{sent:?}");
    assert_eq!(pool.status().total_connections_created, 2);
}
