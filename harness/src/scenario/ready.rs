//! Waits until a target listens and answers as a server of HTTP.

use std::time::{Duration, Instant};

use super::conductor::Conductor;
use super::endpoint::{EndpointName, ask};
use super::runner::Halt;
use crate::client::address::Address;
use crate::client::http1::{AnswerTo, Connection, Limits, Parser, Progress, Request};
use crate::client::socket::{Received, Socket};
use crate::declaration::Span;
use crate::history::Micros;
use crate::target::file::Endpoints;
use crate::witness::process::Exit;

/// So many looks at processes have to find nobody before a target is said to have ended.
const LOOKS_IN_VAIN: u32 = 4;
/// How long the last attempt may take beyond the deadline.
const LAST_ASKED: Micros = 100_000;

impl Conductor<'_> {
    /// Waits until the target listens and answers as a server of HTTP.
    pub(super) async fn until_ready(&mut self) -> Result<Address, Halt> {
        let deadline = self.recorder.now() + self.job.limits.ready_max;
        let told = self.launch.address.clone();
        let mut last: Option<String> = None;
        loop {
            self.monitor.look();
            self.until(self.recorder.now() + 2_000, |_| false).await?;
            if self.job.target.running.is_none() && self.nobody_is_left() {
                return Err(Halt::start(self.exited_at_once().await));
            }
            let found = || self.monitor.addresses().first().copied();
            let hosts = self.network.hosts();
            let address = told.clone().or_else(|| found().map(|found| Address::Tcp(hosts.reachable(found))));
            if let Some(address) = address {
                // The last time that it is asked it gets a moment too: else what it does would show as silence.
                let until = deadline.max(self.recorder.now() + LAST_ASKED);
                match self.ask(&address, until).await? {
                    Answer::Http => return Ok(address),
                    Answer::NotHttp(why) => {
                        let seen = format!("what listens on {address} speaks no HTTP/1.1: {why}");
                        return Err(Halt::start(seen));
                    }
                    Answer::NotYet(why) => last = Some(format!("{address}: {why}")),
                }
            }
            if self.recorder.now() > deadline {
                return Err(Halt::start(self.never_ready(last)));
            }
        }
    }

    /// Asks once, and goes on looking meanwhile.
    async fn ask(&mut self, address: &Address, until: Micros) -> Result<Answer, Halt> {
        let job = self.job;
        let asked = ask_once(address, &job.target.endpoints, self.recorder.instant(until));
        tokio::pin!(asked);
        tokio::select! {
            answer = &mut asked => Ok(answer),
            broken_off = self.until(Micros::MAX, |_| false) => Err(broken_off.err().unwrap_or(Halt::Interrupted)),
        }
    }

    /// A look misses who is born while it lasts. Of a daemon, whose parents end just then, it sees nobody; the next one
    /// begins when the daemon is there.
    fn nobody_is_left(&self) -> bool {
        (0..LOOKS_IN_VAIN).all(|look| {
            if look > 0 {
                self.monitor.look();
            }
            self.monitor.alive().is_empty()
        })
    }

    async fn exited_at_once(&mut self) -> String {
        while self.main_exit.get().is_none()
            && let Ok(Ok(Some(event))) =
                tokio::time::timeout(Duration::from_millis(100), self.keeper.next_event()).await
        {
            self.note_warden(&event);
        }
        let how = match self.main_exit.get() {
            Some(Exit::Code(code)) => format!(" with status {code}"),
            Some(Exit::Signal { signo, .. }) => format!(" by signal {signo}"),
            None => String::new(),
        };
        format!("the target ended before it listened{how}; its own output may say why")
    }

    fn never_ready(&self, last: Option<String>) -> String {
        let within = Span(self.job.limits.ready_max);
        match (&self.launch.address, last) {
            (_, Some(last)) => format!("the target did not answer within {within} (--ready-max): {last}"),
            (Some(address), None) => {
                format!("the target did not listen on {address} within {within} (--ready-max)")
            }
            (None, None) => format!(
                "the target did not listen on any TCP address within {within} (--ready-max); if it needs to be told one, say `{{address}}` in its arguments"
            ),
        }
    }
}

/// What a first request got.
pub enum Answer {
    /// A response of HTTP.
    Http,
    /// Something else.
    NotHttp(String),
    /// Nothing yet; it may still be starting.
    NotYet(String),
}

/// Connects once and asks once.
pub async fn ask_once(address: &Address, endpoints: &Endpoints, deadline: Instant) -> Answer {
    let socket = match Socket::connect(address, deadline).await {
        Ok(socket) => socket,
        Err(failure) => return Answer::NotYet(failure.to_string()),
    };
    let ask = ask(endpoints, EndpointName::Fast, 0);
    let request = Request::get(&ask.path, &address.http_host()).connection(Connection::Close).encode();
    let request = match request {
        Ok(request) => request.bytes,
        Err(invalid) => return Answer::NotHttp(invalid.to_string()),
    };
    if let Err(failure) = socket.send_all(&request, deadline).await {
        return Answer::NotYet(failure.to_string());
    }
    let mut parser = Parser::new(AnswerTo::method(ask.method), Limits::default());
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match socket.recv(&mut bytes, 1 << 16, deadline).await {
            Received::Data { .. } => {
                if let Err(malformed) = parser.feed(&bytes) {
                    return Answer::NotHttp(malformed.to_string());
                }
                while let Some(progress) = parser.next_event() {
                    if matches!(progress, Progress::Head(_)) {
                        finish(&socket, deadline).await;
                        return Answer::Http;
                    }
                }
            }
            Received::End { .. } if parser.has_begun() => {
                return Answer::NotHttp("the connection ended in the middle of the first head".to_owned());
            }
            Received::End { .. } => {
                return Answer::NotYet("it ends connections without an answer".to_owned());
            }
            Received::TimedOut => {
                return Answer::NotYet("it takes connections and does not answer a request".to_owned());
            }
        }
    }
}

/// Reads to the end, so that our close never sends RST.
async fn finish(socket: &Socket, deadline: Instant) {
    let mut bytes = Vec::new();
    let soon = deadline.min(Instant::now() + Duration::from_secs(1));
    while let Received::Data { .. } = socket.recv(&mut bytes, 1 << 16, soon).await {
        bytes.clear();
    }
}
