//! Finds what a run left behind, by a variable that all its processes inherit and by what descended from it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// The variable that marks the processes of one test.
pub const MARK: &str = "HOTSPEC_E2E_MARK";
/// A tree that is taken down is gone well within this, also on a busy machine.
pub const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A process by its pid and the tick of its birth: a pid that is used again is another process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    born: u64,
    parent: i32,
    /// Its short name.
    pub name: String,
    ended: bool,
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any character.
    let (front, back) = stat.rsplit_once(") ")?;
    let name = front.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = back.split(' ').collect();
    Some(Process {
        pid,
        name,
        ended: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
    })
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(read).collect()
}

/// All that runs below this process, and itself.
pub fn below(root: i32) -> BTreeSet<Process> {
    let all = all();
    let mut found = BTreeSet::from([root]);
    loop {
        let more: Vec<i32> = all
            .iter()
            .filter(|process| found.contains(&process.parent) && !found.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    all.into_iter().filter(|process| found.contains(&process.pid) && !process.ended).collect()
}

/// Whether it runs.
pub fn lives(pid: i32) -> bool {
    read(pid).is_some_and(|process| !process.ended)
}

/// All that runs and has the variable with this value.
pub fn marked(value: &str) -> BTreeSet<Process> {
    let wanted = format!("{MARK}={value}");
    let has_it = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())
    };
    all().into_iter().filter(|process| !process.ended && has_it(process)).collect()
}

/// Waits until nothing of it runs any more: neither what was seen to descend from it nor what carries the mark.
///
/// # Panics
/// Something is left.
pub fn assert_nothing_left(seen: &BTreeSet<Process>, mark: &str) {
    let left = || {
        let still =
            |process: &&Process| read(process.pid).is_some_and(|now| now.born == process.born && !now.ended);
        let mut left: BTreeSet<Process> = seen.iter().filter(still).cloned().collect();
        left.extend(marked(mark));
        left
    };
    let deadline = std::time::Instant::now() + GONE_WITHIN;
    loop {
        let remaining = left();
        if remaining.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "left behind after {GONE_WITHIN:?}: {remaining:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
