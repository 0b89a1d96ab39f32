//! A probe is answered although no thread can be started. Alone in its process, because the limit applies to the whole
//! process.

use queuepool::{Registry, Settings};

use support::http_client::Client;
use support::scripted::Server;
use support::{alone, without_threads};

#[test]
fn without_threads_every_probe_is_answered_and_none_ends_the_process() {
    alone(|| {
        let pool = Server::new().pool(Settings::default());
        drop(pool.get().unwrap());
        let registry = Registry::new().add("orders", &pool).unwrap();
        let server = queuepool::http::serve("0", registry).unwrap();
        let address = server.local_addr();
        let mut client = Client::connect(address);
        assert_eq!(client.get("/health/live").status, 200);
        without_threads(|| {
            for path in ["/health/database", "/health/detailed"] {
                let answer = client.get(path);
                assert_eq!(answer.status, 503, "{path}");
                let error = answer.json()["error"].take();
                assert!(error.as_str().unwrap().contains("thread"), "{error}");
            }
            for path in [
                "/health/live",
                "/health/pool",
                "/health/db_pool",
                "/metrics",
                "/status",
            ] {
                assert_eq!(client.get(path).status, 200, "{path}");
            }
        });
        for path in ["/health/database", "/health/detailed", "/metrics"] {
            assert_eq!(client.get(path).status, 200, "{path}");
        }
        server.stop();
    });
}
