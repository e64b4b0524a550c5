//! A run beside earlier results.

use std::fs;
use std::path::Path;

use super::judged::{Judged, RESULTS};
use crate::clause::compare::Comparison;
use crate::clause::result::RunResult;
use crate::declaration::Profile;
use crate::exit::{self, Failure};
use crate::manifest;

/// What a run is held against.
#[derive(Clone)]
pub(crate) struct Baseline {
    /// How it was typed.
    pub(crate) name: String,
    pub(crate) result: RunResult,
}

impl Baseline {
    /// Reads it, for a run that is judged by this profile.
    ///
    /// # Errors
    /// No such file, one that is something else, or a run of another profile.
    pub(crate) fn read(path: &Path, profile: Profile) -> Result<Self, Failure> {
        let result = read(path)?;
        let name = path.display().to_string();
        if result.profile != profile {
            return Err(Failure::usage(format!(
                "the baseline {name} was judged by the profile {}, and this run is by {profile}: they ask for different things",
                result.profile
            )));
        }
        Ok(Self { name, result })
    }

    /// A run beside it.
    pub(crate) fn compared(&self, judged: &Judged) -> Comparison {
        Comparison::of(&self.result, &judged.result, judged.level)
    }
}

/// Results as `--report json` wrote them, or of a stored run.
///
/// # Errors
/// No such file, or one that is something else.
pub(crate) fn read(path: &Path) -> Result<RunResult, Failure> {
    let file = if path.is_dir() { path.join(RESULTS) } else { path.to_owned() };
    let bad = |why: String| {
        let file = file.display();
        Failure::new(
            exit::BAD_FILE,
            format!("{file}: {why}; expected what `--report json={file}` writes, or the directory of a run"),
        )
    };
    let text = fs::read_to_string(&file).map_err(|error| bad(format!("failed to read it: {error}")))?;
    let result: RunResult =
        serde_json::from_str(&text).map_err(|error| bad(format!("these are no results: {error}")))?;
    if result.schema != manifest::SCHEMA {
        return Err(bad(format!("schema {} is not known (known: {})", result.schema, manifest::SCHEMA)));
    }
    Ok(result)
}
