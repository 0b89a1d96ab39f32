//! Passwords taken out of what somebody else says.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::MASKED;

/// A shorter password is left in the text: it is a part of ordinary words, so that masking it would spoil every text, and tell where
/// its letters stand.
const SHORTEST: usize = 4;

/// The text with each of the passwords masked, as it is and in the spellings that a server, a proxy or a URL gives it: quoted for
/// SQL, escaped, percent-encoded. A password that is one of `names`, the user's or the database's, is left: the text names those
/// anyway, and a mask in their place would tell that they are the password.
pub(crate) fn masked<'p>(
    mut text: String,
    passwords: impl IntoIterator<Item = &'p str>,
    names: &[&str],
) -> String {
    let mut spellings: Vec<String> = passwords
        .into_iter()
        .filter(|password| password.chars().count() >= SHORTEST && !names.contains(password))
        .flat_map(spellings)
        .collect();
    // One may be the beginning of another, whose end would be left.
    spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    for spelling in spellings {
        if text.contains(&spelling) {
            text = text.replace(&spelling, MASKED);
        }
    }
    text
}

fn spellings(password: &str) -> [String; 5] {
    [
        password.to_owned(),
        password.replace('\'', "''"),
        password.replace('\\', "\\\\").replace('\'', "\\'"),
        password.escape_debug().to_string(),
        utf8_percent_encode(password, NON_ALPHANUMERIC).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::masked;

    fn of(text: &str, password: &str) -> String {
        masked(text.to_owned(), [password], &["app", "orders"])
    }

    #[test]
    fn a_password_is_masked_in_every_spelling() {
        for said in [
            r#"it's "p\w""#,
            r#"it''s "p\w""#,
            r#"it\'s "p\\w""#,
            "it%27s%20%22p%5Cw%22",
        ] {
            assert_eq!(of(&format!("<{said}>"), r#"it's "p\w""#), "<***>", "{said}");
        }
    }

    #[test]
    fn the_longer_of_two_goes_first() {
        let text = masked("was secret-2".to_owned(), ["secret", "secret-2"], &[]);
        assert_eq!(text, "was ***");
    }

    #[test]
    fn short_ones_and_names_are_left() {
        assert_eq!(of("a bad page", "a"), "a bad page");
        assert_eq!(of("a bad page", "bad"), "a bad page");
        assert_eq!(of("database \"orders\"", "orders"), "database \"orders\"");
        assert_eq!(of("a bad page", ""), "a bad page");
        assert_eq!(of("a bad page", "page"), "a bad ***");
    }
}
