//! What a URL says about several hosts, in libpq's words, for the drivers that do not know these or misread them.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::drivers::dsn::Dsn;
use crate::error::{Error, URL};
use crate::settings::Role;

const WANTED: &str = "target_session_attrs";

/// libpq's words for what a session must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Wanted {
    const ALL: [Wanted; 6] = [
        Wanted::Any,
        Wanted::ReadWrite,
        Wanted::ReadOnly,
        Wanted::Primary,
        Wanted::Standby,
        Wanted::PreferStandby,
    ];

    fn word(self) -> &'static str {
        match self {
            Wanted::Any => "any",
            Wanted::ReadWrite => "read-write",
            Wanted::ReadOnly => "read-only",
            Wanted::Primary => "primary",
            Wanted::Standby => "standby",
            Wanted::PreferStandby => "prefer-standby",
        }
    }

    /// Where there are `several` hosts and nothing else was asked for, one that has the role of the setting is looked for.
    pub(crate) fn or_by_role(self, role: Role, several: Option<u32>) -> Self {
        match role {
            _ if self != Wanted::Any || several.is_none() => self,
            Role::Primary => Wanted::ReadWrite,
            Role::Replica => Wanted::ReadOnly,
            Role::Any => Wanted::Any,
        }
    }

    pub(crate) fn refusing(self, why: &'static str) -> WrongRole {
        let wanted = self.word();
        WrongRole { why, wanted }
    }

    /// What is wrong with a session, if anything is.
    pub(crate) fn complaint(self, session: Session) -> Option<&'static str> {
        let Session {
            in_recovery,
            read_only,
        } = session;
        match self {
            Wanted::ReadWrite if read_only => Some("its sessions are read-only"),
            Wanted::ReadOnly if !read_only => Some("its sessions are not read-only"),
            Wanted::Primary if in_recovery => Some("it is a standby"),
            Wanted::Standby | Wanted::PreferStandby if !in_recovery => Some("it is a primary"),
            _ => None,
        }
    }
}

/// What a new session says of itself and of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) in_recovery: bool,
    /// In recovery, or by a setting.
    pub(crate) read_only: bool,
}

/// A session that is not what was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrongRole {
    pub(crate) why: &'static str,
    wanted: &'static str,
}

impl fmt::Display for WrongRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongRole { why, wanted } = self;
        write!(
            f,
            "the server was not taken because {why}, and {WANTED} is {wanted}"
        )
    }
}

impl StdError for WrongRole {}

/// Takes `target_session_attrs` out.
pub(crate) fn wanted(dsn: &mut Dsn<'_>) -> Result<Option<Wanted>, Error> {
    let mut wanted = None;
    for (key, word) in dsn.take(|key| key == WANTED) {
        let found = Wanted::ALL.into_iter().find(|one| one.word() == word);
        let refused = || {
            Error::setting_in(
                URL,
                &key,
                format_args!("{word:?}"),
                "any, read-write, read-only, primary, standby or prefer-standby",
            )
        };
        wanted = Some(found.ok_or_else(refused)?);
    }
    Ok(wanted)
}

/// Takes `tcp_user_timeout` out, which is in milliseconds as for libpq.
pub(crate) fn user_timeout(dsn: &mut Dsn<'_>) -> Result<Option<Duration>, Error> {
    let mut limit = None;
    for (key, text) in dsn.take(|key| key == "tcp_user_timeout") {
        let parsed = text
            .parse::<i32>()
            .ok()
            .and_then(|number| u64::try_from(number).ok());
        let refused = || {
            Error::setting_in(
                URL,
                &key,
                format_args!("{text:?}"),
                "a whole number of milliseconds, 0 (the system's default) or more",
            )
        };
        limit = Some(Duration::from_millis(parsed.ok_or_else(refused)?));
    }
    Ok(limit)
}

/// Takes `load_balance_hosts` out, and says whether the order is to be random.
#[cfg(feature = "mysql")]
pub(crate) fn in_random_order(dsn: &mut Dsn<'_>) -> Result<bool, Error> {
    let mut is_random = false;
    for (key, word) in dsn.take(|key| key == "load_balance_hosts") {
        is_random = match word.as_str() {
            "random" => true,
            "disable" => false,
            _ => {
                let value = format_args!("{word:?}");
                return Err(Error::setting_in(URL, &key, value, "disable or random"));
            }
        };
    }
    Ok(is_random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_takes_the_sessions_that_libpq_takes() {
        let session = |in_recovery, read_only| Session {
            in_recovery,
            read_only,
        };
        let (primary, closed, standby) = (
            session(false, false),
            session(false, true),
            session(true, true),
        );
        for (wanted, taken) in [
            (Wanted::Any, [true, true, true]),
            (Wanted::ReadWrite, [true, false, false]),
            (Wanted::ReadOnly, [false, true, true]),
            (Wanted::Primary, [true, true, false]),
            (Wanted::Standby, [false, false, true]),
            (Wanted::PreferStandby, [false, false, true]),
        ] {
            let takes = |session| wanted.complaint(session).is_none();
            assert_eq!([primary, closed, standby].map(takes), taken, "{wanted:?}");
        }
    }
}
