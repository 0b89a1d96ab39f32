//! The text is well-formed according to promtool and to the rules for names and help texts.

use queuepool::{Registry, prometheus};

use crate::exposition::{Form, read};
use crate::promtool::promtool;
use crate::subject::subject;

#[test]
fn promtool_has_nothing_to_complain_of() {
    let text = prometheus::text(&subject().registry);
    assert_eq!(
        promtool(&["check", "metrics"], &text),
        (true, String::new())
    );
}

#[test]
fn promtool_does_complain_of_a_counter_without_total_and_of_a_bad_label() {
    let text = prometheus::text(&subject().registry);
    for (good, bad) in [
        ("db_pool_checkouts_total", "db_pool_checkouts"),
        ("pool=\"busy\"", "pool=\"bu\"sy\""),
    ] {
        let (content, said) = promtool(&["check", "metrics"], &text.replace(good, bad));
        assert!(!content && !said.is_empty(), "{bad}: {said}");
    }
}

#[test]
fn an_empty_registry_has_no_metrics() {
    assert_eq!(prometheus::text(&Registry::new()), "");
}

#[test]
fn every_metric_has_the_prefix_a_type_and_a_help_of_whole_sentences() {
    let exposition = read(&prometheus::text(&subject().registry), Form::Prometheus);
    for (name, family) in &exposition.families {
        assert!(name.starts_with("db_pool_"), "{name}");
        assert!(
            ["counter", "gauge", "histogram"].contains(&family.kind.as_str()),
            "{name}: {}",
            family.kind
        );
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
        assert!(!family.help.contains(['\\', '\n']), "{name}");
    }
    for promised in [
        "db_pool_size",
        "db_pool_checked_out",
        "db_pool_overflow",
        "db_pool_utilization",
        "db_pool_wait_time",
    ] {
        assert!(exposition.families.contains_key(promised), "{promised}");
    }
}

#[test]
fn a_pool_added_later_is_in_the_next_scrape() {
    let registry = Registry::new();
    let clone = registry.clone();
    let pool = support::scripted::Server::new().pool(crate::subject::settings(1, 0));
    clone.add("late", pool).unwrap();
    assert!(prometheus::text(&registry).contains("db_pool_size{pool=\"late\"} 1\n"));
}

/// The bytes of the definitions, which stand once in a scrape, and of the samples.
fn bytes(registry: &Registry) -> (usize, usize) {
    let text = prometheus::text(registry);
    let (definitions, samples): (Vec<_>, Vec<_>) = text
        .split_inclusive('\n')
        .partition(|line| line.starts_with('#'));
    (definitions.concat().len(), samples.concat().len())
}

#[test]
fn a_scrape_is_as_large_as_the_documentation_says() {
    let quiet = || {
        let server = support::scripted::Server::new();
        let pool = server.pool(crate::subject::settings(5, 10));
        drop(pool.get().unwrap());
        pool
    };
    let one = Registry::new().add("orders", quiet()).unwrap();
    let (definitions, first) = bytes(&one);
    let two = one.clone().add("stocks", quiet()).unwrap();
    let (same, both) = bytes(&two);
    println!("definitions {definitions} bytes, samples of one pool {first}, of two {both}");
    assert_eq!(definitions, same);
    assert!(definitions < 10_000, "{definitions}");
    assert!(first < 8_000 && both < 2 * 8_000, "{first} {both}");
}
