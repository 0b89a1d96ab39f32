//! The first pool of a process needs a thread for the process's timer. If none can be started, the build is an error and
//! the next one tries again. Alone in its process, because the timer and the limit belong to the whole process.

use queuepool::{ErrorKind, Settings};

use support::alone;
use support::scripted::*;
use support::without_threads;

#[test]
fn without_a_thread_for_the_timer_the_first_build_is_an_error_and_the_next_succeeds() {
    alone(|| {
        let server = Server::new();
        for _ in 0..2 {
            let built = without_threads(|| server.builder(Settings::default()).build().map(drop));
            let error = built.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
            assert!(
                error.is_transient() && error.to_string().contains("timer"),
                "{error}"
            );
        }
        let pool = server.pool(Settings::default());
        drop(pool.get().unwrap());
        assert_laws(&pool.status());
    });
}
