//! An administrator ends all ten sessions of a pool while eight threads write.

use std::time::Instant;

use queuepool::Database;

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::{Replicated, admin};
use crate::session::log_in;
use crate::subject::Subject;
use crate::table::{Row, record};
use support::scripted::secs;
use support::servers::{MariaDb, Postgres};

const THREADS: usize = 8;
const SESSIONS: usize = 10;

mod postgres {
    use super::*;

    #[test]
    fn only_what_was_in_flight_fails() {
        queuepool::<Postgres>();
    }

    #[test]
    fn r2d2_beside() {
        r2d2::<Postgres>();
    }
}

mod mariadb {
    use super::*;

    #[test]
    fn only_what_was_in_flight_fails() {
        queuepool::<MariaDb>();
    }

    #[test]
    fn r2d2_beside() {
        r2d2::<MariaDb>();
    }
}

fn queuepool<S: Replicated>() {
    let outcome = run::<S>("queuepool", |url| {
        let database = Database::open(url).unwrap();
        database.warm_up(SESSIONS as u32).unwrap();
        Subject::queuepool(&database)
    });
    assert!(outcome.errors() <= THREADS, "{outcome:#?}");
    assert!(
        outcome.good_again.is_some_and(|time| time <= secs(1)),
        "{outcome:#?}"
    );
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{outcome:#?}");
}

fn r2d2<S: Replicated>() {
    run::<S>("r2d2", |url| Subject::r2d2(url, SESSIONS as u32));
}

fn run<S: Replicated>(pool: &str, open: impl Fn(&str) -> Subject) -> Outcome {
    let server = S::start();
    let mut owner = log_in(&server.url()).unwrap();
    owner.run("CREATE TABLE ledger (number BIGINT)").unwrap();
    drop(owner);
    let load = Load::start(open(&server.url()), THREADS);
    load.is_under_way();
    let killed = Instant::now();
    admin(&server).run(S::END_SESSIONS).unwrap();
    load.settles(Instant::now(), secs(4));
    let rounds = load.stop();
    let there = log_in(&server.url())
        .unwrap()
        .numbers("SELECT number FROM ledger");
    let outcome = Outcome::new(&rounds, &there.unwrap(), killed);
    record(&Row {
        trial: "ten sessions killed",
        server: S::NAME,
        pool,
        seen: &outcome,
        lost: outcome.lost,
        doubled: outcome.doubled,
    });
    outcome
}
