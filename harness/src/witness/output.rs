//! Lines by which programs tell that they failed within: panics, reports of sanitizers, failed assertions, crashes.
//!
//! Only what the common languages and libraries write themselves is looked for, at full length: a word such as "panic" in a
//! log line is no panic.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A longer line is looked at up to here, in bytes.
const LINE_MAX: usize = 4096;
/// So much is told of a line, in characters.
const TOLD_MAX: usize = 300;
/// So much is read at one time, so that a target that writes without end delays nobody.
const READ_MAX: u64 = 256 << 10;
/// Lines by which what a runtime wrote first is completed come within so many.
const FOLLOWS_WITHIN: usize = 12;

/// One such line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcry {
    /// Which kind it is, in a word or two.
    pub kind: &'static str,
    /// The line, cut; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// The output of a program, read as it grows.
#[derive(Debug)]
pub struct OutputReader {
    path: PathBuf,
    file: Option<File>,
    read: u64,
    lines: Lines,
}

impl OutputReader {
    /// A file that may not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, read: 0, lines: Lines::default() }
    }

    /// Reads what came since the last time, and returns what was found in it.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn read(&mut self) -> io::Result<Vec<Outcry>> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes)?;
        self.read = self.read.saturating_add(bytes.len() as u64);
        Ok(self.lines.feed(&bytes))
    }

    /// Bytes that were read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.read
    }
}

/// Lines as they come, and what the last of them may be the beginning of.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    /// A line was longer than is looked at: its end is passed over.
    overlong: bool,
    /// Lines that Go writes before the stacks of its goroutines, and how many lines they may still wait for these.
    begun: VecDeque<(Outcry, usize)>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) -> Vec<Outcry> {
        let mut found = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.last() == Some(&b'\n');
            let room = LINE_MAX.saturating_sub(self.rest.len());
            if !self.overlong {
                self.rest.extend(piece.iter().take(room));
            }
            self.overlong |= piece.len() > room;
            if ends {
                let line = std::mem::take(&mut self.rest);
                self.overlong = false;
                self.line(&String::from_utf8_lossy(&line), &mut found);
            }
        }
        found
    }

    fn line(&mut self, line: &str, found: &mut Vec<Outcry>) {
        let line = line.trim_end();
        for (_, left) in &mut self.begun {
            *left = left.saturating_sub(1);
        }
        self.begun.retain(|(_, left)| *left > 0);
        let goroutine = line.strip_prefix("goroutine ").and_then(|rest| rest.split_once(" ["));
        if goroutine.is_some_and(|(number, _)| number.parse::<u64>().is_ok()) {
            found.extend(self.begun.drain(..).map(|(outcry, _)| outcry));
        } else if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            self.begun.push_back((outcry("panic", line), FOLLOWS_WITHIN));
        } else if let Some(kind) = kind(line) {
            found.push(outcry(kind, line));
        }
    }
}

fn outcry(kind: &'static str, line: &str) -> Outcry {
    Outcry { kind, text: line.chars().take(TOLD_MAX).collect() }
}

/// What kind of outcry a whole line is, if it is one.
fn kind(line: &str) -> Option<&'static str> {
    let has = |text: &str| line.contains(text);
    if has("thread '") && has("' panicked at ") || has("thread '") && has(") panicked at ") {
        return Some("panic"); // Rust, since 1.91 with the thread's number
    }
    if line.starts_with("Traceback (most recent call last):") {
        return Some("traceback"); // Python
    }
    if line.starts_with("Exception in thread \"") {
        return Some("exception"); // Java
    }
    if line.starts_with("terminate called after throwing an instance of")
        || line.starts_with("terminate called without an active exception")
    {
        return Some("exception"); // C++
    }
    const SANITIZERS: [&str; 5] = [
        "ERROR: AddressSanitizer: ",
        "ERROR: LeakSanitizer: ",
        "WARNING: ThreadSanitizer: ",
        "WARNING: MemorySanitizer: ",
        ": runtime error: ",
    ];
    // The last one is UndefinedBehaviorSanitizer's, after FILE:LINE:COLUMN.
    let (undefined, named) = SANITIZERS.split_last()?;
    if named.iter().any(|text| has(text)) {
        return Some("sanitizer");
    }
    if line.split_once(undefined).is_some_and(|(place, _)| is_place(place)) {
        return Some("sanitizer");
    }
    if line.contains(": Assertion `") && line.ends_with("' failed.") {
        return Some("assertion"); // assert(3)
    }
    const OF_LIBC: [&str; 8] = [
        "*** stack smashing detected ***",
        "double free or corruption",
        "free(): invalid pointer",
        "free(): double free detected",
        "malloc(): ",
        "corrupted size vs. prev_size",
        "corrupted double-linked list",
        "munmap_chunk(): invalid pointer",
    ];
    if OF_LIBC.iter().any(|text| line.starts_with(text)) {
        return Some("memory"); // malloc(3), gcc's stack protector
    }
    // What masters write of workers that crashed: nginx, Apache httpd.
    const CRASHES: [&str; 5] = ["4", "6", "7", "8", "11"];
    let signal = line.split_once(" exited on signal ").map(|(_, after)| after);
    if signal.is_some_and(|after| CRASHES.contains(&after.split([' ', '(']).next().unwrap_or_default())) {
        return Some("crash");
    }
    let httpd = line.split_once(" exit signal ").map(|(_, after)| after);
    const NAMES: [&str; 4] = ["Segmentation fault", "Aborted", "Abort", "Bus error"];
    httpd.is_some_and(|after| NAMES.iter().any(|name| after.starts_with(name))).then_some("crash")
}

/// FILE:LINE:COLUMN
fn is_place(text: &str) -> bool {
    let mut parts = text.rsplit(':');
    let mut number = || {
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    number() && number()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write;

    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        Lines::default().feed(text.as_bytes()).into_iter().map(|outcry| outcry.kind).collect()
    }

    #[test]
    fn what_languages_write_when_they_fail_is_found() {
        for (line, kind) in [
            ("thread 'main' panicked at src/main.rs:3:5:", "panic"),
            ("thread 'tokio-runtime-worker' (123) panicked at src/a.rs:1:1:", "panic"),
            ("Traceback (most recent call last):", "traceback"),
            ("Exception in thread \"main\" java.lang.IllegalStateException: x", "exception"),
            ("terminate called after throwing an instance of 'std::bad_alloc'", "exception"),
            ("==17==ERROR: AddressSanitizer: heap-use-after-free on address 0x1", "sanitizer"),
            ("a.c:3:5: runtime error: signed integer overflow", "sanitizer"),
            ("server: a.c:12: drain: Assertion `open == 0' failed.", "assertion"),
            ("*** stack smashing detected ***: terminated", "memory"),
            ("double free or corruption (fasttop)", "memory"),
            ("2026/11/29 10:00:00 [alert] 1#1: worker process 17 exited on signal 11 (core dumped)", "crash"),
            ("[core:notice] [pid 1] AH00052: child pid 17 exit signal Segmentation fault (11)", "crash"),
        ] {
            assert_eq!(kinds(&format!("before\n{line}\nafter\n")), [kind], "{line}");
        }
        assert_eq!(kinds("panic: oops\n\ngoroutine 1 [running]:\nmain.main()\n"), ["panic"]);
        assert_eq!(
            kinds("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n"),
            ["panic"]
        );
    }

    #[test]
    fn ordinary_lines_are_none() {
        for line in [
            "panic: not of Go, since no stack follows",
            "do not panic",
            "worker 3 panicked at nothing",
            "the assertion `x' failed",
            "config.c: runtime error: none of a sanitizer's",
            "worker process 17 exited on signal 15",
            "child pid 17 exit signal Terminated (15)",
            "fatal error: cannot bind",
            "goroutine 1 [running]:",
            "malloc failed",
            "",
        ] {
            assert_eq!(kinds(&format!("{line}\n{}", "x\n".repeat(20))), Vec::<&str>::new(), "{line}");
        }
    }

    #[test]
    fn lines_are_put_together_and_long_ones_cut() {
        let mut lines = Lines::default();
        assert!(lines.feed(b"Traceback (most rec").is_empty());
        assert_eq!(lines.feed(b"ent call last):\n").len(), 1);
        let long =
            format!("thread 'main' panicked at {}\nTraceback (most recent call last):\n", "x".repeat(9000));
        let found = lines.feed(long.as_bytes());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].text.chars().count(), TOLD_MAX);
        assert!(lines.feed(&[0xff, b'\n', 0, b'\n', b'\n']).is_empty());
    }

    #[test]
    fn a_file_is_read_from_where_it_was_left_and_need_not_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut reader = OutputReader::new(&path);
        assert_eq!((reader.read().unwrap(), reader.bytes()), (Vec::new(), 0));
        let mut file = File::create(&path).unwrap();
        writeln!(file, "thread 'main' panicked at a.rs:1:1:").unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);
        assert_eq!(reader.read().unwrap().len(), 0);
        writeln!(file, "Traceback (most recent call last):").unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);
        assert_eq!(reader.bytes(), 71);
    }
}
