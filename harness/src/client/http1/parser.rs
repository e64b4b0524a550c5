//! The incremental parser of the responses on one connection.

use std::collections::VecDeque;

use super::body::{Digest, chunk_size};
use super::head::{self, AnswerTo, Framing};
use super::lines::{Lines, Pushed};
use super::malformed::{Malformed, Violation};
use super::progress::{Ending, Limits, Progress, Truncated};

enum State {
    /// Nothing is outstanding.
    Idle,
    Head(Lines),
    Length {
        left: u64,
        announced: u64,
        body: Digest,
    },
    ChunkSize(Lines, Digest),
    ChunkData {
        left: u64,
        body: Digest,
    },
    /// CRLF after a chunk, and how much of it came.
    ChunkEnd {
        seen: usize,
        body: Digest,
    },
    Trailers(Lines, Digest),
    Eof(Digest),
    /// HTTP has ended here: an upgrade, a tunnel.
    Switched,
    Failed(Malformed),
}

/// Reads the responses on one connection, whichever way their bytes are cut.
///
/// The parser has to know the requests: with [`new`](Self::new) and then [`next_request`](Self::next_request) for each further
/// one, at the latest before its response is fed. Bytes beyond the outstanding responses are [`extra`](Self::extra).
pub struct Parser {
    limits: Limits,
    state: State,
    /// The requests whose responses are outstanding; the first is under way.
    outstanding: VecDeque<AnswerTo>,
    interim: usize,
    /// Bytes consumed, extra ones not included.
    offset: u64,
    events: VecDeque<Progress>,
    extra: Vec<u8>,
    extra_bytes: u64,
}

impl Parser {
    /// For a connection on which one request is (about to be) sent.
    #[must_use]
    pub fn new(answer_to: AnswerTo, limits: Limits) -> Self {
        let mut parser = Parser::idle(limits);
        parser.outstanding.push_back(answer_to);
        parser.begin();
        parser
    }

    /// For a connection on which nothing was sent yet: whatever comes is extra.
    #[must_use]
    pub fn idle(limits: Limits) -> Self {
        Parser {
            limits,
            state: State::Idle,
            outstanding: VecDeque::new(),
            interim: 0,
            offset: 0,
            events: VecDeque::new(),
            extra: Vec::new(),
            extra_bytes: 0,
        }
    }

    /// One more request was (or is about to be) sent. Extra bytes are taken for the beginning of its response, so whoever
    /// wants to know of them looks before.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed), for the extra bytes.
    pub fn next_request(&mut self, answer_to: AnswerTo) -> Result<(), Malformed> {
        self.outstanding.push_back(answer_to);
        if !matches!(self.state, State::Idle) {
            return Ok(());
        }
        if self.extra_bytes > self.extra.len() as u64 {
            return Err(self.fail(Violation::ExtraBytes, self.offset, &[]));
        }
        self.begin();
        self.extra_bytes = 0;
        let extra = std::mem::take(&mut self.extra);
        self.feed(&extra)
    }

    /// Takes bytes from the connection. What they complete is then returned by [`next_event`](Self::next_event), also where
    /// an error follows it.
    ///
    /// # Errors
    ///
    /// [`Malformed`], at the first byte that breaks a rule; and again the same from then on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(rest)?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// The next thing that was completed, in the order of the bytes.
    pub fn next_event(&mut self) -> Option<Progress> {
        self.events.pop_front()
    }

    /// How many responses are outstanding, the one under way included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether a byte of the response under way has come; interim responses count.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        match &self.state {
            State::Idle | State::Switched => false,
            State::Head(lines) => !lines.bytes().is_empty() || self.interim > 0,
            _ => true,
        }
    }

    /// Whether a byte of the final response under way has come; whole interim responses before it don't count. One that is not
    /// whole yet does, since nothing tells it from a final one.
    #[must_use]
    pub fn has_begun_final(&self) -> bool {
        match &self.state {
            State::Head(lines) => !lines.bytes().is_empty(),
            _ => self.has_begun(),
        }
    }

    /// Bytes of the body under way so far, its transfer coding removed.
    #[must_use]
    pub fn body_bytes(&self) -> Option<u64> {
        self.body().map(Digest::length)
    }

    /// Bytes that no request asked for, as many as the limits keep; after a switch of protocols, those of the new one.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// How many bytes came that no request asked for, kept or not.
    #[must_use]
    pub fn extra_bytes(&self) -> u64 {
        self.extra_bytes
    }

    /// Takes the extra bytes out, which after a switch of protocols belong to the new one and are not limited.
    pub fn take_extra(&mut self) -> Vec<u8> {
        self.extra_bytes = 0;
        std::mem::take(&mut self.extra)
    }

    /// The connection has ended in order, by a FIN. Events that were not pulled yet are still to be pulled.
    #[must_use]
    pub fn finish_at_eof(self) -> Ending {
        match self.state {
            State::Eof(body) => Ending::Complete(body.finish()),
            _ => self.interrupted(),
        }
    }

    /// The connection has ended by anything but a FIN (a reset, a deadline): nothing is completed by that.
    #[must_use]
    pub fn interrupted(self) -> Ending {
        let received = self.body_bytes().unwrap_or(0);
        Ending::Truncated(match self.state {
            State::Idle | State::Switched => return Ending::Idle,
            State::Failed(malformed) => return Ending::Malformed(malformed),
            State::Head(lines) => match (lines.bytes().len(), self.interim) {
                (0, 0) => return Ending::NothingReceived,
                (0, _) => Truncated::AfterInterim,
                (received, _) => Truncated::Head { received },
            },
            State::Length { announced, .. } => Truncated::Length { announced, received },
            State::ChunkSize(..) | State::ChunkData { .. } | State::ChunkEnd { .. } | State::Trailers(..) => {
                Truncated::Chunked { received }
            }
            State::Eof(_) => Truncated::Eof { received },
        })
    }

    fn body(&self) -> Option<&Digest> {
        match &self.state {
            State::Length { body, .. }
            | State::ChunkSize(_, body)
            | State::ChunkData { body, .. }
            | State::ChunkEnd { body, .. }
            | State::Trailers(_, body)
            | State::Eof(body) => Some(body),
            State::Idle | State::Head(_) | State::Switched | State::Failed(_) => None,
        }
    }

    /// Makes ready for the response to the first outstanding request, if there is one.
    fn begin(&mut self) {
        self.state = match self.outstanding.is_empty() {
            true => State::Idle,
            false => State::Head(Lines::head(self.limits.head_bytes_max)),
        };
    }

    fn fail(&mut self, violation: Violation, offset: u64, seen: &[u8]) -> Malformed {
        let malformed = Malformed::new(violation, offset, seen);
        self.state = State::Failed(malformed.clone());
        malformed
    }

    /// Advances by at least one byte, and returns by how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let taken = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {
                let room = self.limits.extra_bytes_max.saturating_sub(self.extra.len());
                return Ok(self.keep_extra(bytes, room));
            }
            State::Switched => {
                self.state = State::Switched;
                return Ok(self.keep_extra(bytes, bytes.len()));
            }
            State::Failed(malformed) => {
                self.state = State::Failed(malformed.clone());
                return Err(malformed);
            }
            State::Head(lines) => self.in_head(lines, bytes)?,
            State::Length { left, announced, mut body } => {
                let n = part(bytes, left);
                body.update(&bytes[..n]);
                match left - n as u64 {
                    0 => self.complete(body),
                    left => self.state = State::Length { left, announced, body },
                }
                n
            }
            State::ChunkSize(lines, body) => self.in_chunk_size(lines, body, bytes)?,
            State::ChunkData { left, mut body } => {
                let n = part(bytes, left);
                body.update(&bytes[..n]);
                self.state = match left - n as u64 {
                    0 => State::ChunkEnd { seen: 0, body },
                    left => State::ChunkData { left, body },
                };
                n
            }
            State::ChunkEnd { seen, body } => self.in_chunk_end(seen, body, bytes[0])?,
            State::Trailers(lines, body) => self.in_trailers(lines, body, bytes)?,
            State::Eof(body) => self.in_eof(body, bytes)?,
        };
        self.offset += taken as u64;
        Ok(taken)
    }

    fn keep_extra(&mut self, bytes: &[u8], room: usize) -> usize {
        self.extra.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.extra_bytes += bytes.len() as u64;
        bytes.len()
    }

    /// Collects lines: `None` if more bytes are needed, else how many bytes completed them.
    fn push(&mut self, lines: &mut Lines, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        match lines.push(bytes) {
            Ok(Pushed::More) => Ok(None),
            Ok(Pushed::Done(n)) => Ok(Some(n)),
            Err((violation, at)) => Err(self.fail(violation, self.offset + at as u64, lines.current())),
        }
    }

    fn in_head(&mut self, mut lines: Lines, bytes: &[u8]) -> Result<usize, Malformed> {
        let Some(n) = self.push(&mut lines, bytes)? else {
            self.state = State::Head(lines);
            return Ok(bytes.len());
        };
        let end = self.offset + n as u64;
        let answer_to = self.outstanding.front().copied().unwrap_or(AnswerTo::Other);
        let head = head::parse(lines.bytes(), answer_to)
            .map_err(|violation| self.fail(violation, end, head::offending(violation, lines.bytes())))?;
        if head.is_interim() {
            self.interim += 1;
            if self.interim > self.limits.interim_max {
                return Err(self.fail(Violation::TooManyInterim, end, lines.bytes()));
            }
            self.events.push_back(Progress::Interim(head));
            self.begin();
            return Ok(n);
        }
        let body = Digest::new(self.limits.prefix_bytes_max);
        let framing = head.framing;
        let switches = answer_to.switches(head.status);
        self.events.push_back(Progress::Head(head));
        if matches!(framing, Framing::Length(length) if length > self.limits.body_bytes_max) {
            return Err(self.fail(Violation::BodyTooLarge, end, lines.bytes()));
        }
        match framing {
            Framing::None | Framing::Length(0) => self.complete(body),
            Framing::Length(length) => {
                self.state = State::Length { left: length, announced: length, body };
            }
            Framing::Chunked => self.next_chunk(body),
            Framing::Eof => self.state = State::Eof(body),
        }
        if switches {
            self.state = State::Switched;
        }
        Ok(n)
    }

    fn next_chunk(&mut self, body: Digest) {
        let lines = Lines::chunk_size(self.limits.chunk_line_bytes_max);
        self.state = State::ChunkSize(lines, body);
    }

    fn in_chunk_size(&mut self, mut lines: Lines, body: Digest, bytes: &[u8]) -> Result<usize, Malformed> {
        let Some(n) = self.push(&mut lines, bytes)? else {
            self.state = State::ChunkSize(lines, body);
            return Ok(bytes.len());
        };
        let end = self.offset + n as u64;
        let Ok(size) = chunk_size(lines.bytes()) else {
            return Err(self.fail(Violation::ChunkSize, end, lines.bytes()));
        };
        if size > self.limits.body_bytes_max - body.length() {
            return Err(self.fail(Violation::BodyTooLarge, end, lines.bytes()));
        }
        self.state = match size {
            0 => State::Trailers(Lines::trailers(self.limits.head_bytes_max), body),
            left => State::ChunkData { left, body },
        };
        Ok(n)
    }

    fn in_chunk_end(&mut self, seen: usize, body: Digest, byte: u8) -> Result<usize, Malformed> {
        if byte != b"\r\n"[seen] {
            return Err(self.fail(Violation::ChunkEnd, self.offset, &[byte]));
        }
        match seen {
            0 => self.state = State::ChunkEnd { seen: 1, body },
            _ => self.next_chunk(body),
        }
        Ok(1)
    }

    fn in_trailers(&mut self, mut lines: Lines, body: Digest, bytes: &[u8]) -> Result<usize, Malformed> {
        let Some(n) = self.push(&mut lines, bytes)? else {
            self.state = State::Trailers(lines, body);
            return Ok(bytes.len());
        };
        head::check_trailers(lines.bytes())
            .map_err(|violation| self.fail(violation, self.offset + n as u64, lines.bytes()))?;
        self.complete(body);
        Ok(n)
    }

    fn in_eof(&mut self, mut body: Digest, bytes: &[u8]) -> Result<usize, Malformed> {
        let room = self.limits.body_bytes_max - body.length();
        let n = part(bytes, room);
        body.update(&bytes[..n]);
        if n < bytes.len() {
            return Err(self.fail(Violation::BodyTooLarge, self.offset + n as u64, &[]));
        }
        self.state = State::Eof(body);
        Ok(n)
    }

    fn complete(&mut self, body: Digest) {
        self.events.push_back(Progress::Complete(body.finish()));
        self.outstanding.pop_front();
        self.interim = 0;
        self.begin();
    }
}

/// How many of the bytes are among the next `left`.
fn part(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}
