//! hotspec judges hot restarts: it starts a server, puts connections into every state that a
//! connection can be in, triggers a restart, records all that happens, and judges the record
//! against a published list of clauses.
//!
//! # In `cargo test`
//!
//! What is exported here, at the root, is for other projects: a server as a [`Target`], which [is run](Target::run) and gives a
//! [`Report`], and a case for each scenario by [`test_main`] or [`trials`].
//!
//! ```no_run
//! use hotspec::{Profile, Signal, Target};
//!
//! // In a test of one's own: env!("CARGO_BIN_EXE_my-server").
//! # fn restarts_lose_nothing() -> Result<(), hotspec::Error> {
//! Target::command("target/debug/my-server")
//!     .args(["--listen", "{address}"])
//!     .restart(Signal::SIGHUP)
//!     .profile(Profile::Reload)
//!     .slow_path("/slow?ms={ms}")
//!     .scenarios(["core"])
//!     .run()?
//!     .assert_conformant();
//! # Ok(())
//! # }
//! ```
//!
//! The process that calls it stays its own. Nothing is printed, no handler of a signal is installed, and the program that runs is
//! never executed again; targets are started by a fork that keeps to what is allowed beside other threads. Their processes are gone
//! when the run is over, or the process that called it is, whatever it ends by. Two things are not as they are for `hotspec run`:
//!
//! - The soft limit of open files is raised to the hard one, for good. Targets get what it was before.
//! - A user namespace is entered by [`test_main`] only, as that takes a process without threads. So runs that an ordinary user makes by
//!   [`Target::run`] or [`trials`] have no networks of their own: they use free ports, and the report says what evidence is missing.
//!   [`Isolation::Net`] makes that an error. Where nextest runs cases in processes of their own, those of a target that is not told its
//!   address must not run at the same time then.
//!
//! # Inside
//!
//! Everything below is public for the program's own tests, and may change with any version.
//!
//! The way data flows, and so the way modules may know each other:
//!
//! - [`cli`]: the command line, one file per verb; `api`: what other programs call
//! - `run`: what both have in common: a run, from what is asked for to a verdict
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
