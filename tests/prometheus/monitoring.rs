//! What examples/monitoring says is true: the rules, their tests, and the names of metrics.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use queuepool::prometheus;
use serde_json::Value;

use crate::exposition::{Form, read};
use crate::promtool::promtool;
use crate::subject::subject;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/monitoring")
        .join(name)
}

pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

pub fn dashboard() -> Value {
    serde_json::from_str(&text("grafana-dashboard.json")).unwrap()
}

pub fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

pub fn expressions(panel: &Value) -> impl Iterator<Item = &str> {
    let targets = panel["targets"].as_array().unwrap();
    targets
        .iter()
        .map(|target| target["expr"].as_str().unwrap())
}

/// Every word in the text that looks like a metric.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("db_pool"))
        .collect()
}

#[track_caller]
fn assert_promtool(arguments: &[&str]) {
    let (content, said) = promtool(arguments, "");
    assert!(content, "{said}");
}

#[test]
fn the_rules_are_sound_and_pass_their_tests() {
    let (rules, tests) = (path("alerts.yml"), path("alerts_test.yml"));
    let [rules, tests] = [&rules, &tests].map(|path| path.to_str().unwrap());
    assert_promtool(&["check", "rules", "--lint=all", "--lint-fatal", rules]);
    assert_promtool(&["test", "rules", tests]);
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_has_a_severity_and_says_what_to_look_at() {
    let (rules, tests, readme) = (
        text("alerts.yml"),
        text("alerts_test.yml"),
        text("README.md"),
    );
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 4);
    for rule in alerts {
        let name = rule.lines().next().unwrap();
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        let silent = tests.matches(&format!("alertname: {name}}}")).count();
        let fires = format!("alertname: {name}\n        exp_alerts:\n");
        assert!(silent >= 2 && tests.contains(&fires), "{name}");
        assert!(readme.contains(&format!("| {name} |")), "{name}");
    }
}

#[test]
fn every_metric_named_there_is_exported() {
    let subject = subject();
    let exported = read(&prometheus::text(&subject.registry), Form::Prometheus);
    let samples: BTreeSet<&str> = exported
        .samples
        .keys()
        .map(|(name, _)| name.as_str())
        .collect();
    for name in [
        "alerts.yml",
        "alerts_test.yml",
        "grafana-dashboard.json",
        "README.md",
    ] {
        let text = text(name);
        let named = metrics(&text);
        assert!(!named.is_empty(), "{name}");
        let unknown: Vec<_> = named.difference(&samples).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn the_dashboards_expressions_are_promql() {
    let dashboard = dashboard();
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in panels(&dashboard).iter().flat_map(expressions).enumerate() {
        let expression = expression
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h");
        let quoted = Value::from(expression);
        rules += &format!("  - {{record: 'expression:{number}', expr: {quoted}}}\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    assert_promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        file.to_str().unwrap(),
    ]);
}

#[test]
fn the_dashboard_can_be_imported_anywhere_and_its_panels_can_be_chosen_by_pool() {
    let dashboard = dashboard();
    assert_eq!(dashboard["id"], Value::Null);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "pool", "instance"]);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
        for expression in expressions(panel) {
            let selectors = expression.matches("pool=~\"$pool\"").count();
            assert_eq!(
                selectors,
                expression.matches("db_pool").count(),
                "{expression}"
            );
        }
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} overlaps another panel");
            }
        }
    }
}
