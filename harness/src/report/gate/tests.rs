//! Every format over the same samples.

use super::super::human::sample;
use super::*;

fn cases_of<T>(run: &RunResult, level: Level, then: impl FnOnce(&Cases<'_>) -> T) -> T {
    sample::with_evidence(b"", |evidence| then(&Cases::of(run, level, evidence, None)))
}

/// Every format, by name.
fn all(run: &RunResult) -> Vec<(&'static str, String)> {
    cases_of(run, Level::Must, |cases| {
        vec![
            ("junit", junit::junit(cases)),
            ("tap", tap::tap(cases)),
            ("summary", summary::summary(cases)),
            ("annotations", annotations::annotations(cases)),
            ("quality", quality::quality(cases).expect("JSON")),
        ]
    })
}

fn counted(run: &RunResult, level: Level) -> [usize; 3] {
    cases_of(run, level, |cases| {
        let number =
            |wanted: fn(&Outcome<'_>) -> bool| cases.all.iter().filter(|case| wanted(&case.outcome)).count();
        [
            number(|outcome| matches!(outcome, Outcome::Broken(_) | Outcome::Failed(..))),
            number(|outcome| matches!(outcome, Outcome::Open(..))),
            number(|outcome| matches!(outcome, Outcome::Forgiven(..))),
        ]
    })
}

#[test]
fn whatever_keeps_a_run_from_passing_is_a_case_that_does() {
    for (name, run) in sample::all().into_iter().filter(|(name, _)| *name != "passing") {
        let [broken, open, _] = counted(&run, Level::Must);
        assert!(broken + open > 0, "{name} looks as if it passed");
        assert_eq!(broken > 0, run.verdict == RunVerdict::Fail, "{name}");
    }
    assert_eq!(counted(&sample::passing(), Level::Must), [0, 0, 0]);
}

#[test]
fn a_broken_recommendation_counts_only_where_it_was_asked_for() {
    let mut run = sample::passing();
    let clause = run.clauses.iter_mut().find(|clause| clause.level == Level::Should).expect("one");
    clause.verdict = Verdict::Fail;
    clause.violations = vec![sample::violation("new-connections", "new#1", "closed")];
    assert_eq!(counted(&run, Level::Must), [0, 0, 1]);
    assert_eq!(counted(&run, Level::Should), [1, 0, 0]);
}

#[test]
fn each_scenario_is_a_suite_with_its_own_violations_only() {
    let text = cases_of(&sample::failing(), Level::Must, junit::junit);
    let suite = |name: &str| {
        let from = text.find(&format!("<testsuite name=\"{name}\"")).expect("a suite");
        text[from..].split("</testsuite>").next().expect("its end").to_owned()
    };
    assert_eq!(suite("idle-last-request").matches("<failure ").count(), 2);
    assert!(suite("idle-last-request").contains("idle#7") && !suite("pooled-client").contains("idle#7"));
    assert!(suite("keep-alive-traffic").contains("<skipped message=\"known"), "{text}");
    assert!(text.starts_with("<?xml") && text.trim_end().ends_with("</testsuites>"));
}

#[test]
fn counts_of_suites_add_up_to_those_of_the_whole() {
    let text = cases_of(&sample::failing(), Level::Must, junit::junit);
    for name in ["tests", "failures", "errors"] {
        let numbers: Vec<u32> = text
            .lines()
            .filter(|line| line.trim_start().starts_with("<testsuite"))
            .map(|line| {
                let (_, rest) = line.split_once(&format!(" {name}=\"")).expect(name);
                rest.split('"').next().expect("a number").parse().expect("a number")
            })
            .collect();
        assert_eq!(numbers[0], numbers[1..].iter().sum::<u32>(), "{name}");
    }
}

#[test]
fn tap_has_a_line_for_each_case_and_says_what_is_to_be_done() {
    let text = cases_of(&sample::failing(), Level::Must, tap::tap);
    let plan: usize = text
        .lines()
        .nth(1)
        .and_then(|line| line.strip_prefix("1.."))
        .expect("a plan")
        .parse()
        .expect("a number");
    let lines = text.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
    assert_eq!(lines.count(), plan);
    assert!(text.contains("not ok") && text.contains(" # TODO known"), "{text}");
    assert!(text.contains(" # SKIP unsupported: "), "{text}");
}

#[test]
fn what_a_target_wrote_is_harmless_in_every_format() {
    let mut run = sample::hostile();
    let hostile = "x\"><script>alert(1)</script> ]]> &\n::error::gone\r\n| [a](javascript:b) `c` # SKIP \x1b[2J \u{202e}\u{ffff}";
    for clause in &mut run.clauses {
        for violation in &mut clause.violations {
            for text in
                [&mut violation.seen, &mut violation.process, &mut violation.expected, &mut violation.kind]
            {
                *text = hostile.to_owned();
            }
        }
    }
    run.target = hostile.to_owned();
    run.evidence = vec![hostile.to_owned()];
    for (format, text) in all(&run) {
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains('\r'), "{format}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::error::gone")), "{format}");
        if format == "junit" || format == "summary" {
            assert!(!text.contains("<script") && !text.contains("x\">"), "{format}: {text}");
        }
        if format == "summary" {
            assert!(!text.contains("[a](") && !text.contains("`c`"), "{text}");
        }
        if format == "junit" {
            assert!(!text.contains('\u{ffff}') && !text.contains("]]>"), "{text}");
        }
        if format == "tap" {
            let directives = text
                .lines()
                .filter(|line| line.starts_with("not ok"))
                .filter(|line| line.contains(" # SKIP"));
            assert_eq!(directives.count(), 0, "{text}");
        }
    }
}

#[test]
fn with_a_baseline_only_what_got_worse_keeps_a_run_from_passing() {
    let open_or_broken = |before: &RunResult, now: &RunResult| {
        let comparison = Comparison::of(before, now, Level::Must);
        sample::with_evidence(b"", |evidence| {
            let cases = Cases::of(now, Level::Must, evidence, Some(&comparison));
            let counts = |case: &&Case<'_>| {
                matches!(case.outcome, Outcome::Broken(_) | Outcome::Failed(..) | Outcome::Open(..))
            };
            cases.all.iter().filter(counts).count()
        })
    };
    for run in [sample::failing(), sample::inconclusive(), sample::stale()] {
        assert_eq!(open_or_broken(&run, &run), 0);
        assert!(open_or_broken(&sample::passing(), &run) > 0);
    }
    let invalid = sample::invalid();
    assert!(open_or_broken(&invalid, &invalid) > 0, "what did not start is no pass");
}

#[test]
fn what_is_printed_inert_holds_no_command_beyond_its_own() {
    let text = annotations::inert("a\n::set-output name=x::y", "token");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("::stop-commands::token", "::token::"));
}

#[test]
fn annotations_name_clause_and_scenario_and_are_one_line_each() {
    let text = cases_of(&sample::failing(), Level::Must, annotations::annotations);
    assert!(
        text.lines().all(|line| line.starts_with("::error title=") || line.starts_with("::warning title="))
    );
    assert!(
        text.contains("::error title=hotspec%3A keep-alive.one-last-request in idle-last-request::"),
        "{text}"
    );
    assert_eq!(cases_of(&sample::passing(), Level::Must, annotations::annotations), "");
}

#[test]
fn an_issue_keeps_its_fingerprint_from_run_to_run_and_names_a_file_of_the_repository() {
    let issues = |run: &RunResult| -> Vec<serde_json::Value> {
        let text = cases_of(run, Level::Must, |cases| quality::quality(cases).expect("JSON"));
        serde_json::from_str(&text).expect("a list")
    };
    let mut later = sample::failing();
    for clause in &mut later.clauses {
        clause.violations.iter_mut().for_each(|violation| violation.at_us += 17);
    }
    later.seed += 1;
    let (one, other) = (issues(&sample::failing()), issues(&later));
    let prints = |issues: &[serde_json::Value]| -> BTreeSet<String> {
        issues.iter().map(|issue| issue["fingerprint"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(prints(&one), prints(&other));
    assert_eq!(prints(&one).len(), one.len(), "each has its own");
    for issue in &one {
        for key in ["description", "check_name", "severity"] {
            assert!(issue[key].is_string(), "{key}");
        }
        let path = issue["location"]["path"].as_str().expect("a path");
        assert!(!path.starts_with('/') && issue["location"]["lines"]["begin"] == 1, "{path}");
    }
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    assert_eq!(all(&sample::failing()), all(&sample::failing()));
}
