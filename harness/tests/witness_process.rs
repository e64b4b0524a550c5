//! Processes: identity through exec and pid reuse, trees, freezing, ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use hotspec::target::warden::CommandSpec;
use hotspec::witness::process::{
    Epoch, Exit, FreezeError, Image, Pidfd, Stat, Tree, descendants, freeze, monotonic_ns, start_interval,
};
use support::*;

/// A child that goes on when its input is closed, and is killed and reaped when dropped.
struct Held(Child);

impl Held {
    fn shell(script: &str) -> Self {
        Self(
            Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn epoch(&self) -> Epoch {
        epoch(i32::try_from(self.0.id()).unwrap())
    }

    fn input(&mut self) -> &mut ChildStdin {
        self.0.stdin.as_mut().unwrap()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn image(epoch: &Epoch) -> Image {
    Image::read(epoch.pid).unwrap()
}

#[test]
fn exec_in_place_changes_the_epoch_and_not_the_process() {
    let mut child = Held::shell("read line; exec sh -c 'read line; exec sleep 1000'");
    let first = eventually("the shell", || {
        Some(child.epoch()).filter(|seen| image(seen).comm == "sh" && seen.stack != 0)
    });
    let first_image = image(&first);
    child.input().write_all(b"go\n").unwrap();
    let second = eventually("a new stack", || {
        Some(child.epoch()).filter(|seen| seen.stack != first.stack && seen.stack != 0)
    });
    assert!(second.same_process(&first));
    assert_eq!(second.same_image(&first), Some(false));
    assert_eq!(
        image(&second).replaced(&first_image),
        Some(true),
        "the same program again, yet another image"
    );
    assert_eq!(child.epoch().same_image(&second), Some(true));
    child.input().write_all(b"go\n").unwrap();
    eventually("the third program", || Some(image(&child.epoch())).filter(|seen| seen.comm == "sleep"));
}

/// An exec sets the stack twice; the first value must not be seen, or it would count as one more image.
#[test]
fn a_process_that_executes_again_and_again_shows_only_stacks_that_its_programs_have() {
    let dir = tempfile::tempdir().unwrap();
    let (script, own) = (dir.path().join("script"), dir.path().join("own"));
    let text = "read -r line < /proc/self/stat; echo \"$line\" >> own; [ $1 -gt 0 ] && exec sh $0 $(($1 - 1)); exec sleep 1000";
    std::fs::write(&script, text).unwrap();
    let child = Held(Command::new("sh").arg(&script).arg("300").current_dir(dir.path()).spawn().unwrap());
    let mut seen = std::collections::HashSet::new();
    let last = eventually("the last program", || {
        let stat = Stat::read(child.epoch().pid)?;
        seen.extend(Some(stat.epoch.stack).filter(|stack| *stack != 0));
        (stat.comm == "sleep" && stat.state == 'S').then_some(stat.epoch.stack)
    });
    let stack = |line: &str| line.split(' ').nth(27).unwrap().parse().unwrap();
    let mut theirs: std::collections::HashSet<u64> =
        lines(&own, 301).iter().map(|line| stack(line)).collect();
    theirs.insert(last);
    println!("{} of {} images seen", seen.len(), theirs.len());
    assert!(seen.is_subset(&theirs), "{:x?}", seen.difference(&theirs));
}

#[test]
fn an_image_is_compared_by_name_and_command_line_where_the_stack_is_hidden() {
    let mut child = Held::shell("read line; exec sleep 1000");
    let hidden = |mut image: Image| {
        image.epoch.stack = 0;
        image.exe = None;
        image
    };
    let first =
        hidden(eventually("the shell", || Some(image(&child.epoch())).filter(|seen| seen.comm == "sh")));
    assert_eq!(hidden(image(&child.epoch())).replaced(&first), None, "nothing says so, and nothing says no");
    child.input().write_all(b"go\n").unwrap();
    let second = eventually("sleep", || Some(image(&child.epoch())).filter(|seen| seen.comm == "sleep"));
    assert_eq!(hidden(second).replaced(&first), Some(true));
}

#[test]
fn a_name_with_parentheses_and_a_newline_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("a) R 1 (\nb");
    copy_program(Path::new("/bin/sleep"), &program);
    let child = Held(Command::new(&program).arg("1000").spawn().unwrap());
    let own = i32::try_from(std::process::id()).unwrap();
    let stat =
        eventually("the name", || Stat::read(child.epoch().pid).filter(|stat| stat.comm == "a) R 1 (\nb"));
    assert_eq!(stat.ppid, own);
}

#[test]
fn a_vanished_process_is_none_everywhere() {
    let mut child = Command::new("true").spawn().unwrap();
    let seen = epoch(i32::try_from(child.id()).unwrap());
    child.wait().unwrap();
    assert_eq!(Stat::read(seen.pid), None);
    assert_eq!(Image::read(seen.pid), None);
    assert!(Pidfd::open(seen).unwrap().is_none());
    let stranger = Epoch { start: 1, ..epoch(i32::try_from(std::process::id()).unwrap()) };
    assert!(Pidfd::open(stranger).unwrap().is_none(), "a pid that another process has now");
}

#[test]
fn start_ticks_are_an_interval_around_the_fork() {
    let before = monotonic_ns();
    let child = Held::shell("read line");
    let after = monotonic_ns();
    let interval = start_interval(child.epoch().start);
    assert!(interval.lo_ns <= after && before <= interval.hi_ns, "{before}..{after} and {interval:?}");
}

#[tokio::test]
async fn a_pidfd_tells_the_end_and_where_the_kernel_can_the_status_of_anothers_child() {
    // The shell lives on and reaps its child: neither is a child that this test could wait for.
    let mut warden =
        warden_of([shell("sh -c 'exec sleep 1000' & wait $!; sleep 1000", "/dev/null".as_ref())]);
    let started = warden.start_command(0).await.unwrap();
    let child = eventually("the shell's child", || {
        let below = descendants(started.pid).unwrap();
        below.into_iter().find(|stat| stat.comm == "sleep")
    });
    let process = Pidfd::open(child.epoch).unwrap().unwrap();
    assert_eq!(process.exit(), None, "it lives");
    let waiting = tokio::time::timeout(Duration::from_millis(1), process.exited()).await;
    assert!(waiting.is_err(), "it lives");
    assert!(process.signal(libc::SIGKILL).unwrap());
    in_time("the end", process.exited()).await.unwrap();
    if tokio::time::timeout(Duration::from_secs(2), process.reaped()).await.is_ok() {
        match process.exit() {
            Some(exit) => assert_eq!(exit, Exit::Signal { signo: libc::SIGKILL, core: false }),
            None => println!("this kernel does not tell the status"),
        }
    } else {
        println!("this kernel does not tell of the reaping");
    }
    assert!(!process.signal(0).unwrap(), "a reaped process takes no signal");
    warden.end().await.unwrap();
}

#[tokio::test]
async fn a_tree_is_followed_through_forks_and_orphans() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let script = "sh -c 'sleep 1000 & wait' & (setsid sleep 1000 &); sleep 1000 & echo up; wait";
    let mut warden = warden_of([shell(script, &output)]);
    warden.start_command(0).await.unwrap();
    lines(&output, 1);
    let mut tree = Tree::new(warden.pid()).unwrap();
    let below = eventually("five processes", || {
        let below = tree.descendants().unwrap();
        (below.len() == 5 && below.iter().filter(|stat| stat.comm == "sleep").count() == 3).then_some(below)
    });
    assert_eq!(tree.descendants().unwrap().len(), 5, "with its strangers remembered");
    assert_eq!(descendants(warden.pid()).unwrap().len(), 5);
    let middle = below
        .iter()
        .find(|stat| below.iter().any(|child| child.ppid == stat.epoch.pid && stat.ppid != warden.pid()));
    let middle = middle.expect("the inner shell").epoch;
    kill(middle);
    eventually("the orphan under the warden", || {
        let below = tree.descendants().unwrap();
        let ours = below.iter().filter(|stat| stat.comm == "sleep" && stat.ppid == warden.pid()).count();
        (below.iter().filter(|stat| !stat.ended()).count() == 4 && ours == 2).then_some(())
    });
    warden.end().await.unwrap();
    assert_eq!(tree.descendants().unwrap(), []);
}

/// No process that is there all the time may be missing, whatever others come and go.
#[tokio::test]
async fn no_descendant_is_missed_while_others_fork_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let script = "(setsid sh -c 'while :; do (true &) ; sh -c \"true & wait\"; done' &); (setsid sleep 1000 &); sleep 1000 & echo up; wait";
    let mut warden = warden_of([shell(script, &output)]);
    warden.start_command(0).await.unwrap();
    lines(&output, 1);
    let mut tree = Tree::new(warden.pid()).unwrap();
    let sleeping = |below: &[Stat]| below.iter().filter(|stat| stat.comm == "sleep").count();
    eventually("both", || (sleeping(&tree.descendants().unwrap()) == 2).then_some(()));
    for round in 0..200 {
        let below = tree.descendants().unwrap();
        assert_eq!(sleeping(&below), 2, "round {round}: {below:?}");
        // A warden that nobody listens to stops reaping, and the dead would fill the machine.
        for _ in 0..1_000 {
            let Ok(event) = tokio::time::timeout(Duration::ZERO, warden.next_event()).await else { break };
            event.unwrap();
        }
    }
    in_time("the end of what forks without pause", warden.end()).await.unwrap();
}

#[test]
fn a_frozen_process_stands_still_with_all_its_threads_until_thawed() {
    // This very program holds several threads; a copy of it serves.
    let dir = open_dir();
    let mut command = helper("helper_with_busy_threads", dir.path(), false);
    let child = Held(command.stdin(Stdio::null()).spawn().unwrap());
    lines(&dir.path().join("up"), 1);
    let seen = child.epoch();
    let states = || -> Vec<char> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", seen.pid)).unwrap();
        let state = |line: String| line.rsplit_once(')').unwrap().1.trim().chars().next().unwrap();
        threads
            .map(|entry| state(std::fs::read_to_string(entry.unwrap().path().join("stat")).unwrap()))
            .collect()
    };
    for _ in 0..20 {
        let frozen = freeze(&[seen], PATIENCE).unwrap();
        assert!(states().len() > 4 && states().iter().all(|state| *state == 'T'), "{:?}", states());
        let ticks = || Stat::read(seen.pid).unwrap().cpu_ticks;
        let before = ticks();
        assert_eq!(frozen.epochs().collect::<Vec<_>>(), [seen]);
        assert_eq!(ticks(), before);
        frozen.thaw().unwrap();
        eventually("a running thread", || states().contains(&'R').then_some(()));
    }
    drop(freeze(&[seen], PATIENCE).unwrap());
    eventually("a running thread, after a drop", || states().contains(&'R').then_some(()));
}

#[test]
fn helper_with_busy_threads() {
    let Some(dir) = helper_dir() else { return };
    for _ in 0..4 {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop()
            }
        });
    }
    std::fs::write(dir.join("up"), "up\n").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn one_stopped_already_stays_stopped_and_one_gone_is_no_error() {
    let child = Held::shell("read line");
    let seen = child.epoch();
    let process = Pidfd::open(seen).unwrap().unwrap();
    process.signal(libc::SIGSTOP).unwrap();
    eventually("the stop", || Stat::read(seen.pid).filter(|stat| stat.state == 'T'));
    let mut gone = Command::new("true").spawn().unwrap();
    let gone_epoch = epoch(i32::try_from(gone.id()).unwrap());
    gone.wait().unwrap();
    let frozen = freeze(&[seen, gone_epoch], PATIENCE).unwrap();
    assert_eq!(frozen.epochs().count(), 0);
    frozen.thaw().unwrap();
    assert_eq!(Stat::read(seen.pid).unwrap().state, 'T');
}

#[test]
fn a_process_that_may_not_be_signalled_cannot_be_frozen() {
    if !is_root() {
        println!("skipped: only root can have a process of another user's");
        return;
    }
    let child = Held::shell("read line");
    let seen = child.epoch();
    as_another_user_in_a_thread(move || {
        assert!(matches!(freeze(&[seen], PATIENCE), Err(FreezeError::Signal { pid, .. }) if pid == seen.pid));
    });
}

/// Prints what a look at ten processes costs; the bound is wide, since machines are busy.
#[tokio::test]
async fn a_look_at_ten_processes_costs_less_than_a_millisecond() {
    let mut warden = warden_of([CommandSpec::new("sleep").args(["1000"])]);
    for _ in 0..10 {
        warden.start_command(0).await.unwrap();
    }
    let mut tree = Tree::new(warden.pid()).unwrap();
    let root = warden.pid();
    let cost = |what: &str, look: &mut dyn FnMut() -> usize| {
        let mut samples: Vec<_> = (0..300)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(look(), 10);
                begun.elapsed()
            })
            .collect();
        samples.sort();
        println!("{what}: median {:?}, 99 % {:?}", samples[150], samples[297]);
        samples[150]
    };
    let remembered = cost("descendants, strangers remembered", &mut || tree.descendants().unwrap().len());
    cost("descendants, first look", &mut || descendants(root).unwrap().len());
    assert!(remembered < Duration::from_millis(5), "{remembered:?}");
    warden.end().await.unwrap();
}
