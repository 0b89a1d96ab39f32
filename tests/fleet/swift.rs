//! The primary is shut down, its standby promoted, and it is back as a standby before the proxy has noticed anything. So the
//! pool's new connections lead to a server that answers everything and takes no writes, and the proxy keeps them.

use std::time::Instant;

use crate::load::Load;
use crate::pair::Pair;
use support::scripted::secs;
use support::servers::Postgres;

crate::switch::with_each_pool!(
    "swift: the old primary is back as a standby before the proxy notices",
    Postgres,
    swift
);

fn swift(pair: &mut Pair<Postgres>, load: &Load) -> Vec<String> {
    pair.primary.stop();
    pair.standby.promote();
    pair.primary.start_again_as_standby_of(&pair.standby);
    pair.have_changed_roles();
    // A pool that asks for the role has no connection now, and its callers wait.
    load.each_fails(Instant::now(), secs(3))
}
