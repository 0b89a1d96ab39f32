//! A process forked from one that has a pool leaves that pool alone; calls on it are refused with the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use queuepool::{Connection, Error, ErrorKind, PrePing, ReadWrite, Registry, Settings};

use support::alone;
use support::fork::in_child;
use support::scripted::{Server, assert_laws, millis, secs, state};

fn settings() -> Settings {
    Settings::default()
        .pool_size(3)
        .max_overflow(0)
        .timeout(secs(20))
}

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>) {
    let error = result.err().expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("forked"), "{error}");
}

/// What the server has heard so far. It would hear every driver call of a child too.
fn calls(server: &Server) -> [usize; 4] {
    [
        server.connects(),
        server.pings(),
        server.resets(),
        server.closes(),
    ]
}

#[test]
fn in_a_forked_child_every_call_that_may_wait_is_unsupported() {
    alone(|| {
        let server = Server::new();
        let pool = server.pool(settings().pre_ping(PrePing::Always));
        let registry = Registry::new().add("orders", pool.clone()).unwrap();
        drop(pool.get().unwrap());
        in_child(|| {
            let before = calls(&server);
            assert_refused(pool.get());
            assert_refused(pool.get_timeout(millis(0)));
            assert_refused(pool.try_get());
            assert_refused(pool.ping());
            assert_refused(pool.warm_up(1));
            assert_refused(pool.close(secs(1)));
            assert_refused(registry.close(secs(1)));
            pool.invalidate_all();
            assert_eq!(calls(&server), before);
        });
        assert_eq!(state(&pool.status()), (3, 1, 0, 0));
    });
}

#[test]
fn in_a_forked_child_reads_and_writes_are_refused_and_no_lock_is_taken() {
    alone(|| {
        let (primary, replica) = (Server::new(), Server::new());
        let apart = ReadWrite::new(primary.pool(settings()))
            .replica(replica.pool(settings()))
            .check_interval(millis(10))
            .read_your_writes(true)
            .build()
            .unwrap();
        let registry = Registry::new().add("orders", &apart).unwrap();
        drop(apart.write().unwrap());
        let guard = apart.write().unwrap();
        // The checks go on, so one of many children is forked while their lock is held.
        for _ in 0..20 {
            in_child(|| {
                let before = [calls(&primary), calls(&replica)];
                assert_refused(apart.write().map(drop));
                assert_refused(apart.read());
                assert_refused(apart.read_after(&apart.mark()));
                assert_refused(apart.close(secs(1)));
                assert_eq!(apart.status().replicas[0].passed_over, None);
                assert_eq!(registry.status().len(), 2);
                drop(apart.clone());
                assert_eq!([calls(&primary), calls(&replica)], before);
            });
        }
        drop(guard);
        drop(apart.read().unwrap());
    });
}

#[test]
fn what_a_forked_child_inherited_is_forgotten_and_not_closed() {
    alone(|| {
        let server = Server::new();
        let told = Arc::new(AtomicUsize::new(0));
        let hear = || {
            let told = told.clone();
            move || {
                told.fetch_add(1, SeqCst);
            }
        };
        let (checkin, reset, invalidate, close) = (hear(), hear(), hear(), hear());
        let pool = server
            .builder(settings())
            .on_checkin(move |_, _| checkin())
            .on_reset(move |_, _| reset())
            .on_invalidate(move |_, _| invalidate())
            .on_close(move |_, _| close())
            .build()
            .unwrap();
        let mut held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
        drop(held.pop());
        let heard = told.load(SeqCst);
        // What the child drops are copies: in the parent everything is still there.
        let (pool, held) = (std::cell::Cell::new(Some(pool)), std::cell::Cell::new(held));
        in_child(|| {
            let before = calls(&server);
            let mut held = held.take();
            drop(held.pop());
            Connection::invalidate(held.pop().unwrap());
            drop(pool.take());
            assert_eq!(calls(&server), before);
            assert_eq!(told.load(SeqCst), heard);
        });
        let (pool, held) = (pool.take().unwrap(), held.take());
        assert_eq!(state(&pool.status()), (3, 1, 0, 2));
        assert_eq!(server.open(), 3);
        drop(held);
        assert_eq!(state(&pool.status()), (3, 3, 0, 0));
        assert_laws(&pool.status());
    });
}

#[test]
fn a_connection_that_a_forked_child_detaches_is_its_own_to_answer_for() {
    alone(|| {
        let server = Server::new();
        let pool = server.pool(settings());
        let held = std::cell::Cell::new(Some(pool.get().unwrap()));
        in_child(|| {
            let detached = Connection::detach(held.take().unwrap());
            assert_eq!(detached.id, 0);
            std::mem::forget(detached);
        });
        drop(held.take());
        assert_eq!(state(&pool.status()), (3, 1, 0, 0));
    });
}

#[test]
fn in_a_forked_child_the_status_is_of_an_empty_pool_and_says_why() {
    alone(|| {
        let server = Server::new();
        let pool = server.pool(settings());
        let _held = pool.get().unwrap();
        in_child(|| {
            let status = pool.status();
            assert_eq!((state(&status), status.total), ((3, 0, 0, 0), 0));
            assert!(status.recommendations[0].contains("forked"), "{status}");
            assert!(format!("{pool:?}").contains("db_pool"));
        });
    });
}

/// A lock that another thread held at the time of the fork stays locked in the child for ever.
#[test]
fn a_forked_child_hangs_on_no_lock_that_another_thread_held() {
    alone(|| {
        let server = Server::new();
        let pool = server.pool(settings());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        drop(pool.get().unwrap());
                        drop(pool.status());
                    }
                });
            }
            for _ in 0..50 {
                in_child(|| {
                    assert_refused(pool.get());
                    drop(pool.status());
                    drop(format!("{pool:?}"));
                    drop(pool.clone());
                });
            }
            over.store(true, SeqCst);
        });
    });
}

#[test]
fn a_forked_child_of_a_process_with_a_pool_builds_none() {
    alone(|| {
        let server = Server::new();
        drop(server.pool(settings()));
        in_child(|| {
            assert_refused(server.builder(settings()).build());
            // Nor does the child's own child.
            in_child(|| assert_refused(server.builder(settings()).build()));
        });
        drop(server.pool(settings()).get().unwrap());
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_forked_child_leaves_its_parents_sqlite_file_alone() {
    alone(|| {
        use queuepool::{Database, Mode};

        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}", folder.path().join("app.db").display());
        for mode in [Mode::Null, Mode::Queue] {
            let database = Database::open_with(&url, settings().mode(mode)).unwrap();
            let mut held = database.get().unwrap();
            held.execute("CREATE TABLE IF NOT EXISTS t (v INTEGER)")
                .unwrap();
            held.execute("BEGIN IMMEDIATE").unwrap();
            held.execute("INSERT INTO t VALUES (1)").unwrap();
            // What the child drops are copies: in the parent everything is still there.
            let inherited = std::cell::Cell::new(Some((database, held)));
            in_child(|| {
                let (database, held) = inherited.take().unwrap();
                assert_refused(database.get());
                drop(held);
                drop(database);
                assert_refused(Database::open_with(&url, settings()));
            });
            let (database, mut held) = inherited.take().unwrap();
            held.execute("COMMIT").unwrap();
            drop(held);
            database.close(secs(20)).unwrap();
        }
        let database = Database::open(&url).unwrap();
        let rows = database.get().unwrap().query_i64("SELECT sum(v) FROM t");
        assert_eq!(rows.unwrap(), 2);
    });
}
