//! What a case's history says of what processes held, of listening sockets and their paths, and of the target's output.

use std::collections::BTreeMap;

use crate::history::event::{CommonDescriptor, Event, Phase, What};
use crate::history::{Micros, ProcId};

/// What one process held, and its memory, while all was quiet.
#[derive(Clone, Debug)]
pub struct Resources {
    /// When.
    pub at: Micros,
    /// The process.
    pub proc: ProcId,
    /// Descriptors by kind, if the machine tells.
    pub descriptors: Option<BTreeMap<String, u32>>,
    /// KiB that belong to no file.
    pub memory_kib: Option<u64>,
    /// KiB that were resident at most.
    pub peak_kib: Option<u64>,
}

/// What a younger process has in common with an old one, from one look on.
#[derive(Clone, Debug)]
pub struct Common {
    /// The look before.
    pub from: Micros,
    /// When.
    pub at: Micros,
    /// The younger process.
    pub proc: ProcId,
    /// The old one.
    pub with: ProcId,
    /// What both hold.
    pub descriptors: Vec<CommonDescriptor>,
    /// All kinds of files could be compared.
    pub compared: bool,
}

/// O_NONBLOCK of a listening socket, from one look on.
#[derive(Clone, Copy, Debug)]
pub struct Nonblocking {
    /// When.
    pub at: Micros,
    /// The listening socket.
    pub inode: u64,
    /// Set or not.
    pub on: bool,
    /// Whose descriptor was looked at.
    pub proc: ProcId,
}

/// A line by which the target told that it failed within.
#[derive(Clone, Debug)]
pub struct Outcry {
    /// When.
    pub at: Micros,
    /// Which kind.
    pub kind: String,
    /// The line.
    pub text: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Of each restart, what was there before its trigger.
    pub before: Vec<Vec<Resources>>,
    /// What processes have in common.
    pub common: Vec<Common>,
    /// O_NONBLOCK of listening sockets.
    pub nonblocking: Vec<Nonblocking>,
    /// Sockets that no longer listened, and who held them: from, at, inode.
    pub shut_down: Vec<(Micros, Micros, u64, Vec<ProcId>)>,
    /// Who held which listening sockets from when on.
    pub listeners: Vec<(Micros, ProcId, Vec<u64>)>,
    /// The path of the unix socket: from, at, there or not.
    pub path: Vec<(Micros, Micros, bool)>,
    /// The listener that the changed configuration drops: from, at, how many listen there, who holds one.
    pub dropped: Vec<(Micros, Micros, u32, Vec<ProcId>)>,
    /// What the target told of its failures.
    pub outcries: Vec<Outcry>,
    /// How many bytes it wrote in all, once all was read.
    pub output: Option<u64>,
    /// A restart was begun and its trigger has not come.
    begun: bool,
}

impl Held {
    /// Reads one event.
    pub(super) fn read(&mut self, event: &Event) {
        let at = event.t;
        match &event.what {
            What::Phase { phase: Phase::Restart } => {
                self.before.push(Vec::new());
                self.begun = true;
            }
            What::Trigger { .. } => self.begun = false,
            What::Resources { proc, descriptors, memory_kib, peak_kib } => {
                if let Some(before) = self.before.last_mut().filter(|_| self.begun) {
                    before.push(Resources {
                        at,
                        proc: *proc,
                        descriptors: descriptors.clone(),
                        memory_kib: *memory_kib,
                        peak_kib: *peak_kib,
                    });
                }
            }
            What::Common { proc, with, descriptors, compared, from } => self.common.push(Common {
                from: *from,
                at,
                proc: *proc,
                with: *with,
                descriptors: descriptors.clone(),
                compared: *compared,
            }),
            What::Nonblocking { inode, on, proc, .. } => {
                self.nonblocking.push(Nonblocking { at, inode: *inode, on: *on, proc: *proc });
            }
            What::ShutDown { inode, procs, from } => {
                self.shut_down.push((*from, at, *inode, procs.clone()));
            }
            What::Holds { proc, listeners, .. } => self.listeners.push((at, *proc, listeners.clone())),
            What::SocketPath { present, from } => self.path.push((*from, at, *present)),
            What::Dropped { listening, procs, from } => {
                self.dropped.push((*from, at, *listening, procs.clone()));
            }
            What::Outcry { kind, text, .. } => {
                self.outcries.push(Outcry { at, kind: kind.clone(), text: text.clone() });
            }
            What::OutputRead { bytes } => self.output = Some(*bytes),
            _ => {}
        }
    }
}
