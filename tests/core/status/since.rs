//! The difference of two snapshots.

use queuepool::Settings;

use support::scripted::*;

#[test]
fn only_what_came_between_is_counted() {
    let pool = Server::new().pool(Settings::default().pool_size(1).max_overflow(0));
    drop(pool.get().unwrap());
    let earlier = pool.status();
    for _ in 0..3 {
        drop(pool.get().unwrap());
    }
    let held = pool.get().unwrap();
    pool.get_timeout(millis(1)).unwrap_err();
    let since = pool.status().since(&earlier);
    assert_eq!((since.checkouts, since.checkins), (4, 3));
    assert_eq!(
        (since.connection_timeouts, since.pool_exhausted_count),
        (1, 1)
    );
    assert_eq!(
        (
            since.total_connections_created,
            since.total_connections_closed
        ),
        (0, 0)
    );
    assert_eq!(since.connection_acquisition_time.count(), 4);
    assert_eq!(since.connection_hold_time.count(), 3);
    assert!(since.seconds > 0.0);
    let rate = since.per_second(since.checkouts) * since.seconds;
    assert!((rate - 4.0).abs() < 1e-9);
    drop(held);
}

#[test]
fn the_wrong_order_gives_nothing_and_not_a_panic() {
    let pool = Server::new().pool(Settings::default());
    let earlier = pool.status();
    drop(pool.get().unwrap());
    let since = earlier.since(&pool.status());
    assert_eq!((since.checkouts, since.seconds), (0, 0.0));
    assert_eq!(since.per_second(since.checkouts), 0.0);
    assert_eq!(since.connection_hold_time.percentile(0.99), 0.0);
}
