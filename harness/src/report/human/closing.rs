//! By what it was judged, what to type next, and where all of it is.

use super::super::Evidence;
use super::super::page::Page;
use super::{flag_of, known_clause, limits, with};
use crate::clause::Level;
use crate::clause::result::{RunResult, RunVerdict, Verdict};
use crate::declaration::{Profile, Span};
use crate::history::event::Stop;

/// Notes shown.
const NOTES: usize = 8;

/// Limits, evidence, notes, and the next command.
pub(super) fn write(page: &mut Page, run: &RunResult, evidence: &Evidence<'_>) {
    page.heading("Judged by");
    let assumed = |name: &str| run.limits.assumed.iter().any(|assumed| assumed == name);
    let (mut declared, mut taken) = (Vec::new(), Vec::new());
    for (name, value) in limits(run) {
        let Some(value) = value else { continue };
        if assumed(name) {
            taken.push(format!("{name} {} ({})", Span(value), flag_of(name)));
        } else {
            declared.push(format!("{name} {}", Span(value)));
        }
    }
    for (label, limits) in [("limits", declared), ("assumed", taken)] {
        if !limits.is_empty() {
            page.field(2, label, 8, &limits.join(", "));
        }
    }
    page.field(2, "evidence", 8, &run.evidence.join("; "));
    for (number, note) in run.notes.iter().take(NOTES).enumerate() {
        page.field(2, if number == 0 { "notes" } else { "" }, 8, note);
    }
    if run.notes.len() > NOTES {
        page.field(2, "", 8, &format!("and {} more", run.notes.len() - NOTES));
    }
    next(page, run, evidence);
}

fn next(page: &mut Page, run: &RunResult, evidence: &Evidence<'_>) {
    page.heading("Next");
    let dir = quoted(&String::from_utf8_lossy(evidence.run_dir.as_os_str().as_encoded_bytes()));
    let advice = run.problems.first().map(|problem| match problem.stage {
        Stop::Start => "Start the target by hand with the command above, mend it, then type the same again.",
        Stop::Control => "Mend what fails with no restart, then type the same again.",
        Stop::Harness => "Please report this as a fault of hotspec, with the run's directory.",
    });
    if let Some(advice) = advice {
        page.text(2, advice);
    } else {
        let mut commands = Vec::new();
        let first = [Verdict::Fail, Verdict::Error, Verdict::Inconclusive]
            .into_iter()
            .find_map(|verdict| with(run, verdict).first().map(|clause| clause.id.clone()));
        if let Some(id) = first {
            commands.push((format!("hotspec explain {}", quoted(&id)), "what it asks for, and why"));
        }
        if let Some((profile, why)) = other_profile(run) {
            commands.push((format!("--profile {profile}"), why));
        }
        commands.push((format!("hotspec check {dir}"), "judges the stored run again"));
        page.commands(2, &commands);
    }
    page.blank();
    page.field(0, "run directory", 13, &dir);
}

/// Another profile that may be worth a run.
fn other_profile(run: &RunResult) -> Option<(Profile, &'static str)> {
    match (run.profile, run.verdict) {
        (Profile::Falcore, RunVerdict::Fail) => {
            let broken = with(run, Verdict::Fail);
            let spared = broken.iter().all(|clause| {
                known_clause(clause).is_some_and(|known| known.level(Profile::Reload) != Some(Level::Must))
            });
            (spared && !broken.is_empty())
                .then_some((Profile::Reload, "instead: does not demand what is broken here"))
        }
        (Profile::Reload, RunVerdict::Pass) => {
            Some((Profile::Falcore, "asks for more: idle connections get one last request"))
        }
        _ => None,
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
