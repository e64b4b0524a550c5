//! `--baseline` and `hotspec diff`: results beside earlier ones.

use std::fs;
use std::path::Path;

use super::args::{DiffArgs, DiffFormat};
use super::present::{self, Judged, RESULTS};
use crate::clause::compare::Comparison;
use crate::clause::result::RunResult;
use crate::declaration::Profile;
use crate::exit::{self, Failure};
use crate::manifest;
use crate::report;

/// What a run is held against.
pub(super) struct Baseline {
    /// How it was typed.
    pub(super) name: String,
    result: RunResult,
}

impl Baseline {
    /// Reads it, for a run that is judged by this profile.
    ///
    /// # Errors
    /// No such file, one that is something else, or a run of another profile.
    pub(super) fn read(path: &Path, profile: Profile) -> Result<Self, Failure> {
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
    pub(super) fn compared(&self, judged: &Judged) -> Comparison {
        Comparison::of(&self.result, &judged.result, judged.level)
    }
}

/// Results as `--report json` wrote them, or of a stored run.
///
/// # Errors
/// No such file, or one that is something else.
fn read(path: &Path) -> Result<RunResult, Failure> {
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

/// Tells what got worse and what got better from one run to another.
///
/// # Errors
/// A file that can't be read, or runs that can't be compared.
pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let now = read(&args.now)?;
    let before = Baseline::read(&args.before, now.profile)?;
    let comparison = Comparison::of(&before.result, &now, args.level);
    let text = match args.format {
        DiffFormat::Table => {
            report::compare::render(&comparison, &before.name, present::width(), present::colour())
        }
        DiffFormat::Json => report::json::comparison(&comparison).map_err(Failure::own)?,
    };
    present::print(&text)?;
    Ok(comparison.status(&now))
}
