//! What an error says of its connection and of the others: scenario 22, note_error, on_error, and drivers that panic.

use std::fmt;
use std::sync::atomic::Ordering::SeqCst;

use queuepool::{
    CloseReason, Connection, ErrorClass, ErrorKind, Extent, Pool, PrePing, ResetOnReturn, Settings,
    Status,
};

use support::scripted::*;

fn settings() -> Settings {
    Settings::default()
        .pool_size(10)
        .max_overflow(0)
        .reset_on_return(ResetOnReturn::Never)
}

fn closed_for(status: &Status, reason: CloseReason) -> u64 {
    status.closed_by_reason.get(&reason).copied().unwrap_or(0)
}

fn fill(pool: &Pool<ScriptedManager>) {
    drop((0..10).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
}

/// A statement on a connection that the server may have ended; its error is noted.
fn run(server: &Server, connection: &mut Connection<ScriptedManager>) -> Result<(), ErrorClass> {
    if server.is_dead(connection) {
        let error = ScriptedError(ErrorClass::Lost);
        return Err(Connection::note_error(connection, &error));
    }
    Ok(())
}

#[test]
fn scenario_22_of_ten_idle_connections_ended_by_the_server_one_statement_fails() {
    for (extent, pings) in [(Extent::Server, 0), (Extent::Unclear, 1)] {
        let server = Server::new();
        *server.extent.lock() = extent;
        let pool = server.pool(settings());
        fill(&pool);
        server.restart();
        let failed = (0..10).filter(|_| run(&server, &mut pool.get().unwrap()).is_err());
        assert_eq!(failed.count(), 1, "{extent:?}");
        // One ping settles what was unclear.
        assert_eq!(server.pings(), pings, "{extent:?}");
        drop((0..10).map(|_| pool.get().unwrap()).collect::<Vec<_>>());
        let status = pool.status();
        assert_eq!(status.total_connections_closed, 10, "{extent:?}");
        assert_eq!(server.connects(), 20, "ten new ones");
        assert_laws(&status);
    }
}

#[test]
fn scenario_22_two_held_with_a_statement_in_flight_are_two_errors() {
    for extent in [Extent::Server, Extent::Unclear] {
        let server = Server::new();
        *server.extent.lock() = extent;
        let pool = server.pool(settings());
        fill(&pool);
        let (mut one, mut other) = (pool.get().unwrap(), pool.get().unwrap());
        server.restart();
        let mut failed = 0;
        for held in [&mut one, &mut other] {
            failed += usize::from(run(&server, held).is_err());
        }
        drop((one, other));
        for _ in 0..10 {
            failed += usize::from(run(&server, &mut pool.get().unwrap()).is_err());
        }
        assert_eq!(failed, 2, "{extent:?}");
        assert_laws(&pool.status());
    }
}

#[test]
fn a_session_that_ended_alone_and_an_owed_answer_close_one_connection_and_cost_no_ping() {
    for (class, reason) in [
        (ErrorClass::Lost, CloseReason::Lost),
        (ErrorClass::Owed, CloseReason::Owed),
    ] {
        let server = Server::new();
        *server.extent.lock() = Extent::Session;
        let pool = server.pool(settings());
        fill(&pool);
        let mut connection = pool.get().unwrap();
        assert_eq!(
            Connection::note_error(&mut connection, &ScriptedError(class)),
            class
        );
        drop(connection);
        for _ in 0..20 {
            drop(pool.get().unwrap());
        }
        let status = pool.status();
        assert_eq!((server.pings(), server.connects()), (0, 10));
        assert_eq!(closed_for(&status, reason), 1);
        assert_eq!(status.total_connections_closed, 1);
        assert_laws(&status);
    }
}

#[test]
fn of_several_errors_the_gravest_counts_and_a_statements_error_none() {
    let server = Server::new();
    let pool = server.pool(settings());
    let mut connection = pool.get().unwrap();
    for class in [
        ErrorClass::Statement,
        ErrorClass::Transient,
        ErrorClass::Permanent,
    ] {
        Connection::note_error(&mut connection, &ScriptedError(class));
    }
    drop(connection);
    assert_eq!(pool.status().total_connections_closed, 0);
    let mut connection = pool.get().unwrap();
    for class in [ErrorClass::Owed, ErrorClass::Lost, ErrorClass::Statement] {
        Connection::note_error(&mut connection, &ScriptedError(class));
    }
    drop(connection);
    assert_eq!(closed_for(&pool.status(), CloseReason::Lost), 1);
}

#[test]
fn an_error_is_heard_however_the_connection_goes() {
    let invalidate = |connection: Connection<ScriptedManager>| Connection::invalidate(connection);
    let detach =
        |connection: Connection<ScriptedManager>| Connection::detach(connection).discount();
    let ways: [fn(Connection<ScriptedManager>); 3] = [drop, invalidate, detach];
    for way in ways {
        let server = Server::new();
        let pool = server.pool(settings());
        fill(&pool);
        let mut connection = pool.get().unwrap();
        Connection::note_error(&mut connection, &ScriptedError(ErrorClass::Lost));
        way(connection);
        eventually("the other nine are closed", || pool.status().total == 0);
        assert_laws(&pool.status());
    }
}

#[test]
fn an_error_beneath_another_is_found_and_a_strangers_error_is_a_statements() {
    #[derive(Debug)]
    struct Wrapped(ScriptedError);
    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl std::error::Error for Wrapped {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let server = Server::new();
    let pool = server.pool(settings());
    let mut connection = pool.get().unwrap();
    let stranger = std::io::Error::other("no error of this driver");
    let class = Connection::note_error(&mut connection, &stranger);
    assert_eq!(class, ErrorClass::Statement);
    let wrapped = Wrapped(ScriptedError(ErrorClass::Owed));
    let class = Connection::note_error(&mut connection, &wrapped);
    assert_eq!(class, ErrorClass::Owed);
}

#[test]
fn a_connection_that_its_manager_calls_broken_makes_the_others_due_for_a_ping() {
    for pre_ping in [PrePing::default(), PrePing::Never] {
        let server = Server::new();
        let pool = server.pool(settings().pre_ping(pre_ping));
        fill(&pool);
        let connection = pool.get().unwrap();
        connection.broken.store(true, SeqCst);
        drop(connection);
        assert_eq!(pool.status().total, 9, "nothing is said of the others");
        for pings in 1..=9 {
            let held = pool.get().unwrap();
            assert_eq!(server.pings(), 1, "{pings}: each once");
            drop(held);
        }
        let held: Vec<_> = (0..9).map(|_| pool.get().unwrap()).collect();
        assert_eq!((server.pings(), server.connects()), (9, 10));
        drop(held);
        assert_laws(&pool.status());
    }
}

#[test]
fn a_connection_that_came_into_doubt_while_it_was_out_is_not_proved_by_its_return() {
    let server = Server::new();
    let pool = server.pool(settings());
    let (held, broken) = (pool.get().unwrap(), pool.get().unwrap());
    broken.broken.store(true, SeqCst);
    drop(broken);
    drop(held);
    drop(pool.get().unwrap());
    assert_eq!(server.pings(), 1);
    // A reset that was answered proves the connection alive.
    let server = Server::new();
    let pool = server.pool(settings().reset_on_return(ResetOnReturn::Rollback));
    let (held, broken) = (pool.get().unwrap(), pool.get().unwrap());
    broken.broken.store(true, SeqCst);
    drop(broken);
    drop(held);
    drop(pool.get().unwrap());
    assert_eq!(server.pings(), 0);
}

#[test]
fn a_reset_that_finds_the_connection_lost_speaks_for_the_others() {
    let server = Server::new();
    let pool = server.pool(settings().reset_on_return(ResetOnReturn::Rollback));
    fill(&pool);
    server.on_reset(|_| Act::Fail(ErrorClass::Lost));
    drop(pool.get().unwrap());
    eventually("the other nine are closed", || pool.status().total == 0);
    let status = pool.status();
    assert_eq!(closed_for(&status, CloseReason::Lost), 1);
    assert_eq!(server.pings(), 0);
    assert_laws(&status);
}

#[test]
fn nobody_speaks_for_connections_newer_than_his_own() {
    for extent in [Extent::Server, Extent::Unclear] {
        let server = Server::new();
        *server.extent.lock() = extent;
        let pool = server.pool(settings());
        let mut old = pool.get().unwrap();
        pool.invalidate_all();
        drop([(); 3].map(|()| pool.get().unwrap()));
        Connection::note_error(&mut old, &ScriptedError(ErrorClass::Lost));
        drop(old);
        drop([(); 3].map(|()| pool.get().unwrap()));
        assert_eq!((server.connects(), server.pings()), (4, 0), "{extent:?}");
    }
}

#[test]
fn an_error_hook_overrules_the_driver_the_first_opinion_counts_and_a_panic_is_none() {
    silence_scripted_panics();
    let server = Server::new();
    let pool = server
        .builder(settings())
        .on_error(|error, _| {
            let statement = error.downcast_ref::<ScriptedError>()?.0 == ErrorClass::Statement;
            statement.then_some(ErrorClass::Owed)
        })
        .on_error(|_, info| {
            assert_eq!(info.pool(), "db_pool");
            Some(ErrorClass::Statement)
        })
        .build()
        .unwrap();
    let mut connection = pool.get().unwrap();
    let statement = ScriptedError(ErrorClass::Statement);
    let class = Connection::note_error(&mut connection, &statement);
    assert_eq!(class, ErrorClass::Owed);
    let lost = ScriptedError(ErrorClass::Lost);
    assert_eq!(
        Connection::note_error(&mut connection, &lost),
        ErrorClass::Statement
    );
    drop(connection);
    assert_eq!(closed_for(&pool.status(), CloseReason::Owed), 1);

    let pool = server
        .builder(settings())
        .on_error(|_, _| std::panic::panic_any(SCRIPTED_PANIC))
        .build()
        .unwrap();
    let mut connection = pool.get().unwrap();
    let class = Connection::note_error(&mut connection, &lost);
    assert_eq!(class, ErrorClass::Lost, "the driver's own");
    drop(connection);
    assert_eq!(pool.status().hook_failures, 1);
    assert_laws(&pool.status());
}

#[test]
fn a_driver_that_panics_when_asked_cannot_say_that_a_connection_is_sound() {
    silence_scripted_panics();
    let server = Server::new();
    let pool = server.pool(settings());
    let mut connection = pool.get().unwrap();
    server.panics_when_asked.store(true, SeqCst);
    let statement = ScriptedError(ErrorClass::Statement);
    let class = Connection::note_error(&mut connection, &statement);
    assert_eq!(class, ErrorClass::Owed);
    drop(connection);
    server.panics_when_asked.store(false, SeqCst);
    assert_eq!(closed_for(&pool.status(), CloseReason::Owed), 1);
    assert_eq!(pool.get().unwrap().id, 1);
    assert_laws(&pool.status());
}

#[test]
fn a_lost_connect_of_a_caller_is_its_error_and_nothing_more() {
    let server = Server::new();
    server.on_connect(|_| Act::Fail(ErrorClass::Owed));
    let retry = queuepool::Retry::default()
        .max_attempts(3)
        .initial_delay(millis(1));
    let error = server.pool(settings().retry(retry)).get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(server.connects(), 3, "worth another attempt");
}

#[test]
fn idle_sessions_that_the_server_ended_for_their_idleness_refuse_no_caller() {
    for verdict in [Extent::Session, Extent::Unclear, Extent::Server] {
        let server = Server::new();
        *server.extent.lock() = verdict;
        let settings = settings().pre_ping(queuepool::PrePing::Always);
        let pool = server.pool(settings.max_validation_failures(3));
        fill(&pool);
        server.restart();
        drop(pool.get().unwrap());
        pool.ping().unwrap();
        eventually("the others are closed", || pool.status().total == 1);
        let status = pool.status();
        assert_eq!(closed_for(&status, CloseReason::ValidationFailed), 0);
        assert_laws(&status);
    }
}
