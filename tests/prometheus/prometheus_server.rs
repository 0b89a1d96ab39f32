//! A real Prometheus server, which is in Debian's package prometheus, and what it scrapes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Starts the server and kills it when this process ends at the latest, because that closes its standard input.
const WATCHER: &str = r#""$@" & read -r _; kill -9 $!; wait"#;

/// How long the server may take to start and to scrape when the machine is otherwise busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that scrapes this process, until it is dropped.
pub struct Prometheus {
    watcher: Child,
    port: u16,
    directory: TempDir,
}

impl Prometheus {
    /// One job for each path of the port; `more` stands before them in the configuration.
    pub fn scraping(port: u16, jobs: &[&str], interval: &str, more: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let configuration = directory.path().join("prometheus.yml");
        let job = |name: &&str| {
            format!(
                "- job_name: {name}\n  scrape_interval: {interval}\n  metrics_path: /{name}\n  \
                 static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            )
        };
        let jobs: String = jobs.iter().map(job).collect();
        let text = format!("{more}scrape_configs:\n{jobs}");
        fs::write(&configuration, text).unwrap();
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

    /// The data of its answer, if it answers.
    pub fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(serde_json::from_str::<Value>(body).ok()?["data"].take())
    }

    /// The samples that a query finds, as soon as there are any.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let letters =
            percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/api/v1/query?query={letters}");
        self.until(query, || {
            let found = self.ask(&path)?["result"].take();
            let samples = found.as_array().filter(|samples| !samples.is_empty());
            samples.cloned()
        })
    }

    /// Asks until there is an answer.
    pub fn until<T>(&self, what: &str, answer: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = answer() {
                return answer;
            }
            let complaints = || self.complaints();
            assert!(start.elapsed() < PATIENCE, "{what}: {}", complaints());
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

/// Answers each path with the content type and the text that `answer` has for it, for as long as this process lives.
pub fn serve(answer: impl Fn(&str) -> (&'static str, String) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let path = request.split(' ').nth(1).unwrap();
            let (kind, text) = answer(path);
            let written = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            // At the test's end Prometheus is killed in the middle of a scrape.
            drop(written);
        }
    });
    port
}
