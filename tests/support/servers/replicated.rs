//! Servers that stand in for one another: standbys of PostgreSQL, replicas of MariaDB, a Galera node, and HAProxy in front.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{
    ADMIN_PASSWORD, Kind, MariaDb, Postgres, Release, Server, as_user, binary, free_port, give_to,
    output, postgres_binary,
};

impl Postgres {
    /// Starts a hot standby that streams from this server, with the same settings.
    pub fn start_standby(&self) -> Postgres {
        let Server { release, extra, .. } = &self.0;
        let backup = postgres_binary(*release, "pg_basebackup");
        let fill = |directory: &Path| {
            output(
                as_user("postgres", &backup.display().to_string())
                    .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf"])
                    .arg(format!("--dbname={}", self.for_replication()))
                    .arg("-D")
                    .arg(directory.join("data")),
            );
        };
        Postgres(Server::start(Kind::Postgres, *release, extra, fill))
    }

    /// Makes a standby a primary. Returns when it accepts writes.
    pub fn promote(&self) {
        let control = postgres_binary(self.0.release, "pg_ctl");
        output(
            as_user("postgres", &control.display().to_string())
                .args(["promote", "--wait", "-D"])
                .arg(self.0.path("data")),
        );
    }

    /// Starts a primary again, after [`stop`](Postgres::stop), as a standby of its former standby. All that it had written is
    /// there: a clean shutdown ends after the standby has received it.
    pub fn start_again_as_standby_of(&mut self, primary: &Postgres) {
        let signal = self.0.path("data/standby.signal");
        fs::write(&signal, "").expect("our own directory");
        give_to("postgres", &signal);
        let settings = OpenOptions::new()
            .append(true)
            .open(self.0.path("data/postgresql.auto.conf"));
        let line = format!("primary_conninfo = '{}'\n", primary.for_replication());
        let mut settings = settings.expect("PostgreSQL has this file");
        settings.write_all(line.as_bytes()).expect("our own file");
        self.start_again();
    }

    fn for_replication(&self) -> String {
        let port = self.port();
        format!("postgresql://postgres:{ADMIN_PASSWORD}@127.0.0.1:{port}/postgres")
    }
}

impl MariaDb {
    /// The statements with which another server, whose data are as old as this one's or older, becomes a replica of this one.
    pub fn to_replicate_this(&self) -> String {
        let port = self.port();
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='admin', \
             MASTER_PASSWORD='{ADMIN_PASSWORD}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos; START SLAVE"
        )
    }

    /// Starts two nodes that are a Galera cluster. Half of it is no quorum.
    pub fn start_galera_cluster() -> [MariaDb; 2] {
        let (first, second) = (free_port(), free_port());
        [
            start_galera_node(first, ""),
            start_galera_node(second, &format!("127.0.0.1:{first}")),
        ]
    }
}

/// Starts a node that listens to others on `group` and joins those in `members`.
fn start_galera_node(group: u16, members: &str) -> MariaDb {
    const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
    assert!(
        Path::new(PROVIDER).exists(),
        "{PROVIDER} is missing: install the package galera-4"
    );
    let transfer = free_port();
    MariaDb::start_with(&[
        "--wsrep-on=ON",
        &format!("--wsrep-provider={PROVIDER}"),
        &format!("--wsrep-cluster-address=gcomm://{members}"),
        "--wsrep-node-address=127.0.0.1",
        // All nodes begin with the same data.
        "--wsrep-sst-method=skip",
        // A node that says nothing for half a second is gone.
        &format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group}; base_port={group}; \
             ist.recv_addr=127.0.0.1:{transfer}; gcache.size=1M; evs.keepalive_period=PT0.1S; \
             evs.inactive_check_period=PT0.1S; evs.suspect_timeout=PT0.5S; evs.inactive_timeout=PT1S; \
             evs.install_timeout=PT1S"
        ),
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ])
}

/// HAProxy in front of servers, all of them equal. It asks each one's health by HTTP every 100 ms, and believes two answers in
/// a row. Sessions of a server that is down by its health check are kept, as is HAProxy's default.
pub struct HaProxy(Server);

impl HaProxy {
    /// Takes each server's port, and the one where its health is asked.
    pub fn start(servers: &[(u16, u16)]) -> HaProxy {
        let fill = |directory: &Path| {
            let mut text = format!(
                "global\n  stats socket {}/stats level admin\n  maxconn 1000\n\
                 defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1h\n  timeout server 1h\n  timeout check 2s\n\
                 listen database\n  bind 127.0.0.1:PORT\n  option httpchk GET /\n  \
                 default-server inter 100ms fall 2 rise 2\n",
                directory.display()
            );
            for (number, (port, check)) in servers.iter().enumerate() {
                text += &format!("  server s{number} 127.0.0.1:{port} check port {check}\n");
            }
            fs::write(directory.join("haproxy.cfg.template"), text).expect("our own directory");
        };
        // Before its user is asked for: without the package there is none.
        binary("haproxy", "haproxy");
        HaProxy(Server::start(Kind::HaProxy, Release::Installed, &[], fill))
    }

    /// For each server, whether new connections go to it. HAProxy begins with the belief that all are up.
    pub fn up(&self) -> Vec<bool> {
        let mut socket = UnixStream::connect(self.0.path("stats")).expect("HAProxy's socket");
        socket.write_all(b"show stat\n").expect("HAProxy's socket");
        let mut table = String::new();
        socket.read_to_string(&mut table).expect("HAProxy's socket");
        // The 18th column is the status: "UP", "DOWN", or either with the progress of the checks after it.
        table
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter(|columns| columns[0] == "database" && columns[1].starts_with('s'))
            .map(|columns| columns[17].starts_with("UP"))
            .collect()
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }
}
