//! Which sizes a pool should have: advice on pool_size and max_overflow.
//!
//! All advice can be followed: each value that is recommended passes validation and stays within what the server accepts, both on
//! its own and together with the others in the same report. If nothing can be raised, the advice is to hold connections for a
//! shorter time. While the database cannot be reached, there is no advice on sizes at all.

use crate::base::words::counted;
use crate::observe::health::Health;
use crate::observe::limit::{kept, most, on_server_limit, why_no_more};
use crate::observe::status::{Status, most_frequent_line};
use crate::settings::Settings;

/// A size counts as too large only if it was not needed for this long, in seconds, ...
const LONG_ENOUGH: f64 = 3600.0;

/// ... and over this many checkouts: a pool that is hardly used tells nothing about the size that it needs.
const ENOUGH_CHECKOUTS: u64 = 1000;

/// Pools of at most this size are too small for advice to be worthwhile.
const SMALL: u64 = 5;

/// The default of max_overflow. An overflow up to this size never counts as too large, nor does one of up to twice pool_size,
/// which is enough for a burst of three times the usual load. Most of the overflow is unused most of the time, as it should be.
const USUAL_OVERFLOW: u64 = 20;

/// A pool that is too small, or that is larger than the server's limit allows, is given only the advice about that: one report
/// never recommends both raising and lowering the same setting.
///
/// An outage fills a pool with connections whose holders wait for the server, and the queue with callers for whom none can be
/// opened. Neither tells which size the pool needs, and a change of sizes would draw attention from the server.
pub(crate) fn on_sizes(status: &Status) -> Vec<String> {
    if is_cut_off(status) {
        return Vec::new();
    }
    // A leak would fill a larger pool too, and what has been seen meanwhile is its own.
    if status.leak_detected && !status.old_holders().is_empty() {
        return on_server_limit(status).into_iter().collect();
    }
    // A full server has no more to give.
    let exhaustion = on_exhaustion(status).filter(|_| !status.full_lately);
    if let Some(lower) = on_server_limit(status) {
        return exhaustion
            .map(|exhaustion| exhaustion.advice)
            .into_iter()
            .chain([lower])
            .collect();
    }
    if let Some(Exhaustion {
        advice,
        max_overflow,
    }) = exhaustion
    {
        let usual = on_overflow(status, max_overflow);
        return [advice].into_iter().chain(usual).collect();
    }
    if status.full_lately {
        return Vec::new();
    }
    match on_overflow(status, status.max_overflow).or_else(|| on_use(status)) {
        Some(advice) => vec![advice],
        None => on_unused(status),
    }
}

/// Both are asked, because a failed health check alone begins no outage, and a check that succeeds ends none.
fn is_cut_off(status: &Status) -> bool {
    status.database_error.is_some() || status.unreachable_for.is_some()
}

/// The smallest capacity at which `out` connections in use are not critical.
fn capacity_for(out: u64, settings: &Settings) -> u64 {
    (out as f64 * 100.0 / settings.critical_utilization).ceil() as u64
}

/// The smallest pool_size (in null mode, capacity) at which `out` connections in use are not a warning.
fn size_for(out: u64, settings: &Settings) -> u64 {
    ((out as f64 * 100.0 / settings.warning_utilization).floor() as u64).saturating_add(1)
}

struct Exhaustion {
    advice: String,
    /// The value that is recommended, or the present one if there is no room for more.
    max_overflow: u64,
}

/// Advice if nearly all connections are checked out, or if some callers got none.
fn on_exhaustion(status: &Status) -> Option<Exhaustion> {
    let timed_out = status
        .recent
        .filter(|recent| recent.timeouts_at_capacity > 0);
    let is_full = status.health == Health::Critical || status.leak_detected;
    let now = status.checked_out + status.waiting_requests;
    let (wanted, evidence) = match timed_out {
        Some(recent) => (
            now.max(recent.short.checked_out + recent.short.waiting),
            format!(
                "{} timed out in the last {}, at most {} out and {} waited",
                counted(recent.timeouts_at_capacity, "checkout", "checkouts"),
                minutes(recent.seconds),
                counted(
                    recent.short.checked_out,
                    "connection was",
                    "connections were"
                ),
                counted(recent.short.waiting, "caller", "callers")
            ),
        ),
        None if is_full => (
            now,
            format!(
                "{} of {} connections are out and {}; {}",
                status.checked_out,
                status.total_capacity,
                counted(status.waiting_requests, "caller waits", "callers wait"),
                most_frequent_line(&status.holders)
            ),
        ),
        None => {
            let (wanted, evidence) = timed_out_ever(status)?;
            (wanted.max(now), evidence)
        }
    };
    let capacity = capacity_for(wanted, &status.configuration).max(status.total_capacity + 1);
    let more = capacity
        .min(most(status))
        .saturating_sub(status.total_capacity);
    let max_overflow = status.max_overflow + more;
    let advice = match more {
        0 => format!(
            "Hold connections for a shorter time: {evidence}, and {}.",
            why_no_more(status)
        ),
        _ => format!(
            "Raise max_overflow from {} to {max_overflow}, or hold connections for a shorter time: {evidence}.",
            status.max_overflow
        ),
    };
    Some(Exhaustion {
        advice,
        max_overflow,
    })
}

/// What the totals say where no history is kept, as of a batch job that prints its status at its end: at least one call in a hundred
/// timed out, and others had all connections then.
fn timed_out_ever(status: &Status) -> Option<(u64, String)> {
    let calls = status.checkouts + status.failed_checkouts;
    let was_short = status.peak_checked_out >= status.total_capacity
        && status.pool_exhausted_count >= status.connection_timeouts;
    let many = status.connection_timeouts > 0 && status.connection_timeouts * 100 >= calls;
    (status.recent.is_none() && was_short && many).then(|| {
        let evidence = format!(
            "{} of {calls} calls timed out since the start, when at most {} out and {} waited",
            status.connection_timeouts,
            counted(
                status.peak_checked_out,
                "connection was",
                "connections were"
            ),
            counted(status.peak_waiting, "caller", "callers")
        );
        (status.peak_checked_out + status.peak_waiting, evidence)
    })
}

/// Advice if the usual load needs the overflow, whose connections are closed after use and have to be opened again each time.
fn on_overflow(status: &Status, max_overflow: u64) -> Option<String> {
    let recent = status.recent?;
    let lives_there =
        status.size > 0 && recent.checked_out_p99 > status.size && recent.overflow_closed > 0;
    let raise = lives_there
        .then(|| raise_pool_size(status, recent.checked_out_p99, max_overflow))
        .flatten()?;
    Some(format!(
        "{raise}: {} were in use at the 99th percentile of the last {}, and {} closed for want of a place to stay.",
        recent.checked_out_p99,
        minutes(recent.seconds),
        counted(recent.overflow_closed, "connection was", "connections were")
    ))
}

/// Recommends raising pool_size to `to`, or to as much as the server accepts. If that limit leaves no room, max_overflow is to be
/// lowered by as much; but if the report has just raised it to `max_overflow`, there is no advice.
fn raise_pool_size(status: &Status, to: u64, max_overflow: u64) -> Option<String> {
    let most = most(status);
    let to = to.min(most);
    let more = to.checked_sub(status.size).filter(|more| *more > 0)?;
    let raise = format!("Raise pool_size from {} to {to}", status.size);
    if to + max_overflow <= most {
        return Some(raise);
    }
    (max_overflow == status.max_overflow).then(|| {
        format!(
            "{raise}, and lower max_overflow from {max_overflow} to {},",
            max_overflow.saturating_sub(more)
        )
    })
}

/// Advice if many connections are in use at this moment, while nothing is known about other moments.
fn on_use(status: &Status) -> Option<String> {
    if status.health != Health::Warning {
        return None;
    }
    let enough = size_for(status.checked_out, &status.configuration);
    let (raise, evidence) = if status.size == 0 {
        let capacity = enough.min(most(status));
        let more = capacity.saturating_sub(status.total_capacity);
        let raise = (more > 0).then(|| {
            format!(
                "Raise max_overflow from {} to {}",
                status.max_overflow,
                status.max_overflow + more
            )
        });
        let evidence = format!(
            "{} of {} connections are in use",
            status.checked_out, status.total_capacity
        );
        (raise, evidence)
    } else {
        let evidence = format!(
            "{} in use, {:.0} % of pool_size",
            counted(status.checked_out, "connection is", "connections are"),
            status.checked_out as f64 * 100.0 / status.size as f64
        );
        let raise = raise_pool_size(status, enough, status.max_overflow);
        (raise, evidence)
    };
    Some(match raise {
        Some(raise) => format!("{raise} if this is the usual load: {evidence}."),
        None => format!(
            "Hold connections for a shorter time if this is the usual load: {evidence}, and {}.",
            why_no_more(status)
        ),
    })
}

/// The most connections that were used, over a time that is long enough to judge by.
struct Use {
    checked_out: u64,
    total: u64,
    /// Whether this covers the whole life of the pool, and not only the last hour.
    is_all: bool,
}

/// Covers the last hour, if the monitor has seen enough of it: a single burst should not count for the rest of the pool's life.
fn long_use(status: &Status) -> Option<Use> {
    let enough = |checkouts: u64| checkouts >= ENOUGH_CHECKOUTS;
    let hour = status.last_hour.filter(|hour| enough(hour.checkouts));
    if let Some(hour) = hour {
        return Some(Use {
            checked_out: hour.peak_checked_out,
            total: hour.peak_total,
            is_all: false,
        });
    }
    let is_known = status.uptime.as_secs_f64() >= LONG_ENOUGH && enough(status.checkouts);
    is_known.then_some(Use {
        checked_out: status.peak_checked_out,
        total: status.peak_total,
        is_all: true,
    })
}

/// pool_size is too large if no more than half of it was ever in use. One and a half times that use is then enough.
///
/// max_overflow is too large if half of it would be enough. Enough is one and a half times what was ever open beyond pool_size,
/// and at least [`USUAL_OVERFLOW`] and twice pool_size. An overflow that normal times never need is not harmless: in a leak it
/// would take the server's last connections.
///
/// Nothing is lowered so far that the same use would be a warning, or critical. In null mode there is no such advice, because no
/// connections are kept that could be too many.
fn on_unused(status: &Status) -> Vec<String> {
    let Some(used) = long_use(status).filter(|_| status.size > 0) else {
        return Vec::new();
    };
    let settings = &status.configuration;
    let half_as_much_again = |count: u64| (count * 3).div_ceil(2);
    let since = |ever: u64| match used.is_all {
        true => format!(
            "in the {:.0} h since the pool was built",
            status.uptime.as_secs_f64() / 3600.0
        ),
        false => format!("in the last hour ({ever} since the pool was built)"),
    };
    let mut advice = Vec::new();

    let mut size = status.size;
    let enough = half_as_much_again(used.checked_out)
        .max(size_for(used.checked_out, settings))
        .max(kept(settings));
    if size > SMALL && used.checked_out * 2 <= size && enough < size {
        advice.push(format!(
            "Lower pool_size from {size} to {enough}: no more than {} in use at once {}.",
            counted(used.checked_out, "connection was", "connections were"),
            since(status.peak_checked_out)
        ));
        size = enough;
    }

    let beyond = |total: u64| total.saturating_sub(status.size);
    let enough = half_as_much_again(beyond(used.total))
        .max(capacity_for(used.checked_out, settings).saturating_sub(size))
        .max(size * 2)
        .max(USUAL_OVERFLOW);
    if enough * 2 <= status.max_overflow {
        advice.push(format!(
            "Lower max_overflow from {} to {enough}: no more than {} connections beyond pool_size were open at once {}.",
            status.max_overflow,
            beyond(used.total),
            since(beyond(status.peak_total))
        ));
    }
    advice
}

fn minutes(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} minutes", seconds / 60.0),
    }
}
