//! The page at `/`: its policy, and what it shows and does in headless Chromium, with a real service and pools in all conditions.
//!
//! If the environment variable QUEUEPOOL_PAGE_SHOTS names a folder, screenshots are left there for people to look at.

mod agreement;
mod browser;
mod charts;
mod content;
mod keyboard;
mod live;
mod looks;
mod pictures;
mod policy;
mod service;
