//! Real servers: each is judged by what it promises and keeps it, and stopped and started again it does not.
//!
//! After each change nginx is put through the core of the scenarios; with `HOTSPEC_THOROUGH=1` so are the others that are installed by a
//! package, and all are stopped and started again; with `HOTSPEC_WHOLE=1` each way of restarting them goes through all, those that
//! fail or are repeated included. That takes a quarter of an hour.

use std::fs;
use std::path::Path;

use crate::support::{case_alone, case_with, run, thorough, whole};
use libtest_mimic::Trial;

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

/// One state of a connection each, and a new one.
const CORE: [&str; 9] = [
    "new-connections",
    "idle-last-request",
    "fresh-first-request",
    "in-flight-slow",
    "in-flight-upload",
    "half-sent-head",
    "queued-at-trigger",
    "pooled-client",
    "failing-configuration",
];

/// The same servers, stopped and started again.
const COLD: [(&str, Program); 3] = [("nginx-cold", NGINX), ("haproxy-cold", HAPROXY), ("httpd-cold", HTTPD)];

pub fn trials() -> Vec<Trial> {
    let others =
        [("haproxy", HAPROXY), ("httpd", HTTPD)].map(|(target, program)| keeps_core(target, program));
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
    let restarts = CLEAN.map(|(target, program)| withstands(target, program));
    let crossing = case_with(
        &[NGINX],
        "nginx: requests that cross its close are no alarm, and each reset is accounted for",
        crossing,
    );
    let checks =
        case_with(&[HAPROXY], "haproxy: health checks with no client traffic are no alarm", health_checks);
    let often = others.into_iter().chain([checks]).chain(cold).chain([idle]).map(thorough);
    let seldom = clean.into_iter().chain(restarts).chain([crossing]).map(whole);
    [keeps_core("nginx", NGINX)].into_iter().chain(often).chain(seldom).collect()
}

fn keeps_core(target: &'static str, program: Program) -> Trial {
    case_with(&[program], format!("{target} keeps the core of what it promises"), move || {
        let run = run(["--target", target].into_iter().chain(CORE));
        run.exits(0);
        assert_eq!(run.results.verdict, "pass");
    })
}

/// Ordinary restarts, with nothing left open.
fn keeps(target: &'static str, program: Program) -> Trial {
    case_alone(&[program], format!("{target} keeps what it promises"), move || {
        let run = run(["--target", target, "--exclude", "failure", "--exclude", "repeat"]);
        run.exits(0);
        assert_eq!(run.results.verdict, "pass");
    })
}

/// Restarts that fail or come one upon the other. What a server does then is its own affair, and told; here hotspec has to come
/// to a verdict, and every one of these was seen to serve on when its configuration is broken, or is known not to.
fn withstands(target: &'static str, program: Program) -> Trial {
    case_alone(&[program], format!("{target} comes through restarts that fail or are repeated"), move || {
        let run = run(["--target", target, "failure", "repeat"]);
        assert!(matches!(run.status, Some(0..=2)), "status {:?}\n{}\n{}", run.status, run.stdout, run.stderr);
        let verdicts = run.results.verdicts();
        println!("{target}: {verdicts:?}");
        let said = verdicts.get("failure.bad-config");
        let expected = if target == "httpd" { "known" } else { "pass" };
        assert_eq!(said, Some(&expected), "{}", run.stdout);
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

/// Requests that cross nginx's close after HUP, over as many runs as it takes: which of them do is a matter of microseconds.
const CROSSING: u64 = 20;
/// Runs, at most.
const RUNS: u32 = 12;

/// The kernel of a correct server answers them by RST. None of these may alarm, and each has to be found in the counters, on the wire and
/// on its connection.
fn crossing() {
    let mut crossed = 0;
    for number in 1..=RUNS {
        let run = run(["--target", "nginx", "keep-alive.crossing-request"]);
        run.exits(0);
        assert_eq!(run.results.verdict, "pass", "{}", run.stdout);
        let report: serde_json::Value = serde_json::from_str(&run.json).expect("a report");
        let restarts = report["restarts"].as_array().expect("restarts");
        let sum =
            |name: &str| restarts.iter().filter_map(|restart| restart["resets"][name].as_u64()).sum::<u64>();
        let evidence = report["evidence"].as_array().into_iter().flatten().filter_map(|line| line.as_str());
        let counters: Vec<&str> = evidence.filter(|line| line.starts_with("counters: ")).collect();
        let (sent, after_close) = (sum("sent"), sum("after_close"));
        println!(
            "run {number}: {after_close} of {sent} resets answered what came after the close; {counters:?}"
        );
        assert_eq!(sum("after_close_matched"), after_close, "{}", run.stdout);
        assert_eq!(sum("breaking_matched"), sum("breaking"), "{}", run.stdout);
        assert_eq!(sent, after_close + sum("breaking") + sum("refused"), "{}", run.stdout);
        assert_eq!(counters.len(), 1, "no network of its own: {}", run.stdout);
        let told = counters[0].ends_with("all of them heard") || counters[0].ends_with("(OutRsts +0)");
        assert!(told, "{counters:?}");
        crossed += after_close;
        if crossed >= CROSSING {
            return;
        }
    }
    panic!("{crossed} requests crossed the close in {RUNS} runs");
}

/// A check of HAProxy's ends by an RST of its own, twenty times a second, and no client comes.
fn health_checks() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/targets/haproxy.toml");
    let text = fs::read_to_string(file).expect("the target file");
    let plain = "server origin {origin}\n";
    assert!(text.contains(plain), "the target file has another backend");
    let text = text.replace(plain, "server origin {origin} check inter 50ms\n");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("haproxy-checks.toml");
    fs::write(&path, text.replace("name = \"haproxy\"", "name = \"haproxy-checks\"")).expect("a copy of it");
    let run = run(["--target", &path.display().to_string(), "zero-traffic"]);
    run.exits(0);
    assert_eq!(run.results.verdict, "pass", "{}", run.stdout);
}
