//! A control group with a processor quota, for one target: cgroups(7), version 1 or 2, wherever one may be made.
//!
//! The target joins it before it executes its program, so that all that descends from it is in it. The group is removed with
//! the value, or, after hotspec was killed, when the next one is made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::witness::process::Stat;

/// A quota is given out anew so often, in microseconds.
const PERIOD_US: u32 = 100_000;
/// What all groups of ours are called first.
const PREFIX: &str = "hotspec-";
/// A process that has ended may be counted for a moment longer.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// A group of processes that share a quota.
#[derive(Debug)]
pub struct Quota {
    dir: PathBuf,
    unified: bool,
}

impl Quota {
    /// Makes a group, without a quota at first, and removes groups of ours that nobody needs any more.
    ///
    /// # Errors
    /// Why none can be made, in words.
    pub fn make() -> Result<Self, String> {
        let (parent, unified) = parent()?;
        let space = pid_namespace();
        sweep(&parent, space);
        let own = std::process::id();
        let start = i32::try_from(own).ok().and_then(Stat::read).map_or(0, |stat| stat.epoch.start);
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("{PREFIX}{space}-{own}-{start}-{number}"));
        fs::create_dir(&dir).map_err(|error| failed("make", &dir, &error))?;
        let quota = Self { dir, unified };
        // Whether there is a quota at all is seen now and not when it is needed.
        quota.set(None).map_err(|error| failed("set a quota in", &quota.dir, &error))?;
        let procs = quota.procs();
        let writable = fs::OpenOptions::new().write(true).open(&procs);
        writable.map_err(|error| failed("write to", &procs, &error))?;
        Ok(quota)
    }

    /// Who writes 0 here joins the group.
    pub fn procs(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// From now on the group has so many hundredths of one processor, or as many as it wants.
    ///
    /// # Errors
    /// The group is gone, or its parent has less.
    pub fn set(&self, percent: Option<u32>) -> io::Result<()> {
        let quota = percent.map(|percent| PERIOD_US / 100 * percent);
        if self.unified {
            let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            return fs::write(self.dir.join("cpu.max"), format!("{quota} {PERIOD_US}"));
        }
        fs::write(self.dir.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        let quota = quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
        fs::write(self.dir.join("cpu.cfs_quota_us"), quota)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = self.set(None);
        let deadline = Instant::now() + GONE_WITHIN;
        while fs::remove_dir(&self.dir).is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("failed to {what} the control group {}: {error}", path.display())
}

/// Process ids mean something within one namespace only: its inode, 0 if it can't be told.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// Removes the groups of those that are gone. One that has processes can't be removed, and stays.
fn sweep(parent: &Path, space: u64) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(numbers) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let numbers: Vec<u64> = numbers.split('-').filter_map(|number| number.parse().ok()).collect();
        let [made_in, pid, start, _] = numbers[..] else { continue };
        let owner = i32::try_from(pid).ok().and_then(Stat::read);
        let lives = owner.is_some_and(|owner| owner.epoch.start == start && !owner.ended());
        if made_in == space && !lives {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The group below which one with a processor quota can be made, and whether it is of version 2.
fn parent() -> Result<(PathBuf, bool), String> {
    let read =
        |path: &str| fs::read_to_string(path).map_err(|error| format!("failed to read {path}: {error}"));
    let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
    if let Some(dir) = of_version_1(&mounts, &own) {
        return Ok((dir, false));
    }
    let Some((root, dir)) = of_version_2(&mounts, &own) else {
        return Err("no control groups with a processor quota are mounted here".to_owned());
    };
    // Whatever is not switched on for groups below is somebody else's decision.
    let gives = |dir: &&Path| {
        let given = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
        given.split_whitespace().any(|controller| controller == "cpu")
    };
    let above = dir.ancestors().take_while(|above| above.starts_with(&root)).find(gives);
    let above = above.ok_or("no control group above hotspec hands the processor controller down")?;
    Ok((above.to_owned(), true))
}

/// Where our own group of the hierarchy with the controller `cpu` is.
fn of_version_1(mounts: &str, own: &str) -> Option<PathBuf> {
    let (root, at, _) = mounted(mounts, |kind, options| {
        kind == "cgroup" && options.split(',').any(|option| option == "cpu")
    })?;
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|one| one == "cpu").then_some(path)
    })?;
    Some(below(&at, &root, path))
}

/// Where the hierarchy of version 2 is mounted, and our own group in it.
fn of_version_2(mounts: &str, own: &str) -> Option<(PathBuf, PathBuf)> {
    let (root, at, _) = mounted(mounts, |kind, _| kind == "cgroup2")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some((at.clone(), below(&at, &root, path)))
}

/// A mount in /proc/self/mountinfo (proc_pid_mountinfo(5)): its root, where it is, its own options.
fn mounted(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<(String, PathBuf, String)> {
    mounts.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (root, at) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1)?);
        wanted(kind, options).then(|| (root.to_owned(), PathBuf::from(at), options.to_owned()))
    })
}

/// A group's directory, if the hierarchy is mounted from `root` on; in a container that may be the container's own group.
fn below(at: &Path, root: &str, path: &str) -> PathBuf {
    let rest = if root == "/" { path } else { path.strip_prefix(root).unwrap_or("") };
    at.join(rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "25 20 0:22 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        26 20 0:23 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        27 20 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_group_of_the_right_controller_is_found_where_it_is_mounted() {
        let own = "5:cpuset:/\n4:cpu,cpuacct:/docker/ab/job\n0::/user.slice/session-1.scope\n";
        assert_eq!(of_version_1(MOUNTS, own), Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/job")));
        let unified = PathBuf::from("/sys/fs/cgroup/unified");
        let dir = unified.join("user.slice/session-1.scope");
        assert_eq!(of_version_2(MOUNTS, own), Some((unified, dir)));
    }

    #[test]
    fn where_no_hierarchy_has_the_controller_there_is_none() {
        assert_eq!(of_version_1("25 20 0:22 / /x rw - cgroup cgroup rw,cpuset\n", "5:cpuset:/\n"), None);
        assert_eq!(of_version_1(MOUNTS, "5:cpuset:/\n"), None);
    }

    #[test]
    fn a_group_that_can_be_made_is_removed_again() {
        // Where none may be made there is nothing to see.
        let Ok(quota) = Quota::make() else { return };
        let dir = quota.dir.clone();
        assert!(dir.exists() && quota.set(Some(4)).is_ok());
        drop(quota);
        assert!(!dir.exists());
    }
}
