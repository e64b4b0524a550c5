//! What is wrong with a response, shown so that a target's bytes never reach a terminal as they are.

/// How many of a target's bytes an excerpt shows.
const EXCERPT_BYTES_MAX: usize = 64;

/// A rule that a response broke, or a limit of the parser that it went past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// It does not begin with an HTTP/1 version.
    NotHttp,
    /// The status line is not one, or the status is below 100 or above 599.
    StatusLine,
    /// A field line is not one: no colon, a space before it, a character that is not allowed.
    FieldLine,
    /// A field value is continued on the next line.
    ObsoleteFold,
    /// CR without LF.
    BareCarriageReturn,
    /// LF without CR.
    BareLineFeed,
    /// `Content-Length` is not one number, is too large, or comes more than once.
    ContentLength,
    /// `Transfer-Encoding` is empty, names chunked twice, or is in a response of HTTP/1.0.
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndEncoding,
    /// 101 to a request that did not ask for an upgrade.
    Upgrade,
    /// The line that begins a chunk is not a hexadecimal size with well-formed extensions, or the size is too large.
    ChunkSize,
    /// The bytes of a chunk are not followed by CRLF.
    ChunkEnd,
    /// Bytes that no request asked for were more than could be kept, and then a request came.
    ExtraBytes,
    /// Limit: the head is too large or has too many fields.
    HeadTooLarge,
    /// Limit: too many interim (1xx) responses.
    TooManyInterim,
    /// Limit: the body is too large.
    BodyTooLarge,
    /// Limit: the extensions of a chunk are too long.
    ChunkLineTooLong,
    /// Limit: the trailers are too large or have too many fields.
    TrailersTooLarge,
}

impl Violation {
    /// Whether the response only went past a limit of ours and may be correct otherwise.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Violation::HeadTooLarge
                | Violation::TooManyInterim
                | Violation::BodyTooLarge
                | Violation::ChunkLineTooLong
                | Violation::TrailersTooLarge
        )
    }

    /// What the rule asks for, with its source.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Violation::NotHttp => "a response that begins with HTTP/1. (RFC 9112 section 4)",
            Violation::StatusLine => {
                "a status line: HTTP-version SP 3-digit status from 100 to 599 SP reason (RFC 9112 section 4, RFC 9110 section 15)"
            }
            Violation::FieldLine => "a field line: name, colon, value (RFC 9112 section 5)",
            Violation::ObsoleteFold => "a field value on one line, not folded (RFC 9112 section 5.2)",
            Violation::BareCarriageReturn => "LF after CR (RFC 9112 section 2.2)",
            Violation::BareLineFeed => "CR before LF (RFC 9112 section 2.2)",
            Violation::ContentLength => "one Content-Length of decimal digits (RFC 9112 section 6.3)",
            Violation::TransferEncoding => {
                "a Transfer-Encoding with chunked at most once, in HTTP/1.1 (RFC 9112 section 6.1)"
            }
            Violation::LengthAndEncoding => {
                "Content-Length or Transfer-Encoding, not both (RFC 9112 section 6.2)"
            }
            Violation::Upgrade => "101 only where the request has Upgrade (RFC 9110 section 15.2.2)",
            Violation::ChunkSize => "a chunk size in hexadecimal, extensions, CRLF (RFC 9112 section 7.1)",
            Violation::ChunkEnd => "CRLF after the bytes of a chunk (RFC 9112 section 7.1)",
            Violation::ExtraBytes => "no bytes but the responses that were asked for",
            Violation::HeadTooLarge => "a smaller head (limit)",
            Violation::TooManyInterim => "a final response after fewer interim ones (limit)",
            Violation::BodyTooLarge => "a smaller body (limit)",
            Violation::ChunkLineTooLong => "shorter chunk extensions (limit)",
            Violation::TrailersTooLarge => "smaller trailers (limit)",
        }
    }
}

/// A response that can't be parsed further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {}; seen at byte {offset}: \"{seen}\"", violation.expected())]
pub struct Malformed {
    /// The rule.
    pub violation: Violation,
    /// How many bytes of the connection came before the one that broke it.
    pub offset: u64,
    /// The line it was in, or the bytes before it: escaped, at most 64 bytes of them.
    pub seen: String,
}

impl Malformed {
    pub(super) fn new(violation: Violation, offset: u64, seen: &[u8]) -> Self {
        Malformed { violation, offset, seen: excerpt(seen) }
    }
}

/// The last bytes, which are those next to the offence.
fn excerpt(bytes: &[u8]) -> String {
    match bytes.len().checked_sub(EXCERPT_BYTES_MAX) {
        None | Some(0) => escape(bytes, EXCERPT_BYTES_MAX),
        Some(before) => format!("…{}", escape(&bytes[before..], EXCERPT_BYTES_MAX)),
    }
}

/// At most `bytes_max` bytes as printable ASCII, everything else as `\r`, `\n`, `\t` or `\xNN`; then `…` if there were more.
#[must_use]
pub fn escape(bytes: &[u8], bytes_max: usize) -> String {
    let shown = &bytes[..bytes.len().min(bytes_max)];
    let mut text = shown.escape_ascii().to_string();
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// A field value as text: what is not UTF-8, and any character that could steer a terminal, becomes U+FFFD.
pub(super) fn clean(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// Control characters, and the invisible ones that change how their neighbours are shown.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_sent_is_shown_bounded_and_without_control_characters() {
        let hostile = "\x1b[31m\u{9b}2J\u{202e}\x07".repeat(100);
        for shown in
            [excerpt(hostile.as_bytes()), escape(hostile.as_bytes(), 10), clean(hostile.as_bytes()).into()]
        {
            assert!(!shown.chars().any(steers), "{shown:?}");
        }
        assert_eq!(escape(b"a\r\n\xff", 3), "a\\r\\n…");
        assert_eq!(&*clean("ok \"ä\" \t".as_bytes()), "ok \"ä\" \t");
        let error = Malformed::new(Violation::BareLineFeed, 7, b"HTTP\n");
        assert_eq!(
            error.to_string(),
            "expected CR before LF (RFC 9112 section 2.2); seen at byte 7: \"HTTP\\n\""
        );
    }
}
