//! What the tests of several hosts share: hosts that are silent or refuse, lists of hosts, and what a socket is set to.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use queuepool::Settings;
use support::scripted::{eventually, secs};
use support::servers::{TestServer, free_port};

use crate::pool::{once, size};

/// A host whose kernel accepts connections and where nobody ever says anything.
pub struct Silent(TcpListener);

impl Silent {
    pub fn new() -> Silent {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Silent(listener)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Those that have connected since this was asked last. They stay open for as long as they are kept.
    pub fn callers(&self) -> Vec<TcpStream> {
        std::iter::from_fn(|| self.0.accept().ok())
            .map(|(caller, _)| caller)
            .collect()
    }
}

/// A host that gives every caller this answer to whatever it sends first, and hangs up.
pub fn answering(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut caller in listener.incoming().flatten() {
            let _first = caller.read(&mut [0; 1024]);
            let _answered = caller.write_all(&answer);
        }
    });
    port
}

/// The URL of `server` with hosts of 127.0.0.1 at these ports instead of its own.
pub fn at_ports(server: &impl TestServer, ports: &[u16]) -> String {
    let own = format!("127.0.0.1:{}", server.port());
    let hosts: Vec<String> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    server.url().replace(&own, &hosts.join(","))
}

/// Nobody listens there.
pub fn nobody() -> u16 {
    free_port()
}

/// Several places, one attempt for a caller, and a host that is given up after a second.
pub fn settings() -> Settings {
    size(4, 0).retry(once()).connect_timeout(secs(1))
}

/// TCP_USER_TIMEOUT of the one socket of this process with this local port, in milliseconds.
pub fn user_timeout(local_port: u16) -> u64 {
    let end = format!(":{local_port:04X}");
    let sockets = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inode = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.len() > 9 && fields[1].ends_with(&end))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .expect("a socket with this port");
    let file = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .find(|file| fs::read_link(file.path()).is_ok_and(|link| link.to_string_lossy() == inode))
        .expect("a file of this process");
    user_timeout_of(&file.file_name().to_string_lossy())
}

/// The same of a socket by its number. It is asked by a program of its own, because safe code cannot borrow a number.
pub fn user_timeout_of(socket: &str) -> u64 {
    // pidfd_open, pidfd_getfd, and then getsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT).
    let script = "my $p = syscall(434, $ARGV[0] + 0, 0); my $f = syscall(438, $p, $ARGV[1] + 0, 0); \
                  die qq(pidfd_getfd: $!) if $f < 0; open(my $s, qq(+<&=$f)) or die qq(open: $!); \
                  print unpack(q(I), getsockopt($s, 6, 18));";
    let output = Command::new("perl")
        .args(["-e", script])
        .arg(std::process::id().to_string())
        .arg(socket)
        .output()
        .expect("perl");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    text.parse().unwrap_or_else(|_| panic!("{text}{errors}"))
}

/// Waits until the server's log says this.
pub fn logs(server: &impl TestServer, words: &str) {
    eventually(words, || server.log_text().contains(words));
}
