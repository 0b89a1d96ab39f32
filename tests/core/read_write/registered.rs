//! One name in a registry, under which all pools are shown.

use queuepool::{ErrorClass, ErrorKind, Registry};

use super::*;

#[test]
fn its_parts_are_members_and_its_name_leads_to_the_primary() {
    let fleet = Fleet::new(2);
    let apart = fleet.apart();
    let registry = Registry::new().add("orders", &apart).unwrap();
    assert_eq!(
        registry.names(),
        ["orders/primary", "orders/replica-1", "orders/replica-2"]
    );
    drop(apart.write().unwrap());
    drop(apart.read().unwrap());
    let of = |name: &str| registry.get(name).unwrap().status().checkouts;
    assert_eq!(
        [of("orders"), of("orders/primary"), of("orders/replica-1")],
        [1, 1, 1]
    );
    assert!(registry.get("orders/replica-1").unwrap().is_replica());
    assert!(!registry.get("orders").unwrap().is_replica());
    let member = registry.get("orders/replica-2").unwrap();
    assert!(member.pool::<ScriptedManager>().is_some());
    let taken = registry.clone().add("orders", &apart).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Settings);
    registry.close(secs(1)).unwrap();
    assert!(apart.status().primary.closed && apart.status().replicas[1].closed);
}

#[test]
fn a_replica_tells_why_it_is_passed_over() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    let registry = Registry::new().add("orders", &apart).unwrap();
    fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
    drop(apart.read().unwrap());
    let status = registry.get("orders/replica-1").unwrap().status();
    assert!(status.passed_over.unwrap().contains("scripted Transient"));
    let advice = status.recommendations.join("\n");
    assert!(
        advice.contains("Reads pass this replica over: it failed"),
        "{advice}"
    );
    let printed = apart.status().to_string();
    assert!(
        printed.contains("Replica 1: passed over, because it failed"),
        "{printed}"
    );
}

#[test]
fn a_replica_whose_pool_is_healthy_is_not_said_to_need_nothing() {
    let fleet = Fleet::new(1);
    let apart = fleet.described().max_lag(secs(4)).build().unwrap();
    let advice = &apart.status().replicas[0].recommendations;
    assert_eq!(
        *advice,
        [
            "Reads pass this replica over: its lag is unknown, and max_lag is set: it has not been asked yet."
        ]
    );
}

#[cfg(feature = "http")]
#[test]
fn a_replica_that_is_down_takes_nobody_out_of_service() {
    use queuepool::http::respond;
    let fleet = Fleet::new(1);
    let registry = Registry::new().add("orders", fleet.apart()).unwrap();
    fleet.replicas[0].on_connect(|_| Act::Fail(ErrorClass::Transient));
    let of = |target: &str| respond(&registry, target).status;
    assert_eq!(of("/health/database"), 200);
    assert_eq!(of("/health/detailed"), 200);
    assert_eq!(of("/health/database?pool=orders/replica-1"), 503);
    assert_eq!(of("/health/database?pool=orders"), 200);
    fleet
        .primary
        .on_connect(|_| Act::Fail(ErrorClass::Transient));
    fleet.primary.restart();
    assert_eq!(of("/health/database"), 503);
}

#[cfg(feature = "prometheus")]
#[test]
fn the_metrics_tell_the_lag() {
    let fleet = Fleet::new(1);
    let apart = fleet.apart();
    let registry = Registry::new().add("orders", &apart).unwrap();
    log_is_at(&fleet.primary, 1);
    log_is_at(&fleet.replicas[0], 1);
    apart.check();
    fleet.clock.advance(secs(5));
    log_is_at(&fleet.primary, 2);
    apart.check();
    let text = queuepool::prometheus::text(&registry);
    let lag = "db_pool_replica_lag_seconds{pool=\"orders/replica-1\"} 5";
    assert!(text.contains(lag), "{text}");
    assert!(!text.contains("replica_lag_seconds{pool=\"orders/primary\"}"));
}
