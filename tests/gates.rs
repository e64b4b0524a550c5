//! The gates of `ci/`, each run as its CI runs it, in a project of its own: they let the reference through, and stop a saboteur.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::support::{HOTSPEC, built, case, case_with, tempdir, thorough};

/// What lints scripts.
const SHELLCHECK: (&str, &str) = ("shellcheck", "apt-get install shellcheck");
/// The only scenario that these servers are put through, so that it does not take long.
const ARGUMENTS: &str = "in-flight-slow --idle-max 1s --slow-path '/slow?ms={ms}'";

pub fn trials() -> Vec<Trial> {
    vec![
        thorough(case("the plain script lets the reference through and stops a saboteur", || both(plain))),
        thorough(case("the action of GitHub's lets the reference through and stops a saboteur", || {
            both(github)
        })),
        thorough(case("the job of GitLab's lets the reference through and stops a saboteur", || {
            both(gitlab)
        })),
        case("the plain script says what it lacks", nothing_there),
        case("the action is given a command or a target", two_servers),
        case_with(&[SHELLCHECK], "shellcheck finds nothing in the scripts", linted),
    ]
}

fn ci(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci").join(name)
}

/// A project that builds a server, outside of this one.
struct Project {
    dir: TempDir,
    command: &'static str,
}

impl Project {
    fn new(is_faulty: bool) -> Self {
        let dir = tempdir();
        let server = if is_faulty {
            built("examples/saboteurs", "cargo build -p saboteurs --examples")
        } else {
            built("reference-server", "cargo build -p reference-server")
        };
        symlink(server, dir.path().join("server")).expect("a link");
        let command = if is_faulty {
            "./server in_flight_killed --listen {address}"
        } else {
            "./server --listen {address}"
        };
        Self { dir, command }
    }

    /// A command in its directory, with hotspec in `PATH` and nothing that tells of another CI.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let bin = Path::new(HOTSPEC).parent().expect("a directory");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env("PATH", path).env("NO_COLOR", "1");
        for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        command
    }

    fn read(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// What a gate left is that of its verdict.
fn both(gate: fn(&Project) -> Output) {
    for (is_faulty, status, verdict) in [(false, 0, "pass"), (true, 1, "fail")] {
        let project = Project::new(is_faulty);
        let output = gate(&project);
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(if is_faulty { "FAIL: " } else { "PASS: " }), "{said}");
        let results: serde_json::Value =
            serde_json::from_str(&project.read("hotspec-report/results.json")).expect("JSON");
        assert_eq!(results["verdict"], verdict);
        assert_eq!(project.read("hotspec-report/junit.xml").contains("<failure "), is_faulty);
        let quality = project.read("hotspec-report/code-quality.json");
        assert_eq!(quality.contains("in-flight.slow-response"), is_faulty, "{quality}");
        assert!(project.dir.path().join("hotspec-report/run/manifest.json").exists());
    }
}

fn plain(project: &Project) -> Output {
    let mut command = project.command("sh");
    let words = format!("exec \"$0\" {ARGUMENTS} -- {}", project.command);
    command.arg("-c").arg(words).arg(ci("gate"));
    command.output().expect("sh starts")
}

/// As the runner does it: the step's environment is what the action's file makes of the inputs.
fn github(project: &Project) -> Output {
    let action = fs::read_to_string(ci("action.yml")).expect("the action");
    let (outputs, summary) = (project.dir.path().join("outputs"), project.dir.path().join("summary.md"));
    let run = line_of(&action, "run: ");
    let mut command = project.command("bash");
    command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", run.trim_matches('\'')]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_ACTION_PATH", ci("").as_os_str());
    command.env("GITHUB_OUTPUT", &outputs).env("GITHUB_STEP_SUMMARY", &summary);
    let given = [("command", project.command), ("arguments", ARGUMENTS), ("out", "hotspec-report")];
    for line in action.lines().map(str::trim).filter(|line| line.starts_with("INPUT_")) {
        let (name, value) = line.split_once(": ${{ inputs.").expect("an input");
        let input = value.trim_end_matches(" }}");
        let value = given.iter().find(|(name, _)| *name == input).map_or("", |(_, value)| *value);
        command.env(name, value);
    }
    let output = command.output().expect("bash starts");
    let status = output.status.code().unwrap_or(-1);
    let verdict = if status == 0 { "pass" } else { "fail" };
    let written = project.read("outputs");
    assert_eq!(written, format!("status={status}\nverdict={verdict}\nreport=hotspec-report\n"));
    assert!(project.read("summary.md").contains(&format!(" {verdict}\n")), "{}", project.read("summary.md"));
    let annotated = String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("::error "));
    assert_eq!(annotated, status != 0);
    output
}

/// GitLab's runner makes one script of a job's lines.
fn gitlab(project: &Project) -> Output {
    let job = fs::read_to_string(ci("gitlab.yml")).expect("the job");
    let script: Vec<&str> = job
        .lines()
        .skip_while(|line| *line != "  script:")
        .skip(1)
        .map_while(|line| line.strip_prefix("    - "))
        .collect();
    assert!(script.len() > 1, "{script:?}");
    let mut command = project.command("sh");
    command.arg("-e").arg("-c").arg(script.join("\n")).env("HOTSPEC_OUT", line_of(&job, "HOTSPEC_OUT: "));
    command.env("HOTSPEC_ARGUMENTS", format!("{ARGUMENTS} -- {}", project.command));
    command.output().expect("sh starts")
}

/// The rest of the one line that begins so.
fn line_of<'a>(text: &'a str, begin: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(begin));
    let line = lines.next().expect(begin);
    assert_eq!(lines.next(), None, "one line with {begin}");
    line
}

fn nothing_there() {
    let project = Project::new(false);
    let mut command = project.command("/bin/sh");
    command.arg(ci("gate")).env("HOTSPEC", "no-such-program");
    let output = command.output().expect("sh starts");
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no program no-such-program"), "{said}");
}

fn two_servers() {
    let project = Project::new(false);
    let mut command = project.command("sh");
    command.arg(ci("action.sh")).env("INPUT_COMMAND", "./server").env("INPUT_TARGET", "nginx");
    let output = command.output().expect("sh starts");
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected a command or a target, found both"));
}

fn linted() {
    let output = Command::new("shellcheck")
        .args(["gate", "action.sh", "install-targets", "../.ci/run"].map(ci))
        .output();
    let output = output.expect("shellcheck starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
