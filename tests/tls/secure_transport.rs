//! A server that refuses plain logins with MySQL's own error, which MariaDB does not have.

use std::io::{Read, Write};
use std::net::TcpStream;

use queuepool::mysql::{MySqlDriver, MySqlManager};
use queuepool::r2d2::ManageConnection;
use queuepool::{Driver, ErrorClass};

use crate::guarding::{greeting, packet};
use crate::mariadb::server as mariadb;
use crate::pretender::{between, join};
use crate::table::{Encrypted, HERE, Refused, World, check};
use support::servers::MariaDb;

const CLIENT_SSL: u8 = 0x08;
/// ER_SECURE_TRANSPORT_REQUIRED.
const REFUSAL: u16 = 3159;

/// The client's first packet, with its header.
fn answer(client: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 4];
    client.read_exact(&mut packet).unwrap();
    packet.resize(4 + usize::from(packet[0]) + usize::from(packet[1]) * 256, 0);
    client.read_exact(&mut packet[4..]).unwrap();
    packet
}

fn refusal() -> Vec<u8> {
    let [low, high] = REFUSAL.to_le_bytes();
    let head = [0xff, low, high];
    let words = b"#HY000Connections using insecure transport are prohibited while \
                  --require_secure_transport=ON.";
    packet(2, &[&head[..], words].concat())
}

/// A man in the middle who passes on logins that ask for TLS and refuses all others.
fn guard(server: u16) -> u16 {
    between(server, |mut client, mut server| {
        client.write_all(&greeting(&mut server)).unwrap();
        let login = answer(&mut client);
        if login[5] & CLIENT_SSL == 0 {
            client.write_all(&refusal()).unwrap();
            return;
        }
        server.write_all(&login).unwrap();
        join(&client, &server);
    })
}

#[test]
fn mysqls_refusal_of_plain_logins_is_cured_by_tls_and_by_nothing_else() {
    let world = World::new();
    let server = mariadb(&world, &world.others.server(&HERE), &[]);
    let url = server.url();
    let (before, _) = url.rsplit_once(':').unwrap();
    let url = format!("{before}:{}/app", guard(server.port()));
    let plain = Refused("3159…insecure transport");
    let both = Refused("a plain login would do, but the server refused that too");
    check(
        &url,
        &world,
        &[
            ("", Encrypted),
            ("disable", plain),
            ("allow", Encrypted),
            ("prefer", Encrypted),
            ("require", Encrypted),
            ("allow roots", both),
            ("prefer roots", both),
        ],
    );
}

#[test]
fn it_is_not_a_statements_error() {
    let server = MariaDb::start();
    let port = guard(server.port());
    let url = format!("mysql://app:x@127.0.0.1:{port}/app?ssl-mode=DISABLED");
    let error = MySqlManager::from_url(&url).unwrap().connect().unwrap_err();
    let class = MySqlDriver::new().classify(&error);
    assert_eq!(class, ErrorClass::Permanent, "{error}");
}
