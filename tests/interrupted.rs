//! A run that is broken off, a disk that is full, a reader that goes away: it is told, the exit status says it, and nothing that was
//! there is lost.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::formats::failing;
use crate::support::permission::{UNSHARE, is_possible};
use crate::support::{HOTSPEC, PATIENCE, PYTHON, SOON, case, case_with, eventually, schema, tempdir, text};

/// Before a command: it mounts what nobody else sees.
const OWN_MOUNTS: &str = "unshare --user --map-root-user --mount";
/// Its first restart comes soon, and the old generation then waits for idle connections.
const SCENARIO: &str = "new-connections";
const EARLIER: &str = "the report of an earlier run\n";

pub fn trials() -> Vec<Trial> {
    let needs_mounts = |trial: Trial| {
        if is_possible(OWN_MOUNTS) {
            trial
        } else {
            trial.with_kind("needs a mount namespace").with_ignored_flag(true)
        }
    };
    vec![
        case_with(&[PYTHON], "Ctrl-C leaves every report whole, and they say that it was broken off", ctrl_c),
        case("a second Ctrl-C leaves reports as they were, and the lines that there are", second_ctrl_c),
        case("a run can be watched while it goes on, and every line is as its schema says", watched),
        case(
            "a full disk keeps one report from being written, and neither the others nor the verdict",
            full_report,
        ),
        case("a full disk behind standard output or standard error is no panic", full_outputs),
        needs_mounts(case_with(
            &[UNSHARE],
            "where a report does not fit the earlier one stays",
            earlier_stays,
        )),
        needs_mounts(case_with(
            &[UNSHARE],
            "a run directory that is full is told, with the verdict",
            full_run_dir,
        )),
        case("a reader that goes away changes neither the run nor its status", closed_pipe),
        case("reports are untouched where the run is refused", refused),
        case("two reports to one file are refused", twice),
    ]
}

/// A `hotspec run` that goes on, with a report in each of these formats.
struct Going {
    child: Child,
    temp: TempDir,
}

impl Going {
    fn new(formats: &[&str]) -> Self {
        let temp = tempdir();
        let mut command = Command::new(HOTSPEC);
        command.args(["run", SCENARIO, "--idle-max", "3s", "--run-dir"]).arg(temp.path().join("run"));
        for format in formats {
            let path = temp.path().join(format);
            fs::write(&path, EARLIER).expect("an earlier report");
            command.arg(format!("--report={format}={}", path.display()));
        }
        let output = |name: &str| Stdio::from(File::create(temp.path().join(name)).expect("a file"));
        command
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("GITHUB_ACTIONS")
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            // A group of its own, so that a signal to it does not reach the tests.
            .process_group(0);
        Self { child: command.spawn().expect("hotspec starts"), temp }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.temp.path().join(name)).unwrap_or_default()
    }

    /// The complete lines so far, each as its schema says.
    fn lines(&self) -> Vec<Value> {
        let text = self.text("ndjson");
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| schema::events().holds(line))
            .collect()
    }

    /// Waits until the lines tell of the trigger.
    fn until_t0(&mut self) {
        eventually("the trigger", SOON, || {
            assert!(
                self.child.try_wait().expect("a child of mine").is_none(),
                "it ended: {}",
                self.text("stderr")
            );
            self.lines().iter().any(|line| line["instant"] == "T0").then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        killpg(group, signal).expect("a signal can be sent");
    }

    /// After a signal: soon. By itself: as any run.
    fn ended(&mut self, within: Duration) -> Option<i32> {
        eventually("its end", within, || self.child.try_wait().expect("a child of mine")).code()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // For a test that failed: no harm if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ctrl_c() {
    let formats = ["json", "junit", "html", "ndjson", "tap", "markdown", "gitlab", "human"];
    let mut going = Going::new(&formats);
    going.until_t0();
    going.signal(Signal::SIGINT);
    assert_eq!(going.ended(SOON), Some(130));
    for format in formats {
        assert!(!going.text(format).contains(EARLIER), "{format} is still of the earlier run");
    }
    let report = schema::report().holds(&going.text("json"));
    assert_eq!((&report["interrupted"], &report["verdict"]), (&true.into(), &"inconclusive".into()));
    let lines = going.lines();
    let over = lines.iter().find(|line| line["event"] == "scenario-over").expect("the scenario is over");
    assert_eq!((&over["ended"], &over["restarts"]), (&"interrupted".into(), &1.into()));
    let last = lines.last().expect("a last line");
    assert_eq!((&last["event"], &last["interrupted"]), (&"run-over".into(), &true.into()));
    assert_eq!(last["status"], 130);
    assert!(going.text("html").ends_with("</html>\n") && going.text("html").contains("broken off"));
    assert!(going.text("tap").lines().any(|line| line.starts_with("not ok")), "{}", going.text("tap"));
    for format in ["human", "markdown"] {
        assert!(going.text(format).contains("broken off"), "{}", going.text(format));
    }
    let _: Value = serde_json::from_str(&going.text("gitlab")).expect("JSON");
    let words = ["-c", "import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])"];
    let parsed = Command::new("python3").args(words).arg(going.temp.path().join("junit")).status();
    assert!(parsed.expect("python3 starts").success());
    assert!(going.text("stderr").contains("breaking off"), "{}", going.text("stderr"));
    assert!(going.text("stdout").contains("broken off"), "{}", going.text("stdout"));
}

fn second_ctrl_c() {
    let mut going = Going::new(&["json", "ndjson"]);
    going.until_t0();
    // Signals of one number do not queue: the second is of the other kind, which means the same.
    going.signal(Signal::SIGINT);
    going.signal(Signal::SIGTERM);
    assert_eq!(going.ended(SOON), Some(130));
    assert!(going.text("stderr").contains("at once"), "{}", going.text("stderr"));
    let lines = going.lines();
    assert!(lines.iter().all(|line| line["event"] != "run-failed"));
    // It may have come to its end before the second was heard.
    if lines.iter().all(|line| line["event"] != "run-over") {
        assert_eq!(going.text("json"), EARLIER);
    }
    assert!(going.text("ndjson").ends_with('\n'), "a line is cut: {}", going.text("ndjson"));
}

fn watched() {
    let mut going = Going::new(&["ndjson", "json"]);
    going.until_t0();
    assert_eq!(going.text("json"), EARLIER, "nothing was judged yet");
    assert_eq!(going.ended(PATIENCE), Some(0), "{}", going.text("stderr"));
    let lines = going.lines();
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events.iter().take(2).copied().collect::<Vec<_>>(), ["run-begun", "scenario-begun"]);
    // What was too slow to tell was attempted again.
    let attempts = events.iter().filter(|event| **event == "scenario-begun").count();
    for attempt in 1..=attempts {
        let of_attempt = lines.iter().filter(|line| line["attempt"].as_u64() == u64::try_from(attempt).ok());
        let instants: Vec<&str> = of_attempt.filter_map(|line| line["instant"].as_str()).collect();
        for instant in ["T0", "Tr", "Td", "Tx"] {
            assert_eq!(instants.iter().filter(|one| **one == instant).count(), 1, "{instants:?}");
        }
    }
    let report = schema::report().holds(&going.text("json"));
    let clauses = lines.iter().filter(|line| line["event"] == "clause");
    let told: Vec<(&Value, &Value)> = clauses.map(|line| (&line["id"], &line["verdict"])).collect();
    let listed = report["clauses"].as_array().expect("clauses");
    assert_eq!(told, listed.iter().map(|one| (&one["id"], &one["verdict"])).collect::<Vec<_>>());
    let times = lines.iter().filter_map(|line| line["at_us"].as_u64()).collect::<Vec<_>>();
    assert!(times.len() > 5 && times.is_sorted(), "one scenario tells in the order of time: {times:?}");
    let last = lines.last().expect("a last line");
    assert_eq!((&last["event"], &last["status"]), (&"run-over".into(), &0.into()));
}

/// `hotspec check` of a run that failed, with these words.
fn check(words: &[String]) -> Output {
    let mut command = Command::new(HOTSPEC);
    command.arg("check").arg(&failing().dir).args(words).env_remove("GITHUB_ACTIONS");
    command.output().expect("hotspec starts")
}

fn full_report() {
    let temp = tempdir();
    let junit = temp.path().join("junit.xml");
    for format in ["json", "ndjson", "html"] {
        let words = [format!("--report={format}=/dev/full"), format!("--report=junit={}", junit.display())];
        let output = check(&words);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(70), "{stderr}");
        assert!(stdout.starts_with("FAIL: "), "the verdict is told: {stdout}");
        assert!(
            stderr.contains("failed to write /dev/full: No space left") && stderr.contains("make room"),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(fs::read_to_string(&junit).is_ok_and(|text| text.ends_with("</testsuites>\n")), "{format}");
        fs::remove_file(&junit).expect("a report");
    }
}

fn full_outputs() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").expect("/dev/full"));
    let run_dir = failing().dir.display().to_string();
    let cases: [(&[&str], i32); 4] = [
        (&["check", &run_dir], 70),
        (&["check", &run_dir, "--report", "json"], 70),
        (&["list", "clauses"], 70),
        (&["schema", "report"], 70),
    ];
    for (words, status) in cases {
        let output = Command::new(HOTSPEC).args(words).stdout(full()).output().expect("hotspec starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {stderr}");
        assert!(stderr.contains("failed to write to standard output: No space left"), "{stderr}");
    }
    // What is not printed is on the page of the job all the same.
    let temp = tempdir();
    let page = temp.path().join("summary.md");
    let mut command = Command::new(HOTSPEC);
    command.args(["check", &run_dir]).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &page);
    let ended = command.stdout(full()).stderr(Stdio::null()).status().expect("hotspec starts");
    assert_eq!(ended.code(), Some(70));
    assert!(fs::read_to_string(&page).is_ok_and(|text| text.contains("❌ fail")), "nothing is on the page");
    let cases: [(&[&str], i32); 3] =
        [(&["check", "/no/such/run"], 65), (&["run", "--no-such-flag"], 64), (&["check", &run_dir], 1)];
    for (words, status) in cases {
        let mut command = Command::new(HOTSPEC);
        let ended =
            command.args(words).stdout(Stdio::null()).stderr(full()).status().expect("hotspec starts");
        assert_eq!(ended.code(), Some(status), "{words:?}");
    }
}

/// A script with a small file system of its own at `$1`.
fn on_small_disk(size: &str, script: &str, arguments: &[&Path]) -> Output {
    let temp = tempdir();
    let script = format!("mount -t tmpfs -o size={size} none \"$1\" && {script}");
    let words = OWN_MOUNTS.split(' ').chain(["sh", "-c", &script, HOTSPEC]);
    let mut command = Command::new("env");
    command.args(words).arg(temp.path()).args(arguments).env_remove("GITHUB_ACTIONS");
    command.output().expect("unshare starts")
}

fn earlier_stays() {
    let script = "echo 'the report of an earlier run' > \"$1/page.html\" && { \"$0\" check \"$2\" --report html=\"$1/page.html\"; \
                  echo \"status $?\"; cat \"$1/page.html\"; ls -A \"$1\"; }";
    let output = on_small_disk("16k", script, &[&failing().dir]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let expected = format!("status 70\n{EARLIER}page.html\n");
    assert!(stdout.starts_with("FAIL: ") && stdout.ends_with(&expected), "{stdout}{stderr}");
    assert!(stderr.contains("page.html: No space left"), "{stderr}");
}

fn full_run_dir() {
    let temp = tempdir();
    let report = |name: &str| -> PathBuf { temp.path().join(name) };
    let script = "{ \"$0\" run new-connections --idle-max 2s --again 0 --run-dir \"$1/run\" \
                  --report json=\"$2\" --report ndjson=\"$3\"; echo \"status $?\"; }";
    let output = on_small_disk("128k", script, &[&report("json"), &report("ndjson")]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(stdout.starts_with("ERROR: ") && stdout.ends_with("status 70\n"), "{stdout}{stderr}");
    assert!(stderr.contains("history/new-connections.ndjson: No space left"), "{stderr}");
    assert!(stderr.contains("--run-dir"), "{stderr}");
    let json = schema::report().holds(&fs::read_to_string(report("json")).expect("a report"));
    assert_eq!((&json["verdict"], &json["interrupted"]), (&"error".into(), &false.into()));
    assert_eq!(json["problems"][0]["stage"], "harness");
    let lines = fs::read_to_string(report("ndjson")).expect("lines");
    let lines: Vec<Value> = lines.lines().map(|line| schema::events().holds(line)).collect();
    assert!(lines.iter().any(|line| line["ended"] == "failed-in-harness"), "{lines:?}");
    assert_eq!(lines.last().map(|line| &line["status"]), Some(&70.into()));
}

fn closed_pipe() {
    let temp = tempdir();
    let run_dir = temp.path().join("run");
    let mut command = Command::new(HOTSPEC);
    command.args(["run", "half-sent-head", "--report", "ndjson", "--run-dir"]).arg(&run_dir);
    command.env_remove("CARGO_TARGET_DIR").env_remove("GITHUB_ACTIONS").stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("hotspec starts");
    let mut first = String::new();
    let stdout = child.stdout.take().expect("its standard output");
    BufReader::new(stdout).read_line(&mut first).expect("a line");
    // It is closed by now.
    schema::events().holds(&first);
    let output = child.wait_with_output().expect("a child of mine");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert!(run_dir.join("results.json").exists());
    for closed in ["stdout", "stderr"] {
        let mut command = Command::new(HOTSPEC);
        command.arg("check").arg(&failing().dir).env_remove("GITHUB_ACTIONS");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (to, other) = (Stdio::from(writer), Stdio::piped());
        let (stdout, stderr) = if closed == "stdout" { (to, other) } else { (other, to) };
        let output = command.stdout(stdout).stderr(stderr).output().expect("hotspec starts");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), ""), "{closed}");
    }
}

fn refused() {
    let temp = tempdir();
    let (there, new) = (temp.path().join("there"), temp.path().join("new"));
    fs::write(&there, EARLIER).expect("an earlier report");
    for format in ["json", "ndjson"] {
        let mut command = Command::new(HOTSPEC);
        command.arg("run");
        command.args([&there, &new].map(|path| format!("--report={format}={}", path.display())));
        let output = command.args(["--report", "junit=/no/such/dir/x.xml"]).output().expect("hotspec starts");
        assert_eq!(output.status.code(), Some(64));
        assert!(text(&output.stderr).contains("failed to write the report /no/such/dir/x.xml"));
        assert_eq!(fs::read_to_string(&there).expect("it is there"), EARLIER);
        assert!(!new.exists(), "an empty report of a run that was not made");
    }
}

fn twice() {
    let temp = tempdir();
    let path = temp.path().join("report");
    let words = ["json", "junit"].map(|format| format!("--report={format}={}", path.display()));
    let output = Command::new(HOTSPEC).arg("run").args(words).output().expect("hotspec starts");
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("two reports go to"), "{}", text(&output.stderr));
}
