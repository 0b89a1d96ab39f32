//! The collector in one of prometheus-client's own registries, next to other metrics.

use prometheus::prometheus_client::encoding::text::encode;
use prometheus::prometheus_client::metrics::counter::Counter;
use prometheus::prometheus_client::registry::Registry;
use queuepool::prometheus::{self, Collector};

use crate::exposition::{Form, labels, read};
use crate::subject::subject;

/// The registry's OpenMetrics text, without its last line.
pub fn open_metrics(metrics: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, metrics).unwrap();
    let Some(text) = text.strip_suffix("# EOF\n") else {
        panic!("no EOF line: {text}")
    };
    text.to_owned()
}

#[test]
fn the_collector_gives_the_same_samples_as_the_text_in_openmetrics_form() {
    let subject = subject();
    let registry = &subject.registry;
    let mut metrics = Registry::default();
    metrics.register_collector(Box::new(Collector::new(registry)));
    let collected = read(&open_metrics(&metrics), Form::OpenMetrics);
    let text = read(&prometheus::text(registry), Form::Prometheus);
    assert_eq!(collected.samples, text.samples);
    assert_eq!(collected.families.len(), text.families.len());
    assert_eq!(collected.families["db_pool_checkouts"].kind, "counter");
    assert_eq!(collected.families["db_pool"].kind, "info");
    assert_eq!(
        collected.families["db_pool_checkouts"].help,
        text.families["db_pool_checkouts_total"].help
    );
}

#[test]
fn the_registrys_own_prefix_and_labels_are_kept() {
    let subject = subject();
    let registry = &subject.registry;
    let mut metrics =
        Registry::with_prefix_and_labels("shop", [("zone".into(), "north".into())].into_iter());
    let orders: Counter = Counter::default();
    orders.inc();
    metrics.register("orders", "Orders taken", orders);
    metrics.register_collector(Box::new(Collector::new(registry)));
    let collected = read(&open_metrics(&metrics), Form::OpenMetrics).samples;
    let key = |name: &str| (name.to_owned(), labels("busy", &[("zone", "north")]));
    assert_eq!(collected[&key("shop_db_pool_size")], 3.0);
    assert!(collected.contains_key(&key("shop_db_pool_checkouts_total")));
    assert!(
        collected
            .keys()
            .any(|(name, _)| name == "shop_orders_total")
    );
}
