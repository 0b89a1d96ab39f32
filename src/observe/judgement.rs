//! What to do about the state of a pool: advice on outages, hanging calls, leaks and sizes.

use std::time::Duration;

use crate::base::words::counted;
use crate::contract::connection_info::CloseReason;
use crate::observe::health::Health;
use crate::observe::sizing::on_sizes;
use crate::observe::status::{Status, most_frequent_line};
use crate::settings::print_duration;

/// The only advice where there is none.
pub(crate) const NOTHING_TO_DO: &str = "Pool is healthy. No action needed.";

/// Fewer connections that were closed because of their reset are worth no advice.
const MANY_RESETS: u64 = 10;

/// What to do, in words, the most urgent first. There is always at least one line: if nothing is to be done, it says so.
pub(crate) fn recommendations(status: &Status) -> Vec<String> {
    if status.closed {
        return vec!["The pool is closed.".to_owned()];
    }
    let advice: Vec<String> = [
        on_outage(status),
        on_full_server(status),
        on_role(status),
        on_hung_calls(status),
        on_resets(status),
        on_leak(status),
        on_longest_holder(status),
    ]
    .into_iter()
    .flatten()
    .chain(on_sizes(status))
    .chain(on_null_mode(status))
    .collect();
    if advice.is_empty() {
        vec![NOTHING_TO_DO.to_owned()]
    } else {
        advice
    }
}

/// From so many connections on the null mode counts as a choice that was not thought about.
const MANY_OPENED: u64 = 1000;

/// The null mode opens a connection for each checkout. On SQLite that makes a query of one row 15 times as dear with one table in
/// the schema and 170 times with 200 (`cargo bench -p queuepool-benches -- sqlite`), and on a server dearer still.
fn on_null_mode(status: &Status) -> Option<String> {
    let opened = status.total_connections_created;
    (status.size == 0 && opened >= MANY_OPENED).then(|| {
        format!(
            "Set mode to queue unless each checkout must have a new connection: the mode null has opened {opened} connections, one \
             for each checkout."
        )
    })
}

fn on_outage(status: &Status) -> Option<String> {
    let error = status.database_error.as_deref()?;
    let since = status.unreachable_for.map_or(String::new(), |time| {
        format!(" for {:.0} s", time.as_secs_f64())
    });
    Some(format!(
        "The database has not been reached{since}: look at the server, the network and the login. The last error: {error}"
    ))
}

/// A full server answers, so neither the network nor the login is at fault.
fn on_full_server(status: &Status) -> Option<String> {
    status.full_since?;
    let others = match status.server_limit.map(|limit| limit.available()) {
        Some(available) => available
            .checked_sub(status.total)
            .map(|others| format!(" Other clients hold {others} of {available} places.")),
        None => (status.total == 0).then(|| " Other clients hold all places.".to_owned()),
    };
    let said = status.last_error.as_deref().unwrap_or_default();
    Some(format!(
        "The server is full, and this pool goes on with {} of {} connections: see who else is connected, raise the limit of the \
         server, role or database, or lower the sizes of all pools that share it.{} It said: {said}",
        status.total,
        status.total_capacity,
        others.unwrap_or_default()
    ))
}

/// What a switch-over needs that did not arrive here.
fn on_role(status: &Status) -> Option<String> {
    let since = status.unsuited_for?.as_secs_f64();
    Some(match status.unsuited_in_vain {
        false => format!(
            "The server has been read-only for {since:.0} s and was not before: its connections are replaced, and if another server \
             has taken over, see that logins lead there."
        ),
        true => format!(
            "The server has been read-only for {since:.0} s, and new connections lead to a read-only server too: look at the proxy \
             or DNS name that decides which server is the primary; behind PgBouncer, whose server connections outlive a switch-over, \
             run RECONNECT on its admin console."
        ),
    })
}

fn on_hung_calls(status: &Status) -> Option<String> {
    (status.abandoned > 0).then(|| {
        format!(
            "{}, {} of them connects: look at the database server, and at firewalls between.",
            counted(status.abandoned, "driver call hangs", "driver calls hang"),
            status.hung_connects
        )
    })
}

/// A driver whose resets fail closes every connection after one use, which nothing else shows.
fn on_resets(status: &Status) -> Option<String> {
    let failed = *status.closed_by_reason.get(&CloseReason::ResetFailed)?;
    (failed >= MANY_RESETS && failed * 10 >= status.checkins).then(|| {
        format!(
            "{failed} of {} returned connections were closed because their reset failed: the log says why.",
            status.checkins
        )
    })
}

/// A full pool is not a leak as long as nobody keeps a connection: under load, callers wait and take what is returned. So the
/// advice speaks of a leak only if somebody has held a connection for longer than leak_after.
fn on_leak(status: &Status) -> Option<String> {
    let full = status.full_for.filter(|_| status.leak_detected)?;
    let full = format!("full for {:.0} s without a break", full.as_secs_f64());
    let leak_after = print_duration(status.configuration.leak_after);
    let old = status.old_holders();
    if old.is_empty() {
        return Some(format!(
            "The pool has been {full}, but nobody has held a connection for longer than leak_after ({leak_after}): that is \
             load rather than a leak."
        ));
    }
    Some(format!(
        "Potential connection leak: the pool has been {full}. Held for longer than leak_after ({leak_after}): {} of {} \
         connections; {}.",
        old.len(),
        status.checked_out,
        most_frequent_line(old)
    ))
}

/// When connections are scarce, this names the line of code that has held one for longest.
fn on_longest_holder(status: &Status) -> Option<String> {
    let holder = status.holders.first()?;
    let is_scarce = status.health == Health::Critical || status.leak_detected;
    let usual = Duration::from_secs_f64(status.connection_hold_time.percentile(0.99));
    let is_unusual = holder.held_for > usual * 10 && status.health == Health::Warning;
    ((is_scarce || is_unusual) && holder.held_for >= Duration::from_secs(1)).then(|| {
        format!(
            "{}:{} has held a connection for {:.0} s on thread {}.",
            holder.location.file(),
            holder.location.line(),
            holder.held_for.as_secs_f64(),
            holder.thread
        )
    })
}
