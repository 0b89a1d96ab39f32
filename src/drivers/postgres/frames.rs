//! Where one direction of PostgreSQL's protocol is: each message is a type, a length and a body.

/// As many bytes of a body as are ever looked at. The first words of command tags differ within them.
pub(super) const LOOKED_AT: usize = 8;
const HEADER: usize = 5;

/// What was read is not PostgreSQL's protocol, or not as it is known here.
pub(super) struct Confused;

/// How far the messages of one direction have been read.
pub(super) struct Frames {
    /// The header, and what is looked at of the body.
    head: [u8; HEADER + LOOKED_AT],
    have: usize,
    need: usize,
    /// As much of the body is passed over.
    rest: usize,
}

/// A message, as far as it is looked at.
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: [u8; LOOKED_AT],
}

impl Frames {
    pub(super) fn new() -> Self {
        Frames {
            head: [0; HEADER + LOOKED_AT],
            have: 0,
            need: HEADER,
            rest: 0,
        }
    }

    /// The first message is the one that has no type.
    pub(super) fn before_startup() -> Self {
        Frames {
            have: 1,
            ..Frames::new()
        }
    }

    pub(super) fn is_between_messages(&self) -> bool {
        self.have == 0 && self.rest == 0
    }

    /// Takes some of the next bytes, and says how many. The message is returned once enough of it has been seen; its rest is still
    /// to be passed over.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<(usize, Option<Message>), Confused> {
        if self.have == 0 && self.rest > 0 {
            let passed = self.rest.min(bytes.len());
            self.rest -= passed;
            return Ok((passed, None));
        }
        let taken = (self.need - self.have).min(bytes.len());
        self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        if self.have < self.need {
            return Ok((taken, None));
        }
        let [kind, length @ .., _, _, _, _, _, _, _, _] = self.head;
        if self.need == HEADER {
            // The length counts itself.
            let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| Confused)?;
            let body = length.checked_sub(4).ok_or(Confused)?;
            let looked_at = match kind {
                b'C' | b'Z' => body.min(LOOKED_AT),
                _ => 0,
            };
            self.rest = body - looked_at;
            self.need += looked_at;
            if looked_at > 0 {
                return Ok((taken, None));
            }
        }
        let mut body = [0; LOOKED_AT];
        let looked_at = self.need - HEADER;
        body[..looked_at].copy_from_slice(&self.head[HEADER..self.need]);
        (self.have, self.need) = (0, HEADER);
        Ok((taken, Some(Message { kind, body })))
    }
}
