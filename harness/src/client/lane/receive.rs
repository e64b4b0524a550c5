//! What comes in on a lane: responses, ends, and what nobody asked for.

use std::time::{Duration, Instant};

use super::super::http1::{self, Body, Framing, Head, Progress, Version};
use super::super::socket::{End, Received};
use super::super::step::Slowly;
use super::{Broken, CLOSE_WATCH, Flow, Lane, READ_MAX, has_come};
use crate::history::event::{Ending, Stage, What};

/// So much of a marker is kept: a value is the target's, and may be long.
const MARKER_MAX: usize = 100;

impl Lane {
    /// Waits, for ever if need be, until the server ends the connection; what it says is recorded.
    pub(super) async fn watch(&mut self) -> Flow {
        loop {
            let Some(socket) = &self.socket else { return std::future::pending().await };
            socket.readable().await;
            self.receive(READ_MAX, Instant::now()).await?;
        }
    }

    /// Receives once and feeds the parser; whether anything came. `Err` when the connection is over.
    async fn receive(&mut self, max: usize, deadline: Instant) -> Result<bool, Broken> {
        let Some(socket) = &self.socket else { return Err(Broken) };
        self.buffer.clear();
        let received = socket.recv(&mut self.buffer, max, deadline).await;
        match received {
            Received::Data { at, .. } => {
                let bytes = std::mem::take(&mut self.buffer);
                let flow = self.parse(&bytes, at);
                self.buffer = bytes;
                flow.map(|()| true)
            }
            Received::End { end, at } => {
                self.ends(end, at);
                Err(Broken)
            }
            Received::TimedOut => Ok(false),
        }
    }

    fn ends(&mut self, end: End, at: Instant) {
        let (how, errno) = match end {
            End::Fin => (Ending::Fin, None),
            End::Reset { errno } => (Ending::Reset, Some(errno)),
            End::ResetAfterFin => (Ending::ResetAfterFin, None),
            End::Failed { errno } => (Ending::GaveUp, Some(errno)),
        };
        if matches!(how, Ending::Fin | Ending::ResetAfterFin) {
            self.complete_by_eof(at);
        }
        // A client that holds nothing back would have sent it all by then.
        if self.held_for_owner && matches!(how, Ending::Reset | Ending::ResetAfterFin) {
            self.not_sent(at, "reset");
        }
        self.end(at, how, errno);
    }

    /// A body framed by the end of the connection is complete with it.
    fn complete_by_eof(&mut self, at: Instant) {
        let Some(parser) = self.parser.take() else { return };
        if let http1::Ending::Complete(body) = parser.finish_at_eof() {
            self.note(Progress::Complete(body), at);
        }
    }

    /// Ends the lane and closes its socket.
    pub(super) fn end(&mut self, at: Instant, how: Ending, errno: Option<i32>) {
        let stage = self.stage();
        self.record_at(at, What::End { lane: self.id, how, errno, stage });
        self.over = true;
        self.socket = None;
    }

    pub(super) fn stage(&self) -> Stage {
        match self.outstanding.front() {
            None => Stage::Idle,
            Some(_) if self.in_body => Stage::InBody,
            Some(_) if self.first_byte.is_some() => Stage::InHead,
            Some(open) if open.sent => Stage::NoByte,
            Some(_) => Stage::HalfSent,
        }
    }

    /// Feeds received bytes to the parser, and records what they complete.
    fn parse(&mut self, bytes: &[u8], at: Instant) -> Flow {
        let Some(mut parser) = self.parser.take() else { return Err(Broken) };
        let unasked = parser.extra_bytes();
        if parser.outstanding() > 0 {
            self.first_byte.get_or_insert(at);
        }
        let fed = parser.feed(bytes);
        while let Some(progress) = parser.next_event() {
            self.note(progress, at);
        }
        if parser.has_begun_final() {
            self.first_byte.get_or_insert(at);
        }
        let extra = parser.extra_bytes() - unasked;
        self.parser = Some(parser);
        if extra > 0 {
            self.record_at(at, What::Extra { lane: self.id, bytes: extra });
        }
        fed.map_err(|malformed| {
            let request = self.outstanding.front().map_or(self.next, |open| open.number);
            let why = malformed.to_string();
            self.record_at(at, What::Malformed { lane: self.id, request, why });
            self.end(at, Ending::GaveUp, None);
            Broken
        })
    }

    /// Records what the parser found.
    fn note(&mut self, progress: Progress, at: Instant) {
        let Some(number) = self.outstanding.front().map(|open| open.number) else { return };
        match progress {
            Progress::Interim(head) => {
                // The bytes of the final response are still to come.
                self.first_byte = None;
                self.continued |= head.status == 100;
                self.record_at(at, What::Interim { lane: self.id, request: number, status: head.status });
            }
            Progress::Head(head) => {
                self.in_body = true;
                self.look_up_owner();
                self.closing = head.close;
                let implied = head.version == Version::Http10 && head.close;
                let what = What::Head {
                    lane: self.id,
                    request: number,
                    from: self.context.recorder.at(self.first_byte.unwrap_or(at)),
                    status: head.status,
                    version: if head.version == Version::Http10 { 10 } else { 11 },
                    framing: framing_name(head.framing).to_owned(),
                    close: head.announces_close_explicitly || implied,
                    last: head.close,
                    keep_alive: head.keep_alive,
                    marker: self.marker_of(&head),
                };
                self.record_at(at, what);
            }
            Progress::Complete(body) => self.complete(number, &body, at),
        }
    }

    fn complete(&mut self, number: u32, body: &Body, at: Instant) {
        let what = What::Body {
            lane: self.id,
            request: number,
            length: body.length,
            hash: format!("{:016x}", body.hash),
            marker: self.marker_in(&String::from_utf8_lossy(&body.prefix)),
        };
        self.record_at(at, what);
        self.outstanding.pop_front();
        self.first_byte = None;
        self.in_body = false;
        self.announced = self.closing;
    }

    fn marker_of(&self, head: &Head) -> Option<String> {
        let Some(wanted) = &self.context.marker_header else {
            return head.fields().find_map(|(_, value)| self.marker_in(value));
        };
        let value = head.field(wanted)?;
        Some(value.chars().take(MARKER_MAX).collect())
    }

    fn marker_in(&self, text: &str) -> Option<String> {
        self.context.markers.iter().find(|marker| text.contains(marker.as_str())).cloned()
    }

    /// Receives until every outstanding request is answered. After an announced close, until the end.
    pub(super) async fn responses(&mut self, slowly: Option<Slowly>) -> Flow {
        self.receive_while(slowly, |lane| !lane.outstanding.is_empty() && !lane.announced).await?;
        if self.announced { self.await_announced_close().await } else { Ok(()) }
    }

    /// Receives until the server asks for the body by 100, or answers without it; if it does neither, the body is sent all the
    /// same when the time is over (RFC 9110 §10.1.1).
    pub(super) async fn await_continue(&mut self, within: Duration) -> Flow {
        let began = self.context.recorder.now();
        let deadline = Instant::now() + within;
        while !self.continued && !self.in_body && !self.outstanding.is_empty() {
            if self.receive(READ_MAX, deadline).await? {
                continue;
            }
            if Instant::now() >= deadline {
                self.record(What::Overdue { lane: self.id, from: began, awaited: "continue".to_owned() });
                return Ok(());
            }
        }
        if self.continued {
            return Ok(());
        }
        // A final answer: nobody wants the body, and the server ends the connection.
        self.rest.clear();
        self.receive_while(None, |lane| !lane.outstanding.is_empty()).await?;
        self.await_end(CLOSE_WATCH).await
    }

    /// Receives until the head of the awaited response is there.
    pub(super) async fn head(&mut self) -> Flow {
        self.receive_while(None, |lane| !lane.outstanding.is_empty() && !lane.in_body).await
    }

    async fn receive_while(&mut self, slowly: Option<Slowly>, more: impl Fn(&Self) -> bool) -> Flow {
        let began = self.context.recorder.now();
        let mut deadline = Instant::now() + self.context.patience;
        while more(self) {
            if slowly.is_some_and(|slowly| slowly.stop && has_come(&self.context, slowly.until)) {
                return Ok(());
            }
            let slow = slowly.filter(|slowly| !has_come(&self.context, slowly.until));
            let max = slow.map_or(READ_MAX, |slowly| slowly.bytes);
            let came = self.receive(max, deadline).await?;
            if let Some(slowly) = slow {
                tokio::time::sleep(Duration::from_micros(slowly.gap)).await;
            }
            if came {
                // Patience is for silence: neither a slow reader nor a large body is a reason to lose it.
                deadline = Instant::now() + self.context.patience;
                // Nor is it one to keep the other lanes waiting: a large body comes without a pause.
                if more(self) {
                    tokio::task::yield_now().await;
                }
            } else if Instant::now() >= deadline && more(self) {
                self.record(What::Overdue { lane: self.id, from: began, awaited: "response".to_owned() });
                self.end(Instant::now(), Ending::GaveUp, None);
                return Err(Broken);
            }
        }
        Ok(())
    }

    /// The server said that it closes: watches it do so.
    pub(super) async fn await_announced_close(&mut self) -> Flow {
        let began = self.context.recorder.now();
        if tokio::time::timeout(CLOSE_WATCH, self.watch()).await.is_err() {
            self.record(What::Overdue { lane: self.id, from: began, awaited: "close".to_owned() });
            self.end(Instant::now(), Ending::GaveUp, None);
        }
        Err(Broken)
    }

    /// Waits for the server to end the connection, and closes it if it does not.
    pub(super) async fn await_end(&mut self, within: Duration) -> Flow {
        let mut anchors = self.context.anchors.clone();
        let over = async move {
            let _ = anchors.wait_for(|anchors| anchors.get(super::Anchor::Over).is_some()).await;
        };
        tokio::select! {
            biased;
            _ = self.watch() => {}
            () = tokio::time::sleep(within) => {}
            () = over => {}
        }
        if !self.over {
            self.end(Instant::now(), Ending::Lane, None);
        }
        Err(Broken)
    }

    /// Reads what is there and closes; what a lane still awaits is received first. Nobody answers what was not sent whole.
    pub(super) async fn finish(&mut self) {
        if self.outstanding.front().is_some_and(|open| open.sent) && self.responses(None).await.is_err() {
            return;
        }
        self.close_now();
    }

    /// Closes at once, after having read what has already come: a close with unread bytes sends RST.
    pub(super) fn close_now(&mut self) {
        if self.receive_pending().is_ok() && self.socket.is_some() {
            self.end(Instant::now(), Ending::Lane, None);
        }
    }

    /// Reads what has already come. `Err` when the connection is over.
    pub(super) fn receive_pending(&mut self) -> Flow {
        let mut bytes = Vec::new();
        while let Some(received) =
            self.socket.as_ref().and_then(|socket| socket.try_recv(&mut bytes, READ_MAX))
        {
            match received {
                Received::Data { at, .. } => {
                    let taken = std::mem::take(&mut bytes);
                    self.parse(&taken, at)?;
                }
                Received::End { end, at } => {
                    self.ends(end, at);
                    return Err(Broken);
                }
                Received::TimedOut => break,
            }
        }
        Ok(())
    }
}

fn framing_name(framing: Framing) -> &'static str {
    match framing {
        Framing::None => "none",
        Framing::Length(_) => "length",
        Framing::Chunked => "chunked",
        Framing::Eof => "eof",
    }
}
