//! Where the servers' programs are: installed from Debian's packages, or unpacked by `tests/fetch-servers`.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Which version of a server.
#[derive(Clone, Copy, PartialEq)]
pub enum Release {
    /// The version in Debian's stable release.
    Installed,
    /// The version in Debian's unstable suite, if it could be fetched.
    Newest,
}

/// The folder with the newest release of this server, laid out as Debian does it and readable by everybody.
pub fn fetched(server: &str) -> Option<PathBuf> {
    // target/debug/deps/PROGRAM, or target/diesel/debug/deps/PROGRAM.
    let program = env::current_exe().expect("the program's path");
    let targets = program.ancestors().skip(1).take(4);
    targets
        .map(|target| target.join("servers").join(server))
        .find_map(|link| fs::canonicalize(link).ok())
}

/// Whether the newest release of this server is here. If it is not, that is printed.
pub fn is_fetched(server: &str) -> bool {
    let is_here = fetched(server).is_some();
    if !is_here {
        eprintln!(
            "NOT CHECKED: {server} of Debian unstable: tests/fetch-servers has not fetched it"
        );
    }
    is_here
}

pub fn newest(server: &str) -> PathBuf {
    fetched(server).unwrap_or_else(|| panic!("{server} is missing: run tests/fetch-servers"))
}

pub fn postgres_binary(release: Release, name: &str) -> PathBuf {
    match release {
        Release::Installed => {
            latest_postgres(Path::new("/usr"), name).unwrap_or_else(|| binary(name, "postgresql"))
        }
        Release::Newest => latest_postgres(&newest("postgresql").join("usr"), name)
            .unwrap_or_else(|| panic!("tests/fetch-servers has fetched no {name}")),
    }
}

fn latest_postgres(usr: &Path, name: &str) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(usr.join("lib/postgresql"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((version, path))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, path)| path)
}

pub fn binary(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is missing: install the package {package}"))
}
