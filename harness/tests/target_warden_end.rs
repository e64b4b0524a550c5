//! Nothing outlives a warden, whoever ends: the run, the harness, or the warden itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use hotspec::target::warden::{CommandSpec, Event, WardenError};
use hotspec::witness::process::{Exit, Pidfd, Stat, Tree};
use support::*;

/// Forks twice, with a session of its own in between; the grandchild says its pid and stays.
const DAEMON: &str = "(setsid sh -c 'sh -c \"echo \\$\\$; exec sleep 1000\" & exit 0' &)";

#[tokio::test]
async fn a_daemon_with_its_own_session_is_killed_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let mut warden = warden_of([shell(DAEMON, &output)]);
    warden.start_command(0).await.unwrap();
    let daemon = epoch(lines(&output, 1)[0].parse().unwrap());
    in_time("the end", warden.end()).await.unwrap();
    assert!(!lives(&daemon));
    let mut told = false;
    while let Some(event) = warden.next_event().await.unwrap() {
        told |= matches!(event, Event::Exited { pid, start, exit: Exit::Signal { signo: libc::SIGKILL, .. }, .. }
            if (pid, start) == (daemon.pid, daemon.start));
    }
    assert!(told, "its end was told");
}

#[tokio::test]
async fn a_dropped_warden_takes_a_wide_and_deep_tree_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let deep = "for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'sleep 1000 & sleep 1000 & trap \"\" TERM HUP; echo up; wait' &) ; done; echo up; wait; sleep 1000";
    let mut warden = warden_of([shell(deep, &output)]);
    warden.start_command(0).await.unwrap();
    lines(&output, 9);
    let mut tree = Tree::new(warden.pid()).unwrap();
    let below = eventually("the whole tree", || {
        let below = tree.descendants().unwrap();
        (below.iter().filter(|stat| stat.comm == "sleep").count() == 17).then_some(below)
    });
    let above = epoch(warden.pid());
    drop(warden);
    assert!(!lives(&above) && below.iter().all(|stat| !lives(&stat.epoch)));
}

#[tokio::test]
async fn a_target_that_kills_its_warden_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // Not before the start was answered.
    let script = "until [ -e go ]; do sleep 0.01; done; kill -KILL $PPID; exec sleep 1000";
    let mut warden = warden_of([shell(script, "/dev/null".as_ref()).dir(dir.path())]);
    let started = warden.start_command(0).await.unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    let target = epoch(started.pid);
    match in_time("the loss", warden.next_event()).await {
        Err(WardenError::Lost { pid, exit }) => {
            assert_eq!((pid, exit), (warden.pid(), Some(Exit::Signal { signo: libc::SIGKILL, core: false })));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(warden.end().await, Err(WardenError::Lost { .. })));
    kill(target);
}

#[tokio::test]
async fn a_warden_that_was_stopped_still_ends() {
    for dropped in [false, true] {
        let mut warden = warden_of([CommandSpec::new("sleep").args(["1000"])]);
        let target = epoch(in_time("a start", warden.start_command(0)).await.unwrap().pid);
        let above = epoch(warden.pid());
        assert!(Pidfd::open(above).unwrap().unwrap().signal(libc::SIGSTOP).unwrap());
        eventually("the stop", || Stat::read(above.pid).filter(|stat| stat.state == 'T'));
        if !dropped {
            in_time("the end", warden.end()).await.unwrap();
        }
        drop(warden);
        assert!(!lives(&above) && !lives(&target));
    }
}

/// Run again by the next tests: holds a tree under a warden until killed.
#[test]
fn helper_that_holds_a_tree() {
    let Some(dir) = helper_dir() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _busy = BusyThreads::start(4);
    runtime.block_on(async {
        let mut warden = warden_of([shell(&format!("{DAEMON}; sleep 1000"), &dir.join("daemon"))]);
        warden.start_command(0).await.unwrap();
        lines(&dir.join("daemon"), 1);
        fs::write(dir.join("writing"), format!("{}\n", warden.pid())).unwrap();
        fs::rename(dir.join("writing"), dir.join("warden")).unwrap();
        // Killed here.
        let _ = warden.next_event().await;
        std::future::pending::<()>().await;
    });
}

async fn kill_a_harness(ordinary_user: bool, warden_stopped: bool) {
    let dir = open_dir();
    let mut harness = helper("helper_that_holds_a_tree", dir.path(), ordinary_user).spawn().unwrap();
    let warden: i32 = lines(&dir.path().join("warden"), 1)[0].parse().unwrap();
    let mut tree = Tree::new(warden).unwrap();
    let below = eventually("the tree", || {
        let below = tree.descendants().unwrap();
        (below.iter().filter(|stat| stat.comm == "sleep").count() == 2).then_some(below)
    });
    let left: Vec<Pidfd> = below
        .iter()
        .map(|stat| stat.epoch)
        .chain([epoch(warden)])
        .filter_map(|epoch| Pidfd::open(epoch).unwrap())
        .collect();
    assert!(left.len() >= 4, "warden, shell and two sleeping: {below:?}");
    if warden_stopped {
        assert!(left.last().unwrap().signal(libc::SIGSTOP).unwrap());
        eventually("the stop", || Stat::read(warden).filter(|stat| stat.state == 'T'));
    }
    harness.kill().unwrap();
    harness.wait().unwrap();
    for process in left {
        in_time(&format!("the end of {:?}", process.epoch()), process.exited()).await.unwrap();
    }
}

#[tokio::test]
async fn sigkill_of_the_harness_leaves_nothing_behind() {
    kill_a_harness(false, false).await;
}

#[tokio::test]
async fn sigkill_of_the_harness_leaves_nothing_behind_even_with_its_warden_stopped() {
    kill_a_harness(false, true).await;
}

#[tokio::test]
async fn sigkill_of_an_ordinary_users_harness_leaves_nothing_behind() {
    if !is_root() {
        println!("skipped: this run is an ordinary user's already");
        return;
    }
    kill_a_harness(true, false).await;
}

/// Run again by the next helper: takes on root's id for good, where it is set-user-id, and stays until killed.
#[test]
fn helper_that_becomes_root() {
    let Some(dir) = helper_dir() else { return };
    let root = nix::unistd::Uid::from_raw(0);
    let became = nix::unistd::setresuid(root, root, root);
    fs::write(dir.join("root"), format!("{}\n", became.is_ok())).unwrap();
    loop {
        std::thread::park();
    }
}

/// Run again by the next test, as an ordinary user: its target is a set-user-id program, which it may not kill.
#[test]
fn helper_with_a_target_of_root() {
    let Some(dir) = helper_dir() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target = CommandSpec::new(dir.join("root-helper")).args(["--exact", "helper_that_becomes_root"]);
        let mut warden = warden_of([target]);
        let started = warden.start_command(0).await.unwrap();
        lines(&dir.join("root"), 1);
        let begun = Instant::now();
        let ended = warden.end().await;
        let took = begun.elapsed();
        let mut survivor = None;
        while let Some(event) = warden.next_event().await.unwrap() {
            if let Event::Survivor { pid, errno, .. } = event {
                survivor = Some((pid, errno));
            }
        }
        let told = matches!(&ended, Err(WardenError::Survivors { pids }) if *pids == [started.pid]);
        fs::write(dir.join("told"), format!("{}\n{told}\n{survivor:?}\n{took:?}\n", started.pid)).unwrap();
    });
}

#[test]
fn a_process_that_may_not_be_killed_is_told_instead_of_tried_for_ever() {
    if !is_root() {
        println!("skipped: only root can make the set-user-id program that this needs");
        return;
    }
    let dir = open_dir();
    let mut harness = helper("helper_with_a_target_of_root", dir.path(), true);
    copy_program(Path::new(harness.get_program()), &dir.path().join("root-helper"));
    fs::set_permissions(dir.path().join("root-helper"), PermissionsExt::from_mode(0o4755)).unwrap();
    let mut harness = harness.spawn().unwrap();
    let told = lines(&dir.path().join("told"), 4);
    harness.wait().unwrap();
    let pid: i32 = told[0].parse().unwrap();
    if lines(&dir.path().join("root"), 1)[0] != "true" {
        println!("skipped: the temporary directory does not honour set-user-id");
        return;
    }
    kill(epoch(pid));
    assert_eq!(told[1], "true");
    assert_eq!(told[2], format!("Some(({pid}, {}))", libc::EPERM));
    println!("gave up after {}", told[3]);
}
