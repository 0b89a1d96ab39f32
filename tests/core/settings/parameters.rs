//! URLs at random: which of their parameters are settings, and what is left of them for the driver.

use proptest::prelude::*;
use queuepool::Settings;

proptest! {
    #[test]
    fn splitting_never_panics_and_what_is_left_has_nothing_of_ours(url in "\\PC*") {
        if let Ok((left, _)) = Settings::from_url(&url) {
            prop_assert_eq!(Settings::from_url(&left).expect("nothing of ours").0, left);
        }
    }

    #[test]
    fn splitting_what_looks_like_a_url_never_panics(
        url in "(postgres|mysql\\+x|sqlite)?(:|://|:///)?[a-z:@%?#]{0,9}\\??((pool_size|pool_timeout|echo|a)=?[0-9a-z%&?#]{0,5}&?){0,4}"
    ) {
        if let Ok((left, _)) = Settings::from_url(&url) {
            prop_assert_eq!(Settings::from_url(&left).expect("nothing of ours").0, left);
        }
    }

    #[test]
    fn others_keep_their_bytes_and_order(
        others in proptest::collection::vec("[a-zA-Z0-9%=.]{1,8}", 0..5),
        position in 0usize..5,
    ) {
        let mut pairs = others.clone();
        pairs.insert(position.min(others.len()), "pool_size=5".to_owned());
        let (left, settings) = Settings::from_url(&format!("postgres://h/d?{}", pairs.join("&"))).expect("good parameters");
        let expected = if others.is_empty() {
            "postgres://h/d".to_owned()
        } else {
            format!("postgres://h/d?{}", others.join("&"))
        };
        prop_assert_eq!(left, expected);
        prop_assert_eq!(settings.pool_size, 5);
    }
}
