//! The pool's own password in what a server or a proxy says.

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use ::mysql::prelude::Queryable;
use queuepool::mysql::MySqlPool;
use queuepool::postgres::PostgresPool;
use queuepool::{
    AnyConnection, Credentials, Database, DatabaseBuilder, Error, ErrorKind, Manager, Pool, PrePing,
};

use crate::capture;
use crate::marker::{Secret, percent_encoded};
use crate::subject::{Place, administer, all_that_speaks, mariadb, postgres};
use crate::texts::{Texts, assert_process_silent, of_database, of_pool};
use support::scripted::eventually;
use support::servers::PASSWORD_IN_URL;

const MASK: &str = "***";

/// Finds the mask in the error's own texts; the driver's own error, beneath it, says what the server said.
#[track_caller]
fn assert_masked(place: &str, error: &Error, secret: &Secret) {
    let text = error.to_string();
    assert!(text.contains(MASK), "{place}: {text}");
    secret.assert_not_in(place, &format!("{error} {error:#}"));
    secret.assert_not_in_debug_of(place, error);
    let mut beneath = error.source();
    let mut said = String::new();
    while let Some(source) = beneath {
        said = format!("{said}{source}\n");
        beneath = source.source();
    }
    let is_there = said.is_empty() || secret.in_text(&said).is_some();
    assert!(is_there, "{place}: the server did not say it: {said}");
}

/// What makes the server say the password, in words that have to be in the server already: drivers log what they send.
struct Sayer {
    /// A statement that fails.
    fails: &'static str,
    /// A statement with the password in it that is refused for its syntax.
    malformed: String,
}

fn on_postgres(place: &Place, secret: &Secret) -> Sayer {
    let whole = secret.whole();
    administer(
        &place.url(&percent_encoded(&whole)),
        &format!(
            "CREATE FUNCTION say_it() RETURNS int LANGUAGE plpgsql AS \
             $$ BEGIN RAISE NOTICE USING MESSAGE = 'it is {whole}'; RAISE EXCEPTION USING MESSAGE = 'it is {whole}'; END $$"
        ),
    );
    Sayer {
        fails: "SELECT say_it()",
        malformed: format!("SELECT '{whole}"),
    }
}

fn on_mariadb(place: &Place, secret: &Secret) -> Sayer {
    let whole = secret.whole();
    administer(
        &place.url(&percent_encoded(&whole)),
        &format!(
            "CREATE FUNCTION say_it() RETURNS int DETERMINISTIC \
             BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it is {whole}'; RETURN 1; END"
        ),
    );
    Sayer {
        fails: "SELECT say_it()",
        // The text goes on for 80 characters from the place of the error, which cuts off a password of this length.
        malformed: String::new(),
    }
}

fn fails(held: &mut AnyConnection, sayer: &Sayer, secret: &Secret) {
    let error = held.execute(sayer.fails).unwrap_err();
    assert_masked("execute", &error, secret);
    let error = held.query_i64(sayer.fails).unwrap_err();
    assert_masked("query_i64", &error, secret);
    assert_eq!(error.kind(), ErrorKind::Statement);
    if !sayer.malformed.is_empty() {
        let error = capture::muted(|| held.execute(&sayer.malformed).unwrap_err());
        assert_masked("a syntax error", &error, secret);
    }
}

/// A statement, a validation_query, and what the pool makes of them.
fn says_it(builder: impl Fn() -> DatabaseBuilder, sayer: &Sayer, secret: &Secret) {
    let database = builder().build().unwrap();
    fails(&mut database.get().unwrap(), sayer, secret);
    of_database(&database).assert_without(secret);

    let settings = all_that_speaks()
        .pre_ping(PrePing::Always)
        .max_validation_failures(1)
        .validation_query(sayer.fails);
    let database = builder().settings(settings).build().unwrap();
    let mut held = database.get().unwrap();
    assert_masked("a ping", &held.ping().unwrap_err(), secret);
    drop(held);
    let error = database.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_masked("a validation", &error, secret);
    eventually("a health check says it", || {
        let _ = database.health_check();
        let said = database.status().last_health_check_error;
        said.is_some_and(|said| said.contains(MASK))
    });
    of_database(&database).assert_without(secret);
    assert_process_silent(secret);
}

/// A hook that runs the statement, and answers with the driver's error.
fn hook_says_it<M: Manager>(
    builder: queuepool::Builder<M>,
    run: impl Fn(&mut M::Connection) -> Result<(), queuepool::HookError> + Send + Sync + 'static,
    secret: &Secret,
) {
    let pool: Pool<M> = builder
        .name("spoken")
        .settings(all_that_speaks())
        .on_connect(move |connection, _| run(connection))
        .build()
        .unwrap();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Hook);
    assert_masked("a hook", &error, secret);
    of_pool(&pool).assert_without(secret);
    assert_process_silent(secret);
}

fn by_url(place: &Place, secret: &Secret) -> impl Fn() -> DatabaseBuilder {
    let url = place.url(&percent_encoded(&secret.whole()));
    move || {
        Database::builder(&url)
            .name("spoken")
            .settings(all_that_speaks())
    }
}

fn by_closure(place: &Place, secret: &Secret) -> impl Fn() -> DatabaseBuilder {
    let url = place.url("").replace("app:@", "app@");
    assert!(!url.contains(PASSWORD_IN_URL));
    let whole = secret.whole();
    move || {
        let whole = whole.clone();
        Database::builder(&url)
            .name("spoken")
            .settings(all_that_speaks())
            .credentials(move || Ok::<_, Error>(Credentials::from_password(whole.clone())))
    }
}

#[test]
fn masked_in_what_postgres_says() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    let sayer = on_postgres(&place, &secret);
    says_it(by_url(&place, &secret), &sayer, &secret);
    says_it(by_closure(&place, &secret), &sayer, &secret);
    let url = place.url(&percent_encoded(&secret.whole()));
    let run = move |client: &mut ::postgres::Client| Ok(client.batch_execute(sayer.fails)?);
    hook_says_it(PostgresPool::builder(&*url).unwrap(), run, &secret);
}

#[test]
fn masked_in_what_mariadb_says() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    let sayer = on_mariadb(&place, &secret);
    says_it(by_url(&place, &secret), &sayer, &secret);
    says_it(by_closure(&place, &secret), &sayer, &secret);
    let url = place.url(&percent_encoded(&secret.whole()));
    let run =
        move |conn: &mut ::mysql::Conn| Ok(conn.query_first::<i64, _>(sayer.fails).map(drop)?);
    hook_says_it(MySqlPool::builder(&*url).unwrap(), run, &secret);
}

/// A server, or something in front of it, that answers every login in this way.
fn answering(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            // A client that has gone does not hear it.
            let _ = answer(&mut client);
        }
    });
    port
}

/// Asks for the password in clear text, and sends it back with the refusal.
fn refuse_as_postgres(client: &mut TcpStream, code: &str) -> std::io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut startup)?;
    client.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    let mut head = [0; 5];
    client.read_exact(&mut head)?;
    let mut password =
        vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
    client.read_exact(&mut password)?;
    let password = String::from_utf8_lossy(&password[..password.len() - 1]).into_owned();
    let fields = format!("SFATAL\0C{code}\0Mno entry with {password} here\0\0");
    client.write_all(b"E")?;
    client.write_all(&(fields.len() as u32 + 4).to_be_bytes())?;
    client.write_all(fields.as_bytes())
}

/// The first packet is a refusal with the password, as a proxy knows it.
fn refuse_as_mysql(client: &mut TcpStream, code: u16, password: &str) -> std::io::Result<()> {
    let words = format!("no entry with {password} here");
    let mut packet = vec![0xff];
    packet.extend(code.to_le_bytes());
    packet.extend(words.as_bytes());
    let length = (packet.len() as u32).to_le_bytes();
    client.write_all(&[length[0], length[1], length[2], 0])?;
    client.write_all(&packet)?;
    // The driver would take a reset for its answer.
    client.read(&mut [0]).map(drop)
}

fn login_says_it(url: &str, query: &str, port: u16, secret: &Secret) {
    let whole = secret.whole();
    let encoded = percent_encoded(&whole);
    let one = format!("127.0.0.1:{port}");
    let with = format!("{url}{one}/app{query}").replace("PASSWORD", &encoded);
    let several = format!("{url}{one},{one}/app{query}").replace("PASSWORD", &encoded);
    let without = format!("{url}{one}/app{query}").replace(":PASSWORD", "");
    let builders = [
        Database::builder(&with),
        Database::builder(&several),
        Database::builder(&without)
            .credentials(move || Ok::<_, Error>(Credentials::from_password(whole.clone()))),
    ];
    for builder in builders {
        let builder = builder.name("spoken").settings(all_that_speaks());
        let database = builder.build().unwrap();
        let error = database.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_masked("a login", &error, secret);
        let status = database.status();
        assert!(status.last_error.unwrap().contains(MASK));
        let mut texts: Texts = of_database(&database);
        texts.add("database_error", format!("{:?}", status.database_error));
        texts.assert_without(secret);
    }
    let lines = capture::lines();
    assert!(lines.iter().any(|line| line.text.contains(MASK)));
    assert_process_silent(secret);
}

#[test]
fn masked_in_a_refused_login_to_postgres() {
    for code in ["28P01", "57P03"] {
        let secret = Secret::new();
        let port = answering(move |client| refuse_as_postgres(client, code));
        login_says_it(
            "postgresql://app:PASSWORD@",
            "?sslmode=disable",
            port,
            &secret,
        );
    }
}

#[test]
fn masked_in_a_refused_login_to_mysql() {
    for code in [1045, 1040] {
        let secret = Secret::new();
        let whole = secret.whole();
        let port = answering(move |client| refuse_as_mysql(client, code, &whole));
        login_says_it("mysql://app:PASSWORD@", "", port, &secret);
    }
}
