//! Faults of the network, and of whatever answers in the server's place: before, during and after the login and in the
//! middle of a query. Each function here is a test for PostgreSQL and for MariaDB.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::trial::{Begin, Trial};
use support::proxy::{Mode, Proxy, Side, When};
use support::scripted::{millis, secs};

crate::backend::on_both! {
    callers_are_slowed_by_a_delay_and_nothing_else,
    cut_connections_are_replaced,
    connections_half_closed_towards_the_client_are_replaced,
    connections_half_closed_towards_the_server_are_replaced,
    swallowed_traffic_holds_nobody_up_afterwards,
    connects_that_hang_for_ever_cost_no_place_and_no_caller_a_wait,
    a_server_that_answers_garbage_is_left_and_tried_again,
}

/// Longer than a connect_timeout and two pings.
const OUTAGE: Duration = Duration::from_millis(2_200);

/// By then the server has begun its greeting: PostgreSQL's first message has 24 bytes, MariaDB's about 100.
const IN_THE_GREETING: When = When::ServerSent(20);

/// Puts a proxy in front of a server of its own and lets a fault strike at each point of a connection's life.
struct Network<B> {
    server: B,
    proxy: Proxy,
}

impl<B: Backend> Network<B> {
    fn start() -> Self {
        let server = B::start();
        let proxy = Proxy::start(server.port());
        Network { server, proxy }
    }

    fn trial(&mut self, (fault, begin, when): Point, mode: Mode) {
        let asleep = begin == Begin::Loaded;
        let proxy = &self.proxy;
        let mut trial = Trial {
            fault,
            begin,
            // With as many sleeping workers as connections, a new caller would have to wait for one of them.
            workers: if asleep { 3 } else { 6 },
            sql: match asleep {
                true => B::sleep(millis(300)),
                false => String::new(),
            },
            url: proxy.url(self.server.port(), &self.server.url()),
            strike: &mut |_| proxy.set_when(when, mode),
            lasts: OUTAGE,
            is_noticed: !matches!(mode, Mode::Delay(_)),
            mend: &mut |_| {
                let now = Instant::now();
                proxy.set(Mode::Pass);
                now
            },
        };
        trial.queuepool(&mut self.server);
        trial.r2d2(&mut self.server);
    }
}

/// A fault's name in the table, what the load is doing at the time, and when it strikes.
type Point = (&'static str, Begin, When);

/// Strikes at each point of a connection's life, two of them at a time because a trial is mostly waiting.
fn strike<B: Backend>(
    [before_login, during_login, idle, in_a_query]: [&'static str; 4],
    mode: Mode,
) {
    // SLEEP or pg_sleep, with the bracket, so that the text does not occur in the login.
    let word = match B::sleep(secs(1)).contains("pg_sleep") {
        true => "pg_sleep(",
        false => "SLEEP(",
    };
    let logging_in = [
        (before_login, Begin::Cold, When::Now),
        (during_login, Begin::Cold, IN_THE_GREETING),
    ];
    let logged_in = [
        (idle, Begin::Idle, When::Now),
        (in_a_query, Begin::Loaded, When::ClientSent(word)),
    ];
    std::thread::scope(|scope| {
        for points in [logging_in, logged_in] {
            scope.spawn(move || {
                let mut network = Network::<B>::start();
                points
                    .into_iter()
                    .for_each(|point| network.trial(point, mode));
            });
        }
    });
}

fn callers_are_slowed_by_a_delay_and_nothing_else<B: Backend>() {
    strike::<B>(
        [
            "delay of 50 ms: before login",
            "delay of 50 ms: during login",
            "delay of 50 ms: idle",
            "delay of 50 ms: in a query",
        ],
        Mode::Delay(millis(50)),
    );
}

fn cut_connections_are_replaced<B: Backend>() {
    strike::<B>(
        [
            "cut: before login",
            "cut: during login",
            "cut: idle",
            "cut: in a query",
        ],
        Mode::Cut,
    );
}

fn connections_half_closed_towards_the_client_are_replaced<B: Backend>() {
    strike::<B>(
        [
            "half-closed towards the client: before login",
            "half-closed towards the client: during login",
            "half-closed towards the client: idle",
            "half-closed towards the client: in a query",
        ],
        Mode::HalfClose(Side::Client),
    );
}

fn connections_half_closed_towards_the_server_are_replaced<B: Backend>() {
    strike::<B>(
        [
            "half-closed towards the server: before login",
            "half-closed towards the server: during login",
            "half-closed towards the server: idle",
            "half-closed towards the server: in a query",
        ],
        Mode::HalfClose(Side::Server),
    );
}

fn swallowed_traffic_holds_nobody_up_afterwards<B: Backend>() {
    strike::<B>(
        [
            "swallowed: before login",
            "swallowed: during login",
            "swallowed: idle",
            "swallowed: in a query",
        ],
        Mode::Swallow,
    );
}

fn connects_that_hang_for_ever_cost_no_place_and_no_caller_a_wait<B: Backend>() {
    let Network { mut server, proxy } = Network::<B>::start();
    let mut trial = Trial {
        fault: "three connects hang for ever",
        begin: Begin::Cold,
        workers: 6,
        sql: String::new(),
        url: proxy.url(server.port(), &server.url()),
        // One fewer than the capacity, and as many as r2d2 has threads for connecting.
        strike: &mut |_| proxy.set_when(When::Among(3), Mode::Swallow),
        lasts: OUTAGE,
        is_noticed: false,
        mend: &mut |_| Instant::now(),
    };
    trial.queuepool(&mut server);
    trial.r2d2(&mut server);
}

fn a_server_that_answers_garbage_is_left_and_tried_again<B: Backend>() {
    strike::<B>(
        [
            "garbage: before login",
            "garbage: during login",
            "garbage: idle",
            "garbage: in a query",
        ],
        Mode::Garbage(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    );
}
