//! TLS with MariaDB and MySQL.

use ::mysql::prelude::Queryable;

use crate::table::{
    ELSEWHERE, Encrypted, GOOD, HERE, NONE, OLD, Outcome, Refused, STRANGE, World, check, open,
};
use support::certificates::Certificate;
use support::servers::{MariaDb, MySql, TestServer};

support::servers::on_each!([
    a_good_certificate,
    a_certificate_of_an_unknown_authority,
    a_certificate_for_another_host,
    an_expired_certificate,
    a_server_without_tls,
    a_server_without_tls_is_asked_for_it_once,
    a_user_who_must_show_a_certificate,
    a_server_that_lets_only_encrypted_logins_in,
    a_server_without_tls_whose_user_must_be_encrypted,
]: mariadb = MariaDb, mysql_itself = MySql);

trait MySqlServer: TestServer {
    /// MySQL offers TLS unless told otherwise, with a certificate that it has generated itself.
    const WITHOUT_TLS: &[&str];
    /// The answer to a plain login if everything must be encrypted.
    const INSECURE: Outcome;
}

impl MySqlServer for MariaDb {
    const WITHOUT_TLS: &[&str] = &[];
    const INSECURE: Outcome = Refused("Access denied for user 'app'…a login without TLS");
}

impl MySqlServer for MySql {
    const WITHOUT_TLS: &[&str] = &["--tls-version="];
    const INSECURE: Outcome = Refused("insecure transport are prohibited");
}

pub fn server(world: &World, certificate: &Certificate, options: &[&str]) -> MariaDb {
    start(world, certificate, options)
}

fn start<S: TestServer>(world: &World, certificate: &Certificate, options: &[&str]) -> S {
    let mut all = vec![
        "--ssl-cert=server.crt",
        "--ssl-key=server.key",
        "--ssl-ca=root.crt",
    ];
    all.extend(options);
    S::start_with_files(
        &all,
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
            ("root.crt", &world.ours.certificate),
        ],
    )
}

fn against<S: MySqlServer>(certificate: impl Fn(&World) -> Certificate, table: &[(&str, Outcome)]) {
    let world = World::new();
    let server: S = start(&world, &certificate(&world), &[]);
    check(&server.url(), &world, table);
}

fn a_good_certificate<S: MySqlServer>() {
    against::<S>(|world| world.ours.server(&HERE), &GOOD);
}

fn a_certificate_of_an_unknown_authority<S: MySqlServer>() {
    against::<S>(|world| world.others.server(&HERE), &STRANGE);
}

fn a_certificate_for_another_host<S: MySqlServer>() {
    against::<S>(|world| world.ours.server(&["db.example"]), &ELSEWHERE);
}

fn an_expired_certificate<S: MySqlServer>() {
    against::<S>(|world| world.ours.expired_server(&HERE), &OLD);
}

fn a_server_without_tls<S: MySqlServer>() {
    check(&S::start_with(S::WITHOUT_TLS).url(), &World::new(), &NONE);
}

/// How many connections to the server were attempted while `connect` ran.
fn connections<S: MySqlServer>(server: &S, connect: impl FnOnce()) -> u64 {
    let mut admin = ::mysql::Conn::new(server.admin_url().as_str()).unwrap();
    let mut count = || -> u64 {
        let row: Option<(String, u64)> = admin
            .query_first("SHOW GLOBAL STATUS LIKE 'Connections'")
            .unwrap();
        row.unwrap().1
    };
    let before = count();
    connect();
    count() - before
}

fn a_server_without_tls_is_asked_for_it_once<S: MySqlServer>() {
    let mut server = S::start_with(S::WITHOUT_TLS);
    let database = open(&server.url());
    let connect = || {
        for _ in 0..5 {
            drop(database.get().unwrap());
            database.invalidate_all();
        }
    };
    assert_eq!(connections(&server, connect), 6);
    assert_eq!(connections(&server, connect), 5);
    server.stop();
    database.get().unwrap_err();
    server.start_again();
    assert_eq!(connections(&server, connect), 6);
}

fn a_user_who_must_show_a_certificate<S: MySqlServer>() {
    let world = World::new();
    let server: S = start(&world, &world.ours.server(&HERE), &[]);
    let mut admin = ::mysql::Conn::new(server.admin_url().as_str()).unwrap();
    admin
        .query_drop("ALTER USER 'app'@'127.0.0.1' REQUIRE X509")
        .unwrap();
    let plain = Refused("Access denied for user 'app'…a login without TLS");
    // The server says the same of a wrong password, so nothing is said of certificates.
    let denied = Refused("Access denied for user 'app'");
    let unknown = Refused("UnknownIssuer");
    let strange =
        Refused("the server refused the TLS handshake; it may not trust the client certificate");
    check(
        &server.url(),
        &world,
        &[
            ("", denied),
            ("disable", plain),
            ("allow", denied),
            ("prefer", denied),
            ("require", denied),
            ("verify-ca", unknown),
            ("verify-full", unknown),
            ("disable roots", plain),
            ("allow roots", denied),
            ("prefer roots", denied),
            ("require roots", denied),
            ("verify-ca roots", denied),
            ("verify-full roots", denied),
            ("disable client", plain),
            ("allow client", Encrypted),
            ("prefer client", Encrypted),
            ("require client", Encrypted),
            ("verify-ca client", unknown),
            ("verify-full client", unknown),
            ("allow roots client", Encrypted),
            ("prefer roots client", Encrypted),
            ("require roots client", Encrypted),
            ("verify-ca roots client", Encrypted),
            ("verify-full roots client", Encrypted),
            ("disable roots client", plain),
            ("disable stranger", plain),
            ("allow stranger", strange),
            ("prefer stranger", strange),
            ("require stranger", strange),
            ("verify-ca stranger", unknown),
            ("verify-full stranger", unknown),
            ("verify-ca roots stranger", strange),
            ("verify-full roots stranger", strange),
        ],
    );
}

fn a_server_that_lets_only_encrypted_logins_in<S: MySqlServer>() {
    let world = World::new();
    let server: S = start(
        &world,
        &world.others.server(&HERE),
        &["--require-secure-transport=ON"],
    );
    let both = Refused("a plain login would do, but the server refused that too");
    check(
        &server.url(),
        &world,
        &[
            ("", Encrypted),
            ("disable", S::INSECURE),
            ("allow", Encrypted),
            ("prefer", Encrypted),
            ("require", Encrypted),
            ("verify-ca", Refused("UnknownIssuer")),
            ("verify-full", Refused("UnknownIssuer")),
            ("allow roots", both),
            ("prefer roots", both),
            ("require roots", Refused("UnknownIssuer")),
            ("verify-ca roots", Refused("UnknownIssuer")),
            ("verify-full roots", Refused("UnknownIssuer")),
        ],
    );
}

fn a_server_without_tls_whose_user_must_be_encrypted<S: MySqlServer>() {
    let server = S::start_with(S::WITHOUT_TLS);
    let mut admin = ::mysql::Conn::new(server.admin_url().as_str()).unwrap();
    admin
        .query_drop("ALTER USER 'app'@'127.0.0.1' REQUIRE SSL")
        .unwrap();
    let which_it_lacks = Refused("may require TLS of this user, which it must then offer");
    check(
        &server.url(),
        &World::new(),
        &[
            (
                "disable",
                Refused("may refuse this user a login without TLS"),
            ),
            ("allow", which_it_lacks),
            ("prefer", which_it_lacks),
            ("require", Refused("the server does not offer TLS")),
        ],
    );
}
