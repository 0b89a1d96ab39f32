//! A name with several addresses, only one of which has a server. It is `localhost` or, if that has only one address,
//! another name in a process of its own that sees a different `/etc/hosts`.

use std::net::ToSocketAddrs;
use std::process::Command;

use crate::mariadb::server as mariadb;
use crate::postgres::{ANY, server as postgres};
use crate::table::{World, is_encrypted, open};

const URL: &str = "QUEUEPOOL_TEST_TWOFOLD_URL";
const NAME: &str = "twofold.test";

fn localhost_is_twofold() -> bool {
    ("localhost", 0)
        .to_socket_addrs()
        .is_ok_and(|addresses| addresses.count() > 1)
}

#[test]
fn in_the_process_that_knows_the_name() {
    if let Ok(url) = std::env::var(URL) {
        connect_in_each_mode(&url);
        println!("connected");
    }
}

fn connect_in_each_mode(url: &str) {
    for (mode, encrypted) in [
        ("disable", false),
        ("require", true),
        ("verify-ca", true),
        ("verify-full", true),
    ] {
        let database = open(&format!("{url}&sslmode={mode}"));
        assert_eq!(is_encrypted(&database).unwrap(), encrypted, "{mode}");
    }
}

fn each_address_is_tried(url: &str, world: &World) {
    let roots = world.roots.display();
    if localhost_is_twofold() {
        let url = url.replace("127.0.0.1", "localhost");
        return connect_in_each_mode(&format!("{url}?sslrootcert={roots}"));
    }
    let hosts = world.file("hosts", &format!("::1 {NAME}\n127.0.0.1 {NAME}\n"));
    let url = url.replace("127.0.0.1", NAME);
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
        .arg(hosts)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "names::in_the_process_that_knows_the_name",
            "--nocapture",
        ])
        .env(URL, format!("{url}?sslrootcert={roots}"))
        .output()
        .expect("unshare is missing: install the package util-linux");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("connected"),
        "{text}{errors}"
    );
}

#[test]
fn each_address_is_tried_and_the_name_verified_on_postgres() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&[NAME, "localhost"]), ANY);
    each_address_is_tried(&server.url(), &world);
}

#[test]
fn each_address_is_tried_and_the_name_verified_on_mariadb() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&[NAME, "localhost"]), &[]);
    each_address_is_tried(&server.url(), &world);
}

/// The certificate is for `localhost` alone.
fn each_host_is_verified_by_its_own_name(url: &str, world: &World) {
    let (before, after) = url.split_once('@').unwrap();
    let (address, path) = after.split_once('/').unwrap();
    let (_, port) = address.split_once(':').unwrap();
    let nobody = support::servers::free_port();
    let roots = world.roots.display();
    let through = |first: &str, second: &str| {
        let hosts = format!("{first}:{nobody},{second}:{port}");
        open(&format!(
            "{before}@{hosts}/{path}?sslmode=verify-full&sslrootcert={roots}"
        ))
    };
    assert!(is_encrypted(&through("127.0.0.1", "localhost")).unwrap());
    let error = through("localhost", "127.0.0.1").get().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the host name in the certificate") || text.contains("not valid for name"),
        "{text}"
    );
}

#[test]
fn each_host_of_a_list_is_verified_by_its_own_name_on_postgres() {
    let world = World::new();
    let server = postgres(&world, &world.ours.server(&["localhost"]), ANY);
    each_host_is_verified_by_its_own_name(&server.url(), &world);
}

#[test]
fn each_host_of_a_list_is_verified_by_its_own_name_on_mariadb() {
    let world = World::new();
    let server = mariadb(&world, &world.ours.server(&["localhost"]), &[]);
    each_host_is_verified_by_its_own_name(&server.url(), &world);
}
