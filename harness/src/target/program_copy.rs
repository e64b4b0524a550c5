//! The program as an upgrade leaves it: the target is started by a copy of its program, and before the restart another copy
//! takes that one's place, by rename or by a switched symbolic link. Which of the two a process executes is told by the file's
//! device and inode.
//!
//! It works for programs that don't mind where their file lies. A script is copied too, but what its process executes is the
//! interpreter: clauses say so.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::program_path::{ProgramPathError, lead_to};
use super::warden::CommandSpec;
use crate::history::event::FileId;

/// How the program is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replacement {
    /// Another file is renamed over it.
    Renamed,
    /// It lies in a directory behind a symbolic link, which is switched to another directory; the first one is removed.
    Switched,
}

impl Replacement {
    /// It, as the end of "the program was replaced …".
    pub fn describe(self) -> &'static str {
        match self {
            Replacement::Renamed => "by rename",
            Replacement::Switched => "behind a switched symbolic link",
        }
    }
}

/// A program of which there are two copies: one that the target is started by, and one that is to take its place.
#[derive(Debug)]
pub struct ProgramCopy {
    way: Replacement,
    dir: PathBuf,
    name: PathBuf,
    /// The file that the target is started by.
    pub former: FileId,
    /// The file that takes its place.
    pub file: FileId,
}

impl ProgramCopy {
    /// Copies the program into `dir` twice, and makes `command` start the first copy. A bare name stays one: then the copy's
    /// directory comes first in the command's PATH.
    ///
    /// # Errors
    /// There is no such program, or it can't be copied.
    pub fn lay(dir: &Path, command: &mut CommandSpec, way: Replacement) -> Result<Self, ProgramPathError> {
        let program = command.resolve()?;
        let Some(name) = program.file_name().map(PathBuf::from) else {
            return Err(io::Error::from(io::ErrorKind::InvalidFilename).into());
        };
        fs::create_dir_all(dir)?;
        let dir = std::path::absolute(dir)?;
        let (first, second, led_by) = match way {
            Replacement::Renamed => (dir.join(&name), dir.join("next").join(&name), dir.clone()),
            Replacement::Switched => {
                symlink("1", dir.join("current"))?;
                (dir.join("1").join(&name), dir.join("2").join(&name), dir.join("current"))
            }
        };
        let (former, file) = (copy(&program, &first)?, copy(&program, &second)?);
        lead_to(command, &led_by, &name);
        Ok(Self { way, dir, name, former, file })
    }

    /// Puts the second copy in the first one's place.
    ///
    /// # Errors
    /// It can't be done; the first copy is still there then, unless only the directory could not be removed.
    pub fn replace(&self) -> io::Result<()> {
        match self.way {
            Replacement::Renamed => {
                fs::rename(self.dir.join("next").join(&self.name), self.dir.join(&self.name))
            }
            Replacement::Switched => {
                symlink("2", self.dir.join("current.next"))?;
                fs::rename(self.dir.join("current.next"), self.dir.join("current"))?;
                fs::remove_dir_all(self.dir.join("1"))
            }
        }
    }

    /// How it is replaced.
    pub fn describe(&self) -> &'static str {
        self.way.describe()
    }
}

impl Drop for ProgramCopy {
    fn drop(&mut self) {
        // Programs are large, and runs are kept.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Copies by cp(1): a descriptor of our own that is open for writing might be copied into a process that another thread
/// forks, and the file could not be executed as long as that has it (ETXTBSY).
fn copy(program: &Path, to: &Path) -> io::Result<FileId> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut cp = Command::new("cp");
    cp.args(["-L", "-p", "--"]).args([program, to]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = cp.stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("cp {} {}: {status}", program.display(), to.display())));
    }
    let made = fs::metadata(to)?;
    Ok(FileId { device: made.dev(), inode: made.ino() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn id(path: &Path) -> FileId {
        let found = fs::metadata(path).unwrap();
        FileId { device: found.dev(), inode: found.ino() }
    }

    #[test]
    fn the_path_leads_to_the_first_copy_and_then_to_the_second() {
        for way in [Replacement::Renamed, Replacement::Switched] {
            let dir = tempfile::tempdir().unwrap();
            let mut command = CommandSpec::new("/bin/echo");
            let copy = ProgramCopy::lay(&dir.path().join("program"), &mut command, way).unwrap();
            let path = PathBuf::from(&command.program);
            assert_ne!(copy.former, copy.file);
            assert_eq!(id(&path), copy.former, "{way:?}");
            let first = fs::canonicalize(&path).unwrap();
            copy.replace().unwrap();
            assert_eq!(id(&path), copy.file, "{way:?}");
            assert_eq!(first.exists(), way == Replacement::Renamed);
            assert_eq!(Command::new(&path).arg("x").output().unwrap().stdout, b"x\n");
            drop(copy);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_bare_name_is_found_behind_the_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandSpec::new("echo").env("PATH", "/usr/bin:/bin");
        let copy =
            ProgramCopy::lay(&dir.path().join("program"), &mut command, Replacement::Switched).unwrap();
        assert_eq!(command.program, "echo");
        assert_eq!(id(&command.resolve().unwrap()), copy.former);
    }
}
