//! Several restarts in one history, and what is done to the successor's start.

use hotspec::history::event::{Event, What};
use serde_json::{Map, Value};

use crate::story::{CONTROL, LISTENER, Story, holds, process};

/// The signal by which a successor says that it is ready.
pub(crate) const SIGUSR1: i32 = 10;
/// The process id of the successor.
pub(crate) const SUCCESSOR: i32 = 101;
/// The process that stands at the gate: the successor's, before it executes the program.
const AT_GATE: u32 = 2;
/// The harness executes the target on its own listening socket.
pub(crate) const ADOPTED: u64 = 30;
/// Lanes of one restart are numbered from a multiple of this on.
const LANES: u64 = 10_000;

impl Story {
    /// The successor waits at the gate, and is let through.
    pub(crate) fn tell_gate(&mut self, born: u64, through: u64) {
        let What::Process { pid: _, ppid, start, stack, born: birth, name, .. } =
            process(AT_GATE, "/bin/sh", born)
        else {
            unreachable!()
        };
        let epoch = |proc, program: &str, executed_from| What::Process {
            proc,
            pid: SUCCESSOR,
            ppid,
            start,
            stack: stack + u64::from(proc),
            born: birth,
            name: name.clone(),
            program: Some(program.to_owned()),
            executed_from,
        };
        self.tell(born, epoch(AT_GATE, "/bin/sh", None));
        self.tell(born + 5, What::Held { on: true, from: (born - 5) * 1_000 });
        self.tell(through, What::Held { on: false, from: through * 1_000 });
        self.tell(through + 10, epoch(1, self.server.program, Some(AT_GATE)));
        self.tell(through + 50, holds(1, &[LISTENER.inode], through + 10));
        if let Some(inode) = self.server.names {
            self.named(born + 6, AT_GATE, inode);
            self.named(through + 11, 1, inode);
        }
        if let Some(killed) = self.server.killed {
            self.tell(killed, What::Killed { procs: vec![0], from: (killed - 1) * 1_000 });
        }
    }

    /// The command line of a process names a descriptor of this inode; 0 if it is no listening socket of the target.
    pub(crate) fn named(&mut self, at: u64, proc: u32, inode: u64) {
        self.tell(at, What::Named { proc, argument: "--socket 3".to_owned(), fd: 3, inode });
    }

    /// Somebody sent the warden SIGUSR1.
    pub(crate) fn signalled(&mut self, at: u64, pid: i32) {
        self.tell(at, What::Signalled { signo: SIGUSR1, pid });
    }

    /// The harness plays the parent.
    pub(crate) fn tell_adopted(&mut self) {
        let phase = hotspec::history::event::Phase::Restart;
        self.tell(CONTROL, What::Phase { phase });
        let arguments = vec!["--socket".to_owned(), "20".to_owned()];
        self.tell(ADOPTED, What::Adopted { pid: 100, arguments });
        self.tell(ADOPTED + 2, process(0, "/opt/server", ADOPTED));
    }
}

/// An event of a restart, told as if it were the first: later by `shift`, and of lanes and processes that have other numbers,
/// by that of the restart, and by how many have succeeded before.
pub(crate) fn follow(event: &Event, shift: u64, restart: u64, number: u64) -> Event {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else { unreachable!() };
    for (name, by) in [
        ("t", shift),
        ("from", shift),
        ("lane", LANES * restart),
        ("proc", number),
        ("pid", number),
        ("with", number),
    ] {
        add(&mut fields, name, by);
    }
    add(&mut fields, "executed_from", number);
    for (name, by) in [("born", shift), ("procs", number)] {
        if let Some(Value::Array(all)) = fields.get_mut(name) {
            all.iter_mut().for_each(|one| *one = (one.as_u64().unwrap() + by).into());
        }
    }
    if let Some(Value::Array(counted)) = fields.get_mut("processes") {
        for process in counted.iter_mut().filter_map(Value::as_object_mut) {
            add(process, "pid", number);
        }
    }
    if let Some(Value::Object(owner)) = fields.get_mut("owner") {
        add(owner, "process", number);
    }
    serde_json::from_value(Value::Object(fields)).unwrap()
}

fn add(fields: &mut Map<String, Value>, name: &str, by: u64) {
    if let Some(value) = fields.get_mut(name)
        && let Some(before) = value.as_u64()
    {
        *value = (before + by).into();
    }
}
