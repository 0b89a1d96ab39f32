//! What a driver's error means.

/// What a driver's error means for its connection, for the other connections, and for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone (reset by the peer, killed, server restarted, refused). It is closed, and
    /// [`Driver::extent`](crate::Driver::extent) decides what becomes of the connections opened before it. A connect that fails
    /// like this is worth another attempt.
    Lost,
    /// The driver gave up on an answer that the server may still send: after a timeout at the client, a row that is too large for
    /// it, or an answer that was read only in part. The next statement on this connection could be given that answer, so the
    /// connection is closed when it comes back, whatever `reset_on_return` says. No other connection is affected. A connect that
    /// fails like this is worth another attempt.
    Owed,
    /// The server cannot accept us now (starting up, shutting down). This is worth another attempt. A connection that is open
    /// stays open.
    Transient,
    /// The server has as many connections as it admits, in all or for this user or database. The database is reachable, and a
    /// connect that fails like this is worth another attempt. A connection that is open stays open.
    Full,
    /// The server refused a write because it is read-only, or said at login that it is not of the wanted
    /// [`Role`](crate::Role). On an open connection this proves nothing by itself, since a user's own read-only transaction is
    /// refused in the same words; the pool asks the server when the connection comes back. A connect that fails like this is worth
    /// another attempt.
    Unsuited,
    /// Trying again would change nothing (wrong password, unknown database). A connection that is open stays open.
    Permanent,
    /// The server refused a statement; the connection is sound.
    Statement,
}

/// How far an error of class [`Lost`](ErrorClass::Lost) reaches: what it says about the connections opened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// The server ended this one session, for example because of an idle limit. The other connections are not affected.
    Session,
    /// The session has ended, and the server may or may not have gone (an administrator's kill and a shutdown give the same
    /// error). The other connections are pinged before their next use, however recently they were used. If one of them is lost
    /// too, or if it was a ping that failed with this error, all of them are replaced.
    Unclear,
    /// The server has gone, or another one has taken its place. Every connection opened before is replaced, without a ping.
    Server,
}
