//! Reads PostgreSQL's protocol as it goes by in both directions, and keeps what tells whether a reset is due.
//!
//! What is kept has the same size however long the messages are, and reads and writes may cut them anywhere. Of most messages only
//! the header is looked at.
//!
//! Each Query, FunctionCall and Sync is owed one ReadyForQuery, which says whether a transaction is open. What was sent counts
//! until its ReadyForQuery was read, so bytes that have arrived and that nobody has read yet change nothing: with nothing owed and
//! the status idle, no transaction is open, and nobody's answer is on its way.
//!
//! The driver assigns each answer to its oldest request, and is wrong about that only around a `COPY … FROM STDIN`: if the server
//! refuses one, the driver sends a CopyFail and a second Sync, which are answered too ([`super::proof`]). So any trace of a COPY
//! calls for a reset with its proof. Such a CopyFail is sent together with the next request only, which is why what the driver
//! has not sent yet is looked at too.
//!
//! Of an error only this is kept: whether a write was refused because the server, or the transaction, is read-only.

use super::frames::{Frames, LOOKED_AT, Message};

/// The first words, cut to eight bytes, of the tags of commands that execute no `LISTEN` unless they call a function that does. DO
/// and CALL are not among them, nor is what later versions may bring.
const LISTENS_TO_NOTHING: [&[u8]; 26] = [
    b"SELECT",
    b"INSERT",
    b"UPDATE",
    b"DELETE",
    b"MERGE",
    b"BEGIN",
    b"START",
    b"COMMIT",
    b"ROLLBACK",
    b"SAVEPOIN",
    b"RELEASE",
    b"SET",
    b"RESET",
    b"SHOW",
    b"DECLARE",
    b"FETCH",
    b"CLOSE",
    b"NOTIFY",
    b"EXPLAIN",
    b"PREPARE",
    b"DEALLOCA",
    b"LOCK",
    b"TRUNCATE",
    b"CREATE",
    b"ALTER",
    b"DROP",
];

/// The field of an error that holds its code, if that is 25006. A code is preceded by other fields, each of which ends in a zero.
const REFUSAL: &[u8] = b"\0C25006\0";

/// In place of the type that the startup message does not have.
const STARTUP: u8 = 0;

/// What the driver has been given to send and has not sent yet.
#[derive(Clone, Copy, PartialEq)]
enum Unsent {
    Nothing,
    /// Prepared statements or portals are to be closed, which is the driver's own business.
    Closes,
    Other,
}

/// What was seen of one connection.
pub(super) struct Record {
    from_server: Frames,
    to_server: Frames,
    /// Nothing that is seen after that counts.
    confused: bool,
    /// So many ReadyForQuery are still to come.
    owed: u64,
    /// Messages have been sent since the last Sync.
    unsynced: bool,
    /// Of the last ReadyForQuery: I, T or E.
    status: u8,
    /// There was a COPY, or an attempt at one, since the last proof.
    copied: bool,
    /// The session may listen since the last `UNLISTEN`.
    listens: bool,
    /// Something was sent since the last full reset.
    touched: bool,
    answered: bool,
    /// The driver cannot go on before somebody reads an answer.
    waits_for_reader: bool,
    unsent: Unsent,
    /// Notifications are dropped, since nobody who uses the connection now can have asked for them.
    drops_notifications: bool,
    /// In the midst of one that is dropped.
    dropping: bool,
    /// In the midst of an error, of which so many bytes match [`REFUSAL`].
    error: Option<usize>,
    /// The server has refused a write because it, or the transaction, is read-only.
    refused: bool,
}

impl Record {
    /// Of a connection on which nothing has been sent.
    pub(super) fn new() -> Self {
        Record {
            from_server: Frames::new(),
            to_server: Frames::before_startup(),
            confused: false,
            owed: 0,
            unsynced: false,
            status: 0,
            copied: false,
            listens: false,
            touched: true,
            answered: false,
            waits_for_reader: false,
            unsent: Unsent::Nothing,
            drops_notifications: false,
            dropping: false,
            error: None,
            refused: false,
        }
    }

    /// These bytes have been sent.
    pub(super) fn sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.confused {
            let Ok((taken, message)) = self.to_server.step(bytes) else {
                self.confused = true;
                return;
            };
            bytes = &bytes[taken..];
            if let Some(message) = message {
                self.note_sent(message.kind);
            }
        }
    }

    fn note_sent(&mut self, kind: u8) {
        self.touched = true;
        match kind {
            // After the login the server says that it is ready.
            STARTUP if self.status == 0 => self.owed += 1,
            b'Q' => self.owed += 1,
            b'S' => {
                self.owed += 1;
                self.unsynced = false;
            }
            b'F' => {
                self.owed += 1;
                // The function may execute it.
                self.listens = true;
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => self.unsynced = true,
            b'c' | b'd' | b'f' => self.copied = true,
            // A password, a Flush, a farewell.
            b'p' | b'H' | b'X' => {}
            _ => self.confused = true,
        }
    }

    /// These bytes have come. Returns how many of them are left after notifications were dropped, which are the first of `bytes`
    /// then.
    pub(super) fn received(&mut self, bytes: &mut [u8]) -> usize {
        let (mut seen, mut kept) = (0, 0);
        while seen < bytes.len() && !self.confused {
            if self.from_server.is_between_messages() {
                self.dropping = self.drops_notifications && bytes[seen] == b'A';
            }
            let Ok((taken, message)) = self.from_server.step(&bytes[seen..]) else {
                self.confused = true;
                break;
            };
            if !self.dropping {
                if kept < seen {
                    bytes.copy_within(seen..seen + taken, kept);
                }
                kept += taken;
            }
            if self.error.is_some() && message.is_none() {
                self.note_error(&bytes[seen..seen + taken]);
            }
            seen += taken;
            if let Some(message) = message {
                self.note_received(&message);
            }
        }
        bytes.copy_within(seen.., kept);
        kept + bytes.len() - seen
    }

    /// These bytes of an error have come.
    fn note_error(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let matched = self.error.unwrap_or(0);
            let matched = match *byte == REFUSAL[matched] {
                true => matched + 1,
                false => usize::from(*byte == REFUSAL[0]),
            };
            self.refused |= matched == REFUSAL.len();
            self.error = Some(matched % REFUSAL.len());
        }
        if self.from_server.is_between_messages() {
            self.error = None;
        }
    }

    fn note_received(&mut self, message: &Message) {
        self.error = (message.kind == b'E').then_some(0);
        match message.kind {
            b'Z' => {
                self.status = message.body[0];
                self.answered = true;
                match self.owed.checked_sub(1) {
                    Some(owed) if matches!(self.status, b'I' | b'T' | b'E') => self.owed = owed,
                    _ => self.confused = true,
                }
            }
            b'C' => {
                let end = message
                    .body
                    .iter()
                    .position(|byte| matches!(byte, 0 | b' '));
                let word = &message.body[..end.unwrap_or(LOOKED_AT)];
                self.copied |= word == b"COPY";
                self.listens |= !LISTENS_TO_NOTHING.contains(&word) && word != b"COPY";
            }
            b'A' => self.listens = true,
            b'G' | b'H' | b'W' | b'c' | b'd' => self.copied = true,
            b'1' | b'2' | b'3' | b'D' | b'E' | b'I' | b'K' | b'N' | b'R' | b'S' | b'T' | b'V'
            | b'n' | b's' | b't' | b'v' => {}
            _ => self.confused = true,
        }
        if !matches!(message.kind, b'A' | b'N' | b'S') {
            self.drops_notifications = false;
        }
    }

    /// The driver would read and send now, if it does not wait for somebody who is to read an answer.
    pub(super) fn is_polled(&mut self, is_read: bool) {
        self.waits_for_reader = !is_read;
        self.unsent = Unsent::Nothing;
    }

    /// The driver has these bytes to send, and may have more if there are as many as it keeps at most.
    pub(super) fn is_unsent(&mut self, mut bytes: &[u8]) {
        /// tokio-util's `INITIAL_CAPACITY`, beyond which its `Framed` takes no more.
        const MOST_KEPT: usize = 8 * 1024;
        let mut frames = Frames::new();
        let mut only_closes = self.to_server.is_between_messages() && bytes.len() < MOST_KEPT;
        while only_closes && !bytes.is_empty() {
            let Ok((taken, message)) = frames.step(bytes) else {
                self.confused = true;
                return;
            };
            bytes = &bytes[taken..];
            only_closes = message.is_none_or(|message| matches!(message.kind, b'C' | b'S'));
        }
        self.unsent = match only_closes && frames.is_between_messages() {
            true => Unsent::Closes,
            false => Unsent::Other,
        };
    }

    /// Whether every answer is there and belongs to its own statement.
    pub(super) fn is_settled(&self) -> bool {
        !self.confused
            && self.owed == 0
            && !self.unsynced
            && !self.copied
            && !self.waits_for_reader
            && self.unsent != Unsent::Other
            && self.to_server.is_between_messages()
            && self.from_server.is_between_messages()
    }

    /// Whether also no transaction is open and nothing shows that the session may listen.
    pub(super) fn is_idle(&self) -> bool {
        self.is_settled() && self.status == b'I' && !self.listens
    }

    /// Whether also nothing was sent since the last full reset.
    pub(super) fn is_untouched(&self) -> bool {
        self.is_idle() && !self.touched && self.unsent == Unsent::Nothing
    }

    /// The connection changes hands without a reset: what has been notified until the first answer to its next user is not for that
    /// user.
    pub(super) fn drop_notifications(&mut self) {
        self.drops_notifications = true;
    }

    /// Every answer so far has been proven to belong to its own statement.
    pub(super) fn proven(&mut self) {
        self.owed = 0;
        self.copied = false;
    }

    /// The session listens to nothing.
    pub(super) fn unlistened(&mut self) {
        self.listens = false;
    }

    /// The session is as a full reset leaves it.
    pub(super) fn is_as_new(&mut self) {
        self.touched = false;
    }

    /// Whether a write was refused that [`take_refused`](Record::take_refused) has not told of.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Whether there was an answer since this was asked last.
    pub(super) fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.answered)
    }
}

#[cfg(test)]
mod tests;
