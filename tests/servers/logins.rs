//! The ways to log in to MySQL and MariaDB other than mysql_native_password, with which all the other tests log in to
//! MariaDB.

use queuepool::{Database, Error, ErrorKind};

use crate::pool::size;
use support::servers::{MySql, NewestMariaDb, PASSWORD, PASSWORD_IN_URL, TestServer};

fn as_admin<S: TestServer>(server: &S, sql: &str) {
    let admin = Database::open_with(&server.admin_url(), size(1, 0)).unwrap();
    admin.get().unwrap().execute(sql).unwrap();
}

/// Creates a user `other` who logs in this way, with the privileges of `app`.
fn create_user<S: TestServer>(server: &S, identified: &str) {
    let user = "'other'@'127.0.0.1'";
    let sql = format!("CREATE USER {user} IDENTIFIED {identified}; GRANT ALL ON app.* TO {user}");
    as_admin(server, &sql);
}

fn url<S: TestServer>(server: &S, password: &str, parameters: &str) -> String {
    let port = server.port();
    format!("mysql://other:{password}@127.0.0.1:{port}/app{parameters}")
}

fn assert_logs_in(url: &str) {
    let database = Database::open_with(url, size(1, 0)).unwrap();
    let user = "SELECT current_user() = 'other@127.0.0.1'";
    assert_eq!(database.get().unwrap().query_i64(user).unwrap(), 1);
}

/// The error after a single attempt, where the default policy makes five.
fn refusal(url: &str) -> Error {
    let database = Database::open_with(url, size(1, 0)).unwrap();
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert_eq!(database.status().connection_errors, 1, "{error}");
    error
}

fn assert_denied(url: &str) {
    let error = refusal(url);
    assert!(error.to_string().contains("Access denied"), "{error}");
}

support::servers::on_each!([
    an_ed25519_user_logs_in_and_a_wrong_password_is_told_at_once,
]: mariadb = MariaDb, newest_mariadb = NewestMariaDb);

fn an_ed25519_user_logs_in_and_a_wrong_password_is_told_at_once<S: TestServer>() {
    let server = S::start_with(&["--plugin-load-add=auth_ed25519"]);
    create_user(
        &server,
        &format!("VIA ed25519 USING PASSWORD('{PASSWORD}')"),
    );
    assert_logs_in(&url(&server, PASSWORD_IN_URL, ""));
    assert_denied(&url(&server, "wrong", ""));
    assert_denied(&url(&server, "", ""));
}

#[test]
fn a_parsec_user_logs_in_and_a_wrong_password_is_told_at_once() {
    if !NewestMariaDb::is_here() {
        return;
    }
    let server = NewestMariaDb::start_with(&["--plugin-load-add=auth_parsec"]);
    create_user(&server, &format!("VIA parsec USING PASSWORD('{PASSWORD}')"));
    assert_logs_in(&url(&server, PASSWORD_IN_URL, ""));
    assert_denied(&url(&server, "wrong", ""));
}

/// MySQL remembers which passwords it has seen. Before that it wants the password itself, either inside TLS or encrypted
/// with its RSA key; afterwards a hash is enough.
#[test]
fn a_caching_sha2_user_logs_in_with_and_without_tls_the_first_time_and_later() {
    if !MySql::is_here() {
        return;
    }
    let server = MySql::start();
    create_user(
        &server,
        &format!("WITH caching_sha2_password BY '{PASSWORD}'"),
    );
    for (parameters, is_encrypted) in [("?ssl-mode=disabled", 0), ("?ssl-mode=required", 1)] {
        let right = url(&server, PASSWORD_IN_URL, parameters);
        as_admin(&server, "FLUSH PRIVILEGES");
        assert_denied(&url(&server, "wrong", parameters));
        for _ in ["the first time", "later"] {
            assert_logs_in(&right);
            assert_denied(&url(&server, "wrong", parameters));
            assert_denied(&url(&server, "", parameters));
        }
        let database = Database::open(&right).unwrap();
        let answer = database.get().unwrap().query_i64(MySql::IS_ENCRYPTED);
        assert_eq!(answer.unwrap(), is_encrypted);
    }
}

#[test]
fn a_caching_sha2_user_without_tls_needs_the_servers_rsa_key_the_first_time_and_not_later() {
    if !MySql::is_here() {
        return;
    }
    let server = MySql::start_with(&[
        "--caching-sha2-password-private-key-path=missing.pem",
        "--caching-sha2-password-public-key-path=missing.pem",
    ]);
    create_user(
        &server,
        &format!("WITH caching_sha2_password BY '{PASSWORD}'"),
    );
    let plain = url(&server, PASSWORD_IN_URL, "?ssl-mode=disabled");
    assert_denied(&plain);
    assert_logs_in(&url(&server, PASSWORD_IN_URL, "?ssl-mode=required"));
    assert_logs_in(&plain);
}

#[test]
fn a_caching_sha2_user_of_mariadb_logs_in_with_and_without_tls() {
    if !NewestMariaDb::is_here() {
        return;
    }
    let server = NewestMariaDb::start_with(&["--plugin-load-add=auth_mysql_sha2"]);
    create_user(
        &server,
        &format!("VIA caching_sha2_password USING PASSWORD('{PASSWORD}')"),
    );
    for parameters in ["?ssl-mode=disabled", "?ssl-mode=required"] {
        as_admin(&server, "FLUSH PRIVILEGES");
        assert_logs_in(&url(&server, PASSWORD_IN_URL, parameters));
        assert_denied(&url(&server, "wrong", parameters));
        assert_denied(&url(&server, "", parameters));
    }
}

/// For some unknown users, MySQL asks for a login by sha256_password, of which the driver knows only the name.
#[test]
fn a_user_unknown_to_mysql_is_told_at_once() {
    if !MySql::is_here() {
        return;
    }
    let server = MySql::start();
    for number in 0..10 {
        let url = server.url().replace("//app", &format!("//nobody{number}"));
        let words = refusal(&url).to_string();
        assert!(
            words.contains("Access denied") || words.contains("sha256_password"),
            "{words}"
        );
    }
}

/// Version 28.0.4 of the driver panics if there is no password and the server asks for PARSEC, and if a password is longer
/// than the server's RSA key can encrypt.
#[test]
fn a_login_that_the_driver_panics_at_is_refused_at_once() {
    if !NewestMariaDb::is_here() || !MySql::is_here() {
        return;
    }
    let server = NewestMariaDb::start_with(&["--plugin-load-add=auth_parsec"]);
    create_user(&server, &format!("VIA parsec USING PASSWORD('{PASSWORD}')"));
    refusal(&url(&server, "", ""));

    let server = MySql::start();
    let long = "x".repeat(214);
    create_user(&server, &format!("WITH caching_sha2_password BY '{long}'"));
    refusal(&url(&server, &long, "?ssl-mode=disabled"));
    assert_logs_in(&url(&server, &long, "?ssl-mode=required"));
    // Now MySQL remembers the password.
    assert_logs_in(&url(&server, &long, "?ssl-mode=disabled"));
}
