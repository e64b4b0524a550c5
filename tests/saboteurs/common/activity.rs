//! What one connection is doing, and so how long it may stay silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::rules::{IDLE_MAX, Rules};

#[derive(Clone)]
pub struct Activity(Arc<Shared>);

struct Shared {
    rules: Rules,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    exchanges: u32,
    /// Something has come from the client.
    used: bool,
    /// The body of a request is on its way.
    uploading: bool,
    /// That of a response is.
    sending: bool,
    /// The client ended its side, and was left to.
    half_closed: bool,
    /// Bytes came that no request has been made of yet.
    head_begun: Option<Instant>,
    /// The client takes no more for now.
    blocked: bool,
    quiet_since: Instant,
    last_read: Instant,
}

/// What silence has come to its end.
#[derive(Clone, Copy, PartialEq)]
pub enum Silence {
    Idle,
    HalfSentHead,
    /// Of a client, or of the server, amid an exchange.
    Exchange,
}

impl Activity {
    pub fn new(rules: Rules) -> Self {
        let state = State {
            exchanges: 0,
            used: false,
            uploading: false,
            sending: false,
            half_closed: false,
            head_begun: None,
            blocked: false,
            quiet_since: Instant::now(),
            last_read: Instant::now(),
        };
        Self(Arc::new(Shared { rules, state: Mutex::new(state), changed: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the client may say nothing; unlimited while the server owes it something.
    pub fn limit(&self, draining_since: Option<Instant>) -> Option<(Instant, Silence)> {
        let (state, rules) = (self.state(), &self.0.rules);
        if state.uploading
            && let (Some(drain), Some(upload)) = (draining_since, rules.upload)
        {
            return Some((drain + upload, Silence::Exchange));
        }
        if state.sending
            && let (Some(drain), Some(sending)) = (draining_since, rules.sending)
        {
            return Some((drain + sending, Silence::Exchange));
        }
        if state.exchanges > 0
            && let (Some(drain), true) = (draining_since, rules.working_is_idle)
        {
            return Some((state.last_read.max(drain) + rules.idle, Silence::Exchange));
        }
        if state.exchanges > 0 || state.blocked {
            return None;
        }
        let Some(drain) = draining_since else {
            let silence = state.head_begun.map_or(Silence::Idle, |_| Silence::HalfSentHead);
            return Some((state.head_begun.unwrap_or(state.quiet_since) + IDLE_MAX, silence));
        };
        let since = state.quiet_since.max(drain);
        Some(match state.head_begun {
            Some(begun) => (begun.max(drain) + rules.half_sent, Silence::HalfSentHead),
            None if state.half_closed => (since + rules.half_closed.unwrap_or_default(), Silence::Idle),
            None if state.used => (since + rules.idle, Silence::Idle),
            None => (since + rules.fresh, Silence::Idle),
        })
    }

    /// Returns when the limit may have become another.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Nothing came from the client, as far as was read.
    pub fn is_unused(&self) -> bool {
        !self.state().used
    }

    pub fn bytes_read(&self) {
        let mut state = self.state();
        state.used = true;
        state.last_read = Instant::now();
        if state.exchanges == 0 && state.head_begun.is_none() {
            state.head_begun = Some(Instant::now());
        }
    }

    /// The client ended its side; says whether that is passed over.
    pub fn end_read(&self) -> bool {
        let mut state = self.state();
        let is_idle = state.exchanges == 0 && state.head_begun.is_none();
        let passed_over = self.0.rules.half_closed.is_some() && is_idle;
        if passed_over && !std::mem::replace(&mut state.half_closed, true) {
            drop(state);
            self.0.changed.notify_one();
        }
        passed_over
    }

    pub fn blocked(&self, blocked: bool) {
        let was_blocked = std::mem::replace(&mut self.state().blocked, blocked);
        if was_blocked && !blocked {
            self.0.changed.notify_one();
        }
    }

    /// A request has been read; until the exchange is dropped the server owes an answer.
    pub fn begin_exchange(&self) -> Exchange {
        let mut state = self.state();
        state.exchanges += 1;
        state.head_begun = None;
        Exchange(self.clone())
    }
}

/// One request and its response, up to the last byte of it.
pub struct Exchange(Activity);

impl Exchange {
    pub fn uploading(&self, uploading: bool) {
        self.0.state().uploading = uploading;
        self.0.0.changed.notify_one();
    }

    pub fn sending(&self) {
        self.0.state().sending = true;
        self.0.0.changed.notify_one();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.exchanges -= 1;
        state.uploading = false;
        state.sending = false;
        state.quiet_since = Instant::now();
        drop(state);
        self.0.0.changed.notify_one();
    }
}
