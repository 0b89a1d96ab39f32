//! What the probes say of a pool's database.

use std::time::SystemTime;

use humantime::format_rfc3339_millis;
use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::observe::checked::HealthCheck;

#[derive(Serialize)]
pub(super) struct Database {
    status: &'static str,
    pub(super) reachable: bool,
    checked_at: Option<String>,
    age_seconds: Option<f64>,
    took_seconds: Option<f64>,
    pub(super) error: Option<String>,
}

impl Database {
    pub(super) fn of(check: Result<HealthCheck, Error>) -> Result<Self, Error> {
        let check = match check {
            Ok(check) => check,
            Err(error) if error.kind() == ErrorKind::Closed => HealthCheck {
                reachable: false,
                full: false,
                skipped: false,
                checked_at: None,
                took: None,
                error: Some(error.to_string()),
            },
            Err(error) => return Err(error),
        };
        let age = check
            .checked_at
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        Ok(Database {
            status: match (check.skipped, check.reachable) {
                _ if check.full => "full",
                (true, _) => "skipped, exhausted",
                (false, true) => "reachable",
                (false, false) => "unreachable",
            },
            reachable: check.reachable,
            checked_at: check
                .checked_at
                .map(|at| format_rfc3339_millis(at).to_string()),
            age_seconds: age.map(|age| age.as_secs_f64()),
            took_seconds: check.took.map(|took| took.as_secs_f64()),
            error: check.error,
        })
    }
}
