//! Where runs are stored: one directory each, a link to the last, and not too many of them.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};

use crate::exit::Failure;

/// So many runs are kept.
const RUNS_MAX: usize = 30;
/// So many bytes of runs are kept.
const BYTES_MAX: u64 = 2 << 30;
const PREFIX: &str = "run-";
const SOAK_PREFIX: &str = "soak-";
/// What the passes of a soak come to.
pub(crate) const SOAK: &str = "soak.json";
const LOCK: &str = "lock";
/// What a run was.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The directories of a run.
const PARTS: [&str; 4] = ["history", "output", "packets", "target"];

/// The directory of a run that is being made. While it lives nobody removes it.
#[derive(Debug)]
pub(crate) struct RunDir {
    /// Its path, absolute.
    pub(crate) path: PathBuf,
    _lock: Flock<File>,
}

/// Where an attempt at a scenario is stored.
pub(crate) struct Files {
    /// Which attempt it is, counted from 1.
    pub(crate) attempt: u32,
    /// What was seen.
    pub(crate) history: PathBuf,
    /// What the target wrote.
    pub(crate) output: PathBuf,
    /// Packets of lanes that failed, as pcapng; until the run was judged, of all.
    pub(crate) packets: PathBuf,
    /// A directory of the target's own.
    pub(crate) target: PathBuf,
}

impl Files {
    /// Of every attempt that was made, in their order.
    pub(crate) fn made(run: &Path, scenario: &str) -> impl Iterator<Item = Self> {
        (1..).map(move |attempt| Self::of(run, scenario, attempt)).take_while(|files| files.history.exists())
    }

    /// Of the next attempt: a scenario's are numbered without a gap, whichever it was left out of.
    pub(crate) fn next(run: &Path, scenario: &str) -> Self {
        let made = Self::made(run, scenario).last().map_or(0, |files| files.attempt);
        Self::of(run, scenario, made + 1)
    }

    /// Attempts are counted from 1.
    fn of(run: &Path, scenario: &str, attempt: u32) -> Self {
        let name = if attempt == 1 { scenario.to_owned() } else { format!("{scenario}.{attempt}") };
        Self {
            attempt,
            history: run.join("history").join(format!("{name}.ndjson")),
            output: run.join("output").join(format!("{name}.log")),
            packets: run.join("packets").join(format!("{name}.pcapng")),
            target: run.join("target").join(name),
        }
    }
}

impl RunDir {
    /// Makes the directory that was asked for, or a new one among the user's runs.
    ///
    /// # Errors
    /// It can't be made, or holds a run already.
    pub(crate) fn create(asked: Option<&Path>) -> Result<Self, Failure> {
        match asked {
            Some(path) => {
                if path.join(MANIFEST).exists() {
                    let message = format!("{} holds a run already; name another directory", path.display());
                    return Err(Failure::usage(message));
                }
                Self::make(path)
            }
            None => {
                let base = base();
                remove_old(&base, PREFIX);
                let run = Self::make(&base.join(fresh_name(PREFIX)))?;
                link_last(&base, &run.path);
                Ok(run)
            }
        }
    }

    /// Makes the directory that was asked for, or a new one among the user's, for runs one after another.
    ///
    /// # Errors
    /// It can't be made, or holds something already.
    pub(crate) fn create_for_many(asked: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = asked else {
            let base = base();
            remove_old(&base, SOAK_PREFIX);
            return Self::locked(&base.join(fresh_name(SOAK_PREFIX)), &[]);
        };
        if [MANIFEST, SOAK].iter().any(|name| path.join(name).exists()) {
            let message = format!("{} holds a run or a soak already; name another directory", path.display());
            return Err(Failure::usage(message));
        }
        Self::locked(path, &[])
    }

    /// Makes this directory, or makes it anew: the run that is stored there is removed.
    ///
    /// # Errors
    /// It can't be made, or that run is being made.
    pub(crate) fn replace(path: &Path) -> Result<Self, Failure> {
        // Not before it is known that nobody is about to write there.
        let dir = Self::locked(path, &[])?;
        for part in PARTS {
            let _ = fs::remove_dir_all(dir.path.join(part));
        }
        for file in [MANIFEST, super::judged::RESULTS] {
            let _ = fs::remove_file(dir.path.join(file));
        }
        drop(dir);
        Self::make(path)
    }

    /// Makes one of these runs.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn within(&self, name: &str) -> Result<Self, Failure> {
        Self::make(&self.path.join(name))
    }

    fn make(path: &Path) -> Result<Self, Failure> {
        Self::locked(path, &PARTS)
    }

    fn locked(path: &Path, parts: &[&str]) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage(format!(
                "failed to make the run directory {}: {error}; --run-dir names another",
                path.display()
            ))
        };
        fs::create_dir_all(path).map_err(failed)?;
        for part in parts {
            fs::create_dir_all(path.join(part)).map_err(failed)?;
        }
        let path = fs::canonicalize(path).map_err(failed)?;
        let file = File::create(path.join(LOCK)).map_err(failed)?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            Failure::usage(format!("{} is in use by another hotspec ({errno})", path.display()))
        })?;
        Ok(Self { path, _lock: lock })
    }
}

/// `target/hotspec` in a cargo project, the user's state directory elsewhere.
fn base() -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(dir).join("hotspec");
    }
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(project) = here.ancestors().find(|dir| dir.join("Cargo.lock").exists()) {
        return project.join("target").join("hotspec");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    state.unwrap_or_else(std::env::temp_dir).join("hotspec")
}

/// Where the runs of a test program's cases on this target are stored, one for each case: the program is called by its name without
/// what cargo adds to it.
pub(crate) fn of_trials(target: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    let is_hash = |text: &&str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = program.rsplit_once('-').filter(|(_, end)| is_hash(end)).map_or(&*program, |(name, _)| name);
    base().join("trials").join(as_name(name)).join(as_name(target))
}

/// A text as the name of a file.
fn as_name(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
    text.chars().take(100).map(plain).collect()
}

fn fresh_name(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}{:012}-{:03}-{}", now.as_secs(), now.subsec_millis(), std::process::id())
}

/// Puts a text in the place of a file: written beside it and renamed, so that it is always whole.
///
/// # Errors
/// It can't be written there.
pub(crate) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Others may replace it at the same time.
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = fs::write(&beside, text).and_then(|()| {
        // Who may read what is there may read what takes its place. Only root can give it to somebody else.
        if let Ok(there) = fs::metadata(path) {
            let _ = chown(&beside, Some(there.uid()), Some(there.gid()));
            fs::set_permissions(&beside, there.permissions())?;
        }
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The link is made beside its place and renamed, so that it is never absent.
fn link_last(base: &Path, run: &Path) {
    let beside = base.join(format!(".last-{}", std::process::id()));
    let linked = run
        .file_name()
        .map(|name| symlink(name, &beside).and_then(|()| fs::rename(&beside, base.join("last"))));
    if !matches!(linked, Some(Ok(()))) {
        let _ = fs::remove_file(&beside);
    }
}

/// Removes the oldest runs beyond the limits, but none that is being made.
fn remove_old(base: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let mut runs: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    runs.sort();
    runs.reverse();
    let mut bytes = 0;
    for (index, run) in runs.iter().enumerate() {
        bytes += size(run);
        if index + 1 < RUNS_MAX && bytes <= BYTES_MAX {
            continue;
        }
        let free =
            File::open(run.join(LOCK)).ok().map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock));
        if matches!(free, None | Some(Ok(_))) {
            let _ = fs::remove_dir_all(run);
        }
    }
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_replaced_stays_whose_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        fs::write(&path, "earlier").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Somebody else's, where that can be had.
        let _ = chown(&path, Some(1), Some(1));
        let whose = || fs::metadata(&path).map(|meta| (meta.uid(), meta.gid(), meta.mode())).unwrap();
        let before = whose();
        replace(&path, "now").unwrap();
        assert_eq!((whose(), fs::read_to_string(&path).unwrap().as_str()), (before, "now"));
    }

    #[test]
    fn attempts_are_numbered_without_a_gap_and_all_are_found() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join("history")).unwrap();
        for (made, name) in ["idle.ndjson", "idle.2.ndjson", "idle.3.ndjson"].into_iter().enumerate() {
            assert_eq!(Files::made(run.path(), "idle").count(), made);
            let next = Files::next(run.path(), "idle");
            assert_eq!(next.history, run.path().join("history").join(name));
            // Another scenario's are its own.
            assert_eq!(Files::made(run.path(), "idle-silent").count(), 0);
            fs::write(next.history, "").unwrap();
        }
    }
}
