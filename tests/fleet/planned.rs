//! A planned switch-over of MariaDB: the primary is made read-only, its replica catches up and takes its place. Nobody's session
//! ends.

use std::time::Instant;

use crate::load::Load;
use crate::pair::{Pair, Replicated, admin};
use support::scripted::secs;
use support::servers::MariaDb;

crate::switch::with_each_pool!("planned switch-over", MariaDb, switch_over);

fn switch_over(pair: &mut Pair<MariaDb>, load: &Load) -> Vec<String> {
    let (mut old, mut new) = (admin(&pair.primary), admin(&pair.standby));
    old.run("SET GLOBAL read_only = 1").unwrap();
    MariaDb::catch_up(&pair.primary, &pair.standby);
    new.run("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0")
        .unwrap();
    old.run("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
        .unwrap();
    old.run(&pair.standby.to_replicate_this()).unwrap();
    pair.have_changed_roles();
    load.each_fails(Instant::now(), secs(1))
}
