//! Who is told of a run while it is made.

use std::path::Path;

use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::scenario::progress::Progress;

/// Who is told of a run while it is made.
pub(crate) trait Audience {
    /// What will be run, and where it is stored.
    fn begin(&mut self, _manifest: &Manifest, _run_dir: &Path) {}

    /// So many scenarios are run from now on.
    fn run(&mut self, _scenarios: usize) {}

    /// What a scenario tells.
    fn hear(&mut self, _progress: &Progress) {}

    /// Something that a person should know at once. It is clean.
    fn say(&mut self, _line: &str) {}

    /// These scenarios are over.
    fn rest(&mut self) {}

    /// Something could not be written; the run goes on.
    fn trouble(&mut self, failure: Failure);
}

/// Nobody, but the first trouble is kept.
#[derive(Default)]
pub(crate) struct Nobody {
    trouble: Option<Failure>,
}

impl Nobody {
    /// What a run came to, if all of it could be written.
    ///
    /// # Errors
    /// The first that could not be.
    pub(crate) fn end<T>(self, made: T) -> Result<T, Failure> {
        self.trouble.map_or(Ok(made), Err)
    }
}

impl Audience for Nobody {
    fn trouble(&mut self, failure: Failure) {
        self.trouble.get_or_insert(failure);
    }
}
