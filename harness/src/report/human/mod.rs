//! For those who read it in a terminal: the verdict first, then why, then what to type next.
//!
//! One file per section, in the order of the page: `verdict`, `problems` (instead of the rest, if
//! there are any), `phases`, `failures`, `clauses`, `sure`, `closing`, `next`. Behind them: `recordings` finds the
//! history of a breach, `sign` says what is seen there, `causes` groups; `output` is the tail of what the
//! target wrote, wherever it helps.

pub(super) mod causes;
pub(super) mod clauses;
mod closing;
pub(super) mod failures;
pub(super) mod next;
pub(super) mod output;
pub(super) mod phases;
pub(super) mod problems;
pub(super) mod recordings;
#[cfg(test)]
pub(crate) mod sample;
mod sign;
pub(super) mod sure;
#[cfg(test)]
mod tests;
pub(super) mod verdict;

use super::Evidence;
use super::page::Page;
use crate::clause::result::{ClauseResult, RunResult, Verdict};
use crate::clause::{Clause, Level, registry};
use crate::declaration::Profile;
use crate::history::Micros;
pub(crate) use next::quoted;
use recordings::Recordings;

/// The report for a terminal.
///
/// No line is wider than `width`, except for single words and commands to be typed that are; below
/// 40 columns it is laid out for 40. Without `colour` there is no escape sequence in it, whatever
/// the target sent.
#[derive(Clone, Copy, Debug)]
pub struct Human {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour it.
    pub colour: bool,
}

impl Human {
    /// The report on a run.
    pub fn render(&self, run: &RunResult, evidence: &Evidence<'_>) -> String {
        let mut page = Page::new(self.width, self.colour);
        let recordings = Recordings::of(run, evidence);
        let causes = causes::of(run, &recordings);
        verdict::write(&mut page, run, &causes);
        if run.problems.is_empty() {
            phases::write(&mut page, run);
            failures::write(&mut page, run, &causes, &recordings, evidence);
            clauses::write(&mut page, run);
            sure::write(&mut page, run);
        } else {
            problems::write(&mut page, run, evidence);
        }
        closing::write(&mut page, run);
        next::write(&mut page, run, &causes, evidence);
        page.finish()
    }
}

/// The verdict in a sentence, without its word.
pub(super) fn sentence(run: &RunResult, evidence: &Evidence<'_>) -> String {
    verdict::sentence(run, &causes::of(run, &Recordings::of(run, evidence)))
}

/// The results with this verdict: MUST before SHOULD, and then in the order of the catalogue.
pub(in crate::report) fn with(run: &RunResult, verdict: Verdict) -> Vec<&ClauseResult> {
    let of_level = |level: Level| run.clauses.iter().filter(move |clause| clause.level == level);
    [Level::Must, Level::Should]
        .into_iter()
        .flat_map(of_level)
        .filter(|clause| clause.verdict == verdict)
        .collect()
}

/// The clause of a result, if this version of hotspec knows it.
pub(in crate::report) fn known_clause(result: &ClauseResult) -> Option<&'static Clause> {
    registry::find(&result.id)
}

/// What a profile demands, or recommends, and hotspec can judge.
fn built(profile: Profile, level: Level) -> usize {
    let judged = |clause: &&&Clause| clause.judge.is_some() && clause.level(profile) == Some(level);
    registry::all().iter().filter(judged).count()
}

/// The limits by name, in microseconds.
pub(in crate::report) fn limits(run: &RunResult) -> [(&'static str, Option<Micros>); 7] {
    let limits = &run.limits;
    [
        ("ready_max", Some(limits.ready_max_ms)),
        ("idle_max", Some(limits.idle_max_ms)),
        ("drain_start_max", Some(limits.drain_start_max_ms)),
        ("drain_max", Some(limits.drain_max_ms)),
        ("exit_max", Some(limits.exit_max_ms)),
        ("stall_max", Some(limits.stall_max_ms)),
        ("hard_limit", limits.hard_limit_ms),
    ]
    .map(|(name, millis)| (name, millis.map(|millis| millis.saturating_mul(1000))))
}

/// The flag that sets a limit.
pub(in crate::report) fn flag_of(limit: &str) -> String {
    format!("--{}", limit.replace('_', "-"))
}
