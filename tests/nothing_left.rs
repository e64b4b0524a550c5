//! A `hotspec` that is killed or broken off takes everything down that it started.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::processes::{MARK, Process, assert_nothing_left, below, marked};
use crate::support::{HOTSPEC, Results, SOON, case, eventually, history_lines, targets, tempdir};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// Its first restart comes soon, and the old generation then waits for idle connections.
const SCENARIO: &str = "new-connections";
const NOBODY: u32 = 65_534;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for user in [User::Own, User::Nobody] {
        for isolation in ["auto", "none"] {
            let setting = Setting { user, isolation };
            for target in [Target::Deaf, Target::DeafDaemon] {
                trials.push(killed_before_readiness(setting, target));
            }
            for target in [Target::Reference, Target::ReferenceDaemon] {
                trials.push(killed_amid_the_drain(setting, target));
            }
        }
    }
    trials.push(case("Ctrl-C amid a run gives a partial report and leaves nothing", || {
        broken_off(Break::CtrlC);
    }));
    trials.push(case("SIGTERM amid a run gives a partial report and leaves nothing", || {
        broken_off(Break::Terminate);
    }));
    trials.push(case("a second Ctrl-C ends at once and leaves nothing", second_ctrl_c));
    trials.push(case("Ctrl-C before the target listens ends the run as interrupted", early_ctrl_c));
    trials
}

/// Who runs hotspec, and how it isolates its targets.
#[derive(Clone, Copy)]
struct Setting {
    user: User,
    isolation: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user; only root can become it.
    Nobody,
}

#[derive(Clone, Copy)]
enum Target {
    /// Never listens.
    Deaf,
    /// The same, forked twice and in a session of its own.
    DeafDaemon,
    /// The reference, restarted by its pid file.
    Reference,
    /// The same, forked twice and in a session of its own.
    ReferenceDaemon,
}

impl Target {
    fn title(self) -> &'static str {
        match self {
            Target::Deaf | Target::Reference => "its target",
            Target::DeafDaemon | Target::ReferenceDaemon => "its target, a daemon,",
        }
    }

    fn words(self, hotspec: &Path, own: &Path) -> Vec<String> {
        let hotspec = hotspec.display().to_string();
        let deaf = targets::command_of(own, "never-listens");
        let serve =
            [&hotspec, "serve", "--listen", "{address}", "--pid-file", "{dir}/server.pid"].map(str::to_owned);
        match self {
            Target::Deaf => deaf,
            Target::DeafDaemon => targets::daemonized(own, &deaf),
            Target::Reference => serve.to_vec(),
            Target::ReferenceDaemon => targets::daemonized(own, &serve),
        }
    }
}

impl Setting {
    fn trial(self, what: &str, body: impl FnOnce() + Send + 'static) -> Trial {
        let who = match self.user {
            User::Own => "started by whoever runs the tests",
            User::Nobody => "started by an ordinary user",
        };
        let trial = case(format!("{what} ({who}, --isolation {})", self.isolation), body);
        if self.user == User::Nobody && !geteuid().is_root() {
            return trial.with_kind("needs root, to become another user").with_ignored_flag(true);
        }
        trial
    }
}

fn killed_before_readiness(setting: Setting, target: Target) -> Trial {
    let what = format!("hotspec, killed before {} listens, leaves nothing", target.title());
    setting.trial(&what, move || {
        let mut started = Started::new(setting, target, "10m");
        eventually("the target's start", SOON, || {
            // hotspec and its warden, a fork of it, have the target's words among theirs.
            let other = ["run", "daemonize", "in-a-session"];
            let deaf = |process: &Process| {
                runs(process.pid, "never-listens") && !other.iter().any(|word| runs(process.pid, word))
            };
            marked(&started.mark).iter().any(deaf).then_some(())
        });
        started.kill_and_look();
    })
}

fn killed_amid_the_drain(setting: Setting, target: Target) -> Trial {
    let what = format!("hotspec, killed while {} drains, leaves nothing", target.title());
    setting.trial(&what, move || {
        let mut started = Started::new(setting, target, "10s");
        started.until_drain();
        let serving = marked(&started.mark).iter().filter(|process| runs(process.pid, "serve")).count();
        assert!(serving >= 2, "two generations should run, and {serving} process does");
        started.kill_and_look();
    })
}

/// How a user breaks a run off.
enum Break {
    /// As a terminal does it: to the whole process group.
    CtrlC,
    /// As a service manager does it.
    Terminate,
}

fn broken_off(how: Break) {
    let mut started = Started::new(Setting { user: User::Own, isolation: "auto" }, Target::Reference, "10s");
    started.until_drain();
    let seen = started.seen();
    match how {
        Break::CtrlC => killpg(started.pid(), Signal::SIGINT),
        Break::Terminate => kill(started.pid(), Signal::SIGTERM),
    }
    .expect("a signal can be sent");
    let (status, results) = started.ended();
    assert_eq!(status, Some(130));
    let results: Results = serde_json::from_str(&results).expect("a partial report");
    assert!(results.interrupted);
    assert_eq!(results.verdict, "inconclusive");
    assert!(results.problems.is_empty(), "{:?}", results.problems);
    let stderr = fs::read_to_string(started.temp.path().join("stderr")).expect("its standard error");
    assert!(stderr.contains("breaking off"), "{stderr}");
    assert_nothing_left(&seen, &started.mark);
}

fn second_ctrl_c() {
    let mut started = Started::new(Setting { user: User::Own, isolation: "auto" }, Target::Reference, "10s");
    started.until_drain();
    let seen = started.seen();
    // Signals of one number do not queue: the second is of the other kind, which means the same.
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        killpg(started.pid(), signal).expect("a signal can be sent");
    }
    let (status, _) = started.ended();
    assert_eq!(status, Some(130));
    assert_nothing_left(&seen, &started.mark);
}

fn early_ctrl_c() {
    let mut started = Started::new(Setting { user: User::Own, isolation: "auto" }, Target::Deaf, "10m");
    eventually("the target's start", SOON, || (marked(&started.mark).len() > 2).then_some(()));
    let seen = started.seen();
    killpg(started.pid(), Signal::SIGINT).expect("a signal can be sent");
    let (status, results) = started.ended();
    assert_eq!(status, Some(130));
    let results: Results = serde_json::from_str(&results).expect("a partial report");
    assert!(results.interrupted);
    assert_nothing_left(&seen, &started.mark);
}

/// A `hotspec run` that goes on.
struct Started {
    child: Child,
    mark: String,
    run_dir: PathBuf,
    temp: TempDir,
}

impl Started {
    fn new(setting: Setting, target: Target, ready_max: &str) -> Self {
        let temp = tempdir();
        let as_nobody = setting.user == User::Nobody;
        let mut program = PathBuf::from(HOTSPEC);
        let mut own = targets::own_program();
        if as_nobody {
            // The directory that they were built in may be closed to others.
            fs::set_permissions(temp.path(), Permissions::from_mode(0o777)).expect("a directory of mine");
            for (path, name) in [(&mut program, "hotspec"), (&mut own, "targets")] {
                let copy = temp.path().join(name);
                fs::copy(&*path, &copy).expect("a copy");
                *path = copy;
            }
        }
        let run_dir = temp.path().join("run");
        let mark = temp.path().display().to_string();
        let output = |name: &str| {
            let file = fs::File::create(temp.path().join(name)).expect("a file for output");
            Stdio::from(file)
        };
        let mut command = Command::new(&program);
        command
            .args(["run", SCENARIO, "--ready-max", ready_max, "--idle-max", "3s", "--profile", "falcore"])
            .args([
                "--isolation",
                setting.isolation,
                "--restart-command",
                "kill -HUP $(cat {dir}/server.pid)",
            ])
            .arg("--run-dir")
            .arg(&run_dir)
            .arg(format!("--report=json={}", temp.path().join("report.json").display()))
            .arg("--")
            .args(target.words(&program, &own))
            .current_dir(temp.path())
            .env_remove("CARGO_TARGET_DIR")
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            // A group of its own, so that a signal to it does not reach the tests.
            .process_group(0);
        if as_nobody {
            command.uid(NOBODY).gid(NOBODY).env("HOME", temp.path());
        }
        let child = command.spawn().expect("hotspec starts");
        Self { child, mark, run_dir, temp }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// Waits until the old generation has closed its listener, which it does when it begins to drain.
    fn until_drain(&mut self) {
        eventually("the drain", SOON, || {
            let lines = history_lines(&self.run_dir, SCENARIO);
            let ended = self.child.try_wait().expect("a child of mine");
            assert!(ended.is_none(), "hotspec ended before: {ended:?}");
            let trigger = lines.iter().position(|line| line.contains(r#""e":"trigger""#))?;
            let drains =
                |line: &String| line.contains(r#""e":"holds""#) && line.contains(r#""listeners":[]"#);
            lines[trigger..].iter().any(drains).then_some(())
        });
    }

    fn seen(&self) -> BTreeSet<Process> {
        let mut seen = below(self.pid().as_raw());
        seen.extend(marked(&self.mark));
        assert!(seen.len() > 2, "hotspec, a warden and a target should run: {seen:?}");
        seen
    }

    fn kill_and_look(&mut self) {
        let seen = self.seen();
        self.child.kill().expect("a child of mine");
        self.child.wait().expect("a child of mine");
        assert_nothing_left(&seen, &self.mark);
    }

    /// Waits for its end; returns its status and the report.
    fn ended(&mut self) -> (Option<i32>, String) {
        let status = eventually("hotspec's end", SOON, || self.child.try_wait().expect("a child of mine"));
        (status.code(), fs::read_to_string(self.temp.path().join("report.json")).unwrap_or_default())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // For a test that failed: no harm if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this word is among the process's arguments.
fn runs(pid: i32, word: &str) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|one| one == word.as_bytes())
}
