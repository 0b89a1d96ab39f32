//! The bench suite: `cargo bench -p queuepool-benches`, or with `-- --quick`. benches/README.md tells what each row measures.

mod charts;
mod load;
mod measure;
mod memory;
mod nothing;
mod pairs;
mod peer;
mod pinning;
mod recovery;
mod report;
mod row;
mod selects;
mod servers_here;
mod sizes;
mod sqlite;
mod sqlite_in_memory;
mod status;
mod storms;
mod waits;
mod watched;

#[path = "../../tests/support/certificates.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod certificates;
#[path = "../../tests/support/servers/mod.rs"]
mod servers;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use pinning::Processors;
use row::Row;

const USAGE: &str = "\
cargo bench -p queuepool-benches -- [OPTIONS] [NAME]...

Measures the rows whose names begin with one of these; all of them without a name.

  --full             at least seven rounds of each, less than twenty minutes; so it is without --quick
  --quick            less than two minutes: shows that the suite works, and no more
  --list             the names of the sections, which the names of their rows begin with
  --python PROGRAM   the Python that has SQLAlchemy (python3)
  --json FILE        where the results go (target/suite/results.json)
  --charts FOLDER    where the charts go (target/suite)
";

/// A section measures some rows, whose names begin with its own.
struct Section {
    name: &'static str,
    rows: fn(&mut Suite),
}

const SECTIONS: [Section; 11] = [
    Section {
        name: "pairs",
        rows: pairs::rows,
    },
    Section {
        name: "waits",
        rows: waits::rows,
    },
    Section {
        name: "sizes",
        rows: sizes::rows,
    },
    Section {
        name: "status",
        rows: status::rows,
    },
    Section {
        name: "memory",
        rows: memory::rows,
    },
    Section {
        name: "selects",
        rows: selects::rows,
    },
    Section {
        name: "storms",
        rows: storms::rows,
    },
    Section {
        name: "recovery",
        rows: recovery::rows,
    },
    Section {
        name: "load",
        rows: load::rows,
    },
    Section {
        name: "sqlite",
        rows: sqlite::rows,
    },
    Section {
        name: "sqlite-in-memory",
        rows: sqlite_in_memory::rows,
    },
];

pub struct Options {
    quick: bool,
    list: bool,
    python: String,
    json: PathBuf,
    charts: PathBuf,
    names: Vec<String>,
}

impl Options {
    fn parse() -> Result<Options, lexopt::Error> {
        use lexopt::prelude::*;
        // Only cargo knows where its target folder is: this is the folder "tmp" in it.
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../suite");
        let mut options = Options {
            quick: false,
            list: false,
            python: "python3".to_owned(),
            json: target.join("results.json"),
            charts: target,
            names: Vec::new(),
        };
        // Cargo runs a bench in the folder of its crate; paths are meant from where the command was given.
        let here = |path: std::ffi::OsString| {
            std::env::var_os("PWD").map_or_else(
                || path.clone().into(),
                |here| PathBuf::from(here).join(&path),
            )
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("quick") => options.quick = true,
                Long("full") => options.quick = false,
                Long("list") => options.list = true,
                Long("python") => options.python = arguments.value()?.string()?,
                Long("json") => options.json = here(arguments.value()?),
                Long("charts") => options.charts = here(arguments.value()?),
                // Cargo adds it.
                Long("bench") => {}
                Long("help") | Short('h') => {
                    print!("{USAGE}");
                    std::process::exit(0);
                }
                Value(name) => options.names.push(name.string()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }
}

/// What the sections are given, and where they put their rows.
pub struct Suite {
    options: Options,
    processors: Processors,
    rows: Vec<Row>,
    /// Rows that were not measured, and what to install for them.
    not_installed: Vec<(String, &'static str)>,
    /// The names and versions of the pools in other languages.
    peers: Vec<String>,
    /// The system's load when the suite began.
    load_before: Option<String>,
    /// Sections that panicked.
    failures: Vec<String>,
}

impl Suite {
    /// Full or quick.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    fn window(&self, full_milliseconds: u64) -> Duration {
        Duration::from_millis(self.pick(full_milliseconds, full_milliseconds.min(40)))
    }

    /// Whether rows are asked for whose names are this or begin with it.
    fn wants(&self, name: &str) -> bool {
        let names = &self.options.names;
        let is_asked = |asked: &String| name.starts_with(asked.as_str()) || asked.starts_with(name);
        names.is_empty() || names.iter().any(is_asked)
    }

    fn add(&mut self, row: Row) {
        row.print();
        self.rows.push(row);
    }

    fn not_installed(&mut self, name: &str, how: &'static str) {
        println!("{name:<46} NOT INSTALLED: {how}");
        self.not_installed.push((name.to_owned(), how));
    }

    fn run(&mut self) {
        for section in SECTIONS {
            if !self.wants(section.name) {
                continue;
            }
            let began = std::time::Instant::now();
            println!("\n== {}", section.name);
            row::print_head();
            // A section that fails must not take the results of the others with it.
            if std::panic::catch_unwind(AssertUnwindSafe(|| (section.rows)(self))).is_err() {
                println!("{:<46} FAILED, as said on the standard error", section.name);
                self.failures.push(section.name.to_owned());
            }
            eprintln!("{} took {:.1?}", section.name, began.elapsed());
        }
    }
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprint!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for section in SECTIONS {
            println!("{}", section.name);
        }
        return ExitCode::SUCCESS;
    }
    watched::run(move || measure(options))
}

fn measure(options: Options) -> ExitCode {
    let mut suite = Suite {
        options,
        processors: Processors::of_this_machine(),
        rows: Vec::new(),
        not_installed: Vec::new(),
        peers: Vec::new(),
        load_before: std::fs::read_to_string("/proc/loadavg")
            .ok()
            .map(|text| text.trim().to_owned()),
        failures: Vec::new(),
    };
    println!("{}", suite.processors.text());
    if let Some(load) = &suite.load_before {
        println!("load of the machine before: {load}");
    }
    suite.run();
    report::write(&suite)
}
