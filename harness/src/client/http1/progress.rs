//! What the parser gives: events, the meaning of an end, and its limits.

use super::body::Body;
use super::head::Head;
use super::malformed::Malformed;

/// What a response may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one head; also of the trailers.
    pub head_bytes_max: usize,
    /// Of one body, its transfer coding removed.
    pub body_bytes_max: u64,
    /// Of a chunk's size line with its extensions.
    pub chunk_line_bytes_max: usize,
    /// Interim responses before a final one.
    pub interim_max: usize,
    /// How much of each body is kept in [`Body::prefix`].
    pub prefix_bytes_max: usize,
    /// How many bytes that no request asked for are kept.
    pub extra_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes_max: 64 << 10,
            body_bytes_max: 1 << 30,
            chunk_line_bytes_max: 4 << 10,
            interim_max: 16,
            prefix_bytes_max: 4 << 10,
            extra_bytes_max: 64 << 10,
        }
    }
}

/// Something that the bytes so far have completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// An interim response (1xx); it has no body.
    Interim(Head),
    /// The head of a final response.
    Head(Head),
    /// Its body, and so the response, is complete. Comes for every final head, if it is complete, also where there is no body.
    Complete(Body),
}

/// What the end of the connection means for the response under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// No response was outstanding.
    Idle,
    /// A response was outstanding, and not one byte of it came.
    NothingReceived,
    /// The end completes the body ([`Framing::Eof`](super::Framing::Eof)).
    Complete(Body),
    /// A part is missing.
    Truncated(Truncated),
    /// The parser had already given up.
    Malformed(Malformed),
}

/// In which part of a response the end came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truncated {
    /// In the head, after this many bytes of it.
    Head {
        /// At least 1.
        received: usize,
    },
    /// After an interim response, before the first byte of the final one.
    AfterInterim,
    /// In a body with `Content-Length`.
    Length {
        /// What the head announced.
        announced: u64,
        /// Less than that.
        received: u64,
    },
    /// In a chunked body: before the empty line that follows the last chunk and the trailers.
    Chunked {
        /// Bytes of the body, without the coding.
        received: u64,
    },
    /// In a body that an orderly close would have completed, and something else ended.
    Eof {
        /// Bytes of the body.
        received: u64,
    },
}
