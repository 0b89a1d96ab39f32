//! The page at `/`.

pub(super) const PAGE: &str = include_str!("page.html");

/// What the page may do: nothing but what stands in it.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'";
