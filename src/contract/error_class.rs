//! What an error of a driver means.

/// What a driver's error means for its connection, for the other connections, and for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone (reset by the peer, killed, server restarted, refused). It is closed, and what becomes of the
    /// connections opened before it is up to [`Driver::extent`](crate::Driver::extent). A connect that fails so is worth another attempt.
    Lost,
    /// The driver gave up on an answer that the server may still send: a time-out at the client, a row too large for it, an
    /// answer read halfway. The next statement on this connection could be given that answer, so the connection is
    /// closed when it comes back, whatever `reset_on_return` says. No other connection is affected. A connect that fails so
    /// is worth another attempt.
    Owed,
    /// The server cannot take us now (starting up, too many connections). Worth another attempt; a connection that is open
    /// stays open.
    Transient,
    /// Trying again changes nothing (wrong password, unknown database). A connection that is open stays open.
    Permanent,
    /// The server refused a statement; the connection is sound.
    Statement,
}

/// How far an error of class [`Lost`](ErrorClass::Lost) reaches: what it says of the connections opened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// The server ended this one session, by an idle limit for example. The others are not affected.
    Session,
    /// The session has ended, and the server may have gone or not (an administrator's kill and a shutdown say the same). The
    /// others are pinged before their next use, however recently they were used; if one of them is lost too, all are
    /// replaced, and so they are if it was a ping that found it.
    Unclear,
    /// The server has gone, or is another one now: every connection opened before is replaced, without a ping.
    Server,
}
