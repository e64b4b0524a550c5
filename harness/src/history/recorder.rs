//! The append-only stream of one scenario: in memory for whoever steers, on disk for whoever judges.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use super::event::{Event, LaneId, Micros, What};
use super::generation::Model;
use super::timeline::Timeline;

/// When a run began: zero on its clock.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    instant: Instant,
    monotonic_ns: u64,
}

impl Origin {
    /// Now, given CLOCK_MONOTONIC in nanoseconds (the clock that [`Instant`] reads too).
    pub fn now(monotonic_ns: u64) -> Self {
        Self { instant: Instant::now(), monotonic_ns }
    }

    /// `instant` on the run's clock.
    pub fn micros(&self, instant: Instant) -> Micros {
        instant.saturating_duration_since(self.instant).as_micros() as Micros
    }
}

/// Stamps events and keeps them. One per scenario, on that scenario's thread.
///
/// Events are written in the order in which they were noticed, and each is folded into a
/// [`Timeline`] at once, so that steering and judging see the same instants.
pub struct Recorder {
    origin: Origin,
    inner: RefCell<Inner>,
}

struct Inner {
    file: BufWriter<File>,
    trouble: Option<std::io::Error>,
    timeline: Timeline,
    lanes: LaneId,
    last: Micros,
}

impl Recorder {
    /// Creates the file at `path`; `origin` is when the run began.
    ///
    /// # Errors
    /// When the file can't be created.
    pub fn create(path: &Path, origin: Origin, model: Model) -> std::io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let inner = Inner { file, trouble: None, timeline: Timeline::new(model), lanes: 0, last: 0 };
        Ok(Self { origin, inner: RefCell::new(inner) })
    }

    /// Now, on the run's clock.
    pub fn now(&self) -> Micros {
        self.at(Instant::now())
    }

    /// `instant` on the run's clock.
    pub fn at(&self, instant: Instant) -> Micros {
        self.origin.micros(instant)
    }

    /// The instant that is `at` on the run's clock.
    pub fn instant(&self, at: Micros) -> Instant {
        self.origin.instant + std::time::Duration::from_micros(at)
    }

    /// CLOCK_MONOTONIC in nanoseconds, on the run's clock.
    pub fn at_ns(&self, monotonic_ns: u64) -> Micros {
        monotonic_ns.saturating_sub(self.origin.monotonic_ns) / 1000
    }

    /// Records something noticed now.
    pub fn record(&self, what: What) {
        self.record_at(self.now(), what);
    }

    /// Records something noticed at `t`. Trouble with the disk is kept for [`Recorder::finish`], and nothing is written after it:
    /// what is there stays readable up to its last line.
    pub fn record_at(&self, t: Micros, what: What) {
        let mut inner = self.inner.borrow_mut();
        let event = Event { t, what };
        inner.last = inner.last.max(t);
        inner.timeline.feed(&event);
        if inner.trouble.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut inner.file, &event)
            .map_err(std::io::Error::from)
            .and_then(|()| inner.file.write_all(b"\n"));
        if let Err(error) = written {
            inner.trouble.get_or_insert(error);
        }
    }

    /// The next lane's number.
    pub fn new_lane(&self) -> LaneId {
        let mut inner = self.inner.borrow_mut();
        let lane = inner.lanes;
        inner.lanes += 1;
        lane
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> LaneId {
        self.inner.borrow().lanes
    }

    /// Reads the timeline as it stands.
    pub fn timeline<T>(&self, read: impl FnOnce(&Timeline) -> T) -> T {
        read(&self.inner.borrow().timeline)
    }

    /// Hands what was recorded to the system, so that a killed harness leaves it behind.
    pub fn flush(&self) {
        let mut inner = self.inner.borrow_mut();
        if let Err(error) = inner.file.flush() {
            inner.trouble.get_or_insert(error);
        }
    }

    /// Puts what was recorded on the disk.
    ///
    /// # Errors
    /// The first trouble with the disk since the beginning: the history is then incomplete.
    pub fn finish(&self) -> std::io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        let flushed = inner.file.flush();
        match inner.trouble.take() {
            Some(error) => Err(error),
            None => flushed,
        }
    }
}
