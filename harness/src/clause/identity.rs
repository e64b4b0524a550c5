//! What a generation is given, and passes on.
//!
//! Compared are main processes while all is quiet: that of the successor, that of the generation before, and that of the
//! first. A server may change what it was given, as one that writes its title over its arguments does. So only that is
//! compared which the first generation has just as the harness passed it.

use std::collections::BTreeMap;

use super::lineage::{Passage, name, passage};
use super::observed::Facts;
use super::{Case, Clause, Tally};
use crate::declaration::Documented;
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
        requirement: "Each generation has the environment, working directory, ids, umask, limits, nice value, affinity, session and capabilities of the first and of the one before it, documented variables aside (and, where a shell stands between, those that shells set: _, SHLVL, PWD, OLDPWD). What the first generation changed of itself is not judged; nor, where the target documents none, are variables that a generation adds.",
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
/// The longest command line that a message quotes.
const QUOTED_MAX: usize = 300;
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

fn without_empty_end(arguments: &[String]) -> &[String] {
    let end = arguments.iter().rposition(|argument| !argument.is_empty()).map_or(0, |last| last + 1);
    arguments.get(..end).unwrap_or_default()
}

/// A text for people in the place of arguments, as setproctitle(3) leaves it: one word that is several.
fn is_title(arguments: &[String]) -> bool {
    matches!(arguments, [one] if one.trim_end().contains(' '))
}

/// The arguments without the documented ones, and how often the flag of the listener was among them.
fn undocumented(arguments: &[String], documented: &Documented) -> (Vec<String>, usize) {
    let mut kept = Vec::new();
    let mut flags = 0;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            kept.push(argument.clone());
            kept.extend(rest.by_ref().cloned());
            break;
        }
        let named = documented.flag.iter().chain(&documented.arguments).find(|flag| {
            argument
                .strip_prefix(flag.as_str())
                .is_some_and(|value| value.is_empty() || value.starts_with('='))
        });
        let Some(flag) = named else {
            kept.push(argument.clone());
            continue;
        };
        flags += usize::from(Some(flag) == documented.flag.as_ref());
        if argument == flag && rest.as_slice().first().is_some_and(|value| !value.starts_with('-')) {
            rest.next();
        }
    }
    (kept, flags)
}

/// How two lists differ.
fn difference(before: &[String], now: &[String]) -> Option<&'static str> {
    if before == now {
        return None;
    }
    Some(match (is_part_of(before, now), is_part_of(now, before)) {
        (true, _) => "added",
        (_, true) => "lost",
        _ => "changed",
    })
}

/// All of these are there, in this order.
fn is_part_of(part: &[String], whole: &[String]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|one| rest.any(|other| other == one))
}

fn quoted(arguments: &[String]) -> String {
    let text = arguments.join(" ");
    let shown: String = text.chars().take(QUOTED_MAX).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    if arguments.is_empty() { "none".to_owned() } else { format!("`{shown}{more}`") }
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
    let by_shell = OF_SHELLS.iter().any(|name| given.get(*name) != first.get(*name));
    let judged = |name: &str| {
        !(by_shell && OF_SHELLS.contains(&name))
            && !case.documented.variables.iter().any(|documented| documented == name)
    };
    let judged_of = |environment: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let kept = environment.iter().filter(|(name, _)| judged(name));
        kept.map(|(name, hash)| (name.clone(), hash.clone())).collect()
    };
    let rewritten = |facts: &Facts| facts.properties.contains_key(REWRITTEN);
    if rewritten(lives.first) || rewritten(lives.now) || judged_of(given) != judged_of(first) {
        tally.rule_out(
            "the first generation's environment is not the one it was started with: it writes its title over it, or a wrapper changed it",
        );
        return;
    }
    tally.exercise();
    compare_variables(case, tally, &lives, &judged_of, &judged_of(now));
}

/// One breach for what is missing, one for what is added, one for what has another value.
fn compare_variables(
    case: &Case<'_>,
    tally: &mut Tally,
    lives: &Lives<'_>,
    judged_of: &dyn Fn(&BTreeMap<String, String>) -> BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) {
    let mut told: Vec<&str> = Vec::new();
    for (number, (whose, facts)) in lives.references.iter().enumerate() {
        let Some(before) = facts.environment.as_ref().map(judged_of) else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn documented_arguments_are_taken_out_with_their_values_and_the_flag_is_counted() {
        let documented = Documented {
            flag: Some("--socket".to_owned()),
            arguments: vec!["-x".to_owned()],
            ..Documented::default()
        };
        for (line, kept, flags) in [
            ("a --socket 3 b", "a b", 1),
            ("--socket=3 a -x sock --socket 4", "a", 2),
            ("a --sockets 3", "a --sockets 3", 0),
            ("-x --verbose a", "--verbose a", 0),
            ("a --socket", "a", 1),
            ("a -- --socket 3", "a -- --socket 3", 0),
        ] {
            assert_eq!(undocumented(&words(line), &documented), (words(kept), flags), "{line}");
        }
    }

    #[test]
    fn lists_differ_by_what_was_lost_added_or_changed() {
        for (before, now, expected) in [
            ("a b", "a b", None),
            ("a b", "a", Some("lost")),
            ("a b", "a c b", Some("added")),
            ("a b", "b a", Some("changed")),
            ("a", "", Some("lost")),
        ] {
            assert_eq!(difference(&words(before), &words(now)), expected, "{before} to {now}");
        }
    }

    #[test]
    fn a_title_is_one_word_that_is_several() {
        assert!(is_title(&["server: worker process".to_owned()]));
        assert!(!is_title(&words("server --listen x")));
        assert!(!is_title(&words("server")));
    }
}
