//! What makes hotspec easy to begin with and to type: a target file to begin with, completions, manual pages, colour and width.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Trial;
use predicates::prelude::*;

use crate::support::{HOTSPEC, SOON, case, case_with, hotspec, tempdir, text};

const BASH: (&str, &str) = ("bash", "apt-get install bash");
const ZSH: (&str, &str) = ("zsh", "apt-get install zsh");
const FISH: (&str, &str) = ("fish", "apt-get install fish");
const GROFF: (&str, &str) = ("groff", "apt-get install groff");
const SCRIPT: (&str, &str) = ("script", "apt-get install bsdutils");

/// Each with a page of its own.
const VERBS: [&str; 15] = [
    "check",
    "completions",
    "diff",
    "doctor",
    "explain",
    "init",
    "list",
    "man",
    "matrix",
    "merge",
    "run",
    "schema",
    "selftest",
    "serve",
    "soak",
];

pub fn trials() -> Vec<Trial> {
    vec![
        case("what init writes is run in its directory by run alone, and passes", init_and_run),
        case("init replaces no file unless it is told to", init_replaces_nothing),
        case("a command or a target goes before the file that is there", file_is_last),
        case("a file that is there and wrong is told with its line", wrong_file),
        case_with(&[BASH], "bash completes verbs, targets, scenarios and clauses", bash),
        case_with(&[ZSH], "zsh takes its completions", || takes("zsh")),
        case_with(&[FISH], "fish takes its completions", || takes("fish")),
        case_with(&[FISH], "fish completes verbs", fish),
        case("there is a page for each verb", pages),
        case_with(&[GROFF], "pages are set without a warning", pages_are_sound),
        case("colour follows the option, then the environment", colour),
        case_with(&[SCRIPT], "a terminal has colours and its own width", terminal),
        case("COLUMNS says how wide a report is", columns),
    ]
}

fn init(dir: &Path, words: &[&str]) -> Output {
    hotspec(["init"]).args(words).current_dir(dir).timeout(SOON).output().expect("hotspec starts")
}

fn init_and_run() {
    let temp = tempdir();
    let written = init(temp.path(), &["--", HOTSPEC, "serve", "--listen", "{address}"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    assert!(text(&written.stdout).contains("hotspec run core"), "{}", text(&written.stdout));
    let dir = temp.path().join("run");
    let mut command =
        hotspec(["run", "queued-at-trigger", "half-sent-head", "--idle-max", "3s", "--run-dir"]);
    let output = command.arg(&dir).current_dir(temp.path()).output().expect("hotspec starts");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(
        said.starts_with("PASS: hotspec ") && said.contains("the target is that of hotspec.toml"),
        "{said}"
    );
}

fn init_replaces_nothing() {
    let temp = tempdir();
    let file = temp.path().join("hotspec.toml");
    fs::write(&file, "mine").expect("a file");
    let refused = init(temp.path(), &[]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(
        text(&refused.stderr).contains("hotspec.toml is there already; --force"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(fs::read_to_string(&file).expect("the file"), "mine");
    assert_eq!(init(temp.path(), &["--force"]).status.code(), Some(0));
    assert!(fs::read_to_string(&file).expect("the file").contains("[[restart]]"));
    let nowhere = init(temp.path(), &["no/such/place.toml"]);
    assert_eq!(nowhere.status.code(), Some(64));
    assert!(
        text(&nowhere.stderr).contains("failed to write no/such/place.toml"),
        "{}",
        text(&nowhere.stderr)
    );
}

fn file_is_last() {
    let temp = tempdir();
    assert_eq!(
        init(temp.path(), &["--restart", "USR2", "--", "./of-the-file", "{address}"]).status.code(),
        Some(0)
    );
    let plan = |words: &[&str]| {
        let mut command = hotspec(["run", "half-sent-head", "--dry-run"]);
        text(&command.args(words).current_dir(temp.path()).timeout(SOON).assert().code(0).get_output().stdout)
    };
    let of_file = plan(&[]);
    assert!(of_file.contains("of-the-file (hotspec.toml)") && of_file.contains("SIGUSR2"), "{of_file}");
    assert!(plan(&["--target", "reference"]).contains("target     reference\n"));
    assert!(plan(&["--", "./typed", "{address}"]).contains("start      ./typed {address}"));
}

fn wrong_file() {
    let temp = tempdir();
    fs::write(temp.path().join("hotspec.toml"), "name = \"x\"\nprofile = 3\n").expect("a file");
    let mut command = hotspec(["run", "--dry-run"]);
    command
        .current_dir(temp.path())
        .timeout(SOON)
        .assert()
        .code(65)
        .stderr(predicate::str::contains("hotspec.toml:2: "));
}

fn completions(shell: &str) -> String {
    text(&hotspec(["completions", shell]).timeout(SOON).assert().code(0).get_output().stdout)
}

/// What a shell says to a script.
fn shell(words: &[&str], script: &str) -> String {
    let output = Command::new(words[0]).args(&words[1..]).arg(script).output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn bash() {
    let temp = tempdir();
    let file = temp.path().join("hotspec.bash");
    fs::write(&file, completions("bash")).expect("a file");
    // As readline calls it: the function that `complete` names, with the words up to the cursor.
    let completed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "source {}; f=$(complete -p hotspec | sed 's/.*-F \\([^ ]*\\).*/\\1/'); COMP_WORDS=({line}); COMP_CWORD={}; \
             \"$f\" hotspec '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display(),
            words.len() - 1
        );
        let said = shell(&["bash", "--norc", "-c"], &script);
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("hotspec r"), ["run"]);
    assert_eq!(completed("hotspec run --target haproxy-c"), ["haproxy-cold"]);
    assert_eq!(completed("hotspec run half-sent-h"), ["half-sent-head"]);
    assert_eq!(completed("hotspec explain keep-alive.one-last"), ["keep-alive.one-last-request"]);
    assert_eq!(completed("hotspec run --dry"), ["--dry-run"]);
}

fn takes(shell: &str) {
    let temp = tempdir();
    let file = temp.path().join("completions");
    fs::write(&file, completions(shell)).expect("a file");
    let output = Command::new(shell).arg("-n").arg(&file).output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

fn fish() {
    let temp = tempdir();
    let file = temp.path().join("hotspec.fish");
    fs::write(&file, completions("fish")).expect("a file");
    let said = shell(
        &["fish", "--no-config", "-c"],
        &format!("source {}; complete -C 'hotspec ru'", file.display()),
    );
    assert!(said.starts_with("run\t"), "{said}");
}

fn pages() {
    let temp = tempdir();
    hotspec(["man"]).arg(temp.path()).timeout(SOON).assert().code(0).stdout("");
    let mut names: Vec<String> = fs::read_dir(temp.path())
        .expect("pages")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut expected: Vec<String> = VERBS.iter().map(|verb| format!("hotspec-{verb}.1")).collect();
    expected.push("hotspec.1".to_owned());
    assert_eq!(names, expected);
    let main = fs::read_to_string(temp.path().join("hotspec.1")).expect("a page");
    assert!(VERBS.iter().all(|verb| main.contains(&format!("hotspec\\-{verb}(1)"))), "{main}");
    assert_eq!(text(&hotspec(["man"]).timeout(SOON).assert().code(0).get_output().stdout), main);
}

fn pages_are_sound() {
    let temp = tempdir();
    hotspec(["man"]).arg(temp.path()).timeout(SOON).assert().code(0);
    for entry in fs::read_dir(temp.path()).expect("pages").flatten() {
        let output =
            Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(entry.path()).output().expect("groff");
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
        assert!(!output.stdout.is_empty(), "{}", entry.path().display());
    }
}

fn colour() {
    for (words, variables, coloured) in [
        (&["--color", "always"][..], &[("NO_COLOR", "1")][..], true),
        (&["--color=never"], &[("CLICOLOR_FORCE", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[], &[], false),
    ] {
        let mut command = hotspec(["explain", "drain.exits"]);
        command
            .args(words)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .envs(variables.iter().copied());
        let said = text(&command.timeout(SOON).assert().code(0).get_output().stdout);
        assert_eq!(said.contains('\x1b'), coloured, "{words:?} {variables:?}");
    }
}

/// What is said on a terminal of so many columns, of this kind.
fn on_terminal(columns: u32, kind: &str) -> String {
    let typed = format!("stty cols {columns} rows 24; exec {HOTSPEC} explain drain.exits");
    let mut command = Command::new("script");
    command.args(["-qec", &typed, "/dev/null"]).env("TERM", kind);
    // CI counts as a wish for colours, on whatever terminal.
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "COLUMNS", "CI"] {
        command.env_remove(name);
    }
    let output = command.stdin(std::process::Stdio::null()).output().expect("script starts");
    text(&output.stdout)
}

/// Columns of the widest line.
fn widest(text: &str) -> usize {
    text.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or_default()
}

fn terminal() {
    assert!(on_terminal(80, "xterm-256color").contains('\x1b'));
    for columns in [60, 80, 120] {
        let said = on_terminal(columns, "dumb");
        assert!(!said.contains('\x1b'), "a terminal that is dumb: {said}");
        let widest = widest(&said);
        let columns = columns as usize;
        assert!(widest <= columns && widest > columns - 20, "{widest} of {columns}:\n{said}");
    }
}

fn columns() {
    for columns in [60, 120] {
        let mut command = hotspec(["explain", "drain.exits"]);
        command.env("COLUMNS", columns.to_string()).timeout(SOON);
        let widest = widest(&text(&command.assert().code(0).get_output().stdout));
        assert!(widest <= columns && widest > columns - 20, "{widest} of {columns}");
    }
    hotspec(["explain", "drain.exits"]).env("COLUMNS", "wide").timeout(SOON).assert().code(0);
}
