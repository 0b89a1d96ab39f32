//! Several named pools in one place: one for each market, tenant or database.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::base::name;
use crate::contract::driver::Manager;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use crate::database::Database;
use crate::error::Error;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::status::Status;
use crate::pool::Pool;

/// Named pools of any kind. Clones share their members, and members may be added at any time.
#[derive(Clone, Default, Debug)]
pub struct Registry {
    members: Arc<RwLock<BTreeMap<String, Member>>>,
}

/// A pool or a database in a [`Registry`]. Cheap to clone.
#[derive(Clone)]
pub struct Member(pub(crate) Arc<dyn Pooled>);

/// The part of a [`ReadWrite`](crate::ReadWrite) that its own name leads to.
pub(crate) const PRIMARY: &str = "primary";

/// What a registry needs from its members.
pub(crate) trait Pooled: Any + Send + Sync {
    fn status(&self) -> Status;
    fn health_check(&self) -> Result<HealthCheck, Error>;
    fn history(&self, after: u64) -> Vec<Sample>;
    fn close(&self, deadline: Duration) -> Result<(), Error>;

    /// Takes this name, if none was given in code.
    fn adopt(&self, _name: &str) {}

    /// The members in whose place this one stands, each with the end of its name.
    fn parts(&self) -> Vec<(String, Member)> {
        Vec::new()
    }

    fn is_replica(&self) -> bool {
        false
    }

    /// The pool of which this is a part of something else.
    fn inside(&self) -> Option<&Member> {
        None
    }
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

    fn adopt(&self, name: &str) {
        Pool::adopt(self, name);
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

    fn adopt(&self, name: &str) {
        Database::adopt(self, name);
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
    /// Returns one consistent snapshot of this member.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Whether this member's health is not critical.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }

    /// Checks whether this member's database answers, without queueing behind users. See [`Pool::health_check`].
    ///
    /// # Errors
    /// As for [`Pool::health_check`].
    pub fn health_check(&self) -> Result<HealthCheck, Error> {
        self.0.health_check()
    }

    /// Returns the monitor's samples with a number above `after`. See [`Pool::history`].
    #[must_use]
    pub fn history(&self, after: u64) -> Vec<Sample> {
        self.0.history(after)
    }

    /// Whether this is a replica of a [`ReadWrite`](crate::ReadWrite), which reads pass over while it is not fit.
    #[must_use]
    pub fn is_replica(&self) -> bool {
        self.0.is_replica()
    }

    fn inside<T: 'static>(&self) -> Option<&T> {
        let member = self.0.inside().unwrap_or(self);
        (&*member.0 as &dyn Any).downcast_ref()
    }

    /// Returns the typed pool, if the member was added as a pool of this type.
    #[must_use]
    pub fn pool<M: Manager>(&self) -> Option<&Pool<M>> {
        self.inside()
    }

    /// Returns the database, if the member was added as one.
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        self.inside()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.status().name).finish()
    }
}

impl Registry {
    /// Makes an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Registry::default()
    }

    /// As [`insert`](Registry::insert), and returns the registry, so that the next can be added.
    ///
    /// # Errors
    /// As [`insert`](Registry::insert).
    pub fn add(self, name: &str, member: impl Into<Member>) -> Result<Self, Error> {
        self.insert(name, member)?;
        Ok(self)
    }

    /// Adds a pool or a database under a name, for all clones of this registry. A [`ReadWrite`](crate::ReadWrite) is added as its
    /// parts: `orders/primary`, `orders/replica-1` and so on. The name `orders` then leads to the primary. A pool that was given no
    /// name takes the one that it has here, in the status, in errors and in the log; see [`Builder::name`](crate::Builder::name).
    ///
    /// # Errors
    /// Settings if the name is blank, taken, or longer than 200 characters. Unlike a map, a registry replaces nothing:
    /// [`remove`](Registry::remove) the old one first.
    pub fn insert(&self, name: &str, member: impl Into<Member>) -> Result<(), Error> {
        name::check(name)?;
        let member = member.into();
        let parts: Vec<(String, Member)> = match member.0.parts() {
            parts if parts.is_empty() => vec![(name.to_owned(), member)],
            parts => parts
                .into_iter()
                .map(|(part, member)| (format!("{name}/{part}"), member))
                .collect(),
        };
        let mut members = self.members.write();
        let is_taken = |name: &str| members.contains_key(name);
        let taken = is_taken(name) || is_taken(&format!("{name}/{PRIMARY}"));
        if taken || parts.iter().any(|(name, _)| is_taken(name)) {
            return Err(Error::setting(
                "name",
                format_args!("{name:?}"),
                "a name that no other pool of this registry has",
            ));
        }
        for (name, member) in &parts {
            member.0.inside().unwrap_or(member).0.adopt(name);
        }
        members.extend(parts);
        Ok(())
    }

    /// Takes the member of that name out, for all clones of this registry, and returns it; `None` if there is none. The pool is not
    /// closed by this, unless the member that is returned was its last handle and is dropped. Of a
    /// [`ReadWrite`](crate::ReadWrite), the name under which it was added takes out all parts and returns the primary; the parts
    /// cannot be taken out one by one.
    pub fn remove(&self, name: &str) -> Option<Member> {
        let removed: Vec<Member> = {
            let mut members = self.members.write();
            match members.get(name) {
                Some(member) if member.0.inside().is_some() => return None,
                Some(_) => members.remove(name).into_iter().collect(),
                None => {
                    let part = format!("{name}/");
                    let is_part = |(key, member): &(&String, &Member)| {
                        key.starts_with(&part) && member.0.inside().is_some()
                    };
                    let parts: Vec<String> = members
                        .iter()
                        .filter(is_part)
                        .map(|(key, _)| key.clone())
                        .collect();
                    let taken = parts.iter().filter_map(|part| members.remove(part));
                    taken.collect()
                }
            }
        };
        // The primary's part sorts before the replicas'. What is dropped here may close a pool, so no lock is held.
        removed.into_iter().next()
    }

    /// Returns the member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Member> {
        let members = self.members.read();
        let primary = || members.get(&format!("{name}/{PRIMARY}"));
        members.get(name).or_else(primary).cloned()
    }

    /// Returns the members' names in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.members.read().keys().cloned().collect()
    }

    /// Returns a snapshot of each member, by the name under which it was added. Each snapshot is of one instant, but they are not
    /// all of the same instant.
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
    /// One error with the texts of all members that could not be closed, and with the kind of the first: Timeout if connections
    /// were still checked out, opening or closing at the deadline, Unsupported in the same cases as for
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
