//! A server that wants to be more than text is judged and fails, and every report of it is harmless.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{PYTHON, Run, case_with, hotspec, run, schema, tempdir};

/// What a format has to be besides harmless.
type Check = fn(&str);

pub fn trials() -> Vec<Trial> {
    let python = [PYTHON];
    let mut trials = Vec::new();
    let formats: [(&str, Check); 9] = [
        ("human", |text| assert!(text.contains("FAIL"), "{text}")),
        ("json", json),
        ("ndjson", ndjson),
        ("junit", |text| parsed("junit", text)),
        ("tap", tap),
        ("markdown", markdown),
        ("github", github),
        ("gitlab", gitlab),
        ("html", |text| parsed("html", text)),
    ];
    for (format, check) in formats {
        let body = move || {
            let text = harmless(&report(format));
            assert!(text.contains("pwned"), "nothing that the server wrote is shown in {format}");
            check(&text);
        };
        trials.push(case_with(&python, format!("what a server writes is text in {format}"), body));
    }
    trials.push(case_with(&python, "what a server writes is text in colours", colours));
    trials.push(case_with(&python, "what a server writes is text on a terminal's two outputs", outputs));
    trials.push(case_with(&python, "what a server writes is no command in a workflow", workflow));
    trials.push(case_with(&python, "what a server writes is text in a comparison", comparison));
    trials.push(case_with(&python, "what a server writes is text in a matrix", matrix));
    trials
}

/// Removes what the cases shared.
pub fn end() {
    RUN.get().into_iter().for_each(Run::remove);
}

static RUN: OnceLock<Run> = OnceLock::new();

/// Its run: in use on connections, asked while it drains, and made to fail.
fn hostile() -> &'static Run {
    RUN.get_or_init(|| {
        let temp = tempdir();
        let target = target(temp.path());
        let scenarios = ["keep-alive-traffic", "in-flight-slow", "failing-start"];
        let words = ["--idle-max", "2s", "--again", "0", "--level", "should", "--target"].map(str::to_owned);
        let words = words.into_iter().chain([target.display().to_string()]);
        let run = run(words.chain(scenarios.map(str::to_owned)));
        run.exits(1);
        run
    })
}

/// The target file, in a directory.
fn target(dir: &Path) -> PathBuf {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile/server.py");
    let server = fs::canonicalize(server).expect("the server");
    // A process is named by what it was executed as.
    let python = dir.join("<u>\u{1b}[2J|`\"pwned");
    symlink(python3(), &python).expect("a link");
    let program = [python.display().to_string(), server.display().to_string()];
    let words = |words: &[&str]| {
        let words: Vec<&str> = program.iter().map(String::as_str).chain(words.iter().copied()).collect();
        // A string of JSON is one of TOML too.
        serde_json::to_string(&words).expect("JSON")
    };
    let text = format!(
        "name = \"hostile\"\ntitle = \"a server\"\nprofile = \"reload\"\nstart = {}\n\
         version = {}\n[[restart]]\nsignal = \"HUP\"\n\
         [endpoints]\nfast = \"/\"\nslow = \"/slow?ms={{ms}}\"\n[successor]\nflag = \"--socket\"\n",
        words(&["--listen", "{address}"]),
        words(&["--version"]),
    );
    let path = dir.join("hostile.toml");
    fs::write(&path, text).expect("a target file");
    path
}

/// The interpreter itself: what is in `PATH` may be a script that looks for it by its own name.
fn python3() -> PathBuf {
    let words = ["-c", "import os, sys; print(os.path.realpath(sys.executable))"];
    let output = Command::new("python3").args(words).output().expect("python3 starts");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The stored run, judged again and reported in a format.
fn report(format: &str) -> Vec<u8> {
    let temp = tempdir();
    let file = temp.path().join("report");
    let mut command = hotspec(["check", "--report", &format!("{format}={}", file.display())]);
    command.arg(&hostile().dir).env_remove("GITHUB_ACTIONS").assert().code(1);
    fs::read(&file).expect("a report")
}

/// Nothing in it steers a terminal, reorders its neighbours or can't be seen.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    for line in text.lines() {
        assert!(!line.contains(steers), "{line:?}");
    }
    text
}

/// By the parser of somebody else.
fn parsed(kind: &str, text: &str) {
    let temp = tempdir();
    let file = temp.path().join("report");
    fs::write(&file, text).expect("a copy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile/page.py");
    let output = Command::new("python3").arg(script).arg(kind).arg(&file).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if kind == "html" {
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2", "data, and the page's own script");
    }
}

fn json(text: &str) {
    let report = schema::report().holds(text);
    // A parser gets what was seen, escape sequences and all.
    let violations =
        report["clauses"].as_array().expect("clauses").iter().map(|clause| &clause["violations"]);
    let seen: Vec<String> = violations.map(Value::to_string).collect();
    assert!(seen.iter().any(|seen| seen.contains("pwned")), "{seen:?}");
    assert!(
        report["version"].as_str().is_some_and(|version| version.contains("pwned")),
        "{}",
        report["version"]
    );
}

fn ndjson(text: &str) {
    let kinds: Vec<String> =
        text.lines().map(|line| schema::events().holds(line)["event"].to_string()).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("\"run-begun\""));
    assert_eq!(kinds.last().map(String::as_str), Some("\"run-over\""));
}

fn tap(text: &str) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    for line in lines {
        let own = ["ok ", "not ok ", "1..", "  ", "#"].iter().any(|begin| line.starts_with(begin));
        assert!(own && !line.starts_with("Bail out!"), "{line}");
        let directive =
            line.starts_with("not ok ") && (line.contains("# SKIP") || line.contains("# TODO pwned"));
        assert!(!directive, "{line}");
    }
}

/// Everything of it that GitHub's Markdown would take for more than text stands behind a backslash or as an entity.
fn markdown(text: &str) {
    for line in text.lines() {
        let own = ["<details>", "</details>", "<summary>", "</summary>"];
        let rest = own.iter().fold(line.to_owned(), |line, tag| line.replace(tag, ""));
        assert!(!rest.contains('<') && !rest.contains("](javascript"), "{line}");
        if line.starts_with('|') {
            let bare = line.replace("\\\\", "").replace("\\|", "").replace("\\`", "");
            let cells = bare.matches('|').count();
            assert!((3..=7).contains(&cells), "{cells} cells: {line}");
            assert_eq!(bare.matches('`').count() % 2, 0, "{line}");
        }
    }
    let tables = text.split("\n\n").filter(|part| part.contains("|"));
    for table in tables {
        let rows = table.lines().filter(|line| line.starts_with('|'));
        let cells: Vec<usize> =
            rows.map(|row| row.replace("\\\\", "").replace("\\|", "").matches('|').count()).collect();
        assert!(cells.windows(2).all(|two| two[0] == two[1]), "{table}");
    }
}

fn github(text: &str) {
    for line in text.lines() {
        let own = ["::error title=hotspec", "::warning title=hotspec"];
        assert!(own.iter().any(|begin| line.starts_with(begin)), "{line}");
    }
}

fn gitlab(text: &str) {
    let issues: Value = serde_json::from_str(text).expect("JSON");
    assert!(issues.as_array().is_some_and(|issues| !issues.is_empty()));
}

/// With the report's own colours taken away nothing is left that steers, and the rest is what a pipe gets.
fn colours() {
    let mut command = hotspec(["check"]);
    command
        .arg(&hostile().dir)
        .env_remove("GITHUB_ACTIONS")
        .env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1");
    let output = command.assert().code(1).get_output().clone();
    let coloured = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(coloured.contains("\x1b["), "no colour: {coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').expect("an end");
        assert!(
            after[end..].starts_with('m'),
            "a sequence that is no colour: {:?}",
            &after[..after.len().min(20)]
        );
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    assert!(harmless(plain.as_bytes()).contains("pwned"));
}

/// What the run itself said, while it went on and in the end.
fn outputs() {
    let run = hostile();
    harmless(run.stdout.as_bytes());
    harmless(run.stderr.as_bytes());
    assert!(run.stdout.contains("pwned"));
}

/// The report for people stands where commands are stopped; what follows are hotspec's own.
fn workflow() {
    let temp = tempdir();
    let page = temp.path().join("summary.md");
    let mut command = hotspec(["check"]);
    command.arg(&hostile().dir).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &page);
    let output = command.assert().code(1).get_output().clone();
    let text = harmless(&output.stdout);
    let token =
        text.lines().next().and_then(|line| line.strip_prefix("::stop-commands::")).expect("commands stop");
    let (_, after) = text.split_once(&format!("\n::{token}::\n")).expect("commands go on");
    github(after.trim_end());
    markdown(&harmless(&fs::read(&page).expect("the page")));
}

fn comparison() {
    let results = hostile().dir.join("results.json");
    let fixed = tempdir();
    let before = fixed.path().join("before.json");
    let mut report: Value = serde_json::from_str(&hostile().json).expect("JSON");
    for clause in report["clauses"].as_array_mut().expect("clauses") {
        clause["verdict"] = "pass".into();
        clause["violations"] = Value::Array(Vec::new());
    }
    report["verdict"] = "pass".into();
    fs::write(&before, report.to_string()).expect("a report of mine");
    for format in ["table", "json"] {
        let mut command = hotspec(["diff", "--level", "should", "--format", format]);
        let output = command.arg(&before).arg(&results).assert().code(1).get_output().clone();
        assert!(harmless(&output.stdout).contains("process.clean-log"), "{format}");
        harmless(&output.stderr);
    }
}

fn matrix() {
    let temp = tempdir();
    let mut command = hotspec(["matrix", "--runs", "1", "--only", "keep-alive-traffic", "--out"]);
    command.arg(temp.path().join("out")).arg(target(temp.path()));
    let output = command.assert().code(1).get_output().clone();
    harmless(&output.stdout);
    harmless(&output.stderr);
    let file = |name: &str| harmless(&fs::read(temp.path().join("out").join(name)).expect("a table"));
    let page = file("matrix.html");
    assert!(!page.contains("<script>pwned") && !page.contains("<img") && !page.contains("<u>"), "{page}");
    let table = file("matrix.md").replace("\\\\", "").replace("\\]", "");
    assert!(!table.contains("<script") && !table.contains("](javascript"), "{table}");
    let _: Value = serde_json::from_str(&file("matrix.json")).expect("JSON");
}
