//! A body as it is judged: its length, a hash, and the first bytes; never the whole.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::malformed::escape;

/// A body with its transfer coding removed. Content codings such as gzip are left as they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// In bytes.
    pub length: u64,
    /// Its xxh3, of 64 bits and without a seed; [`hash_of`].
    pub hash: u64,
    /// Its first bytes, as many as the parser's limits keep.
    pub prefix: Vec<u8>,
}

impl Body {
    /// Whether the body is exactly these bytes.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64 && self.hash == hash_of(bytes)
    }

    /// Whether the marker is in the part of the body that was kept.
    #[must_use]
    pub fn contains(&self, marker: &[u8]) -> bool {
        marker.is_empty() || self.prefix.windows(marker.len()).any(|window| window == marker)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes, {:016x}, \"{}\")", self.length, self.hash, escape(&self.prefix, 40))
    }
}

/// The hash that [`Body::hash`] has for these bytes.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// A body while it comes in.
pub(super) struct Digest {
    length: u64,
    /// Boxed: it is more than half a kilobyte, and lanes are many.
    hash: Box<Xxh3>,
    prefix: Vec<u8>,
    prefix_max: usize,
}

impl Digest {
    pub(super) fn new(prefix_max: usize) -> Self {
        Digest { length: 0, hash: Box::new(Xxh3::new()), prefix: Vec::new(), prefix_max }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        let room = self.prefix_max - self.prefix.len();
        self.prefix.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn finish(self) -> Body {
        Body { length: self.length, hash: self.hash.digest(), prefix: self.prefix }
    }
}

/// Why the line that begins a chunk was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadChunkSize;

/// The size in a line `chunk-size [chunk-ext] CRLF`; RFC 9112 section 7.1.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, BadChunkSize> {
    let line = line.strip_suffix(b"\r\n").ok_or(BadChunkSize)?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    if size.is_empty() || !extensions_are_valid(extensions) {
        return Err(BadChunkSize);
    }
    size.iter().try_fold(0u64, |sum, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(BadChunkSize)?;
        let sum = sum.checked_mul(16).ok_or(BadChunkSize)?;
        Ok(sum | u64::from(digit))
    })
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`
fn extensions_are_valid(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(after) = skip_blank(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(after) = skip_token(skip_blank(after)) else {
            return false;
        };
        rest = after;
        if let Some(value) = skip_blank(after).strip_prefix(b"=") {
            let value = skip_blank(value);
            let Some(after) = skip_quoted(value).or_else(|| skip_token(value)) else {
                return false;
            };
            rest = after;
        }
    }
    true
}

fn skip_blank(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[blanks..]
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().take_while(|&&b| is_token(b)).count();
    (length > 0).then(|| &bytes[length..])
}

/// RFC 9110 section 5.6.4.
fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = match byte {
            b'"' => return Some(after),
            b'\\' => after.split_first().filter(|(b, _)| is_text(**b))?.1,
            _ if is_text(byte) => after,
            _ => return None,
        };
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_hexadecimal_with_well_formed_extensions() {
        for (line, size) in [
            ("0", 0),
            ("1a", 26),
            ("000000000000000000001", 1),
            ("ffffffffffffffff", u64::MAX),
            ("5;a", 5),
            ("5 ; a = b;c=\"d;\\\"e\"", 5),
        ] {
            assert_eq!(chunk_size(format!("{line}\r\n").as_bytes()), Ok(size), "{line}");
        }
        for line in [
            "",
            " 5",
            "5 ",
            "0x5",
            "-1",
            "+1",
            "g",
            "5;",
            "5;;a",
            "5;a=",
            "5;a=\"b",
            "5 a",
            "5;a b",
            "5;a=\"\x01\"",
            "10000000000000000",
        ] {
            assert_eq!(chunk_size(format!("{line}\r\n").as_bytes()), Err(BadChunkSize), "{line}");
        }
    }
}
