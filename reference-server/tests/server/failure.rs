//! Restarts that fail, and signals that must not hurt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::{Server, children, field, is_nonblocking, sockets, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

/// The program as a copy that a test may replace, and a server started from it.
struct Replaceable {
    directory: tempfile::TempDir,
    server: Server,
}

impl Replaceable {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server");
        install(&crate::common::program(), &path);
        let mut command = Command::new(path);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let server = Server::start_command(command);
        Self { directory, server }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("server")
    }

    fn replace_by_script(&self, script: &str) {
        self.replace_by(format!("#!/bin/sh\n{script}\n").as_bytes());
    }

    fn replace_by(&self, content: &[u8]) {
        let text = self.directory.path().join("text");
        let new = self.directory.path().join("new");
        fs::write(&text, content).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        install(&text, &new);
        fs::rename(new, self.path()).unwrap();
    }

    fn restore(&self) {
        let new = self.directory.path().join("new");
        install(&crate::common::program(), &new);
        fs::rename(new, self.path()).unwrap();
    }

    /// Serving as ever, and a good restart succeeds.
    fn failed_harmlessly(mut self, log: &str) {
        let server = &mut self.server;
        let (fd, _) = sockets(server.pid())[0];
        server.signal(Signal::SIGHUP);
        server.wait_log("restart failed");
        server.wait_log(log);
        assert_eq!(is_nonblocking(server.pid(), fd), Some(true));
        assert!(children(server.pid()).is_empty(), "a zombie");
        let mut kept = server.connect();
        assert!(!kept.get("/").announces_close());
        assert!(!kept.get("/").announces_close());
        assert_eq!(server.who()["generation"], 0);
        self.restore();
        let server = &mut self.server;
        let successor = server.restart();
        assert!(kept.get("/").announces_close());
        kept.expect_fin();
        assert!(server.wait_exit().success());
        assert_eq!(server.who()["pid"], successor);
    }
}

/// By a process of its own: a descriptor open for writing here would be inherited by whatever other
/// tests fork at the same time, and the program could not be executed while they hold it.
fn install(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-p").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_successor_that_exits_early_changes_nothing() {
    let target = Replaceable::start(&[]);
    target.replace_by_script("exit 1");
    target.failed_harmlessly("exited with status 1 before it was ready");
}

#[test]
fn a_successor_that_is_killed_early_changes_nothing() {
    let target = Replaceable::start(&[]);
    target.replace_by_script("kill -SEGV $$");
    target.failed_harmlessly("was ended by SIGSEGV before it was ready");
}

#[test]
fn a_successor_that_hangs_is_killed_in_the_end() {
    let target = Replaceable::start(&["--ready-timeout", "500ms"]);
    target.replace_by_script("exec sleep 600");
    target.failed_harmlessly("was not ready within 500ms");
}

#[test]
fn a_program_that_is_missing_changes_nothing() {
    let target = Replaceable::start(&[]);
    fs::remove_file(target.path()).unwrap();
    target.failed_harmlessly("No such file or directory");
}

#[test]
fn a_program_that_is_not_executable_changes_nothing() {
    let target = Replaceable::start(&[]);
    target.replace_by_script("exit 0");
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o644)).unwrap();
    target.failed_harmlessly("Permission denied");
}

#[test]
fn a_program_cut_short_changes_nothing() {
    let target = Replaceable::start(&[]);
    target.replace_by(&fs::read(crate::common::program()).unwrap()[..4096]);
    target.failed_harmlessly("restart failed");
}

#[test]
fn a_successor_with_a_bad_configuration_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let marker = directory.path().join("marker");
    fs::write(&marker, "one\n").unwrap();
    let server = Server::start(&["--marker", &format!("@{}", marker.display())]);
    assert_eq!(server.who()["marker"], "one");
    fs::write(&marker, "").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_log("restart failed: the successor exited with status 1");
    assert_eq!(server.who()["marker"], "one");
    fs::write(&marker, "two\n").unwrap();
    server.restart();
    assert_eq!(server.who()["marker"], "two");
}

#[test]
fn what_stands_behind_a_switched_link_is_executed() {
    let directory = tempfile::tempdir().unwrap();
    for release in ["a", "b"] {
        fs::create_dir(directory.path().join(release)).unwrap();
        let path = directory.path().join(release).join("server");
        install(&crate::common::program(), &path);
    }
    let link = directory.path().join("current");
    std::os::unix::fs::symlink("a", &link).unwrap();
    let mut command = Command::new(link.join("server"));
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::start_command(command);
    std::os::unix::fs::symlink("b", directory.path().join("next")).unwrap();
    fs::rename(directory.path().join("next"), &link).unwrap();
    fs::remove_dir_all(directory.path().join("a")).unwrap();
    let successor = server.restart();
    let image = fs::read_link(format!("/proc/{successor}/exe")).unwrap();
    assert!(image.ends_with("b/server"), "{}", image.display());
}

#[test]
fn two_triggers_at_any_distance_end_with_one_generation() {
    for distance_us in [0, 300, 1_000, 1_500, 2_000, 5_000, 10_000, 20_000, 50_000] {
        let mut server = Server::start(&["--idle-timeout", "200ms"]);
        server.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_micros(distance_us));
        server.signal(Signal::SIGHUP);
        assert!(server.wait_exit().success());
        // One restart, or two in a row; then quiet. (The log is read behind the event.)
        wait_for("the last generation alone", || {
            let expected = 1 + server.count_log("there will be another one");
            (server.who()["generation"] == expected).then_some(())
        });
        assert!(server.log().iter().all(|line| !line.contains("panic")));
    }
}

#[test]
fn a_trigger_while_draining_is_passed_over() {
    let mut server = Server::start(&["--idle-timeout", "500ms"]);
    let mut idle = server.connect();
    idle.get("/");
    let successor = server.restart();
    server.signal(Signal::SIGHUP);
    server.wait_log("SIGHUP while draining: passed over");
    idle.expect_fin();
    assert!(server.wait_exit().success());
    assert_eq!(server.who()["pid"], successor);
}

#[test]
fn readiness_from_a_stranger_is_passed_over() {
    let server = Server::start::<&str>(&[]);
    server.signal(Signal::SIGUSR1);
    server.wait_log("SIGUSR1 without a successor");
    assert!(!server.connect().get("/").announces_close());
}

#[test]
fn no_signal_is_fatal_to_a_successor_that_is_starting() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(directory.path());
    let mut command = Command::new(crate::common::program());
    let marker = format!("@{}", gate.path.display());
    command.args(["--listen", "127.0.0.1:0", "--marker", &marker]);
    let server = Server::spawn(command);
    gate.open("zero");
    server.wait_log("ready pid=");
    server.signal(Signal::SIGHUP);
    // At once, most likely before its main; a stranger's SIGUSR1 to the parent meanwhile.
    let successor = wait_for("the successor", || children(server.pid()).first().copied());
    kill(Pid::from_raw(successor), Signal::SIGHUP).unwrap();
    kill(Pid::from_raw(successor), Signal::SIGUSR1).unwrap();
    server.signal(Signal::SIGUSR1);
    server.wait_log("SIGUSR1 from a stranger");
    gate.open("one");
    server.wait_log("successor is ready: draining");
    // The SIGHUP that waited for it is carried out.
    gate.open("two");
    server.wait_log("generation=2");
}

#[test]
fn stopping_takes_an_unready_successor_along() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(directory.path());
    let mut command = Command::new(crate::common::program());
    let marker = format!("@{}", gate.path.display());
    command.args(["--listen", "127.0.0.1:0", "--marker", &marker]);
    let mut server = Server::spawn(command);
    gate.open("zero");
    server.wait_log("ready pid=");
    server.signal(Signal::SIGHUP);
    let successor = field(&server.wait_log("successor started"), "successor=");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_exit().success());
    assert!(!Path::new(&format!("/proc/{successor}")).exists());
}

/// A start-up that goes on when the test says so: the server reads its marker from a fifo.
struct Gate {
    path: PathBuf,
}

impl Gate {
    fn new(directory: &Path) -> Self {
        let path = directory.join("gate");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        Self { path }
    }

    /// Waits for a reader.
    fn open(&self, marker: &str) {
        fs::write(&self.path, format!("{marker}\n")).unwrap();
    }
}
