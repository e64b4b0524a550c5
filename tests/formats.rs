//! The formats of pipelines, written by the program and read by somebody else's parsers.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::Trial;
use predicates::prelude::*;
use serde_json::Value;

use crate::support::{PYTHON, Run, SOON, built, case, case_with, hotspec, run, tempdir};

/// A run of a server that kills what is in flight.
static FAILING: OnceLock<Run> = OnceLock::new();

pub fn trials() -> Vec<Trial> {
    vec![
        case_with(&[PYTHON], "JUnit is XML, and its counts are those of its elements", junit),
        case("TAP has as many lines as it plans, and fails where the run does", tap),
        case("GitLab gets a list of issues", gitlab),
        case(
            "in a workflow of GitHub's, annotations follow the report, and the job's page is added to",
            github,
        ),
        case("in a workflow, what is for programs alone stays so", github_json),
        case("a format that there is not is told with those that there are", unknown),
        case("an unwritable page of the job is told, and the report is there nevertheless", unwritable_page),
    ]
}

/// Removes what the cases shared.
pub fn end() {
    FAILING.get().into_iter().for_each(Run::remove);
}

/// One run of a server that kills what is in flight.
pub fn failing() -> &'static Run {
    FAILING.get_or_init(|| {
        let program =
            built("examples/saboteurs", "cargo build -p saboteurs --examples").display().to_string();
        let server = [&program, "in_flight_killed", "--listen", "{address}"];
        let words = ["in-flight-slow", "--idle-max", "1s", "--slow-path", "/slow?ms={ms}", "--"];
        let run = run(words.into_iter().chain(server));
        run.exits(1);
        run
    })
}

/// The stored run, judged again and reported in a format.
fn report(format: &str) -> String {
    let temp = tempdir();
    let file = temp.path().join("report");
    let mut command = hotspec(["check", "--report", &format!("{format}={}", file.display())]);
    command.arg(&failing().dir).env_remove("GITHUB_ACTIONS").assert().code(1);
    fs::read_to_string(&file).expect("a report")
}

fn junit() {
    // Counts elements, as whoever draws a page from it does.
    const COUNT: &str = "import sys, xml.etree.ElementTree as tree\n\
        root = tree.fromstring(sys.stdin.buffer.read())\n\
        for suite in [root, *root.iter('testsuite')]:\n\
        \x20   for name, tag in (('tests', 'testcase'), ('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):\n\
        \x20       if name in suite.attrib: assert int(suite.attrib[name]) == len(list(suite.iter(tag))), (suite.attrib, tag)\n\
        for case in root.iter('testcase'):\n\
        \x20   if case.find('failure') is not None: print(case.attrib['classname'], case.attrib['name'])\n";
    let temp = tempdir();
    let file = temp.path().join("junit.xml");
    fs::write(&file, report("junit")).expect("a copy");
    let read = fs::File::open(&file).expect("the copy");
    let output = Command::new("python3").args(["-c", COUNT]).stdin(read).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let failed = String::from_utf8_lossy(&output.stdout);
    assert!(failed.lines().any(|line| line == "in-flight-slow in-flight.slow-response"), "{failed}");
}

fn tap() {
    let text = report("tap");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan: usize =
        lines.next().and_then(|line| line.strip_prefix("1..")).and_then(|n| n.parse().ok()).expect("a plan");
    let tests: Vec<&str> =
        lines.filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).collect();
    assert_eq!(tests.len(), plan);
    assert!(
        tests
            .iter()
            .any(|line| line.starts_with("not ok")
                && line.ends_with("in-flight-slow: in-flight.slow-response"))
    );
}

fn gitlab() {
    let issues: Value = serde_json::from_str(&report("gitlab")).expect("JSON");
    let issues = issues.as_array().expect("a list");
    assert!(issues.iter().any(|issue| issue["check_name"] == "in-flight.slow-response"), "{issues:?}");
    assert!(issues.iter().all(|issue| issue["fingerprint"].as_str().is_some_and(|text| text.len() == 32)));
}

fn github() {
    let temp = tempdir();
    let page = temp.path().join("summary.md");
    fs::write(&page, "what another step said\n").expect("a page");
    let mut command = hotspec(["check"]);
    command.arg(&failing().dir).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &page);
    let output = command.assert().code(1).get_output().clone();
    let text = String::from_utf8_lossy(&output.stdout);
    let token =
        text.lines().next().and_then(|line| line.strip_prefix("::stop-commands::")).expect("commands stop");
    let (report, after) = text.split_once(&format!("\n::{token}::\n")).expect("commands go on");
    assert!(report.contains("FAIL: ") && !report.contains("::error"), "{report}");
    let expected = "::error title=hotspec%3A in-flight.slow-response in in-flight-slow::";
    assert!(after.lines().any(|line| line.starts_with(expected)), "{after}");
    let page = fs::read_to_string(&page).expect("the page");
    assert!(page.starts_with("what another step said\n### hotspec: ❌ fail\n"), "{page}");
    assert!(page.contains("| in-flight.slow-response | in-flight-slow | "), "{page}");
}

fn github_json() {
    let mut command = hotspec(["check", "--report", "json"]);
    command.arg(&failing().dir).env("GITHUB_ACTIONS", "true").env_remove("GITHUB_STEP_SUMMARY");
    let output = command.assert().code(1).get_output().clone();
    let parsed: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    assert_eq!(parsed["verdict"], "fail");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.lines().any(|line| line.starts_with("::error title=hotspec")), "{said}");
}

fn unknown() {
    let wanted =
        predicate::str::contains("expected one of human, json, html, junit, tap, markdown, github, gitlab");
    hotspec(["run", "--report", "xml"]).timeout(SOON).assert().code(64).stdout("").stderr(wanted);
}

fn unwritable_page() {
    let mut command = hotspec(["check"]);
    command
        .arg(&failing().dir)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", "/no-such-dir/page.md");
    let told = predicate::str::contains("failed to add to the job's page /no-such-dir/page.md");
    command.assert().code(70).stdout(predicate::str::contains("FAIL: ")).stderr(told);
}
