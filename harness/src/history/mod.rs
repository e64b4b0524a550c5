//! What happened: the events of one scenario, in one order, and nothing that judges them.
//!
//! - [`event`]: the vocabulary, one line of NDJSON each
//! - [`recorder`]: the append-only stream, in memory and on disk at once
//! - [`mod@file`]: reading a stored history back
//! - [`lane`]: the events of one connection folded into what was asked and what came back
//! - [`timeline`]: processes, generations and the instants T0, Tr, Td, Tx
//!
//! Nothing here opens a socket, starts a process or reads a clock other than to stamp an event.

pub mod event;
pub mod file;
pub mod lane;
pub mod recorder;
pub mod timeline;

pub use event::{Event, Interval, LaneId, Micros, ProcId, What};
pub use lane::{Exchange, Lane};
pub use recorder::Recorder;
pub use timeline::{Model, Timeline};
