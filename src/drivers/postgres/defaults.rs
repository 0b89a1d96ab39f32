//! A configuration as it is used: checked, and with the pool's own defaults where it has none.

use std::time::Duration;

use ::postgres::Config;
use ::postgres::config::SslNegotiation;

use super::hosts::check;
use crate::error::{Error, ErrorKind};

/// tokio-postgres waits two hours, which is Linux' own default. Load balancers and firewalls forget an idle connection long
/// before that.
const DRIVERS_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// `idle_is_wanted`: the URL gives the time of idleness, even if it is the driver's default.
///
/// # Errors
/// Settings for a configuration without a host or with hosts that do not fit together, Unsupported for `sslnegotiation=direct`.
pub(super) fn filled_in(mut config: Config, idle_is_wanted: bool) -> Result<Config, Error> {
    // It would fail at login or be silently ignored.
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        return Err(Error::unsupported(
            "sslnegotiation=direct is not supported: leave it out, since every server that takes it also takes the usual \
             negotiation",
        ));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(Error::new(
            ErrorKind::Settings,
            "the PostgreSQL configuration names no host: expected one, as in postgresql://host/database, or a Unix socket, \
             as in postgresql:///database?host=/var/run/postgresql",
        ));
    }
    if config.get_keepalives_idle() == DRIVERS_KEEPALIVE_IDLE && !idle_is_wanted {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(10));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(5);
    }
    // Without keepalives it is left to the system.
    if config.get_tcp_user_timeout().is_none() && config.get_keepalives() {
        let interval = config.get_keepalives_interval().unwrap_or_default();
        let count = config.get_keepalives_retries().unwrap_or_default();
        let limit = config.get_keepalives_idle() + interval.saturating_mul(count);
        config.tcp_user_timeout(limit);
    }
    check(&config)?;
    // The host is the name that a certificate must have. If only addresses are given, the driver has none to check.
    if config.get_hosts().is_empty() {
        for address in config.get_hostaddrs().to_vec() {
            config.host(&address.to_string());
        }
    }
    Ok(config)
}
