//! What a saboteur may get wrong without a main function of its own. The defaults are right.

use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::{HeaderMap, StatusCode, Version};

/// How long an unused connection is kept at other times.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub struct Rules {
    /// Completes the head of each response.
    pub finish: fn(&mut Answer<'_>),
    /// While the server drains, requests are answered by this status.
    pub unavailable: Option<StatusCode>,
    /// Whether a response is the last on its connection is decided when its request's head is there, and not when its own
    /// is written.
    pub decided_early: bool,
    /// Up to when bodies are sent.
    pub bodies: Bodies,
    /// From the drain on, a connection that was used and is idle may stay so for so long.
    pub idle: Duration,
    /// One that never brought a byte.
    pub fresh: Duration,
    /// One of which no byte was read yet is closed when the drain begins, without a look at what may wait in it.
    pub drops_unread: bool,
    /// One whose request is being answered is idle too, if nothing comes from its client.
    pub working_is_idle: bool,
    /// From the drain on, a response may take so long to be sent; as long as its client takes some of it, if it is not said.
    pub sending: Option<Duration>,
    /// One whose client has begun a request head, or does so later.
    pub half_sent: Duration,
    /// One whose client has ended its side and is owed nothing; closed at once, if it is not said.
    pub half_closed: Option<Duration>,
    /// An upload; as long as something comes, if it is not said.
    pub upload: Option<Duration>,
    /// So many connections drain; those beyond are dropped when the drain begins.
    pub drain_at_most: Option<usize>,
    /// So many are swept when they are idle while the server drains; those beyond stay as long as they may at other times.
    pub sweep_at_most: Option<usize>,
    /// How much is read at a time.
    pub read_size: usize,
    /// What becomes of a connection, while the server drains, that its client or the last answer has ended.
    pub after_answer: End,
    /// And of one that was silent for too long.
    pub after_silence: End,
    /// And of one, at other times, that its client or the last answer has ended.
    pub after_other: End,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            finish: close_while_draining,
            unavailable: None,
            decided_early: false,
            bodies: Bodies::Whole,
            idle: Duration::from_secs(3),
            fresh: Duration::from_secs(3),
            drops_unread: false,
            working_is_idle: false,
            sending: None,
            half_sent: Duration::from_secs(9),
            half_closed: None,
            upload: None,
            drain_at_most: None,
            sweep_at_most: None,
            read_size: usize::MAX,
            after_answer: End::Linger,
            after_silence: End::Linger,
            after_other: End::Linger,
        }
    }
}

/// The head of a response that is about to be written.
pub struct Answer<'a> {
    /// Of the request.
    pub version: Version,
    pub head: &'a mut HeaderMap,
    /// What the HTTP library goes by: see [`close`].
    pub written_as: &'a mut Version,
    pub status: StatusCode,
    pub draining: bool,
}

/// Says that the response is the last on its connection, which hyper then closes.
pub fn close_while_draining(answer: &mut Answer<'_>) {
    if answer.draining {
        close(answer);
    }
}

pub fn close(answer: &mut Answer<'_>) {
    say_close(answer.head);
    // To a client of HTTP/1.0 that asked for `keep-alive` hyper promises it whatever the header says, unless the response
    // is of that version too.
    *answer.written_as = answer.version;
}

pub fn say_close(head: &mut HeaderMap) {
    head.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// How a connection is closed.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// Our side first; then what still comes is read until the client ends its own, so that no late byte turns the end of
    /// file into a reset.
    Linger,
    /// Both sides at once, whatever is still unread.
    Close,
    /// Not by us, until the client has ended its side or let the time for it pass.
    ByClient,
    /// By RST.
    Reset,
}

/// Up to when the bodies of responses are sent.
#[derive(Clone, Copy, PartialEq)]
pub enum Bodies {
    /// Up to their ends.
    Whole,
    /// Up to where they are when the drain begins.
    UntilDrain,
    /// Up to their ends, if the drain had not begun when their heads were written; else not at all.
    BegunBeforeDrain,
}
