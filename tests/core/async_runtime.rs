//! On the threads of an async runtime, blocking calls are refused; where blocking is allowed, everything works.

use queuepool::{Connection, Error, ErrorKind, Manager, Pool, Settings};
use tokio::runtime::{Builder, Runtime};

use support::scripted::{Act, Gate, Server, eventually, secs, state};

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn settings() -> Settings {
    Settings::default()
        .pool_size(2)
        .max_overflow(0)
        .timeout(secs(20))
}

#[track_caller]
fn assert_refused<T>(call: &str, result: Result<T, Error>) {
    let error = result.err().expect(call);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{call}: {error:?}");
    assert!(error.to_string().contains("spawn_blocking"), "{error}");
}

/// Each call that may block is refused, and nothing else has happened.
fn refuse<M: Manager>(pool: &Pool<M>) {
    assert_refused("get", pool.get());
    assert_refused("get_timeout", pool.get_timeout(secs(1)));
    assert_refused("try_get", pool.try_get());
    assert_refused("warm_up", pool.warm_up(1));
    assert_refused("ping", pool.ping());
    assert_refused("close", pool.close(secs(1)));
    let status = pool.status();
    assert_eq!(state(&status), (2, 0, 0, 0), "status works");
    assert_eq!(status.total_connections_created, 0);
}

/// On a worker, in a task of it, and on the thread that drives the runtime.
fn refused_everywhere<M: Manager>(pool: &Pool<M>) {
    for runtime in [multi_thread(), current_thread()] {
        runtime.block_on(async {
            refuse(pool);
            let pool = pool.clone();
            tokio::spawn(async move { refuse(&pool) }).await.unwrap();
        });
    }
    // Afterwards the same pool works, where blocking is allowed.
    drop(pool.get().unwrap());
}

/// On a thread where blocking is allowed.
fn works<M: Manager>(pool: &Pool<M>, mut use_it: impl FnMut(&mut M::Connection)) {
    pool.warm_up(2).unwrap();
    pool.ping().unwrap();
    let mut connection = pool.get().unwrap();
    use_it(&mut connection);
    drop(connection);
    eventually("it is back", || pool.status().idle_connections == 2);
}

fn works_where_blocking_is_allowed<M: Manager>(pool: &Pool<M>, use_it: fn(&mut M::Connection)) {
    let runtime = multi_thread();
    let in_task = pool.clone();
    runtime.block_on(async {
        let blocking = in_task.clone();
        tokio::task::spawn_blocking(move || works(&blocking, use_it))
            .await
            .unwrap();
        tokio::spawn(async move { tokio::task::block_in_place(|| works(&in_task, use_it)) })
            .await
            .unwrap();
    });
    let blocking = pool.clone();
    current_thread()
        .block_on(async { tokio::task::spawn_blocking(move || works(&blocking, use_it)).await })
        .unwrap();
    let (closing, again) = (pool.clone(), pool.clone());
    runtime
        .block_on(async { tokio::task::spawn_blocking(move || closing.close(secs(10))).await })
        .unwrap()
        .unwrap();
    let again = async move { tokio::task::block_in_place(|| again.close(secs(10))) };
    let closed_twice = runtime.block_on(async { tokio::spawn(again).await });
    closed_twice.unwrap().unwrap();
}

/// A guard that was checked out elsewhere ends on the runtime's thread.
fn drop_there<M: Manager>(runtime: &Runtime, guard: Connection<M>) {
    runtime.block_on(async {
        tokio::spawn(async move { drop(guard) }).await.unwrap();
    });
}

#[test]
fn calls_that_block_are_refused_for_any_manager() {
    let server = Server::new();
    refused_everywhere(&server.pool(settings()));
    assert_eq!(server.connects(), 1);
}

#[test]
fn in_spawn_blocking_and_block_in_place_any_manager_works() {
    works_where_blocking_is_allowed(&Server::new().pool(settings()), |_| {});
}

#[test]
fn a_guard_dropped_there_is_reset_by_a_helper_and_returned() {
    let server = Server::new();
    let pool = server.pool(settings());
    let gate = Gate::new();
    let closed_gate = gate.clone();
    server.on_reset(move |_| Act::Wait(closed_gate.clone()));
    // Were the reset made on the runtime's thread, this would not come back.
    drop_there(&multi_thread(), pool.get().unwrap());
    eventually("the reset is on its way", || gate.waiting() == 1);
    assert_eq!(pool.status().idle_connections, 0);
    gate.open();
    eventually("it is back", || pool.status().idle_connections == 1);
    assert_eq!(server.resets(), 1);
    assert_eq!(server.closes(), 0);
    let status = pool.status();
    assert_eq!((status.checkouts, status.checkins), (1, 1));
}

#[test]
fn a_pool_dropped_there_closes_its_connections() {
    let server = Server::new();
    let pool = server.pool(settings());
    pool.warm_up(2).unwrap();
    multi_thread().block_on(async move {
        tokio::spawn(async move { drop(pool) }).await.unwrap();
    });
    eventually("both are closed", || server.closes() == 2);
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use queuepool::ResetOnReturn;
    use queuepool::postgres::PostgresPool;
    use support::servers::Postgres;

    fn pool(server: &Postgres, settings: Settings) -> PostgresPool {
        PostgresPool::builder(server.url())
            .unwrap()
            .settings(settings)
            .build()
            .unwrap()
    }

    /// The driver itself would abort the process there: it runs a runtime of its own.
    #[test]
    fn calls_that_block_are_refused_on_postgres() {
        let server = Postgres::start();
        refused_everywhere(&pool(&server, settings()));
        let database = queuepool::Database::open(&server.url()).unwrap();
        multi_thread().block_on(async { assert_refused("get", database.get()) });
    }

    #[test]
    fn in_spawn_blocking_and_block_in_place_postgres_works() {
        let server = Postgres::start();
        works_where_blocking_is_allowed(&pool(&server, settings()), |client| {
            client.batch_execute("BEGIN; SELECT 1").unwrap();
        });
    }

    #[test]
    fn a_postgres_guard_dropped_there_is_reset_and_returned() {
        let server = Postgres::start();
        let settings = settings().pool_size(1).reset_on_return(ResetOnReturn::Full);
        let pool = pool(&server, settings);
        let runtime = multi_thread();
        for _ in 0..3 {
            let mut client = pool.get().unwrap();
            client
                .batch_execute("CREATE TEMP TABLE scratch (v int); BEGIN")
                .unwrap();
            drop_there(&runtime, client);
        }
        drop(pool.get().unwrap());
        let status = pool.status();
        assert_eq!(status.total_connections_created, 1, "{status:#?}");
        assert_eq!(status.checkins, 4);
    }

    #[test]
    fn a_broken_postgres_connection_and_the_pool_itself_may_end_there() {
        let mut server = Postgres::start();
        let pool = pool(&server, settings());
        let client = pool.get().unwrap();
        let overflowing = pool.get().unwrap();
        let runtime = multi_thread();
        server.kill();
        drop_there(&runtime, client);
        runtime.block_on(async {
            tokio::spawn(async move { Connection::invalidate(overflowing) })
                .await
                .unwrap();
        });
        eventually("both are closed", || pool.status().total == 0);
        server.start_again();
        pool.warm_up(2).unwrap();
        runtime.block_on(async move {
            tokio::spawn(async move { drop(pool) }).await.unwrap();
        });
    }
}
