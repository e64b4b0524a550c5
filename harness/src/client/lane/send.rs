//! What goes out on a lane: requests, whole or in parts, and uploads piece by piece.

use std::time::{Duration, Instant};

use super::super::http1::{AnswerTo, Limits, Parser, Request, RequestBody, Version};
use super::super::socket::SendFailureKind;
use super::super::step::{Ask, Moment, Part};
use super::{Broken, Flow, Lane, Outstanding, PIECE_BYTES, REQUEST_ID};
use crate::history::event::{Micros, What};

/// Of each chunk of a body that is sent in chunks; not in step with the pieces that it is cut into.
const CHUNK_BYTES: usize = 700;

impl Lane {
    /// Sends so many of a request, or the first part of one.
    pub(super) async fn send(&mut self, ask: &Ask, part: Part, count: u32) -> Flow {
        let (mut bytes, head) = self.encode(ask);
        for _ in 0..count {
            let number = self.next;
            self.next += 1;
            let (endpoint, method) = (ask.endpoint.to_owned(), ask.method.to_owned());
            self.record(What::Request { lane: self.id, request: number, endpoint, method });
            self.outstanding.push_back(Outstanding { number, sent: false });
            let parser = self.parser.get_or_insert_with(|| Parser::idle(Limits::default()));
            // Bytes that came before they were asked for have been told as extra.
            let _ = parser.next_request(AnswerTo::method(ask.method));
        }
        if count > 1 {
            bytes = bytes.repeat(count as usize);
        }
        let first = match part {
            Part::Whole => bytes.len(),
            Part::Traced | Part::AllButLast => bytes.len() - 1,
            Part::Half => head / 2,
            Part::Head => head,
        };
        self.rest = bytes.split_off(first);
        self.rest_of_head = head.saturating_sub(first);
        self.continued = false;
        self.put(&bytes).await?;
        match part {
            Part::Whole => {
                self.look_up_owner();
                Ok(())
            }
            Part::Traced => {
                self.watch_for_accept().await;
                self.held_for_owner = true;
                let flow = self.send_rest().await;
                self.held_for_owner = false;
                flow
            }
            Part::Half | Part::AllButLast | Part::Head => {
                self.watch_for_accept().await;
                Ok(())
            }
        }
    }

    /// The bytes of a request, and how many of them are its head.
    fn encode(&self, ask: &Ask) -> (Vec<u8>, usize) {
        let body = match ask.body {
            0 => RequestBody::None,
            length if ask.chunked => RequestBody::Chunked { length, chunk: CHUNK_BYTES },
            length => RequestBody::Length(length),
        };
        let version = if ask.http10 { Version::Http10 } else { Version::Http11 };
        let id = format!("{}-{}", self.id, self.next);
        let request = Request::new(ask.method, &ask.path, &self.context.host).version(version);
        let mut request = request.connection(ask.connection).body(body);
        if ask.expect {
            request = request.field("Expect", "100-continue");
        }
        if ask.events {
            request = request.field("Accept", "text/event-stream");
        }
        match request.field(REQUEST_ID, &id).encode() {
            Ok(encoded) => (encoded.bytes, encoded.head_length),
            // Paths were checked when the plan was made: an empty request shows as one that can't be sent.
            Err(_) => (vec![b'\r', b'\n'], 1),
        }
    }

    /// Sends what was held back.
    pub(super) async fn send_rest(&mut self) -> Flow {
        self.take_what_came().await?;
        self.look_up_owner();
        let rest = std::mem::take(&mut self.rest);
        self.put(&rest).await
    }

    /// Sends what was held back of the head.
    pub(super) async fn send_rest_of_head(&mut self) -> Flow {
        self.take_what_came().await?;
        let length = std::mem::take(&mut self.rest_of_head).min(self.rest.len());
        let head: Vec<u8> = self.rest.drain(..length).collect();
        self.put(&head).await
    }

    /// A client that is late with the rest may find that the server has said something meanwhile, and ended the connection: that was
    /// before what it was about to send. What is left unread by intent stays so. Before a request of its own no client looks: one
    /// that crosses the close is what is to be seen.
    async fn take_what_came(&mut self) -> Flow {
        if self.outstanding.iter().any(|open| open.sent) {
            return Ok(());
        }
        self.receive_pending()?;
        if self.announced { self.await_announced_close().await } else { Ok(()) }
    }

    /// Sends bytes; if they are the last of the outstanding requests, records that these were sent.
    async fn put(&mut self, bytes: &[u8]) -> Flow {
        let Some(socket) = &self.socket else { return Err(Broken) };
        let before = self.context.recorder.now();
        let deadline = Instant::now() + self.context.patience;
        match socket.send_all(bytes, deadline).await {
            Ok(at) => {
                if self.rest.is_empty() {
                    let at = self.context.recorder.at(at);
                    for open in self.outstanding.iter_mut().filter(|open| !open.sent) {
                        open.sent = true;
                        let what = What::Sent { lane: self.id, request: open.number, from: before };
                        self.context.recorder.record_at(at, what);
                    }
                }
                Ok(())
            }
            Err(failure) => {
                let why = match failure.kind {
                    SendFailureKind::Broken => "broken pipe",
                    SendFailureKind::Reset => "reset",
                    SendFailureKind::TimedOut => "timed out",
                    SendFailureKind::Other => "failed",
                };
                self.not_sent(failure.at, why);
                // What the server had to say before it closed is still to be read.
                self.await_end(self.context.patience).await
            }
        }
    }

    /// Records that the outstanding request can't be sent whole.
    pub(super) fn not_sent(&self, at: Instant, why: &str) {
        let request = self.outstanding.back().map_or(self.next, |open| open.number);
        self.record_at(at, What::SendFailed { lane: self.id, request, why: why.to_owned() });
    }

    /// Sends a body piece by piece; the last piece at a moment of its own if that is given.
    pub(super) async fn upload(&mut self, pieces: u32, gap: Micros, last: Option<Moment>) -> Flow {
        let mut body = std::mem::take(&mut self.rest);
        for piece in 0..pieces {
            let is_last = piece + 1 == pieces;
            if piece > 0 {
                self.pause(Duration::from_micros(gap)).await?;
            }
            if let Some(moment) = last.filter(|_| is_last) {
                self.wait_trickling(moment, gap, &mut body).await?;
            }
            // One byte is held back for the end, and a few for trickling.
            let take = if is_last { body.len() } else { (PIECE_BYTES / 2).min(body.len().saturating_sub(1)) };
            let now: Vec<u8> = body.drain(..take).collect();
            self.rest = if is_last { Vec::new() } else { vec![0] };
            if is_last {
                self.look_up_owner();
            }
            self.put(&now).await?;
        }
        Ok(())
    }

    /// Waits for a moment, and sends a byte every `gap` meanwhile so that the upload is never silent.
    async fn wait_trickling(&mut self, moment: Moment, gap: Micros, body: &mut Vec<u8>) -> Flow {
        loop {
            let gap_over = tokio::time::sleep(Duration::from_micros(gap));
            tokio::select! {
                flow = self.wait(moment) => return flow,
                () = gap_over => {}
            }
            if body.len() > 1 {
                let byte: Vec<u8> = body.drain(..1).collect();
                self.rest = vec![0];
                self.put(&byte).await?;
            }
        }
    }
}
