//! A live primary is made read-only, and the sessions that it has are kept.

use std::time::Instant;

use crate::load::Load;
use crate::pair::{Pair, Replicated, admin};
use support::scripted::secs;
use support::servers::Postgres;

mod moved {
    use super::*;

    crate::switch::with_each_pool!(
        "fence: the old primary is read-only, its sessions are kept",
        Postgres,
        fence_and_promote
    );
}

mod lifted {
    use super::*;

    crate::switch::with_each_pool!(
        "fence, lifted: the only primary is read-only for a while",
        Postgres,
        fence_and_lift
    );
}

fn fence_and_promote(pair: &mut Pair<Postgres>, load: &Load) -> Vec<String> {
    set_read_only(&pair.primary, "on");
    // After that nothing is under way any more that was begun before.
    let advice = load.each_fails(Instant::now(), secs(1));
    Postgres::catch_up(&pair.primary, &pair.standby);
    pair.standby.promote();
    pair.have_changed_roles();
    advice
}

fn fence_and_lift(pair: &mut Pair<Postgres>, load: &Load) -> Vec<String> {
    set_read_only(&pair.primary, "on");
    pair.is_down();
    let advice = load.each_fails(Instant::now(), secs(1));
    set_read_only(&pair.primary, "off");
    advice
}

/// For all sessions, also those that are there.
pub fn set_read_only(server: &Postgres, word: &str) {
    let mut admin = admin(server);
    let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {word}");
    admin.run(&sql).unwrap();
    admin.run("SELECT pg_reload_conf()").unwrap();
}
