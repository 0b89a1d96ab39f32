//! What the pool logs. Exhaustion, outages and possible leaks are logged once when they are noticed and once when they are
//! over, however many callers are affected; everything else according to its importance.

use log::{Level, LevelFilter};
use queuepool::{Clock, ErrorClass, Pool, ResetOnReturn, Retry, Settings};

use support::alone;
use support::logged::{self, texts};
use support::scripted::*;

/// A pool whose name, and so whose log lines, belong to this test alone.
fn pool(server: &std::sync::Arc<Server>, name: &str, settings: Settings) -> Pool<ScriptedManager> {
    logged::keep(LevelFilter::Debug);
    server.builder(settings).name(name).build().unwrap()
}

fn small() -> Settings {
    Settings::default()
        .pool_size(1)
        .max_overflow(1)
        .timeout(millis(100))
        .retry(Retry::default().max_attempts(1))
}

#[test]
fn at_build_one_line_tells_the_sizes() {
    alone(|| {
        let _pool = pool(&Server::new(), "sizes", small());
        assert_eq!(
            texts("sizes", Level::Info),
            ["Database connection pool configured: pool_size=1, max_overflow=1, total_max=2"]
        );
    });
}

#[test]
fn an_outage_is_told_once_with_its_error_and_its_end_with_how_long_it_was() {
    alone(|| {
        let server = Server::new();
        server.on_connect(|_| Act::Fail(ErrorClass::Transient));
        let pool = pool(&server, "outage", small());
        for _ in 0..10 {
            pool.get().unwrap_err();
        }
        // In trouble, one connect may be made for several callers, and some leave before it is made.
        let failed = server.connects();
        eventually("it is logged", || !texts("outage", Level::Warn).is_empty());
        server.on_connect(|_| Act::Succeed);
        drop(pool.get_timeout(secs(10)).unwrap());
        eventually("its end is logged", || {
            texts("outage", Level::Warn).len() == 2
        });
        let warnings = texts("outage", Level::Warn);
        assert_eq!(
            warnings[0],
            "The database cannot be reached: connecting failed: scripted Transient"
        );
        assert!(
            warnings[1].starts_with("The database is reached again after ")
                && warnings[1].ends_with(&format!(" s; connects that failed meanwhile: {failed}")),
            "{warnings:?}"
        );
        let failures = texts("outage", Level::Debug);
        assert_eq!(
            failures
                .iter()
                .filter(|line| line.contains("scripted"))
                .count(),
            failed
        );
    });
}

/// A pool on which eight callers at once have waited for pings that the gate holds beyond their limit.
fn silenced(name: &str) -> (Pool<ScriptedManager>, std::sync::Arc<Gate>) {
    let server = Server::new();
    let settings = Settings::default()
        .pool_size(8)
        .pre_ping(queuepool::PrePing::Always)
        .health_check_timeout(millis(50))
        .max_validation_failures(1);
    let pool = pool(&server, name, settings);
    pool.warm_up(8).unwrap();
    drop((0..8).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
    let (gate, script) = gated(|_| true);
    server.on_ping(script);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pool.get().map(drop).unwrap_err());
        }
    });
    (pool, gate)
}

#[test]
fn a_database_that_does_not_answer_is_told_once_however_many_callers_are_hit() {
    alone(|| {
        let (_still_silent, other) = silenced("still silent");
        let (pool, gate) = silenced("silence");
        let warnings = texts("silence", Level::Warn);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].starts_with("The database does not answer: connection ")
                && warnings[0].ends_with(": ping did not end within 50ms"),
            "{warnings:?}"
        );
        let each = texts("silence", Level::Info);
        let each = each.iter().filter(|line| line.contains("did not end"));
        assert_eq!(each.count(), 8);
        gate.open();
        drop(pool.get().unwrap());
        eventually("its end is logged", || {
            texts("silence", Level::Warn).len() == 2
        });
        let end = &texts("silence", Level::Warn)[1];
        assert!(
            end.starts_with("The database answers again after ")
                && end.ends_with(" s; calls that did not end in time meanwhile: 8"),
            "{end}"
        );
        // The other outage was looked at first, so its end would have been logged by now.
        assert_eq!(texts("still silent", Level::Warn).len(), 1);
        other.open();
    });
}

#[test]
fn exhaustion_is_told_once_and_its_end_with_how_long_it_was() {
    alone(|| {
        let pool = pool(&Server::new(), "exhausted", small().timeout(secs(20)));
        let held = [pool.get().unwrap(), pool.get().unwrap()];
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| drop(pool.get().unwrap()));
            }
            eventually("it is logged", || {
                !texts("exhausted", Level::Warn).is_empty()
            });
            assert!(
                pool.status()
                    .exhausted_for
                    .is_some_and(|time| time >= secs(1))
            );
            for _ in 0..3 {
                pool.get_timeout(millis(10)).unwrap_err();
            }
            drop(held);
        });
        eventually("its end is logged", || {
            texts("exhausted", Level::Warn).len() == 2
        });
        assert_eq!(pool.status().exhausted_for, None);
        let warnings = texts("exhausted", Level::Warn);
        assert_eq!(
            warnings[0],
            "Pool exhausted: 2 of 2 connections in use, 0 being opened, 5 callers wait, turned away so far: 0"
        );
        assert!(
            warnings[1].starts_with("The pool is no longer exhausted; it was for ")
                && warnings[1]
                    .ends_with(" s; checkouts that timed out or were refused meanwhile: 3"),
            "{warnings:?}"
        );
    });
}

#[test]
fn time_outs_shorter_than_the_look_are_told_too() {
    alone(|| {
        let pool = pool(&Server::new(), "short", small());
        let _held = [pool.get().unwrap(), pool.get().unwrap()];
        pool.get_timeout(millis(1)).unwrap_err();
        eventually("it is logged", || !texts("short", Level::Warn).is_empty());
        assert!(texts("short", Level::Warn)[0].ends_with("0 callers wait, turned away so far: 1"));
    });
}

#[test]
fn callers_refused_by_max_waiting_are_told_as_exhaustion() {
    alone(|| {
        let pool = pool(&Server::new(), "refused", small().max_waiting(0));
        let _held = [pool.get().unwrap(), pool.get().unwrap()];
        for _ in 0..7 {
            pool.get().unwrap_err();
        }
        eventually("it is logged", || !texts("refused", Level::Warn).is_empty());
        assert!(texts("refused", Level::Warn)[0].ends_with("turned away so far: 7"));
    });
}

#[test]
fn a_busy_pool_on_which_callers_wait_for_a_moment_is_not_exhausted() {
    alone(|| {
        let pool = pool(&Server::new(), "busy", small().timeout(secs(20)));
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    while start.elapsed() < millis(2500) {
                        drop(pool.get().unwrap());
                    }
                });
            }
        });
        assert!(pool.status().pool_exhausted_count > 0);
        assert_eq!(texts("busy", Level::Warn), [""; 0]);
    });
}

#[test]
fn a_leak_is_told_in_the_words_that_operators_search_for_once_an_episode() {
    alone(|| {
        let settings = small().leak_after(millis(50)).timeout(secs(20));
        let pool = pool(&Server::new(), "leak", settings);
        let leak = "Potential connection leak detected! Pool exhausted: 2 connections in use";
        let end = "The pool is no longer full; it was for ";
        for episode in 1..=2 {
            let held = [pool.get().unwrap(), pool.get().unwrap()];
            eventually("it is logged", || {
                texts("leak", Level::Warn).len() == 2 * episode - 1
            });
            assert!(pool.status().leak_detected);
            drop(held);
            eventually("its end is logged", || {
                texts("leak", Level::Warn).len() == 2 * episode
            });
        }
        let warnings = texts("leak", Level::Warn);
        assert_eq!((&*warnings[0], &*warnings[2]), (leak, leak));
        assert!(
            warnings[1].starts_with(end) && warnings[3].starts_with(end),
            "{warnings:?}"
        );
        assert!(
            !warnings.iter().any(|line| line.contains("held by")),
            "old holders are logged only if asked for"
        );
    });
}

/// Both connections are parked, and since the gate looked last both might be out.
#[test]
fn no_leak_is_told_where_all_has_come_back_by_the_short_way_and_where_there_was_one_its_end_is() {
    alone(|| {
        logged::keep(LevelFilter::Debug);
        let (server, clock) = (Server::new(), Clock::stopped());
        let settings = Settings::default()
            .pool_size(2)
            .max_overflow(0)
            .leak_after(secs(10))
            .reset_on_return(ResetOnReturn::Never);
        let builder = server.builder(settings).name("parked");
        let pool = builder.clock(clock.clone()).build().unwrap();
        for _ in 0..3 {
            drop([pool.get().unwrap(), pool.get().unwrap()]);
        }
        clock.advance(secs(11));
        pool.upkeep();
        assert_eq!(texts("parked", Level::Warn), [""; 0]);
        let held = [pool.get().unwrap(), pool.get().unwrap()];
        clock.advance(secs(11));
        pool.upkeep();
        assert_eq!(texts("parked", Level::Warn).len(), 1);
        drop(held);
        assert_eq!(
            texts("parked", Level::Warn).len(),
            2,
            "its end is told at once"
        );
    });
}

#[test]
fn what_a_checkout_hook_refuses_is_information_and_a_panic_a_warning() {
    alone(|| {
        silence_scripted_panics();
        let server = Server::new();
        pool(&server, "unused", small());
        let pool = server
            .builder(small())
            .name("hooks")
            .on_checkout(|_, info| match info.id() {
                1 => Err("not this one".into()),
                _ => Ok(()),
            })
            .on_checkin(|_, _| std::panic::panic_any(SCRIPTED_PANIC))
            .build()
            .unwrap();
        drop(pool.get().unwrap());
        assert!(
            texts("hooks", Level::Info)
                .contains(&"the checkout hook refused a connection: not this one".to_owned())
        );
        assert_eq!(
            texts("hooks", Level::Warn),
            ["the checkin hook panicked: scripted panic"]
        );
    });
}

#[test]
fn a_connection_s_life_is_told_at_debug_and_a_replacement_at_info() {
    alone(|| {
        let server = Server::new();
        let pool = pool(
            &server,
            "life",
            small().pre_ping(queuepool::PrePing::Always),
        );
        drop(pool.get().unwrap());
        server.restart();
        drop(pool.get().unwrap());
        eventually("the lost connection is closed", || server.closes() == 1);
        let debug = texts("life", Level::Debug);
        for line in [
            "connection 1 opened",
            "connection 1 is closed: lost",
            "connection 2 opened",
        ] {
            assert!(
                debug.contains(&line.to_owned()),
                "{line} is not in {debug:?}"
            );
        }
        let info = texts("life", Level::Info);
        assert!(
            info.iter()
                .any(|line| line.starts_with("a connection failed its test and is replaced"))
                && info.contains(
                    &"a connection was found lost: all opened before are replaced".to_owned()
                ),
            "{info:?}"
        );
        assert_eq!(texts("life", Level::Warn), [""; 0]);
    });
}

#[test]
fn callers_who_do_not_wait_make_a_pool_exhausted_too() {
    alone(|| {
        let pool = pool(&Server::new(), "impatient", small());
        let _held = [pool.get().unwrap(), pool.get().unwrap()];
        for _ in 0..4 {
            pool.get_timeout(secs(0)).unwrap_err();
        }
        eventually("it is logged", || {
            !texts("impatient", Level::Warn).is_empty()
        });
        assert!(texts("impatient", Level::Warn)[0].ends_with("turned away so far: 4"));
        assert!(pool.status().exhausted_for.is_some());
    });
}

#[test]
fn a_server_that_takes_some_and_refuses_others_is_one_outage() {
    alone(|| {
        let server = Server::new();
        server.on_connect(|n| match n % 2 {
            0 => Act::Fail(ErrorClass::Transient),
            _ => Act::Succeed,
        });
        let pool = pool(&server, "flapping", small());
        for _ in 0..10 {
            pool.get().unwrap_err();
            queuepool::Connection::invalidate(pool.get().unwrap());
        }
        assert_eq!(pool.status().unreachable_for, None);
        eventually("its end is logged", || {
            texts("flapping", Level::Warn).len() == 2
        });
        let warnings = texts("flapping", Level::Warn);
        assert!(
            warnings[1].ends_with("connects that failed meanwhile: 10"),
            "{warnings:?}"
        );
    });
}

#[test]
fn resets_that_fail_are_a_warning_once_a_minute() {
    alone(|| {
        let server = Server::new();
        server.on_reset(|_| Act::Fail(ErrorClass::Statement));
        let pool = pool(&server, "resets", small());
        for _ in 0..3 {
            drop(pool.get().unwrap());
        }
        let warnings = texts("resets", Level::Warn);
        assert_eq!(
            warnings,
            ["Resets fail, and each closes its connection: scripted Statement"]
        );
    });
}

#[test]
fn a_manager_without_a_driver_is_told_what_is_not_done() {
    alone(|| {
        logged::keep(LevelFilter::Debug);
        let build = |name: &str, settings: Settings| {
            Pool::builder(ScriptedManager(Server::new()))
                .name(name)
                .settings(settings)
                .build()
                .unwrap()
        };
        let _plain = build("plain", small().command_timeout(secs(5)));
        let warnings = texts("plain", Level::Warn);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("reset_on_return=rollback, but"));
        assert!(warnings[1].starts_with("command_timeout is set, but"));
        let _wanted = build("wanted", small().reset_on_return(ResetOnReturn::Never));
        assert_eq!(texts("wanted", Level::Warn), [""; 0]);
    });
}

#[test]
fn variables_that_have_no_effect_are_told_without_their_values() {
    alone(|| {
        logged::keep(LevelFilter::Debug);
        let set = [
            ("DB_MAX_OVERFLO", "s3cret"),
            ("DB_POOL_TIMEOUT", "7s"),
            ("DB_HOST", "db"),
        ];
        let variables = set.map(|(name, value)| (name.into(), value.into()));
        small().with_vars(variables.into_iter()).unwrap();
        let told: Vec<_> = logged::all()
            .into_iter()
            .map(|line| (line.level, line.text))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Level::Warn,
                    "the environment variable DB_MAX_OVERFLO is no setting of queuepool, and is not used: did you mean \
                     DB_MAX_OVERFLOW?"
                        .to_owned()
                ),
                (
                    Level::Info,
                    "DB_POOL_TIMEOUT is not used: code sets pool_timeout".to_owned()
                ),
            ]
        );
    });
}
