//! A password that is found in any text, whole or in part and in any spelling.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::capture;

/// One of these separates any two pieces. Where one is not escaped, a parser of URLs would cut.
const SEPARATORS: [char; 12] = ['/', '@', '?', '#', ':', '%', '&', '"', '=', '+', ' ', ','];

/// Short enough for every server to accept the whole password, and too long to occur by chance.
const PIECE_LENGTH: usize = 8;

/// Where the secret number is in the PKCS #8 form (RFC 5208) of a P-256 key (RFC 5915).
const P256_NUMBER: std::ops::Range<usize> = 36..68;

/// A password of random pieces, different in every test, because logs and panics belong to the whole process.
pub struct Secret {
    pieces: Vec<String>,
    /// What to look for: every piece in every spelling. The spellings of the whole password consist of these.
    spellings: Vec<(&'static str, String)>,
}

impl Secret {
    pub fn new() -> Self {
        capture::install();
        let piece = || -> String {
            let letters = std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_lowercase());
            letters.take(PIECE_LENGTH).collect()
        };
        let pieces: Vec<String> = (0..=SEPARATORS.len()).map(|_| piece()).collect();
        let spellings = pieces.iter().flat_map(|piece| spellings(piece)).collect();
        Secret { pieces, spellings }
    }

    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The password itself.
    pub fn whole(&self) -> String {
        self.joined(self.pieces.iter())
    }

    /// A different password made of the same pieces.
    pub fn wrong(&self) -> String {
        self.joined(self.pieces.iter().rev())
    }

    fn joined<'a>(&self, mut pieces: impl Iterator<Item = &'a String>) -> String {
        let mut whole = pieces.next().expect("thirteen").clone();
        for (separator, piece) in SEPARATORS.iter().zip(pieces) {
            whole.push(*separator);
            whole.push_str(piece);
        }
        whole
    }

    /// How `text` gives away a piece of the password, if it does.
    pub fn in_text(&self, text: &str) -> Option<String> {
        let text = text.to_ascii_lowercase();
        let found = |(_, spelling): &&(&str, String)| text.contains(spelling);
        let (name, spelling) = self.spellings.iter().find(found)?;
        Some(format!("{spelling} ({name})"))
    }

    /// Also looks for a private P-256 key, given as PEM: for its lines, and for the bytes of its number.
    pub fn add_key(&mut self, pem: &str) {
        let lines: Vec<&str> = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let key = STANDARD.decode(lines.concat()).expect("PEM");
        let number = &key[P256_NUMBER];
        for piece in number.chunks(PIECE_LENGTH) {
            self.spellings.extend(spellings_of_bytes(piece));
        }
        for line in lines {
            self.spellings.extend(spellings_of_bytes(line.as_bytes()));
            let lower = line.to_ascii_lowercase();
            self.spellings.push(("a key's line", lower));
        }
    }

    #[track_caller]
    pub fn assert_not_in(&self, place: &str, text: &str) {
        if let Some(found) = self.in_text(text) {
            panic!("{place} shows {found} of {:?}: {text}", self.whole());
        }
    }

    #[track_caller]
    pub fn assert_not_in_debug_of(&self, place: &str, value: &dyn Debug) {
        self.assert_not_in(place, &format!("{value:?} {value:#?}"));
    }
}

fn spellings(piece: &str) -> Vec<(&'static str, String)> {
    let mut spellings = spellings_of_bytes(piece.as_bytes());
    spellings.push(("plain", piece.to_owned()));
    spellings.push(("backwards", piece.chars().rev().collect()));
    spellings
}

/// In lower case, like the text that is searched, because hexadecimal digits may be written in either case.
fn spellings_of_bytes(piece: &[u8]) -> Vec<(&'static str, String)> {
    let each_byte = |form: fn(&u8) -> String, separator: &str| {
        let bytes: Vec<String> = piece.iter().map(form).collect();
        bytes.join(separator)
    };
    let mut spellings = vec![
        (
            "percent-encoded",
            each_byte(|byte| format!("%{byte:02x}"), ""),
        ),
        (
            "JSON's escapes",
            each_byte(|byte| format!("\\u{byte:04x}"), ""),
        ),
        (
            "Rust's escapes",
            each_byte(|byte| format!("\\x{byte:02x}"), ""),
        ),
        ("hexadecimal", each_byte(|byte| format!("{byte:02x}"), "")),
        (
            "hexadecimal bytes",
            each_byte(|byte| format!("{byte:02x}"), ", "),
        ),
        ("bytes", each_byte(u8::to_string, ", ")),
        ("bytes, close together", each_byte(u8::to_string, ",")),
    ];
    // One spelling for each position of the piece within a group of three bytes, without the characters it shares with its
    // neighbours.
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before], piece].concat());
        let own = (before * 8).div_ceil(6)..(before + piece.len()) * 8 / 6;
        spellings.push(("base64", encoded[own].to_ascii_lowercase()));
    }
    spellings
}

/// Percent-encodes with upper-case digits.
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Percent-encodes every byte, with lower-case digits.
pub fn percent_encoded_throughout(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
