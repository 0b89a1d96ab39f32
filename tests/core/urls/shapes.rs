//! Database URLs in the shapes in which public documentation writes them (`shapes.txt`, hosts and passwords replaced): each is read
//! as its writer means it, or refused with the word to write.

use std::collections::BTreeMap;
use std::env;

use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::sqlite::SqliteManager;
use queuepool::{Database, ErrorKind, Settings};

/// A name and a URL in each line, with a tab between them.
const SHAPES: &str = include_str!("shapes.txt");

enum Expected {
    /// What the manager connects to, as its Debug shows it, and the settings that are not the default's.
    Reads(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
    ),
    /// Words of the error.
    Refused(&'static [&'static str]),
}

use Expected::{Reads, Refused};

const DEFAULT_PG: &str = "port: [5432]";
const NO_TLS_SAID: &str = "tls: Tls { mode: None, roots: None";
const REQUIRE: &str = "tls: Tls { mode: Some(Require), roots: None";
const DISABLE: &str = "tls: Tls { mode: Some(Disable), roots: None";
const LOCAL_PG: &str = r#"host: [Tcp("localhost")]"#;
const APP: &str = r#"user: Some("app")"#;
const DB: &str = r#"dbname: Some("db")"#;

#[rustfmt::skip]
const EXPECTED: &[(&str, Expected)] = &[
    ("Heroku postgres", Reads(&[
        r#"host: [Tcp("ec2-3-210-11-22.compute-1.amazonaws.com")]"#, DEFAULT_PG, r#"user: Some("ucabcdefgh")"#,
        r#"dbname: Some("d1a2b3c4d5e6f7")"#, NO_TLS_SAID], &[])),
    ("Heroku old ssl=true", Reads(&[r#"user: Some("ucabc")"#, r#"dbname: Some("d1a2b3")"#, DEFAULT_PG, REQUIRE], &[])),
    ("Railway private", Reads(&[r#"host: [Tcp("postgres.railway.internal")]"#, r#"dbname: Some("railway")"#, NO_TLS_SAID], &[])),
    ("Render", Reads(&[r#"host: [Tcp("dpg-abcdefgh-a")]"#, r#"user: Some("app_user")"#, r#"dbname: Some("app_db")"#, NO_TLS_SAID], &[])),
    ("Fly flycast", Reads(&[r#"host: [Tcp("app-db.flycast")]"#, DISABLE], &[])),
    ("Supabase pooler", Refused(&["\"pgbouncer\"", "remove it"])),
    ("Supabase placeholder", Refused(&["placeholder in brackets", "without brackets"])),
    ("Vercel workaround", Refused(&["\"workaround\"", "remove it"])),
    ("Neon options enc", Reads(&[
        r#"host: [Tcp("ep-cool.us-east-2.aws.neon.tech")]"#, r#"options: Some("endpoint=ep-cool-darkness")"#, REQUIRE], &[])),
    ("Neon verify-full", Reads(&["mode: Some(VerifyFull)", r#"roots: Some(System { name: "sslrootcert" })"#], &[])),
    ("Prisma pool", Refused(&["\"connection_limit\"", "write max_pool_size"])),
    ("Prisma socket", Reads(&[r#"host: [Unix("/var/run/postgresql/")]"#, r#"user: Some("USER")"#, r#"dbname: Some("database")"#], &[])),
    ("Prisma mysql", Reads(&[
        r#"hosts: [("localhost", 3306)]"#, "socket: None", r#"user: Some("janedoe")"#, r#"database: Some("mydb")"#, NO_TLS_SAID], &[])),
    ("PlanetScale sslaccept", Refused(&["sslaccept", "VERIFY_IDENTITY"])),
    ("PlanetScale ssl json enc", Refused(&["invalid ssl", "ssl-mode=", "VERIFY_IDENTITY"])),
    ("TiDB", Reads(&[
        r#"hosts: [("gateway01.us-west-2.prod.aws.tidbcloud.com", 4000)]"#, r#"user: Some("3abc.root")"#, r#"database: Some("test")"#,
        "mode: Some(VerifyFull)", r#"path: "/etc/ssl/certs/ca-certificates.crt""#], &[])),
    ("AWS RDS pg", Reads(&[
        r#"host: [Tcp("mydb.abc123.us-east-1.rds.amazonaws.com")]"#, "mode: Some(VerifyFull)",
        r#"path: "/etc/ssl/certs/ca-certificates.crt""#], &[])),
    ("RDS IAM token", Reads(&[
        r#"host: [Tcp("mydb.abc123.us-east-1.rds.amazonaws.com")]"#, APP, r#"dbname: Some("orders")"#, REQUIRE], &[])),
    ("Azure pg raw", Refused(&["an '@'", "not percent-encoded"])),
    ("Azure mysql", Refused(&["useSSL", "ssl-mode=", "REQUIRED"])),
    ("Cloud SQL mysql", Reads(&[
        r#"socket: Some("/cloudsql/my-project:us-central1:db")"#, APP, r#"database: Some("orders")"#], &[])),
    ("Cloud SQL pg8000", Reads(&[
        r#"host: [Unix("/cloudsql/my-project:us-central1:db")]"#, DEFAULT_PG, APP, r#"dbname: Some("orders")"#], &[])),
    ("Cloud SQL mysqldb", Reads(&[
        r#"socket: Some("/cloudsql/my-project:us-central1:db")"#, r#"user: Some("root")"#, r#"database: Some("orders")"#], &[])),
    ("DigitalOcean pg", Reads(&["port: [25060]", r#"user: Some("doadmin")"#, r#"dbname: Some("defaultdb")"#, REQUIRE], &[])),
    ("Aiven pg", Reads(&["port: [12345]", r#"user: Some("avnadmin")"#, REQUIRE], &[])),
    ("Cockroach", Reads(&["port: [26257]", r#"options: Some("--cluster=funny-cat-123")"#, "mode: Some(VerifyFull)"], &[])),
    ("Cockroach scheme", Refused(&["cockroachdb", "postgresql://"])),
    ("Yugabyte", Refused(&["\"load_balance\"", "load_balance_hosts=random"])),
    ("ClearDB", Refused(&["\"reconnect\"", "remove it"])),
    ("Rails pool", Refused(&["\"pool\"", "write max_pool_size"])),
    ("Rails socket", Refused(&["names no host", "?host=/var/run/postgresql"])),
    ("Django postgis", Refused(&["postgis", "postgresql://"])),
    ("Django pgsql", Refused(&["pgsql", "postgresql://"])),
    ("libpq socket host", Reads(&[r#"host: [Unix("/var/run/postgresql")]"#, APP, r#"dbname: Some("orders")"#], &[])),
    ("libpq host port params", Reads(&[LOCAL_PG, "port: [5433]", r#"dbname: Some("mydb")"#], &[])),
    ("libpq hosts", Reads(&[
        r#"host: [Tcp("host1"), Tcp("host2")]"#, "port: [123, 456]", r#"dbname: Some("somedb")"#,
        r#"application_name: Some("myapp")"#, "wanted: Any"], &[])),
    ("libpq primary", Reads(&[r#"host: [Tcp("h1"), Tcp("h2")]"#, "port: []", APP, DB, "wanted: Primary"], &[])),
    ("libpq options c", Reads(&[LOCAL_PG, r#"options: Some("-c search_path=tenant1,public")"#], &[])),
    ("libpq options +sign", Reads(&[LOCAL_PG, r#"options: Some("-c statement_timeout=5000")"#], &[])),
    ("libpq fallback", Reads(&[LOCAL_PG, r#"application_name: Some("y")"#], &[])),
    ("libpq passfile", Refused(&["\"passfile\"", "`credentials`"])),
    ("libpq tcp_user_timeout", Reads(&[LOCAL_PG, "tcp_user_timeout: Some(30s)"], &[])),
    ("libpq require_auth", Refused(&["\"require_auth\"", "channel_binding=require"])),
    ("libpq sslcompression", Reads(&[LOCAL_PG, REQUIRE], &[])),
    ("libpq kv", Refused(&["key=value", "postgresql://user:password@host:port/dbname"])),
    ("asyncpg prepared", Refused(&["\"prepared_statement_cache_size\"", "remove it"])),
    ("JDBC pg", Refused(&["jdbc:", "without jdbc:"])),
    ("JDBC params", Refused(&["\"serverTimezone\"", "remove it", "on_connect"])),
    ("SQLA charset utf8", Refused(&["charset \"utf8\"", "utf8mb4"])),
    ("SQLA mariadbconnector", Reads(&[r#"hosts: [("127.0.0.1", 3306)]"#, APP, r#"database: Some("orders")"#], &[])),
    ("Symfony", Refused(&["\"serverVersion\"", "remove it"])),
    ("Laravel", Reads(&[r#"hosts: [("127.0.0.1", 3306)]"#, r#"user: Some("root")"#, r#"database: Some("laravel")"#], &[])),
    ("Go-ish", Refused(&["Go's form", "host:port without it"])),
    ("MySQL hosts", Reads(&[r#"hosts: [("h1", 3306), ("h2", 3306)]"#, APP, r#"database: Some("orders")"#], &[])),
    ("no db mysql", Reads(&[r#"hosts: [("localhost", 3306)]"#, APP, "database: None"], &[])),
    ("SQLA pool -1", Reads(&[LOCAL_PG], &[("pool_recycle", "never")])),
    ("SQLA max_overflow=-1", Refused(&["max_overflow \"-1\"", "give a number"])),
    ("upper bools", Reads(&[LOCAL_PG], &[])),
    ("FastAPI sqlite cst", Refused(&["\"check_same_thread\"", "remove it"])),
    ("sqlx sqlite2", Reads(&["HERE/data.db"], &[])),
    ("pysqlite uri", Reads(&["HERE/app.db", "SQLITE_OPEN_READ_ONLY"], &[])),
    ("Go sqlite", Refused(&["scheme is file", "sqlite:///app.db"])),
    ("busy ms", Refused(&["busy_timeout \"5000\"", "5s or 250ms"])),
    ("Diesel sqlite", Refused(&["without a scheme", "sqlite:///app.db"])),
    ("Rails sqlite3", Refused(&["sqlite3", "sqlite:///app.db"])),
    ("sqlite cipher", Refused(&["SQLCipher", "not supported"])),
    ("sqlite journal upper", Reads(&["HERE/app.db", "journal_mode: Some(Wal)", "synchronous: Some(Normal)"], &[])),
];

fn shapes() -> Vec<(&'static str, &'static str)> {
    let shape = |line: &'static str| line.split_once('\t').expect("a name and a URL");
    SHAPES.lines().map(shape).collect()
}

/// What the manager of the URL's scheme shows of itself.
fn manager(url: &str) -> Result<String, queuepool::Error> {
    match url.split([':', '+']).next() {
        Some("mysql" | "mariadb") => MySqlManager::from_url(url).map(|it| format!("{it:?}")),
        Some("sqlite") => SqliteManager::from_url(url).map(|it| format!("{it:?}")),
        _ => PostgresManager::from_url(url).map(|it| format!("{it:?}")),
    }
}

/// The passwords in the shapes.
const SECRETS: [&str; 7] = [
    "s3cret",
    "secret",
    "mypassword",
    "pscale_pw_xyz",
    "abcd",
    "testing",
    "p9f8",
];

#[test]
fn every_shape_is_read_as_its_writer_means_it_or_refused_with_the_word_to_write() {
    let expected: BTreeMap<&str, &Expected> = EXPECTED
        .iter()
        .map(|(name, expected)| (*name, expected))
        .collect();
    let shapes = shapes();
    assert_eq!((shapes.len(), expected.len()), (67, 67));
    let here = env::current_dir().expect("a directory");
    let here = here.to_str().expect("Unicode");
    let mut wrong = Vec::new();
    for (name, url) in shapes {
        match (expected[name], Settings::from_url(url)) {
            (Reads(words, settings), Ok((left, read))) => match manager(&left) {
                Ok(shown) => {
                    for word in *words {
                        if !shown.contains(&word.replace("HERE", here)) {
                            wrong.push(format!("{name}: no {word} in {shown}"));
                        }
                    }
                    let text: Vec<String> = settings
                        .iter()
                        .map(|(key, value)| format!("{key}={value}"))
                        .collect();
                    let meant: Settings = text.join("&").parse().expect("settings");
                    if read != meant {
                        wrong.push(format!("{name}: {read}"));
                    }
                }
                Err(error) => wrong.push(format!("{name}: refused: {error}")),
            },
            (Reads(..), Err(error)) => wrong.push(format!("{name}: refused: {error}")),
            (Refused(words), _) => match Database::open(url) {
                Ok(_) => wrong.push(format!("{name}: read")),
                Err(error) => {
                    let text = format!("{error} {error:?}");
                    let kinds = [ErrorKind::Settings, ErrorKind::Unsupported];
                    if !kinds.contains(&error.kind()) {
                        wrong.push(format!("{name}: {:?}", error.kind()));
                    }
                    for word in *words {
                        if !text.contains(&word.replace('"', "\\\"")) && !text.contains(word) {
                            wrong.push(format!("{name}: no {word} in {text}"));
                        }
                    }
                }
            },
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same URL with another password, which is in its place, and with one as a parameter.
fn with_passwords(url: &str, secret: &str) -> Vec<String> {
    let mut urls: Vec<String> = SECRETS.iter().map(|old| url.replace(old, secret)).collect();
    let mark = if url.contains('?') { "&" } else { "?" };
    urls.push(format!("{url}{mark}password={secret}"));
    urls.push(url.replacen('?', &format!("?password={secret}&"), 1));
    urls.retain(|changed| changed != url);
    urls
}

#[test]
fn no_password_is_in_the_error_of_a_shape_that_is_refused() {
    let secret = "Hunter2xyz";
    let mut refused = 0;
    for (name, url) in shapes() {
        for url in with_passwords(url, secret)
            .into_iter()
            .chain([url.to_owned()])
        {
            let errors = [
                Database::open(&url).err(),
                PostgresManager::from_url(&url).err(),
                MySqlManager::from_url(&url).err(),
                SqliteManager::from_url(&url).err(),
                queuepool::postgres::PostgresPool::builder(&url).err(),
                queuepool::mysql::MySqlPool::builder(&url).err(),
                queuepool::sqlite::SqlitePool::builder(&url).err(),
            ];
            for error in errors.into_iter().flatten() {
                refused += 1;
                let text = format!("{error} {error:?} {error:#?}");
                let shown = SECRETS.iter().find(|old| text.contains(**old));
                assert_eq!(shown, None, "{name}: {text}");
                assert!(!text.contains(secret), "{name}: {text}");
            }
        }
    }
    assert!(refused > 500, "{refused}");
}
