//! One sentence of verdict, and by what it was judged.

use std::collections::BTreeSet;

use super::super::PROFILES;
use super::super::page::Page;
use super::super::style::count;
use super::built;
use super::causes::Cause;
use super::failures::times;
use crate::clause::Level;
use crate::clause::result::{PartShown, RunResult, RunVerdict, Verdict};
use crate::history::Model;
use crate::history::event::Stop;

/// What is said of a run that was broken off.
pub(in crate::report) const BROKEN_OFF: &str =
    "The run was broken off before its end; what there is was judged.";

/// The verdict in a word.
pub(in crate::report) fn word(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Pass => "PASS",
        RunVerdict::Fail => "FAIL",
        RunVerdict::Inconclusive => "INCONCLUSIVE",
        RunVerdict::Error => "ERROR",
        RunVerdict::Invalid => "INVALID",
    }
}

/// The verdict, and the profile, command and model.
pub(super) fn write(page: &mut Page, run: &RunResult, causes: &[Cause<'_>]) {
    let style = page.styles.of_run(run.verdict);
    page.lead(0, 0, style, &format!("{}:", word(run.verdict)), &format!(" {}", sentence(run, causes)));
    if run.interrupted {
        page.text(0, BROKEN_OFF);
    }
    if let Some(part) = &run.shard {
        page.text(0, &of_part(part));
    }
    page.blank();
    let field = |page: &mut Page, label: &str, text: &str| page.field(2, label, 7, text);
    field(page, "profile", &profile(run));
    let command = run.command.join(" ");
    if !command.is_empty() {
        field(page, "command", &command);
    }
    field(page, "run", &how(run));
}

/// What a part of a divided run leaves to the others.
fn of_part(part: &PartShown) -> String {
    let others = match part.elsewhere.len() {
        0 => "Every clause that was selected is judged here, by what these scenarios show of it".to_owned(),
        1 => "1 clause is put to the test in other parts only, and not judged here".to_owned(),
        many => format!("{many} clauses are put to the test in other parts only, and not judged here"),
    };
    format!("{others}; `hotspec merge` judges all {} parts.", part.of)
}

fn profile(run: &RunResult) -> String {
    let all = PROFILES.map(|profile| profile.to_string()).join("|");
    format!("{} (choose with --profile {all})", run.profile)
}

/// By what it was made.
pub(in crate::report) fn how(run: &RunResult) -> String {
    let name = |model: Model| {
        serde_json::to_value(model)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let declared = name(run.model);
    let told: BTreeSet<String> = run
        .restarts
        .iter()
        .filter(|restart| restart.model != Model::Auto)
        .map(|restart| name(restart.model))
        .collect();
    let told = told.into_iter().collect::<Vec<_>>().join(" or ");
    let model = match run.model {
        Model::Auto if told.is_empty() => "model not told".to_owned(),
        Model::Auto => format!("model {told}, told from what happened"),
        _ => format!("model {declared}"),
    };
    format!("hotspec {}, {model}, isolation {}, seed {}", run.hotspec, run.isolation, run.seed)
}

/// How many clauses of a level have which verdict; planned ones are left out.
struct Score {
    counts: [(Verdict, usize); 7],
}

impl Score {
    fn of(run: &RunResult, level: Level) -> Self {
        let number = |verdict: Verdict| {
            let same = run.clauses.iter().filter(|clause| clause.level == level && clause.verdict == verdict);
            (verdict, same.count())
        };
        let order = [
            Verdict::Pass,
            Verdict::Fail,
            Verdict::Known,
            Verdict::Inconclusive,
            Verdict::NoEvidence,
            Verdict::Unsupported,
            Verdict::Error,
        ];
        Self { counts: order.map(number) }
    }

    fn number(&self, verdict: Verdict) -> usize {
        self.counts.iter().filter(|(other, _)| *other == verdict).map(|(_, number)| number).sum()
    }

    fn total(&self) -> usize {
        self.counts.iter().map(|(_, number)| number).sum()
    }

    /// ` (28 hold, 1 inconclusive)`, without those that the sentence has already told.
    fn rest(&self, told: Verdict) -> String {
        let one = |(verdict, number): &(Verdict, usize)| {
            let word = match verdict {
                Verdict::Pass if *number == 1 => "holds",
                Verdict::Pass => "hold",
                Verdict::Fail => "broken",
                Verdict::NoEvidence => "without evidence",
                other => other.as_str(),
            };
            (*number > 0 && *verdict != told).then(|| format!("{number} {word}"))
        };
        let parts: Vec<String> = self.counts.iter().filter_map(one).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }
}

/// The sentence after the verdict's word.
pub(in crate::report) fn sentence(run: &RunResult, causes: &[Cause<'_>]) -> String {
    let part = run.shard.as_ref().map(|part| format!("part {} of {}: ", part.number, part.of));
    part.unwrap_or_default() + &of_all(run, causes)
}

fn of_all(run: &RunResult, causes: &[Cause<'_>]) -> String {
    let must = Score::of(run, Level::Must);
    let should = Score::of(run, Level::Should);
    match run.verdict {
        RunVerdict::Pass => passed(run, &must, &should),
        RunVerdict::Fail => failed(run, &must, &should, causes),
        RunVerdict::Inconclusive => undecided(run, &must, &should),
        RunVerdict::Error | RunVerdict::Invalid => faulty(run),
    }
}

/// `the 31 clauses that profile falcore demands`, and how many of them were selected if not all.
fn demands(run: &RunResult, must: &Score) -> String {
    let (chosen, all) = (must.total(), built(run.profile, Level::Must));
    let selected = if chosen < all { format!("{chosen} selected of the ") } else { String::new() };
    let clauses = count(chosen.max(all), "clause", "clauses");
    format!("the {selected}{clauses} that profile {} demands", run.profile)
}

fn passed(run: &RunResult, must: &Score, should: &Score) -> String {
    let (held, total) = (must.number(Verdict::Pass), must.total());
    let first = if total == 0 {
        "no clause that the profile demands was judged.".to_owned()
    } else if held == total {
        format!("{} holds all of {}.", run.target, demands(run, must))
    } else {
        let rest = must.rest(Verdict::Pass);
        format!("{} breaks none of {}; it holds {held}{rest}.", run.target, demands(run, must))
    };
    match should.number(Verdict::Fail) {
        0 => first,
        broken => format!(
            "{first} It breaks {broken} of the {} that are recommended, which counts with --level should.",
            should.total()
        ),
    }
}

fn failed(run: &RunResult, must: &Score, should: &Score, causes: &[Cause<'_>]) -> String {
    let mut parts: Vec<String> = worst(run, causes).into_iter().collect();
    let mut broken = Vec::new();
    let (demanded, recommended) = (must.number(Verdict::Fail), should.number(Verdict::Fail));
    if demanded > 0 {
        broken.push(format!("{demanded} of {}{}", demands(run, must), must.rest(Verdict::Fail)));
    }
    if recommended > 0 {
        let all = count(should.total(), "clause", "clauses");
        broken.push(if demanded > 0 {
            format!("{recommended} of the {all} that it recommends")
        } else {
            format!(
                "{recommended} of the {all} that profile {} recommends, and none that it demands",
                run.profile
            )
        });
    }
    if !broken.is_empty() {
        parts.push(format!("It breaks {}.", broken.join(" and ")));
    }
    if !run.stale.is_empty() {
        let known = count(run.stale.len(), "known deviation", "known deviations");
        parts.push(format!("{known} of {} did not show: the target file is out of date.", run.target));
    }
    parts.join(" ")
}

/// For whom, what, and the worst cause.
fn worst(run: &RunResult, causes: &[Cause<'_>]) -> Option<String> {
    let cause = causes.first()?;
    let scenarios = cause.scenarios();
    let place = match scenarios.as_slice() {
        [(only, _)] => (*only).to_owned(),
        _ => count(scenarios.len(), "scenario", "scenarios"),
    };
    let times = times(cause.losses.len());
    let what = match cause.sign.harm.verb() {
        Some(verb) => format!("{verb}: {times} {}", cause.title()),
        None => {
            let id = cause.clauses().first().map(|(clause, _)| clause.id.as_str()).unwrap_or_default();
            format!("breaks {id} {times}: {}", cause.title())
        }
    };
    let others = match causes.len() - 1 {
        0 => String::new(),
        others => format!(" (and {} below)", count(others, "other cause", "other causes")),
    };
    Some(format!("{} {what}, in {place}{others}.", run.target))
}

fn undecided(run: &RunResult, must: &Score, should: &Score) -> String {
    let open = must.number(Verdict::Inconclusive);
    if open > 0 {
        let rest = must.rest(Verdict::Inconclusive);
        return format!("{open} of {} could not be decided for {}{rest}.", demands(run, must), run.target);
    }
    match should.number(Verdict::Inconclusive) {
        open if open > 0 && !run.interrupted => format!(
            "{open} of the {} that profile {} recommends could not be decided for {}.",
            count(should.total(), "clause", "clauses"),
            run.profile,
            run.target
        ),
        _ => format!("not all was done that {} would have been judged by.", run.target),
    }
}

fn faulty(run: &RunResult) -> String {
    let of = |stage: Stop| run.problems.iter().filter(|problem| problem.stage == stage).count();
    let scenarios = |number: usize| count(number, "scenario", "scenarios");
    if run.verdict == RunVerdict::Invalid {
        let (start, control) = (of(Stop::Start), of(Stop::Control));
        return if start > 0 {
            let what = if run.was_up() { "could not be put through" } else { "did not start as a server in" };
            format!("{} {what} {}.", run.target, scenarios(start))
        } else {
            let scenarios = scenarios(control);
            format!(
                "{} fails with no restart at all in {scenarios}, so no restart can be judged.",
                run.target
            )
        };
    }
    match of(Stop::Harness) {
        0 => {
            let broken = run.clauses.iter().filter(|clause| clause.verdict == Verdict::Error).count();
            let clauses = count(broken, "clause", "clauses");
            format!("hotspec itself failed when it judged {clauses}; that says nothing about {}.", run.target)
        }
        number => {
            format!("hotspec itself failed in {}; that says nothing about {}.", scenarios(number), run.target)
        }
    }
}
