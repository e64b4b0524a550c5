//! `hotspec selftest` sees what there is to see, with network namespaces and without, and soon.

use std::time::{Duration, Instant};

use crate::support::{SOON, case, case_alone, hotspec, thorough};
use libtest_mimic::Trial;
use predicates::prelude::*;

/// What a user is told that it takes at most.
const TWO_MINUTES: Duration = Duration::from_secs(120);

pub fn trials() -> Vec<Trial> {
    let name = |isolation: &str| {
        format!("every fault is seen with --isolation {isolation}, and nothing where there is none")
    };
    vec![
        thorough(case_alone(&[], name("auto"), || {
            let begun = Instant::now();
            sees_all("auto");
            assert!(begun.elapsed() < TWO_MINUTES, "it took {:?}", begun.elapsed());
        })),
        thorough(case(name("none"), || sees_all("none"))),
        thorough(case("one fault can be asked for", one_fault)),
        case("a fault that there is not is told with those that there are", unknown_fault),
        case("the server by itself tells what it expects", server_by_itself),
    ]
}

fn sees_all(isolation: &str) {
    let assert = hotspec(["selftest", "--isolation", isolation]).assert();
    let output = assert.get_output();
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = |word: &str| text.lines().filter(|line| line.split("  ").next() == Some(word)).count();
    assert_eq!((rows("fails"), rows("not seen")), (0, 0), "{text}");
    // A machine that stands still for a while leaves some open, and that is what has to be said of them then.
    let open = rows("undecided");
    let status = output.status.code();
    assert_eq!(status, Some(if open == 0 { 0 } else { 2 }), "{text}");
    assert_eq!(rows("holds") + rows("seen") + rows("can't be seen") + open, 17, "{text}");
    assert!(rows("seen") >= 12, "{text}");
}

fn one_fault() {
    let wanted =
        predicate::str::contains("process.new-generation").and(predicate::str::contains("1 of 1 fault seen"));
    hotspec(["selftest", "ignores"]).assert().code(0).stdout(wanted);
}

fn unknown_fault() {
    let wanted =
        predicate::str::contains("there is no fault `gone`").and(predicate::str::contains("gap, queue-lost"));
    hotspec(["selftest", "gone"]).timeout(SOON).assert().code(64).stdout("").stderr(wanted);
}

fn server_by_itself() {
    let wanted = predicate::str::contains("expected FAULT --listen ADDRESS");
    hotspec(["selftest-server"]).timeout(SOON).assert().code(1).stdout("").stderr(wanted);
}
