//! Forks and executions that fail for the target alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::AsFd;
use std::path::Path;

use hotspec::target::refusal::{Refusal, Refused};
use hotspec::target::warden::{CommandSpec, Event, Warden, WardenSpec};
use hotspec::witness::process::Exit;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Far longer than a shell takes, in milliseconds.
const PATIENCE_MS: u16 = 20_000;

/// Waits for a line of the file, as the shells below write one for each thing they did.
fn wait_for(path: &Path, text: &str) {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(path.parent().unwrap(), AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY).unwrap();
    let found = || std::fs::read_to_string(path).unwrap_or_default();
    while !found().contains(text) {
        let mut watched = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        assert_ne!(poll(&mut watched, PATIENCE_MS).unwrap(), 0, "no `{text}` in {:?}", found());
        watch.read_events().unwrap();
    }
}

/// A shell that is asked about, and does as much whenever it reads a line of its FIFO.
async fn shell(dir: &Path, body: &str) -> (Warden, Refusal) {
    nix::unistd::mkfifo(&dir.join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("exec 3<>go; while read line <&3; do {body}; done");
    let mut command = CommandSpec::new("/bin/sh").args(["-c", &script]).dir(dir).output(dir.join("out"));
    command.asked_about = true;
    let mut refusal = Refusal::start().unwrap();
    let spec =
        WardenSpec { commands: vec![command], inherited: refusal.inherited(), ..WardenSpec::default() };
    let mut warden = Warden::start(&spec).unwrap();
    refusal.hand_over();
    warden.start_command(0).await.unwrap();
    (warden, refusal)
}

fn go(dir: &Path) {
    std::fs::write(dir.join("go"), "go\n").unwrap();
}

#[tokio::test]
async fn forks_fail_while_they_are_refused_and_succeed_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let (mut warden, refusal) = shell(dir.path(), "echo $(echo forked) $line").await;
    let out = dir.path().join("out");
    go(dir.path());
    wait_for(&out, "forked go");
    assert!(refusal.forks() > 0 && refusal.unable().is_none(), "{refusal:?}");
    refusal.refuse(Refused::Forks);
    go(dir.path());
    // dash(1) ends a script that can't fork.
    loop {
        if let Some(Event::Exited { exit, .. }) = warden.next_event().await.unwrap() {
            assert_ne!(exit, Exit::Code(0));
            break;
        }
    }
    assert!(refusal.times() > 0);
    warden.end().await.unwrap();
}

#[tokio::test]
async fn executions_fail_while_they_are_refused_and_succeed_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let (mut warden, refusal) = shell(dir.path(), "/bin/echo executed || echo not; echo done").await;
    let out = dir.path().join("out");
    go(dir.path());
    wait_for(&out, "executed\ndone");
    refusal.refuse(Refused::Executions);
    go(dir.path());
    wait_for(&out, "not\ndone");
    assert_eq!(refusal.times(), 1);
    refusal.refuse(Refused::Nothing);
    std::fs::write(&out, "").unwrap();
    go(dir.path());
    wait_for(&out, "executed\ndone");
    warden.end().await.unwrap();
}

/// What the old generation needs to go on serving: std's threads are made by clone3(2), whose flags a filter can't see.
#[tokio::test]
async fn threads_can_be_made_while_forks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script = "import sys, threading\n\
        for line in open('go'):\n\
        \x20   thread = threading.Thread(target=print, args=('threaded',))\n\
        \x20   thread.start(); thread.join(); sys.stdout.flush()\n";
    if !Path::new("/usr/bin/python3").exists() {
        return;
    }
    std::fs::write(dir.path().join("threads.py"), script).unwrap();
    let (mut warden, refusal) = shell(dir.path(), "exec /usr/bin/python3 threads.py").await;
    go(dir.path());
    refusal.refuse(Refused::Forks);
    go(dir.path());
    wait_for(&dir.path().join("out"), "threaded");
    assert_eq!(refusal.times(), 0);
    warden.end().await.unwrap();
}
