//! The page at `/`: its policy, and what it shows and does in headless Chromium, with a real service and pools in all conditions.
//!
//! With the environment variable QUEUEPOOL_PAGE_SHOTS set to a folder, pictures for eyes to look at are left there.

mod browser;
mod content;
mod keyboard;
mod live;
mod looks;
mod policy;
mod service;
