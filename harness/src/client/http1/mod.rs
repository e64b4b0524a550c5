//! HTTP/1.0 and 1.1 from the client's side: requests as bytes, and a strict incremental parser of responses.
//!
//! Nothing in here knows a socket or a clock. The parser is strict where RFC 9110 and 9112 bind the sender, and bounded
//! everywhere, since what it reads comes from a target that may be broken.

mod body;
mod head;
mod lines;
mod malformed;
mod parser;
mod progress;
mod request;
#[cfg(test)]
mod tests;

pub use body::{Body, hash_of};
pub use head::{AnswerTo, Framing, Head, Version};
pub use malformed::{Malformed, Violation, escape};
pub use parser::Parser;
pub use progress::{Ending, Limits, Progress, Truncated};
pub use request::{Connection, Encoded, InvalidRequest, Request, RequestBody, body_bytes};
