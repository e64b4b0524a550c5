//! What to type next, and where the run is.

use std::collections::BTreeSet;

use super::super::Evidence;
use super::super::page::Page;
use super::causes::Cause;
use super::{known_clause, with};
use crate::clause::Level;
use crate::clause::result::{RunResult, RunVerdict, Verdict};
use crate::declaration::Profile;
use crate::history::event::Stop;

/// More scenarios than these are not named: it is all of them, or a matter for a selector of one's own.
const SCENARIOS: usize = 6;

/// Commands, complete, and the directory.
pub(super) fn write(page: &mut Page, run: &RunResult, causes: &[Cause<'_>], evidence: &Evidence<'_>) {
    page.heading("Next");
    let dir = String::from_utf8_lossy(evidence.run_dir.as_os_str().as_encoded_bytes()).into_owned();
    let commands = commands(run, causes, &dir);
    if let Some(problem) = run.problems.first() {
        let again = if commands.is_empty() { "type the same again." } else { "type:" };
        page.text(
            2,
            &match problem.stage {
                Stop::Start if run.was_up() => format!("Mend what is said above; then {again}"),
                Stop::Start => {
                    format!("Start the target by hand with the command above and mend it; then {again}")
                }
                Stop::Control => format!("Mend what fails with no restart; then {again}"),
                Stop::Harness => {
                    "Mend what is said above if the machine lacks it; else please report this as a fault of hotspec, with the run's directory.".to_owned()
                }
            },
        );
    }
    page.commands(2, &commands);
    page.blank();
    page.field(0, "run directory", 13, &quoted(&dir));
}

/// Words, quoted for a shell, and what they do.
pub(in crate::report) fn commands(
    run: &RunResult,
    causes: &[Cause<'_>],
    dir: &str,
) -> Vec<(Vec<String>, &'static str)> {
    let program = run.typed.as_ref().map_or("hotspec", |typed| typed.program.as_str());
    let own = |words: &[&str]| std::iter::once(program).chain(words.iter().copied()).map(quoted).collect();
    let mut commands = Vec::new();
    if let Some((selectors, what)) = again(run) {
        commands.extend(repeat(run, &selectors, None).map(|words| (words, what)));
    }
    if run.problems.is_empty() {
        let worst =
            causes.first().and_then(|cause| cause.clauses().first().map(|(clause, _)| clause.id.clone()));
        let first = worst.or_else(|| {
            let mut verdicts = [Verdict::Error, Verdict::Inconclusive].into_iter();
            verdicts.find_map(|verdict| with(run, verdict).first().map(|clause| clause.id.clone()))
        });
        if let Some(id) = first {
            commands.push((own(&["explain", &id]), "what it asks for, and why"));
        }
        if let Some((profile, what)) = other_profile(run) {
            let selectors = run.typed.as_ref().map(|typed| typed.selectors.clone()).unwrap_or_default();
            commands.extend(repeat(run, &selectors, Some(profile)).map(|words| (words, what)));
        }
        commands.push((own(&["check", dir]), "judges the stored run again"));
    }
    commands
}

/// What is worth another run: the scenarios in which something failed, or the clauses that stayed open.
fn again(run: &RunResult) -> Option<(Vec<String>, &'static str)> {
    let mut named: BTreeSet<&str> = with(run, Verdict::Fail)
        .into_iter()
        .flat_map(|clause| &clause.violations)
        .map(|violation| violation.scenario.as_str())
        .collect();
    named.extend(run.stale.iter().map(|known| known.scenario.as_str()));
    let mut what = "repeats only what failed";
    if !run.problems.is_empty() {
        named = run.problems.iter().map(|problem| problem.scenario.as_str()).collect();
        if run.problems.iter().any(|problem| problem.stage == Stop::Harness) {
            return None;
        }
        // One of them shows it.
        named = named.into_iter().take(1).collect();
    } else if named.is_empty() {
        named = with(run, Verdict::Inconclusive).into_iter().map(|clause| clause.id.as_str()).collect();
        what = "repeats only what could not be decided";
    }
    if named.is_empty() {
        return None;
    }
    if named.len() > SCENARIOS {
        let selectors = run.typed.as_ref().map(|typed| typed.selectors.clone()).unwrap_or_default();
        return Some((selectors, "repeats the run"));
    }
    Some((named.into_iter().map(str::to_owned).collect(), what))
}

/// The command line of the run with other selectors, if it is known.
fn repeat(run: &RunResult, selectors: &[String], profile: Option<Profile>) -> Option<Vec<String>> {
    let typed = run.typed.as_ref()?;
    let is = |option: &[String], name: &str| {
        option.first().is_some_and(|word| word == name || word.starts_with(&format!("{name}=")))
    };
    let mut words = vec![quoted(&typed.program), "run".to_owned()];
    words.extend(selectors.iter().map(|word| quoted(word)));
    for option in &typed.options {
        // A directory holds one run, a report of the whole is not to be replaced by one of a part, and what is repeated is not
        // divided again.
        let once =
            ["--run-dir", "--report", "--beside", "--shard", "--color"].iter().any(|name| is(option, name));
        let replaced = profile.is_some() && is(option, "--profile");
        if !once && !replaced {
            words.push(joined(option));
        }
    }
    if let Some(profile) = profile {
        words.push(format!("--profile {profile}"));
    }
    if !typed.command.is_empty() {
        words.push("--".to_owned());
        words.extend(typed.command.iter().map(|word| quoted(word)));
    }
    Some(words)
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

/// An option and its value, which stay on one line.
fn joined(option: &[String]) -> String {
    option.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word for a shell. A placeholder such as `{address}` is no word that a shell would change.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    let braces = !word.contains(',') && !word.contains("..");
    let harmless = |c: char| plain(c) || (braces && "{}".contains(c));
    if !word.is_empty() && !word.starts_with('=') && word != "{" && word != "}" && word.chars().all(harmless)
    {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::manifest::Typed;

    fn typed(run: &mut RunResult, options: &[&[&str]], command: &[&str]) {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        run.typed = Some(Typed {
            program: "hotspec".to_owned(),
            selectors: own(&["keep-alive"]),
            options: options.iter().map(|option| own(option)).collect(),
            command: own(command),
        });
    }

    fn lines(run: &RunResult) -> Vec<String> {
        sample::with_evidence(b"", |evidence| {
            let causes =
                super::super::causes::of(run, &super::super::recordings::Recordings::of(run, evidence));
            commands(run, &causes, "runs/1").into_iter().map(|(words, _)| words.join(" ")).collect()
        })
    }

    #[test]
    fn a_failing_run_is_repeated_where_it_failed_with_all_that_was_typed() {
        let mut run = sample::failing();
        typed(
            &mut run,
            &[
                &["--idle-max", "3s"],
                &["--run-dir", "x"],
                &["--report=json=y"],
                &["--beside", "4"],
                &["--restart-command", "kill -HUP 1"],
            ],
            &["./my server", "--listen", "{address}"],
        );
        assert_eq!(
            lines(&run)[..2],
            [
                "hotspec run idle-last-request pooled-client --idle-max 3s --restart-command 'kill -HUP 1' -- \
                 './my server' --listen {address}",
                "hotspec explain keep-alive.one-last-request",
            ]
        );
    }

    #[test]
    fn another_profile_replaces_the_one_that_was_typed_and_keeps_the_selection() {
        let mut run = sample::passing();
        run.profile = Profile::Reload;
        typed(&mut run, &[&["--profile", "reload"], &["--idle-max=3s"]], &["./server"]);
        assert_eq!(lines(&run)[0], "hotspec run keep-alive --idle-max=3s --profile falcore -- ./server");
    }

    #[test]
    fn what_could_not_be_decided_is_repeated_by_clause_and_what_did_not_start_by_one_scenario() {
        let open = lines(&sample::inconclusive());
        assert_eq!(open[0], "hotspec run drain.exits --target nginx --profile falcore");
        assert_eq!(
            lines(&sample::invalid()),
            ["hotspec run idle-last-request --target nginx --profile falcore"]
        );
    }

    #[test]
    fn a_run_that_no_command_line_made_is_not_repeated_by_an_invented_one() {
        let mut run = sample::failing();
        run.typed = None;
        assert!(lines(&run).iter().all(|line| !line.contains(" run ")), "{:?}", lines(&run));
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        for (word, expected) in [
            ("{address}", "{address}"),
            ("{a,b}", "'{a,b}'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
            ("/slow?ms={ms}", "'/slow?ms={ms}'"),
            ("a;b", "'a;b'"),
            ("keep-alive.*", "'keep-alive.*'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
