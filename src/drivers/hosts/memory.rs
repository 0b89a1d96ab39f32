//! What is remembered of hosts and addresses: which gave the last connection, which were silent, and where attempts still wait.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// For so long an address that was silent is tried after all others.
pub(super) const MUTE_FOR: Duration = Duration::from_secs(10);

/// At most so many attempts wait in vain at one address, each of them on a thread. One more would tell nothing new.
const MOST_SILENT: usize = 4;

/// A host, by its number in the list, and which of its addresses, if its name has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) host: usize,
    pub(super) address: Option<SocketAddr>,
}

#[derive(Default)]
pub(super) struct Memory {
    /// Taken alone, and for an instant.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last_good: Option<Target>,
    /// Those that have ever given a connection, with the address that it led to.
    good: HashMap<Target, Option<SocketAddr>>,
    mute_until: HashMap<Target, Instant>,
    last: u64,
    running: HashMap<u64, Running>,
}

struct Running {
    target: Target,
    passed_over: bool,
}

impl Memory {
    pub(super) fn last_good(&self) -> Option<Target> {
        self.known.lock().last_good
    }

    pub(super) fn is_mute(&self, target: Target, now: Instant) -> bool {
        let known = self.known.lock();
        known
            .mute_until
            .get(&target)
            .is_some_and(|until| now < *until)
    }

    /// Notes an attempt, unless too many wait there already. The number is for [`pass_over`](Memory::pass_over) and
    /// [`end`](Memory::end).
    pub(super) fn begin(&self, target: Target) -> Option<u64> {
        let mut known = self.known.lock();
        let silent = known
            .running
            .values()
            .filter(|running| running.passed_over && running.target == target);
        if silent.count() >= MOST_SILENT {
            return None;
        }
        known.last += 1;
        let id = known.last;
        let passed_over = false;
        known.running.insert(
            id,
            Running {
                target,
                passed_over,
            },
        );
        Some(id)
    }

    /// The attempt has not answered in time.
    pub(super) fn pass_over(&self, target: Target, id: Option<u64>, now: Instant) {
        let mut known = self.known.lock();
        if let Some(id) = id {
            match known.running.get_mut(&id) {
                Some(running) => running.passed_over = true,
                // It has ended just now.
                None => return,
            }
        }
        known.mute_until.insert(target, now + MUTE_FOR);
    }

    pub(super) fn end(&self, id: u64, has_connected: bool) {
        let mut known = self.known.lock();
        if let Some(running) = known.running.remove(&id)
            && has_connected
        {
            known.mute_until.remove(&running.target);
        }
    }

    /// The connection that is handed out leads there.
    pub(super) fn is_good(&self, target: Target, address: Option<SocketAddr>) {
        let mut known = self.known.lock();
        known.last_good = Some(target);
        known.good.insert(target, address);
    }

    /// Wherever a connection has led to: the host, and the address if it was looked up.
    #[cfg(feature = "postgres")]
    pub(super) fn good(&self) -> Vec<(usize, Option<SocketAddr>)> {
        let known = self.known.lock();
        let good = known.good.iter();
        good.map(|(target, address)| (target.host, *address))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Target = Target {
        host: 0,
        address: None,
    };

    #[test]
    fn a_silent_address_is_mute_for_ten_seconds_or_until_it_answers() {
        let (memory, now) = (Memory::default(), Instant::now());
        let attempt = memory.begin(FIRST);
        assert!(!memory.is_mute(FIRST, now));
        memory.pass_over(FIRST, attempt, now);
        assert!(memory.is_mute(FIRST, now + MUTE_FOR - Duration::from_millis(1)));
        assert!(!memory.is_mute(FIRST, now + MUTE_FOR));
        memory.end(attempt.expect("an attempt"), true);
        assert!(!memory.is_mute(FIRST, now));
    }

    #[test]
    fn an_address_that_refuses_late_stays_mute() {
        let (memory, now) = (Memory::default(), Instant::now());
        let attempt = memory.begin(FIRST);
        memory.pass_over(FIRST, attempt, now);
        memory.end(attempt.expect("an attempt"), false);
        assert!(memory.is_mute(FIRST, now));
    }

    #[test]
    fn an_attempt_that_has_ended_just_now_is_not_silent() {
        let (memory, now) = (Memory::default(), Instant::now());
        let attempt = memory.begin(FIRST);
        memory.end(attempt.expect("an attempt"), false);
        memory.pass_over(FIRST, attempt, now);
        assert!(!memory.is_mute(FIRST, now));
    }

    #[test]
    fn no_more_than_four_wait_in_vain_at_one_address() {
        let (memory, now) = (Memory::default(), Instant::now());
        let silent: Vec<_> = (0..MOST_SILENT).map(|_| memory.begin(FIRST)).collect();
        // Those that are not late yet do not count.
        assert!(memory.begin(FIRST).is_some());
        for attempt in &silent {
            memory.pass_over(FIRST, *attempt, now);
        }
        assert_eq!(memory.begin(FIRST), None);
        let other = Target { host: 1, ..FIRST };
        assert!(memory.begin(other).is_some());
        memory.end(silent[0].expect("an attempt"), false);
        assert!(memory.begin(FIRST).is_some());
    }
}
