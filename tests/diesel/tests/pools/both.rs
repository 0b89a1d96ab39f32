//! What behaves the same on SQLite and PostgreSQL.

/// The tests of both databases. `database()` returns what keeps a database alive, and its URL.
macro_rules! all_on {
    ($Conn:ty, $Database:ty) => {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        use std::time::Duration;

        use diesel::connection::{
            AnsiTransactionManager, SimpleConnection, TransactionManager,
        };
        use diesel::prelude::*;
        use diesel::r2d2::ConnectionManager;
        use queuepool::{CloseReason, ErrorKind, Pool, PrePing, Settings};

        use crate::{described, eventually, size, undescribed};

        diesel::table! {
            entry (id) {
                id -> Integer,
            }
        }

        type Guard = queuepool::Connection<ConnectionManager<$Conn>>;

        fn add(connection: &mut $Conn, id: i32) -> QueryResult<usize> {
            diesel::insert_into(entry::table)
                .values(entry::id.eq(id))
                .execute(connection)
        }

        fn rows(connection: &mut $Conn) -> Vec<i32> {
            let ids = entry::table.select(entry::id).order(entry::id);
            ids.load(connection).unwrap()
        }

        /// Both kinds of pool, with and without the driver, each with a table of its own.
        fn pools(settings: Settings) -> Vec<(Pool<ConnectionManager<$Conn>>, $Database)> {
            [false, true]
                .map(|is_described| {
                    let (kept, url) = database();
                    let pool = match is_described {
                        true => described::<$Conn>(&url, settings.clone()),
                        false => undescribed::<$Conn>(&url, settings.clone()),
                    };
                    let table = "CREATE TABLE entry (id INTEGER PRIMARY KEY)";
                    pool.get().unwrap().batch_execute(table).unwrap();
                    (pool, kept)
                })
                .into()
        }

        fn begin(guard: &mut Guard) {
            AnsiTransactionManager::begin_transaction(&mut **guard).unwrap();
        }

        /// One connection was closed because diesel called it broken, and a new one took its place.
        #[track_caller]
        fn assert_replaced(pool: &Pool<ConnectionManager<$Conn>>) {
            let status = pool.status();
            assert_eq!(status.total_connections_created, 2, "{status:#?}");
            assert_eq!(status.closed_by_reason.get(&CloseReason::Lost), Some(&1));
        }

        #[test]
        fn a_connection_is_checked_out_queried_and_used_again() {
            for (pool, _database) in pools(size(2, 0)) {
                for id in 1..=50 {
                    let mut guard = pool.get().unwrap();
                    guard.transaction(|connection| add(connection, id)).unwrap();
                }
                assert_eq!(rows(&mut pool.get().unwrap()).len(), 50);
                let status = pool.status();
                assert_eq!((status.checkouts, status.checkins), (52, 52));
                assert_eq!((status.total_connections_created, status.checked_in), (1, 1));
                assert!(status.max_connection_hold_time > 0.0);
                assert!(status.to_string().contains("Checked In: 1"));
            }
        }

        #[test]
        fn a_transaction_that_diesel_knows_of_and_somebody_left_open_ends_with_its_connection() {
            for (pool, _database) in pools(size(1, 0)) {
                let mut guard = pool.get().unwrap();
                begin(&mut guard);
                add(&mut guard, 1).unwrap();
                drop(guard);
                let mut next = pool.get().unwrap();
                assert_eq!(rows(&mut next), []);
                next.transaction(|connection| add(connection, 2)).unwrap();
                assert_replaced(&pool);
            }
        }

        #[test]
        fn a_transaction_that_fails_is_rolled_back_by_diesel_and_the_connection_stays() {
            for (pool, _database) in pools(size(1, 0)) {
                let failed = pool.get().unwrap().transaction(|connection| {
                    add(connection, 1)?;
                    add(connection, 1)
                });
                failed.unwrap_err();
                let mut next = pool.get().unwrap();
                assert_eq!(rows(&mut next), []);
                add(&mut next, 1).unwrap();
                drop(next);
                assert_eq!(pool.status().total_connections_created, 1);
            }
        }

        #[test]
        fn a_panic_in_a_transaction_ends_it_with_its_connection() {
            for (pool, _database) in pools(size(1, 0)) {
                let uses = pool.clone();
                let thread = std::thread::spawn(move || {
                    let mut guard = uses.get().unwrap();
                    guard.transaction::<(), diesel::result::Error, _>(|connection| {
                        add(connection, 1)?;
                        panic!("in the middle of it");
                    })
                });
                thread.join().unwrap_err();
                assert_eq!(rows(&mut pool.get().unwrap()), []);
                assert_replaced(&pool);
            }
        }

        #[test]
        fn a_panic_in_a_transaction_that_the_holder_catches_ends_it_with_its_connection_too() {
            for (pool, _database) in pools(size(1, 0)) {
                let mut guard = pool.get().unwrap();
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    guard.transaction::<(), diesel::result::Error, _>(|connection| {
                        add(connection, 1)?;
                        panic!("in the middle of it");
                    })
                }));
                drop(caught.unwrap_err());
                drop(guard);
                assert_eq!(rows(&mut pool.get().unwrap()), []);
                assert_replaced(&pool);
            }
        }

        #[test]
        fn a_transaction_begun_by_sql_goes_on_under_the_next_holder_unless_the_driver_is_given() {
            let [without, with] = &pools(size(1, 0))[..] else {
                unreachable!("two pools")
            };
            for (pool, is_described) in [(&without.0, false), (&with.0, true)] {
                let mut guard = pool.get().unwrap();
                guard.batch_execute("BEGIN").unwrap();
                add(&mut guard, 1).unwrap();
                drop(guard);
                let mut next = pool.get().unwrap();
                assert_eq!(rows(&mut next).is_empty(), is_described);
                assert_eq!(next.batch_execute("ROLLBACK").is_ok(), rolls_back_nothing() || !is_described);
                assert_eq!(rows(&mut next), []);
                drop(next);
                assert_eq!(pool.status().total_connections_created, 1);
            }
        }

        #[test]
        fn a_reset_hook_closes_the_gap_as_well() {
            let (_kept, url) = database();
            let pool = Pool::builder(ConnectionManager::<$Conn>::new(url))
                .settings(size(1, 0))
                .on_reset(|connection, _| {
                    let clean = connection.batch_execute("BEGIN; ROLLBACK");
                    clean
                        .or_else(|_| connection.batch_execute("ROLLBACK"))
                        .expect("a panic closes the connection");
                })
                .build()
                .unwrap();
            let mut guard = pool.get().unwrap();
            guard
                .batch_execute("CREATE TABLE entry (id INTEGER PRIMARY KEY)")
                .unwrap();
            guard.batch_execute("BEGIN").unwrap();
            add(&mut guard, 1).unwrap();
            drop(guard);
            assert_eq!(rows(&mut pool.get().unwrap()), []);
            assert_eq!(pool.status().total_connections_created, 1);
        }

        #[test]
        fn the_overflow_and_the_timeout_hold() {
            for (pool, _database) in pools(size(1, 1)) {
                let out = [pool.get().unwrap(), pool.get().unwrap()];
                let error = pool.get_timeout(Duration::from_millis(50)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout);
                let words = "QueuePool limit of size 1 overflow 1 reached, connection timed out, timeout 0.05";
                assert!(error.to_string().starts_with(words), "{error}");
                let status = pool.status();
                assert_eq!((status.checked_out, status.overflow), (2, 1));
                assert_eq!(status.connection_timeouts, 1);
                assert!(status.holders[0].location.file().contains("pools"));
                drop(out);
                eventually("the overflow is closed", || pool.status().total == 1);
            }
        }

        #[test]
        fn diesels_own_test_customizer_keeps_one_transaction_for_all_holders() {
            let (_kept, url) = database();
            let pool = Pool::builder(ConnectionManager::<$Conn>::new(&url))
                .settings(size(1, 0).pre_ping(PrePing::Always))
                .connection_customizer(Box::new(diesel::r2d2::TestCustomizer))
                .build()
                .unwrap();
            let mut guard = pool.get().unwrap();
            guard.batch_execute("CREATE TABLE entry (id INTEGER PRIMARY KEY)").unwrap();
            drop(guard);
            add(&mut pool.get().unwrap(), 1).unwrap();
            assert_eq!(rows(&mut pool.get().unwrap()), [1]);
            pool.close(Duration::from_secs(10)).unwrap();
            let outside = undescribed::<$Conn>(&url, size(1, 0));
            let mut guard = outside.get().unwrap();
            entry::table.count().get_result::<i64>(&mut *guard).unwrap_err();
        }
    };
}

pub(crate) use all_on;
