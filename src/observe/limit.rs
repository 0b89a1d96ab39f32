//! What the server's limit of connections means for the sizes of a pool, and of one of several instances.

use crate::contract::server_limit::ServerLimit;
use crate::observe::status::Status;
use crate::settings::{GREATEST_CAPACITY, Settings};

/// The greatest capacity that this pool can have.
pub(super) fn most(status: &Status) -> u64 {
    let greatest = u64::from(GREATEST_CAPACITY);
    status
        .server_limit
        .map_or(greatest, |limit| share(status, limit).min(greatest))
}

/// What the server has for each instance.
fn share(status: &Status, limit: ServerLimit) -> u64 {
    limit.available() / u64::from(status.configuration.instances.max(1))
}

pub(super) fn why_no_more(status: &Status) -> String {
    let instances = status.configuration.instances;
    match status.server_limit.map(|limit| share(status, limit)) {
        Some(share) if share < u64::from(GREATEST_CAPACITY) => match instances {
            0 | 1 => format!("the server takes no more than {share}"),
            _ => format!("the server takes no more than {share} for each of {instances} instances"),
        },
        _ => format!("a pool has no more than {GREATEST_CAPACITY}"),
    }
}

pub(super) fn on_server_limit(status: &Status) -> Option<String> {
    let limit = status.server_limit?;
    let instances = status.configuration.instances;
    let available = share(status, limit);
    if status.total_capacity <= available {
        return None;
    }
    let mut server = format!(
        "server takes {} connections and reserves {}",
        limit.max_connections, limit.reserved
    );
    if let Some(own) = limit.for_user_or_database {
        server += &format!(", and {own} for this user and database");
    }
    if instances > 1 {
        server += &format!(", which {instances} instances share");
    }
    if available == 0 {
        return Some(format!(
            "The {server}: raise its limit, this pool can have none."
        ));
    }
    let kept = kept(&status.configuration);
    let with_it = match kept > available {
        true => ", min_pool_size and warm_up with it",
        false => "",
    };
    let instances = match available {
        _ if instances > 1 => String::new(),
        1 | 2 => String::new(),
        _ => format!(
            " Of 2 instances each may have {}, of 3 {}.",
            available / 2,
            available / 3
        ),
    };
    Some(format!(
        "Lower pool_size + max_overflow from {} to {available} or less{with_it}: the {server}.{instances}",
        status.total_capacity
    ))
}

/// The smallest pool_size that the other settings allow.
pub(super) fn kept(settings: &Settings) -> u64 {
    u64::from(settings.min_pool_size.max(settings.warm_up))
}
