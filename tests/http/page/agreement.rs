//! The same numbers wherever they are shown: as data, as JSON, as metrics, printed, and on the page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use queuepool::http::{respond, serve};
use queuepool::{
    Connection, ErrorClass, ErrorKind, Pool, PrePing, Registry, Retry, Settings, Status,
};
use serde_json::Value;

use super::browser::Browser;
use support::scripted::*;

/// Where one number is shown.
struct Shown {
    /// The field, which is also the name in JSON.
    name: &'static str,
    value: fn(&Status) -> u64,
    metric: &'static str,
    /// The words of the report, with `#` for the number.
    printed: Option<&'static str>,
    /// The section of the page and the term in it.
    page: Option<(&'static str, &'static str)>,
}

macro_rules! shown {
    ($($name:ident, $metric:literal, $printed:expr, $page:expr;)*) => {
        vec![$(Shown {
            name: stringify!($name),
            value: |status| status.$name,
            metric: $metric,
            printed: $printed,
            page: $page,
        },)*]
    };
}

/// All whole numbers that are shown in more than one place.
fn all() -> Vec<Shown> {
    let errors = |term| Some(("Errors", term));
    let since = |term| Some(("Since the start", term));
    let peak = |term| Some(("Peaks", term));
    shown! {
        size, "size", Some("Size: #"), None;
        max_overflow, "max_overflow", Some("Max Overflow: #"), None;
        total_capacity, "capacity", Some("Total Capacity: #"), None;
        checked_out, "checked_out", Some("Checked Out: #"), None;
        checked_in, "checked_in", Some("Checked In: #"), None;
        overflow, "overflow", Some("Overflow: #"), None;
        idle_connections, "idle", None, None;
        total, "open", None, None;
        opening_connections, "opening", None, None;
        waiting_requests, "waiting", Some("Waiting: # now"), None;
        checkouts, "checkouts_total", Some("Calls: # handed out"), since("handed out");
        checkins, "checkins_total", Some(", # given back"), None;
        failed_checkouts, "failed_checkouts_total", Some("; # failed,"), errors("calls that failed");
        connection_timeouts, "connection_timeouts_total", Some(", # of them timed out"), errors("of them timed out");
        waited, "waited_total", Some("; # have waited since the start"), since("calls that waited, served or not");
        pool_exhausted_count, "exhausted_total", Some(", # of them for want of a connection"), since("of them for want of a connection");
        overloaded_count, "overloaded_total", Some("# refused by max_waiting"), errors("calls refused by max_waiting");
        total_connections_created, "connections_created_total", Some("Connections: # opened"), since("opened");
        total_connections_closed, "", Some(", # closed"), since("closed");
        detached, "connections_detached_total", Some(", # detached"), since("detached");
        connection_errors, "connection_errors_total", Some(", # failed to open"), errors("failed connects");
        refused_full, "refused_full_total", Some("# refused by a full server"), errors("of them refused by a full server");
        validation_failures, "validation_failures_total", Some("# failed tests"), errors("failed tests before hand-out");
        health_check_failures, "health_check_failures_total", Some("# failed health checks"), errors("failed health checks");
        hook_failures, "hook_failures_total", Some("# failed hooks"), errors("failed hooks");
        abandoned_connects, "abandoned_connects_total", Some("# abandoned connects"), errors("abandoned connects");
        abandoned, "abandoned_calls", Some("# driver calls that hang now"), errors("driver calls that hang now");
        in_connect_hook, "in_connect_hook", Some("# in their connect hook now"), None;
        hung_connects, "hung_connects", Some("# of them connects"), None;
        peak_checked_out, "peak_checked_out", Some("checked out # at"), peak("in use");
        peak_total, "peak_open", Some("; open # at"), peak("open");
        peak_waiting, "peak_waiting", Some("; waiting # at"), peak("waiting");
    }
}

/// A pool to which a lot has happened, each thing another number of times, and to which nothing happens any more.
fn busy() -> (Pool<ScriptedManager>, Vec<Connection<ScriptedManager>>) {
    let server = Server::new();
    let refusals = Arc::new(AtomicUsize::new(0));
    let refuse = refusals.clone();
    let settings = Settings::default()
        .pool_size(3)
        .max_overflow(2)
        .max_waiting(1)
        .pre_ping(PrePing::Always)
        .timeout(secs(30))
        .retry(Retry::default().max_attempts(1));
    let pool = server
        .builder(settings)
        .on_checkout(move |_, _| {
            let left = refuse.load(SeqCst);
            refuse.store(left.saturating_sub(1), SeqCst);
            if left == 0 {
                Ok(())
            } else {
                Err("refused".into())
            }
        })
        .build()
        .unwrap();
    // With a success after each, so that it is no trouble.
    for n in 0..7 {
        let class = if n == 6 {
            ErrorClass::Full
        } else {
            ErrorClass::Statement
        };
        server.on_connect(move |_| Act::Fail(class));
        match n {
            0..2 => assert!(!pool.health_check().unwrap().reachable),
            _ => assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Connect),
        }
        server.on_connect(|_| Act::Succeed);
        let opened = pool.get().unwrap();
        match n {
            0..3 => Connection::invalidate(opened),
            _ => Connection::detach(opened).discount(),
        }
    }
    refusals.store(2, SeqCst);
    drop(pool.get().unwrap());
    server.on_ping(|n| {
        if n < 3 {
            Act::Fail(ErrorClass::Statement)
        } else {
            Act::Succeed
        }
    });
    for _ in 0..4 {
        drop(pool.get());
    }
    let mut out: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(
            pool.get_timeout(millis(20)).unwrap_err().kind(),
            ErrorKind::Timeout
        );
    }
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().unwrap());
        eventually("it waits", || pool.status().waiting_requests == 1);
        for _ in 0..11 {
            assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Overloaded);
        }
        drop(out.pop());
        out.push(waiter.join().unwrap());
    });
    drop(out.pop());
    eventually("what is closed is closed", || {
        let status = pool.status();
        status.total == status.checked_out + status.idle_connections
            && status.opening_connections == 0
    });
    (pool, out)
}

fn metrics(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter_map(|line| {
            line.strip_prefix("db_pool_")?
                .split_once("{pool=\"busy\"} ")
        })
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

/// On one line, as the report is wrapped at 80 columns.
fn report(status: &Status) -> String {
    let words: Vec<String> = status
        .to_string()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect();
    format!(" {} ", words.join(" "))
}

#[test]
fn every_number_is_the_same_as_data_json_metric_print_and_on_the_page() {
    let (pool, _out) = busy();
    let registry = Registry::new().add("busy", &pool).unwrap();
    let server = serve("127.0.0.1:0", registry.clone()).unwrap();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.local_addr()));
    // Of a pool without a monitor, the charts begin with the second look at it.
    browser.wait_for("document.querySelector('.pool[open] figure.bars > svg > *')");
    let status = pool.status();
    let own = serde_json::to_value(&status).unwrap();
    let served: Value = serde_json::from_str(&respond(&registry, "/status").body).unwrap();
    let scrape = respond(&registry, "/metrics").body;
    let metrics = metrics(&scrape);
    let report = report(&status);
    let page = browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.parts section')].map((section) => [section.querySelector('h3').textContent, \
         Object.fromEntries([...section.querySelectorAll('dl > div')].map((pair) => [pair.firstChild.textContent, pair.lastChild.textContent]))]))",
    );

    for shown in all() {
        let (name, value) = (shown.name, (shown.value)(&status));
        assert_eq!(own[name], value, "{name} as JSON");
        assert_eq!(served["pools"]["busy"][name], value, "{name} at /status");
        if !shown.metric.is_empty() {
            assert_eq!(metrics[shown.metric], value as f64, "{name} as a metric");
        }
        // What is 0 may be left out of a list of failures.
        let is_listed = |words: &str| words.starts_with('#');
        if let Some(words) = shown.printed
            && !(value == 0 && is_listed(words))
        {
            let words = words.replace('#', &value.to_string());
            // Not as the end or the beginning of a longer number.
            let mut around = report.match_indices(&words).map(|(at, _)| {
                [
                    report[..at].chars().next_back(),
                    report[at + words.len()..].chars().next(),
                ]
            });
            let is_number =
                |letter: &Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
            assert!(
                around.any(|[before, after]| { !(is_number(&before) || is_number(&after)) }),
                "{name} {words:?} in {report}"
            );
        }
        if let Some((section, term)) = shown.page {
            let found = page[section][term].as_str();
            let number = found.map(|text| text.split([',', ' ']).next().unwrap().to_owned());
            match number {
                Some(number) => {
                    assert_eq!(number, value.to_string(), "{name} on the page: {page:#}")
                }
                None => assert_eq!(value, 0, "{name} is not on the page: {page:#}"),
            }
        }
    }
    let reasons: u64 = status.closed_by_reason.values().sum();
    assert_eq!(status.total_connections_closed, reasons);
    for (histogram, count) in [
        ("wait_time", status.checkouts),
        ("hold_time_seconds", status.checkins),
    ] {
        assert_eq!(metrics[&*format!("{histogram}_count")], count as f64);
    }
    let times = browser.evaluate(
        "[...document.querySelectorAll('.figures tbody tr')].slice(0, 1).map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))[0]",
    );
    assert_eq!(
        times,
        serde_json::json!([status.checkouts.to_string(), status.checkins.to_string()])
    );
    // A chart that covers less than the pool's life says so.
    let charts = browser.evaluate("[...document.querySelectorAll('figure.bars .entry:not([hidden]) b')].map((number) => number.textContent)");
    assert_eq!(
        charts,
        serde_json::json!([
            format!("0 of {}", status.connection_timeouts),
            format!("0 of {}", status.connection_errors)
        ])
    );
    assert_laws(&status);
    server.stop();
}

/// Otherwise two numbers that were swapped would go unnoticed.
#[test]
fn the_counts_of_the_busy_pool_are_all_different() {
    let (pool, _out) = busy();
    let status = pool.status();
    let mut counts = vec![
        status.checkouts,
        status.checkins,
        status.failed_checkouts,
        status.connection_timeouts,
        status.waited,
        status.pool_exhausted_count,
        status.overloaded_count,
        status.total_connections_created,
        status.total_connections_closed,
        status.detached,
        status.connection_errors,
        status.hook_failures,
        status.refused_full,
        0,
    ];
    counts.sort_unstable();
    assert!(
        counts.windows(2).all(|pair| pair[0] < pair[1]),
        "{counts:?} {status:#?}"
    );
}

#[test]
fn nothing_is_called_healthy_beside_an_outage_with_callers_waiting_and_it_is_over_when_the_log_says_so()
 {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Transient));
    let settings = Settings::default()
        .pool_size(30)
        .max_overflow(0)
        .timeout(secs(60))
        .retry(Retry::default().max_attempts(1_000));
    let pool = server.pool(settings);
    let registry = Registry::new().add("orders", &pool).unwrap();
    let service = serve("127.0.0.1:0", registry).unwrap();
    let browser = Browser::start();
    let gate = Gate::new();
    thread::scope(|scope| {
        for _ in 0..29 {
            scope.spawn(|| {
                let held = pool.get().unwrap();
                gate.pass();
                drop(held);
            });
        }
        eventually("an outage with 29 callers", || {
            let status = pool.status();
            status.waiting_requests == 29 && status.database_error.is_some()
        });
        browser.open(&format!("http://{}/", service.local_addr()));
        let badges = "[...document.querySelectorAll('.pool .badge')].map((badge) => badge.lastChild.textContent).join()";
        browser.wait_for(&format!("{badges} !== ''"));
        assert_eq!(browser.evaluate(badges), "database unreachable");
        assert_eq!(
            browser.evaluate("document.querySelector('.pool .use').textContent"),
            "0 of 30 in use, 29 waiting"
        );

        server.on_connect(|_| Act::Succeed);
        gate.open();
        eventually("it is over in the status", || {
            pool.status().connects_fail_for.is_none()
        });
        browser.wait_for(&format!("{badges} === 'healthy'"));
        // Less than a minute ago.
        assert!(pool.status().last_error_at.unwrap().elapsed().unwrap() < secs(60));
    });
    service.stop();
}
