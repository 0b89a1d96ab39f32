//! A real Prometheus server scrapes both forms.

use queuepool::prometheus::{self, Collector, prometheus_client};

use crate::collector::open_metrics;
use crate::exposition::{Form, read};
use crate::prometheus_server::{Prometheus, serve};
use crate::subject::{ODD, subject};

#[test]
fn a_prometheus_server_takes_both_forms_and_stores_every_series() {
    let subject = subject();
    let registry = &subject.registry;
    let text = prometheus::text(registry);
    let mut metrics = prometheus_client::registry::Registry::default();
    metrics.register_collector(Box::new(Collector::new(registry)));
    let open = open_metrics(&metrics) + "# EOF\n";
    let series = read(&text, Form::Prometheus).samples.len();
    let port = serve(move |path| match path {
        "/text" => (prometheus::CONTENT_TYPE, text.clone()),
        _ => (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            open.clone(),
        ),
    });
    let server = Prometheus::scraping(port, &["text", "openmetrics"], "3s", "");
    for job in ["text", "openmetrics"] {
        let found = server.query(&format!("count({{job=\"{job}\",__name__=~\"db_pool.*\"}})"));
        assert_eq!(found[0]["value"][1], series.to_string(), "{job}");
        let sizes = server.query(&format!("db_pool_size{{job=\"{job}\"}}"));
        let odd = sizes.iter().find(|size| size["metric"]["pool"] == ODD);
        assert_eq!(odd.unwrap_or_else(|| panic!("{sizes:#?}"))["value"][1], "1");
    }
}
