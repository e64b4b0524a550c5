//! Reading a stored history back.

use std::path::{Path, PathBuf};

use super::event::{Event, Phase, SCHEMA, What};

/// More restarts than this one history can't have: each is judged by all that came before it.
const RESTARTS_MAX: u32 = 256;

/// A history that was read.
#[derive(Debug)]
pub struct Stored {
    /// All events, in their order.
    pub events: Vec<Event>,
    /// A sentence, if the last line was cut off and left out.
    pub cut: Option<String>,
}

/// Why a history can't be judged.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It can't be read at all.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line before the last is no event.
    #[error("{path}:{line}: expected an event of schema {SCHEMA}, {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        why: String,
    },
    /// It was written by another version.
    #[error(
        "{path}:1: expected schema {SCHEMA}, found schema {found}; judge it with the hotspec that wrote it"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema number.
        found: String,
    },
}

/// Reads the history at `path`. A last line that was cut off (the run was killed) is left out and told.
///
/// # Errors
/// [`HistoryError`], with the file and the line.
pub fn read(path: &Path) -> Result<Stored, HistoryError> {
    let text = std::fs::read(path).map_err(|source| HistoryError::Read { path: path.to_owned(), source })?;
    parse(path, &String::from_utf8_lossy(&text))
}

/// [`read`] on text that is already in memory; `path` is for messages only.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, text: &str) -> Result<Stored, HistoryError> {
    let complete = text.ends_with('\n');
    let lines: Vec<&str> = text.lines().collect();
    check_schema(path, lines.first().copied().unwrap_or_default())?;
    let mut stored = Stored { events: Vec::with_capacity(lines.len()), cut: None };
    let mut restarts = 0;
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str::<Event>(line) {
            Ok(event) => {
                restarts += u32::from(event.what == What::Phase { phase: Phase::Restart });
                if restarts > RESTARTS_MAX {
                    return Err(HistoryError::Line {
                        path: path.to_owned(),
                        line: index + 1,
                        why: format!("found more than {RESTARTS_MAX} restarts; no scenario has so many"),
                    });
                }
                stored.events.push(event);
            }
            Err(_) if index + 1 == lines.len() && !complete => {
                let shown = path.display();
                stored.cut =
                    Some(format!("{shown}:{}: the last line is cut off; it was left out", index + 1));
            }
            Err(error) => {
                return Err(HistoryError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    why: format!("found `{}`: {error}", excerpt(line)),
                });
            }
        }
    }
    Ok(stored)
}

/// The first line names the schema; it is looked at before any event is parsed, since another
/// schema's events need not parse at all.
fn check_schema(path: &Path, first: &str) -> Result<(), HistoryError> {
    let value: serde_json::Value = serde_json::from_str(first).unwrap_or_default();
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found == u64::from(SCHEMA) => Ok(()),
        Some(found) => Err(HistoryError::Schema { path: path.to_owned(), found: found.to_string() }),
        None => Err(HistoryError::Schema { path: path.to_owned(), found: "none".to_owned() }),
    }
}

fn excerpt(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The scenario that the history is of, by its first event.
pub fn scenario(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match &event.what {
        What::Begin { scenario, .. } => Some(scenario.as_str()),
        _ => None,
    })
}
