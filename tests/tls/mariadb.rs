//! MariaDB.

use ::mysql::prelude::Queryable;

use crate::certificates::Certificate;
use crate::servers::MariaDb;
use crate::table::{
    ELSEWHERE, Encrypted, GOOD, HERE, NONE, OLD, Outcome, Refused, STRANGE, World, check, open,
};

pub fn server(world: &World, certificate: &Certificate, options: &[&str]) -> MariaDb {
    let mut all = vec![
        "--ssl-cert=server.crt",
        "--ssl-key=server.key",
        "--ssl-ca=root.crt",
    ];
    all.extend(options);
    MariaDb::start_with_files(
        &all,
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
            ("root.crt", &world.ours.certificate),
        ],
    )
}

fn against(certificate: impl Fn(&World) -> Certificate, table: &[(&str, Outcome)]) {
    let world = World::new();
    let server = server(&world, &certificate(&world), &[]);
    check(&server.url(), &world, table);
}

#[test]
fn a_good_certificate() {
    against(|world| world.ours.server(&HERE), &GOOD);
}

#[test]
fn a_certificate_of_an_unknown_authority() {
    against(|world| world.others.server(&HERE), &STRANGE);
}

#[test]
fn a_certificate_for_another_host() {
    against(|world| world.ours.server(&["db.example"]), &ELSEWHERE);
}

#[test]
fn an_expired_certificate() {
    against(|world| world.ours.expired_server(&HERE), &OLD);
}

#[test]
fn a_server_without_tls() {
    check(&MariaDb::start().url(), &World::new(), &NONE);
}

/// How many connections the server has been asked for while `connect` ran.
fn connections(server: &MariaDb, connect: impl FnOnce()) -> u64 {
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

#[test]
fn a_server_without_tls_is_asked_for_it_once() {
    let mut server = MariaDb::start();
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

#[test]
fn a_user_who_must_show_a_certificate() {
    let world = World::new();
    let server = server(&world, &world.ours.server(&HERE), &[]);
    let mut admin = ::mysql::Conn::new(server.admin_url().as_str()).unwrap();
    admin
        .query_drop("ALTER USER 'app'@'127.0.0.1' REQUIRE X509")
        .unwrap();
    let plain = Refused("Access denied for user 'app'…a login without TLS");
    let denied = Refused("Access denied for user 'app'…a client certificate");
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

#[test]
fn a_server_that_lets_only_encrypted_logins_in() {
    let world = World::new();
    let server = server(
        &world,
        &world.others.server(&HERE),
        &["--require-secure-transport=ON"],
    );
    let both = Refused("would do with a plain login, which the server refused too");
    check(
        &server.url(),
        &world,
        &[
            ("", Encrypted),
            (
                "disable",
                Refused("Access denied for user 'app'…a login without TLS"),
            ),
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

#[test]
fn a_server_without_tls_whose_user_must_be_encrypted() {
    let server = MariaDb::start();
    let mut admin = ::mysql::Conn::new(server.admin_url().as_str()).unwrap();
    admin
        .query_drop("ALTER USER 'app'@'127.0.0.1' REQUIRE SSL")
        .unwrap();
    let which_it_lacks = Refused("may ask this user for TLS, which it has to offer then");
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
