//! The snippets of the guide that need crates which only tests depend on.

#[cfg(all(feature = "http", feature = "postgres"))]
#[doc = include_str!("../../src/guide/async_frameworks.md")]
struct AsyncFrameworks;
