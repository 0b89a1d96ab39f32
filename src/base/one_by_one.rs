//! Work that helper threads do one piece at a time, so that a piece that blocks holds up the pieces behind it and no more threads.

use std::collections::VecDeque;

use crate::base::sync::Mutex;

/// A line of pieces of work, and whether a helper is at it.
pub(crate) struct OneByOne<T>(Mutex<Line<T>>);

struct Line<T> {
    is_under_way: bool,
    waiting: VecDeque<T>,
}

impl<T> OneByOne<T> {
    pub(crate) fn new() -> Self {
        OneByOne(Mutex::new(Line {
            is_under_way: false,
            waiting: VecDeque::new(),
        }))
    }

    /// Adds to the line, of which only the latest `most` pieces are kept. True if the caller must see to a helper that calls
    /// [`next`](OneByOne::next) until there is nothing left.
    pub(crate) fn add(&self, pieces: impl IntoIterator<Item = T>, most: usize) -> bool {
        let mut line = self.0.lock();
        line.waiting.extend(pieces);
        let too_many = line.waiting.len().saturating_sub(most);
        let dropped: Vec<T> = line.waiting.drain(..too_many).collect();
        let needs_helper = !line.waiting.is_empty() && !line.is_under_way;
        line.is_under_way |= needs_helper;
        drop(line);
        drop(dropped);
        needs_helper
    }

    /// The next piece, for the helper.
    pub(crate) fn next(&self) -> Option<T> {
        let mut line = self.0.lock();
        let next = line.waiting.pop_front();
        line.is_under_way = next.is_some();
        next
    }

    /// There was no thread for a helper. What is in the line stays there until there is something to add.
    pub(crate) fn no_helper(&self) {
        self.0.lock().is_under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_helper_works_at_a_line_at_a_time() {
        let line = OneByOne::new();
        assert!(!line.add([], 9), "nothing to do");
        assert!(line.add([1], 9));
        assert_eq!(line.next(), Some(1));
        // That piece blocks.
        assert!(!line.add([2, 3], 9));
        assert_eq!(
            (line.next(), line.next(), line.next()),
            (Some(2), Some(3), None)
        );
        assert!(line.add([4], 9));
    }

    #[test]
    fn the_latest_pieces_are_kept() {
        let line = OneByOne::new();
        line.add(1..=3, 2);
        line.add([4], 2);
        assert_eq!(
            (line.next(), line.next(), line.next()),
            (Some(3), Some(4), None)
        );
    }

    #[test]
    fn without_a_thread_the_next_addition_asks_again() {
        let line = OneByOne::new();
        assert!(line.add([1], 9));
        line.no_helper();
        assert!(line.add([2], 9));
        assert_eq!((line.next(), line.next()), (Some(1), Some(2)));
    }
}
