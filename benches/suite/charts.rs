//! The charts of the guide's comparison, as SVG. They are legible on light and dark pages, and use whatever font the reader's
//! system has.

use std::fmt::Write;

use crate::row::{Row, number};

struct Chart {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    /// From the unit of the rows.
    scale: f64,
    /// A logarithmic axis, where the bars would otherwise be all or nothing.
    logarithmic: bool,
    /// Rows, and how the chart calls them.
    rows: &'static [(&'static str, &'static str)],
    /// Besides queuepool.
    pools: &'static [&'static str],
}

const CHARTS: [Chart; 3] = [
    Chart {
        file: "pairs.svg",
        title: "One get and drop, all threads together",
        unit: "ns, shorter is better",
        scale: 1.0,
        logarithmic: false,
        rows: &[
            ("pairs/1-on-10", "1 thread, 10 connections"),
            ("pairs/2-on-10", "2 threads, 10"),
            ("pairs/4-on-10", "4 threads, 10"),
            ("pairs/8-on-10", "8 threads, 10"),
            ("pairs/8-on-8", "8 threads, 8"),
            ("pairs/8-on-4", "8 threads, 4"),
            ("pairs/32-on-10", "32 threads, 10"),
            ("pairs/32-on-4", "32 threads, 4"),
        ],
        pools: &["r2d2", "HikariCP"],
    },
    Chart {
        file: "waits.svg",
        title: "The longest wait for a connection",
        unit: "ms, logarithmic, shorter is better",
        scale: 1e-3,
        logarithmic: true,
        rows: &[
            (
                "waits/8-on-4-1000us longest",
                "8 threads, 4 connections, held 1 ms",
            ),
            ("waits/32-on-4-1000us longest", "32 threads, 4, held 1 ms"),
            ("waits/64-on-10-1000us longest", "64 threads, 10, held 1 ms"),
            ("waits/64-on-4-100us longest", "64 threads, 4, held 100 us"),
            ("pairs/32-on-10 longest wait", "32 threads, 10, not held"),
            ("pairs/32-on-4 longest wait", "32 threads, 4, not held"),
        ],
        pools: &["r2d2", "HikariCP"],
    },
    Chart {
        file: "selects.svg",
        title: "A checkout, SELECT 1 and the return, at each pool's defaults",
        unit: "us, shorter is better",
        scale: 1.0,
        logarithmic: false,
        rows: &[
            ("selects/postgres-plain defaults", "PostgreSQL"),
            ("selects/postgres-tls defaults", "PostgreSQL, TLS"),
            ("selects/mariadb defaults", "MariaDB"),
        ],
        pools: &["r2d2", "mysql::Pool", "held"],
    },
];

const WIDTH: f64 = 720.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 70.0;
const BAR: f64 = 13.0;
const GAP: f64 = 12.0;
const TOP: f64 = 74.0;

/// Mid-tones, with contrast on white and on black, that people with colour-blindness tell apart.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#444}.t{font-size:15px;font-weight:600}.u{fill:#777}\
                     .b0{fill:#2f81f7}.b1{fill:#d29922}.b2{fill:#8b949e}.b3{fill:#a371f7}line{stroke:#999}\
                     @media(prefers-color-scheme:dark){text{fill:#ddd}.u{fill:#aaa}}";

/// The charts whose rows were all measured, by the names of their files.
pub fn draw(rows: &[Row], is_quick: bool) -> Vec<(&'static str, String)> {
    let charts = CHARTS.iter();
    charts
        .filter_map(|chart| Some((chart.file, one(chart, rows, is_quick)?)))
        .collect()
}

fn one(chart: &Chart, rows: &[Row], is_quick: bool) -> Option<String> {
    // What each row shows of each pool, queuepool first; not every row has every pool.
    let groups: Vec<(&str, Vec<(usize, f64)>)> = chart
        .rows
        .iter()
        .map(|(name, label)| {
            let row = rows.iter().find(|row| row.name == *name)?;
            let others = chart.pools.iter().enumerate();
            let others = others
                .filter_map(|(at, pool)| Some((at + 1, row.theirs(pool)?.median * chart.scale)));
            let bars = [(0, row.ours().median * chart.scale)]
                .into_iter()
                .chain(others)
                .collect();
            Some((*label, bars))
        })
        .collect::<Option<_>>()?;
    let values = || {
        groups
            .iter()
            .flat_map(|(_, bars)| bars)
            .map(|(_, value)| *value)
    };
    let greatest = values().fold(0.0, f64::max);
    let least = values().fold(f64::INFINITY, f64::min);
    let room = WIDTH - LEFT - RIGHT;
    let length = |value: f64| {
        if chart.logarithmic {
            // The axis begins at the power of ten below the least.
            let begin = least.max(1e-3).log10().floor();
            room * ((value.max(1e-3).log10() - begin) / (greatest.log10() - begin)).max(0.004)
        } else {
            room * value / greatest
        }
    };
    let mut body = String::new();
    let mut y = TOP;
    for (label, bars) in &groups {
        let middle = y + BAR * bars.len() as f64 / 2.0 + 4.0;
        let x = LEFT - 10.0;
        let _ = write!(
            body,
            r#"<text x="{x}" y="{middle:.0}" text-anchor="end">{label}</text>"#
        );
        for (pool, value) in bars {
            let (length, base, text) = (length(*value), y + BAR - 3.0, number(*value));
            let height = BAR - 2.0;
            let _ = write!(
                body,
                r#"<rect class="b{pool}" x="{LEFT}" y="{y}" width="{length:.1}" height="{height}"/><text x="{:.1}" y="{base}">{text}</text>"#,
                LEFT + length + 5.0
            );
            y += BAR;
        }
        y += GAP;
    }
    let mut legend = String::new();
    let mut x = LEFT;
    let named = std::iter::once(&"queuepool").chain(chart.pools).enumerate();
    for (at, pool) in named {
        if !groups
            .iter()
            .any(|(_, bars)| bars.iter().any(|(pool, _)| *pool == at))
        {
            continue;
        }
        let _ = write!(
            legend,
            r#"<rect class="b{at}" x="{x}" y="48" width="11" height="11"/><text x="{}" y="58">{pool}</text>"#,
            x + 16.0
        );
        x += 30.0 + 7.0 * pool.len() as f64;
    }
    let note = if is_quick { ", from a quick run" } else { "" };
    let (title, unit, bottom) = (chart.title, chart.unit, y - GAP);
    Some(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" aria-label="{title}"><style>{STYLE}</style><text class="t" x="10" y="22">{title}</text><text class="u" x="10" y="40">{unit}{note}</text>{legend}<line x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{bottom}"/>{body}</svg>
"#
    ))
}
