//! The pid file: replaced in one step, so that it is never absent, empty or half written.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that holds the main process' pid.
#[derive(Clone, Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Nothing is written yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it name this process.
    ///
    /// # Errors
    ///
    /// When the file can't be written beside its final place, or not be moved there.
    pub fn claim(&self) -> io::Result<()> {
        let pid = std::process::id();
        let mut name =
            self.path.file_name().ok_or_else(|| io::Error::other("a pid file needs a file name"))?.to_owned();
        name.push(format!(".{pid}.tmp"));
        let new = self.path.with_file_name(name);
        let written = fs::File::create(&new)
            .and_then(|mut file| writeln!(file, "{pid}"))
            .and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Whether it names this process.
    pub fn is_ours(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text.trim_end() == std::process::id().to_string())
    }

    /// Removes it if it names this process; another's is left alone.
    ///
    /// # Errors
    ///
    /// When the file can't be removed.
    pub fn release(&self) -> io::Result<()> {
        if self.is_ours() { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_this_process_and_goes_with_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = PidFile::new(directory.path().join("server.pid"));
        file.claim().expect("written");
        assert!(file.is_ours());
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
        file.release().expect("removed");
        assert!(!file.path().exists());
    }

    #[test]
    fn another_process_file_is_left_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = PidFile::new(directory.path().join("server.pid"));
        fs::write(file.path(), "1\n").expect("written");
        file.release().expect("nothing to do");
        assert!(file.path().exists());
    }
}
