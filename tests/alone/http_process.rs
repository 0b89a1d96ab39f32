//! What a server leaves behind in its process, and in a forked one. Alone in its process, because threads are counted
//! there.

use std::cell::Cell;

use queuepool::http::serve;
use queuepool::{ErrorKind, Registry, Settings};

use support::alone;
use support::fork::in_child;
use support::http_client::{Client, get};
use support::scripted::{Server, eventually};

fn threads_of_servers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| {
            ["queuepool-http", "queuepool-check"]
                .iter()
                .any(|ours| name.starts_with(ours))
        })
        .count()
}

/// One test, because the threads of a second one would be counted too.
#[test]
fn a_stopped_server_leaves_no_thread_and_a_forked_child_leaves_its_parents_alone() {
    alone(|| {
        let pool = Server::new().pool(Settings::default());
        let registry = Registry::new()
            .add("a", &pool)
            .unwrap()
            .add("b", &pool)
            .unwrap();
        for _ in 0..3 {
            let server = serve("0", registry.clone()).unwrap();
            let address = server.local_addr();
            let mut open = Client::connect(address);
            assert_eq!(open.get("/health/detailed").status, 200);
            assert!(
                threads_of_servers() >= 2,
                "its own thread, and the one that asked the database"
            );
            server.stop();
            // The threads that have asked the database are told to end, but not waited for.
            eventually("no thread is left", || threads_of_servers() == 0);
        }

        let server = serve("0", registry.clone()).unwrap();
        let address = server.local_addr();
        let inherited = Cell::new(Some(server));
        let also = Cell::new(Some(serve("0", registry.clone()).unwrap()));
        in_child(|| {
            drop(inherited.take());
            also.take().unwrap().stop();
            let error = serve("0", registry.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        });
        assert_eq!(get(address, "/health/database?pool=a").status, 200);
        for server in [inherited.take(), also.take()].into_iter().flatten() {
            server.stop();
        }
        eventually("no thread is left", || threads_of_servers() == 0);
    });
}
