//! What all switch-overs have in common: 8 threads write through a proxy while another server becomes the primary, and what the
//! pool holds leads to a server that is read-only by then.

use queuepool::Database;

use crate::load::Load;
use crate::outcome::Outcome;
use crate::pair::{Change, Pair, Replicated};
use crate::subject::Subject;
use crate::table::{Row, record};
use support::scripted::secs;

const THREADS: usize = 8;

/// r2d2's default, and queuepool's pool_size.
const SIZE: u32 = 10;

const AS_IT_IS: &str = "queuepool";
const FOR_A_PRIMARY: &str = "queuepool, role=primary";

/// After the proxy's UP: each of the 8 threads may be refused on what was open, and on what was opened a moment before.
const ERRORS_AFTER: usize = 20;

/// Runs the trial with queuepool's default settings, and asserts what must hold with them. Until the pool has noticed, callers get
/// the server's refusals, and each waits after one until a login has shown where logins lead.
pub fn as_it_is<S: Replicated>(trial: &'static str, pair: &mut Pair<S>, change: Change<S>) {
    let outcome = run(trial, AS_IT_IS, pair, change, |url| queuepool(url, ""));
    assert!(outcome.errors_after <= ERRORS_AFTER, "{outcome:#?}");
    assert_well(&outcome);
}

/// Runs the trial with `role=primary`, with which only what was in flight may fail.
pub fn for_a_primary<S: Replicated>(trial: &'static str, pair: &mut Pair<S>, change: Change<S>) {
    let open = |url: &str| queuepool(url, "?pool_role=primary");
    let outcome = run(trial, FOR_A_PRIMARY, pair, change, open);
    assert!(outcome.errors() <= THREADS, "{outcome:#?}");
    assert_well(&outcome);
}

/// Runs the trial with r2d2, and asserts nothing.
pub fn r2d2<S: Replicated>(trial: &'static str, pair: &mut Pair<S>, change: Change<S>) {
    run(trial, "r2d2", pair, change, |url| Subject::r2d2(url, SIZE));
}

fn queuepool(url: &str, parameters: &str) -> Subject {
    let database = Database::open(&format!("{url}{parameters}")).unwrap();
    Subject::queuepool(&database)
}

fn assert_well(outcome: &Outcome) {
    let is_healthy = |advice: &String| advice.contains("Pool is healthy");
    assert!(!outcome.advice.iter().any(is_healthy), "{outcome:#?}");
    let good_again = outcome.good_again;
    assert!(
        good_again.is_some_and(|time| time <= secs(1)),
        "{outcome:#?}"
    );
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{outcome:#?}");
}

fn run<S: Replicated>(
    trial: &'static str,
    pool: &'static str,
    pair: &mut Pair<S>,
    change: Change<S>,
    open: impl Fn(&str) -> Subject,
) -> Outcome {
    let outcome = pair.trial(|url| Load::start(open(url), THREADS), change);
    record(&Row {
        trial,
        server: S::NAME,
        pool,
        seen: &outcome,
        lost: outcome.lost,
        doubled: outcome.doubled,
    });
    outcome
}

/// Makes a trial three tests, one for each pool.
macro_rules! with_each_pool {
    ($trial:expr, $server:ident, $change:expr) => {
        #[test]
        fn writes_are_good_within_a_second_of_the_proxys_up() {
            $crate::switch::as_it_is($trial, &mut Pair::<$server>::start(), $change);
        }

        #[test]
        fn for_a_primary_only_what_was_in_flight_fails() {
            $crate::switch::for_a_primary($trial, &mut Pair::<$server>::start(), $change);
        }

        #[test]
        fn r2d2_beside() {
            $crate::switch::r2d2($trial, &mut Pair::<$server>::start(), $change);
        }
    };
}
pub(crate) use with_each_pool;
