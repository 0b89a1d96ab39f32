//! Database URLs that are nearly right, by the thousand: what is read from them, what is refused, and what is never told.
//! `PROPTEST_CASES` is how many of each kind.

mod generators;
mod hosts;
mod passwords;
mod reading;
mod shapes;
