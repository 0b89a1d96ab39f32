//! What a pool may be called.

use crate::error::Error;

/// The most characters in a pool's name. Every metric of a pool repeats its name, some 130 times in one scrape, and so do logs and
/// errors: 1,000 names of 10,000 characters made a scrape of 1.27 GB.
pub(crate) const LONGEST: usize = 200;

/// As many characters of a name that is too long stand in the error.
const SHOWN: usize = 40;

/// Checks a name that was given in code.
///
/// # Errors
/// Settings if it is blank or too long.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::setting(
            "name",
            format_args!("{name:?}"),
            "a name that is not blank",
        ));
    }
    let length = name.chars().count();
    if length > LONGEST {
        let begin: String = name.chars().take(SHOWN).collect();
        return Err(Error::setting(
            "name",
            format_args!("{begin:?}... of {length} characters"),
            format_args!(
                "at most {LONGEST} characters, because every metric of the pool repeats them"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_characters_of_whatever_size_are_a_name_and_one_more_is_none() {
        for letter in ["a", "ü", "🦀"] {
            check(&letter.repeat(LONGEST)).unwrap();
            let error = check(&letter.repeat(LONGEST + 1)).unwrap_err().to_string();
            assert!(error.contains("of 201 characters"), "{error}");
            assert!(error.contains("at most 200 characters"), "{error}");
            assert!(!error.contains(&letter.repeat(SHOWN + 1)), "{error}");
        }
        check(" \t").unwrap_err();
    }
}
