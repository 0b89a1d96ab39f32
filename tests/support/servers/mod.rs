//! Real database servers for tests. Each has a port of 127.0.0.1 and a data directory of its own, and goes away when the
//! value that represents it is dropped, or when the test process is killed.
//!
//! A server runs under a small shell script that waits on its standard input for the name of a signal to send. The end of
//! input, which is how the script notices the death of this process, stops the server. (`PR_SET_PDEATHSIG` would tie the
//! server to the one thread that started it.)
//!
//! A fresh data directory is copied from a template that is created once and kept in the temporary directory.
//!
//! [`MySql`], [`NewestPostgres`] and [`NewestMariaDb`] are the servers that `tests/fetch-servers` fetches. A test that uses
//! one of them asks `is_here()` first, and ends if it is not.

#![allow(
    dead_code,
    reason = "the bench and diesel's tests include this file too, and use only parts of it"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

mod installed;
mod replicated;
use installed::{Release, binary, newest, postgres_binary};
#[allow(unused_imports)]
pub use replicated::HaProxy;

/// The password of `app`, with characters that must be escaped in a URL.
pub const PASSWORD: &str = "s3cret/pass@word";
/// The same, percent-encoded.
pub const PASSWORD_IN_URL: &str = "s3cret%2Fpass%40word";
const ADMIN_PASSWORD: &str = "admin-secret";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts the server "$@" with its output in $2, prints its process id, and ends it with the signal that it reads. If
/// nobody is left to send one, it uses $1 and also removes the server's directory, where the log is. A stopped process acts
/// on a signal only after CONT, and PostgreSQL's backends are children that have to be woken too.
const WATCHER: &str = r#"
    at_end=$1; log=$2; shift 2
    exec 2>>"$log"
    "$@" >>"$log" 2>&1 &
    server=$!
    echo $server
    how=
    read -r how
    kill -s "${how:-$at_end}" $server 2>/dev/null
    kill -s CONT $server $(cat /proc/$server/task/$server/children) 2>/dev/null
    wait $server
    [ -n "$how" ] || rm -rf "$(dirname "$log")"
"#;

/// A server, running or not, and the directory it lives in.
struct Server {
    kind: Kind,
    release: Release,
    port: u16,
    directory: TempDir,
    extra: Vec<String>,
    running: Option<Running>,
}

struct Running {
    watcher: Child,
    pid: Pid,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Postgres,
    MariaDb,
    MySql,
    PgBouncer,
    HaProxy,
}

impl Kind {
    /// The system user that Debian's package creates; these servers refuse to run as root.
    fn user(self) -> &'static str {
        match self {
            Kind::Postgres | Kind::PgBouncer => "postgres",
            Kind::MariaDb | Kind::MySql => "mysql",
            Kind::HaProxy => "haproxy",
        }
    }

    /// The file that configures a server which takes no settings on its command line. It is written from one with `.template`
    /// after its name, where PORT stands for the port.
    fn configuration(self) -> Option<&'static str> {
        match self {
            Kind::Postgres | Kind::MariaDb | Kind::MySql => None,
            Kind::PgBouncer => Some("pgbouncer.ini"),
            Kind::HaProxy => Some("haproxy.cfg"),
        }
    }

    /// The signal that ends the server for good. For PostgreSQL that is an immediate shutdown, which also ends its
    /// backends. The data is thrown away.
    fn at_end(self) -> &'static str {
        match self {
            Kind::Postgres => "QUIT",
            Kind::MariaDb | Kind::MySql | Kind::PgBouncer | Kind::HaProxy => "KILL",
        }
    }

    /// The signal for an orderly shutdown that does not wait for clients.
    fn stop(self) -> &'static str {
        match self {
            Kind::Postgres => "INT",
            Kind::MariaDb | Kind::MySql | Kind::PgBouncer | Kind::HaProxy => "TERM",
        }
    }
}

impl Server {
    fn start(kind: Kind, release: Release, extra: &[String], fill: impl FnOnce(&Path)) -> Server {
        let directory = tempfile::Builder::new()
            .prefix("queuepool-")
            .tempdir()
            .expect("a temporary directory");
        give_to(kind.user(), directory.path());
        fill(directory.path());
        let mut server = Server {
            kind,
            release,
            port: 0,
            directory,
            extra: extra.to_vec(),
            running: None,
        };
        // Between being found and being used, a free port can be taken by somebody else.
        for _ in 0..5 {
            server.port = free_port();
            if server.try_run() {
                return server;
            }
        }
        panic!("the server does not start; its log:\n{}", server.log_text());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Vec<String> {
        let data = self.path("data").display().to_string();
        let directory = self.directory.path().display();
        let port = self.port;
        let mut command: Vec<String> = match self.kind {
            Kind::Postgres => vec![
                postgres_binary(self.release, "postgres")
                    .display()
                    .to_string(),
                "-D".into(),
                data,
                format!("-p{port}"),
                format!("-k{directory}"),
                "-clisten_addresses=127.0.0.1".into(),
                "-cfsync=off".into(),
                "-cfull_page_writes=off".into(),
                "-csynchronous_commit=off".into(),
                "-cshared_buffers=8MB".into(),
                "-cmax_wal_size=64MB".into(),
                "-clog_line_prefix=%p ".into(),
            ],
            Kind::MariaDb => [
                mariadb_program(self.release),
                options_of_every_mysql(self.directory.path(), port),
                vec![
                    "--innodb-log-file-size=4M".into(),
                    "--key-buffer-size=1M".into(),
                    "--aria-pagecache-buffer-size=8M".into(),
                ],
            ]
            .concat(),
            Kind::MySql => [
                mysql_program(),
                options_of_every_mysql(self.directory.path(), port),
                vec![
                    // This would open a second port, and a second socket at the same path for all servers.
                    "--mysqlx=OFF".into(),
                    "--innodb-redo-log-capacity=8M".into(),
                    "--disable-log-bin".into(),
                    // As is MariaDB's default; it makes the start slower.
                    "--performance-schema=OFF".into(),
                ],
            ]
            .concat(),
            Kind::PgBouncer => vec![
                binary("pgbouncer", "pgbouncer").display().to_string(),
                self.path("pgbouncer.ini").display().to_string(),
            ],
            Kind::HaProxy => vec![
                binary("haproxy", "haproxy").display().to_string(),
                "-db".into(),
                "-f".into(),
                self.path("haproxy.cfg").display().to_string(),
            ],
        };
        command.extend(self.extra.iter().cloned());
        command
    }

    /// Runs the server. Returns false if it ended instead of listening.
    fn try_run(&mut self) -> bool {
        if let Some(file) = self.kind.configuration() {
            let template = self.path(&format!("{file}.template"));
            let text = fs::read_to_string(template).expect("our own file");
            let text = text.replace("PORT", &self.port.to_string());
            fs::write(self.path(file), text).expect("our own directory");
        }
        let mut watcher = as_user(self.kind.user(), "sh")
            .args(["-c", WATCHER, "watcher", self.kind.at_end()])
            .arg(self.path("log"))
            .args(self.command())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        BufReader::new(watcher.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("the watcher's first line");
        let pid = Pid::from_raw(line.trim().parse().expect("a process id"));
        self.running = Some(Running { watcher, pid });
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            if is_gone(pid) {
                break;
            }
            if self.accepts() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.end("KILL");
        false
    }

    /// Whether the server accepts clients. PostgreSQL listens before it does, so the answer is in its lock file, whose
    /// eighth line then says "ready".
    fn accepts(&self) -> bool {
        match self.kind {
            Kind::Postgres => fs::read_to_string(self.path("data/postmaster.pid"))
                .is_ok_and(|lines| lines.lines().nth(7).map(str::trim) == Some("ready")),
            Kind::MariaDb | Kind::MySql | Kind::PgBouncer => {
                TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            }
            // A connect to its port would be one to a server behind it.
            Kind::HaProxy => UnixStream::connect(self.path("stats")).is_ok(),
        }
    }

    fn end(&mut self, signal: &str) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        // Both of these fail only if the watcher is gone already.
        if let Some(mut input) = running.watcher.stdin.take() {
            let _ = writeln!(input, "{signal}");
            let limit = Instant::now() + Duration::from_secs(10);
            while Instant::now() < limit {
                if matches!(running.watcher.try_wait(), Ok(Some(_)) | Err(_)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = kill(running.pid, Signal::SIGKILL);
        let _ = running.watcher.wait();
    }

    /// PostgreSQL's backends, followed by the server itself.
    fn processes(&self) -> Vec<Pid> {
        let pid = self.running.as_ref().expect("the server runs").pid;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        let backends = pids.map(Pid::from_raw);
        backends.chain([pid]).collect()
    }

    /// A backend outlives the server for as long as its statement takes. If it still wrote to its log while the next server
    /// recovers from that log, it would lose what it has acknowledged.
    fn kill(&mut self) {
        // All are stopped first, so that none of them starts another one meanwhile.
        self.signal(Signal::SIGSTOP);
        let processes = self.processes();
        for pid in &processes {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        self.end("KILL");
        let limit = Instant::now() + START_LIMIT;
        while !processes.iter().all(|pid| is_gone(*pid)) {
            assert!(Instant::now() < limit, "the server cannot be killed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: Signal) {
        let all = self.processes();
        for pid in &all {
            // A child may have ended in the meantime.
            let _ = kill(*pid, signal);
        }
        // The signal takes effect with a delay: threads on other cores may still answer for a moment.
        if signal == Signal::SIGSTOP {
            let limit = Instant::now() + START_LIMIT;
            while !all.iter().all(|pid| has_stopped(*pid)) && Instant::now() < limit {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server still runs");
        let lock = self.path("data/postmaster.pid");
        // kill() leaves it behind, and its "ready" would be taken for the new server's.
        let _ = fs::remove_file(lock);
        assert!(
            self.try_run(),
            "the server does not start again; its log:\n{}",
            self.log_text()
        );
    }

    fn log_text(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(self.kind.at_end());
    }
}

macro_rules! server_methods {
    () => {
        /// The port on 127.0.0.1, the same after a restart.
        pub fn port(&self) -> u16 {
            self.0.port
        }

        /// Shuts the server down cleanly, without waiting for clients. Returns when it is gone.
        pub fn stop(&mut self) {
            self.0.end(self.0.kind.stop());
        }

        /// Ends the server and its backends as a crash would. Returns when all are gone.
        pub fn kill(&mut self) {
            self.0.kill();
        }

        /// Freezes the server: the kernel still accepts connections, but nobody answers.
        pub fn pause(&self) {
            self.0.signal(Signal::SIGSTOP);
        }

        /// Lets the server continue after `pause`.
        pub fn resume(&self) {
            self.0.signal(Signal::SIGCONT);
        }

        /// Starts the server again, with the same port and data, after `stop` or `kill`.
        pub fn start_again(&mut self) {
            self.0.start_again();
        }

        /// Everything that the server has written to its log so far.
        pub fn log_text(&self) -> String {
            self.0.log_text()
        }

        /// The directory that holds the data and the server's Unix socket.
        pub fn directory(&self) -> &Path {
            self.0.directory.path()
        }
    };
}

/// A server, for tests that are the same on several of them.
pub trait TestServer: Sized {
    /// Whether the server is on this machine. If it is not, that is printed, and the test ends.
    fn is_here() -> bool;
    fn start() -> Self {
        Self::start_with(&[])
    }
    fn start_with(settings: &[&str]) -> Self {
        Self::start_with_files(settings, &[])
    }
    fn start_with_files(settings: &[&str], files: &[(&str, &str)]) -> Self;
    fn url(&self) -> String;
    fn admin_url(&self) -> String;
    fn port(&self) -> u16;
    fn stop(&mut self);
    fn kill(&mut self);
    fn pause(&self);
    fn resume(&self);
    fn start_again(&mut self);
    fn log_text(&self) -> String;
    fn directory(&self) -> &Path;
}

macro_rules! database_server {
    ($server:ident: $kind:expr, $release:expr, $scheme:literal, $admin:literal, $is_here:expr) => {
        impl $server {
            /// Whether the server is on this machine. If it is not, that is printed.
            pub fn is_here() -> bool {
                $is_here
            }

            pub fn start() -> $server {
                $server::start_with(&[])
            }

            /// Starts it with settings as on the server's command line: `max_connections=5` for PostgreSQL,
            /// `--max-connections=5` for the others.
            pub fn start_with(settings: &[&str]) -> $server {
                $server::start_with_files(settings, &[])
            }

            /// Starts it with files of these names and contents in the data directory, such as `server.key`, which settings
            /// name without a path.
            pub fn start_with_files(settings: &[&str], files: &[(&str, &str)]) -> $server {
                $server(start_database($kind, $release, settings, files))
            }

            pub fn url(&self) -> String {
                let port = self.port();
                format!("{}://app:{PASSWORD_IN_URL}@127.0.0.1:{port}/app", $scheme)
            }

            pub fn admin_url(&self) -> String {
                let port = self.port();
                format!(
                    "{}://{}:{ADMIN_PASSWORD}@127.0.0.1:{port}/app",
                    $scheme, $admin
                )
            }

            server_methods!();
        }

        impl TestServer for $server {
            fn is_here() -> bool {
                $server::is_here()
            }
            fn start_with_files(settings: &[&str], files: &[(&str, &str)]) -> Self {
                $server::start_with_files(settings, files)
            }
            fn url(&self) -> String {
                $server::url(self)
            }
            fn admin_url(&self) -> String {
                $server::admin_url(self)
            }
            fn port(&self) -> u16 {
                $server::port(self)
            }
            fn stop(&mut self) {
                $server::stop(self);
            }
            fn kill(&mut self) {
                $server::kill(self);
            }
            fn pause(&self) {
                $server::pause(self);
            }
            fn resume(&self) {
                $server::resume(self);
            }
            fn start_again(&mut self) {
                $server::start_again(self);
            }
            fn log_text(&self) -> String {
                $server::log_text(self)
            }
            fn directory(&self) -> &Path {
                $server::directory(self)
            }
        }
    };
}

/// Makes each of these functions a test on each of these servers, in a module with the server's name.
#[macro_export]
macro_rules! on_each {
    ($tests:tt: $($name:ident = $server:ident),+) => {$(
        mod $name {
            $crate::on_each!(@ $server $tests);
        }
    )+};
    (@ $server:ident [$($test:ident),+ $(,)?]) => {$(
        #[test]
        fn $test() {
            if $crate::servers::$server::is_here() {
                super::$test::<$crate::servers::$server>();
            }
        }
    )+};
}
#[allow(unused_imports)]
pub use on_each;

/// PostgreSQL with the database `app`, its owner `app` (by scram-sha-256), and the superuser `postgres`.
pub struct Postgres(Server);

/// The same from Debian's unstable suite.
pub struct NewestPostgres(Server);

/// MariaDB with the database `app`, the user `app` who has all privileges there, and `admin`, who has all privileges.
pub struct MariaDb(Server);

/// The same from Debian's unstable suite.
pub struct NewestMariaDb(Server);

/// MySQL with what [`MariaDb`] has. Its users log in by caching_sha2_password, and it offers TLS with a certificate that it
/// has generated itself.
pub struct MySql(Server);

database_server!(Postgres: Kind::Postgres, Release::Installed, "postgresql", "postgres", true);
database_server!(NewestPostgres: Kind::Postgres, Release::Newest, "postgresql", "postgres",
                 installed::is_fetched("postgresql"));
database_server!(MariaDb: Kind::MariaDb, Release::Installed, "mysql", "admin", true);
database_server!(NewestMariaDb: Kind::MariaDb, Release::Newest, "mysql", "admin", installed::is_fetched("mariadb"));
database_server!(MySql: Kind::MySql, Release::Newest, "mysql", "admin", installed::is_fetched("mysql"));

impl Postgres {
    /// A query that returns 1 if its connection is encrypted and 0 if it is not.
    pub const IS_ENCRYPTED: &str = "SELECT ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
}

impl MariaDb {
    /// Like [`Postgres::IS_ENCRYPTED`].
    pub const IS_ENCRYPTED: &str = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS \
                                    WHERE VARIABLE_NAME = 'SSL_CIPHER'";
}

impl MySql {
    /// Like [`Postgres::IS_ENCRYPTED`].
    pub const IS_ENCRYPTED: &str = "SELECT VARIABLE_VALUE <> '' FROM performance_schema.session_status \
                                    WHERE VARIABLE_NAME = 'SSL_CIPHER'";
}

fn start_database(
    kind: Kind,
    release: Release,
    settings: &[&str],
    files: &[(&str, &str)],
) -> Server {
    let of_postgres = if kind == Kind::Postgres { "-c" } else { "" };
    let extra: Vec<String> = settings
        .iter()
        .map(|setting| format!("{of_postgres}{setting}"))
        .collect();
    Server::start(kind, release, &extra, |directory| {
        fill_from_template(kind, release, directory);
        put(kind, directory, files);
    })
}

/// PgBouncer in front of a `Postgres`, pooling by session or by transaction.
pub struct PgBouncer(Server);

impl PgBouncer {
    pub fn start(server: &Postgres, pool_mode: &str) -> PgBouncer {
        PgBouncer::start_with(server, pool_mode, &[])
    }

    /// Starts it with settings such as `default_pool_size=1`.
    pub fn start_with(server: &Postgres, pool_mode: &str, settings: &[&str]) -> PgBouncer {
        let settings = settings.join("\n");
        let port = server.port();
        PgBouncer(Server::start(
            Kind::PgBouncer,
            Release::Installed,
            &[],
            |directory| {
                let users = directory.join("users.txt");
                let ini = format!(
                    "[databases]\napp = host=127.0.0.1 port={port} dbname=app\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = PORT\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
                 pool_mode = {pool_mode}\n{settings}\n",
                    users.display()
                );
                fs::write(users, format!("\"app\" \"{PASSWORD}\"\n")).expect("our own directory");
                fs::write(directory.join("pgbouncer.ini.template"), ini)
                    .expect("our own directory");
            },
        ))
    }

    pub fn url(&self) -> String {
        format!(
            "postgresql://app:{PASSWORD_IN_URL}@127.0.0.1:{}/app",
            self.port()
        )
    }

    server_methods!();
}

/// The same URL, but for a database that does not exist.
pub fn to_nowhere(url: &str) -> String {
    let server = url.strip_suffix("/app").expect("the database app");
    format!("{server}/nowhere")
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound above").port()
}

/// How long until the kernel probes each established connection to this port, in seconds: what `ss` shows as
/// "timer:(keepalive,29sec,0)".
pub fn keepalive_seconds(port: u16) -> Vec<u64> {
    let jiffies_per_second = 100;
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let remote = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (timer, when) = fields[5].split_once(':')?;
            // Timer 2 is the keepalive timer; state 01 is ESTABLISHED.
            (fields[2].ends_with(&remote) && fields[3] == "01" && timer == "02")
                .then(|| u64::from_str_radix(when, 16).expect("hexadecimal") / jiffies_per_second)
        })
        .collect()
}

/// Writes files that only the server may read, as PostgreSQL demands for a key.
fn put(kind: Kind, directory: &Path, files: &[(&str, &str)]) {
    for (name, contents) in files {
        let path = directory.join("data").join(name);
        fs::write(&path, contents).expect("our own directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
        give_to(kind.user(), &path);
    }
}

fn fill_from_template(kind: Kind, release: Release, directory: &Path) {
    let user = kind.user();
    let program = match kind {
        Kind::Postgres => postgres_binary(release, "postgres"),
        Kind::MariaDb => PathBuf::from(&mariadb_program(release)[0]),
        Kind::MySql => PathBuf::from(&mysql_program()[0]),
        Kind::PgBouncer | Kind::HaProxy => unreachable!("a proxy has no data"),
    };
    let version = output(Command::new(&program).arg("--version"));
    // The version of a fetched program begins with its path.
    let version = version.trim_start_matches(&*program.to_string_lossy());
    let word: String = format!("{version}-{}-2", current_user())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let template = std::env::temp_dir().join(format!("queuepool-template-{word}"));
    let lock = File::create(template.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock on the lock file");
    if !template.exists() {
        // It gets its name only when it is complete, so a test that is killed half-way leaves nothing that looks like a
        // template.
        let half = tempfile::Builder::new()
            .prefix("queuepool-template-half-")
            .tempdir()
            .expect("a temporary directory");
        give_to(user, half.path());
        match kind {
            Kind::Postgres => make_postgres_data(release, half.path()),
            Kind::MariaDb => make_mariadb_data(release, half.path()),
            _ => make_mysql_data(half.path()),
        }
        fs::rename(half.keep(), &template).expect("a rename within the temporary directory");
    }
    drop(lock);
    output(
        as_user(user, "cp")
            .arg("-a")
            .arg(template.join("data"))
            .arg(directory),
    );
}

fn make_postgres_data(release: Release, directory: &Path) {
    let data = directory.join("data");
    let password = directory.join("password");
    fs::write(&password, ADMIN_PASSWORD).expect("our own directory");
    give_to("postgres", &password);
    output(
        as_user(
            "postgres",
            &postgres_binary(release, "initdb").display().to_string(),
        )
        .args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--wal-segsize=1",
        ])
        .args(["--username=postgres", "--auth=scram-sha-256"])
        .arg(format!("--pwfile={}", password.display()))
        .arg("-D")
        .arg(&data),
    );
    let sql =
        format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}';\nCREATE DATABASE app OWNER app;\n");
    let mut single = as_user(
        "postgres",
        &postgres_binary(release, "postgres").display().to_string(),
    );
    single
        .args(["--single", "-F", "-D"])
        .arg(data)
        .arg("postgres");
    output_with_input(&mut single, &sql);
}

/// The program and the arguments that tell it where its files are.
fn mariadb_program(release: Release) -> Vec<String> {
    if release == Release::Installed {
        let program = binary("mariadbd", "mariadb-server").display().to_string();
        return vec![program, "--no-defaults".into()];
    }
    let usr = newest("mariadb").join("usr").display().to_string();
    vec![
        format!("{usr}/sbin/mariadbd"),
        "--no-defaults".into(),
        format!("--basedir={usr}"),
        format!("--lc-messages-dir={usr}/share/mariadb"),
        format!("--character-sets-dir={usr}/share/mariadb/charsets"),
        format!("--plugin-dir={usr}/lib/mysql/plugin"),
    ]
}

fn mysql_program() -> Vec<String> {
    let usr = newest("mysql").join("usr").display().to_string();
    vec![
        format!("{usr}/sbin/mysqld"),
        "--no-defaults".into(),
        format!("--basedir={usr}"),
        format!("--lc-messages-dir={usr}/share/mysql"),
        format!("--character-sets-dir={usr}/share/mysql/charsets"),
        format!("--plugin-dir={usr}/lib/mysql/plugin"),
        // Debian's default is a folder that exists only if the package is installed.
        "--secure-file-priv=NULL".into(),
    ]
}

fn options_of_every_mysql(directory: &Path, port: u16) -> Vec<String> {
    let directory = directory.display();
    vec![
        format!("--datadir={directory}/data"),
        // At its start a server removes the temporary tables it finds, also those of others that share the folder.
        format!("--tmpdir={directory}"),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".into(),
        format!("--socket={directory}/mysqld.sock"),
        format!("--pid-file={directory}/mysqld.pid"),
        "--skip-name-resolve".into(),
        "--innodb-buffer-pool-size=8M".into(),
        "--innodb-flush-log-at-trx-commit=0".into(),
        "--innodb-fast-shutdown=2".into(),
    ]
}

fn first_statements() -> String {
    format!(
        "CREATE DATABASE app;\n\
         CREATE USER 'app'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
         CREATE USER 'app'@'localhost' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL ON app.* TO 'app'@'127.0.0.1', 'app'@'localhost';\n\
         CREATE USER 'admin'@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';\n\
         GRANT ALL ON *.* TO 'admin'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

fn make_mariadb_data(release: Release, directory: &Path) {
    let data = format!("--datadir={}", directory.join("data").display());
    let small = "--innodb-log-file-size=4M";
    let (install, basedir) = match release {
        Release::Installed => (binary("mariadb-install-db", "mariadb-server"), None),
        Release::Newest => {
            let usr = newest("mariadb").join("usr");
            let basedir = format!("--basedir={}", usr.display());
            (usr.join("bin/mariadb-install-db"), Some(basedir))
        }
    };
    output(
        as_user("mysql", &install.display().to_string())
            .arg("--no-defaults")
            .args(basedir)
            .args([
                &data,
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
                small,
            ]),
    );
    let server = mariadb_program(release);
    let mut bootstrap = as_user("mysql", &server[0]);
    bootstrap
        .args(&server[1..])
        .args(["--bootstrap", &data, small]);
    let sql = format!("FLUSH PRIVILEGES;\n{}", first_statements());
    output_with_input(&mut bootstrap, &sql);
}

fn make_mysql_data(directory: &Path) {
    let sql = directory.join("first.sql");
    fs::write(&sql, first_statements()).expect("our own directory");
    give_to("mysql", &sql);
    let server = mysql_program();
    output(
        as_user("mysql", &server[0])
            .args(&server[1..])
            .args(["--initialize-insecure", "--innodb-redo-log-capacity=8M"])
            .arg(format!("--datadir={}", directory.join("data").display()))
            .arg(format!("--init-file={}", sql.display())),
    );
}

fn current_user() -> String {
    output(Command::new("id").arg("-u"))
}

/// A command that runs as `user` if this process runs as root, and otherwise as this process's own user.
fn as_user(user: &str, program: &str) -> Command {
    let mut command = if current_user() == "0" {
        let mut command = Command::new(binary("setpriv", "util-linux"));
        command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn give_to(user: &str, path: &Path) {
    if current_user() == "0" {
        let id = |which| {
            output(Command::new("id").args([which, user]))
                .parse()
                .expect("a number")
        };
        chown(path, Some(id("-u")), Some(id("-g"))).expect("root may");
    }
}

fn is_gone(pid: Pid) -> bool {
    // The state follows the name, which is in brackets. A zombie is still waiting for the watcher.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

/// Whether every thread of the process has stopped or is gone.
fn has_stopped(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    threads.into_iter().flatten().flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.is_empty()
            || [") T ", ") Z ", ") X "]
                .iter()
                .any(|state| stat.contains(state))
    })
}

fn output(command: &mut Command) -> String {
    checked(command, command_output)
}

fn output_with_input(command: &mut Command, input: &str) -> String {
    checked(command, |command| {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes())?;
        drop(pipe);
        child.wait_with_output()
    })
}

fn command_output(command: &mut Command) -> std::io::Result<Output> {
    command.output()
}

fn checked(
    command: &mut Command,
    run: impl FnOnce(&mut Command) -> std::io::Result<Output>,
) -> String {
    let output = run(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
