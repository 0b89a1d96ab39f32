//! Twelve processes, each with a pool of 10 + 20, on one PostgreSQL server with 97 places for them. The twelfth starts late.
//!
//! It is run by name, since it takes minutes: `cargo run -p queuepool-tests --all-features --example twelve`. `QUEUEPOOL_SOAK`
//! says for how many seconds each round lasts, 45 by default. `QUEUEPOOL_FLEET_TABLE=write` writes the results to
//! tests/fleet/README.md. It ends with a failure if something does not hold that must.

mod instance;
#[path = "../table.rs"]
mod table;

use std::env;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use instance::Report;
use queuepool::Database;
use support::servers::Postgres;
use table::{Row, record};

const INSTANCES: usize = 12;
const LATE: Duration = Duration::from_secs(15);

/// The longest that an instance may be without a row, if all know how many they are.
const STARVED: Duration = Duration::from_secs(10);

/// The most connects a second for which an instance may be refused.
const REFUSED: u64 = 10;

/// The pool of all instances in a round, and what is added to its URL.
const ROUNDS: [(&str, &str); 3] = [
    ("queuepool", ""),
    ("queuepool, instances=12", "?pool_instances=12"),
    ("r2d2", ""),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [pool, url, seconds] = arguments.as_slice() {
        let seconds = seconds.parse().expect("a number");
        instance::run(pool, url, Duration::from_secs(seconds));
        return ExitCode::SUCCESS;
    }
    let seconds = env::var("QUEUEPOOL_SOAK").map_or(45, |text| text.parse().expect("a number"));
    let mut broken = Vec::new();
    for (pool, parameters) in ROUNDS {
        let server = start_server();
        let url = format!("{}{parameters}", server.url());
        if let Err(error) = Database::open(&url) {
            broken.push(format!("{pool}: {error}"));
            continue;
        }
        let reports = round(pool, &url, Duration::from_secs(seconds));
        for (number, report) in reports.iter().enumerate() {
            eprintln!("{pool}, instance {}: {report:?}", number + 1);
            broken.extend(
                report
                    .broken(pool)
                    .map(|what| format!("{pool}, instance {}: {what}", number + 1)),
            );
        }
        record(&Row {
            trial: "twelve processes on 97 places",
            server: "PostgreSQL",
            pool,
            seen: &words(&reports),
            lost: 0,
            doubled: 0,
        });
    }
    broken.iter().for_each(|what| eprintln!("BROKEN: {what}"));
    ExitCode::from(u8::from(!broken.is_empty()))
}

/// A server whose table the instances write to.
fn start_server() -> Postgres {
    // Three of the hundred are for administrators.
    let server = Postgres::start_with(&["max_connections=100"]);
    let owner = ::postgres::Client::connect(&server.url(), ::postgres::NoTls);
    let created =
        owner.and_then(|mut owner| owner.batch_execute("CREATE TABLE ledger (number BIGINT)"));
    created.expect("a table");
    server
}

/// Runs all instances. Returns what each reports, the late one last.
fn round(pool: &str, url: &str, lasts: Duration) -> Vec<Report> {
    let mut children: Vec<Child> = (1..INSTANCES).map(|_| start(pool, url, lasts)).collect();
    thread::sleep(LATE);
    children.push(start(pool, url, lasts - LATE));
    let output = |child: Child| {
        child
            .wait_with_output()
            .expect("the instance's output")
            .stdout
    };
    let text = |child| String::from_utf8(output(child)).expect("a line of text");
    children
        .into_iter()
        .map(|child| Report::read(&text(child)))
        .collect()
}

/// This program again, as an instance.
fn start(pool: &str, url: &str, lasts: Duration) -> Child {
    Command::new(env::current_exe().expect("the program's path"))
        .args([pool, url, &lasts.as_secs().to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("an instance")
}

fn words(reports: &[Report]) -> String {
    let most = |of: fn(&Report) -> u64| reports.iter().map(of).max().unwrap_or_default();
    let rows: Vec<u64> = reports.iter().map(|report| report.rows).collect();
    let late = reports.last().expect("the late one");
    let seconds = |milliseconds| milliseconds as f64 / 1e3;
    format!(
        "longest without a row {:.1} s, the late one {:.1} s; rows of an instance {} to {}; at most {} refused connects a second; \
         {} told to grow, {} that others hold the places",
        seconds(most(|report| report.longest_ms)),
        seconds(late.longest_ms),
        rows.iter().min().unwrap_or(&0),
        rows.iter().max().unwrap_or(&0),
        most(|report| report.refused),
        reports
            .iter()
            .filter(|report| report.is_told_to_grow())
            .count(),
        reports
            .iter()
            .filter(|report| report.is_told_of_others())
            .count(),
    )
}

impl Report {
    /// What does not hold and must.
    fn broken(&self, pool: &str) -> impl Iterator<Item = String> {
        let starved = Duration::from_millis(self.longest_ms) > STARVED;
        let all = match pool {
            "r2d2" => vec![],
            "queuepool" => vec![(
                starved && !self.is_told_of_others(),
                "without a row for 10 s, and not told that others hold the places",
            )],
            _ => vec![
                (starved, "without a row for 10 s"),
                (self.is_told_to_grow(), "told to grow beyond its share"),
            ],
        };
        let refused = (
            pool != "r2d2" && self.refused > REFUSED,
            "more than 10 refused connects in a second",
        );
        let broken = all.into_iter().chain([refused]).filter(|(is_so, _)| *is_so);
        broken.map(|(_, what)| what.to_owned())
    }
}
