//! A server in the wrong role: what the login says, what is asked at the return, and what follows. The times are in the gate's own
//! tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use queuepool::{
    Clock, CloseReason, Connection, ErrorClass, ErrorKind, Mode, Pool, PrePing, ResetOnReturn,
    Retry, Role, Settings, Status,
};

use support::scripted::*;

fn settings() -> Settings {
    Settings::default().pool_size(4).max_overflow(2)
}

fn closed_for(status: &Status, reason: CloseReason) -> u64 {
    status.closed_by_reason.get(&reason).copied().unwrap_or(0)
}

fn unsuited(pool: &Pool<ScriptedManager>) -> u64 {
    closed_for(&pool.status(), CloseReason::Unsuited)
}

/// Fills the pool with connections to a server that accepts writes.
fn filled(settings: Settings) -> (Arc<Server>, Pool<ScriptedManager>, Clock) {
    let server = Server::new();
    server.is_read_only(false);
    let (pool, clock) = server.pool_with_clock(settings);
    drop([(); 4].map(|()| pool.get().unwrap()));
    assert_eq!((server.connects(), server.asked()), (4, 4), "once a login");
    (server, pool, clock)
}

/// A statement that the server refuses as a write.
fn refuse(connection: &mut Connection<ScriptedManager>) {
    let error = ScriptedError(ErrorClass::Unsuited);
    let class = Connection::note_error(connection, &error);
    assert_eq!(class, ErrorClass::Unsuited);
}

fn use_once(pool: &Pool<ScriptedManager>) {
    refuse(&mut pool.get().unwrap());
}

#[test]
fn one_confirmed_refusal_replaces_all_and_a_login_that_accepts_writes_ends_it() {
    let (server, pool, clock) = filled(settings());
    assert_eq!(
        Connection::info(&pool.get().unwrap()).read_only(),
        Some(false)
    );
    server.is_read_only(true);
    use_once(&pool);
    assert_eq!(server.asked(), 5);
    eventually("all are closed", || pool.status().total == 0);
    let status = pool.status();
    assert_eq!(closed_for(&status, CloseReason::Unsuited), 1);
    assert_eq!(closed_for(&status, CloseReason::Invalidated), 3);
    clock.advance(millis(300));
    assert_eq!(pool.status().unsuited_for, Some(millis(300)));
    let advice = &pool.status().recommendations[0];
    assert!(advice.contains("has been read-only"), "{advice}");
    server.is_read_only(false);
    use_once(&pool);
    assert_eq!(pool.status().unsuited_for, None);
    assert_eq!(server.connects(), 5, "the new one is kept");
    assert_laws(&pool.status());
}

#[test]
fn a_users_own_read_only_transaction_costs_a_question_and_no_connection() {
    let (server, pool, _clock) = filled(settings());
    for _ in 0..100 {
        use_once(&pool);
    }
    assert_eq!((server.connects(), server.closes()), (4, 0));
    assert_eq!(server.asked(), 104);
    assert_eq!(pool.status().unsuited_for, None);
    assert_laws(&pool.status());
}

#[test]
fn a_replica_on_purpose_closes_one_connection_a_second_at_most() {
    let server = Server::new();
    server.is_read_only(true);
    let (pool, clock) = server.pool_with_clock(settings());
    for _ in 0..50 {
        for _ in 0..4 {
            use_once(&pool);
        }
        clock.advance(millis(100));
    }
    assert_eq!(unsuited(&pool), 5);
    assert_eq!(server.connects(), 6);
    let status = pool.status();
    assert_eq!(status.unsuited_for, None);
    assert_laws(&status);
}

#[test]
fn a_pool_that_wants_a_replica_asks_nothing_and_closes_nothing() {
    let server = Server::new();
    server.is_read_only(true);
    let pool = server.pool(settings().role(Role::Replica));
    for _ in 0..20 {
        use_once(&pool);
    }
    assert_eq!(
        (server.connects(), server.asked(), server.closes()),
        (1, 1, 0)
    );
}

#[test]
fn a_login_in_the_wrong_role_is_a_transient_failure_before_any_hook() {
    for (role, read_only, words) in [
        (
            Role::Primary,
            true,
            "the server is read-only, and role=primary asks for one",
        ),
        (
            Role::Replica,
            false,
            "the server accepts writes, and role=replica asks for one",
        ),
    ] {
        let server = Server::new();
        server.is_read_only(read_only);
        let retry = Retry::default().max_attempts(3).initial_delay(millis(1));
        let pool = server
            .builder(settings().role(role).retry(retry))
            .on_connect(|_, _| panic!("a hook that writes"))
            .build()
            .unwrap();
        let error = pool.get().unwrap_err();
        assert_eq!(
            (error.kind(), error.is_transient()),
            (ErrorKind::Connect, true)
        );
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(server.connects(), 3, "the retry policy applies");
        eventually("all are closed", || server.open() == 0);
        let status = pool.status();
        assert_eq!(
            (status.total_connections_created, status.connection_errors),
            (0, 3)
        );
        assert_laws(&status);
    }
}

#[test]
fn a_pool_that_wants_the_primary_follows_it_with_as_many_errors_as_were_in_flight() {
    let server = Server::new();
    server.is_read_only(false);
    let retry = Retry::default().max_attempts(10).initial_delay(millis(1));
    let pool = server.pool(settings().role(Role::Primary).retry(retry));
    let mut held = [(); 4].map(|()| pool.get().unwrap());
    // The next three logins lead to the old one still.
    server.on_role(|id| Some(id < 7));
    held.iter_mut().for_each(refuse);
    drop(held);
    // The first has spoken for the others.
    assert_eq!((unsuited(&pool), server.asked()), (1, 5));
    let next = pool.get().unwrap();
    assert_eq!(
        (next.id, Connection::info(&next).read_only()),
        (7, Some(false))
    );
    assert_eq!(pool.status().unsuited_for, None);
    drop(next);
    assert_laws(&pool.status());
}

#[test]
fn where_the_role_is_unknown_nothing_follows_from_an_error() {
    for how in [ResetOnReturn::Rollback, ResetOnReturn::Never] {
        for role in [Role::Any, Role::Primary] {
            let server = Server::new();
            let pool = server.pool(settings().role(role).reset_on_return(how));
            for _ in 0..10 {
                use_once(&pool);
            }
            assert_eq!(
                (server.connects(), server.asked(), server.closes()),
                (1, 1, 0)
            );
        }
    }
}

#[test]
fn under_never_and_after_a_reset_that_failed_it_is_closed_and_not_asked() {
    let (server, pool, _clock) = filled(settings().reset_on_return(ResetOnReturn::Never));
    use_once(&pool);
    let status = pool.status();
    assert_eq!(closed_for(&status, CloseReason::Unsuited), 1);
    assert_eq!((status.total, server.asked()), (3, 4));
    assert_laws(&status);

    let (server, pool, _clock) = filled(settings());
    server.on_reset(|_| Act::Fail(ErrorClass::Statement));
    use_once(&pool);
    let status = pool.status();
    assert_eq!(closed_for(&status, CloseReason::ResetFailed), 1);
    assert_eq!((status.total, server.asked()), (3, 4));
    assert_laws(&status);
}

#[test]
fn nobody_is_asked_where_the_connection_is_closed_in_any_case() {
    // Beyond pool_size.
    let (server, pool, _clock) = filled(settings());
    let mut held = [(); 5].map(|()| pool.get().unwrap());
    let mut last = held.into_iter().collect::<Vec<_>>();
    let mut overflow = last.pop().unwrap();
    drop(last);
    refuse(&mut overflow);
    drop(overflow);
    assert_eq!(server.asked(), 5);
    // Too old.
    let (server, pool, clock) = filled(settings().recycle(secs(60)).recycle_jitter(0.0));
    let mut connection = pool.get().unwrap();
    clock.advance(secs(61));
    refuse(&mut connection);
    drop(connection);
    assert_eq!(server.asked(), 4);
    // Owed an answer too.
    let mut connection = pool.get().unwrap();
    refuse(&mut connection);
    Connection::note_error(&mut connection, &ScriptedError(ErrorClass::Owed));
    drop(connection);
    assert_eq!(server.asked(), 5);
    assert_eq!(closed_for(&pool.status(), CloseReason::Owed), 1);
    // In a pool that was closed.
    let (server, pool, _clock) = filled(settings());
    held = [(); 5].map(|()| pool.get().unwrap());
    let _names_the_holders = pool.close(millis(0));
    held.iter_mut().for_each(refuse);
    drop(held);
    assert_eq!(server.asked(), 5);
    // In null mode.
    let server = Server::new();
    server.is_read_only(false);
    let pool = server.pool(settings().mode(Mode::Null));
    use_once(&pool);
    assert_eq!(server.asked(), 1);
}

#[test]
fn what_the_reset_or_the_ping_has_seen_is_asked_about_if_it_is_news() {
    let (server, pool, clock) = filled(settings());
    // A session that its user has made read-only: asked once a second at most.
    for _ in 0..10 {
        *server.seen.lock() = Some(true);
        drop(pool.get().unwrap());
    }
    assert_eq!((server.asked(), server.closes()), (5, 0));
    *server.seen.lock() = Some(false);
    drop(pool.get().unwrap());
    assert_eq!(server.asked(), 5);
    server.is_read_only(true);
    clock.advance(millis(1000));
    let held = pool.get().unwrap();
    *server.seen.lock() = Some(true);
    drop(held);
    assert_eq!((server.asked(), unsuited(&pool)), (6, 1));
    eventually("all are closed", || pool.status().total == 0);
    assert_laws(&pool.status());

    let (server, pool, clock) = filled(settings().pre_ping(PrePing::Always));
    server.is_read_only(true);
    clock.advance(millis(1000));
    server.on_ping({
        let server = Arc::downgrade(&server);
        move |_| {
            let server = server.upgrade().expect("it pings");
            *server.seen.lock() = Some(true);
            Act::Succeed
        }
    });
    let connection = pool.get().unwrap();
    assert_eq!(
        connection.id, 4,
        "found by its ping, and replaced with the others"
    );
    assert_eq!((server.pings(), unsuited(&pool)), (1, 1));
    drop(connection);
    assert_laws(&pool.status());
}

#[test]
fn a_server_that_was_lost_and_comes_back_read_only_is_left_without_an_error_told() {
    let (server, pool, clock) = filled(settings());
    let mut lost = pool.get().unwrap();
    Connection::note_error(&mut lost, &ScriptedError(ErrorClass::Lost));
    drop(lost);
    // The next two logins lead to what has come back, and then to the new primary.
    server.on_role(|id| Some(id < 6));
    for _ in 0..2 {
        *server.seen.lock() = Some(true);
        drop(pool.get().unwrap());
        clock.advance(millis(1000));
    }
    assert_eq!(unsuited(&pool), 2);
    drop(pool.get().unwrap());
    assert_eq!(server.connects(), 7);
    assert_eq!(pool.status().unsuited_for, None);
    assert_laws(&pool.status());
}

#[test]
fn a_server_that_accepts_writes_again_is_noticed_in_passing_and_ends_it() {
    let (server, pool, _clock) = filled(settings());
    server.is_read_only(true);
    use_once(&pool);
    let held = pool.get().unwrap();
    assert_eq!(Connection::info(&held).read_only(), Some(true));
    server.is_read_only(false);
    *server.seen.lock() = Some(false);
    drop(held);
    assert_eq!(pool.status().unsuited_for, None);
    assert_eq!(
        Connection::info(&pool.get().unwrap()).read_only(),
        Some(false)
    );
    assert_eq!(server.connects(), 5);
}

#[test]
fn a_question_that_fails_panics_or_hangs_costs_this_connection_and_no_place() {
    silence_scripted_panics();
    let (server, pool, _clock) = filled(settings().health_check_timeout(millis(50)));
    server.on_role(|_| std::panic::panic_any(SCRIPTED_PANIC));
    use_once(&pool);
    assert_eq!(closed_for(&pool.status(), CloseReason::ResetFailed), 1);
    let (gate, entered) = (Gate::new(), Arc::new(AtomicBool::new(false)));
    server.on_role({
        let (gate, entered) = (gate.clone(), entered.clone());
        move |_| {
            entered.store(true, SeqCst);
            gate.pass();
            Some(true)
        }
    });
    use_once(&pool);
    assert!(entered.load(SeqCst));
    assert_eq!(closed_for(&pool.status(), CloseReason::ResetFailed), 2);
    gate.open();
    server.is_read_only(false);
    eventually("the call has returned", || pool.status().abandoned == 0);
    assert_eq!(unsuited(&pool), 0, "its answer came too late");
    drop([(); 6].map(|()| pool.get().unwrap()));
    assert_laws(&pool.status());
}

#[test]
fn a_login_that_cannot_be_asked_is_a_failed_connect() {
    silence_scripted_panics();
    for role in [Role::Any, Role::Primary] {
        let server = Server::new();
        server.on_role(|_| std::panic::panic_any(SCRIPTED_PANIC));
        let pool = server.pool(settings().role(role));
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        eventually("it is closed", || server.open() == 0);
        server.is_read_only(false);
        drop([(); 6].map(|()| pool.get().unwrap()));
        assert_laws(&pool.status());
    }
}

#[test]
fn an_address_that_leads_to_both_kinds_costs_one_connection_a_second() {
    let server = Server::new();
    server.on_role(|id| Some(id % 2 == 0));
    let (pool, clock) = server.pool_with_clock(settings());
    let fill = || drop([(); 4].map(|()| pool.get().unwrap()));
    fill();
    let refused = AtomicUsize::new(0);
    for _ in 0..100 {
        let mut held = [(); 4].map(|()| pool.get().unwrap());
        for connection in &mut held {
            if Connection::info(connection).read_only() == Some(true) {
                refused.fetch_add(1, SeqCst);
                refuse(connection);
            }
        }
        drop(held);
        clock.advance(millis(100));
    }
    let status = pool.status();
    assert!(refused.load(SeqCst) > 10, "{refused:?}");
    assert!(
        server.connects() <= 4 + 10,
        "{} connects",
        server.connects()
    );
    assert_eq!(status.unsuited_for, None);
    assert_laws(&status);
}

#[test]
fn a_role_of_which_the_login_says_nothing_is_learned_at_the_first_return() {
    let server = Server::new();
    server.silent_logins.store(true, SeqCst);
    server.is_read_only(true);
    let (pool, clock) = server.pool_with_clock(settings());
    let role = |pool: &Pool<ScriptedManager>| Connection::info(&pool.get().unwrap()).read_only();
    let come_back_having_seen = |seen| {
        let held = pool.get().unwrap();
        *server.seen.lock() = Some(seen);
        drop(held);
    };
    assert_eq!((role(&pool), server.asked()), (None, 0));
    // A replica on purpose.
    come_back_having_seen(true);
    assert_eq!((role(&pool), server.asked()), (Some(true), 1));
    come_back_having_seen(true);
    assert_eq!((server.connects(), server.asked()), (1, 1));
    // It is promoted, and read-only again later.
    come_back_having_seen(false);
    assert_eq!((role(&pool), server.asked()), (Some(false), 1));
    clock.advance(secs(1));
    come_back_having_seen(true);
    assert_eq!((unsuited(&pool), server.asked()), (1, 2));
    // The next is on the same server, as its first return tells.
    clock.advance(secs(1));
    come_back_having_seen(true);
    assert_eq!((unsuited(&pool), server.asked()), (2, 3));
    // And the one after it on another: it ends at its first return.
    server.is_read_only(false);
    assert_eq!(role(&pool), None);
    assert!(pool.status().unsuited_for.is_some());
    come_back_having_seen(false);
    assert_eq!(pool.status().unsuited_for, None);
    assert_eq!(server.connects(), 3);
    assert_laws(&pool.status());
}

#[test]
fn who_was_refused_a_write_waits_until_a_login_has_shown_where_logins_lead() {
    let (server, pool, _clock) = filled(settings());
    server.is_read_only(true);
    use_once(&pool); // Replaces all.
    eventually("all are closed", || pool.status().total == 0);
    let gate = Gate::new();
    let waiting = gate.clone();
    let logins = AtomicUsize::new(0);
    server.on_connect(move |_| match logins.fetch_add(1, SeqCst) {
        0 => Act::Succeed,
        _ => Act::Wait(waiting.clone()),
    });
    let held = pool.get().unwrap();
    let id = held.id;
    thread::scope(|scope| {
        let refused = scope.spawn(|| {
            let mut held = held;
            refuse(&mut held);
            drop(held);
        });
        eventually("a login looks", || gate.waiting() == 1);
        // The connection is back meanwhile: whoever reads is not kept from it.
        let other = pool.get().unwrap();
        assert_eq!(other.id, id);
        drop(other);
        server.is_read_only(false);
        gate.open();
        refused.join().unwrap();
    });
    eventually("it has ended", || pool.status().unsuited_for.is_none());
    assert_laws(&pool.status());
}

#[test]
fn a_login_that_leads_to_a_read_only_server_too_is_closed_and_handed_to_nobody() {
    let (server, pool, clock) = filled(settings());
    server.is_read_only(true);
    use_once(&pool);
    let id = pool.get().unwrap().id;
    for _ in 0..3 {
        let before = server.connects();
        use_once(&pool);
        eventually("a login has looked, and is closed", || {
            let status = pool.status();
            server.connects() == before + 1 && status.total == 1 && status.opening_connections == 0
        });
        assert_eq!(pool.get().unwrap().id, id);
        // The next is not due yet.
        use_once(&pool);
        assert_eq!(server.connects(), before + 1);
        clock.advance(millis(150));
    }
    assert_laws(&pool.status());
}

#[test]
fn where_there_is_no_room_for_a_login_the_refused_connection_makes_some() {
    let (server, pool, clock) = filled(settings().max_overflow(0));
    server.is_read_only(true);
    use_once(&pool);
    let mut all = Vec::from([(); 4].map(|()| pool.get().unwrap()));
    clock.advance(millis(150));
    let mut refused = all.pop().unwrap();
    let id = refused.id;
    refuse(&mut refused);
    drop(refused);
    server.is_read_only(false);
    assert_ne!(pool.get().unwrap().id, id);
    assert_eq!(pool.status().unsuited_for, None);
    drop(all);
    assert_laws(&pool.status());
}
