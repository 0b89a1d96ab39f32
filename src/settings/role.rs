//! What `target_session_attrs` in a URL says of the role.

use super::overlay::Overlay;
use super::provenance::Source;
use super::{Role, Settings};
use crate::error::{Error, URL};

pub(super) const TARGET_SESSION_ATTRS: &str = "target_session_attrs";

impl Settings {
    /// A URL that asks for a server which accepts writes implies the role Primary, unless the URL or code names another.
    ///
    /// # Errors
    /// Settings if the URL asks for one kind of server and the role for the other.
    pub(crate) fn with_role_of(mut self, url: &Overlay) -> Result<Settings, Error> {
        let wanted = match url.session_attrs() {
            Some("read-write" | "primary") => Role::Primary,
            Some("read-only" | "standby") => Role::Replica,
            _ => return Ok(self),
        };
        match self.role {
            // A primary may be read-only by its settings, so the word `primary` asks for less.
            Role::Any if url.session_attrs() == Some("read-write") => {
                if self
                    .source_of("role")
                    .is_none_or(|source| source < Source::Url)
                {
                    self.role = Role::Primary;
                }
                Ok(self)
            }
            role if role != Role::Any && role != wanted => {
                let word = url.session_attrs().unwrap_or_default();
                let role = self.given("role").with(role.as_str());
                let expected = format!(
                    "the kind of server that {role} asks for as well, or only one of the two"
                );
                Err(Error::setting_in(URL, TARGET_SESSION_ATTRS, word, expected))
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::url::split_url;
    use super::{Role, Settings};

    fn role_of(url: &str, settings: Settings) -> Result<Role, String> {
        let (_, overlay) = split_url(url).map_err(|error| error.to_string())?;
        let settings = settings.with_url(&overlay).with_role_of(&overlay);
        settings
            .map(|settings| settings.role)
            .map_err(|error| error.to_string())
    }

    const URL: &str = "postgresql://app@db/app?target_session_attrs=";

    #[test]
    fn a_url_that_wants_writes_implies_the_primary_and_another_word_nothing() {
        for (word, role) in [
            ("read-write", Role::Primary),
            ("primary", Role::Any),
            ("read-only", Role::Any),
            ("standby", Role::Any),
            ("prefer-standby", Role::Any),
            ("any", Role::Any),
        ] {
            let url = format!("{URL}{word}");
            assert_eq!(role_of(&url, Settings::default()), Ok(role), "{word}");
        }
    }

    #[test]
    fn a_role_that_was_named_stands() {
        let any = Settings::default().role(Role::Any);
        assert_eq!(role_of(&format!("{URL}read-write"), any), Ok(Role::Any));
        let url = format!("{URL}read-write&pool_role=any");
        assert_eq!(role_of(&url, Settings::default()), Ok(Role::Any));
        let url = format!("{URL}standby");
        let replica = Settings::default().role(Role::Replica);
        assert_eq!(role_of(&url, replica), Ok(Role::Replica));
    }

    #[test]
    fn one_kind_of_server_in_the_url_and_the_other_in_the_role_contradict_each_other() {
        for (word, role) in [
            ("read-write", "replica"),
            ("primary", "replica"),
            ("read-only", "primary"),
            ("standby", "primary"),
        ] {
            let url = format!("{URL}{word}&pool_role={role}");
            let error = role_of(&url, Settings::default()).unwrap_err();
            let words = format!("invalid target_session_attrs {word} in the database URL");
            assert!(error.starts_with(&words), "{error}");
            assert!(error.contains(role), "{error}");
        }
        let primary = Settings::default().role(Role::Primary);
        role_of(&format!("{URL}standby"), primary).unwrap_err();
    }
}
