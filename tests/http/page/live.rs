//! The page follows what happens without disturbing its reader.

use queuepool::Registry;

use super::service::{HOSTILE_NAME, Scene, hold, monitored};
use support::scripted::Server;

/// Lets the page ask again as soon as it has an answer, until it has received this many. While it waits for an answer it
/// ignores the event.
fn rounds(number: u32) -> String {
    format!(
        "new Promise((done) => {{ \
            let left = {number}; \
            const again = setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 5); \
            const watch = new PerformanceObserver((list) => {{ \
                left -= list.getEntries().filter((entry) => entry.name.endsWith('/status')).length; \
                if (left <= 0) {{ clearInterval(again); watch.disconnect(); done(); }} \
            }}); \
            watch.observe({{ type: 'resource' }}); \
        }})"
    )
}

#[test]
fn what_a_pool_does_is_shown_and_a_change_of_its_health_is_said_aloud_once() {
    let scene = Scene::open();
    let browser = &scene.browser;
    let row = "[...document.querySelectorAll('#overview > li')].find((row) => row.querySelector('a').textContent === 'healthy')";
    assert_eq!(
        browser.evaluate(&format!("{row}.querySelector('.use').textContent")),
        "1 of 6 in use"
    );
    assert_eq!(
        browser.evaluate("document.querySelector('[aria-live=polite]').textContent"),
        ""
    );
    let more = hold(&scene.healthy, "more", 2);
    browser.wait_for(&format!(
        "{row}.querySelector('.use').textContent === '3 of 6 in use'"
    ));
    browser.wait_for(
        "document.querySelector('[aria-live]').textContent === 'healthy is now: warning.'",
    );
    browser.evaluate("window.said = 0; new MutationObserver(() => said++).observe(document.querySelector('[aria-live]'), { childList: true, characterData: true, subtree: true })");
    browser.evaluate(&rounds(3));
    assert_eq!(
        browser.evaluate("said"),
        0,
        "it is not announced at every tick"
    );
    drop(more);
    browser.wait_for(
        "document.querySelector('[aria-live]').textContent === 'healthy is now: healthy.'",
    );
}

#[test]
fn an_update_keeps_the_focus_what_is_open_what_is_selected_and_where_the_reader_is() {
    let scene = Scene::open();
    let browser = &scene.browser;
    scene.open_all();
    let last = "[...document.querySelectorAll('#overview a')].find((link) => link.textContent === 'healthy')";
    browser.evaluate(&format!(
        "{last}.focus(); window.focused = document.activeElement; \
         window.cell = {}.querySelector('.holders td:nth-child(2)'); \
         getSelection().selectAllChildren(cell); \
         cell.scrollIntoView({{ block: 'start', behavior: 'instant' }}); window.place = cell.getBoundingClientRect().top",
        Scene::section("exhausted")
    ));
    // This makes the pool the first row of the overview.
    let _more = hold(&scene.healthy, "more", 5 + 4);
    browser.wait_for(
        "document.querySelector('#overview li').innerText.includes('6 of 6 in use, 4 waiting')",
    );
    browser.evaluate(&rounds(3));
    let kept = browser.evaluate(
        "[document.activeElement === focused, focused.isConnected, \
          getSelection().toString() === cell.textContent, \
          [...document.querySelectorAll('.pool')].every((pool) => pool.open), \
          cell.getBoundingClientRect().top - place]",
    );
    assert_eq!(
        kept.as_array().unwrap()[..4],
        [true; 4],
        "focus, focus, selection, open: {kept}"
    );
    // What the reader has at the top of the window stays there, whatever grows above it. The browser scrolls by whole
    // pixels.
    let moved = kept[4].as_f64().unwrap();
    assert!(moved.abs() <= 1.0, "moved by {moved} pixels");
}

#[test]
fn an_outage_of_the_service_is_said_with_its_time_and_is_over_when_it_answers_again() {
    let mut scene = Scene::open();
    scene.stop_service();
    let browser = &scene.browser;
    browser.wait_for("/The service has not been reached since \\d\\d:\\d\\d:\\d\\d/.test(document.querySelector('#outage').innerText)");
    browser.wait_for("document.querySelector('#live').textContent === 'not reached'");
    assert_eq!(
        browser.evaluate("document.querySelectorAll('.pool').length"),
        5
    );
    browser.picture("outage");
    scene.start_service();
    let browser = &scene.browser;
    browser.wait_for("document.querySelector('#outage').hidden");
    browser.wait_for("document.querySelector('#live').textContent.startsWith('live')");
    let _more = hold(&scene.hostile, "late", 1);
    browser.wait_for("document.querySelector('#overview').innerText.includes('3 of 6 in use')");
    assert_eq!(
        browser.evaluate(&format!("{}.open", Scene::section(HOSTILE_NAME))),
        false
    );
}

#[test]
fn charts_are_of_the_monitors_samples_and_without_it_of_what_the_page_has_seen() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    for (name, used, waiting, hidden) in [("healthy", 1, 0, true), ("exhausted", 14, 3, false)] {
        let section = Scene::section(name);
        let label = format!("{section}.querySelector('figure > svg').getAttribute('aria-label')");
        browser.wait_for(&format!(
            "/In use and waiting since .*in use: now {used}, most .*waiting: now {waiting}, most/.test({label})"
        ));
        let hint = browser.evaluate(&format!("{section}.querySelector('.hint').hidden"));
        assert_eq!(hint, hidden, "{name}");
    }
    browser.wait_for(&format!(
        "{}.querySelector('figure > svg > .line').getAttribute('d').split('L').length > 5",
        Scene::section("healthy")
    ));
}

#[test]
fn a_service_that_was_started_anew_begins_anew_on_the_page() {
    let mut scene = Scene::open();
    scene.open_all();
    let label = format!(
        "{}.querySelector('figure > svg').getAttribute('aria-label')",
        Scene::section("healthy")
    );
    scene
        .browser
        .wait_for(&format!("{label}.includes('in use: now 1')"));
    scene.stop_service();
    scene
        .browser
        .wait_for("!document.querySelector('#outage').hidden");
    let pool = Server::new().pool(monitored());
    scene.registry = Registry::new().add("healthy", &pool).unwrap();
    scene.start_service();
    let browser = &scene.browser;
    browser.wait_for("document.querySelectorAll('.pool').length === 1");
    // The chart shows no sample from the pool before the restart, which was in use.
    browser.wait_for(&format!("{label}.includes('in use: now 0, most 0')"));
    assert_eq!(
        browser.evaluate("document.querySelector('h1').textContent"),
        "healthy is healthy"
    );
}

#[test]
fn a_page_that_nobody_looks_at_asks_nothing() {
    let scene = Scene::open();
    let browser = &scene.browser;
    browser.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away ?? false }); 0");
    browser.evaluate(&rounds(1));
    browser.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))");
    browser.take_events("Network.requestWillBeSent");
    // Longer than the pause between two requests.
    browser.evaluate("new Promise((done) => setTimeout(done, 3000))");
    assert_eq!(browser.take_events("Network.requestWillBeSent").len(), 0);
    browser.evaluate(&format!("(window.away = false, {})", rounds(1)));
    assert!(!browser.take_events("Network.requestWillBeSent").is_empty());
}

/// How many nodes the charts consist of.
const CHARTED: &str = r"
(() => {
    let number = 0;
    for (const picture of document.querySelectorAll('figure > svg')) {
        const walk = document.createTreeWalker(picture);
        while (walk.nextNode()) {
            number += 1;
        }
    }
    return number;
})()";

#[test]
fn hours_of_updates_leave_no_nodes_and_no_listeners_behind() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    let counters = || {
        browser.call("HeapProfiler.collectGarbage", serde_json::json!({}));
        let counters = browser.call("Memory.getDOMCounters", serde_json::json!({}));
        // Without what the charts show now: as time goes on, their axes gain and lose labels.
        let shown = browser.evaluate(CHARTED).as_u64().unwrap();
        (
            counters["nodes"].as_u64().unwrap() - shown,
            counters["jsEventListeners"].as_u64().unwrap(),
        )
    };
    let busy = || {
        let metrics = browser.call("Performance.getMetrics", serde_json::json!({}));
        let metrics = metrics["metrics"].as_array().unwrap();
        let found = metrics
            .iter()
            .find(|metric| metric["name"] == "TaskDuration");
        found.unwrap()["value"].as_f64().unwrap()
    };
    browser.call("Performance.enable", serde_json::json!({}));
    browser.evaluate(&rounds(10));
    let (before, start) = (counters(), busy());
    // In parts, because each part has a time limit of its own.
    for _ in 0..30 {
        browser.evaluate(&rounds(5));
    }
    let milliseconds = (busy() - start) / 150.0 * 1e3;
    let after = counters();
    println!(
        "nodes and listeners: {before:?}, 150 updates later {after:?}; {milliseconds:.1} ms per update"
    );
    assert_eq!(after.1, before.1);
    // The digits of a count may have become a text where there was none.
    assert!(after.0 <= before.0 + 20, "{before:?} {after:?}");
}
