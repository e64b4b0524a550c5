//! Who is told. Reporters are pure consumers: a [`RunResult`](crate::clause::result::RunResult), and
//! what lies beside it, in; text out. Nothing here decides a verdict, opens a file or asks the
//! terminal anything.
//!
//! - [`human`]: for those who read it in a terminal
//! - [`mod@html`]: for those who want to see it, in a browser
//! - [`json`]: for programs
//! - [`schema`]: what these find there
//! - [`events`]: for programs that watch a run
//! - [`gate`]: for pipelines: JUnit, TAP, Markdown, annotations, code quality
//! - [`catalogue`]: what there is: clauses, scenarios, targets
//! - [`compare`]: what got worse and better since an earlier run
//! - [`plan`]: what a run will do
//! - [`lane_log`]: what happened on one connection, and to the servers meanwhile
//! - [`doctor`]: which witnesses work on this machine
//! - [`soak`]: what many runs come to
//! - [`packets`]: which of the packets that were kept belong to lanes that failed
//! - [`style`]: colours, widths, and [`style::clean`], through which all text goes
//! - `escape`: text for HTML
//! - `page`, `table`: paragraphs and columns that keep within a width

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::declaration::Profile;
use crate::history::Event;

pub mod catalogue;
pub mod compare;
pub mod doctor;
mod escape;
pub mod events;
pub mod gate;
pub mod html;
pub mod human;
pub mod json;
pub mod lane_log;
pub mod matrix;
pub mod packets;
mod page;
pub mod plan;
pub mod schema;
pub mod selftest;
pub mod soak;
pub mod style;
mod table;

pub use human::Human;

/// Every profile, in the order of the catalogue.
const PROFILES: [Profile; 3] = [Profile::Falcore, Profile::Reload, Profile::InPlace];

/// What lies beside a result and explains it. Whatever is missing is left out of the report.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Histories by scenario: one for each time that it was run.
    pub histories: &'a BTreeMap<String, Vec<Vec<Event>>>,
    /// The last of what the target wrote, some KiB, by scenario.
    pub outputs: &'a BTreeMap<String, Vec<u8>>,
    /// The packets of lanes that failed: by scenario a file for each time that it was run, if there are any.
    pub packets: &'a BTreeMap<String, Vec<Option<PathBuf>>>,
    /// Where all of it is stored.
    pub run_dir: &'a Path,
}
