//! A real Prometheus server scrapes pools in all conditions: every query of the dashboard has an answer there, and the condition
//! of every alert is met. That an alert then fires after its time is for promtool: examples/monitoring/alerts_test.yml.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use queuepool::{Connection, ErrorClass, Mode, Pool, Registry, ServerLimit, prometheus};
use serde_json::Value;

use crate::monitoring::{dashboard, expressions, panels, path, text};
use crate::prometheus_server::{Prometheus, serve};
use crate::subject::settings;
use support::scripted::{
    Act, Gate, ScriptedError, ScriptedManager, Server, eventually, millis, secs,
};

type Scripted = Pool<ScriptedManager>;

/// What is to be checked out of a pool again and again, for as long as the scene lasts.
type Users = Vec<Scripted>;

/// One pool for each condition, and a thread that keeps on using those whose condition is seen in what happens.
struct Scene {
    registry: Registry,
    over: Arc<AtomicBool>,
    gate: Arc<Gate>,
    user: Option<thread::JoinHandle<()>>,
    _held: Vec<Connection<ScriptedManager>>,
}

impl Scene {
    fn open() -> Scene {
        let registry = Registry::new();
        let gate = Gate::new();
        let mut held = Vec::new();
        let mut users = Users::new();
        let add = |name: &str, pool: &Scripted| {
            registry.clone().add(name, pool).unwrap();
        };

        // Full for longer than leak_after: exhausted, and a leak. Whoever asks is turned away.
        let (leaking, clock) = Server::new().pool_with_clock(settings(2, 1).timeout(millis(20)));
        held.extend((0..3).map(|_| leaking.get().unwrap()));
        clock.advance(secs(41));
        add("leaking", &leaking);
        users.push(leaking);

        let down = Server::new();
        down.on_connect(|_| Act::Fail(ErrorClass::Lost));
        let down = down.pool(settings(2, 0).timeout(millis(20)));
        assert!(!down.health_check().unwrap().reachable);
        add("down", &down);
        users.push(down);

        let full = Server::new();
        full.on_connect(|_| Act::Fail(ErrorClass::Full));
        let full = full.pool(settings(2, 0).timeout(millis(20)));
        add("full", &full);
        users.push(full);

        add("read-only", &read_only());
        add("hanging", &hanging(&gate));

        // Each checkout connects, which takes longer than the alert allows.
        let server = Server::new();
        server.on_connect(|_| Act::Take(millis(600)));
        let slow = server.pool(settings(2, 0).mode(Mode::Null));
        add("slow", &slow);
        users.push(slow);

        let server = Server::new();
        *server.limit.lock() = Some(ServerLimit::new(5, 3));
        let large = server.pool(settings(4, 4));
        eventually("the limit is known", || {
            large.health_check().unwrap();
            large.status().server_limit.is_some()
        });
        add("large", &large);

        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let user = thread::spawn(move || {
            while !ends.load(SeqCst) {
                for pool in &users {
                    drop(pool.get());
                }
                thread::sleep(millis(100));
            }
        });
        Scene {
            registry,
            over,
            gate,
            user: Some(user),
            _held: held,
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        self.gate.open();
        if let Some(user) = self.user.take() {
            // If the thread failed, that has been printed.
            let _ended = user.join();
        }
    }
}

/// It accepted writes before, and refuses them now.
fn read_only() -> Scripted {
    let server = Server::new();
    server.is_read_only(false);
    let pool = server.pool(settings(2, 0));
    drop(pool.get().unwrap());
    server.is_read_only(true);
    let mut connection = pool.get().unwrap();
    let error = ScriptedError(ErrorClass::Unsuited);
    assert_eq!(
        Connection::note_error(&mut connection, &error),
        ErrorClass::Unsuited
    );
    drop(connection);
    assert!(pool.status().unsuited_for.is_some());
    pool
}

/// A connect does not return until the gate is open.
fn hanging(gate: &Arc<Gate>) -> Scripted {
    let server = Server::new();
    let gate = gate.clone();
    server.on_connect(move |_| Act::Wait(gate.clone()));
    let pool = server.pool(settings(2, 0).connect_timeout(millis(50)));
    pool.get().map(drop).unwrap_err();
    eventually("the call is given up", || pool.status().abandoned > 0);
    pool
}

/// Named by their labels as Grafana fills them in when everything is chosen.
fn filled_in(query: &str) -> String {
    query
        .replace("$pool", ".*")
        .replace("$instance", ".*")
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1h")
}

fn names(alerts: &Value) -> BTreeSet<String> {
    let alerts = alerts["alerts"].as_array().unwrap();
    let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
    alerts.iter().map(name).collect()
}

#[test]
fn every_query_of_the_dashboard_has_an_answer_and_the_condition_of_every_alert_is_met() {
    let scene = Scene::open();
    let registry = scene.registry.clone();
    let port = serve(move |_| (prometheus::CONTENT_TYPE, prometheus::text(&registry)));
    let rules = path("alerts.yml").canonicalize().unwrap();
    let rules = Value::from(rules.to_str().unwrap());
    let more = format!("global: {{evaluation_interval: 1s}}\nrule_files: [{rules}]\n");
    let server = Prometheus::scraping(port, &["metrics"], "1s", &more);

    let yaml = text("alerts.yml");
    let alerts = yaml.split("- alert: ").skip(1);
    let wanted: BTreeSet<_> = alerts
        .map(|rule| rule.lines().next().unwrap().to_owned())
        .collect();
    assert!(wanted.len() >= 10, "{wanted:?}");
    for alert in &wanted {
        server.until(alert, || {
            let met = names(&server.ask("/api/v1/alerts")?);
            met.contains(alert).then_some(())
        });
    }
    let loaded = server.ask("/api/v1/rules").unwrap();
    for rule in loaded["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }

    let dashboard = dashboard();
    let queries: Vec<&str> = panels(&dashboard).iter().flat_map(expressions).collect();
    assert!(queries.len() > 30, "{queries:#?}");
    for query in queries {
        for sample in server.query(&filled_in(query)) {
            let pool = sample["metric"]["pool"].as_str();
            assert!(
                pool.is_some_and(|pool| !pool.is_empty()),
                "{query}: {sample}"
            );
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let query = filled_in(query);
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|query| query.strip_suffix(')'));
        let (series, label) = inner.unwrap().rsplit_once(", ").unwrap();
        for sample in server.query(series) {
            assert!(sample["metric"][label].is_string(), "{label}: {sample}");
        }
    }
}
