//! What a process was given and what it is, as /proc tells it: arguments, environment, directory, ids, limits, standard
//! descriptors, signals.
//!
//! No value of a variable leaves this file: only a keyed hash of it, with a key that is made anew for every scenario and kept
//! in memory only. A server that writes its title over its environment leaves pieces of values behind, so whatever does
//! not look like a whole environment is not recorded at all, names included.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use super::{Epoch, Stat};
use crate::history::words::{REWRITTEN, STREAMS};

/// A longer command line is not told.
const ARGUMENTS_BYTES: u64 = 128 << 10;
/// More arguments are not told.
const ARGUMENTS_MAX: usize = 4096;
/// A larger environment is not told.
const ENVIRONMENT_BYTES: u64 = 1 << 20;
/// More variables are not told.
const VARIABLES_MAX: usize = 4096;
/// A longer value of anything else is cut.
const VALUE_BYTES: usize = 4096;

/// How environments are told: names, and of every value a hash with a random key. The same name and value have the same
/// hash under one key.
pub struct Redaction {
    key: RandomState,
    given: BTreeSet<String>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").finish_non_exhaustive()
    }
}

impl Redaction {
    /// With a new key. `given` are the names that may always be told, since the harness gave them itself.
    pub fn new<'a>(given: impl IntoIterator<Item = &'a OsStr>) -> Self {
        let given = given.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
        Self { key: RandomState::new(), given }
    }

    /// The hash of a variable's value.
    #[must_use]
    pub fn hash(&self, name: &[u8], value: &[u8]) -> String {
        format!("{:016x}", self.key.hash_one((name, value)))
    }

    /// An environment, told. `None`: it is no whole environment.
    fn environment(&self, block: &[u8]) -> Option<BTreeMap<String, String>> {
        let mut told = BTreeMap::new();
        // None at all is no block; one that was wiped still has its length.
        if block.first() == Some(&0) {
            return None;
        }
        for entry in split(block) {
            let equals = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
            let (name, value) = (entry.get(..equals)?, entry.get(equals + 1..)?);
            let shown = String::from_utf8_lossy(name).into_owned();
            if !self.given.contains(&shown) && !is_identifier(name) {
                return None;
            }
            // Of a name that is there twice, getenv(3) finds the first.
            told.entry(shown).or_insert_with(|| self.hash(name, value));
        }
        // The rest of a value that was half overwritten can look like a variable. Then the one it belonged to is missing.
        if !self.given.iter().all(|name| told.contains_key(name)) {
            told.retain(|name, _| self.given.contains(name));
        }
        Some(told)
    }
}

fn is_identifier(name: &[u8]) -> bool {
    name.len() <= 128
        && name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The texts of a NUL-separated block, without the empty ones at its end.
fn split(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let texts = block.get(..end).unwrap_or_default().split(|byte| *byte == 0);
    texts.take(if end == 0 { 0 } else { usize::MAX })
}

/// What a process was given and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its arguments, without empty ones at the end; `None` where they may not be read, or are too many.
    pub arguments: Option<Vec<String>>,
    /// Its variables, told by a [`Redaction`]; `None` where they may not be read, or are too many.
    pub environment: Option<BTreeMap<String, String>>,
    /// All else by name. What may not be read is missing.
    pub properties: BTreeMap<String, String>,
}

impl Facts {
    /// Reads the facts of a process; `None` if it is gone, or has executed another program meanwhile.
    #[must_use]
    pub fn read(epoch: &Epoch, redaction: &Redaction) -> Option<Self> {
        let pid = epoch.pid;
        let mut facts = Self::default();
        let before = signals(pid);
        facts.read_status(pid);
        facts.read_stat(pid);
        facts.read_limits(pid);
        facts.read_links(pid);
        facts.arguments = bounded(pid, "cmdline", ARGUMENTS_BYTES).and_then(|block| arguments(&block));
        if let Some(block) = bounded(pid, "environ", ENVIRONMENT_BYTES)
            && split(&block).count() <= VARIABLES_MAX
        {
            let environment = redaction.environment(&block);
            if environment.is_none() {
                facts.properties.insert(REWRITTEN.to_owned(), "yes".to_owned());
            }
            facts.environment = Some(environment.unwrap_or_default());
        }
        // Some programs block signals for moments at a time: what does not stay is not told.
        if let Some((blocked, ignored)) = before.filter(|before| signals(pid).as_ref() == Some(before)) {
            facts.properties.insert("blocked signals".to_owned(), blocked);
            facts.properties.insert("ignored signals".to_owned(), ignored);
        }
        let after = Stat::read(pid).filter(|after| !after.ended())?;
        let same = after.epoch.same_process(epoch) && after.epoch.same_image(epoch) != Some(false);
        same.then_some(facts)
    }

    fn tell(&mut self, name: &str, value: &str) {
        let value: String = value.chars().take(VALUE_BYTES).collect();
        self.properties.insert(name.to_owned(), value);
    }

    fn read_status(&mut self, pid: i32) {
        let Some(status) = text(pid, "status") else { return };
        for (field, name) in [("Groups", "groups"), ("Umask", "umask"), ("Cpus_allowed_list", "affinity")] {
            if let Some(value) = field_of(&status, field) {
                self.tell(name, &words(value, usize::MAX));
            }
        }
        // The fourth is for file systems only, and follows the second.
        for (field, name) in [("Uid", "user ids"), ("Gid", "group ids")] {
            if let Some(value) = field_of(&status, field) {
                self.tell(name, &words(value, 3));
            }
        }
        for name in CAPABILITIES {
            if let Some(value) = field_of(&status, name) {
                self.tell(&format!("capabilities {name}"), value);
            }
        }
    }

    fn read_stat(&mut self, pid: i32) {
        let Some(stat) = text(pid, "stat") else { return };
        let Some((_, after)) = stat.rsplit_once(')') else { return };
        // Numbered as in proc_pid_stat(5); the first after the name is the third.
        let field = |number: usize| after.split_ascii_whitespace().nth(number - 3);
        for (number, name) in [(6, "session"), (19, "nice value")] {
            if let Some(value) = field(number) {
                self.tell(name, value);
            }
        }
    }

    fn read_limits(&mut self, pid: i32) {
        let Some(limits) = text(pid, "limits") else { return };
        for line in limits.lines().skip(1) {
            // "Max open files            1024                 524288               files": 25 columns of name.
            let (Some(name), Some(rest)) = (line.get(..25), line.get(25..)) else { continue };
            let name = name.trim().trim_start_matches("Max ");
            self.tell(&format!("limit {name}"), &words(rest, 2));
        }
    }

    fn read_links(&mut self, pid: i32) {
        let link = |path: &str| fs::read_link(format!("/proc/{pid}/{path}"));
        if let Ok(directory) = link("cwd") {
            self.tell("directory", &directory.to_string_lossy());
        }
        for (fd, name) in STREAMS.iter().enumerate() {
            match link(&format!("fd/{fd}")) {
                Ok(target) => self.tell(name, &target.to_string_lossy()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.tell(name, "closed"),
                Err(_) => {}
            }
        }
    }
}

/// The fields of /proc/PID/status that hold sets of capabilities.
const CAPABILITIES: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// What an execution makes of the capabilities of whoever forked (capabilities(7)): root's become all that are bounded,
/// another user's those that are ambient. Programs with capabilities of their own are not foreseen.
pub fn after_execution(properties: &mut BTreeMap<String, String>) {
    let of = |name: &str| {
        let value = properties.get(&format!("capabilities {name}"))?;
        u64::from_str_radix(value, 16).ok()
    };
    let root = properties.get("user ids").is_some_and(|ids| ids.split(' ').nth(1) == Some("0"));
    let permitted = match (of("CapInh"), of("CapBnd"), of("CapAmb")) {
        (Some(inheritable), Some(bounding), _) if root => inheritable | bounding,
        (_, _, Some(ambient)) if !root => ambient,
        _ => return,
    };
    for name in ["CapPrm", "CapEff"] {
        properties.insert(format!("capabilities {name}"), format!("{permitted:016x}"));
    }
}

fn arguments(block: &[u8]) -> Option<Vec<String>> {
    let arguments: Vec<String> = split(block)
        .take(ARGUMENTS_MAX + 1)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    (!arguments.is_empty() && arguments.len() <= ARGUMENTS_MAX).then_some(arguments)
}

/// The signals that every thread blocks, so that none takes them (signal(7)), and those that are ignored, in hexadecimal. Go's
/// runtime, for one, has threads that block all of them.
fn signals(pid: i32) -> Option<(String, String)> {
    let ignored = field_of(&text(pid, "status")?, "SigIgn")?.to_owned();
    let of_thread = |thread: fs::DirEntry| {
        let status = text(pid, &format!("task/{}/status", thread.file_name().to_str()?))?;
        u64::from_str_radix(field_of(&status, "SigBlk")?, 16).ok()
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let blocked = threads.flatten().filter_map(of_thread).reduce(|all, one| all & one)?;
    Some((format!("{blocked:016x}"), ignored))
}

fn field_of<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// The first so many words, with one blank between them.
fn words(text: &str, count: usize) -> String {
    text.split_ascii_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

fn text(pid: i32, file: &str) -> Option<String> {
    bounded(pid, file, ENVIRONMENT_BYTES).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A file of a process; `None` if it may not be read, or is larger than `limit`.
fn bounded(pid: i32, file: &str, limit: u64) -> Option<Vec<u8>> {
    let file = File::open(format!("/proc/{pid}/{file}")).ok()?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limit).then_some(bytes)
}

/// A variable by its name, for whoever gives an environment.
#[must_use]
pub fn told<'a>(
    variables: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
    redaction: &Redaction,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in variables {
        let hash = || redaction.hash(name.as_bytes(), value.as_bytes());
        environment.entry(name.to_string_lossy().into_owned()).or_insert_with(hash);
    }
    environment
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn redaction(given: &[&str]) -> Redaction {
        Redaction::new(given.iter().map(OsStr::new))
    }

    #[test]
    fn what_one_thread_blocks_others_may_take() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let bit = 1_u64 << (libc::SIGURG - 1);
        let blocked = move || u64::from_str_radix(&signals(own).expect("own signals").0, 16).expect("a mask");
        let before = blocked();
        let blocker = std::thread::spawn(move || {
            nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGURG).thread_block().expect("blocks");
            let status = fs::read_to_string("/proc/thread-self/status").expect("own status");
            let mask = field_of(&status, "SigBlk").and_then(|mask| u64::from_str_radix(mask, 16).ok());
            (mask.expect("a mask") & bit != 0, blocked() & bit)
        });
        assert_eq!((before & bit, blocker.join().expect("it ends")), (0, (true, 0)));
    }

    fn names(told: &BTreeMap<String, String>) -> Vec<&str> {
        told.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_value_is_told_by_a_hash_that_differs_from_key_to_key() {
        let (one, other) = (redaction(&[]), redaction(&[]));
        let hash = one.hash(b"TOKEN", b"hunter2");
        assert_eq!(hash, one.hash(b"TOKEN", b"hunter2"));
        assert_ne!(hash, one.hash(b"TOKEN", b"hunter3"));
        assert_ne!(hash, one.hash(b"OTHER", b"hunter2"));
        assert_ne!(hash, other.hash(b"TOKEN", b"hunter2"));
        assert!(!format!("{one:?}").contains("key"));
    }

    #[test]
    fn an_environment_that_a_title_was_written_over_is_not_told() {
        let redaction = redaction(&["TOKEN", "PATH"]);
        for block in [
            &b"er: main process\0er2=\0PATH=/bin\0"[..],
            b"\0\0\0PATH=/bin\0",
            b"=x\0",
            b"w@h/db?x=1\0",
            b"\0\0",
        ] {
            assert_eq!(redaction.environment(block), None, "{}", String::from_utf8_lossy(block));
        }
        let whole = redaction.environment(b"TOKEN=a=b\0PATH=\0NEW=1\0\0").unwrap();
        assert_eq!(names(&whole), ["NEW", "PATH", "TOKEN"]);
        // It may be the end of TOKEN's value.
        let half = redaction.environment(b"Y3JldA==\0PATH=/bin\0").unwrap();
        assert_eq!(names(&half), ["PATH"]);
        assert_eq!(redaction.environment(b""), Some(BTreeMap::new()));
    }

    #[test]
    fn no_block_makes_the_reader_panic() {
        let redaction = redaction(&["A"]);
        for block in [&b"\0"[..], b"=", b"A", b"A=", b"\xff=\xff", b"A=\0\0B=\0", &[0; 9000]] {
            let _ = redaction.environment(block);
            let _ = arguments(block);
        }
    }

    struct Waiting(Child);

    impl Drop for Waiting {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_child_has_what_it_was_given() {
        let redaction = redaction(&["TOKEN"]);
        let child = Command::new("cat")
            .arg("-")
            .env_clear()
            .env("TOKEN", "hunter2")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let child = Waiting(child.unwrap());
        let pid = i32::try_from(child.0.id()).unwrap();
        // Spawn returns when the program runs.
        let facts = Facts::read(&Stat::read(pid).unwrap().epoch, &redaction).unwrap();
        assert_eq!(facts.arguments.unwrap(), ["cat", "-"]);
        let environment = facts.environment.unwrap();
        assert_eq!(environment["TOKEN"], redaction.hash(b"TOKEN", b"hunter2"));
        assert_eq!(environment.len(), 1);
        let own =
            Facts::read(&Stat::read(std::process::id().cast_signed()).unwrap().epoch, &redaction).unwrap();
        let property = |name: &str| facts.properties.get(name).unwrap_or_else(|| panic!("{name}")).as_str();
        assert_eq!(property("directory"), "/");
        assert_eq!(property("standard output"), "/dev/null");
        assert!(property("standard input").starts_with("pipe:["));
        for name in ["user ids", "group ids", "groups", "umask", "session", "nice value", "limit open files"]
        {
            assert_eq!(property(name), own.properties[name], "{name}");
        }
        assert_eq!(property("limit open files").split(' ').count(), 2);
        assert_eq!(property("user ids").split(' ').count(), 3);
        assert!(u64::from_str_radix(property("ignored signals"), 16).is_ok());
    }

    #[test]
    fn a_process_that_is_gone_or_another_one_has_no_facts() {
        let redaction = redaction(&[]);
        let own = Stat::read(std::process::id().cast_signed()).unwrap().epoch;
        assert_eq!(Facts::read(&Epoch { start: own.start + 1, ..own }, &redaction), None);
        assert_eq!(Facts::read(&Epoch { stack: own.stack + 4096, ..own }, &redaction), None);
    }
}
