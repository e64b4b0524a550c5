//! What a generation is given, and passes on.
//!
//! Compared are main processes while all is quiet: that of the successor, that of the generation before, and that of the
//! first. A server may change what it was given, as one that writes its title over its arguments does. So only that is
//! compared which the first generation has just as the harness passed it.

use std::collections::BTreeMap;

use super::command_line::{difference, is_title, quoted, undocumented, without_empty_end};
use super::lineage::{Passage, name, passage};
use super::observed::Facts;
use super::{Case, Clause, Tally};
use crate::history::Micros;
use crate::history::words::{REWRITTEN, STREAMS};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.arguments-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the arguments of the first and of the one before it, documented ones and the program's own name aside, and the listener's flag once at most. Where the target documents nothing that it adds, only what is lost, changed or grows is judged.",
        why: "A successor that lost an argument runs with another configuration, and nobody notices before the next cold start.",
        source: "hotspec",
        judge: Some(arguments_kept),
    },
    Clause {
        id: "process.environment-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the environment, working directory, ids, umask, limits, nice value, affinity, session and capabilities of the first and of the one before it, documented variables aside (and, where a shell stands between, those that shells set: _, SHLVL, PWD, OLDPWD). What the first generation has otherwise than it was passed is not judged; nor, where the target documents nothing or a wrapper changed variables, are those that a generation adds.",
        why: "A service that drifts from restart to restart can't be reasoned about: files get other modes, descriptors run out, secrets are missing.",
        source: "hotspec",
        judge: Some(environment_kept),
    },
    Clause {
        id: "process.stdio-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the standard input, output and error of the first and of the one before it, as far as the first has them as they were passed.",
        why: "Logs end in silence when the new generation writes elsewhere.",
        source: "hotspec",
        judge: Some(stdio_kept),
    },
    Clause {
        id: "process.signals-kept",
        must: "",
        should: "FR",
        requirement: "No generation blocks or ignores a signal that the first, and the one before it, was passed as usual and left so.",
        why: "A successor that inherits a blocked SIGTERM can't be stopped, or restarted again, in order.",
        source: "hotspec",
        judge: Some(signals_kept),
    },
];

/// What shells set for those they start.
const OF_SHELLS: [&str; 4] = ["_", "SHLVL", "PWD", "OLDPWD"];
/// Names that one message lists at most.
const NAMED_MAX: usize = 20;
/// Everything that is part of a process's environment in the wider sense and is not a variable.
const PROPERTIES: [&str; 8] =
    ["directory", "user ids", "group ids", "groups", "umask", "nice value", "affinity", "session"];

/// The facts that are compared.
struct Lives<'a> {
    given: &'a Facts,
    first: &'a Facts,
    /// What the later ones are compared with, and what that is called: the first, and the one before if that is another.
    references: Vec<(&'static str, &'a Facts)>,
    now: &'a Facts,
    /// The successor, as a reader would name it.
    who: String,
    at: Micros,
}

fn lives<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Option<Lives<'a>> {
    let Passage { first, old, new } = passage(case, tally)?;
    let t0 = case.t0()?;
    let (seen, until) = (&case.observed, case.observed.first_trigger.unwrap_or(t0.lo));
    let facts_of_new = seen.facts_after(new.id, t0.hi);
    let (Some(given), Some(first_facts), Some(before), Some(now)) =
        (&seen.given, seen.facts_before(first.id, until), seen.facts_before(old.id, t0.lo), facts_of_new)
    else {
        let missing = if facts_of_new.is_none() { name(case, new) } else { "the old generation".to_owned() };
        tally.doubt(case, format!("{missing} was not looked at while all was quiet"));
        return None;
    };
    let mut references = vec![("the first generation", first_facts)];
    if first.id != old.id {
        references.push(("the generation before", before));
    }
    Some(Lives { given, first: first_facts, references, now, who: name(case, new), at: now.at })
}

impl Lives<'_> {
    fn breach(&self, case: &Case<'_>, tally: &mut Tally, kind: &str, expected: &str, seen: String) {
        tally.break_by(case, self.who.clone(), self.at, kind, expected, seen);
    }

    /// Whether the first generation has this property as it was passed.
    fn comparable(&self, property: &str) -> bool {
        let first = self.first.properties.get(property);
        first.is_some() && first == self.given.properties.get(property)
    }

    /// Compares one property that can be compared; false if the successor's may not be read.
    fn compare(&self, case: &Case<'_>, tally: &mut Tally, property: &str) -> bool {
        let Some(now) = self.now.properties.get(property) else { return false };
        let differing = self.references.iter().filter_map(|(whose, facts)| {
            let before = facts.properties.get(property)?;
            (before != now).then_some((whose, before))
        });
        if let Some((whose, before)) = differing.into_iter().next() {
            let kind = property.replace(' ', "-");
            let expected = format!("{property} `{before}`, as in {whose}");
            self.breach(case, tally, &kind, &expected, format!("{property} `{now}`"));
        }
        true
    }
}

fn arguments_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(lives) = lives(case, tally) else { return };
    let (Some(given), Some(first), Some(now)) =
        (&lives.given.arguments, &lives.first.arguments, &lives.now.arguments)
    else {
        tally.withhold(format!("the arguments of {} may not be read by this user", lives.who));
        return;
    };
    let given = without_empty_end(given);
    // An interpreter that was executed for a script stands before the rest, and its words are its own business.
    let own_words = given.len().saturating_sub(1);
    let Some(front) = first
        .len()
        .checked_sub(own_words)
        .filter(|front| *front > 0 && first.get(*front..) == given.get(1..))
    else {
        tally.rule_out(
            "the first generation's arguments are not those it was started with: it writes its title over them, or a wrapper executed it",
        );
        return;
    };
    if is_title(now) {
        tally.rule_out("the successor writes its title over its arguments");
        return;
    }
    tally.exercise();
    let told = |arguments: &[String]| -> (Vec<String>, usize) {
        undocumented(arguments.get(front.min(arguments.len())..).unwrap_or_default(), &case.documented)
    };
    let (kept, flags) = told(now);
    if let Some(flag) = case.documented.flag.as_ref().filter(|_| flags > 1) {
        let seen = format!("{flags} times: {}", quoted(now));
        lives.breach(case, tally, "flag-twice", &format!("`{flag}` once at most"), seen);
    }
    for (number, (whose, facts)) in lives.references.iter().enumerate() {
        let Some(before) = &facts.arguments else { continue };
        let (before, _) = told(before);
        // What is added is how a target that documents nothing hands over; that it is more each time is still wrong.
        let kind = match difference(&before, &kept) {
            Some("added") if case.documented.is_empty() && number == 0 => continue,
            Some("added") if case.documented.is_empty() => "grown",
            Some(kind) => kind,
            None => continue,
        };
        if number > 0 && kind != "grown" && case.documented.is_empty() {
            continue;
        }
        let expected = format!("the arguments of {whose}, documented ones aside: {}", quoted(&before));
        lives.breach(case, tally, kind, &expected, quoted(&kept));
        break;
    }
}

fn environment_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(lives) = lives(case, tally) else { return };
    let limits = lives.first.properties.keys().map(String::as_str);
    let wider = limits.filter(|name| name.starts_with("limit ") || name.starts_with("capabilities "));
    for property in PROPERTIES.into_iter().chain(wider).filter(|property| lives.comparable(property)) {
        lives.compare(case, tally, property);
    }
    let (Some(given), Some(first), Some(now)) =
        (&lives.given.environment, &lives.first.environment, &lives.now.environment)
    else {
        tally.withhold(format!("the environment of {} may not be read by this user", lives.who));
        return;
    };
    let judged = Judged::new(given, first, &case.documented.variables);
    let rewritten = |facts: &Facts| facts.properties.contains_key(REWRITTEN);
    if rewritten(lives.first) || rewritten(lives.now) {
        tally.rule_out("it writes its title over its environment, or wipes it");
        return;
    }
    if judged.of(first).is_empty() && !given.is_empty() {
        tally.rule_out("the first generation has no variable as it was passed: a wrapper changed them all");
        return;
    }
    tally.exercise();
    compare_variables(case, tally, &lives, &judged, &judged.of(now));
}

/// Which variables are compared: those that the first generation has as they were passed. Where it has all of them, and no
/// others, so are those that a later one adds.
struct Judged<'a> {
    given: &'a BTreeMap<String, String>,
    first: &'a BTreeMap<String, String>,
    documented: &'a [String],
    /// A shell stood between the harness and the first generation.
    by_shell: bool,
    /// No wrapper set, changed or removed any.
    whole: bool,
}

impl<'a> Judged<'a> {
    fn new(
        given: &'a BTreeMap<String, String>,
        first: &'a BTreeMap<String, String>,
        documented: &'a [String],
    ) -> Self {
        let by_shell = OF_SHELLS.iter().any(|name| given.get(*name) != first.get(*name));
        let judged = Self { given, first, documented, by_shell, whole: true };
        let differs = |name: &String| given.get(name) != first.get(name) && !judged.passed_over(name);
        let whole = !given.keys().chain(first.keys()).any(differs);
        Self { whole, ..judged }
    }

    fn passed_over(&self, name: &String) -> bool {
        self.documented.contains(name) || (self.by_shell && OF_SHELLS.contains(&name.as_str()))
    }

    fn of(&self, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let compared = |name: &String| match (self.given.get(name), self.first.get(name)) {
            (None, None) => self.whole,
            (given, first) => given == first,
        };
        let kept = environment.iter().filter(|(name, _)| !self.passed_over(name) && compared(name));
        kept.map(|(name, hash)| (name.clone(), hash.clone())).collect()
    }
}

/// One breach for what is missing, one for what is added, one for what has another value.
fn compare_variables(
    case: &Case<'_>,
    tally: &mut Tally,
    lives: &Lives<'_>,
    judged: &Judged<'_>,
    now: &BTreeMap<String, String>,
) {
    let mut told: Vec<&str> = Vec::new();
    for (number, (whose, facts)) in lives.references.iter().enumerate() {
        let Some(before) = facts.environment.as_ref().map(|all| judged.of(all)) else { continue };
        let missing: Vec<&str> = keys(before.keys().filter(|name| !now.contains_key(*name)));
        let added: Vec<&str> = keys(now.keys().filter(|name| !before.contains_key(*name)));
        let differs = |name: &&String| now.get(*name).is_some_and(|hash| before.get(*name) != Some(hash));
        let changed: Vec<&str> = keys(before.keys().filter(differs));
        for (kind, names) in
            [("variable-missing", missing), ("variable-added", added), ("variable-changed", changed)]
        {
            // Where the target documents nothing, what it adds is how it hands over, and may change each time.
            let handed_over = case.documented.is_empty() && (kind == "variable-added" || number > 0);
            if names.is_empty() || handed_over || told.contains(&kind) {
                continue;
            }
            told.push(kind);
            let expected = format!("the variables of {whose}, documented ones aside");
            let seen = format!("{}: {}", kind.replace('-', " "), listed(&names));
            lives.breach(case, tally, kind, &expected, seen);
        }
    }
}

fn keys<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    names.map(String::as_str).collect()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn stdio_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(lives) = lives(case, tally) else { return };
    if !STREAMS.iter().any(|stream| lives.first.properties.contains_key(*stream)) {
        tally.withhold("the descriptors of the first generation may not be read by this user");
        return;
    }
    let comparable: Vec<&str> = STREAMS.into_iter().filter(|stream| lives.comparable(stream)).collect();
    if comparable.is_empty() {
        tally.rule_out("it redirects its standard input, output and error itself");
    }
    for stream in comparable {
        if lives.compare(case, tally, stream) {
            tally.exercise();
        } else {
            tally.withhold(format!("the descriptors of {} may not be read by this user", lives.who));
        }
    }
}

fn signals_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(lives) = lives(case, tally) else { return };
    for (property, kind) in [("blocked signals", "blocked"), ("ignored signals", "ignored")] {
        let set = |facts: &Facts| u64::from_str_radix(facts.properties.get(property)?, 16).ok();
        let (Some(given), Some(first), Some(now)) = (set(lives.given), set(lives.first), set(lives.now))
        else {
            tally.withhold(format!(
                "which signals {} has {kind} did not stay the same, or is not told",
                lives.who
            ));
            continue;
        };
        tally.exercise();
        let as_passed = !(given ^ first);
        let differing = lives.references.iter().find_map(|(whose, facts)| {
            let more = now & !set(facts)? & as_passed;
            (more != 0).then_some((whose, more))
        });
        if let Some((whose, bits)) = differing {
            let names: Vec<String> = (1..=64).filter(|n| bits >> (n - 1) & 1 == 1).map(signal_name).collect();
            let expected = format!("no more {property} than in {whose}");
            lives.breach(case, tally, kind, &expected, format!("also {kind}: {}", names.join(", ")));
        }
    }
}

fn signal_name(number: i32) -> String {
    nix::sys::signal::Signal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}
