//! Checkouts and checkins: counted, and who holds what.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::gate::Notice;
use crate::gate::counters::Counters;
use crate::gate::holders::HolderRecord;
use crate::gate::places::Place;
use crate::gate::state::State;

impl<M: Manager> State<M> {
    /// Its connection is somebody else's now.
    pub(crate) fn count_detached(&mut self, place: Place) {
        self.counters.counts.detached += 1;
        self.ended(place);
    }

    /// A connection has ended, and its place is free.
    pub(super) fn ended(&mut self, place: Place) {
        drop(place);
        self.counts_changed = true;
        self.may_open = true;
        self.something_ended = true;
    }

    /// The counts and the number of waiters, for a sample. The maxima since the last sample start anew.
    pub(crate) fn take_sample(&mut self) -> (Counters, u64) {
        let counters = self.counters.clone();
        let waiting = self.waiters.len() as u64;
        self.counters.recent_checked_out = counters.out();
        self.counters.recent_total = counters.total();
        self.counters.recent_waiting = waiting;
        (counters, waiting)
    }

    /// Warns of holders that have had their connections for longer than `limit`: each once, and all of one source line together,
    /// in one line of the log a minute.
    pub(crate) fn warn_of_holders(&mut self, limit: Duration, now: Instant) {
        let warned = &self.warned_of;
        let mut lines: BTreeMap<SourceLine, Overdue> = BTreeMap::new();
        self.each_holder(|holder| {
            let held = now.saturating_duration_since(holder.since);
            let line = (holder.location.file(), holder.location.line());
            if held < limit
                || holder.warned
                || warned.get(&line).is_some_and(|at| now < *at + MINUTE)
            {
                return;
            }
            holder.warned = true;
            let overdue = lines.entry(line).or_default();
            overdue.count += 1;
            if overdue
                .longest
                .as_ref()
                .is_none_or(|(most, _)| *most < held)
            {
                overdue.longest = Some((held, holder.clone()));
            }
        });
        self.warned_of.retain(|_, at| now < *at + MINUTE);
        for (line, overdue) in lines {
            self.warned_of.insert(line, now);
            if let Some(words) = overdue.words() {
                self.notice(Notice::Warning(words));
            }
        }
    }
}

/// Of the holders of one source line at most one line is logged in this time: a line that leaks would fill the log. What became
/// overdue meanwhile and still is comes with the next.
const MINUTE: Duration = Duration::from_secs(60);

/// A file and a line in it. Not a location: one line may have several, one for each type that its code was compiled for.
pub(super) type SourceLine = (&'static str, u32);

/// The holders of one source line that are to be warned of.
#[derive(Default)]
struct Overdue {
    count: usize,
    longest: Option<(Duration, HolderRecord)>,
}

impl Overdue {
    fn words(&self) -> Option<String> {
        let (held, holder) = self.longest.as_ref()?;
        let words = format!(
            "connection {} has been held by {} at {} for {held:.1?}",
            holder.connection_id, holder.thread, holder.location
        );
        Some(match self.count {
            1 => words,
            2 => format!("{words}; another that was taken there has been held for too long, too"),
            count => format!(
                "{words}; {} others that were taken there have been held for too long, too",
                count - 1
            ),
        })
    }
}
