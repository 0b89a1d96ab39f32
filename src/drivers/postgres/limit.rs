//! The setting `command_timeout`, which the server enforces, and how many connections the server accepts.

use std::time::Duration;

use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

use super::PostgresManager;
use crate::contract::server_limit::ServerLimit;
use crate::drivers::hosts::Wanted;
use crate::error::Error;
use crate::settings::print_duration;

impl PostgresManager {
    /// Where there are several hosts, or something is asked of a session at any of them, the walk sets the limit: a host that does
    /// not answer then leads to the next.
    pub(super) fn limit_for_the_walk(&self) -> Option<String> {
        let asks_there = self.config.get_hosts().len() > 1 || self.wanted != Wanted::Any;
        self.statement_limit.clone().filter(|_| asks_there)
    }

    /// What the walk has not set.
    pub(super) fn limit_left_to_set(&self) -> Option<&str> {
        let is_set = self.login.statement_limit.is_some();
        self.statement_limit.as_deref().filter(|_| !is_set)
    }

    /// `reserved_connections` exists since PostgreSQL 16.
    pub(super) fn server_limit(&self, client: &mut Client) -> Result<Option<ServerLimit>, PgError> {
        const SQL: &str = "SELECT current_setting('max_connections'), \
                           current_setting('superuser_reserved_connections'), \
                           current_setting('reserved_connections', true), \
                           (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user), \
                           (SELECT datconnlimit FROM pg_database WHERE datname = current_database())";
        Ok(self
            .ask(client, SQL)?
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let number = |column: usize| row.get(column)?.parse::<u64>().ok();
                    let reserved = number(1)? + number(2).unwrap_or(0);
                    // -1, which is no number here, means no limit.
                    let own = [number(3), number(4)].into_iter().flatten().min();
                    let limit = ServerLimit::new(number(0)?, reserved);
                    Some(limit.with_limit_for_user_or_database(own))
                }
                _ => None,
            }))
    }
}

/// Rounded up to whole milliseconds, which is what the server counts in, because 0 would switch the limit off.
pub(super) fn statement_limit(limit: Duration) -> Result<String, Error> {
    let millis = limit.as_nanos().div_ceil(1_000_000);
    match i32::try_from(millis) {
        Ok(millis @ 1..) => Ok(format!("SET statement_timeout = {millis}")),
        _ => Err(Error::setting(
            "command_timeout",
            print_duration(limit),
            "more than zero and at most 24 days, PostgreSQL's greatest statement_timeout",
        )),
    }
}
