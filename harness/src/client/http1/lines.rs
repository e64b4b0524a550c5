//! Collecting lines that end in CRLF, byte by byte, so that the result is the same however the bytes were split.

use super::malformed::Violation;

/// What ends the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The first line's end.
    Line,
    /// An empty line.
    EmptyLine,
}

/// Lines that have to come whole before they can be parsed: a head, a chunk's size, trailers.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where the current line begins in `bytes`.
    line: usize,
    until: Until,
    /// What the first bytes have to be.
    begins: &'static [u8],
    bytes_max: usize,
    too_large: Violation,
}

/// How far a [`Lines::push`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// All bytes were taken and more are needed.
    More,
    /// The lines are complete after this many bytes.
    Done(usize),
}

impl Lines {
    pub(super) fn head(bytes_max: usize) -> Self {
        Lines {
            bytes: Vec::new(),
            line: 0,
            until: Until::EmptyLine,
            begins: b"HTTP/1.",
            bytes_max,
            too_large: Violation::HeadTooLarge,
        }
    }

    pub(super) fn trailers(bytes_max: usize) -> Self {
        Lines { begins: b"", too_large: Violation::TrailersTooLarge, ..Lines::head(bytes_max) }
    }

    pub(super) fn chunk_size(bytes_max: usize) -> Self {
        Lines {
            until: Until::Line,
            begins: b"",
            too_large: Violation::ChunkLineTooLong,
            ..Lines::head(bytes_max)
        }
    }

    /// Everything collected, ends of lines included.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The line that is being collected, or was last.
    pub(super) fn current(&self) -> &[u8] {
        &self.bytes[self.line..]
    }

    /// Takes bytes until the lines are complete. An error comes with the number of bytes before the one that broke the rule.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Pushed, (Violation, usize)> {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.push_byte(byte) {
                Ok(false) => {}
                Ok(true) => return Ok(Pushed::Done(at + 1)),
                Err(violation) => return Err((violation, at)),
            }
        }
        Ok(Pushed::More)
    }

    fn push_byte(&mut self, byte: u8) -> Result<bool, Violation> {
        let at = self.bytes.len();
        let previous = self.current().last().copied();
        let begins_line = at == self.line;
        if at >= self.bytes_max {
            return Err(self.too_large);
        }
        self.bytes.push(byte);
        if self.begins.get(at).is_some_and(|&expected| expected != byte) {
            return Err(Violation::NotHttp);
        }
        if previous == Some(b'\r') && byte != b'\n' {
            return Err(Violation::BareCarriageReturn);
        }
        if begins_line && (byte == b' ' || byte == b'\t') {
            return Err(match (at, self.until) {
                (_, Until::Line) => Violation::ChunkSize,
                (0, Until::EmptyLine) => Violation::FieldLine,
                _ => Violation::ObsoleteFold,
            });
        }
        if byte != b'\n' {
            return Ok(false);
        }
        if previous != Some(b'\r') {
            return Err(Violation::BareLineFeed);
        }
        let empty = self.current() == b"\r\n";
        if self.until == Until::Line || empty {
            return Ok(true);
        }
        self.line = self.bytes.len();
        Ok(false)
    }
}
