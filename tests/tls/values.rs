//! Encryption as set in a driver's own configuration value, and as set next to it.

use ::mysql::{ClientIdentity, OptsBuilder, SslOpts};
use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::{Error, ErrorKind, Pool, Settings, SslMode, Tls};

use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, server as postgres};
use crate::table::{HERE, World, settings};
use support::servers::{MariaDb, PASSWORD, Postgres};

pub fn config(server: &Postgres) -> ::postgres::Config {
    server.url().parse().unwrap()
}

fn postgres_is_encrypted(manager: PostgresManager) -> Result<bool, Error> {
    postgres_is_encrypted_by(manager, settings())
}

pub fn postgres_is_encrypted_by(
    manager: PostgresManager,
    settings: Settings,
) -> Result<bool, Error> {
    let pool = Pool::builder(manager).settings(settings).build()?;
    let row = pool
        .get()?
        .query_one(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .unwrap();
    Ok(row.get(0))
}

#[test]
fn a_postgres_config_is_encrypted_as_it_says_or_as_the_value_beside_it_does() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    let with = |mode| {
        let mut config = config(&server);
        config.ssl_mode(mode);
        postgres_is_encrypted(PostgresManager::new(config).unwrap()).unwrap()
    };
    assert!(!with(::postgres::config::SslMode::Disable));
    assert!(with(::postgres::config::SslMode::Prefer));
    assert!(with(::postgres::config::SslMode::Require));
    let beside =
        |tls| postgres_is_encrypted(PostgresManager::new(config(&server)).unwrap().tls(tls));
    let full = Tls::new(SslMode::VerifyFull);
    assert!(
        beside(full.clone())
            .unwrap_err()
            .to_string()
            .contains("UnknownIssuer")
    );
    assert!(beside(full.root_certificates(&world.roots)).unwrap());
    assert!(!beside(Tls::new(SslMode::Disable)).unwrap());
}

#[test]
fn a_postgres_config_that_requires_it_is_never_plain() {
    let server = Postgres::start();
    let mut config = config(&server);
    config.ssl_mode(::postgres::config::SslMode::Require);
    let error = postgres_is_encrypted(PostgresManager::new(config).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    let text = error.to_string();
    assert!(text.contains("the server does not offer TLS"), "{text}");
}

#[test]
fn an_address_without_a_name_is_the_name() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    let mut config = ::postgres::Config::new();
    config
        .hostaddr([127, 0, 0, 1].into())
        .port(server.port())
        .user("app")
        .password(PASSWORD)
        .dbname("app");
    let tls = Tls::new(SslMode::VerifyFull).root_certificates(&world.roots);
    assert!(postgres_is_encrypted(PostgresManager::new(config).unwrap().tls(tls)).unwrap());
}

#[test]
fn a_unix_socket_is_plain_whatever_the_mode() {
    let world = World::new();
    let server = postgres(
        &world,
        &world.ours.server(&HERE),
        "local all all scram-sha-256\n",
    );
    let mut config = ::postgres::Config::new();
    config
        .host_path(server.directory())
        .port(server.port())
        .user("app")
        .password(PASSWORD)
        .dbname("app");
    let tls = Tls::new(SslMode::VerifyFull);
    assert!(!postgres_is_encrypted(PostgresManager::new(config).unwrap().tls(tls)).unwrap());
}

#[test]
fn a_mysql_socket_is_plain_whatever_the_mode() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    let socket = server.directory().join("mysqld.sock");
    let url = format!(
        "{}?ssl-mode=VERIFY_IDENTITY&socket={}",
        server.url(),
        socket.display()
    );
    assert!(!mariadb_is_encrypted(MySqlManager::from_url(&url).unwrap()).unwrap());
}

#[test]
fn channel_binding_can_be_required() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&HERE), ANY);
    let mut config = config(&server);
    config.channel_binding(::postgres::config::ChannelBinding::Require);
    let manager = || PostgresManager::new(config.clone()).unwrap();
    assert!(postgres_is_encrypted(manager().tls(Tls::new(SslMode::Require))).unwrap());
    let error = postgres_is_encrypted(manager().tls(Tls::new(SslMode::Disable))).unwrap_err();
    assert!(error.to_string().contains("channel binding"), "{error}");
}

pub fn opts(server: &MariaDb) -> OptsBuilder {
    OptsBuilder::from_opts(::mysql::Opts::from_url(&server.url()).unwrap())
}

fn mariadb_is_encrypted(manager: MySqlManager) -> Result<bool, Error> {
    mariadb_is_encrypted_by(manager, settings())
}

pub fn mariadb_is_encrypted_by(manager: MySqlManager, settings: Settings) -> Result<bool, Error> {
    use ::mysql::prelude::Queryable;
    let pool = Pool::builder(manager).settings(settings).build()?;
    let row: Option<(String, String)> = pool
        .get()?
        .query_first("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .unwrap();
    Ok(row.is_some_and(|(_, cipher)| !cipher.is_empty()))
}

#[test]
fn mysql_opts_are_encrypted_as_they_say_or_as_the_value_beside_them_does() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&HERE), &[]);
    let with = |ssl_opts: Option<SslOpts>| {
        mariadb_is_encrypted(MySqlManager::new(opts(&server).ssl_opts(ssl_opts)).unwrap())
    };
    assert!(!with(None).unwrap());
    let all_checks = SslOpts::default().with_root_cert_path(Some(world.roots.clone()));
    assert!(with(Some(all_checks)).unwrap());
    assert!(
        with(Some(
            SslOpts::default().with_danger_accept_invalid_certs(true)
        ))
        .unwrap()
    );
    let error = with(Some(SslOpts::default())).unwrap_err().to_string();
    assert!(
        error.contains("UnknownIssuer")
            && error.contains("ssl-mode=verify-full")
            && error.contains("Mozilla's root certificates"),
        "{error}"
    );
    let (certificate, key) = world.client.clone();
    let identity = SslOpts::default()
        .with_danger_accept_invalid_certs(true)
        .with_client_identity(Some(ClientIdentity::new(certificate, key)));
    assert!(with(Some(identity)).unwrap());

    let beside = |tls| mariadb_is_encrypted(MySqlManager::new(opts(&server)).unwrap().tls(tls));
    let full = Tls::new(SslMode::VerifyFull);
    assert!(
        beside(full.clone())
            .unwrap_err()
            .to_string()
            .contains("UnknownIssuer")
    );
    assert!(beside(full.root_certificates(&world.roots)).unwrap());
}

#[test]
fn the_drivers_own_parameters_are_understood() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&["db.example"]), &[]);
    let roots = world.roots.display();
    let strange = world.file("strange.pem", &world.others.certificate);
    let (certificate, key) = (world.client.0.display(), world.client.1.display());
    for (parameters, encrypted) in [
        (format!("root_cert_path={roots}"), false),
        (
            format!("root_cert_path={roots}&danger_skip_domain_validation=true"),
            true,
        ),
        ("danger_skip_domain_validation=true".into(), false),
        ("danger_accept_invalid_certs=true".into(), true),
        (
            format!(
                "danger_accept_invalid_certs=true&cert_chain_path={certificate}&priv_key_path={key}"
            ),
            true,
        ),
        (
            "ssl-mode=REQUIRED&cipher_suites=TLS13_AES_256_GCM_SHA384".into(),
            true,
        ),
        (format!("ssl-ca={roots}"), true),
        (format!("ROOT_CERT_PATH={roots}"), false),
        (
            "danger_accept_invalid_certs=true&root_cert_path=".to_owned()
                + &strange.display().to_string(),
            true,
        ),
        (format!("SSL_CA={roots}&ssl-mode=VERIFY_IDENTITY"), false),
    ] {
        let manager = MySqlManager::from_url(&format!("{}?{parameters}", server.url())).unwrap();
        let came = mariadb_is_encrypted(manager);
        assert_eq!(came.is_ok(), encrypted, "{parameters}: {came:?}");
        assert!(came.unwrap_or(true), "{parameters}");
    }
    let url = format!(
        "{}?ssl-mode=REQUIRED&cipher_suites=TLS13_AES_256_GCM_SHA384",
        server.url()
    );
    let pool = queuepool::mysql::MySqlPool::builder(&url)
        .unwrap()
        .build()
        .unwrap();
    let row: Option<(String, String)> = ::mysql::prelude::Queryable::query_first(
        &mut *pool.get().unwrap(),
        "SHOW STATUS LIKE 'Ssl_cipher'",
    )
    .unwrap();
    assert_eq!(row.unwrap().1, "TLS_AES_256_GCM_SHA384");
}
