//! What this machine lets hotspec see: each witness is tried in the way in which a run uses it, and nothing is left behind.
//!
//! `witness` has the list and the tries; `child` is the process that some of them look at.

mod child;
mod witness;

use std::io;

use crate::target::namespace::{self, IsolationDenied, NetworkNamespace};

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The witness, or what it stands on.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// What is lost without it.
    pub without: &'static str,
    /// How it works here, in a few words, or why it does not.
    pub outcome: Result<String, Lack>,
}

/// Why a witness does not work here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What was tried, and what stands in the way.
    pub why: String,
    /// The one command or change that would enable it; none if this kernel can't have it at all.
    pub command: Option<String>,
}

impl Lack {
    fn new(why: impl std::fmt::Display, command: impl Into<Option<&'static str>>) -> Self {
        Self { why: why.to_string(), command: command.into().map(str::to_owned) }
    }
}

impl From<&IsolationDenied> for Lack {
    fn from(denied: &IsolationDenied) -> Self {
        let IsolationDenied { step, source, remedy } = denied;
        let because = remedy.because.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        Self { why: format!("{step} failed: {source}{because}"), command: Some(remedy.command.clone()) }
    }
}

/// Who looked, and what was found, in the order in which one thing stands on another.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Root, in its own user namespace or the machine's.
    pub root: bool,
    /// All that was tried.
    pub findings: Vec<Finding>,
}

/// Where the tries are made: on a thread that has entered a network namespace, if it may.
struct Place {
    network: Result<NetworkNamespace, IsolationDenied>,
    root: bool,
}

/// Tries everything. To be called in `main`, before any thread exists: a run enters its user namespace there, and so does this.
///
/// # Errors
/// No thread can be had: then nothing can be said.
pub fn examine() -> io::Result<Diagnosis> {
    let root = nix::unistd::geteuid().is_root();
    let prepared = namespace::prepare_process();
    // A thread of its own, which never leaves its network namespace.
    let thread = std::thread::Builder::new().name("doctor".to_owned()).spawn(move || {
        let network = prepared.and_then(|_| namespace::enter_network_namespace());
        let place = Place { network, root };
        witness::ALL
            .iter()
            .map(|witness| Finding {
                name: witness.name,
                shows: witness.shows,
                without: witness.without,
                outcome: (witness.attempt)(&place),
            })
            .collect()
    })?;
    let findings = thread.join().map_err(|_| io::Error::other("a thread panicked"))?;
    Ok(Diagnosis { root, findings })
}
