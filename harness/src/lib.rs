//! hotspec judges hot restarts: it starts a server, puts connections into every state that a
//! connection can be in, triggers a restart, records all that happens, and judges the record
//! against a published list of clauses.
//!
//! The way data flows, and so the way modules may know each other:
//!
//! - [`cli`]: the command line, one file per verb
//! - [`scenario`]: what we do: scenario files, the plan, the runner
//! - [`target`]: what is under test: target files, the warden, network namespaces
//! - [`client`]: how we talk: sockets, HTTP/1.1, lanes and their steps
//! - [`witness`]: what else saw it: processes, the socket table
//! - [`history`]: what happened: events, the recorder, the file format, the instants
//! - [`clause`]: what must hold: one pure function per clause
//! - [`report`]: who is told: one file per format
//! - [`selftest`]: a server with one fault after another, to show what is seen on this machine
//! - [`doctor`]: which witnesses work on this machine
//! - [`declaration`], [`manifest`]: what a target declares, and what a run was

mod api;
pub mod clause;
pub mod cli;
pub mod client;
pub mod declaration;
pub mod doctor;
pub mod exit;
pub mod history;
pub mod manifest;
pub mod report;
mod run;
pub mod scenario;
pub mod selftest;
pub mod target;
pub mod witness;

pub use api::{Error, Report, Signal, Target, test_main, trials};
pub use clause::Level;
pub use clause::result::RunVerdict;
pub use declaration::Profile;
pub use history::Model;
pub use libtest_mimic;
pub use run::format::Format;
pub use run::isolation::IsolationWanted as Isolation;
pub use target::file::AsPid1;
pub use target::listen::ListenKind;
