//! The state of all its pools, and the members that a registry shows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::observe::checked::HealthCheck;
use crate::observe::history::Sample;
use crate::observe::judgement::NOTHING_TO_DO;
use crate::observe::status::Status as PoolStatus;
use crate::read_write::ReadWrite;
use crate::read_write::endpoint::Endpoint;
use crate::registry::{Member, PRIMARY, Pooled};

/// The state of a [`ReadWrite`]. Each snapshot is of one instant, but they are not all of the same instant. Print it for a report.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Status {
    /// The primary's pool.
    pub primary: PoolStatus,
    /// The replicas' pools, in the order in which they were added. Their fields `replica_lag` and `passed_over` tell how far each is
    /// behind, and whether reads go to it.
    pub replicas: Vec<PoolStatus>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Primary\n{}", self.primary)?;
        for (number, replica) in (1..).zip(&self.replicas) {
            writeln!(f, "Replica {number}: {}\n{replica}", standing(replica))?;
        }
        Ok(())
    }
}

fn standing(replica: &PoolStatus) -> String {
    let lag = match replica.replica_lag {
        Some(lag) => format!("{lag:.1?} behind"),
        None => "its lag is unknown".to_owned(),
    };
    match &replica.passed_over {
        None => format!("used, {lag}"),
        Some(why) => format!("passed over, because {why}"),
    }
}

impl<P: Endpoint> ReadWrite<P> {
    /// The state of the primary's pool and of each replica's: also how far the replica was behind when it was last asked, and why
    /// it is passed over, if it is. It asks no server.
    #[must_use]
    pub fn status(&self) -> Status {
        let numbers = 0..self.inner.replicas.len();
        Status {
            primary: self.primary().status(),
            replicas: numbers.map(|number| self.status_of(number)).collect(),
        }
    }

    fn status_of(&self, number: usize) -> PoolStatus {
        let mut status = self.replicas()[number].status();
        if !self.inner.home.is_left() {
            (status.replica_lag, status.passed_over) = self.inner.standing(number);
            if let Some(why) = &status.passed_over {
                let advice = format!("Reads pass this replica over: {why}.");
                status
                    .recommendations
                    .retain(|other| other != NOTHING_TO_DO);
                status.recommendations.insert(0, advice);
            }
        }
        status
    }
}

impl<P: Endpoint> Pooled for ReadWrite<P> {
    fn status(&self) -> PoolStatus {
        self.primary().status()
    }

    fn health_check(&self) -> Result<HealthCheck, Error> {
        self.primary().member().health_check()
    }

    fn history(&self, after: u64) -> Vec<Sample> {
        self.primary().member().history(after)
    }

    fn close(&self, deadline: Duration) -> Result<(), Error> {
        ReadWrite::close(self, deadline)
    }

    fn parts(&self) -> Vec<(String, Member)> {
        let part = |pool: &P, replica| {
            let (whole, pool) = (self.clone(), pool.member());
            Member(Arc::new(Part {
                whole,
                replica,
                pool,
            }))
        };
        let mut parts = vec![(PRIMARY.to_owned(), part(self.primary(), None))];
        for (number, pool) in self.replicas().iter().enumerate() {
            let name = format!("replica-{}", number + 1);
            parts.push((name, part(pool, Some(number))));
        }
        parts
    }
}

/// One of the pools, as a registry shows it.
struct Part<P: Endpoint> {
    whole: ReadWrite<P>,
    /// `None` is the primary.
    replica: Option<usize>,
    pool: Member,
}

impl<P: Endpoint> Pooled for Part<P> {
    fn status(&self) -> PoolStatus {
        match self.replica {
            Some(number) => self.whole.status_of(number),
            None => self.pool.status(),
        }
    }

    fn health_check(&self) -> Result<HealthCheck, Error> {
        self.pool.health_check()
    }

    fn history(&self, after: u64) -> Vec<Sample> {
        self.pool.history(after)
    }

    fn close(&self, deadline: Duration) -> Result<(), Error> {
        self.pool.0.close(deadline)
    }

    fn is_replica(&self) -> bool {
        self.replica.is_some()
    }

    fn inside(&self) -> Option<&Member> {
        Some(&self.pool)
    }
}

impl<P: Endpoint> From<ReadWrite<P>> for Member {
    fn from(whole: ReadWrite<P>) -> Self {
        Member(Arc::new(whole))
    }
}

impl<P: Endpoint> From<&ReadWrite<P>> for Member {
    fn from(whole: &ReadWrite<P>) -> Self {
        whole.clone().into()
    }
}
