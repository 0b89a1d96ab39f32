//! PgBouncer, which itself encrypts the connections of its clients.

use ::postgres::{Client, SimpleQueryMessage};
use queuepool::postgres::PostgresManager;
use queuepool::{Database, Error, ErrorKind, Settings};
use r2d2::ManageConnection;

use crate::table::{
    Encrypted, HERE, Outcome, Plain, Refused, UNKNOWN, World, check_by, is_encrypted,
};
use support::servers::{PgBouncer, Postgres};

/// A connection to PgBouncer's own database, which `admin_users=app` allows.
fn console(bouncer: &PgBouncer) -> Client {
    let url = bouncer.url();
    let url = url.strip_suffix("/app").unwrap();
    let manager = PostgresManager::from_url(&format!("{url}/pgbouncer?sslmode=prefer")).unwrap();
    manager.connect().unwrap()
}

/// What PgBouncer says about the only client of `app`.
fn is_encrypted_to(console: &mut Client, database: &Database) -> Result<bool, Error> {
    let mut connection = database.get()?;
    assert_eq!(connection.query_i64("SELECT 7")?, 7);
    let clients = console.simple_query("SHOW CLIENTS").unwrap();
    let mut of_app = clients.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) if row.get("database") == Some("app") => row.get("tls"),
        _ => None,
    });
    let tls = of_app.next().unwrap();
    assert_eq!(of_app.next(), None, "another client's");
    assert!(tls.is_empty() || tls.starts_with("TLSv1."), "{tls}");
    Ok(!tls.is_empty())
}

fn against(client_tls: &str, table: &[(&str, Outcome)]) {
    let world = World::new();
    let certificate = world.ours.server(&HERE);
    let files = [
        ("server.crt", &*certificate.certificate),
        ("server.key", &*certificate.key),
    ];
    let server = Postgres::start_with_files(&[], &files);
    let path = |name: &str| server.directory().join("data").join(name);
    let limits = [
        format!("client_tls_sslmode={client_tls}"),
        format!("client_tls_cert_file={}", path("server.crt").display()),
        format!("client_tls_key_file={}", path("server.key").display()),
        "admin_users=app".to_owned(),
    ];
    let bouncer =
        PgBouncer::start_with(&server, "transaction", &limits.each_ref().map(|set| &**set));
    let mut console = console(&bouncer);
    let ask = |database: &Database| is_encrypted_to(&mut console, database);
    check_by(ask, &bouncer.url(), &world, table);
    let database = crate::table::open(&bouncer.url());
    assert!(
        !is_encrypted(&database).unwrap(),
        "PgBouncer's own connection to the server is not encrypted"
    );
}

#[test]
fn a_pgbouncer_that_requires_it() {
    let plain = Refused("SSL required");
    against(
        "require",
        &[
            ("", Encrypted),
            ("disable", plain),
            ("allow", Encrypted),
            ("prefer", Encrypted),
            ("require", Encrypted),
            ("verify-ca", UNKNOWN),
            ("verify-full", UNKNOWN),
            ("disable roots", plain),
            ("allow roots", Encrypted),
            ("prefer roots", Encrypted),
            ("require roots", Encrypted),
            ("verify-ca roots", Encrypted),
            ("verify-full roots", Encrypted),
        ],
    );
}

#[test]
fn a_pgbouncer_that_offers_it() {
    against(
        "allow",
        &[
            ("", Encrypted),
            ("disable", Plain),
            ("allow", Plain),
            ("prefer", Encrypted),
            ("require", Encrypted),
            ("verify-full roots", Encrypted),
        ],
    );
}

#[test]
fn the_production_preset_is_refused_by_a_pgbouncer_without_it() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start_with(&server, "session", &[]);
    let open = |parameters: &str| {
        let settings = Settings::production();
        Database::open_with(&format!("{}{parameters}", bouncer.url()), settings).unwrap()
    };
    let error = open("").get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.to_string().contains("require_tls"), "{error}");
    assert!(open("?sslmode=prefer").get().is_ok());
}
