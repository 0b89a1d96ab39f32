//! A snapshot as text for people, at most 80 columns wide.

use std::fmt;
use std::time::{Duration, SystemTime};

use textwrap::core::display_width;

use crate::base::histogram::Histogram;
use crate::observe::status::Status;
use crate::settings::PrePing;

const WIDTH: usize = 80;

/// How many holders are printed, those who have held a connection for longest.
const HOLDERS: usize = 10;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_settings(f)?;
        self.write_state(f)?;
        self.write_recommendations(f)?;
        self.write_times(f)?;
        self.write_counts(f)?;
        self.write_last(f)?;
        self.write_holders(f)
    }
}

impl Status {
    fn write_settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.configuration;
        writeln!(f, "Pool Type: {}", self.pool_type)?;
        writeln!(f, "Size: {}", self.size)?;
        writeln!(f, "Max Overflow: {}", self.max_overflow)?;
        writeln!(f, "Total Capacity: {}", self.total_capacity)?;
        writeln!(f, "Timeout: {:.1}s", settings.timeout.as_secs_f64())?;
        if settings.recycle == Duration::MAX {
            writeln!(f, "Recycle: never")?;
        } else {
            writeln!(f, "Recycle: {}s", settings.recycle.as_secs_f64())?;
        }
        writeln!(f, "Pre-ping: {}", pre_ping_words(settings.pre_ping))
    }

    fn write_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Checked Out: {}", self.checked_out)?;
        writeln!(f, "Checked In: {}", self.checked_in)?;
        writeln!(f, "Overflow: {}", self.overflow)?;
        writeln!(f, "Utilization: {:.1}%", self.utilization)?;
        // The health is about the pool's places. Nobody should read it as the database's.
        let of = match self.database_error {
            Some(_) if !self.closed => " (capacity only: the database is not reached)",
            _ => "",
        };
        writeln!(f, "Health: {}{of}", self.health)
    }

    fn write_recommendations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Recommendations:")?;
        for advice in &self.recommendations {
            write_wrapped(f, "  - ", "    ", advice)?;
        }
        Ok(())
    }

    fn write_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = humantime::format_duration(Duration::from_secs(self.uptime.as_secs()));
        let closed = if self.closed { ", closed" } else { "" };
        let name = format!("{}, built {up} ago{closed}, {}", self.name, time(self.at));
        write_wrapped(f, "Pool: ", "  ", &name)?;
        let calls = format!(
            "{} handed out, {} given back; {} failed, {} of them timed out",
            self.checkouts, self.checkins, self.failed_checkouts, self.connection_timeouts
        );
        write_wrapped(f, "Calls: ", "  ", &calls)?;
        write_wrapped(
            f,
            "Waiting: ",
            "  ",
            &format!(
                "{} now; {} have waited since the start, {} of them for want of a connection",
                self.waiting_requests, self.waited, self.pool_exhausted_count
            ),
        )?;
        writeln!(
            f,
            "{:<6}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "Times", "count", "mean", "p50", "p90", "p99", "p99.9", "max"
        )?;
        write_histogram(f, "wait", &self.connection_acquisition_time)?;
        write_histogram(f, "hold", &self.connection_hold_time)?;
        match self.failed_checkouts {
            0 => Ok(()),
            1 => writeln!(
                f,
                "  (wait: until the hand-out, so without the call that failed)"
            ),
            count => writeln!(
                f,
                "  (wait: until the hand-out, so without the {count} calls that failed)"
            ),
        }
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<String> = self
            .closed_by_reason
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        if reasons.is_empty() {
            reasons.push("none yet".to_owned());
        }
        let connections = format!(
            "{} opened, {} closed ({}), {} detached, {} failed to open",
            self.total_connections_created,
            self.total_connections_closed,
            reasons.join(", "),
            self.detached,
            self.connection_errors
        );
        write_wrapped(f, "Connections: ", "  ", &connections)?;
        let peak = |value: u64, at: Option<SystemTime>| match at {
            Some(at) => format!("{value} at {}", time(at)),
            None => value.to_string(),
        };
        let peaks = format!(
            "checked out {}; open {}; waiting {}",
            peak(self.peak_checked_out, self.peak_checked_out_at),
            peak(self.peak_total, self.peak_total_at),
            peak(self.peak_waiting, self.peak_waiting_at)
        );
        write_wrapped(f, "Peaks: ", "  ", &peaks)?;
        let failures = [
            (self.refused_full, "refused by a full server"),
            (self.validation_failures, "failed tests"),
            (self.health_check_failures, "failed health checks"),
            (self.hook_failures, "failed hooks"),
            (self.overloaded_count, "refused by max_waiting"),
            (self.abandoned_connects, "abandoned connects"),
            (self.in_connect_hook, "in their connect hook now"),
            (self.abandoned, "driver calls that hang now"),
            (self.hung_connects, "of them connects"),
        ];
        let failures: Vec<String> = failures
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if failures.is_empty() {
            return Ok(());
        }
        write_wrapped(f, "Failures: ", "  ", &failures.join(", "))
    }

    fn write_last(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(error), Some(at)) = (&self.last_error, self.last_error_at) {
            write_wrapped(f, "Last Error: ", "  ", &format!("{} {error}", time(at)))?;
        }
        if let Some(at) = self.last_health_check {
            let result = self.last_health_check_error.as_deref();
            let words = format!("{} {}", time(at), result.unwrap_or("the database answered"));
            write_wrapped(f, "Last Health Check: ", "  ", &words)?;
        }
        if let Some(limit) = self.server_limit {
            let remain = match limit.remaining_of(self.total_capacity) {
                1 => "1 connection remains".to_owned(),
                count => format!("{count} connections remain"),
            };
            let fit = match limit.instances_of(self.total_capacity) {
                0 => "no pool of this capacity fits".to_owned(),
                1 => format!("1 pool of this capacity fits, and {remain}"),
                count => format!("{count} pools of this capacity fit, and {remain}"),
            };
            let own = limit.for_user_or_database.map_or(String::new(), |own| {
                format!(", {own} for this user and database")
            });
            let words = format!(
                "{} connections, {} reserved{own}; {fit}",
                limit.max_connections, limit.reserved
            );
            write_wrapped(f, "Server Limit: ", "  ", &words)?;
        }
        Ok(())
    }

    fn write_holders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holders.is_empty() {
            return Ok(());
        }
        match self.holders.len() {
            count @ 0..=HOLDERS => writeln!(f, "Holders: {count}")?,
            count => writeln!(f, "Holders: {count}, the {HOLDERS} longest:")?,
        }
        writeln!(
            f,
            "{:>10}  {:<10}  {:<20}  line",
            "held", "connection", "thread"
        )?;
        for holder in self.holders.iter().take(HOLDERS) {
            let line = holder.line();
            let thread = first_of(&holder.thread, 20);
            let gap = " ".repeat(22 - display_width(&thread));
            writeln!(
                f,
                "{:>10}  {:<10}  {thread}{gap}{}",
                format!("{:.1} s", holder.held_for.as_secs_f64()),
                holder.connection_id,
                last_of(&line, 34)
            )?;
        }
        Ok(())
    }
}

/// Cuts a text to a width. The full text is in the snapshot's data.
fn first_of(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut first = String::new();
    for letter in text.chars() {
        first.push(letter);
        if display_width(&first) >= width {
            first.pop();
            break;
        }
    }
    first.push('…');
    first
}

fn last_of(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail = text.chars().skip(length - width + 1);
    ['…'].into_iter().chain(tail).collect()
}

/// Replaces control characters by spaces. A driver's error text may contain line breaks and escape sequences, and the report is
/// printed on terminals.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn write_wrapped(f: &mut fmt::Formatter<'_>, first: &str, rest: &str, words: &str) -> fmt::Result {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest);
    textwrap::wrap(&printable(words), options)
        .iter()
        .try_for_each(|line| writeln!(f, "{line}"))
}

fn write_histogram(f: &mut fmt::Formatter<'_>, name: &str, times: &Histogram) -> fmt::Result {
    write!(f, "  {name:<4}{:>12}", times.count())?;
    for seconds in [
        times.mean(),
        times.percentile(0.5),
        times.percentile(0.9),
        times.percentile(0.99),
        times.percentile(0.999),
        times.max(),
    ] {
        write!(f, "{:>10}", short(seconds))?;
    }
    writeln!(f)
}

/// A duration with three significant digits and a unit.
fn short(seconds: f64) -> String {
    let (value, unit) = match seconds {
        seconds if seconds >= 99.95 => return format!("{seconds:.0} s"),
        seconds if seconds >= 0.999_5 => (seconds, "s"),
        seconds if seconds >= 0.000_999_5 => (seconds * 1e3, "ms"),
        seconds if seconds > 0.0 => (seconds * 1e6, "us"),
        _ => return "0".to_owned(),
    };
    let decimals = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// A time to the second, in UTC.
fn time(moment: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(moment)
}

fn pre_ping_words(pre_ping: PrePing) -> String {
    match pre_ping {
        PrePing::Never => "off".to_owned(),
        PrePing::Always => "always".to_owned(),
        PrePing::IdleFor(window) => format!("on (unless proved alive within {window:?})"),
    }
}
