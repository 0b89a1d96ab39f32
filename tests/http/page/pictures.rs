//! The page of 1, 3 and 40 pools in all conditions, on a desk and on a phone, by day and by night. Nothing may be cut off or
//! complained of; the rest is for people to look at, in the folder named by QUEUEPOOL_PAGE_SHOTS.

use queuepool::http::serve;
use queuepool::{Clock, ErrorClass, Pool, Registry};

use super::browser::Browser;
use super::service::{hold, monitored, settings};
use support::scripted::{Act, ScriptedManager, Server, eventually, millis, secs};

/// The movable clock moves the lengths of the samples, but not the wall clock, whose times they bear. So they are given the times
/// that their lengths tell.
const TIMES: &str = r"
const ask = window.fetch;
window.fetch = async (path, options) => {
    const answer = await ask(path, options);
    if (!path.startsWith('history')) {
        return answer;
    }
    const content = await answer.json();
    let at = window.samplesEnd ??= Date.now();
    for (const sample of content.samples.toReversed()) {
        sample.at = new Date(at).toISOString();
        at -= sample.seconds * 1e3;
    }
    return new Response(JSON.stringify(content), { headers: { 'content-type': 'application/json' } });
};
";

/// A browser that applies [`TIMES`].
fn browser() -> Browser {
    let browser = Browser::start();
    let script = serde_json::json!({ "source": TIMES });
    browser.call("Page.addScriptToEvaluateOnNewDocument", script);
    browser
}

type Scripted = Pool<ScriptedManager>;

fn registry(pools: &[(String, &Scripted)]) -> Registry {
    pools
        .iter()
        .fold(Registry::new(), |registry, (name, pool)| {
            registry.add(name.as_str(), *pool).unwrap()
        })
}

/// The page of these pools, once it has drawn the charts of the one that it opened.
fn look(browser: &Browser, scene: &str, pools: &[(&str, &Scripted)]) {
    let pools: Vec<_> = pools
        .iter()
        .map(|(name, pool)| ((*name).to_owned(), *pool))
        .collect();
    let server = serve("127.0.0.1:0", registry(&pools)).unwrap();
    for (device, width) in [("desktop", 1280), ("phone", 360)] {
        browser.size(width, 800);
        browser.open("about:blank");
        browser.open(&format!("http://{}/", server.local_addr()));
        let number = pools.len();
        browser.wait_for(&format!(
            "document.querySelectorAll('.pool').length === {number}"
        ));
        browser.wait_for("document.querySelector('figure > svg > *')");
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            browser.picture(&format!("{scene}-{device}-{scheme}"));
        }
        let beyond = browser.evaluate(&format!(
            "[...document.body.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > {width} + 1).map((node) => node.outerHTML.slice(0, 80))"
        ));
        assert_eq!(beyond, serde_json::json!([]), "{scene} {device}");
    }
    assert_eq!(browser.complaints(), [] as [serde_json::Value; 0]);
    // So that the page does not ask a service that is gone.
    browser.open("about:blank");
    server.stop();
}

/// Some minutes of load with a sample every five seconds; every 40th sample no connection is asked for.
fn work(pool: &Scripted, clock: &Clock, samples: usize) {
    for number in 0..samples {
        let held: Vec<_> = (0..number % 40 / 8).map(|_| pool.get().unwrap()).collect();
        clock.advance(millis(5 + (number as u64 * 37) % 200));
        drop(held);
        clock.advance(secs(5));
        pool.sample();
    }
}

#[test]
fn one_pool_that_is_young_and_one_that_is_old() {
    let browser = browser();
    for (scene, samples) in [("one-sample", 1), ("young", 12), ("old", 700)] {
        let (pool, clock) = Server::new().pool_with_clock(settings().enable_pool_metrics(true));
        pool.sample();
        work(&pool, &clock, samples);
        let _holders = hold(&pool, "worker", 5);
        look(&browser, scene, &[("orders", &pool)]);
    }
}

#[test]
fn one_pool_that_is_full_and_one_whose_database_went_away_and_came_back() {
    let browser = browser();
    let server = Server::new();
    let (pool, clock) = server.pool_with_clock(settings().enable_pool_metrics(true));
    pool.sample();
    work(&pool, &clock, 40);
    let holders = hold(&pool, "export", 6 + 3);
    for _ in 0..4 {
        pool.get_timeout(millis(1)).map(drop).unwrap_err();
        clock.advance(secs(5));
        pool.sample();
    }
    look(&browser, "full", &[("orders", &pool)]);
    drop(holders);

    pool.invalidate_all();
    let _held = hold(&pool, "steady", 4);
    server.on_connect(|_| Act::Fail(ErrorClass::Lost));
    for _ in 0..4 {
        pool.get_timeout(millis(1)).map(drop).unwrap_err();
        clock.advance(secs(5));
        pool.sample();
    }
    look(&browser, "down", &[("orders", &pool)]);
    server.on_connect(|_| Act::Succeed);
    clock.advance(secs(60));
    // A check is skipped while the pool itself is finding out.
    eventually("the database is back", || {
        pool.health_check().unwrap().reachable
    });
    pool.sample();
    look(&browser, "back", &[("orders", &pool)]);
}

#[test]
fn three_pools_of_which_one_leaks() {
    let browser = browser();
    let [healthy, busy] = [(); 2].map(|()| Server::new().pool(monitored()));
    let (leaking, clock) = Server::new().pool_with_clock(settings().leak_after(secs(10)));
    let _holders = [
        hold(&healthy, "steady", 1),
        hold(&busy, "worker", 5),
        hold(&leaking, "forgetful", 6),
    ];
    clock.advance(secs(41));
    let pools = [("orders", &healthy), ("stock", &busy), ("mail", &leaking)];
    look(&browser, "three", &pools);
}

#[test]
fn forty_pools_of_which_four_are_ill() {
    let browser = browser();
    let mut pools: Vec<(String, Scripted)> = Vec::new();
    let mut holders = Vec::new();
    for number in 0..40_usize {
        let server = Server::new();
        let pool = server.pool(settings().pool_size(4 + 30 * (number as u32 % 5)));
        match number {
            7 => {
                server.on_connect(|_| Act::Fail(ErrorClass::Permanent));
                pool.get_timeout(millis(100)).unwrap_err();
            }
            11 | 23 | 31 => {
                let capacity = pool.status().total_capacity as usize;
                holders.push(hold(&pool, "worker", capacity + number - 20.min(number)));
            }
            _ => holders.push(hold(&pool, "worker", number % 4)),
        }
        pools.push((format!("shard-{number:02}-of-the-orders"), pool));
    }
    let pools: Vec<_> = pools
        .iter()
        .map(|(name, pool)| (name.as_str(), pool))
        .collect();
    look(&browser, "forty", &pools);
}
