//! The record of a connection, of messages that are cut anywhere.

use super::Record;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn startup() -> Vec<u8> {
    message(0, b"\0\x03\0\0user\0app\0\0")[1..].to_vec()
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn done(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

const NEWS: &[u8] = b"\0\0\0\x07news\0Z\0";

/// What one side sends, as a string of pieces.
enum Piece {
    Sent(Vec<u8>),
    Received(Vec<u8>),
}
use Piece::{Received, Sent};

fn login() -> Vec<Piece> {
    vec![
        Sent(startup()),
        Sent(message(b'p', b"secret\0")),
        Received(message(b'R', &[0; 4])),
        Received(message(b'S', b"TimeZone\0UTC\0")),
        Received(message(b'K', &[7; 8])),
        Received(ready(b'I')),
    ]
}

/// Cuts each piece at random places. Returns what is left of what was received.
fn feed(record: &mut Record, pieces: &[Piece]) -> Vec<u8> {
    let mut left = Vec::new();
    for piece in pieces {
        let (Sent(whole) | Received(whole)) = piece;
        let mut rest = &whole[..];
        while !rest.is_empty() {
            let (part, later) = rest.split_at(fastrand::usize(1..=rest.len()));
            rest = later;
            match piece {
                Sent(_) => record.sent(part),
                Received(_) => {
                    let mut part = part.to_vec();
                    let kept = record.received(&mut part);
                    left.extend_from_slice(&part[..kept]);
                }
            }
        }
    }
    left
}

/// After a login and these messages: whether all answers are there, and whether the session is also idle.
fn after(pieces: impl Fn() -> Vec<Piece>) -> (bool, bool) {
    let outcome = || {
        let mut record = Record::new();
        feed(&mut record, &login());
        assert!(record.is_idle());
        feed(&mut record, &pieces());
        (record.is_settled(), record.is_idle())
    };
    let first = outcome();
    assert!((0..100).all(|_| outcome() == first));
    first
}

#[test]
fn messages_are_understood_wherever_they_are_cut() {
    let rows = || message(b'D', &[b'Z'; 300]).repeat(20);
    let query = || Sent(message(b'Q', b"SELECT 1\0"));
    let answer = |tag: &str, status| Received([rows(), done(tag), ready(status)].concat());
    assert_eq!(after(|| vec![query()]), (false, false));
    assert_eq!(after(|| vec![query(), Received(rows())]), (false, false));
    for (tag, status, outcome) in [
        ("SELECT 20", b'I', (true, true)),
        ("SELECT 20", b'T', (true, false)),
        ("SELECT 20", b'E', (true, false)),
        ("SAVEPOINT", b'I', (true, true)),
        ("DEALLOCATE ALL", b'I', (true, true)),
        ("LISTEN", b'I', (true, false)),
        ("DO", b'I', (true, false)),
        ("CALL", b'I', (true, false)),
        ("SELECTED", b'I', (true, false)),
        ("COPY 7", b'I', (false, false)),
        ("SELECT 20", b'?', (false, false)),
    ] {
        let pieces = || vec![query(), answer(tag, status)];
        assert_eq!(after(pieces), outcome, "{tag} {status}");
    }
    assert_eq!(
        after(|| vec![query(), query(), answer("SELECT 20", b'I')]),
        (false, false)
    );
}

#[test]
fn what_is_not_understood_is_never_understood_again() {
    let fine = || [Sent(message(b'Q', b"\0")), Received(ready(b'I'))];
    for strange in [
        Received(message(b'?', b"")),
        Received(b"D\0\0\0\x03".to_vec()),
        Received(b"D\xff\xff\xff\xff".to_vec()),
        Received(ready(b'I')),
        Sent(message(b'?', b"")),
        Sent(message(0, b"")),
    ] {
        let mut record = Record::new();
        feed(&mut record, &login());
        feed(&mut record, &[strange]);
        record.proven();
        record.unlistened();
        feed(&mut record, &fine());
        assert!(!record.is_settled());
    }
}

#[test]
fn a_request_counts_until_its_sync_is_answered() {
    let parse = || Sent(message(b'P', b"s1\0SELECT 1\0\0\0"));
    let sync = || Sent(message(b'S', b""));
    let answer = || Received([message(b'1', b""), ready(b'I')].concat());
    assert!(!after(|| vec![parse()]).0);
    assert!(!after(|| vec![parse(), sync()]).0);
    assert_eq!(after(|| vec![parse(), sync(), answer()]), (true, true));
}

#[test]
fn what_the_driver_has_not_sent_counts_unless_it_only_closes() {
    let close = [message(b'C', b"Ss12\0"), message(b'S', b"")].concat();
    for (unsent, is_settled) in [
        (close.clone(), true),
        (close.repeat(3), true),
        (close.repeat(1000), false),
        ([close.clone(), message(b'f', b"\0")].concat(), false),
        (message(b'Q', b"ROLLBACK\0"), false),
        (close[..7].to_vec(), false),
    ] {
        let mut record = Record::new();
        feed(&mut record, &login());
        record.is_polled(true);
        record.is_unsent(&unsent);
        assert_eq!(record.is_settled(), is_settled, "{unsent:?}");
        record.is_polled(true);
        assert!(record.is_settled());
        record.is_polled(false);
        assert!(!record.is_settled());
    }
}

#[test]
fn notifications_for_the_last_user_are_dropped_up_to_the_first_answer() {
    let stale = || message(b'A', NEWS);
    let notice = || message(b'N', b"SNOTICE\0\0");
    let answer = || [done("SELECT 1"), ready(b'I')].concat();
    for _ in 0..300 {
        let mut record = Record::new();
        feed(&mut record, &login());
        record.drop_notifications();
        let received = [stale(), notice(), stale(), stale(), answer(), stale()].concat();
        let pieces = [Sent(message(b'Q', b"\0")), Received(received)];
        let left = feed(&mut record, &pieces);
        assert_eq!(left, [notice(), answer(), stale()].concat());
        assert!(record.is_settled() && !record.is_idle());
    }
}

#[test]
fn a_refused_write_is_known_by_its_code_wherever_it_is_cut() {
    let error = |code: &str, words: &str| {
        let body = format!("SFEHLER\0VERROR\0C{code}\0M{words}\0Fexecmain.c\0\0");
        vec![
            Sent(message(b'Q', b"INSERT INTO t VALUES (1)\0")),
            Received(message(b'E', body.as_bytes())),
            Received(ready(b'I')),
        ]
    };
    let is_refused = |pieces: &[Piece]| {
        let mut record = Record::new();
        feed(&mut record, &login());
        feed(&mut record, pieces);
        assert!(record.is_idle());
        let refused = record.is_refused();
        assert_eq!(record.take_refused(), refused);
        assert!(!record.is_refused(), "told once");
        refused
    };
    let notice = [
        Received(message(b'N', b"SWARNING\0C25006\0Mnone of ours\0\0")),
        Received(message(b'D', b"\0\x01\0\0\0\x0ax\0C25006\0yz")),
    ];
    for _ in 0..200 {
        assert!(is_refused(&error("25006", "cannot execute INSERT")));
        assert!(!is_refused(&error("42501", "no C25006 for you")));
        let asked = [Sent(message(b'Q', b"SELECT 1\0"))];
        let mut pieces: Vec<Piece> = asked.into_iter().collect();
        pieces.extend(notice.iter().map(|piece| match piece {
            Sent(bytes) => Sent(bytes.clone()),
            Received(bytes) => Received(bytes.clone()),
        }));
        pieces.push(Received(ready(b'I')));
        assert!(!is_refused(&pieces), "neither a notice nor a row");
    }
}
