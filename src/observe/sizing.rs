//! Which sizes a pool should have: advice on pool_size and max_overflow.
//!
//! What is advised can be done: every value passes validation and stays within what the server takes, each line alone and
//! those of one report together. Where nothing can be raised, connections have to be held for a shorter time.

use crate::observe::health::Health;
use crate::observe::status::{Status, most_frequent_line};
use crate::settings::{GREATEST_CAPACITY, Settings};

/// A size is too large when it was not used for this long, in seconds, ...
const LONG_ENOUGH: f64 = 3600.0;

/// ... and in this many checkouts: a pool that is hardly used says nothing.
const ENOUGH_CHECKOUTS: u64 = 1000;

/// Pools this small are not worth the advice.
const SMALL: u64 = 5;

/// The default max_overflow: one no larger is never too large, nor is twice pool_size, which serves a burst of three times
/// the usual load. Most of it is unused most of the time, and should be.
const USUAL_OVERFLOW: u64 = 20;

/// A pool that is too small is told so alone, and one beyond the server's limit is told of that: one report never raises and
/// lowers the same.
pub(crate) fn on_sizes(status: &Status) -> Vec<String> {
    let exhaustion = on_exhaustion(status);
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
    match on_overflow(status, status.max_overflow).or_else(|| on_use(status)) {
        Some(advice) => vec![advice],
        None => on_unused(status),
    }
}

/// The most connections that this pool can have.
fn most(status: &Status) -> u64 {
    let greatest = u64::from(GREATEST_CAPACITY);
    status
        .server_limit
        .map_or(greatest, |limit| limit.available().min(greatest))
}

fn why_no_more(status: &Status) -> String {
    match status.server_limit.map(|limit| limit.available()) {
        Some(available) if available < u64::from(GREATEST_CAPACITY) => {
            format!("the server takes no more than {available}")
        }
        _ => format!("a pool has no more than {GREATEST_CAPACITY}"),
    }
}

/// The smallest capacity of which `out` are not critical.
fn capacity_for(out: u64, settings: &Settings) -> u64 {
    (out as f64 * 100.0 / settings.critical_utilization).ceil() as u64
}

/// The smallest pool_size (in null mode capacity) of which `out` are not a warning.
fn size_for(out: u64, settings: &Settings) -> u64 {
    ((out as f64 * 100.0 / settings.warning_utilization).floor() as u64).saturating_add(1)
}

struct Exhaustion {
    advice: String,
    /// As advised, or as it is.
    max_overflow: u64,
}

/// Nearly all connections are out, or some callers got none.
fn on_exhaustion(status: &Status) -> Option<Exhaustion> {
    // What leaks fills a larger pool too.
    if status.leak_detected && !status.old_holders().is_empty() {
        return None;
    }
    // Whoever times out because the database is down needs no larger pool.
    let timed_out = status
        .recent
        .filter(|recent| recent.timeouts_at_capacity > 0 && status.unreachable_for.is_none());
    let is_full = status.health == Health::Critical || status.leak_detected;
    let now = status.checked_out + status.waiting_requests;
    let (wanted, evidence) = match timed_out {
        Some(recent) => (
            now.max(recent.short.checked_out + recent.short.waiting),
            format!(
                "{} checkouts timed out in the last {}, {} connections were out and {} callers waited at most",
                recent.timeouts_at_capacity,
                minutes(recent.seconds),
                recent.short.checked_out,
                recent.short.waiting
            ),
        ),
        None if is_full => (
            now,
            format!(
                "{} of {} connections are out and {} callers wait; {}",
                status.checked_out,
                status.total_capacity,
                status.waiting_requests,
                most_frequent_line(&status.holders)
            ),
        ),
        None => return None,
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

/// The usual load lives in the overflow, which is opened and closed again each time.
fn on_overflow(status: &Status, max_overflow: u64) -> Option<String> {
    let recent = status.recent?;
    let lives_there =
        status.size > 0 && recent.checked_out_p99 > status.size && recent.overflow_closed > 0;
    let raise = lives_there
        .then(|| raise_pool_size(status, recent.checked_out_p99, max_overflow))
        .flatten()?;
    Some(format!(
        "{raise}: {} were in use at the 99th percentile of the last {}, and {} connections were closed for want of a place \
         to stay.",
        recent.checked_out_p99,
        minutes(recent.seconds),
        recent.overflow_closed
    ))
}

/// Within what the server takes: where that is used up, at the cost of the overflow, unless the report has just raised it to
/// `max_overflow`.
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

/// Many connections are in use at this moment, and nothing is known of other moments.
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
            "{} connections are in use, {:.0} % of pool_size",
            status.checked_out,
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

fn on_server_limit(status: &Status) -> Option<String> {
    let limit = status.server_limit?;
    let available = limit.available();
    if status.total_capacity <= available {
        return None;
    }
    let server = format!(
        "server takes {} connections and reserves {}",
        limit.max_connections, limit.reserved
    );
    if available == 0 {
        return Some(format!(
            "The {server}: raise its limit, this pool can have none."
        ));
    }
    let kept = kept(&status.configuration);
    let with_it = match kept > available {
        true => ", min_pool_size and warm_up with it",
        false => "",
    };
    let instances = match available {
        1 | 2 => String::new(),
        _ => format!(
            " Of 2 instances each may have {}, of 3 {}.",
            available / 2,
            available / 3
        ),
    };
    Some(format!(
        "Lower pool_size + max_overflow from {} to {available} or less{with_it}: the {server}.{instances}",
        status.total_capacity
    ))
}

/// The smallest pool_size that the other settings admit.
fn kept(settings: &Settings) -> u64 {
    u64::from(settings.min_pool_size.max(settings.warm_up))
}

/// The most that was used over a time long enough to tell.
struct Use {
    checked_out: u64,
    total: u64,
    /// All of the pool's life, and not the last hour only.
    is_all: bool,
}

/// Of the last hour, where the monitor has seen enough of it: one burst is not to count for good.
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

/// pool_size is too large when never more than half of it was in use: half as much again as was is enough. max_overflow is
/// when that leaves [`USUAL_OVERFLOW`] and twice pool_size, and no more than half of what it has: the capacity was open only
/// in part, and what is never open in peace takes the server's last connections in a leak. Nothing is lowered so far that
/// the same use would be a warning, or critical. Null mode keeps no connections that could be too many.
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
            "Lower pool_size from {size} to {enough}: no more than {} connections were in use at once {}.",
            used.checked_out,
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
