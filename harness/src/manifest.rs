//! What a run was: written before it begins, read by whoever judges it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clause::Level;
use crate::declaration::{DeclaredLimits, Documented, Known, Profile};
use crate::history::{Micros, Model};

/// The schema of manifests and results.
pub const SCHEMA: u32 = 1;

/// What a run was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The schema of this file.
    pub schema: u32,
    /// The version of hotspec that made the run.
    pub hotspec: String,
    /// The target's name.
    pub target: String,
    /// The command that started it.
    pub command: Vec<String>,
    /// The steps of its restart, for people.
    pub restart: Vec<String>,
    /// The profile that it is judged by.
    pub profile: Profile,
    /// How it restarts, as declared.
    pub model: Model,
    /// Fixes the plan and the order of what is done, not the kernel's scheduling.
    pub seed: u64,
    /// How the target was isolated: full, net or none. Scenarios on unix sockets have net at most: no two networks share an
    /// abstract name.
    pub isolation: String,
    /// Why not better, if so.
    pub isolation_why: Option<String>,
    /// The value that net.ipv4.tcp_migrate_req was given in the target's network, if it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate_req: Option<bool>,
    /// Limits as declared.
    pub limits: DeclaredLimits,
    /// SHOULD counts as well.
    pub level: Level,
    /// Ids of the clauses that were selected.
    pub clauses: Vec<String>,
    /// The scenarios, in their order.
    pub scenarios: Vec<ScenarioEntry>,
    /// Names of the scenarios that were left out because they take long by nature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<String>,
    /// Deviations that are known.
    pub known: Vec<Known>,
    /// What the target's program says of its version, if the target declares how it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What a generation tells the next one.
    #[serde(default)]
    pub successor: Documented,
    /// The kernel: `uname -r`.
    pub kernel: String,
    /// The command line, if it was made by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<Typed>,
    /// The target file, where it was found by itself, as nothing else was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Which part it is of a run that is divided among machines, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// A part of a run that is divided among machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, counted from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// Names of the scenarios of all parts, in the order that they have in a run of all.
    pub scenarios: Vec<String>,
    /// Ids of the clauses that were selected for all parts.
    pub clauses: Vec<String>,
    /// Ids of this part's clauses that scenarios of other parts put to the test as well.
    pub shared: Vec<String>,
}

/// A command line as it was typed, taken apart, so that a report can say what to type next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// How hotspec was called.
    pub program: String,
    /// Clauses, groups and scenarios.
    pub selectors: Vec<String>,
    /// Options, each with its value.
    pub options: Vec<Vec<String>>,
    /// The command after `--`.
    pub command: Vec<String>,
}

/// How long the waits of a scenario take at least, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// The control phase.
    pub control_us: Micros,
    /// Load before the trigger.
    pub lead_us: Micros,
    /// A restart, the lead included, if the server itself takes no time.
    pub restart_us: Micros,
    /// Whatever waits for Tx, after it.
    pub after_tx_us: Micros,
    /// Load after the old generation is gone.
    pub settle_us: Micros,
}

impl Waits {
    /// What they come to for so many restarts, of a server that takes no time.
    pub fn least(&self, restarts: u32) -> Micros {
        self.control_us + self.restart_us.saturating_mul(restarts.into()) + self.settle_us
    }
}

/// A scenario of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioEntry {
    /// Its name; also the name of its history file.
    pub name: String,
    /// What it does.
    pub title: String,
    /// Clauses that it exercises.
    pub clauses: Vec<String>,
    /// Why it was not run, if so.
    pub unsupported: Option<String>,
    /// It uses an endpoint that the target did not declare: where control fails, the scenario is ruled out.
    pub assumed: Option<String>,
    /// The target is started through a link of the harness's own: where only that fails, the scenario is ruled out too.
    #[serde(default)]
    pub by_link: bool,
    /// How long its waits take at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// Why a run directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no manifest that can be read.
    #[error("failed to read {path}: {source}; expected the directory of a run")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no manifest of this schema.
    #[error("{path}:{line}: expected a manifest of schema {SCHEMA}, {why}")]
    Parse {
        /// The file.
        path: std::path::PathBuf,
        /// Counted from 1.
        line: usize,
        /// What was found.
        why: String,
    },
}

impl Manifest {
    /// Reads the manifest of a run directory.
    ///
    /// # Errors
    /// With the file, the line and what was expected.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let parse_error = |error: serde_json::Error| ManifestError::Parse {
            path: path.to_owned(),
            line: error.line(),
            why: format!("found {error}"),
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(parse_error)?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(SCHEMA) => {
                let manifest: Self = serde_json::from_value(value).map_err(parse_error)?;
                match manifest.scenarios.iter().find(|entry| !is_file_name(&entry.name)) {
                    None => Ok(manifest),
                    Some(entry) => {
                        let why =
                            format!("with names of scenarios that can name a file, found `{}`", entry.name);
                        Err(ManifestError::Parse { path: path.to_owned(), line: 1, why })
                    }
                }
            }
            found => {
                let found = found.map_or_else(|| "no schema".to_owned(), |found| format!("schema {found}"));
                let why = format!("found {found}; use the hotspec that wrote it");
                Err(ManifestError::Parse { path: path.to_owned(), line: 1, why })
            }
        }
    }
}

/// A run may come from elsewhere: no name in it leads out of its directory.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0'])
}
