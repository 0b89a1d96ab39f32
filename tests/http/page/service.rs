//! A service with pools in all conditions, and its page.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use queuepool::http::{self, serve};
use queuepool::{ErrorClass, Pool, Registry, Retry, Settings};

use super::browser::Browser;
use support::scripted::{Act, Gate, ScriptedManager, Server, eventually, millis, secs};

/// A pool name and a thread name that contain markup.
pub const HOSTILE_NAME: &str = "<img src=x onerror=alert(1)>";
pub const HOSTILE_THREAD: &str = "</td><script>alert(2)</script><b>thread";

/// The source file in which [`hold`] checks out.
pub const HELD_AT: &str = concat!(file!(), ":");

pub fn settings() -> Settings {
    Settings::default()
        .pool_size(4)
        .max_overflow(2)
        .timeout(secs(600))
        // Only the pool whose clock is moved leaks, however long a test takes.
        .leak_after(secs(3600))
        .retry(Retry::default().max_attempts(1))
}

/// Samples are taken more often than the page asks.
pub fn monitored() -> Settings {
    settings()
        .enable_pool_metrics(true)
        .metrics_collection_interval(millis(200))
}

/// Threads that hold connections, or wait for one, until this value is dropped.
pub struct Holders {
    gate: Arc<Gate>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Starts `number` threads, each of which holds a connection or waits for one.
pub fn hold(pool: &Pool<ScriptedManager>, name: &str, number: usize) -> Holders {
    let gate = Gate::new();
    let one = |index| {
        let (pool, gate) = (pool.clone(), gate.clone());
        let body = move || {
            let held = pool.get().unwrap();
            gate.pass();
            drop(held);
        };
        let name = format!("{name}-{index}");
        thread::Builder::new().name(name).spawn(body).unwrap()
    };
    let before = pool.status();
    let threads = (0..number).map(one).collect();
    let wanted = before.checked_out + before.waiting_requests + number as u64;
    let holding = wanted.min(before.total_capacity);
    eventually("all threads hold or wait", || {
        let status = pool.status();
        (status.checked_out, status.waiting_requests) == (holding, wanted - holding)
    });
    Holders { gate, threads }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.gate.open();
        for thread in self.threads.drain(..) {
            // If the thread failed, that has been printed.
            let _ = thread.join();
        }
    }
}

/// The fields are dropped in this order, so the browser ends before what it looks at.
pub struct Scene {
    pub browser: Browser,
    address: String,
    server: Option<http::Server>,
    pub registry: Registry,
    pub healthy: Pool<ScriptedManager>,
    pub exhausted: Pool<ScriptedManager>,
    pub hostile: Pool<ScriptedManager>,
    _holders: Vec<Holders>,
}

impl Scene {
    /// Five pools: healthy, exhausted with 3 callers waiting, leaking, down, and one with a hostile name.
    pub fn open() -> Scene {
        let healthy = Server::new().pool(monitored());
        let exhausted = Server::new().pool(settings().max_overflow(10));
        let (leaking, leak_clock) = Server::new().pool_with_clock(settings().leak_after(secs(10)));
        let dead = Server::new();
        dead.on_connect(|_| Act::Fail(ErrorClass::Permanent));
        let down = dead.pool(settings());
        down.get_timeout(millis(100)).unwrap_err();
        assert!(!down.health_check().unwrap().reachable);
        let hostile = Server::new().pool(settings().recycle(Duration::MAX));
        let holders = vec![
            hold(&healthy, "steady", 1),
            hold(&exhausted, "export", 14 + 3),
            hold(&leaking, "forgetful", 6),
            hold(&hostile, HOSTILE_THREAD, 2),
        ];
        leak_clock.advance(secs(41));
        let registry = Registry::new()
            .add("healthy", &healthy)
            .and_then(|registry| registry.add("exhausted", &exhausted))
            .and_then(|registry| registry.add("leaking", leaking))
            .and_then(|registry| registry.add("down", down))
            .and_then(|registry| registry.add(HOSTILE_NAME, &hostile))
            .unwrap();
        let server = serve("127.0.0.1:0", registry.clone()).unwrap();
        let browser = Browser::start();
        let scene = Scene {
            browser,
            address: server.local_addr().to_string(),
            server: Some(server),
            registry,
            healthy,
            exhausted,
            hostile,
            _holders: holders,
        };
        scene.browser.size(1280, 800);
        scene.visit("");
        scene
    }

    pub fn address(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn stop_service(&mut self) {
        self.server.take().unwrap().stop();
    }

    /// Starts it on the same port as before.
    pub fn start_service(&mut self) {
        self.server = Some(serve(&self.address, self.registry.clone()).unwrap());
    }

    /// Loads the page and waits until all pools are shown.
    #[track_caller]
    pub fn visit(&self, hash: &str) {
        self.browser.open("about:blank");
        self.browser.open(&format!("{}{hash}", self.address()));
        self.browser
            .wait_for("document.querySelectorAll('.pool').length === 5");
    }

    /// A JavaScript expression for the section of a pool.
    pub fn section(name: &str) -> String {
        format!(
            "[...document.querySelectorAll('.pool')].find((pool) => pool.querySelector('h2').textContent === {name:?})"
        )
    }

    /// Opens every section and waits for its content.
    #[track_caller]
    pub fn open_all(&self) {
        self.browser.evaluate(
            "document.querySelectorAll('.pool:not([open]) > summary').forEach((line) => line.click())",
        );
        self.browser
            .wait_for("[...document.querySelectorAll('.pool')].every((pool) => pool.open && pool.querySelector('figure > svg > *'))");
    }
}
