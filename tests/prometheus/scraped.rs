//! A real Prometheus server scrapes both forms.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use queuepool::prometheus::{self, Collector, prometheus_client};
use serde_json::Value;
use tempfile::TempDir;

use crate::collector::open_metrics;
use crate::exposition::{Form, read};
use crate::subject::{ODD, subject};

/// Starts the server and kills it when this process ends at the latest, because that closes its standard input.
const WATCHER: &str = r#""$@" & read -r _; kill -9 $!; wait"#;

/// How long the server may take to start and to scrape when the machine is otherwise busy.
const PATIENCE: Duration = Duration::from_secs(60);

struct Prometheus {
    watcher: Child,
    port: u16,
    directory: TempDir,
}

impl Prometheus {
    fn scraping(port: u16) -> Self {
        let directory = TempDir::new().unwrap();
        let configuration = directory.path().join("prometheus.yml");
        let job = |name| {
            format!(
                "- job_name: {name}\n  scrape_interval: 3s\n  metrics_path: /{name}\n  \
                 static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            )
        };
        let jobs = format!("scrape_configs:\n{}{}", job("text"), job("openmetrics"));
        fs::write(&configuration, jobs).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let watcher = Command::new("sh")
            .args(["-c", WATCHER, "sh", "prometheus"])
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Prometheus {
            watcher,
            port,
            directory,
        }
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(serde_json::from_str::<Value>(body).ok()?["data"].take())
    }

    /// The samples that a query finds, as soon as there are any.
    fn query(&self, query: &str) -> Vec<Value> {
        let letters =
            percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/api/v1/query?query={letters}");
        let start = Instant::now();
        loop {
            let found = self.ask(&path).map(|mut data| data["result"].take());
            match found.as_ref().and_then(Value::as_array) {
                Some(samples) if !samples.is_empty() => return samples.clone(),
                _ => assert!(start.elapsed() < PATIENCE, "{}", self.complaints()),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Why Prometheus does not scrape.
    fn complaints(&self) -> String {
        let targets = self.ask("/api/v1/targets").unwrap_or_default();
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        format!("{:#}\n{log}", targets["activeTargets"])
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ended = self.watcher.wait();
    }
}

/// Answers each path with its own text and content type, for as long as this process lives.
fn serve(answers: [(&'static str, &'static str, String); 2]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let path = request.split(' ').nth(1).unwrap();
            let (_, kind, text) = answers.iter().find(|(of, ..)| *of == path).unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
    });
    port
}

#[test]
fn a_prometheus_server_takes_both_forms_and_stores_every_series() {
    let subject = subject();
    let registry = &subject.registry;
    let text = prometheus::text(registry);
    let mut metrics = prometheus_client::registry::Registry::default();
    metrics.register_collector(Box::new(Collector::new(registry)));
    let open = open_metrics(&metrics) + "# EOF\n";
    let series = read(&text, Form::Prometheus).samples.len();
    let port = serve([
        ("/text", prometheus::CONTENT_TYPE, text),
        (
            "/openmetrics",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            open,
        ),
    ]);
    let server = Prometheus::scraping(port);
    for job in ["text", "openmetrics"] {
        let found = server.query(&format!("count({{job=\"{job}\",__name__=~\"db_pool.*\"}})"));
        assert_eq!(found[0]["value"][1], series.to_string(), "{job}");
        let sizes = server.query(&format!("db_pool_size{{job=\"{job}\"}}"));
        let odd = sizes.iter().find(|size| size["metric"]["pool"] == ODD);
        assert_eq!(odd.unwrap_or_else(|| panic!("{sizes:#?}"))["value"][1], "1");
    }
}
