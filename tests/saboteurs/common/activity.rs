//! What one connection is doing, and so how long it may stay silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

const IDLE_MAX: Duration = Duration::from_secs(60);
const IDLE_MAX_DRAINING: Duration = Duration::from_secs(3);
/// For a request head that was begun.
const HEAD_MAX_DRAINING: Duration = Duration::from_secs(9);

#[derive(Clone)]
pub(crate) struct Activity(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    exchanges: u32,
    /// Bytes came that no request has been made of yet.
    head_begun: Option<Instant>,
    /// The client takes no more for now.
    blocked: bool,
    quiet_since: Instant,
}

/// What silence has come to its end.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Silence {
    Idle,
    HalfSentHead,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let state = State { exchanges: 0, head_begun: None, blocked: false, quiet_since: Instant::now() };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the client may say nothing; unlimited while the server owes it something.
    pub(crate) fn limit(&self, draining_since: Option<Instant>) -> Option<(Instant, Silence)> {
        let state = self.state();
        if state.exchanges > 0 || state.blocked {
            return None;
        }
        Some(match (state.head_begun, draining_since) {
            (None, None) => (state.quiet_since + IDLE_MAX, Silence::Idle),
            (None, Some(drain)) => (drain + IDLE_MAX_DRAINING, Silence::Idle),
            (Some(begun), None) => (begun + IDLE_MAX, Silence::HalfSentHead),
            (Some(begun), Some(drain)) => (begun.max(drain) + HEAD_MAX_DRAINING, Silence::HalfSentHead),
        })
    }

    /// Returns when the limit may have become another.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    pub(crate) fn bytes_read(&self) {
        let mut state = self.state();
        if state.exchanges == 0 && state.head_begun.is_none() {
            state.head_begun = Some(Instant::now());
        }
    }

    pub(crate) fn blocked(&self, blocked: bool) {
        let was_blocked = std::mem::replace(&mut self.state().blocked, blocked);
        if was_blocked && !blocked {
            self.0.changed.notify_one();
        }
    }

    /// A request has been read; until the exchange is dropped the server owes an answer.
    pub(crate) fn begin_exchange(&self) -> Exchange {
        let mut state = self.state();
        state.exchanges += 1;
        state.head_begun = None;
        Exchange(self.clone())
    }
}

/// One request and its response, up to the last byte of it.
pub(crate) struct Exchange(Activity);

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.exchanges -= 1;
        state.quiet_since = Instant::now();
        drop(state);
        self.0.0.changed.notify_one();
    }
}
