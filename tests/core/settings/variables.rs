//! An environment at random.

use proptest::prelude::*;
use queuepool::Settings;

use super::name;

proptest! {
    #[test]
    fn no_environment_makes_it_panic(
        variables in proptest::collection::vec(("(DB_|DATABASE_)[A-Z_]{0,20}", "\\PC*"), 0..5),
        name in name(),
        value in "\\PC*",
    ) {
        let variable = format!("DB_{}", name.to_ascii_uppercase());
        let all = variables.into_iter().chain([(variable, value)]);
        let _ = Settings::default().with_vars(all.map(|(name, value)| (name.into(), value.into())));
    }
}
