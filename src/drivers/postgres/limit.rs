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

    /// The least of what the server, the role and the database have left. Every user may see who is connected, as whom and to which
    /// database; sessions without a user or a database are the server's own and count for no limit.
    pub(super) fn connections_left(&self, client: &mut Client) -> Result<Option<u64>, PgError> {
        const SQL: &str = "SELECT least(\
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
            - coalesce(current_setting('reserved_connections', true)::int, 0) \
            - (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL), \
            (SELECT rolconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid) FROM pg_roles r \
            WHERE rolname = session_user AND rolconnlimit >= 0), \
            (SELECT datconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid) FROM pg_database d \
            WHERE datname = current_database() AND datconnlimit >= 0))";
        Ok(self
            .ask(client, SQL)?
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i64>().ok(),
                _ => None,
            })
            // Administrators may be connected beyond what is left for others.
            .map(|left| u64::try_from(left).unwrap_or(0)))
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
