//! GitLab's code quality report: a JSON array, an issue for each clause that the run fails by.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use super::super::json::printable;
use super::super::style::clean;
use super::{Case, Cases, Outcome, line};
use crate::clause::Level;
use crate::clause::result::RunResult;

/// Where issues are shown that are about no file of the repository.
const NOWHERE: &str = ".gitlab-ci.yml";

/// The file. The same result gives the same bytes.
///
/// # Errors
/// As serde_json; such a list gives none.
pub fn quality(cases: &Cases<'_>) -> Result<String, serde_json::Error> {
    let about = about(cases.run);
    let issues: Vec<serde_json::Value> = cases.all.iter().filter_map(|case| issue(case, &about)).collect();
    printable(&issues)
}

/// The file of the repository that stands for the target: the target file, else the program, if its path is relative.
fn about(run: &RunResult) -> String {
    let words = run.typed.iter().flat_map(|typed| &typed.options);
    let file = words
        .filter(|words| words.first().is_some_and(|word| word == "--target"))
        .filter_map(|words| words.get(1));
    let paths = file.chain(run.command.first()).filter(|path| path.contains('/') && !path.starts_with('/'));
    let inside = paths
        .map(|path| path.trim_start_matches("./"))
        .find(|path| !path.contains('{') && !path.starts_with("../"));
    inside.map_or_else(|| NOWHERE.to_owned(), clean)
}

fn issue(case: &Case<'_>, about: &str) -> Option<serde_json::Value> {
    let (severity, said) = match &case.outcome {
        Outcome::Broken(violations) => {
            let severity = if case.level == Some(Level::Should) { "minor" } else { "critical" };
            (severity, format!("{} time(s), first {}", violations.len(), line(violations.first()?)))
        }
        Outcome::Forgiven(why, violations) => ("info", format!("{why}: {}", line(violations.first()?))),
        Outcome::Failed(_, why) => ("major", why.clone()),
        Outcome::Open(_, why) => ("minor", why.clone()),
        Outcome::Held | Outcome::Left(_) => return None,
    };
    // What stays the same from run to run, so that GitLab tells what is new.
    let same = format!("{about}\n{}\n{}", case.scenario, case.name);
    Some(json!({
        "description": format!("{} in {}: {said}", case.name, case.scenario),
        "check_name": case.name,
        "fingerprint": format!("{:032x}", xxh3_128(same.as_bytes())),
        "severity": severity,
        "location": { "path": about, "lines": { "begin": 1 } },
    }))
}
