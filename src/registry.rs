//! Several named pools in one place: one for each market, tenant or database.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::contract::driver::Manager;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::database::Database;
use crate::error::Error;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::pool::Pool;

/// Named pools of any kind. Clones share their members; a member may be added at any time.
#[derive(Clone, Default, Debug)]
pub struct Registry {
    members: Arc<RwLock<BTreeMap<String, Member>>>,
}

/// A pool or a database in a [`Registry`]. Cheap to clone.
#[derive(Clone)]
pub struct Member(Arc<dyn Pooled>);

/// What a registry needs of whatever it holds.
trait Pooled: Any + Send + Sync {
    fn status(&self) -> Status;
    fn health_check(&self) -> Result<HealthCheck, Error>;
    fn history(&self, after: u64) -> Vec<Sample>;
    fn close(&self, deadline: Duration) -> Result<(), Error>;
}

impl<M: Manager> Pooled for Pool<M> {
    fn status(&self) -> Status {
        Pool::status(self)
    }

    fn health_check(&self) -> Result<HealthCheck, Error> {
        Pool::health_check(self)
    }

    fn history(&self, after: u64) -> Vec<Sample> {
        Pool::history(self, after)
    }

    fn close(&self, deadline: Duration) -> Result<(), Error> {
        Pool::close(self, deadline)
    }
}

impl<M: Manager> From<Pool<M>> for Member {
    fn from(pool: Pool<M>) -> Self {
        Member(Arc::new(pool))
    }
}

impl<M: Manager> From<&Pool<M>> for Member {
    fn from(pool: &Pool<M>) -> Self {
        Member(Arc::new(pool.clone()))
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
impl Pooled for Database {
    fn status(&self) -> Status {
        Database::status(self)
    }

    fn health_check(&self) -> Result<HealthCheck, Error> {
        Database::health_check(self)
    }

    fn history(&self, after: u64) -> Vec<Sample> {
        Database::history(self, after)
    }

    fn close(&self, deadline: Duration) -> Result<(), Error> {
        Database::close(self, deadline)
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
impl From<Database> for Member {
    fn from(database: Database) -> Self {
        Member(Arc::new(database))
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
impl From<&Database> for Member {
    fn from(database: &Database) -> Self {
        Member(Arc::new(database.clone()))
    }
}

impl Member {
    /// One consistent snapshot of this member.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Whether it is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }

    /// Whether its database answers, without queueing behind users; see [`Pool::health_check`].
    ///
    /// # Errors
    /// As [`Pool::health_check`].
    pub fn health_check(&self) -> Result<HealthCheck, Error> {
        self.0.health_check()
    }

    /// The monitor's samples with a number above `after`; see [`Pool::history`].
    #[must_use]
    pub fn history(&self, after: u64) -> Vec<Sample> {
        self.0.history(after)
    }

    /// The typed pool, if it was added as one.
    #[must_use]
    pub fn pool<M: Manager>(&self) -> Option<&Pool<M>> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    /// The database, if it was added as one.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        (&*self.0 as &dyn Any).downcast_ref()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.status().name).finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a pool or a database under a name, and returns the registry for the next.
    ///
    /// # Errors
    /// Settings when the name is blank or taken.
    pub fn add(self, name: &str, member: impl Into<Member>) -> Result<Self, Error> {
        if name.trim().is_empty() {
            return Err(Error::setting(
                "name",
                format_args!("{name:?}"),
                "a name that is not blank",
            ));
        }
        let mut members = self.members.write();
        if members.contains_key(name) {
            return Err(Error::setting(
                "name",
                format_args!("{name:?}"),
                "a name that no other pool of this registry has",
            ));
        }
        members.insert(name.to_owned(), member.into());
        drop(members);
        Ok(self)
    }

    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Member> {
        self.members.read().get(name).cloned()
    }

    /// The names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.members.read().keys().cloned().collect()
    }

    /// A snapshot of each member, by the name it was added under. Each is of one instant; together they are not.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, Status> {
        let members = self.members.read().clone();
        members
            .into_iter()
            .map(|(name, member)| (name, member.status()))
            .collect()
    }

    /// Closes every member, all within one deadline.
    ///
    /// # Errors
    /// With the texts of all members that failed, of the first one's kind: Timeout where one did not drain, Unsupported as in
    /// [`Pool::close`](crate::Pool::close).
    pub fn close(&self, deadline: Duration) -> Result<(), Error> {
        let members = self.members.read().clone();
        let start = std::time::Instant::now();
        let failed: Vec<Error> = members
            .values()
            .filter_map(|member| {
                member
                    .0
                    .close(deadline.saturating_sub(start.elapsed()))
                    .err()
            })
            .collect();
        match failed.first().map(Error::kind) {
            None => Ok(()),
            Some(kind) => {
                let words: Vec<String> = failed.iter().map(Error::to_string).collect();
                Err(Error::new(kind, words.join("; ")))
            }
        }
    }
}
