//! The page's policy names the page's one style and its one script by their hashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use queuepool::Registry;
use queuepool::http::respond;
use sha2::{Digest, Sha256};

fn hash_of(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

#[track_caller]
fn between<'page>(page: &'page str, start: &str, end: &str) -> &'page str {
    let parts: Vec<&str> = page.split(start).collect();
    assert_eq!(parts.len(), 2, "there is one {start}");
    parts[1].split(end).next().unwrap()
}

/// The one thing that the rule allows.
fn hash_in<'policy>(policy: &'policy str, rule: &str) -> &'policy str {
    let allowed = policy
        .split("; ")
        .find_map(|each| each.strip_prefix(rule)?.strip_prefix(' '));
    let hash = allowed.and_then(|allowed| allowed.strip_prefix("'sha256-")?.strip_suffix('\''));
    hash.unwrap_or_else(|| panic!("{rule} has one hash in {policy}"))
}

#[test]
fn the_policy_has_the_hashes_of_the_page_as_it_is() {
    let response = respond(&Registry::new(), "/");
    let page = &response.body;
    let (_, policy) = response
        .headers
        .iter()
        .find(|(name, _)| *name == "Content-Security-Policy")
        .unwrap();
    let wanted = (
        hash_of(between(page, "<script type=\"module\">", "</script>")),
        hash_of(between(page, "<style>", "</style>")),
    );
    assert_eq!(
        (hash_in(policy, "script-src"), hash_in(policy, "style-src")),
        (wanted.0.as_str(), wanted.1.as_str()),
        "script and style: put the right-hand values into src/http/page.rs"
    );
}
