//! TLS with PostgreSQL.

use crate::table::{
    ELSEWHERE, Encrypted, GOOD, HERE, NONE, OLD, Outcome, Plain, Refused, STRANGE, UNKNOWN, World,
    check,
};
use support::certificates::Certificate;
use support::servers::{Postgres, TestServer};

support::servers::on_each!([
    a_good_certificate,
    a_certificate_of_an_unknown_authority,
    a_certificate_for_another_host,
    an_expired_certificate,
    a_server_without_tls,
    a_server_that_asks_for_a_client_certificate,
    a_server_that_lets_only_encrypted_logins_in,
    a_server_that_lets_only_plain_logins_in,
    a_server_without_tls_that_lets_only_encrypted_logins_in,
]: installed = Postgres, newest = NewestPostgres);

/// Lines of pg_hba.conf, which say what the server lets in.
pub const ANY: &str = "host all all 127.0.0.1/32 scram-sha-256\n";
pub const ENCRYPTED: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
pub const PLAIN: &str = "hostnossl all all 127.0.0.1/32 scram-sha-256\n";
pub const WITH_CERTIFICATE: &str =
    "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";

pub fn server(world: &World, certificate: &Certificate, admits: &str) -> Postgres {
    start(world, certificate, admits)
}

fn start<S: TestServer>(world: &World, certificate: &Certificate, admits: &str) -> S {
    S::start_with_files(
        &["ssl=on", "ssl_ca_file=root.crt"],
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
            ("root.crt", &world.ours.certificate),
            ("pg_hba.conf", admits),
        ],
    )
}

fn against<S: TestServer>(certificate: impl Fn(&World) -> Certificate, table: &[(&str, Outcome)]) {
    let world = World::new();
    let server: S = start(&world, &certificate(&world), ANY);
    check(&server.url(), &world, table);
}

fn a_good_certificate<S: TestServer>() {
    against::<S>(|world| world.ours.server(&HERE), &GOOD);
}

fn a_certificate_of_an_unknown_authority<S: TestServer>() {
    against::<S>(|world| world.others.server(&HERE), &STRANGE);
}

fn a_certificate_for_another_host<S: TestServer>() {
    against::<S>(|world| world.ours.server(&["db.example"]), &ELSEWHERE);
}

fn an_expired_certificate<S: TestServer>() {
    against::<S>(|world| world.ours.expired_server(&HERE), &OLD);
}

fn a_server_without_tls<S: TestServer>() {
    check(&S::start().url(), &World::new(), &NONE);
}

fn a_server_that_asks_for_a_client_certificate<S: TestServer>() {
    let world = World::new();
    let server: S = start(&world, &world.ours.server(&HERE), WITH_CERTIFICATE);
    let plain = Refused("no encryption");
    let bare = Refused("connection requires a valid client certificate");
    let strange =
        Refused("the server refused the TLS handshake; it may not trust the client certificate");
    check(
        &server.url(),
        &world,
        &[
            ("", bare),
            ("disable", plain),
            ("allow", bare),
            ("prefer", bare),
            ("require", bare),
            ("verify-ca", UNKNOWN),
            ("verify-full", UNKNOWN),
            ("disable roots", plain),
            ("allow roots", bare),
            ("prefer roots", bare),
            ("require roots", bare),
            ("verify-ca roots", bare),
            ("verify-full roots", bare),
            ("disable client", plain),
            ("allow client", Encrypted),
            ("prefer client", Encrypted),
            ("require client", Encrypted),
            ("verify-ca client", UNKNOWN),
            ("verify-full client", UNKNOWN),
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
            ("verify-ca stranger", UNKNOWN),
            ("verify-full stranger", UNKNOWN),
            ("verify-ca roots stranger", strange),
            ("verify-full roots stranger", strange),
        ],
    );
}

fn a_server_that_lets_only_encrypted_logins_in<S: TestServer>() {
    let world = World::new();
    let server: S = start(&world, &world.others.server(&HERE), ENCRYPTED);
    let both = Refused("a plain login would do, but the server refused that too");
    check(
        &server.url(),
        &world,
        &[
            ("", Encrypted),
            ("disable", Refused("no encryption")),
            ("allow", Encrypted),
            ("prefer", Encrypted),
            ("require", Encrypted),
            ("verify-ca", UNKNOWN),
            ("verify-full", UNKNOWN),
            ("disable roots", Refused("no encryption")),
            ("allow roots", both),
            ("prefer roots", both),
            ("require roots", UNKNOWN),
            ("verify-ca roots", UNKNOWN),
            ("verify-full roots", UNKNOWN),
        ],
    );
}

fn a_server_that_lets_only_plain_logins_in<S: TestServer>() {
    let world = World::new();
    let server: S = start(&world, &world.ours.server(&HERE), PLAIN);
    let encrypted = Refused("SSL encryption");
    check(
        &server.url(),
        &world,
        &[
            ("", Plain),
            ("disable", Plain),
            ("allow", Plain),
            ("prefer", Plain),
            ("require", encrypted),
            ("verify-ca", UNKNOWN),
            ("verify-full", UNKNOWN),
            ("disable roots", Plain),
            ("allow roots", Plain),
            ("prefer roots", Plain),
            ("require roots", encrypted),
            ("verify-ca roots", encrypted),
            ("verify-full roots", encrypted),
        ],
    );
}

fn a_server_without_tls_that_lets_only_encrypted_logins_in<S: TestServer>() {
    let server = S::start_with_files(&[], &[("pg_hba.conf", ENCRYPTED)]);
    let first = Refused("no encryption");
    check(
        &server.url(),
        &World::new(),
        &[
            ("disable", first),
            ("allow", first),
            ("prefer", first),
            ("require", Refused("the server does not offer TLS")),
        ],
    );
}
