//! All that can be told of a pool at one instant.

use std::time::{Duration, SystemTime};

use crate::base::sync::Instant;
use crate::contract::driver::Manager;
use crate::contract::server_limit::ServerLimit;
use crate::error::Error;
use crate::gate::Locked;
use crate::gate::counters::Counters;
use crate::gate::holders::HolderRecord;
use crate::gate::role::Unsuited;

#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) taken: Instant,
    pub(crate) closed: bool,
    pub(crate) counters: Counters,
    pub(crate) idle: u64,
    pub(crate) opening: u64,
    pub(crate) in_connect_hook: u64,
    pub(crate) hung: u64,
    pub(crate) hung_connects: u64,
    pub(crate) waiting: u64,
    pub(crate) full_since: Option<Instant>,
    /// Since when the server is full.
    pub(crate) server_full_since: Option<SystemTime>,
    pub(crate) server_full_lately: bool,
    pub(crate) unreachable_for: Option<Duration>,
    pub(crate) connects_fail_for: Option<Duration>,
    pub(crate) database_error: Option<Error>,
    pub(crate) exhausted_for: Option<Duration>,
    pub(crate) unsuited: Option<Unsuited>,
    pub(crate) server_limit: Option<ServerLimit>,
    pub(crate) holders: Vec<HolderRecord>,
}

impl Reading {
    pub(super) fn of<M: Manager>(
        state: &mut Locked<'_, M>,
        mut holders: Vec<HolderRecord>,
    ) -> Self {
        // Whether it is full follows from what was gathered.
        state.settle();
        state.each_holder(|holder| holders.push(holder.clone()));
        let taken = Instant::now();
        Reading {
            taken,
            closed: state.closed,
            counters: state.counters.clone(),
            idle: state.idle.len() as u64,
            opening: state.opening() as u64,
            in_connect_hook: state.in_connect_hook() as u64,
            hung: state.hung as u64,
            hung_connects: state.hung_connects() as u64,
            waiting: state.waiters.len() as u64,
            full_since: state.full_since,
            server_full_since: state.server_full_since(),
            server_full_lately: state.is_server_full(taken),
            unreachable_for: state.unreachable_for(taken),
            connects_fail_for: state.episodes.connects_fail_for(taken),
            database_error: state.database_error().cloned(),
            exhausted_for: state.episodes.exhausted_for(taken),
            unsuited: state.roles.unsuited(),
            server_limit: state.server_limit.known(),
            holders,
        }
    }

    /// What a pool tells that has done nothing yet.
    pub(crate) fn empty() -> Self {
        Reading {
            taken: Instant::now(),
            closed: false,
            counters: Counters::default(),
            idle: 0,
            opening: 0,
            in_connect_hook: 0,
            hung: 0,
            hung_connects: 0,
            waiting: 0,
            full_since: None,
            server_full_since: None,
            server_full_lately: false,
            unreachable_for: None,
            connects_fail_for: None,
            database_error: None,
            exhausted_for: None,
            unsuited: None,
            server_limit: None,
            holders: Vec::new(),
        }
    }
}
