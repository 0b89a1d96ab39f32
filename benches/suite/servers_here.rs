//! Which database servers are installed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// PostgreSQL, or how to install it.
pub fn postgres() -> Result<(), &'static str> {
    let how = "apt-get install postgresql";
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let of_debian = versions
        .flatten()
        .any(|version| version.path().join("bin/initdb").exists());
    let is_here = of_debian || (is_program("postgres") && is_program("initdb"));
    found(is_here && can_change_user("postgres"), how)
}

/// MariaDB, or how to install it.
pub fn mariadb() -> Result<(), &'static str> {
    let how = "apt-get install mariadb-server";
    let is_here = is_program("mariadbd") && is_program("mariadb-install-db");
    found(is_here && can_change_user("mysql"), how)
}

fn found(is_here: bool, how: &'static str) -> Result<(), &'static str> {
    if is_here { Ok(()) } else { Err(how) }
}

fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.into_iter().any(|folder| folder.join(name).exists())
}

/// The servers refuse to run as root, so root starts them as the user whom their package creates.
fn can_change_user(user: &str) -> bool {
    // This process made its temporary folder.
    let is_root = fs::metadata(env::temp_dir()).is_ok_and(|folder| folder.uid() == 0);
    if !is_root {
        return true;
    }
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let line = format!("{user}:");
    is_program("setpriv") && users.lines().any(|one| one.starts_with(&line))
}
