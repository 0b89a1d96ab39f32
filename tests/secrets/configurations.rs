//! Pools opened with the driver's own configuration value, for which we have read no URL.

use std::panic::{AssertUnwindSafe, catch_unwind};

use queuepool::mysql::{MySqlManager, MySqlPool};
use queuepool::postgres::{PostgresManager, PostgresPool};
use queuepool::{Builder, Connection, ErrorKind, Manager};

use crate::capture;
use crate::marker::{Secret, percent_encoded};
use crate::subject::{Place, all_that_speaks, bouncer, mariadb, postgres};
use crate::texts::{Texts, assert_process_silent, of_pool, printed};
use support::scripted::secs;

fn postgres_config(url: &str) -> ::postgres::Config {
    url.parse().unwrap()
}

fn mysql_opts(url: &str) -> ::mysql::Opts {
    ::mysql::Opts::from_url(url).unwrap()
}

/// A pool for each kind of configuration: what it says in use, what it says when it is refused, and what it says when a
/// hook panics.
fn treated_as_a_url<M: Manager>(
    secret: &Secret,
    place: &Place,
    builder: impl Fn(&str) -> Builder<M>,
) {
    let right = place.url(&percent_encoded(&secret.whole()));
    let builder = |url: &str, name: &str| builder(url).name(name).settings(all_that_speaks());
    let mut texts = Texts::default();
    texts.add("Builder", printed!(builder(&right, "printed")));

    let pool = builder(&right, "configured").build().unwrap();
    let held = pool.get().unwrap();
    texts.add_debug("Connection", &held);
    texts.add_debug("ConnectionInfo", Connection::info(&held));
    texts.0.extend(of_pool(&pool).0);
    drop(held);
    pool.invalidate_all();
    pool.ping().unwrap();
    pool.close(secs(10)).unwrap();
    texts.add_error("closed", &pool.get().unwrap_err());
    texts.0.extend(of_pool(&pool).0);

    let refused = place.url(&percent_encoded(&secret.wrong()));
    for url in [refused, place.unreachable(&secret.whole())] {
        let pool = builder(&url, "refused").build().unwrap();
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        texts.add_error("refused", &error);
        assert!(pool.status().last_error.is_some());
        assert!(pool.health_check().unwrap().error.is_some());
        texts.0.extend(of_pool(&pool).0);
        let panic = catch_unwind(AssertUnwindSafe(|| pool.get().unwrap())).unwrap_err();
        texts.add(
            "a user's own panic",
            panic.downcast_ref::<String>().unwrap(),
        );
    }

    let pool = builder(&right, "panicking")
        .on_checkout(|_, info| panic!("a configured pool's hook knows this: {info:?}"))
        .build()
        .unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| pool.get().map(drop))).unwrap_err();
    texts.add("a hook's panic", panic.downcast_ref::<String>().unwrap());
    texts.0.extend(of_pool(&pool).0);

    texts.assert_without(secret);
    for name in ["configured", "refused", "panicking"] {
        let target = format!("queuepool::{name}");
        let lines = capture::lines();
        assert!(lines.iter().any(|line| line.target == target), "{target}");
    }
    let panics = capture::panics();
    assert!(
        panics
            .iter()
            .any(|panic| panic.contains("a configured pool's hook"))
    );
    assert_process_silent(secret);
}

fn on_postgres(secret: &Secret, place: &Place) {
    let config = postgres_config(&place.url(&percent_encoded(&secret.whole())));
    secret.assert_not_in_debug_of("Config", &config);
    secret.assert_not_in_debug_of("PostgresManager", &PostgresManager::new(config));
    treated_as_a_url(secret, place, |url| {
        PostgresPool::builder(postgres_config(url)).unwrap()
    });
}

#[test]
fn not_of_a_configuration_on_postgres() {
    let secret = Secret::new();
    let (_server, place) = postgres(&secret);
    on_postgres(&secret, &place);
}

#[test]
fn not_of_a_configuration_on_mariadb() {
    let secret = Secret::new();
    let (_server, place) = mariadb(&secret);
    let opts = mysql_opts(&place.url(&percent_encoded(&secret.whole())));
    secret.assert_not_in_debug_of("MySqlManager", &MySqlManager::new(opts));
    treated_as_a_url(&secret, &place, |url| {
        MySqlPool::builder(mysql_opts(url)).unwrap()
    });
}

#[test]
fn not_of_a_configuration_through_pgbouncer() {
    let secret = Secret::new();
    let (server, _) = postgres(&secret);
    for pool_mode in ["session", "transaction"] {
        let (_bouncer, place) = bouncer(&server, &secret, pool_mode);
        on_postgres(&secret, &place);
    }
}

/// Refused before anybody connects.
#[test]
fn not_of_a_configuration_that_is_refused() {
    let secret = Secret::new();
    let mut nowhere = ::postgres::Config::new();
    nowhere.user("app").password(secret.whole());
    let mut direct = nowhere.clone();
    direct
        .host("127.0.0.1")
        .ssl_negotiation(::postgres::config::SslNegotiation::Direct);
    for (config, kind) in [
        (nowhere, ErrorKind::Settings),
        (direct, ErrorKind::Unsupported),
    ] {
        let error = PostgresManager::new(config).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let mut texts = Texts::default();
        texts.add_error("an error", &error);
        texts.assert_without(&secret);
    }
    assert_process_silent(&secret);
}
