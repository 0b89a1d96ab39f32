//! The registry: several named pools of any kind in one place.

use queuepool::{ErrorKind, Pool, Registry, Settings};

use support::scripted::{ScriptedManager, Server, millis, secs};

fn pool(size: u32) -> Pool<ScriptedManager> {
    Server::new().pool(Settings::default().pool_size(size).max_overflow(0))
}

#[test]
fn pools_are_found_by_the_name_they_were_added_under() {
    let registry = Registry::new()
        .add("kg", pool(1))
        .unwrap()
        .add("by", pool(2))
        .unwrap();
    assert_eq!(registry.names(), ["by", "kg"]);
    let member = registry.get("kg").unwrap();
    let typed = member.pool::<ScriptedManager>().unwrap();
    let held = typed.get().unwrap();
    assert_eq!(registry.get("kg").unwrap().status().checked_out, 1);
    assert_eq!(registry.get("by").unwrap().status().checked_out, 0);
    assert!(!member.is_healthy(), "one of one is out");
    assert!(registry.get("by").unwrap().is_healthy());
    assert!(registry.get("kz").is_none());
    drop(held);
    assert!(member.is_healthy());
}

#[test]
fn the_status_has_every_member_by_its_name() {
    let registry = Registry::new();
    assert!(registry.status().is_empty());
    let registry = registry
        .add("kg", pool(1))
        .unwrap()
        .add("by", pool(2))
        .unwrap();
    let status = registry.status();
    let sizes: Vec<_> = status
        .iter()
        .map(|(name, status)| (name.as_str(), status.size))
        .collect();
    assert_eq!(sizes, [("by", 2), ("kg", 1)]);
}

#[test]
fn a_pool_without_a_name_takes_the_registry_s_and_no_other_does() {
    let (nameless, taken) = (pool(1), pool(1));
    let named = Server::new()
        .builder(Settings::default())
        .name("given")
        .build()
        .unwrap();
    let held = nameless.get().unwrap();
    assert_eq!(queuepool::Connection::info(&held).pool(), "db_pool");
    let registry = Registry::new()
        .add("kg", &nameless)
        .unwrap()
        .add("named", &named)
        .unwrap()
        .add("taken", &taken)
        .unwrap();
    let status = registry.status();
    assert_eq!(status["kg"].name, "kg");
    assert_eq!(status["named"].name, "given");
    assert_eq!(nameless.name(), "kg");
    assert_eq!(
        queuepool::Connection::info(&taken.get().unwrap()).pool(),
        "taken"
    );
    let error = nameless.get_timeout(millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    drop(held);
    nameless.close(secs(5)).unwrap();
    let error = nameless.get().unwrap_err().to_string();
    assert!(error.contains("the pool kg is closed"), "{error}");
    // The first name stays.
    Registry::new().add("again", &taken).unwrap();
    assert_eq!(taken.name(), "taken");
}

#[test]
fn a_name_that_is_taken_or_blank_is_a_settings_error_and_the_first_stays() {
    let registry = Registry::new().add("kg", pool(1)).unwrap();
    let error = registry.clone().add("kg", pool(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("\"kg\""), "{error}");
    assert_eq!(registry.status()["kg"].size, 1);
    for name in ["", "  "] {
        let error = registry.clone().add(name, pool(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
    }
    assert_eq!(registry.names(), ["kg"]);
}

#[test]
fn a_name_of_more_than_200_characters_is_a_settings_error() {
    let registry = Registry::new();
    let error = registry.clone().add(&"x".repeat(201), pool(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("200 characters"), "{error}");
    assert!(registry.names().is_empty());
    let longest = "\u{fc}".repeat(200);
    registry.clone().add(&longest, pool(1)).unwrap();
    assert_eq!(registry.names(), [longest]);
}

#[test]
fn clones_share_their_members_also_those_added_later() {
    let registry = Registry::new();
    let clone = registry.clone();
    registry.add("late", pool(1)).unwrap();
    assert_eq!(clone.names(), ["late"]);
}

#[test]
fn close_closes_every_member_and_names_those_that_do_not_drain() {
    let (one, other) = (pool(1), pool(1));
    let registry = Registry::new()
        .add("one", &one)
        .unwrap()
        .add("other", &other)
        .unwrap();
    let held = one.get().unwrap();
    let error = registry.close(millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains(file!()), "{error}");
    for pool in [&one, &other] {
        assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Closed);
    }
    drop(held);
    registry.close(secs(5)).unwrap();
    assert_eq!(registry.status()["one"].total, 0);
}

#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[test]
fn pools_and_databases_of_any_driver_stand_side_by_side() {
    use queuepool::Database;
    use queuepool::postgres::{PostgresManager, PostgresPool};

    let memory = Database::open("sqlite::memory:").unwrap();
    let server = PostgresPool::builder("postgresql://app@127.0.0.1:1/app")
        .unwrap()
        .name("orders")
        .build()
        .unwrap();
    let registry = Registry::new()
        .add("memory", &memory)
        .unwrap()
        .add("orders", server)
        .unwrap()
        .add("scripted", pool(1))
        .unwrap();
    let member = registry.get("memory").unwrap();
    let database = member.database().unwrap();
    assert_eq!(database.get().unwrap().query_i64("SELECT 7").unwrap(), 7);
    assert!(member.pool::<PostgresManager>().is_none());
    let member = registry.get("orders").unwrap();
    assert!(member.database().is_none());
    assert_eq!(member.pool::<PostgresManager>().unwrap().name(), "orders");
    let kinds: Vec<_> = registry
        .status()
        .into_values()
        .map(|status| status.pool_type)
        .collect();
    assert_eq!(kinds, ["NullPool", "QueuePool", "QueuePool"]);
    registry.close(secs(5)).unwrap();
    assert_eq!(memory.get().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn members_come_and_go_while_others_hold_the_registry() {
    let registry = Registry::new();
    let elsewhere = registry.clone();
    let kg = pool(1);
    registry.insert("kg", &kg).unwrap();
    registry.insert("by", pool(2)).unwrap();
    assert_eq!(elsewhere.names(), ["by", "kg"]);
    let error = elsewhere.insert("kg", pool(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);

    let removed = elsewhere.remove("kg").unwrap();
    assert_eq!(removed.status().size, 1);
    assert_eq!(registry.names(), ["by"]);
    assert!(registry.get("kg").is_none());
    assert!(registry.remove("kg").is_none());
    assert!(!kg.is_closed());
    drop(kg.get().unwrap());
    registry.insert("kg", pool(3)).unwrap();
    assert_eq!(registry.status()["kg"].size, 3);
}

#[test]
fn a_read_write_goes_as_it_came() {
    let whole = queuepool::ReadWrite::new(pool(1))
        .replica(pool(2))
        .replica(pool(3))
        .build()
        .unwrap();
    let registry = Registry::new();
    registry.insert("orders", &whole).unwrap();
    registry.insert("orders/other", pool(4)).unwrap();
    assert_eq!(registry.names().len(), 4);
    assert!(registry.remove("orders/replica-1").is_none(), "a part");
    let primary = registry.remove("orders").unwrap();
    assert_eq!(primary.status().size, 1);
    assert_eq!(registry.names(), ["orders/other"]);
    registry.insert("orders", &whole).unwrap();
}
