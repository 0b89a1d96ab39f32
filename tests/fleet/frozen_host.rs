//! A list of two hosts, of which the first is frozen: its kernel accepts connections, and nobody answers.

use std::time::{Duration, Instant};

use queuepool::{Database, Settings};

use crate::outcome::Time;
use crate::pair::Replicated;
use crate::subject::Subject;
use crate::table::{Row, record};
use support::scripted::millis;
use support::servers::{MariaDb, Postgres};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a checkout took, if it led to anything.
struct Seen {
    first: Option<Duration>,
    /// The longest of three at once, each of which needed a connection of its own.
    next: Option<Duration>,
}

mod postgres {
    use super::*;

    #[test]
    fn the_second_host_serves_within_connect_timeout_and_then_at_once() {
        queuepool::<Postgres>();
    }

    #[test]
    fn r2d2_beside() {
        run::<Postgres>("r2d2", |url| {
            let seconds = CONNECT_TIMEOUT.as_secs();
            Subject::r2d2(&format!("{url}?connect_timeout={seconds}"), 10)
        });
    }
}

/// Not beside r2d2: the driver takes no list of hosts.
mod mariadb {
    use super::*;

    #[test]
    fn the_second_host_serves_within_connect_timeout_and_then_at_once() {
        queuepool::<MariaDb>();
    }
}

fn queuepool<S: Replicated>() {
    let seen = run::<S>("queuepool", |url| {
        let settings = Settings::default().connect_timeout(CONNECT_TIMEOUT);
        Subject::queuepool(&Database::open_with(url, settings).unwrap())
    });
    let Seen { first, next } = seen;
    assert!(
        first.is_some_and(|time| time <= CONNECT_TIMEOUT + millis(500)),
        "{first:?}"
    );
    assert!(next.is_some_and(|time| time <= millis(250)), "{next:?}");
}

fn run<S: Replicated>(pool: &str, open: impl Fn(&str) -> Subject) -> Seen {
    let (frozen, server) = (S::start(), S::start());
    let both = format!("127.0.0.1:{},127.0.0.1:{}", frozen.port(), server.port());
    let url = server
        .url()
        .replace(&format!("127.0.0.1:{}", server.port()), &both);
    frozen.pause();
    let subject = open(&url);
    let first = took(&subject, "SELECT 1");
    let next = std::thread::scope(|scope| {
        let callers = [(); 3].map(|()| scope.spawn(|| took(&subject, S::SLEEP)));
        let times: Option<Vec<_>> = callers
            .map(|caller| caller.join().unwrap())
            .into_iter()
            .collect();
        // What remains is the wait for a connection.
        times?
            .into_iter()
            .max()
            .map(|time| time.saturating_sub(millis(500)))
    });
    let words = |time: Option<Duration>| match time {
        Some(time) => format!("after {}", Time(time)),
        None => format!("not within {} s", PATIENCE.as_secs()),
    };
    record(&Row {
        trial: "frozen first host of a list",
        server: S::NAME,
        pool,
        seen: &format!("first checkout {}, the next {}", words(first), words(next)),
        lost: 0,
        doubled: 0,
    });
    // A frozen server would be waited for when it is stopped.
    frozen.resume();
    Seen { first, next }
}

fn took(subject: &Subject, sql: &str) -> Option<Duration> {
    let begun = Instant::now();
    subject.write(sql, PATIENCE).ok().map(|()| begun.elapsed())
}
