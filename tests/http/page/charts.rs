//! What the charts and the seats look like: one color for one thing, no words upon lines, and nothing that one overlooks.

use queuepool::Registry;
use queuepool::http::serve;
use serde_json::{Value, json};

use super::browser::Browser;
use super::service::{Scene, hold, settings};
use support::scripted::Server;

/// A history of three samples of five seconds. In the second alone something was handed out.
const YOUNG: &str = r"
const ask = window.fetch;
const end = Date.now();
const sample = (number, used, wait) => ({
    number, at: new Date(end - (3 - number) * 5e3).toISOString(), seconds: 5, peak_checked_out: used, peak_waiting: 0,
    connection_timeouts: 0, connection_errors: 0, wait_p50: wait, wait_p99: wait * 10, hold_p50: 0, hold_p99: 0,
});
window.fetch = (path, options) => path.startsWith('history')
    ? Promise.resolve(Response.json({ monitor: true, interval_seconds: 5, samples: [sample(1, 2, 0), sample(2, 4, 0.01), sample(3, 3, 0)] }))
    : ask(path, options);
";

fn numbers(path: &Value) -> Vec<f64> {
    let path = path.as_str().unwrap();
    let numbers = path.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn a_young_pool_has_the_whole_width_and_a_lone_sample_is_a_dot_that_is_seen() {
    let pool = Server::new().pool(settings().enable_pool_metrics(true));
    let _holders = hold(&pool, "worker", 3);
    let registry = Registry::new().add("orders", &pool).unwrap();
    let server = serve("127.0.0.1:0", registry).unwrap();
    let browser = Browser::start();
    browser.size(1280, 800);
    let script = json!({ "source": YOUNG });
    browser.call("Page.addScriptToEvaluateOnNewDocument", script);
    browser.open(&format!("http://{}/", server.local_addr()));
    browser.wait_for("document.querySelector('figure > svg > *')");
    let of = |selector: &str, what: &str| {
        browser.evaluate(&format!("document.querySelector('{selector}').{what}"))
    };

    let title = "[...document.querySelectorAll('h3')].map((title) => title.textContent)";
    let titles = browser.evaluate(title);
    let titles = titles.as_array().unwrap();
    assert!(titles.contains(&json!("The last 15 s")), "{titles:?}");

    // From edge to edge: 52 and 10 pixels are for the labels.
    let wide = of(".level > svg", "getAttribute(\"width\")");
    let wide: f64 = wide.as_str().unwrap().parse().unwrap();
    let line = numbers(&of(".level > svg > .line.series0", "getAttribute(\"d\")"));
    assert_eq!((line[0], line[line.len() - 2]), (52.0, wide - 10.0));

    for series in ["series0", "series1"] {
        let dot = format!(".times .dot.{series}");
        let path = of(&dot, "getAttribute(\"d\")");
        assert_eq!(path.as_str().unwrap().matches('M').count(), 1, "{path}");
        let style = browser.evaluate(&format!(
            "parseFloat(getComputedStyle(document.querySelector('{dot}')).strokeWidth)"
        ));
        assert!(style.as_f64().unwrap() >= 7.0, "{style}");
    }
    // What is joined needs no dot.
    assert_eq!(of(".level > svg > .dot.series0", "getAttribute(\"d\")"), "");
}

#[test]
fn the_capacity_is_named_beside_the_chart_and_nothing_is_written_upon_its_lines() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    for (name, capacity) in [("exhausted", Some("capacity14")), ("healthy", None)] {
        let level = format!("{}.querySelector('.level')", Scene::section(name));
        browser.wait_for(&format!(
            "{level}.querySelector(':scope > svg > .line') && ({level}.querySelector(':scope > svg > .capacity') !== null) === {}",
            capacity.is_some()
        ));
        let entries = browser.evaluate(&format!(
            "[...{level}.querySelectorAll('.entry')].filter((entry) => entry.checkVisibility()).map((entry) => entry.textContent)"
        ));
        let entries: Vec<&str> = entries
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let named = entries
            .iter()
            .copied()
            .find(|entry| entry.starts_with("capacity"));
        assert_eq!(named, capacity, "{entries:?}");
        // Labels of the axes are left of the lines, or below them.
        let upon = browser.evaluate(&format!(
            "[...{level}.querySelectorAll(':scope > svg text')].filter((text) => {{ const box = text.getBBox(); return box.x + box.width > 52 && box.y < 146; }}).map((text) => text.textContent)"
        ));
        assert_eq!(upon, json!([]), "{name}");
    }
}

/// Each sign of the legend and of the charts' captions, as it is painted, with its words, and each seat with its state.
const SIGNS: &str = r"
(() => {
    const paint = (node) => {
        const { backgroundColor, backgroundImage, borderTopStyle, borderTopColor, borderBottomColor } = getComputedStyle(node);
        return [backgroundColor, backgroundImage, borderTopStyle, borderTopColor, borderBottomColor].join(' ');
    };
    const section = document.querySelector('.pool[open]');
    const signs = [...section.querySelectorAll('.legend li')].map((item) => [item.children[2].textContent, paint(item.children[0]), item.children[0].className]);
    const seats = [...section.querySelectorAll('.seats .seat')].map((seat) => [seat.className, paint(seat)]);
    const lines = [...section.querySelectorAll('.entry')].map((entry) => [entry.children[1].textContent, getComputedStyle(entry.querySelector('path')).stroke]);
    return { signs, seats, lines, seated: ['used', 'waiting'].map((kind) => getComputedStyle(section.querySelector(`.legend .${kind}`)).backgroundColor) };
})()";

#[test]
fn each_color_stands_for_one_thing() {
    let pool = Server::new().pool(settings().max_overflow(10));
    let used = hold(&pool, "worker", 6);
    let _kept = hold(&pool, "kept", 4);
    drop(used);
    let _more = hold(&pool, "more", 1);
    let registry = Registry::new().add("orders", &pool).unwrap();
    let server = serve("127.0.0.1:0", registry).unwrap();
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.local_addr()));
    browser.wait_for("document.querySelector('figure > svg > *')");
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        let found = browser.evaluate(SIGNS);
        let list = |name: &str| found[name].as_array().unwrap().clone();
        let signs = list("signs");
        assert!(signs.len() >= 5, "{signs:?}");
        for (index, sign) in signs.iter().enumerate() {
            let twin = signs[..index].iter().find(|other| other[1] == sign[1]);
            // The sign of those who wait is a disk.
            assert_eq!(twin, None, "{scheme}: {sign}");
        }
        for seat in list("seats") {
            let class = seat[0].as_str().unwrap();
            let state = class.split(' ').nth(1).unwrap();
            let beyond = class.contains("beyond");
            let sign = signs.iter().find(|sign| sign[2] == format!("seat {state}"));
            let sign = sign.unwrap_or_else(|| panic!("{class} has no sign"));
            // Without the line under it.
            let painted = |paint: &Value| match beyond {
                true => paint
                    .as_str()
                    .unwrap()
                    .rsplit_once(" rgb")
                    .unwrap()
                    .0
                    .to_owned(),
                false => paint.as_str().unwrap().to_owned(),
            };
            assert_eq!(painted(&seat[1]), painted(&sign[1]), "{scheme}: {class}");
        }
        let lines = list("lines");
        assert!(lines.len() >= 9, "{lines:?}");
        for (index, line) in lines.iter().enumerate() {
            let twins = lines[..index].iter().filter(|other| other[1] == line[1]);
            for twin in twins {
                assert_eq!(twin[0], line[0], "{scheme}");
            }
        }
        assert_eq!(
            [&lines[0][1], &lines[1][1]],
            [&found["seated"][0], &found["seated"][1]],
            "{scheme}"
        );
    }
}
