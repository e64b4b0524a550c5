//! `hotspec doctor` says what works, as whomever it is called and whatever is forbidden, and it is right.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use crate::support::permission::{
    NO_NAMESPACES, NOBODY, SETPRIV, UNSHARE, is_possible, open_to_all, program_in,
};
use crate::support::{SOON, case, case_with, hotspec, tempdir};
use libtest_mimic::Trial;
use predicates::prelude::*;
use serde_json::Value;

pub fn trials() -> Vec<Trial> {
    vec![
        case("every witness has its line, and the exit status is 0", whole_page),
        case("programs are told the same", json),
        case("another format is told", wrong_format),
        case_with(&[SETPRIV], "an ordinary user is told what root would have", ordinary_user),
        case_with(&[SETPRIV, UNSHARE], "where namespaces are forbidden, the setting is named", forbidden),
    ]
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn whole_page() {
    let wanted =
        ["network-namespace", "two-networks", "packets", "counters", "tcp-sockets", "witnesses work here"];
    let mut assert = hotspec(["doctor"]).timeout(SOON).assert().code(0).stderr("");
    for part in wanted {
        assert = assert.stdout(predicate::str::contains(part));
    }
}

fn wrong_format() {
    hotspec(["doctor", "--format", "xml"]).timeout(SOON).assert().code(64).stdout("");
}

/// By name: the whole entry.
fn witnesses(output: &Output) -> BTreeMap<String, Value> {
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let page: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(page["schema"], 1);
    let entries = page["witnesses"].as_array().expect("a list").iter();
    entries.map(|entry| (entry["name"].as_str().expect("a name").to_owned(), entry.clone())).collect()
}

fn json() {
    let output = hotspec(["doctor", "--format", "json"]).timeout(SOON).output().expect("it starts");
    let witnesses = witnesses(&output);
    for (name, entry) in &witnesses {
        let works = entry["works"].as_bool().expect("yes or no");
        assert_eq!(works, entry["how"].is_string(), "{name}: {entry}");
        assert_eq!(!works, entry["why"].is_string() && entry["without"].is_string(), "{name}: {entry}");
    }
    // What a run would find: a look at the loopback needs no permission anywhere.
    assert_eq!(witnesses["descriptors"]["works"], true);
}

/// The program where everybody may execute it, and `command` before it.
fn beneath(command: &str) -> Output {
    let temp = tempdir();
    open_to_all(temp.path(), 0o755);
    let script = format!("{command} {} doctor --format json", program_in(temp.path()).display());
    Command::new("sh").args(["-c", &script]).output().expect("sh starts")
}

fn ordinary_user() {
    let command = if is_root() { NOBODY } else { "" };
    let witnesses = witnesses(&beneath(command));
    let others = &witnesses["other-users"];
    assert_eq!((&others["works"], &others["command"]), (&false.into(), &"run as root (sudo)".into()));
    assert_eq!(witnesses["descriptors"]["works"], true);
    assert_eq!(witnesses["tcp-sockets"]["works"], true);
    // Both stand on the network namespace, which this machine may or may not permit.
    let isolated = &witnesses["network-namespace"]["works"];
    assert_eq!(&witnesses["packets"]["works"], isolated);
    assert_eq!(&witnesses["migrate-req"]["works"], isolated);
}

fn forbidden() {
    if !is_possible(NO_NAMESPACES) {
        println!("skipped: this machine permits no user namespaces at all");
        return;
    }
    let witnesses = witnesses(&beneath(NO_NAMESPACES));
    for name in ["network-namespace", "two-networks", "packets", "migrate-req"] {
        let entry = &witnesses[name];
        assert_eq!(entry["works"], false, "{entry}");
        let command = entry["command"].as_str().expect("a command");
        assert!(command.starts_with("sudo sysctl -w user.max_user_namespaces="), "{entry}");
    }
    for name in ["descriptors", "tcp-sockets", "counters"] {
        assert_eq!(witnesses[name]["works"], true, "{}", witnesses[name]);
    }
}
