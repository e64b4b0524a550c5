//! What the target writes: to its output, and to the files that its processes have open for writing, where servers keep
//! their logs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::history::Recorder;
use crate::history::event::What;

/// So much of a line is told …
const LINE_MAX: usize = 200;
/// … so many lines in all …
const LINES_MAX: usize = 2_000;
/// … and so much is read of a file at a time.
const READ_MAX: u64 = 64 << 10;

/// The files that are watched.
#[derive(Debug, Default)]
pub(super) struct Said {
    files: BTreeMap<PathBuf, Tail>,
    lines: usize,
}

#[derive(Debug, Default)]
struct Tail {
    inode: u64,
    offset: u64,
    /// A line whose end has not been written yet.
    begun: Vec<u8>,
}

impl Said {
    /// From now on what is appended to this file is told.
    pub(super) fn watch(&mut self, path: &Path) {
        if self.files.contains_key(path) {
            return;
        }
        let Ok(found) = fs::metadata(path) else { return };
        let tail = Tail { inode: found.ino(), offset: found.len(), begun: Vec::new() };
        self.files.insert(path.to_owned(), tail);
    }

    /// And so is what is appended to the files that these processes have open for writing.
    pub(super) fn watch_those_of(&mut self, pids: impl Iterator<Item = i32>) {
        for pid in pids {
            for path in written_by(pid) {
                self.watch(&path);
            }
        }
    }

    /// Writes down what was written since the last time; says whether it was anything.
    pub(super) fn hear(&mut self, recorder: &Recorder) -> bool {
        let mut any = false;
        for (path, tail) in &mut self.files {
            let Some(mut lines) = tail.read(path).filter(|lines| !lines.is_empty()) else { continue };
            any = true;
            lines.truncate(LINES_MAX.saturating_sub(self.lines));
            self.lines += lines.len();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            recorder.record(What::Said { file: name, lines });
        }
        any
    }
}

impl Tail {
    fn read(&mut self, path: &Path) -> Option<Vec<String>> {
        let found = fs::metadata(path).ok()?;
        if found.ino() != self.inode || found.len() < self.offset {
            // Rotated, or written anew.
            (self.inode, self.offset) = (found.ino(), 0);
        }
        if found.len() == self.offset {
            return None;
        }
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = Vec::new();
        let read = file.take(READ_MAX).read_to_end(&mut bytes).ok()?;
        self.offset += read as u64;
        self.begun.extend(bytes);
        let whole = self.begun.iter().rposition(|byte| *byte == b'\n')?;
        let rest = self.begun.split_off(whole + 1);
        let text = std::mem::replace(&mut self.begun, rest);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Some(lines.map(|line| String::from_utf8_lossy(line).chars().take(LINE_MAX).collect()).collect())
    }
}

/// The regular files that a process has open for writing, as /proc/PID/fd and /proc/PID/fdinfo tell (proc(5)).
fn written_by(pid: i32) -> Vec<PathBuf> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let path = |entry: fs::DirEntry| {
        let path = fs::read_link(entry.path()).ok()?;
        let info =
            fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy())).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
        let writes = i32::from_str_radix(flags, 8).ok()? & libc::O_ACCMODE != libc::O_RDONLY;
        let regular = || fs::metadata(&path).is_ok_and(|found| found.is_file());
        (path.is_absolute() && !path.starts_with("/memfd:") && writes && regular()).then_some(path)
    };
    descriptors.flatten().filter_map(path).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn whole_lines_are_told_once_and_what_was_there_before_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = File::create(&path).unwrap();
        log.write_all(b"before\n").unwrap();
        let mut said = Said::default();
        said.watch_those_of([std::process::id() as i32].into_iter());
        let tail = said.files.get_mut(&path).expect("an open file is found");
        assert_eq!(tail.read(&path), None);
        log.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(tail.read(&path).unwrap(), ["one", "two"]);
        log.write_all(b"ee\n").unwrap();
        assert_eq!(tail.read(&path).unwrap(), ["three"]);
        assert_eq!(tail.read(&path), None);
    }
}
