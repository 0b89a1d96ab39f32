//! A process that has no file descriptor left. Alone, because its limit is lowered.

use std::fs::File;
use std::process::{Command, id};

use queuepool::{Database, ErrorKind, Retry, Settings};

use support::alone;
use support::scripted::{assert_laws, secs};
use support::servers::{MariaDb, Postgres};

/// So many are left for what the test itself opens from then on.
const LIMIT: u64 = 200;

fn limit_descriptors() {
    let status = Command::new("prlimit")
        .args([format!("--pid={}", id()), format!("--nofile={LIMIT}:")])
        .status();
    assert!(status.expect("prlimit, of Debian's util-linux").success());
}

#[test]
fn without_a_file_descriptor_a_connect_says_so_and_passes() {
    alone(|| {
        let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:///{}", folder.path().join("app.db").display());
        let settings = Settings::default()
            .retry(Retry::default().max_attempts(1))
            .timeout(secs(10))
            .keepalive(secs(1000));
        let open = |url: &str| Database::open_with(url, settings.clone()).unwrap();
        let pools = [&postgres.url(), &mariadb.url(), &sqlite].map(|url| open(url));
        // Each has its threads, and what it reads from files, before there are none.
        pools.iter().for_each(|pool| drop(pool.get().unwrap()));
        let held: Vec<_> = pools.iter().map(|pool| pool.get().unwrap()).collect();
        limit_descriptors();
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        for pool in &pools {
            let error = pool.get().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
            assert!(error.is_transient());
            let text = error.to_string();
            assert!(
                text.starts_with("no file descriptor is left for a connection: ")
                    && text.contains("ulimit -n"),
                "{text}"
            );
            assert!(!text.contains("permissions"), "{text}");
            assert_eq!(pool.status().database_error, None, "no outage");
        }
        drop(files);
        for pool in &pools {
            drop(pool.get().unwrap());
            assert_laws(&pool.status());
        }
        drop(held);
    });
}
