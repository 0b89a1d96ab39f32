//! What the page shows, that it shows text as text, and that it asks no other server.

use super::service::{HELD_AT, HOSTILE_NAME, HOSTILE_THREAD, Scene};

#[test]
fn every_pool_is_there_with_its_health_in_words_and_the_sick_ones_first() {
    let scene = Scene::open();
    let browser = &scene.browser;
    let rows = browser.evaluate(
        "[...document.querySelectorAll('#overview > li')].map((row) => [row.querySelector('a').textContent, row.querySelector('.badges').innerText.replaceAll(/\\s+/g, ' ')])",
    );
    let found: Vec<(&str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap()))
        .collect();
    let words: std::collections::BTreeMap<_, _> = found.iter().copied().collect();
    for (name, words_of) in [
        ("exhausted", "✕ critical"),
        ("leaking", "✕ critical ✕ leak suspected"),
        ("down", "✕ database unreachable · capacity healthy"),
        ("healthy", "✓ healthy"),
        (HOSTILE_NAME, "✓ healthy"),
    ] {
        assert_eq!(words.get(name), Some(&words_of), "{name}: {found:?}");
    }
    let sick: Vec<&str> = found[..3].iter().map(|(name, _)| *name).collect();
    assert!(
        !sick.contains(&"healthy") && !sick.contains(&HOSTILE_NAME),
        "{found:?}"
    );
    assert_eq!(
        browser.evaluate("document.querySelector('h1').textContent"),
        "3 of 5 pools need attention"
    );
    let first_screen = browser.evaluate(
        "[...document.querySelectorAll('#overview .advice li')].filter((line) => line.offsetParent).every((line) => line.getBoundingClientRect().bottom <= innerHeight)",
    );
    assert_eq!(first_screen, true, "what to do is on the first screen");
}

#[test]
fn a_sick_pool_says_who_holds_its_connections_who_waits_and_what_to_do() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    let exhausted = Scene::section("exhausted");
    let holders = browser.evaluate(&format!(
        "[...{exhausted}.querySelectorAll('.holders tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    ));
    let holders = holders.as_array().unwrap();
    assert_eq!(holders.len(), 10, "the ten longest: {holders:?}");
    for holder in holders {
        assert!(holder[1].as_str().unwrap().starts_with(HELD_AT), "{holder}");
        assert!(
            holder[2].as_str().unwrap().starts_with("export-"),
            "{holder}"
        );
    }
    let label = browser.evaluate(&format!(
        "{exhausted}.querySelector('.seats').getAttribute('aria-label')"
    ));
    assert_eq!(
        label,
        "14 places: 14 in use, 0 idle, 10 overflow (open beyond pool_size), 0 free to open, 3 waiting"
    );
    let seats = browser.evaluate(&format!(
        "['used', 'used beyond', 'waiting'].map((kind) => {exhausted}.querySelectorAll(`.seats [class=\"seat ${{kind}}\"]`).length)"
    ));
    assert_eq!(seats, serde_json::json!([4, 10, 3]));
    let advice = browser.evaluate(&format!("{exhausted}.querySelector('.advice').innerText"));
    let advice = advice.as_str().unwrap();
    assert!(advice.contains("3 callers wait"), "{advice}");
    for line in &scene.exhausted.status().recommendations {
        // The seconds in the line may have moved on.
        let start: String = line.chars().take(20).collect();
        assert!(advice.contains(&start), "{start}: {advice}");
    }
    let down = browser.evaluate(&format!("{}.innerText", Scene::section("down")));
    let down = down.as_str().unwrap();
    assert!(down.contains("scripted Permanent"), "{down}");
    let leaking = browser.evaluate(&format!(
        "{}.querySelector('.advice').innerText",
        Scene::section("leaking")
    ));
    let leaking = leaking.as_str().unwrap();
    assert_eq!(leaking.matches("without a break").count(), 1, "{leaking}");
    assert!(leaking.contains("full for 41 s"), "{leaking}");
}

#[test]
fn a_pool_that_is_full_of_short_uses_is_not_called_leaking() {
    let scene = Scene::open();
    let script = [
        include_str!("../../../src/http/page/words.js"),
        include_str!("../../../src/http/page/findings.js"),
    ]
    .join("\n");
    for (held_for, word) in [(3, "full for long"), (11, "leak suspected")] {
        let found = scene.browser.evaluate(&format!(
            "(() => {{ {script}; return findings({{ leak_detected: true, holders: [{{ held_for: {held_for} }}], \
             configuration: {{ leak_after: 10 }}, closed: false, database_error: null, full_since: null, \
             connects_fail_for: null, unsuited_for: null, waiting_requests: 0 }}).map((finding) => finding.word); }})()"
        ));
        assert_eq!(found, serde_json::json!([word]), "held for {held_for} s");
    }
}

#[test]
fn a_hostile_name_is_text_and_nothing_is_made_of_it() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    let made = browser.evaluate("document.querySelectorAll('main :is(img, script, td b, td script), body > script ~ script').length");
    assert_eq!(made, 0);
    let section = Scene::section(HOSTILE_NAME);
    let threads = browser.evaluate(&format!(
        "[...{section}.querySelectorAll('.holders tbody tr')].map((row) => row.cells[2].textContent).sort()"
    ));
    assert_eq!(
        threads,
        serde_json::json!([format!("{HOSTILE_THREAD}-0"), format!("{HOSTILE_THREAD}-1")])
    );
    assert_eq!(browser.complaints(), [] as [serde_json::Value; 0]);
}

#[test]
fn a_recycle_of_never_is_called_so() {
    let scene = Scene::open();
    scene.open_all();
    let recycle = |name| {
        let section = Scene::section(name);
        scene.browser.evaluate(&format!(
            "[...{section}.querySelectorAll('dl > div')].find((pair) => pair.firstChild.textContent === 'recycle').lastChild.textContent"
        ))
    };
    assert_eq!(recycle(HOSTILE_NAME), "never");
    assert_eq!(recycle("healthy"), "1 h");
}

#[test]
fn the_page_asks_only_its_own_service_and_the_console_stays_empty() {
    let scene = Scene::open();
    scene.open_all();
    let browser = &scene.browser;
    // Two more rounds, including the history of every pool.
    browser.evaluate("new Promise((done) => { let seen = 0; new PerformanceObserver((list) => { seen += list.getEntries().filter((entry) => entry.name.endsWith('/status')).length; if (seen >= 2) done(); }).observe({ type: 'resource' }); })");
    let own = scene.address();
    let requests = browser.take_events("Network.requestWillBeSent");
    assert!(requests.len() > 7, "{requests:?}");
    for request in requests {
        let url = request["params"]["request"]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        if url == "about:blank" || url.starts_with("data:image/svg+xml,") {
            continue;
        }
        let path = url.strip_prefix(&own);
        assert!(
            path.is_some_and(|path| path.is_empty()
                || path == "status"
                || path.starts_with("history?pool=")),
            "{url}"
        );
    }
    assert_eq!(browser.complaints(), [] as [serde_json::Value; 0]);
}

#[test]
fn the_policy_lets_no_other_script_and_no_markup_in() {
    let scene = Scene::open();
    let browser = &scene.browser;
    let outcome = browser.evaluate(
        "(() => { const script = document.createElement('script'); \
            let refused = false; \
            try { script.textContent = 'window.intruder = 1'; document.head.append(script); } catch { refused = true; } \
            try { document.body.innerHTML = '<b>x</b>'; return 'markup'; } catch {} \
            return [window.intruder === undefined, document.body.children.length > 3]; })()",
    );
    assert_eq!(outcome, serde_json::json!([true, true]));
    assert!(
        !browser.complaints().is_empty(),
        "the browser reports what it has refused"
    );
}
