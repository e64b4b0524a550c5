//! What a process is told of its listening sockets: the descriptors that its command line names.

use std::collections::BTreeSet;

use crate::history::event::What;
use crate::history::{ProcId, Recorder};

/// Of a command line so many descriptors are looked at.
const NAMED_MAX: usize = 64;

/// Writes down which descriptors a process's command line names, and whether they are listening sockets of the target.
pub(super) fn note(
    recorder: &Recorder,
    proc: ProcId,
    pid: i32,
    flag: &str,
    sockets: &[(i32, u64)],
    listeners: &BTreeSet<u64>,
) {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return };
    for fd in descriptors_after(&line, flag) {
        let named = sockets.iter().find(|(number, inode)| *number == fd && listeners.contains(inode));
        let inode = named.map_or(0, |(_, inode)| *inode);
        recorder.record(What::Named { proc, argument: format!("{flag} {fd}"), fd, inode });
    }
}

/// The numbers that follow a flag on a command line: `FLAG N`, `FLAG=N`, and lists of them.
fn descriptors_after(line: &[u8], flag: &str) -> Vec<i32> {
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut numbers = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let value = match word.strip_prefix(flag) {
            Some("") => words.get(index + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        numbers.extend(value.unwrap_or_default().split(',').filter_map(|number| number.parse::<i32>().ok()));
    }
    numbers.truncate(NAMED_MAX);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_read_after_their_flag_in_each_form() {
        let line =
            ["server", "--socket", "3", "--socket=4,5", "--sockets", "6", "--socket", "x", ""].join("\0");
        assert_eq!(descriptors_after(line.as_bytes(), "--socket"), [3, 4, 5]);
        assert_eq!(descriptors_after(b"", "--socket"), [] as [i32; 0]);
        assert_eq!(descriptors_after(b"--socket", "--socket"), [] as [i32; 0]);
    }
}
