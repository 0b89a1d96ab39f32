//! A checkout, `SELECT 1` and the return, on one thread, against r2d2's and against a connection that is held.
//!
//! Three promises are compared: each pool's own defaults; r2d2's default promise on both, which is a test at each checkout and no
//! reset; and neither test nor reset. On MariaDB r2d2's manager tests at each return too.

use std::sync::Arc;
use std::time::Duration;

use mysql::prelude::Queryable;
use postgres::{Client, Config};
use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::{Pool, PrePing, ResetOnReturn, Settings};
use r2d2_postgres::PostgresConnectionManager;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::certificates::Authority;
use crate::measure::{Operations, Series, operations_take_turns};
use crate::row::{Bar, Row};
use crate::servers::{MariaDb, Postgres};
use crate::{Suite, servers_here};

/// Against r2d2's default over TLS: 1.6 times as fast.
const OF_R2D2_OVER_TLS: f64 = 1.0 / 1.6;
/// Against a held connection: 0.95 of its speed.
const OF_HELD_OVER_TLS: f64 = 1.0 / 0.95;

/// queuepool's settings for the three promises, in the order of the rows.
fn promises() -> [Settings; 3] {
    let settings = || Settings::default().pool_size(10).max_overflow(0);
    let unreset = || settings().reset_on_return(ResetOnReturn::Never);
    [
        settings(),
        unreset().pre_ping(PrePing::Always),
        unreset().pre_ping(PrePing::Never),
    ]
}

/// How a pool talks to PostgreSQL.
#[derive(Clone, Copy, PartialEq)]
enum Wire {
    /// As TCP is by default: the pool does not see what passes, and asks the server at each return.
    Plain,
    /// `watch_plain_connections`.
    Watched,
    Tls,
}

pub fn rows(suite: &mut Suite) {
    for (name, wire) in [
        ("selects/postgres-plain", Wire::Plain),
        ("selects/postgres-watched", Wire::Watched),
        ("selects/postgres-tls", Wire::Tls),
    ] {
        if !suite.wants(name) {
            continue;
        }
        match servers_here::postgres() {
            Ok(()) => postgres(suite, name, wire),
            Err(how) => suite.not_installed(name, how),
        }
    }
    let name = "selects/mariadb";
    if suite.wants(name) {
        match servers_here::mariadb() {
            Ok(()) => mariadb(suite, name),
            Err(how) => suite.not_installed(name, how),
        }
    }
}

fn postgres(suite: &mut Suite, name: &str, wire: Wire) {
    let authority = Authority::new("bench");
    let certificate = authority.server(&["localhost", "127.0.0.1"]);
    let server = suite.processors.start(|| {
        if wire == Wire::Tls {
            Postgres::start_with_files(
                &["ssl=on"],
                &[
                    ("server.crt", &certificate.certificate),
                    ("server.key", &certificate.key),
                ],
            )
        } else {
            Postgres::start()
        }
    });
    let url = server.url();
    let rounds = (suite.window(300), suite.pick(12, 2));
    let series = suite.processors.measure(|| {
        if wire == Wire::Tls {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let roots = folder.path().join("roots.pem");
            std::fs::write(&roots, &authority.certificate).expect("our own folder");
            let ours = format!("{url}?sslmode=verify-full&sslrootcert={}", roots.display());
            let ours = || PostgresManager::from_url(&ours).expect("the server's URL");
            turns_on_postgres(&url, ours, connector(&authority.certificate), rounds)
        } else {
            let ours = || {
                PostgresManager::from_url(&format!("{url}?sslmode=disable"))
                    .expect("the server's URL")
                    .watch_plain_connections(wire == Wire::Watched)
            };
            turns_on_postgres(&url, ours, postgres::NoTls, rounds)
        }
    });
    drop(server);
    add(suite, name, &series, wire == Wire::Tls);
}

/// What encrypts for r2d2 and for the held connection.
fn connector(root: &str) -> MakeRustlsConnect {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).expect("our own certificate");
    roots.add(root).expect("our own certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

fn turns_on_postgres<T>(
    url: &str,
    ours: impl Fn() -> PostgresManager,
    tls: T,
    (window, rounds): (Duration, usize),
) -> Series<f64>
where
    T: postgres::tls::MakeTlsConnect<postgres::Socket> + Clone + Send + Sync + 'static,
    T::TlsConnect: Send,
    T::Stream: Send,
    <T::TlsConnect as postgres::tls::TlsConnect<postgres::Socket>>::Future: Send,
{
    let select = |client: &mut Client| {
        client.simple_query("SELECT 1").expect("an answer");
    };
    let config: Config = url.parse().expect("the server's URL");
    let [defaults, as_r2d2, bare] = promises().map(|settings| {
        let pool = Pool::builder(ours()).settings(settings).build();
        pool.expect("a pool")
    });
    let r2d2 = |is_tested: bool| {
        let manager = PostgresConnectionManager::new(config.clone(), tls.clone());
        let builder = r2d2::Pool::builder()
            .max_size(10)
            .test_on_check_out(is_tested);
        builder.build(manager).expect("a pool")
    };
    let (tested, untested) = (r2d2(true), r2d2(false));
    let mut held = config.connect(tls.clone()).expect("a connection");
    let mut operations: Operations = vec![
        (
            "defaults",
            Box::new(|| select(&mut defaults.get().unwrap())),
        ),
        ("as r2d2", Box::new(|| select(&mut as_r2d2.get().unwrap()))),
        ("bare", Box::new(|| select(&mut bare.get().unwrap()))),
        ("r2d2", Box::new(|| select(&mut tested.get().unwrap()))),
        (
            "r2d2, untested",
            Box::new(|| select(&mut untested.get().unwrap())),
        ),
        ("held", Box::new(move || select(&mut held))),
    ];
    operations_take_turns(&mut operations, window, rounds)
}

/// r2d2_mysql's manager, as in its version 28.0.0. The crate itself would turn on a feature of the driver that replaces its
/// compression in Rust by one in C, in every build of the workspace.
pub struct R2d2MySql(pub mysql::Opts);

impl r2d2::ManageConnection for R2d2MySql {
    type Connection = mysql::Conn;
    type Error = mysql::Error;

    fn connect(&self) -> Result<mysql::Conn, mysql::Error> {
        mysql::Conn::new(self.0.clone())
    }

    fn is_valid(&self, connection: &mut mysql::Conn) -> Result<(), mysql::Error> {
        connection.ping()
    }

    fn has_broken(&self, connection: &mut mysql::Conn) -> bool {
        self.is_valid(connection).is_err()
    }
}

fn mariadb(suite: &mut Suite, name: &str) {
    let server = suite.processors.start(MariaDb::start);
    let url = server.url();
    let (window, rounds) = (suite.window(300), suite.pick(12, 2));
    let series = suite.processors.measure(|| {
        let select = |connection: &mut mysql::Conn| {
            connection.query_drop("SELECT 1").expect("an answer");
        };
        let opts = mysql::Opts::from_url(&url).expect("the server's URL");
        let [defaults, as_r2d2, bare] = promises().map(|settings| {
            let manager = MySqlManager::from_url(&url).expect("the server's URL");
            let pool = Pool::builder(manager).settings(settings).build();
            pool.expect("a pool")
        });
        let r2d2 = |is_tested: bool| {
            let builder = r2d2::Pool::builder()
                .max_size(10)
                .test_on_check_out(is_tested);
            builder.build(R2d2MySql(opts.clone())).expect("a pool")
        };
        let (tested, untested) = (r2d2(true), r2d2(false));
        let own = mysql::Pool::new(opts.clone()).expect("a pool");
        let mut held = mysql::Conn::new(opts.clone()).expect("a connection");
        let mut operations: Operations = vec![
            (
                "defaults",
                Box::new(|| select(&mut defaults.get().unwrap())),
            ),
            ("as r2d2", Box::new(|| select(&mut as_r2d2.get().unwrap()))),
            ("bare", Box::new(|| select(&mut bare.get().unwrap()))),
            ("r2d2", Box::new(|| select(&mut tested.get().unwrap()))),
            (
                "r2d2, untested",
                Box::new(|| select(&mut untested.get().unwrap())),
            ),
            ("held", Box::new(move || select(&mut held))),
            (
                "mysql::Pool",
                Box::new(|| select(own.get_conn().unwrap().as_mut())),
            ),
        ];
        operations_take_turns(&mut operations, window, rounds)
    });
    drop(server);
    add(suite, name, &series, false);
}

fn add(suite: &mut Suite, name: &str, series: &[(&'static str, Vec<f64>)], has_issue_bars: bool) {
    let microseconds = |wanted: &str| -> Option<Vec<f64>> {
        let (_, costs) = series.iter().find(|(name, _)| *name == wanted)?;
        Some(costs.iter().map(|cost| cost / 1e3).collect())
    };
    let of = |wanted: &str| microseconds(wanted).expect("bug: measured above");
    let (of_r2d2, of_held) = if has_issue_bars {
        (OF_R2D2_OVER_TLS, Some(Bar::AtMost(OF_HELD_OVER_TLS)))
    } else {
        (1.0, None)
    };
    let beside = |row: Row| match microseconds("mysql::Pool") {
        Some(own) => row.against("mysql::Pool", &own, None),
        None => row,
    };
    let row = Row::new(format!("{name} defaults"), "us", of("defaults"))
        .against("r2d2", &of("r2d2"), Bar::AtMost(of_r2d2))
        .against("held", &of("held"), of_held);
    suite.add(beside(row));
    let row = Row::new(format!("{name} r2d2's promise"), "us", of("as r2d2"))
        .against("r2d2", &of("r2d2"), Bar::AtMost(1.0))
        .against("held", &of("held"), None);
    suite.add(row);
    let row = Row::new(format!("{name} no test, no reset"), "us", of("bare"))
        .against("r2d2", &of("r2d2, untested"), Bar::AtMost(1.0))
        .against("held", &of("held"), None);
    suite.add(row);
}
