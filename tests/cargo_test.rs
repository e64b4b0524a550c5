//! hotspec in other projects' `cargo test`: those of `ci/examples`, each copied out of this tree.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::support::{HOTSPEC, built, case, tempdir, thorough};

pub fn trials() -> Vec<Trial> {
    vec![
        case("a project lets the reference through and stops a saboteur", third_party),
        thorough(case("a project judges a server of its own", own_server)),
    ]
}

/// A project outside of this tree, whose harness it depends on.
struct Project(TempDir);

impl Project {
    fn new(name: &str) -> Self {
        let tree = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("the tree");
        let dir = tempdir();
        let project = tree.join("ci/examples").join(name);
        for part in ["Cargo.toml", "Cargo.lock", "src", "tests"] {
            let copied = Command::new("cp").arg("-r").arg(project.join(part)).arg(dir.path()).status();
            assert!(copied.expect("cp starts").success(), "{part} of {}", project.display());
        }
        let manifest = dir.path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("a manifest");
        let there = text.replace("\"../../../", &format!("\"{}/", tree.display()));
        assert_ne!(text, there, "it depends on what is in this tree");
        fs::write(&manifest, there).expect("it is written");
        // As this tree's programs are built, so that what those depend on is not built again. hotspec itself is, for a project that
        // is another's: without what only a debugger needs.
        let workspace = fs::read_to_string(tree.join("Cargo.toml")).expect("the workspace");
        let profiles = workspace.find("[profile.").expect("profiles");
        let config = format!("{}\n[profile.dev.package.hotspec]\ndebug = false\n", &workspace[profiles..]);
        fs::create_dir(dir.path().join(".cargo")).expect("a directory");
        fs::write(dir.path().join(".cargo/config.toml"), config).expect("it is written");
        Self(dir)
    }

    /// `cargo test` there, with `SERVER` for the projects that ask for it.
    fn tests(&self, server: Option<&str>, arguments: &[&str]) -> Output {
        let target = Path::new(HOTSPEC).ancestors().nth(2).expect("the directory that cargo builds in");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(self.0.path())
            .args(["test", "--offline", "--quiet", "--jobs", "1"])
            .args(arguments);
        command.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0").env("NO_COLOR", "1");
        command
            .env_remove("GITHUB_ACTIONS")
            .env_remove("SERVER")
            .envs(server.map(|server| ("SERVER", server)));
        command.output().expect("cargo starts")
    }
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A server that others built: named by `SERVER`.
fn third_party() {
    let project = Project::new("third-party");
    let reference = built("reference-server", "cargo build -p reference-server");
    let reference = format!("{} --listen {{address}}", reference.display());
    let saboteurs = built("examples/saboteurs", "cargo build -p saboteurs --examples");
    let saboteur = format!("{} in_flight_killed --listen {{address}}", saboteurs.display());
    let servers = |arguments: &[&'static str]| [&["--test", "servers", "--"], arguments].concat();

    // As nextest asks: what there is, and then one case by its name.
    let listed = project.tests(Some(&reference), &servers(&["--list", "--format", "terse"]));
    let listed = said(&listed);
    assert!(listed.contains("[server] in-flight-slow: test\n"), "{listed}");
    assert!(listed.contains("[nginx] zero-traffic: test\n"), "{listed}");
    let exactly = servers(&["[server] in-flight-slow", "--exact", "--nocapture"]);
    let through = project.tests(Some(&reference), &exactly);
    assert!(through.status.success(), "{}", said(&through));
    assert!(said(&through).contains("test result: ok. 1 passed; 0 failed"), "{}", said(&through));

    let stopped = project.tests(Some(&saboteur), &servers(&["[server]"]));
    assert_eq!(stopped.status.code(), Some(101), "{}", said(&stopped));
    let stopped = said(&stopped);
    // The report for people, of the case that fails, and of no other.
    for what in
        ["---- in-flight-slow ----", "FAIL: server loses requests in flight", "in-flight.completes (MUST)"]
    {
        assert_eq!(stopped.matches(what).count(), 1, "{what}: {stopped}");
    }
    assert!(stopped.contains("test result: FAILED. 1 passed; 1 failed"), "{stopped}");
    // Where it says that the run is stored.
    let dir = stopped.lines().find_map(|line| line.strip_prefix("run directory  ")).expect("a directory");
    assert!(dir.ends_with("hotspec/trials/servers/server/in-flight-slow"), "{dir}");
    assert!(Path::new(dir).join("results.json").is_file(), "{dir}");
}

/// A server that the project builds itself.
fn own_server() {
    let project = Project::new("own-server");
    let plain = project.tests(None, &["--test", "hot_restart"]);
    assert!(plain.status.success(), "{}", said(&plain));
    assert!(said(&plain).contains("test result: ok. 2 passed; 0 failed"), "{}", said(&plain));
    let one = project.tests(None, &["--test", "scenarios", "--", "in-flight-slow", "--exact"]);
    assert!(one.status.success(), "{}", said(&one));
    assert!(said(&one).contains("test result: ok. 1 passed; 0 failed"), "{}", said(&one));
}
