//! What a pool counts, and what each count means.
//!
//! A count is shown in many places: the snapshot, the difference of two, the monitor's samples, the metrics, the page, the printed
//! report. They all take it from [`Counts`], and their documentation takes its meaning from [`definition`], so that one word means
//! one thing everywhere.

use std::ops::Sub;

macro_rules! counts {
    ($($name:ident: $definition:literal;)*) => {
        /// The counts of one pool since it was built, or between two instants.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct Counts {
            $(#[doc = $definition] pub(crate) $name: u64,)*
        }

        /// What came between. If the later counts are those of another pool and smaller, it is 0.
        impl Sub for Counts {
            type Output = Counts;

            fn sub(self, earlier: Counts) -> Counts {
                Counts {
                    $($name: self.$name.saturating_sub(earlier.$name),)*
                }
            }
        }

        /// The sentences that define a count, for the documentation of a field and for the HELP line of a metric.
        macro_rules! definition {
            $(($name) => { $definition };)*
        }
        pub(crate) use definition;
    };
}

counts! {
    checkouts: "Connections handed out. Does not count calls that failed.";
    failed_checkouts: "Calls for a connection that ended without one: at their deadline, refused, cancelled, or with the error of a \
        connect, test or hook. Does not count a try_get that found nothing, nor health checks.";
    checkins: "Hand-outs that have ended in any way: returned, invalidated or detached.";
    waited: "Calls that have waited in the queue, for whatever reason and whatever came of it, each once. They are the callers whose \
        greatest number at once is peak_waiting; health checks that wait in the queue are among them.";
    exhausted: "Calls that had to wait for a connection while none was being opened for them: the pool was at capacity, or 10 connects \
        younger than one second were under way, or connecting was in trouble and one connect was made for all. Counts those that were \
        served in the end and those that failed; they are among those that waited.";
    connection_timeouts: "Calls for a connection that ended at their deadline, whatever they waited for. They are among those that \
        failed. Does not count those that were refused or failed in another way, as with the error of their last attempt to connect.";
    timeouts_at_capacity: "Calls among those that ended at their deadline that got no connection because others were using them all: \
        none was being opened for the caller, no place was free, and more than half of the capacity was checked out. The others waited \
        for a connect, or for a database that was down.";
    overloaded: "Calls refused because as many callers were waiting as the setting max_waiting allows. They are among those that \
        failed.";
    created: "Connections opened that became part of the pool. Does not count those opened too late, which are closed without being \
        used.";
    closed: "Connections that the pool closed, for whatever reason. Does not count detached ones.";
    overflow_closed: "Connections closed at checkin because pool_size connections were idle already.";
    detached: "Connections that their holders took out of the pool for good.";
    connection_errors: "Connects that failed or were abandoned, counting each attempt. Does not count connections that were lost later.";
    refused_full: "Connects that the server refused because it had as many connections as it admits, in all or for this user or \
        database. They are among those that failed.";
    abandoned_connects: "Connects given up at connect_timeout or in favour of another one, including those that returned later.";
    validation_failures: "Pings before hand-out that failed or timed out. Does not count health checks.";
    hook_failures: "Hooks that failed or panicked.";
    health_check_failures: "Health checks that failed, both the monitor's and those asked for. Does not count those skipped because the \
        pool was exhausted.";
}
