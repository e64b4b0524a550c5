//! What happened: the events of one scenario, in one order, and nothing that judges them.
//!
//! - [`event`]: the vocabulary, one line of NDJSON each
//! - [`words`]: what events are made of
//! - [`recorder`]: the append-only stream, in memory and on disk at once
//! - [`mod@file`]: reading a stored history back
//! - [`lane`]: the events of one connection folded into what was asked and what came back
//! - [`generation`]: processes, and which life each belongs to
//! - [`timeline`]: the fold that gives the instants T0, Tr, Td, Tx
//!
//! Nothing here opens a socket, starts a process or reads a clock other than to stamp an event.

pub mod event;
pub mod file;
pub mod generation;
pub mod lane;
pub mod recorder;
pub mod timeline;
pub mod words;

#[cfg(test)]
mod tests;

pub use event::{Event, Interval, LaneId, Micros, ProcId, What};
pub use generation::Model;
pub use lane::{Exchange, Lane};
pub use recorder::Recorder;
pub use timeline::Timeline;

use event::Phase;

/// What each restart of a history is judged by: all up to the next one, since control is part of each. One whole where there
/// is no restart.
pub fn restarts(events: &[Event]) -> Vec<&[Event]> {
    let restart = |(_, event): &(usize, &Event)| event.what == What::Phase { phase: Phase::Restart };
    let later = events.iter().enumerate().filter(restart).map(|(place, _)| place).skip(1);
    later.chain([events.len()]).filter_map(|end| events.get(..end)).collect()
}
