//! Servers that are up already: started by the test, as by hand, and restarted by a command of their own or by a signal.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::saboteurs::saboteur;
use crate::support::processes::{self, MARK};
use crate::support::{
    HOTSPEC, Run, SOON, built, case, case_with, eventually, hotspec, run, tempdir, thorough,
};
use hotspec::clause::registry;
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const NGINX: (&str, &str) = ("nginx", "apt-get install nginx-light");

/// So many ports are tried.
const PORTS: u32 = 9_000;

/// Scenarios whose clauses are compared: a new connection, and one in each of a few states.
const STATES: [&str; 5] =
    ["new-connections", "idle-last-request", "in-flight-slow", "in-flight-upload", "half-sent-head"];

pub fn trials() -> Vec<Trial> {
    let unit = "a unit of systemd's tells which process it is, and a pid file whom to signal";
    let by_hand = case_with(
        &[NGINX],
        "an nginx that was started by hand gets the verdicts of the one that hotspec starts",
        nginx_by_hand,
    );
    let mut trials = vec![
        thorough(by_hand),
        thorough(case("the reference, up already and restarted by HUP, passes", reference_passes)),
        thorough(case(unit, unit_and_signal)),
        thorough(case("a command that restarts nothing is no pass", no_restart)),
        thorough(case("a server that its command stops and starts again fails, and lives on", cold)),
        case("a restart command that fails is told with its status and its words, and once", failing_command),
        case("a process that is not behind the URL is told", another_process),
        case("what a dry run says starts and asks nothing", dry_run),
    ];
    let faults = ["closed_by_reset", "bodies_cut"];
    trials.extend(faults.map(fails_by_its_clause).map(thorough));
    trials.extend(wrong_words());
    trials
}

/// A server that the test has started. It is ended with this, whatever process it is by then.
struct Up {
    dir: TempDir,
    address: String,
    mark: String,
}

impl Up {
    /// Starts a server; `{address}` and `{dir}` are filled in.
    fn start(words: &[&str]) -> Self {
        Self::nowhere().with(words)
    }

    /// A place for one.
    fn nowhere() -> Self {
        let (dir, address) = (tempdir(), free_address());
        Self { mark: dir.path().display().to_string(), dir, address }
    }

    /// Starts it there.
    fn with(self, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| self.fill(word)).collect();
        let log = fs::File::create(self.path("log")).expect("a log");
        let started = Command::new(&words[0])
            .args(&words[1..])
            .env(MARK, &self.mark)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        // Not waited for: it ends by itself when its successor has come, and with the test at last.
        std::mem::forget(started.expect("the server starts"));
        eventually("the server", SOON, || TcpStream::connect(&self.address).ok());
        self
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{address}", &self.address).replace("{dir}", &self.dir.path().display().to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// `hotspec run --url` with these words, `{dir}` filled in.
    fn judge(&self, words: &[&str]) -> Run {
        let url = self.url();
        let words = words.iter().map(|word| self.fill(word));
        run(["--url".to_owned(), url, "--idle-max".to_owned(), "3s".to_owned()].into_iter().chain(words))
    }

    fn pid(&self) -> i32 {
        // It may be written when the server listens already.
        eventually("its pid file", SOON, || fs::read_to_string(self.path("pid")).ok()?.trim().parse().ok())
    }

    /// It serves, and hotspec has left nothing of its own behind.
    fn is_unharmed(&self) {
        let mut client = TcpStream::connect(&self.address).expect("the server listens");
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("the request is taken");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 "), "{answer}");
        let pid = self.pid();
        assert!(processes::lives(pid), "process {pid} of the server is gone");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // One that has cleared its environment, and tells its workers by itself.
        if let Some(pid) = fs::read_to_string(self.path("pid")).ok().and_then(|text| text.trim().parse().ok())
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        for process in processes::marked(&self.mark) {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
    }
}

/// Below the range of ports that the kernel gives to clients; none is chosen twice.
fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % PORTS;
    let port = (0..PORTS).find_map(|_| {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(port).expect("a port");
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    format!("127.0.0.1:{}", port.expect("a free port"))
}

const REFERENCE: [&str; 6] = [HOTSPEC, "serve", "--listen", "{address}", "--pid-file", "{dir}/pid"];
const HUP: &str = "kill -HUP $(cat {dir}/pid)";

/// Clauses that were judged, whichever way.
fn decided(run: &Run) -> BTreeMap<&str, &str> {
    let verdicts = run.results.verdicts().into_iter();
    verdicts.filter(|(_, verdict)| matches!(*verdict, "pass" | "fail" | "known")).collect()
}

fn is_seen_by_clients(id: &str) -> bool {
    registry::find(id).is_some_and(|clause| clause.seen_by_clients())
}

fn reference_passes() {
    let up = Up::start(&REFERENCE);
    let before = up.pid();
    let run = up.judge(&["--restart-command", HUP, "new-connections", "idle-last-request"]);
    run.exits(0);
    assert!(decided(&run).keys().all(|id| is_seen_by_clients(id)), "{:?}", decided(&run));
    assert!(decided(&run).len() > 5, "{}", run.stdout);
    assert_eq!(run.results.said_of("drain.exits").map(|said| said.verdict.as_str()), Some("unsupported"));
    assert!(run.stdout.contains("--pid"), "{}", run.stdout);
    assert_ne!(up.pid(), before, "the command has restarted it");
    up.is_unharmed();
    let checked = hotspec(["check"]).arg(&run.dir).args(["--report", "junit"]).assert().code(0);
    let junit = String::from_utf8_lossy(&checked.get_output().stdout).into_owned();
    assert!(junit.contains("availability.not-refused"), "{junit}");
}

/// The unit's main process is asked for by a `systemctl` of the test's own, as there may be no systemd here.
fn unit_and_signal() {
    let up = Up::start(&REFERENCE);
    let systemctl = up.path("systemctl");
    let script =
        up.fill("#!/bin/sh\n[ \"$*\" = 'show -p MainPID --value -- app.service' ] && cat {dir}/pid\n");
    fs::write(&systemctl, script).expect("written");
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", up.dir.path().display(), std::env::var("PATH").unwrap_or_default());
    let url = up.url();
    let report = up.path("report.json");
    let words = ["run", "--url", &url, "--unit", "app.service", "--restart", "HUP", "--idle-max", "3s"];
    let mut command = hotspec(words);
    command
        .args(["new-connections", "idle-last-request", "zero-traffic", "--run-dir"])
        .arg(up.path("run"))
        .env("PATH", path);
    command.arg("--report").arg(format!("json={}", report.display())).assert().code(0);
    let results: crate::support::Results =
        serde_json::from_str(&fs::read_to_string(&report).expect("a report")).expect("JSON");
    for id in ["drain.exits", "process.new-generation", "process.one-left", "keep-alive.close-announced"] {
        let verdict = results.said_of(id).map(|said| said.verdict.as_str());
        assert_eq!(verdict, Some("pass"), "{id}: {:?}", results.said_of(id));
    }
    let given = results.said_of("process.arguments-kept").map(|said| said.verdict.as_str());
    assert_eq!(given, Some("unsupported"), "nobody knows what it was started with");
    up.is_unharmed();
}

fn fails_by_its_clause(name: &'static str) -> Trial {
    case(
        format!("{name}, up already, fails by the clause that it fails by when hotspec starts it"),
        move || {
            let saboteur = saboteur::all().into_iter().find(|one| one.name == name).expect("a saboteur");
            assert!(is_seen_by_clients(&saboteur.clause), "{}", saboteur.clause);
            let program = built("examples/saboteurs", "cargo build -p saboteurs --examples");
            let program = program.display().to_string();
            let up = Up::start(&[&program, name, "--listen", "{address}", "--pid-file", "{dir}/pid"]);
            let shown_by = saboteur.shown_by.iter().map(String::as_str);
            let words = ["--restart-command", HUP, "--slow-path", "/slow?ms={ms}", "--upload-path", "/echo"];
            let run = up.judge(&words.into_iter().chain(shown_by).collect::<Vec<_>>());
            run.exits(1);
            assert!(run.results.fails(&saboteur.clause), "{}", run.stdout);
            let stray = |id: &&str| *id != saboteur.clause && !saboteur.falls_with.contains(*id);
            let strays: Vec<&str> = run.results.failed("MUST").into_iter().filter(stray).collect();
            assert!(strays.is_empty(), "{strays:?}: {}", run.stdout);
        },
    )
}

/// As Debian's package has it: a daemon with a pid file, sites of their own, and here an application behind it.
const NGINX_CONF: &str = "\
worker_processes 2;
pid {dir}/pid;
error_log {dir}/error.log notice;
events { worker_connections 768; }
http {
  sendfile on; tcp_nopush on; types_hash_max_size 2048;
  default_type application/octet-stream;
  access_log off; gzip on;
  keepalive_timeout 3s; client_header_timeout 3s;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {
    listen {address} default_server;
    add_header X-Worker $pid always;
    location = / { default_type text/plain; return 200 'nginx'; }
    location / { proxy_pass http://{behind}; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off; }
  }
}
";

fn nginx_by_hand() {
    let behind = Up::start(&REFERENCE);
    let by_hand = Up::nowhere();
    let text = by_hand.fill(NGINX_CONF).replace("{behind}", &behind.address);
    fs::write(by_hand.path("nginx.conf"), text).expect("written");
    let conf = by_hand.path("nginx.conf").display().to_string();
    let by_hand = by_hand.with(&["nginx", "-c", &conf]);
    let master = by_hand.pid();
    let reload = format!("echo >> {{dir}}/count; nginx -s reload -c {conf}");
    let mut words =
        vec!["--restart-command", &reload, "--slow-path", "/slow?ms={ms}", "--upload-path", "/echo"];
    words.extend(STATES);
    // Whether a request comes in the moment in which it could be told is a matter of luck.
    let luck = ["--exclude", "keep-alive.close-announced"];
    let started = run(["--target", "nginx"].into_iter().chain(luck).chain(STATES));
    let clients = by_hand.judge(&words);
    let header: Vec<&str> = ["--marker-header", "X-Worker"].into_iter().chain(words[..2].to_vec()).collect();
    let marked = by_hand.judge(&[&header[..], &["new-connections"]].concat());
    let told = ["--pid-file", "{dir}/pid"].into_iter().chain(luck).chain(words.iter().copied());
    let processes = by_hand.judge(&told.collect::<Vec<_>>());
    started.exits(0);
    clients.exits(0);
    marked.exits(0);
    processes.exits(0);
    let expected = decided(&started);
    // All that clients see is judged, and as it is of the one that hotspec starts.
    let of_clients: BTreeMap<&str, &str> = expected
        .iter()
        .filter(|(id, _)| is_seen_by_clients(id))
        .map(|(id, verdict)| (*id, *verdict))
        .collect();
    assert_eq!(decided(&clients), of_clients, "{}", clients.stdout);
    assert!(of_clients.len() > 8, "{of_clients:?}");
    for id in ["process.new-generation", "process.effective"] {
        assert_eq!(marked.results.verdicts().get(id), Some(&"pass"), "{id}: {}", marked.stdout);
    }
    // Where it is said which processes it is, all else is too, but for what hotspec would have to have started it for.
    let all = processes.results.verdicts();
    let missing: Vec<_> = expected.iter().filter(|(id, verdict)| all.get(*id) != Some(verdict)).collect();
    let ours = |id: &str| {
        let reasons = processes.results.said_of(id).map(|said| said.reasons.join(" ")).unwrap_or_default();
        reasons.contains("hotspec has not started the server")
            || reasons.contains("no origin of hotspec's own")
    };
    assert!(missing.iter().all(|(id, _)| ours(id)), "{missing:?}: {}", processes.stdout);
    // It was signalled as often as the command was run, and by nothing else.
    by_hand.is_unharmed();
    assert_eq!(by_hand.pid(), master);
    let log = fs::read_to_string(by_hand.path("error.log")).expect("its log");
    let of_master = log.lines().filter(|line| line.contains(&format!("{master}#")));
    let signals: Vec<&str> = of_master.filter_map(|line| line.split(": signal ").nth(1)).collect();
    let hups = signals.iter().filter(|signal| signal.starts_with("1 (SIGHUP)")).count();
    let reloads = fs::read_to_string(by_hand.path("count")).expect("a count").lines().count();
    assert_eq!(hups, reloads, "{signals:?}");
    assert!(reloads > 2 * STATES.len(), "{reloads}");
    let own = ["1 (SIGHUP)", "17 (SIGCHLD)", "29 (SIGIO)"];
    assert!(signals.iter().all(|signal| own.iter().any(|known| signal.starts_with(known))), "{signals:?}");
}

fn no_restart() {
    let up = Up::start(&REFERENCE);
    let run = up.judge(&["--again", "0", "--restart-command", "true", "idle-last-request"]);
    run.exits(2);
    assert!(decided(&run).is_empty(), "{:?}", decided(&run));
    assert!(
        run.stdout.contains("nothing that clients saw shows that a restart took place"),
        "{}",
        run.stdout
    );
    let told = up.judge(&[
        "--again",
        "0",
        "--pid-file",
        "{dir}/pid",
        "--restart-command",
        "true",
        "new-connections",
    ]);
    // Where no processor was free for long it is open, and broken else.
    assert!(matches!(told.status, Some(1 | 2)), "{}", told.stdout);
    let verdict = told.results.said_of("process.new-generation").map(|said| said.verdict.as_str());
    assert!(matches!(verdict, Some("fail" | "inconclusive")), "{}", told.stdout);
}

/// What the command starts is the server from then on: it is not taken down with the command.
fn cold() {
    let up = Up::start(&REFERENCE);
    let before = up.pid();
    let stop = "old=$(cat {dir}/pid); kill $old; while grep -q 'State:[[:space:]]*[^Z[:space:]]' /proc/$old/status; do sleep 0.05; done";
    let start = REFERENCE.join(" ");
    let command = format!("{stop}; {MARK}={{dir}} {start} > /dev/null 2>&1 &");
    let run = up.judge(&["--restart-command", &command, "new-connections"]);
    run.exits(1);
    assert!(run.results.fails("availability.not-refused"), "{}", run.stdout);
    assert_ne!(up.pid(), before);
    up.is_unharmed();
}

fn failing_command() {
    let up = Up::start(&REFERENCE);
    let command = "echo the unit is masked >&2; echo >> {dir}/count; exit 7";
    let run =
        up.judge(&["--restart-command", command, "new-connections", "idle-last-request", "fresh-silent"]);
    run.exits(3);
    for said in ["ended with status 7", "the unit is masked"] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
    let times = fs::read_to_string(up.path("count")).expect("a count").lines().count();
    assert_eq!(times, 1, "who can't be restarted is not tried again");
    up.is_unharmed();
}

fn another_process() {
    let (up, other) = (Up::start(&REFERENCE), Up::start(&REFERENCE));
    let pid = other.pid().to_string();
    let run = up.judge(&["--pid", &pid, "--restart-command", HUP, "new-connections"]);
    run.exits(3);
    for said in ["--pid", "listens on", &up.address] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
}

fn dry_run() {
    let words =
        ["run", "--dry-run", "--url", "http://127.0.0.1:9/health", "--restart-command", "touch /never"];
    let assert = hotspec(words).timeout(SOON).assert().code(0);
    let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    for expected in ["http://127.0.0.1:9/health", "one after another", "queued-at-trigger", "SIGSTOP"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// Command lines that can't be followed: the words after `--url`, the status, what has to be said.
fn wrong_words() -> Vec<Trial> {
    const RESTART: [&str; 2] = ["--restart-command", "true"];
    let cases: [(&str, &[&str], i32, &[&str]); 10] = [
        ("https is told to be not there yet", &["https://127.0.0.1/"], 64, &["TLS", "https"]),
        ("another scheme is told", &["ftp://127.0.0.1/"], 64, &["expected http://", "ftp"]),
        ("what is no URL is told", &["127.0.0.1:8080"], 64, &["expected", "127.0.0.1:8080"]),
        ("a password is refused", &["http://me:secret@127.0.0.1/"], 64, &["no password"]),
        (
            "a URL that nobody listens on is told",
            &["http://127.0.0.1:9/"],
            3,
            &["nobody answers", "127.0.0.1:9"],
        ),
        (
            "a host that does not exist is told",
            &["http://no-such-host.invalid/"],
            64,
            &["no-such-host.invalid"],
        ),
        ("a target beside it is refused", &["http://127.0.0.1/", "--target", "nginx"], 64, &["--target"]),
        ("a path beside it is refused", &["http://127.0.0.1/", "--path", "/x"], 64, &["--path"]),
        ("two networks are refused", &["http://127.0.0.1/", "--isolation", "full"], 64, &["--isolation"]),
        (
            "several at a time are refused",
            &["http://127.0.0.1/", "--jobs", "4"],
            64,
            &["one scenario at a time"],
        ),
    ];
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|(name, words, status, said)| {
            case(format!("--url: {name}"), move || refused([words, &RESTART[..]].concat(), status, said))
        })
        .collect();
    trials.push(case("--url: a command beside it is refused", || {
        refused(vec!["http://127.0.0.1/", "--restart-command", "true", "--", "sleep", "1"], 64, &["--url"]);
    }));
    trials.push(case("--url: how it is restarted has to be said", || {
        refused(vec!["http://127.0.0.1/"], 64, &["--restart-command"]);
    }));
    trials.push(case("--url: a signal needs somebody to get it", || {
        refused(vec!["http://127.0.0.1/", "--restart", "HUP"], 64, &["--pid", "--unit"]);
    }));
    trials.push(case("--url: a process that is dead is told", dead_process));
    trials
}

fn refused(words: Vec<&str>, status: i32, said: &[&str]) {
    let temp = tempdir();
    let assert = hotspec(["run", "--url"])
        .args(words)
        .env("XDG_STATE_HOME", temp.path())
        .timeout(SOON)
        .assert()
        .code(status)
        .stdout("");
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    for word in said {
        assert!(stderr.contains(word), "`{word}` is not said in: {stderr}");
    }
    assert_eq!(fs::read_dir(temp.path()).expect("read").count(), 0, "a run was begun");
}

fn dead_process() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let mut dead = Command::new("true").spawn().expect("it starts");
    dead.wait().expect("it ends");
    let pid = dead.id().to_string();
    refused(vec![&url, "--restart-command", "true", "--pid", &pid], 64, &["--pid", &pid]);
}
