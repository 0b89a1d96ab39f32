//! What the two servers' drivers have in common, without a pool. Each function here is a test of `postgres_driver` and of
//! `mysql_driver`, whose tables say what differs between the two.

use std::error::Error as _;
use std::fmt::Debug;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use queuepool::{Driver, Error, ErrorClass, ErrorKind, Manager, Settings};
use r2d2::ManageConnection;
use support::servers::{PASSWORD, TestServer, free_port, keepalive_seconds, to_nowhere};

pub const LIMIT: Duration = Duration::from_secs(5);

/// One of our drivers, and what the tests need to know about it.
pub trait Bundled {
    type Manager: Manager + Debug;
    type Driver: Driver<Self::Manager> + Default;

    const SCHEME: &str;
    /// What the URL says for a connect timeout of one minute.
    const A_MINUTE_TO_CONNECT: &str;
    /// What the URL says, and the bounds, in seconds, of the time after which the kernel then checks whether the server is
    /// there.
    const KEEPALIVE: &[(&str, u64, u64)];
    /// More than the server can enforce.
    const TOO_LONG_A_COMMAND: Duration;
    /// Texts that are not URLs of this driver, each with a word that the error contains.
    const BAD_URLS: &[(&str, &str)];
    /// Such URLs with the password hunter2.
    const BAD_URLS_WITH_A_PASSWORD: &[&str];

    fn manager(url: &str) -> Result<Self::Manager, Error>;

    /// URLs that the server refuses, besides those with a wrong user, password or database.
    fn refused(server: &impl TestServer) -> Vec<String>;
    /// URLs that lead nowhere, besides those with a port or a host that does not exist. The folder is empty.
    fn nowhere(folder: &Path) -> Vec<String>;

    fn execute(
        connection: &mut Connection<Self>,
        sql: &str,
    ) -> Result<(), <Self::Manager as ManageConnection>::Error>;
    /// Ends the server's side of a connection, and returns when it is gone.
    fn terminate(server: &impl TestServer, connection: &mut Connection<Self>);
}

/// The servers that it is the driver for.
pub trait Server: TestServer {
    type Bundled: Bundled;
}

pub type Connection<B> = <<B as Bundled>::Manager as ManageConnection>::Connection;

/// Does what the pool does when it is built.
pub fn prepared<B: Bundled>(url: &str, settings: &Settings) -> (B::Manager, B::Driver) {
    prepare::<B>(B::manager(url).expect("a good URL"), settings)
}

pub fn prepare<B: Bundled>(
    mut manager: B::Manager,
    settings: &Settings,
) -> (B::Manager, B::Driver) {
    let mut driver = B::Driver::default();
    driver
        .prepare(&mut manager, "orders", settings)
        .expect("good settings");
    (manager, driver)
}

pub fn with_command_timeout(limit: Duration) -> Settings {
    let mut settings = Settings::default();
    settings.command_timeout = Some(limit);
    settings
}

/// The error of a login that fails. Not `expect_err`, which would need a connection that implements `Debug`.
fn refusal<M: Manager>(manager: &M) -> M::Error {
    manager.connect().err().expect("a refusal")
}

/// The tests of one driver: its own and all of this module, so that none is forgotten for either driver. They run on each
/// of its servers, except the last ones, which need no server.
macro_rules! tests_of {
    ($bundled:ident, [$($own:ident),+ $(,)?]: $($name:ident = $server:ident),+) => {
        use crate::driver::{
            a_healthy_connection_answers_the_ping,
            a_wrong_password_or_database_is_permanent,
            keepalive_probes_begin_after_30_seconds_unless_the_url_says_otherwise,
            a_validation_query_is_the_ping,
            a_password_shows_in_no_text,
        };

        support::servers::on_each!([
            $($own,)+
            a_healthy_connection_answers_the_ping,
            a_wrong_password_or_database_is_permanent,
            keepalive_probes_begin_after_30_seconds_unless_the_url_says_otherwise,
            a_validation_query_is_the_ping,
            a_password_shows_in_no_text,
        ]: $($name = $server),+);

        crate::driver::tests_of!(@ $bundled:
            an_unreachable_server_is_worth_another_attempt,
            the_connect_timeout_ends_an_attempt_that_nobody_answers,
            a_command_timeout_that_the_server_cannot_hold_is_a_settings_error,
            bad_urls_are_settings_errors_that_say_what_is_wrong,
        );
    };
    (@ $bundled:ident: $($test:ident,)+) => {$(
        #[test]
        fn $test() {
            crate::driver::$test::<$bundled>();
        }
    )+};
}
pub(crate) use tests_of;

pub fn a_healthy_connection_answers_the_ping<S: Server>() {
    let server = S::start();
    let (manager, driver) = prepared::<S::Bundled>(&server.url(), &Settings::default());
    let mut connection = manager.connect().expect("a connection");
    driver
        .ping(&manager, &mut connection, LIMIT)
        .expect("alive");
    manager.is_valid(&mut connection).expect("alive");
    S::Bundled::execute(&mut connection, "SELECT 1").expect("a query");
    assert!(!driver.is_broken(&manager, &mut connection));
    driver
        .ping(&manager, &mut connection, LIMIT)
        .expect("alive");
}

pub fn a_wrong_password_or_database_is_permanent<S: Server>() {
    let server = S::start();
    let (scheme, port) = (S::Bundled::SCHEME, server.port());
    let mut urls = vec![
        format!("{scheme}://app:wrong@127.0.0.1:{port}/app"),
        format!("{scheme}://nobody:wrong@127.0.0.1:{port}/app"),
        format!("{scheme}://app@127.0.0.1:{port}/app"),
        to_nowhere(&server.url()),
    ];
    urls.extend(S::Bundled::refused(&server));
    for url in urls {
        let (manager, driver) = prepared::<S::Bundled>(&url, &Settings::default());
        let error = refusal(&manager);
        assert_eq!(driver.classify(&error), ErrorClass::Permanent, "{error:?}");
    }
}

pub fn an_unreachable_server_is_worth_another_attempt<B: Bundled>() {
    let folder = tempfile::tempdir().expect("a directory");
    let scheme = B::SCHEME;
    let mut urls = vec![
        format!("{scheme}://app:x@127.0.0.1:{}/app", free_port()),
        format!("{scheme}://app:x@no-such-host.invalid/app"),
    ];
    urls.extend(B::nowhere(folder.path()));
    for url in urls {
        let (manager, driver) = prepared::<B>(&url, &Settings::default());
        assert_worth_another_attempt(driver.classify(&refusal(&manager)), &url);
    }
}

#[track_caller]
fn assert_worth_another_attempt(class: ErrorClass, url: &str) {
    assert!(
        matches!(class, ErrorClass::Lost | ErrorClass::Transient),
        "{class:?} {url}"
    );
}

pub fn the_connect_timeout_ends_an_attempt_that_nobody_answers<B: Bundled>() {
    // With a full backlog, the kernel drops further SYNs.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("0"))
        .expect("a smaller backlog");
    let _full: Vec<_> = (0..4)
        .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    let mut settings = Settings::default();
    settings.connect_timeout = Duration::from_millis(300);
    let (scheme, a_minute) = (B::SCHEME, B::A_MINUTE_TO_CONNECT);
    let url = format!("{scheme}://app:x@{address}/app?{a_minute}");
    let (manager, driver) = prepared::<B>(&url, &settings);
    let begun = Instant::now();
    let error = refusal(&manager);
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?}");
    assert_worth_another_attempt(driver.classify(&error), &url);
}

pub fn a_command_timeout_that_the_server_cannot_hold_is_a_settings_error<B: Bundled>() {
    for limit in [Duration::ZERO, B::TOO_LONG_A_COMMAND] {
        let mut manager = B::manager(&format!("{}://h/d", B::SCHEME)).expect("good");
        let error = B::Driver::default()
            .prepare(&mut manager, "orders", &with_command_timeout(limit))
            .expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains("command_timeout"), "{error}");
    }
}

pub fn keepalive_probes_begin_after_30_seconds_unless_the_url_says_otherwise<S: Server>() {
    let server = S::start();
    for (parameter, least, most) in S::Bundled::KEEPALIVE {
        let url = format!("{}{parameter}", server.url());
        let (manager, _) = prepared::<S::Bundled>(&url, &Settings::default());
        let _connection = manager.connect().expect("a connection");
        // Until the last answer is acknowledged, another timer is listed there.
        let limit = Instant::now() + LIMIT;
        let left = loop {
            match keepalive_seconds(server.port()).as_slice() {
                [left] => break *left,
                _ if Instant::now() > limit => panic!("no keepalive timer for {parameter:?}"),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!((*least..=*most).contains(&left), "{parameter:?}: {left} s");
    }
}

pub fn a_validation_query_is_the_ping<S: Server>() {
    let server = S::start();
    let mut settings = Settings::default();
    settings.validation_query = Some("SELECT count(*) FROM ready".to_owned());
    let (manager, driver) = prepared::<S::Bundled>(&server.url(), &settings);
    let mut connection = manager.connect().expect("a connection");
    let error = driver
        .ping(&manager, &mut connection, LIMIT)
        .expect_err("no such table");
    assert_eq!(driver.classify(&error), ErrorClass::Statement);
    S::Bundled::execute(&mut connection, "CREATE TABLE ready (i int)").expect("a table");
    driver
        .ping(&manager, &mut connection, LIMIT)
        .expect("valid");
    S::Bundled::terminate(&server, &mut connection);
    let error = driver
        .ping(&manager, &mut connection, LIMIT)
        .expect_err("gone");
    assert_eq!(driver.classify(&error), ErrorClass::Lost);
}

pub fn bad_urls_are_settings_errors_that_say_what_is_wrong<B: Bundled>() {
    for (url, says) in B::BAD_URLS {
        let error = B::manager(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Settings, "{url}: {error}");
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

pub fn a_password_shows_in_no_text<S: Server>() {
    for url in S::Bundled::BAD_URLS_WITH_A_PASSWORD {
        let error = S::Bundled::manager(url).expect_err(url);
        let texts = format!("{error} {error:?} {:?}", error.source());
        assert!(!texts.contains("hunter2"), "{url}: {texts}");
    }
    let server = S::start();
    let (manager, _) = prepared::<S::Bundled>(&server.url(), &Settings::default());
    let mut texts = format!("{manager:?}");
    let wrong = server.url().replace("app:s3cret", "nobody:s3cret");
    let (other, _) = prepared::<S::Bundled>(&wrong, &Settings::default());
    let error = refusal(&other);
    texts.push_str(&format!("{error} {error:?} {:?}", error.source()));
    for secret in [PASSWORD, "s3cret"] {
        assert!(!texts.contains(secret), "{texts}");
    }
}
