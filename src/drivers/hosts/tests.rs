//! The walk with a scripted driver: what each host does is told by the test, and what was done is noted in order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use super::choice::Resolve;
use super::memory::Target;
use super::{Host, Hosts, Judged, Opens, take_what_each_said};

const LONG: Duration = Duration::from_secs(60);
/// After so long a silent host is passed over. All others answer at once, but on threads that may have to wait for a processor.
const SHORT: Duration = Duration::from_millis(500);

#[derive(Clone)]
enum Does {
    Suits,
    SecondBest,
    /// An error that leads on, or one that does not.
    Fails(&'static str, bool),
    /// Says nothing until this is closed, and then suits.
    Waits(Receiver<()>),
    Panics,
}

type Place = (usize, Option<SocketAddr>);

#[derive(Default)]
struct Script {
    does: Mutex<HashMap<Place, Does>>,
    done: Mutex<Vec<Place>>,
}

impl Opens for Script {
    type Connection = Place;
    type Error = (String, bool);

    fn open(&self, host: usize, address: Option<SocketAddr>) -> Result<Judged<Place>, Self::Error> {
        let place = (host, address);
        self.done.lock().push(place);
        let does = self.does.lock().get(&place).cloned();
        match does.unwrap_or(Does::Suits) {
            Does::Suits => Ok(Judged::Suits(place)),
            Does::SecondBest => Ok(Judged::SecondBest(place, "it is a primary")),
            Does::Fails(words, goes_on) => Err((words.to_owned(), goes_on)),
            Does::Waits(until) => {
                let _closed = until.recv();
                Ok(Judged::Suits(place))
            }
            Does::Panics => panic!("on purpose"),
        }
    }

    fn goes_on(&self, error: &Self::Error) -> bool {
        error.1
    }

    fn words(&self, error: &Self::Error) -> String {
        error.0.clone()
    }

    fn is_an_answer(&self, error: &Self::Error) -> bool {
        error.0 != "refused"
    }

    fn silence(&self) -> Self::Error {
        ("silence".to_owned(), true)
    }
}

struct World {
    hosts: Hosts,
    script: Arc<Script>,
}

impl World {
    /// Hosts that are addresses.
    fn of(count: usize) -> World {
        World::new(count, false, false)
    }

    fn new(count: usize, are_names: bool, in_random_order: bool) -> World {
        let resolve: Resolve =
            Box::new(|_, port| Ok([1, 2, 1].map(|last| address(last, port)).to_vec()));
        let host = |index: usize| Host {
            label: format!("h{index}"),
            name: are_names.then(|| (format!("h{index}"), 5432)),
        };
        let hosts = (0..count).map(host).collect();
        World {
            hosts: Hosts::resolving("test", hosts, in_random_order, resolve),
            script: Arc::default(),
        }
    }

    fn does(&self, place: Place, does: Does) {
        self.script.does.lock().insert(place, does);
    }

    /// From now on it is silent, until the sender is dropped.
    fn is_silent(&self, place: Place) -> Sender<()> {
        let (end, until) = unbounded();
        self.does(place, Does::Waits(until));
        end
    }

    fn open(&self, each: Duration) -> Result<Place, (String, bool)> {
        self.hosts.open(&self.script, each, Duration::MAX)
    }

    /// Where connections were opened or tried since this was asked last.
    fn done(&self) -> Vec<Place> {
        std::mem::take(&mut *self.script.done.lock())
    }

    fn eventually(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        for _ in 0..6000 {
            if is_so(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{what} does not happen");
    }
}

fn address(last: u8, port: u16) -> SocketAddr {
    ([127, 0, 0, last], port).into()
}

fn host(index: usize) -> Place {
    (index, None)
}

fn at(index: usize, last: u8) -> Place {
    (index, Some(address(last, 5432)))
}

#[test]
fn a_silent_first_host_is_left_behind_and_not_touched_again() {
    let world = World::of(3);
    let _silent = world.is_silent(host(0));
    assert_eq!(world.open(SHORT), Ok(host(1)));
    assert_eq!(world.done(), [host(0), host(1)]);
    assert_eq!(world.open(LONG), Ok(host(1)));
    assert_eq!(world.done(), [host(1)]);
    // The good one is asked first now, and the mute one last.
    world.does(host(1), Does::Fails("refused", true));
    assert_eq!(world.open(LONG), Ok(host(2)));
    assert_eq!(world.done(), [host(1), host(2)]);
}

#[test]
fn a_passing_failure_leads_on_and_a_refused_login_does_not() {
    let world = World::of(3);
    for index in [0, 2] {
        world.does(host(index), Does::Fails("refused", true));
    }
    world.does(host(1), Does::Fails("wrong password", false));
    assert_eq!(world.open(LONG), Err(("wrong password".to_owned(), false)));
    assert_eq!(world.done(), [host(0), host(1)]);
    let said = take_what_each_said();
    assert_eq!(
        said.as_deref(),
        Some("the hosts said: h0: refused | h1: wrong password")
    );
    // What a server answered tells more than that one was not reached.
    world.does(host(1), Does::Fails("too many clients", true));
    assert_eq!(world.open(LONG), Err(("too many clients".to_owned(), true)));
}

#[test]
fn where_all_are_silent_the_error_says_so_of_each() {
    let world = World::of(2);
    let _silent = [0, 1].map(|index| world.is_silent(host(index)));
    assert_eq!(world.open(SHORT), Err(("silence".to_owned(), true)));
    let said = take_what_each_said().expect("an explanation");
    let parts: Vec<&str> = said.split(" | ").collect();
    assert!(
        parts[0].starts_with("the hosts said: h0: no answer within"),
        "{said}"
    );
    assert!(parts[1].starts_with("h1: no answer within"), "{said}");
}

#[test]
fn an_answer_that_comes_late_is_taken_before_one_that_does_not_come() {
    let world = World::of(2);
    let (first, _second) = (world.is_silent(host(0)), world.is_silent(host(1)));
    // The caller has next to no time, so the second host is tried beside the first.
    let opened = std::thread::scope(|scope| {
        let walk = scope.spawn(|| world.hosts.open(&world.script, LONG, Duration::ZERO));
        world.eventually("the second host is tried", |world| {
            world.script.done.lock().contains(&host(1))
        });
        drop(first);
        walk.join().expect("no panic")
    });
    assert_eq!(opened, Ok(host(0)));
}

#[test]
fn a_name_is_tried_at_each_of_its_addresses_and_each_only_once() {
    let world = World::new(1, true, false);
    world.does(at(0, 1), Does::Fails("refused", true));
    assert_eq!(world.open(LONG), Ok(at(0, 2)));
    assert_eq!(world.done(), [at(0, 1), at(0, 2)]);
    assert_eq!(world.open(LONG), Ok(at(0, 2)));
    assert_eq!(world.done(), [at(0, 2)]);
    world.does(at(0, 2), Does::Fails("refused", true));
    world.open(LONG).expect_err("both refuse");
    let said = take_what_each_said();
    assert_eq!(
        said.as_deref(),
        Some("the hosts said: h0 (127.0.0.2): refused | h0 (127.0.0.1): refused")
    );
}

#[test]
fn a_silent_address_of_a_name_is_left_behind_alone_and_tried_after_all_other_hosts() {
    let world = World::new(2, true, false);
    let _silent = world.is_silent(at(0, 1));
    assert_eq!(world.open(SHORT), Ok(at(0, 2)));
    assert_eq!(world.done(), [at(0, 1), at(0, 2)]);
    world.does(at(0, 2), Does::Fails("refused", true));
    assert_eq!(world.open(LONG), Ok(at(1, 1)));
    assert_eq!(world.done(), [at(0, 2), at(1, 1)]);
}

#[test]
fn a_name_that_is_not_known_is_left_to_the_driver() {
    let mut world = World::new(1, true, false);
    world.hosts.resolve = Arc::new(Box::new(|_, _| Err(io::Error::other("no such name"))));
    assert_eq!(world.open(LONG), Ok(host(0)));
}

#[test]
fn the_second_best_is_taken_if_there_is_no_better_one() {
    let world = World::of(3);
    world.does(host(0), Does::SecondBest);
    world.does(host(1), Does::Fails("refused", true));
    assert_eq!(world.open(LONG), Ok(host(2)));
    world.done();
    world.does(host(2), Does::SecondBest);
    // The first that was found, after all have been asked.
    assert_eq!(world.open(LONG), Ok(host(2)));
    assert_eq!(world.done(), [host(2), host(0), host(1)]);
}

#[test]
fn with_the_second_best_at_hand_nobody_waits_for_a_mute_one() {
    let world = World::of(2);
    let _silent = world.is_silent(host(1));
    world.does(host(0), Does::SecondBest);
    assert_eq!(world.open(SHORT), Ok(host(0)));
    assert_eq!(world.done(), [host(0), host(1)]);
    assert_eq!(world.open(LONG), Ok(host(0)));
    assert_eq!(world.done(), [host(0)]);
}

#[test]
fn a_random_order_spreads_over_hosts_and_addresses_and_mute_ones_still_come_last() {
    let world = World::new(2, true, true);
    let mut counts: HashMap<Place, u32> = HashMap::new();
    for _ in 0..200 {
        *counts
            .entry(world.open(LONG).expect("a connection"))
            .or_default() += 1;
    }
    // Each has 50 on average; fewer than 20 has a probability of one in ten million.
    let are_spread = counts.len() == 4 && counts.values().all(|count| *count >= 20);
    assert!(are_spread, "{counts:?}");

    world.done();
    let _silent = world.is_silent(at(0, 1));
    world.eventually("it is passed over", |world| {
        world.open(SHORT).expect("a connection");
        world.done().contains(&at(0, 1))
    });
    for _ in 0..50 {
        world.open(LONG).expect("a connection");
    }
    assert!(!world.done().contains(&at(0, 1)));
}

#[test]
fn no_more_threads_than_a_few_wait_in_vain() {
    let world = World::of(2);
    let _silent = [0, 1].map(|index| world.is_silent(host(index)));
    for _ in 0..8 {
        world
            .open(Duration::from_millis(20))
            .expect_err("all are silent");
    }
    let done = world.done();
    for index in [0, 1] {
        let tried = done.iter().filter(|place| **place == host(index));
        assert_eq!(tried.count(), 4, "{done:?}");
    }
    let said = take_what_each_said().expect("an explanation");
    assert!(
        said.contains("nor to the earlier attempts that still wait there"),
        "{said}"
    );
}

#[test]
fn a_panic_of_the_driver_at_one_host_is_the_callers() {
    let world = World::of(2);
    world.does(host(0), Does::Panics);
    let caught = catch_unwind(AssertUnwindSafe(|| world.open(LONG)));
    let said = caught.expect_err("a panic");
    assert_eq!(said.downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn once_all_have_been_tried_the_late_ones_still_have_their_time() {
    let world = World::new(1, true, false);
    let (first, _second) = (world.is_silent(at(0, 1)), world.is_silent(at(0, 2)));
    let each = Duration::from_secs(6);
    let target = Target {
        host: 0,
        address: at(0, 2).1,
    };
    // Each address is waited for at most half of the time of the host, the first for less since the caller has none.
    let opened = std::thread::scope(|scope| {
        let walk = scope.spawn(|| world.hosts.open(&world.script, each, Duration::ZERO));
        world.eventually("the second address is passed over too", |world| {
            world.hosts.memory.is_mute(target, Instant::now())
        });
        drop(first);
        walk.join().expect("no panic")
    });
    assert_eq!(opened, Ok(at(0, 1)));
}
