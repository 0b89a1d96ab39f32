//! A process forked before the first pool was built can have pools like any other. The test is alone in its process because
//! elsewhere another test may already have built one.

use queuepool::Settings;

use support::alone;
use support::fork::in_child;
use support::scripted::{Server, assert_laws, millis, secs};

#[test]
fn a_process_forked_off_before_the_first_pool_has_pools_as_any_other() {
    alone(|| {
        for _ in 0..3 {
            in_child(|| {
                let server = Server::new();
                let settings = Settings::default()
                    .pool_size(2)
                    .max_overflow(1)
                    .min_pool_size(1);
                let pool = server.pool(settings);
                let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
                assert!(pool.get_timeout(millis(20)).is_err());
                drop(held);
                pool.close(secs(10)).unwrap();
                assert_laws(&pool.status());
            });
        }
    });
}
