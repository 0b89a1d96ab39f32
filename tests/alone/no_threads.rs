//! If no thread can be started, a connect fails; nothing hangs, and no place is lost. Alone in its process, because the
//! limit applies to the whole process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use queuepool::{ErrorKind, PrePing, Retry, Settings};

use support::alone;
use support::scripted::*;
use support::without_threads;

#[test]
fn without_threads_a_connect_fails_and_the_pool_recovers() {
    alone(|| {
        let (ended, ends) = std::sync::mpsc::channel::<()>();
        thread::spawn(move || {
            if ends.recv_timeout(secs(30)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("the pool hangs");
                std::process::abort();
            }
        });
        let server = Server::new();
        let retry = Retry::default().max_attempts(1).initial_delay(millis(50));
        let settings = Settings::default().min_pool_size(2).retry(retry);
        // Starts the process's timer thread.
        drop(server.pool(Settings::default()));
        let pool = without_threads(|| {
            let pool = server.pool(settings);
            let error = pool.get().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
            pool
        });
        let all: Vec<_> = (0..30).map(|_| pool.get().unwrap()).collect();
        drop(all);
        assert_laws(&pool.status());
        a_connection_that_no_thread_could_be_started_to_ping_is_released_by_the_customizer();
        drop(ended);
    });
}

#[derive(Debug)]
struct Released(Arc<AtomicUsize>);

impl r2d2::CustomizeConnection<ScriptedConnection, ScriptedError> for Released {
    fn on_release(&self, _: ScriptedConnection) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn a_connection_that_no_thread_could_be_started_to_ping_is_released_by_the_customizer() {
    let server = Server::new();
    let released = Arc::new(AtomicUsize::new(0));
    // Everything but the ping runs on the caller's thread, so that no helper is idle when the ping needs one.
    server.local.store(true, SeqCst);
    server.pings_apart.store(true, SeqCst);
    let settings = Settings::default().pre_ping(PrePing::Always);
    let pool = server
        .builder(settings.retry(Retry::default().max_attempts(1)))
        .connection_customizer(Box::new(Released(released.clone())))
        .build()
        .unwrap();
    drop(pool.get().unwrap());
    // The replacement is opened on this thread.
    drop(without_threads(|| pool.get().unwrap()));
    assert_eq!((released.load(SeqCst), server.pings()), (1, 0));
    assert_eq!(server.connects(), 2);
    assert_laws(&pool.status());
}
