//! A real server: nginx is judged by what it promises, and fails by what it does not.

mod support;

use std::process::ExitCode;

use support::{case_with, run, run_trials};

const NGINX: &[(&str, &str)] = &[("nginx", "apt-get install nginx-light")];

/// Stops nginx in order, as `systemctl restart` would, waits until it is gone, and starts it again.
const STOP_AND_START: &str = "kill -QUIT $(cat {dir}/nginx.pid); while [ -e {dir}/nginx.pid ]; do :; done; nginx -p {dir} -c nginx.conf";

fn main() -> ExitCode {
    run_trials(
        3,
        vec![
            case_with(NGINX, "nginx, reloaded, passes its own profile", || {
                let run = run(["--target", "nginx"]);
                run.exits(0);
                assert_eq!(run.results.verdict, "pass");
            }),
            case_with(NGINX, "nginx closes idle connections at once, which falcore does not allow", || {
                let run = run(["--target", "nginx", "--profile", "falcore", "idle-last-request"]);
                run.exits(1);
                for id in ["keep-alive.one-last-request", "idle.not-early"] {
                    assert!(run.results.fails(id), "{:?}", run.results.said_of(id));
                    assert!(run.stdout.contains(id), "{}", run.stdout);
                }
            }),
            case_with(NGINX, "nginx, stopped and started again, refuses connections", || {
                // nginx is back within milliseconds, so one scenario alone may miss it.
                let restart = ["--target", "nginx", "--restart-command", STOP_AND_START];
                let scenarios =
                    ["new-connections", "idle-last-request", "half-sent-head", "queued-at-trigger"];
                let more = ["fresh-first-request", "accepted-unread", "zero-traffic", "pooled-client"];
                let run = run(restart.into_iter().chain(scenarios).chain(more));
                run.exits(1);
                let said = run.results.said_of("availability.not-refused");
                assert!(run.results.fails("availability.not-refused"), "{said:?}");
            }),
        ],
    )
}
