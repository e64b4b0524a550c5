//! `hotspec check` judges a stored run as it was judged, and sees what was changed in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::{Results, Run, case, hotspec, run, tempdir};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCENARIO: &str = "idle-last-request";
/// One that is over before that, and exercises nothing that the first one does not.
const OTHER: &str = "zero-traffic";

/// One run that all cases take copies of.
static ORIGINAL: OnceLock<Run> = OnceLock::new();

pub fn trials() -> Vec<Trial> {
    vec![
        case("a run judged again gives the same bytes", the_same_bytes),
        case("a failing run says what to type next", what_to_type_next),
        case("a response of a draining process that does not announce the close is seen", close_unsaid),
        case("a FIN turned into a reset is seen", fin_to_reset),
        case("a cut last line is told and survived", cut_line),
        case("a history that was cut off amid the restart is no pass", cut_amid),
        case("a history that is missing is no pass", missing_history),
        case("an unknown schema in the manifest is refused", manifest_schema),
        case("an unknown schema in a history is refused", history_schema),
        case("a line that is no event is named", no_event),
        case("a directory without a run is refused", no_run),
        case("no value of a variable is in a run directory, and no hash is the same twice", no_values),
    ]
}

/// Removes what the cases shared.
pub fn end() {
    ORIGINAL.get().into_iter().for_each(Run::remove);
}

/// The options of the first run come back, with a selector for what failed.
fn what_to_type_next() {
    let copy = Copy::new();
    reset_one(&copy);
    let checked = copy.check();
    let text = checked.stdout.replace("\\\n", " ");
    let next = text.split("\nNext\n").nth(1).unwrap_or_default();
    let words: Vec<&str> = next.split_whitespace().collect();
    let run = words.iter().position(|word| *word == "run").map_or(&[][..], |at| &words[at..]);
    assert!(run.starts_with(&["run", SCENARIO]) && !run.contains(&"--run-dir"), "{next}");
    assert!(next.contains("explain keep-alive.fin-not-reset"), "{next}");
    assert!(text.contains(&format!("of {SCENARIO}; ")), "{text}");
}

fn original() -> &'static Run {
    ORIGINAL.get_or_init(|| {
        let run = run([SCENARIO, OTHER]);
        run.exits(0);
        run
    })
}

/// A copy of it, without its results.
struct Copy {
    temp: TempDir,
}

impl Copy {
    fn new() -> Self {
        let temp = tempdir();
        copy_tree(&original().dir, &temp.path().join("run"));
        let copy = Self { temp };
        fs::remove_file(copy.dir().join("results.json")).expect("results");
        copy
    }

    fn dir(&self) -> PathBuf {
        self.temp.path().join("run")
    }

    fn history(&self) -> PathBuf {
        self.dir().join("history").join(format!("{SCENARIO}.ndjson"))
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.history()).expect("a history");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    fn write(&self, events: &[Value]) {
        let lines: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
        fs::write(self.history(), lines.concat()).expect("a history of mine");
    }

    fn check(&self) -> Checked {
        let report = self.temp.path().join("report.json");
        let output = hotspec(["check"])
            .arg(self.dir())
            .arg(format!("--report=json={}", report.display()))
            .output()
            .expect("hotspec starts");
        Checked {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            json: fs::read_to_string(report).unwrap_or_default(),
        }
    }
}

struct Checked {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    json: String,
}

impl Checked {
    fn results(&self) -> Results {
        let read = serde_json::from_str(&self.json);
        read.unwrap_or_else(|error| panic!("no report: {error}; {}{}", self.stdout, self.stderr))
    }

    /// Exit 1, by this clause.
    fn fails_by(&self, clause: &str) {
        let results = self.results();
        assert!(results.fails(clause), "{:?}; {:?}", results.said_of(clause), results.failed("MUST"));
        assert_eq!(self.status, Some(1));
    }

    /// Refused with this status, by one line on standard error.
    fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said in: {}", self.stderr);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(from, to).expect("a copy");
        }
    }
}

fn the_same_bytes() {
    let copy = Copy::new();
    let checked = copy.check();
    assert_eq!(checked.status, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.json, original().json);
    let stored = fs::read_to_string(copy.dir().join("results.json")).expect("results are stored again");
    assert_eq!(stored, original().json);
    assert_eq!(checked.stderr, "");
}

/// Its hash is told in one line of each kind, and differs from run to run.
fn no_values() {
    const NAME: &str = "HOTSPEC_E2E_SECRET";
    const SECRET: &str = "c3VwZXJzZWNyZXQ-hunter2";
    let temp = tempdir();
    let hashes = ["one", "other"].map(|name| {
        let dir = temp.path().join(name);
        let mut command = hotspec(["run", OTHER, "--run-dir"]);
        command.arg(&dir).env(NAME, SECRET).env("HOTSPEC_E2E_AGAIN", SECRET).assert().code(0);
        for file in files(&dir) {
            let bytes = fs::read(&file).expect("a file of the run");
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{} tells the value", file.display());
        }
        let history = dir.join("history").join(format!("{OTHER}.ndjson"));
        let text = fs::read_to_string(history).expect("a history");
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
        let hash = |event: &Value, name: &str| event["environment"][name].as_str().map(str::to_owned);
        let told: Vec<Value> = events.filter(|event| is(event, "given") || is(event, "facts")).collect();
        let mut hashes: Vec<String> = told.iter().filter_map(|event| hash(event, NAME)).collect();
        assert!(hashes.len() >= 3, "what was given, the old process and the successor: {told:?}");
        hashes.dedup();
        assert_eq!(hashes.len(), 1, "it is passed on, and known again: {hashes:?}");
        assert_ne!(hash(&told[0], "HOTSPEC_E2E_AGAIN").as_ref(), hashes.first());
        hashes.remove(0)
    });
    assert_ne!(hashes[0], hashes[1]);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is(event: &Value, kind: &str) -> bool {
    event["e"] == kind
}

/// The lanes of this role that were opened for the restart, not in control.
fn lanes(events: &[Value], role: &str) -> Vec<Value> {
    let restart = events.iter().position(|event| is(event, "phase") && event["phase"] == "restart");
    let after = &events[restart.expect("a restart")..];
    let of_role = after.iter().filter(|event| is(event, "open") && event["role"] == role);
    of_role.map(|event| event["lane"].clone()).collect()
}

fn close_unsaid() {
    let copy = Copy::new();
    let mut events = copy.events();
    let lanes = lanes(&events, "idle");
    // The second request of such a lane is sent to the old process after Td; its answer is the last on the connection. The
    // latest of them is after Td beyond any doubt.
    let last = events.iter_mut().rfind(|event| {
        is(event, "head") && event["request"] == 1 && event["close"] == true && lanes.contains(&event["lane"])
    });
    let last = last.expect("a last request that was answered");
    last["close"] = json!(false);
    last["last"] = json!(false);
    copy.write(&events);
    copy.check().fails_by("keep-alive.close-announced");
}

fn fin_to_reset() {
    let copy = Copy::new();
    reset_one(&copy);
    copy.check().fails_by("keep-alive.fin-not-reset");
}

/// A connection that ended by FIN with nothing awaited ends by RST instead.
fn reset_one(copy: &Copy) {
    let mut events = copy.events();
    let lanes = lanes(&events, "idle");
    let end = events.iter_mut().find(|event| {
        is(event, "end")
            && event["how"] == "fin"
            && event["stage"] == "idle"
            && lanes.contains(&event["lane"])
    });
    let end = end.expect("a connection that ended by FIN with nothing awaited");
    end["how"] = json!("reset");
    end["errno"] = json!(104);
    copy.write(&events);
}

fn cut_line() {
    let copy = Copy::new();
    let text = fs::read(copy.history()).expect("a history");
    fs::write(copy.history(), &text[..text.len() - 9]).expect("a history of mine");
    let checked = copy.check();
    assert!(checked.stderr.contains("the last line is cut off"), "{}", checked.stderr);
    assert!(checked.stderr.contains(&format!("{SCENARIO}.ndjson:{}:", lines(&text))), "{}", checked.stderr);
    // All that matters is there, except the word that it is all: so nothing failed, and it is no pass.
    assert!(checked.results().failed("MUST").is_empty(), "{}", checked.stdout);
    assert_eq!(checked.status, Some(130), "a run that was cut off:\n{}", checked.stdout);
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn cut_amid() {
    let copy = Copy::new();
    let events = copy.events();
    let trigger = events.iter().position(|event| is(event, "trigger")).expect("a trigger");
    let gone = events.iter().position(|event| is(event, "gone")).expect("an end of the old generation");
    for end in [trigger / 2, trigger, trigger + 1, trigger.midpoint(gone), gone, gone + 1] {
        copy.write(&events[..end]);
        let checked = copy.check();
        let results = checked.results();
        assert!(results.failed("MUST").is_empty(), "cut at {end}: {:?}", results.failed("MUST"));
        assert!(
            checked.status == Some(130),
            "cut at event {end} of {}: {:?}\n{}",
            events.len(),
            checked.status,
            checked.stdout
        );
    }
}

fn missing_history() {
    let copy = Copy::new();
    fs::remove_file(copy.dir().join("history").join(format!("{OTHER}.ndjson"))).expect("a history");
    let checked = copy.check();
    assert!(matches!(checked.status, Some(65 | 130)), "{:?}\n{}", checked.status, checked.stdout);
    assert!(checked.results().interrupted);
}

fn manifest_schema() {
    let copy = Copy::new();
    let path = copy.dir().join("manifest.json");
    let mut manifest: Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("a manifest")).expect("JSON");
    manifest["schema"] = json!(99);
    fs::write(&path, manifest.to_string()).expect("a manifest of mine");
    copy.check().refused(65, &["manifest.json:1", "expected a manifest of schema 1", "found schema 99"]);
}

fn history_schema() {
    let copy = Copy::new();
    let mut events = copy.events();
    events[0]["schema"] = json!(99);
    copy.write(&events);
    copy.check().refused(65, &[".ndjson:1", "expected schema 1", "found schema 99"]);
}

fn no_event() {
    let copy = Copy::new();
    let mut events = copy.events();
    events[4] = json!({"t": 1, "e": "miracle"});
    copy.write(&events);
    copy.check().refused(65, &[".ndjson:5", "expected an event", "miracle"]);
}

fn no_run() {
    let temp = tempdir();
    let output = hotspec(["check"]).arg(temp.path()).output().expect("hotspec starts");
    assert_eq!(output.status.code(), Some(65));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("expected the directory of a run"), "{stderr}");
}
