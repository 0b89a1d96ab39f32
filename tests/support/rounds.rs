//! What a connection carries over to its next user: random rounds in which one user does anything and the next one examines
//! the session. What each reset undoes is in the table in the documentation of `ResetOnReturn`.

use std::collections::BTreeMap;

use queuepool::{Connection, Manager, Pool, ResetOnReturn};

/// The number of rounds: as the environment says, 200 by default.
fn rounds() -> usize {
    let rounds = std::env::var("QUEUEPOOL_ROUNDS").ok();
    rounds.map_or(200, |rounds| rounds.parse().expect("a number"))
}

fn random() -> fastrand::Rng {
    let seed = std::env::var("QUEUEPOOL_SEED").map_or_else(
        |_| fastrand::u64(..1_000_000),
        |seed| seed.parse().expect("a number"),
    );
    println!("QUEUEPOOL_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Which resets bring a property back to what it was after the login: rollback and full, or only full.
#[derive(Clone, Copy, PartialEq)]
pub enum Undone {
    /// Every one, `never` included.
    Always,
    ByRollback,
    ByFull,
}

impl Undone {
    fn by(self, how: ResetOnReturn) -> bool {
        match self {
            Undone::Always => true,
            Undone::ByRollback => how != ResetOnReturn::Never,
            Undone::ByFull => how == ResetOnReturn::Full,
        }
    }
}

/// What the next user examines: its name, which reset undoes it, and how it is read.
pub type Property<M> = (
    &'static str,
    Undone,
    fn(&mut <M as r2d2::ManageConnection>::Connection) -> String,
);

/// What a user does; its errors do not matter.
pub type Deed<M> = (&'static str, fn(&mut Connection<M>));

/// Plays the rounds in a pool of one connection.
pub fn play<M: Manager>(
    pool: &Pool<M>,
    how: ResetOnReturn,
    deeds: &[Deed<M>],
    properties: &[Property<M>],
) {
    assert!(
        deeds.len() >= 40 && properties.len() >= 12,
        "the issue asks for at least 40 deeds and 12 properties"
    );
    let mut random = random();
    let look = |connection: &mut M::Connection| -> BTreeMap<&str, String> {
        properties
            .iter()
            .map(|(name, _, read)| (*name, read(connection)))
            .collect()
    };
    let fresh = look(&mut pool.get().unwrap());
    let mut kept = 0;
    for round in 0..rounds() {
        let mut done = Vec::new();
        let mut user = pool.get().unwrap();
        let first = Connection::info(&user).id();
        for _ in 0..random.usize(1..5) {
            let (name, deed) = random.choice(deeds).expect("there are some");
            done.push(*name);
            deed(&mut user);
        }
        drop(user);
        let mut next = pool.get().unwrap();
        kept += usize::from(Connection::info(&next).id() == first);
        let found = look(&mut next);
        for (name, undone, _) in properties {
            if undone.by(how) {
                assert_eq!(
                    found[name], fresh[name],
                    "round {round}, {how:?}: {name} after {done:?}"
                );
            }
        }
        // The next round starts with a fresh session.
        Connection::invalidate(next);
    }
    // A pool that closed every connection would pass the checks above too.
    assert!(kept * 2 > rounds(), "{kept} connections were kept");
}

/// A row of the table: what is left behind, how the next user notices it, and which reset undoes it.
pub struct Row<M: Manager> {
    pub what: &'static str,
    pub leave: fn(&mut M::Connection),
    pub is_left: fn(&mut M::Connection) -> bool,
    pub undone: Undone,
}

/// Checks every cell of these rows with the pools of one connection that `open` makes.
pub fn hold<M: Manager>(rows: &[Row<M>], open: impl Fn(ResetOnReturn) -> Pool<M>) {
    let mut wrong = Vec::new();
    for row in rows {
        for how in [
            ResetOnReturn::Never,
            ResetOnReturn::Rollback,
            ResetOnReturn::Full,
        ] {
            let pool = open(how);
            let mut user = pool.get().unwrap();
            assert!(!(row.is_left)(&mut user), "{} before", row.what);
            (row.leave)(&mut user);
            drop(user);
            let is_left = (row.is_left)(&mut pool.get().unwrap());
            if is_left == row.undone.by(how) {
                wrong.push(format!("{} under {how:?}: left: {is_left}", row.what));
            }
            let opened = pool.status().total_connections_created;
            assert_eq!(opened, 1, "{} under {how:?}: another one", row.what);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
