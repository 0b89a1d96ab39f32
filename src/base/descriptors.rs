//! File descriptors, of which a process may have so many and no more.

use std::fs::File;
use std::path::Path;

/// EMFILE and ENFILE, as the standard library ends the text of such an error on every Unix.
const CODES: [&str; 2] = ["(os error 24)", "(os error 23)"];

/// Whether something that has failed with these words failed because this process, or the whole system, has no file descriptor
/// left. Some libraries say so and others only that a file cannot be opened, so one is tried too. On Windows it is never so.
pub(crate) fn are_used_up(words: &str) -> bool {
    let is_one = |words: &str| CODES.iter().any(|code| words.contains(code));
    let tried = || File::open(Path::new("/")).err();
    cfg!(unix) && (is_one(words) || tried().is_some_and(|error| is_one(&error.to_string())))
}
