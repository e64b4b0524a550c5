//! What the kernel shows is kept for whoever wants to look: packets of lanes that failed, and what a setting of the kernel's
//! changes.

use std::process::Command;

use libtest_mimic::Trial;

use crate::support::{HOTSPEC, Run, SOON, case, case_with, hotspec, run, thorough};

/// A server by SO_REUSEPORT that loses its queue, in the scenario that shows it.
const QUEUE_LOST: [&str; 10] = [
    "queued-at-handover",
    "--profile",
    "falcore",
    "--idle-max",
    "3s",
    "--slow-path",
    "/slow?ms={ms}",
    "--",
    HOTSPEC,
    "selftest-server",
];
const CLAUSE: &str = "availability.queue-kept";
const TSHARK: (&str, &str) = ("tshark", "apt-get install tshark");

pub fn trials() -> Vec<Trial> {
    vec![
        thorough(case(
            "the packets of lanes that failed are kept, and the report names them",
            packets_are_kept,
        )),
        thorough(case_with(&[TSHARK], "tshark opens them and finds the lane", tshark_opens_them)),
        case("a run without failures keeps none", none_are_kept),
        thorough(case("tcp_migrate_req decides whether a queue by SO_REUSEPORT is lost", migrate_req)),
        case("a setting of a network of its own needs one", no_network_to_set),
        thorough(case("server and clients in two networks fail and hold alike", two_networks)),
    ]
}

/// Whether there can be a network of its own here: without there are no packets to be kept for an ordinary user.
fn has_network(run: &Run) -> bool {
    let manifest = std::fs::read_to_string(run.dir.join("manifest.json")).expect("a manifest");
    let isolated = !manifest.contains("\"isolation\": \"none\"");
    if !isolated {
        println!("skipped: no network namespace here");
    }
    isolated
}

fn queue_lost(options: &[&str]) -> Run {
    let fault = ["queue-lost", "--listen", "{address}"];
    run(options.iter().chain(&QUEUE_LOST).chain(&fault).copied())
}

fn lost() -> Option<Run> {
    let run = queue_lost(&[]);
    let isolated = has_network(&run);
    assert!(!isolated || run.results.fails(CLAUSE), "{}", run.stdout);
    isolated.then_some(run)
}

fn packets_are_kept() {
    let Some(run) = lost() else { return };
    let path = run.dir.join("packets/queued-at-handover.pcapng");
    let file = std::fs::read(&path).expect("packets");
    // Section header, and RST|ACK from the server's port: its flags are in the 48th byte of the frame.
    assert_eq!(file[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let packets = hotspec::witness::packets::pcapng::read(&file);
    let resets = packets.iter().filter(|packet| packet.frame.get(47).is_some_and(|flags| flags & 0x04 != 0));
    assert!(resets.count() > 0, "{packets:?}");
    assert!(packets.iter().all(|packet| packet.comment.contains('#')), "{packets:?}");
    let joined: String = run.stdout.split_whitespace().collect();
    let named: String = path.display().to_string().split_whitespace().collect();
    assert!(joined.contains(&format!("packets{named}(tcp.port==")), "{}", run.stdout);
}

fn tshark_opens_them() {
    let Some(run) = lost() else { return };
    let path = run.dir.join("packets/queued-at-handover.pcapng");
    let output = Command::new("tshark")
        .args([
            "-Y",
            "tcp.flags.reset == 1",
            "-T",
            "fields",
            "-e",
            "tcp.srcport",
            "-e",
            "frame.comment",
            "-r",
        ])
        .arg(&path)
        .output()
        .expect("tshark starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().any(|line| line.starts_with("8080\t") && line.contains(", t=")), "{said}");
}

fn none_are_kept() {
    let run = run(["zero-traffic"]);
    run.exits(0);
    let kept: Vec<_> = std::fs::read_dir(run.dir.join("packets")).expect("a directory").flatten().collect();
    assert!(kept.is_empty(), "{kept:?}");
}

fn migrate_req() {
    let off = queue_lost(&["--migrate-req", "0", "--isolation", "auto"]);
    if !has_network(&off) {
        return;
    }
    assert!(off.results.fails(CLAUSE), "{}", off.stdout);
    assert!(off.stdout.contains("net.ipv4.tcp_migrate_req = 0"), "{}", off.stdout);
    let on = queue_lost(&["--migrate-req", "1"]);
    let said = on.results.said_of(CLAUSE).expect("the clause");
    assert!(said.violations.is_empty() && said.exercised > 0, "{}", on.stdout);
    assert!(on.json.contains("net.ipv4.tcp_migrate_req = 1"), "{}", on.json);
    let manifest = std::fs::read_to_string(on.dir.join("manifest.json")).expect("a manifest");
    assert!(manifest.contains("\"migrate_req\": true"), "{manifest}");
}

fn no_network_to_set() {
    let wanted = predicates::str::contains("--migrate-req is a setting of a network of its own");
    let words = ["run", "zero-traffic", "--isolation", "none", "--migrate-req", "1"];
    hotspec(words).timeout(SOON).assert().code(64).stdout("").stderr(wanted);
}

fn two_networks() {
    let run = queue_lost(&["--isolation", "full"]);
    if run.status == Some(70) {
        println!("skipped: {}", run.stderr);
        return;
    }
    assert!(run.results.fails(CLAUSE), "{}", run.stdout);
    let manifest = std::fs::read_to_string(run.dir.join("manifest.json")).expect("a manifest");
    assert!(manifest.contains("\"isolation\": \"full\""), "{manifest}");
    // The server's side is another host to its clients.
    let history =
        std::fs::read_to_string(run.dir.join("history/queued-at-handover.ndjson")).expect("a history");
    assert!(history.contains("\"address\":\"192.0.2.1:8080\""));
}
