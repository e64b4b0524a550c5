//! Real servers: each is judged by what it promises and keeps it, and stopped and started again it does not.

mod support;

use std::process::ExitCode;

use libtest_mimic::Trial;
use support::{case_with, run, run_trials};

/// A program, and where to get it.
type Program = (&'static str, &'static str);

const NGINX: Program = ("nginx", "apt-get install nginx-light");
const HAPROXY: Program = ("haproxy", "apt-get install haproxy");
const HTTPD: Program = ("apache2", "apt-get install apache2-bin");

/// Targets that keep what they promise.
const CLEAN: [(&str, Program); 5] = [
    ("nginx", NGINX),
    ("nginx-upgrade", NGINX),
    ("haproxy", HAPROXY),
    ("haproxy-idle-close", HAPROXY),
    ("httpd", HTTPD),
];

/// The same servers, stopped and started again.
const COLD: [(&str, Program); 3] = [("nginx-cold", NGINX), ("haproxy-cold", HAPROXY), ("httpd-cold", HTTPD)];

fn main() -> ExitCode {
    let clean = CLEAN.map(|(target, program)| keeps(target, program));
    let cold = COLD.map(|(target, program)| refuses(target, program));
    let idle =
        case_with(&[NGINX], "nginx closes idle connections at once, which falcore does not allow", || {
            let run = run(["--target", "nginx", "--profile", "falcore", "idle-last-request"]);
            run.exits(1);
            for id in ["keep-alive.one-last-request", "idle.not-early"] {
                assert!(run.results.fails(id), "{:?}", run.results.said_of(id));
                assert!(run.stdout.contains(id), "{}", run.stdout);
            }
        });
    // Each is some thirty scenarios at once.
    run_trials(1, clean.into_iter().chain(cold).chain([idle]).collect())
}

/// The whole profile, with nothing left open.
fn keeps(target: &'static str, program: Program) -> Trial {
    case_with(&[program], format!("{target} keeps what it promises"), move || {
        let run = run(["--target", target]);
        run.exits(0);
        assert_eq!(run.results.verdict, "pass");
    })
}

/// One connection after another meets nobody. A server may be back within milliseconds, so several scenarios look.
fn refuses(target: &'static str, program: Program) -> Trial {
    let scenarios =
        ["new-connections", "idle-last-request", "half-sent-head", "queued-at-trigger", "zero-traffic"];
    case_with(&[program], format!("{target} refuses connections"), move || {
        let run = run(["--target", target].into_iter().chain(scenarios));
        run.exits(1);
        let said = run.results.said_of("availability.not-refused");
        assert!(run.results.fails("availability.not-refused"), "{said:?}");
        // It did come back.
        assert!(!run.results.fails("process.new-generation"), "{:?}", run.results.clauses);
    })
}
