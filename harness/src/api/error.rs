//! Why there was no run.

use crate::exit::{self, Failure};
use crate::report::style::clean;

/// Why a run was not made, or its report can't be had. What happens within a run is told by its [`Report`](crate::Report).
///
/// The messages say what was expected, what was seen, and what to do. They name the options of `hotspec run`, which the methods of
/// [`Target`](crate::Target) are called after: `--run-dir` is [`Target::run_dir`](crate::Target::run_dir).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something was asked for that can't be.
    #[error("{0}")]
    Usage(String),
    /// A target file or a baseline is wrong, or can't be read.
    #[error("{0}")]
    BadFile(String),
    /// This machine does not have the programs that the target needs. A test may leave its case out then.
    #[error("{0}")]
    Missing(String),
    /// What was selected comes to nothing.
    #[error("{0}")]
    NothingSelected(String),
    /// hotspec's own fault, or the machine's: a file that can't be written, a network that can't be had.
    #[error("{0}")]
    Own(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let message = clean(&failure.message);
        match failure.status {
            exit::USAGE => Self::Usage(message),
            exit::BAD_FILE => Self::BadFile(message),
            exit::INVALID => Self::Missing(message),
            exit::NOTHING_SELECTED => Self::NothingSelected(message),
            _ => Self::Own(message),
        }
    }
}

impl Error {
    /// The exit status of `hotspec run` in this case.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::BadFile(_) => exit::BAD_FILE,
            Self::Missing(_) => exit::INVALID,
            Self::NothingSelected(_) => exit::NOTHING_SELECTED,
            Self::Own(_) => exit::OWN_FAULT,
        }
    }
}
