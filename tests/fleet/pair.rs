//! A primary and its standby behind HAProxy.

use std::time::Instant;

use crate::agent::Agent;
use crate::load::Load;
use crate::outcome::Outcome;
use crate::session::{Session, log_in};
use support::scripted::{eventually, secs};
use support::servers::{HaProxy, MariaDb, Postgres, TestServer};

/// Servers of which one can stand by for another.
pub trait Replicated: TestServer {
    /// Its name in the table.
    const NAME: &str;
    /// A query for 1 if the server may be written to, and for 0 if it may not.
    const IS_WRITABLE: &str;
    /// Ends all sessions of `app`.
    const END_SESSIONS: &str;
    /// Takes half a second.
    const SLEEP: &str;

    /// Starts a primary and its standby.
    fn start_two() -> [Self; 2];
    /// Waits until the standby has everything that the primary has.
    fn catch_up(primary: &Self, standby: &Self);
}

impl Replicated for Postgres {
    const NAME: &str = "PostgreSQL";
    const IS_WRITABLE: &str = "SELECT (setting = 'off' AND NOT pg_is_in_recovery())::int \
                               FROM (SELECT reset_val AS setting FROM pg_settings \
                               WHERE name = 'default_transaction_read_only') AS asked";
    const END_SESSIONS: &str =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    const SLEEP: &str = "SELECT pg_sleep(0.5)";

    fn start_two() -> [Self; 2] {
        let primary = Postgres::start_with(&["wal_keep_size=64MB", "synchronous_commit=on"]);
        let standby = primary.start_standby();
        [primary, standby]
    }

    fn catch_up(primary: &Self, standby: &Self) {
        let end = admin(primary)
            .text("SELECT pg_current_wal_lsn()::text")
            .unwrap();
        let sql = format!("SELECT (pg_last_wal_replay_lsn() >= '{end}')::int");
        eventually("the standby has replayed everything", || {
            admin(standby).numbers(&sql) == Ok(vec![1])
        });
    }
}

impl Replicated for MariaDb {
    const NAME: &str = "MariaDB";
    const IS_WRITABLE: &str = "SELECT @@global.read_only = 0";
    const END_SESSIONS: &str = "KILL USER app";
    const SLEEP: &str = "SELECT SLEEP(0.5)";

    fn start_two() -> [Self; 2] {
        let start = |id: &str| MariaDb::start_with(&[id, "--log-bin", "--log-slave-updates"]);
        let (primary, standby) = (start("--server-id=1"), start("--server-id=2"));
        admin(&standby).run("SET GLOBAL read_only = 1").unwrap();
        admin(&standby).run(&primary.to_replicate_this()).unwrap();
        [primary, standby]
    }

    fn catch_up(primary: &Self, standby: &Self) {
        let end = admin(primary)
            .text("SELECT @@global.gtid_binlog_pos")
            .unwrap();
        let wait = format!("SELECT MASTER_GTID_WAIT('{end}', 30)");
        assert_eq!(
            admin(standby).numbers(&wait),
            Ok(vec![0]),
            "the standby does not catch up"
        );
    }
}

/// A session of the administrator.
pub fn admin(server: &impl TestServer) -> Box<dyn Session> {
    log_in(&server.admin_url()).unwrap()
}

/// What happens to a pair. It returns what the pool recommends while its writes fail.
pub type Change<S> = fn(&mut Pair<S>, &Load) -> Vec<String>;

pub struct Pair<S> {
    pub primary: S,
    pub standby: S,
    /// Whether the primary is the first of HAProxy's two servers.
    primary_is_first: bool,
    agents: [Agent; 2],
    proxy: HaProxy,
}

impl<S: Replicated> Pair<S> {
    pub fn start() -> Pair<S> {
        let [primary, standby] = S::start_two();
        let agents =
            [&primary, &standby].map(|server| Agent::start(server.admin_url(), S::IS_WRITABLE));
        let ports = [
            (primary.port(), agents[0].port()),
            (standby.port(), agents[1].port()),
        ];
        Pair {
            proxy: HaProxy::start(&ports),
            primary,
            standby,
            primary_is_first: true,
            agents,
        }
    }

    /// The URL of `app` through the proxy.
    pub fn url(&self) -> String {
        let (server, proxy) = (self.primary.port(), self.proxy.port());
        self.primary
            .url()
            .replace(&format!(":{server}/"), &format!(":{proxy}/"))
    }

    /// From here on the proxy does not notice what becomes of the servers, until [`notices`](Pair::notices).
    pub fn does_not_notice(&self) {
        self.agents.iter().for_each(|agent| agent.set_blind(true));
    }

    /// Waits until the proxy has noticed which server is the primary now. Returns the moment.
    pub fn notices(&self) -> Instant {
        self.agents.iter().for_each(|agent| agent.set_blind(false));
        eventually("the proxy knows the primary", || {
            self.proxy.up() == [self.primary_is_first, !self.primary_is_first]
        });
        Instant::now()
    }

    /// Lets the proxy notice, and waits until it sends new connections to neither server.
    pub fn is_down(&self) {
        self.agents.iter().for_each(|agent| agent.set_blind(false));
        eventually("the proxy has no primary", || {
            self.proxy.up() == [false, false]
        });
    }

    /// The standby has become the primary, and the other way round.
    pub fn have_changed_roles(&mut self) {
        std::mem::swap(&mut self.primary, &mut self.standby);
        self.primary_is_first = !self.primary_is_first;
    }

    /// Runs a load while the primary changes. `change` returns when the proxy may notice.
    pub fn trial(&mut self, load: impl FnOnce(&str) -> Load, change: Change<S>) -> Outcome {
        let mut owner = log_in(&self.primary.url()).unwrap();
        owner.run("CREATE TABLE ledger (number BIGINT)").unwrap();
        drop(owner);
        self.notices();
        let load = load(&self.url());
        load.is_under_way();
        self.does_not_notice();
        let advice = change(self, &load);
        let up = self.notices();
        load.settles(up, secs(4));
        let rounds = load.stop();
        let mut owner = log_in(&self.primary.url()).unwrap();
        let there = owner.numbers("SELECT number FROM ledger").unwrap();
        Outcome {
            advice,
            ..Outcome::new(&rounds, &there, up)
        }
    }
}
