//! What each host said when a walk failed, for the error's text.

use std::cell::RefCell;

/// Longer texts of a server are cut, so that the error stays one line that can be read.
const LONGEST: usize = 120;

thread_local! {
    /// Of the last walk on this thread. The pool asks for the explanation of an error right after it has got it.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What the hosts said, in the order in which they answered or were passed over.
#[derive(Default)]
pub(super) struct Told(Vec<String>);

impl Told {
    pub(super) fn add(&mut self, label: &str, words: &str) {
        self.0.push(format!("{label}: {}", in_one_line(words)));
    }

    /// Leaves it for [`take`] on this thread.
    pub(super) fn leave(self) {
        LAST.set(self.text().map(|said| format!("the hosts said: {said}")));
    }

    pub(super) fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(" | "))
    }
}

/// Forgets an earlier walk.
pub(super) fn forget() {
    LAST.set(None);
}

/// What the hosts said in the walk that has just failed on this thread.
pub(crate) fn take() -> Option<String> {
    LAST.take()
}

fn in_one_line(words: &str) -> String {
    let mut line: Vec<char> = words
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect();
    if line.len() > LONGEST {
        line.truncate(LONGEST);
        line.push('…');
    }
    line.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_in_one_short_line() {
        let mut told = Told::default();
        told.add("a:1", "no\nanswer");
        told.add("b:2", &"long ".repeat(50));
        told.leave();
        let text = take().expect("a text");
        assert!(text.starts_with("the hosts said: a:1: no answer | b:2: long"));
        assert!(text.ends_with('…') && text.chars().count() < 180, "{text}");
        assert_eq!(take(), None);
    }
}
