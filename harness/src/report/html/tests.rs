use std::collections::BTreeSet;

use super::super::human::sample;
use super::super::style::misleads;
use super::*;
use crate::history::event::{ConnectTrouble, Ending, Event, Stage, What};

fn page(run: &RunResult) -> String {
    sample::with_evidence(b"a line\n", |evidence| html(run, evidence, &Packets::new()))
}

fn page_of(run: &RunResult, history: Vec<Event>, output: &[u8], packets: &Packets) -> String {
    sample::with_histories(vec![history], output, |evidence| html(run, evidence, packets))
}

/// What stands between `before` and the next `after`, each time.
fn between<'a>(page: &'a str, before: &str, after: char) -> Vec<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// The sample's history with so many further lanes: each asks once, and is kept to the last.
fn many(lanes: u32) -> Vec<Event> {
    let mut events = sample::history();
    let before =
        events.iter().position(|event| matches!(event.what, What::Trigger { .. })).expect("a trigger");
    let own = (100..100 + lanes).flat_map(|lane| {
        let t = 400_000 + u64::from(lane) * 10;
        let address = "127.0.0.1:8080".to_owned();
        [
            (t, What::Open { lane, role: "mass".to_owned(), address }),
            (t + 2, What::Connected { lane, retransmits: 0, port: None }),
            (
                t + 3,
                What::Request { lane, request: 0, endpoint: "fast".to_owned(), method: "GET".to_owned() },
            ),
            (t + 4, What::Sent { lane, request: 0, from: t + 3 }),
            (t + 9, What::Body { lane, request: 0, length: 12, hash: "0".repeat(16), marker: None }),
        ]
    });
    let own: Vec<Event> = own.map(|(t, what)| Event { t, what }).collect();
    events.splice(before..before, own);
    events
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    let run = sample::failing();
    assert_eq!(page(&run), page(&run.clone()));
}

#[test]
fn every_result_has_its_verdict_and_all_that_has_to_be_said_of_it() {
    let cases: [(RunResult, &[&str]); 8] = [
        (sample::passing(), &[">PASS<", "nothing broken", "holds all of"]),
        (sample::failing(), &[">FAIL<", "loses requests in flight", "What went wrong", "known"]),
        (sample::inconclusive(), &[">INCONCLUSIVE<", "no lane reached the state"]),
        (sample::interrupted(), &["Broken off"]),
        (
            sample::invalid(),
            &[">INVALID<", "did not start as a server", "found connection refused", "a line"],
        ),
        (sample::erring(), &[">ERROR<", "the checker of drain.exits panicked"]),
        (
            sample::stale(),
            &["Out of date", "it notices only with the next connection", "example.org/issue/1"],
        ),
        (sample::hostile(), &[">FAIL<"]),
    ];
    for (run, expected) in cases {
        let page = page(&run);
        for text in expected {
            assert!(page.contains(text), "{text} is missing: {:?}", run.verdict);
        }
    }
}

#[test]
fn what_was_assumed_declared_admitted_and_left_out_is_told() {
    let mut run = sample::failing();
    run.admitted = sample::stale().stale;
    run.slow = vec!["load-idle-mass".to_owned()];
    run.notes = vec!["a note".to_owned()];
    let page = page(&run);
    let limit = page.split("--ready-max").nth(1).expect("a limit");
    assert!(limit.split("</tr>").next().is_some_and(|row| row.contains("10 s") && row.contains("assumed")));
    let texts = ["Known deviations that showed", "load-idle-mass; --all runs it", "a note", "hotspec check"];
    for text in texts {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_breach_is_marked_linked_to_its_clause_and_told_with_its_log_and_bytes() {
    let page = page(&sample::failing());
    let row = page.split("<span class=\"name\">idle#2</span>").nth(1).expect("a row of its own");
    let row = row.split("</summary>").next().unwrap_or_default();
    for clause in ["keep-alive.one-last-request", "keep-alive.fin-not-reset"] {
        assert!(row.contains(&format!("<a href=\"#clause-{clause}\"")), "{clause}: {row}");
        let told = page.split(&format!("id=\"clause-{clause}\"")).nth(1).expect("the clause's place");
        assert!(
            told.split("</details>").next().is_some_and(|told| told.contains("<a href=\"#l0-2\">idle#2</a>"))
        );
    }
    let story = page.split("id=\"l0-2\"").nth(1).expect("the lane's place");
    let story = story.split("</details>").next().unwrap_or_default();
    for text in
        ["broken here:", "T0+212.4 ms", "one complete response", "request 2: its last byte", "12 bytes, XXH3"]
    {
        assert!(story.contains(text), "{text}: {story}");
    }
}

#[test]
fn its_packets_are_shown() {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    frame.extend(8080_u16.to_be_bytes());
    frame.extend(40_002_u16.to_be_bytes());
    frame.extend([0, 0, 0, 9, 0, 0, 0, 0, 5 << 4, 0x14, 0, 0, 0, 0, 0, 0]);
    let comment = "idle#2, t=1212390 in the history".to_owned();
    let packet = Packet { at_ns: 1, length: 54, frame, comment };
    let packets = Packets::from([("idle-last-request".to_owned(), vec![vec![packet]])]);
    let page = page_of(&sample::failing(), sample::history(), b"", &packets);
    assert!(page.contains("<td>T0+212.4 ms</td><td>\u{2190} server</td><td>RST ACK, sequence 9, 54 bytes, port 8080 to 40002</td>"));
}

#[test]
fn every_link_leads_somewhere_and_no_place_is_there_twice() {
    for run in [sample::passing(), sample::failing(), sample::hostile(), sample::invalid()] {
        let page = page(&run);
        let ids = between(&page, " id=\"", '"');
        let set: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), set.len(), "{ids:?}");
        for link in between(&page, "href=\"#", '"') {
            assert!(set.contains(link), "{link}");
        }
    }
}

#[test]
fn nothing_is_loaded_and_only_its_own_script_may_run() {
    let page = page(&sample::failing());
    assert!(page.contains("content=\"default-src 'none'; img-src data:; style-src 'sha256-"));
    for needle in [" src=", "url(http", "url(/", "@import", "href=\"http", "style=\"", " onclick", "eval("] {
        assert!(!page.contains(needle), "{needle}");
    }
}

/// As a target would write it that wants to be more than text.
const EVIL: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>\x1b[2J\u{202e}\u{2028}";

fn poison(event: &mut Event) {
    match &mut event.what {
        What::Open { role, address, .. } => {
            role.push_str(EVIL);
            address.push_str(EVIL);
        }
        What::Process { name, .. } => name.push_str(EVIL),
        What::Trigger { what, .. } => what.push_str(EVIL),
        What::Head { framing, marker, .. } => {
            framing.push_str(EVIL);
            *marker = Some(EVIL.to_owned());
        }
        What::Body { hash, .. } => hash.push_str(EVIL),
        What::Request { endpoint, method, .. } => {
            endpoint.push_str(EVIL);
            method.push_str(EVIL);
        }
        _ => {}
    }
}

#[test]
fn nothing_that_a_target_wrote_is_markup_or_steers() {
    let mut events = many(300);
    let at = events.len() - 2;
    let why = format!("expected a status line, found {EVIL}");
    events.insert(at, Event { t: 1_213_000, what: What::Malformed { lane: 2, request: 1, why } });
    events.iter_mut().for_each(poison);
    let mut run = sample::hostile();
    run.target.push_str(EVIL);
    for clause in &mut run.clauses {
        clause.reasons.push(EVIL.to_owned());
        for violation in &mut clause.violations {
            let lane = violation.lane.clone().unwrap_or_default();
            violation.lane = Some(lane.replace('#', &format!("{EVIL}#")));
            violation.seen.push_str(EVIL);
            violation.process.push_str(EVIL);
        }
    }
    let output = [EVIL.as_bytes(), b"\xff\xfe\n"].concat();
    let page = page_of(&run, events, &output, &Packets::new());
    assert_eq!(page.matches("<script").count(), 2, "data and the script itself");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<b>\\"), "markup");
    assert!(!page.contains(|c: char| c != '\n' && misleads(c)), "a character that steers");
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\xff\\xfe"));
}

#[test]
fn ten_thousand_lanes_are_a_few_rows_and_data() {
    let page = page_of(&sample::failing(), many(10_000), b"", &Packets::new());
    let (markup, data) = page.split_once("<script type=\"application/json\"").expect("data");
    assert!(data.matches("],[").count() + data.matches("]],[").count() >= 10_000);
    assert!(markup.len() < 400_000 && page.len() < 2_000_000, "{} of {}", markup.len(), page.len());
    assert!(markup.contains("10000 connections"));
}

#[test]
fn ten_thousand_broken_lanes_are_all_marked_and_few_are_told_in_full() {
    let mut run = sample::failing();
    let mut events = many(10_000);
    let last = events.len() - 2;
    let ends = (100..10_100).map(|lane| {
        let what = What::End { lane, how: Ending::Reset, errno: Some(104), stage: Stage::Idle };
        Event { t: 1_300_000 + u64::from(lane), what }
    });
    events.splice(last..last, ends.collect::<Vec<_>>());
    let clause = run.clauses.iter_mut().find(|clause| clause.id == "keep-alive.fin-not-reset").expect("one");
    clause.violations = (100..10_100_u32)
        .map(|lane| {
            let mut one = sample::violation("idle-last-request", &format!("mass#{lane}"), "reset");
            one.at_us = 1_300_000 + u64::from(lane);
            one
        })
        .collect();
    let page = page_of(&run, events, b"", &Packets::new());
    assert!(page.len() < 3_000_000, "{}", page.len());
    assert!(page.contains("10000 connections, 10000 broken") && page.contains("and 9950 more"));
}

#[test]
fn a_connection_that_never_came_about_is_drawn_where_it_was_refused() {
    let mut events = sample::history();
    let open = What::Open { lane: 9, role: "new".to_owned(), address: "127.0.0.1:8080".to_owned() };
    let refused = What::ConnectFailed { lane: 9, why: ConnectTrouble::Refused, errno: Some(111) };
    events.push(Event { t: 5_200_000, what: open });
    events.push(Event { t: 5_200_100, what: refused });
    let page = page_of(&sample::passing(), events, b"", &Packets::new());
    let row = page.split("aria-label=\"new#9, ").nth(1).expect("a row");
    assert!(
        row.split("</svg>")
            .next()
            .is_some_and(|row| row.contains("could not connect") && row.contains("#g-refused"))
    );
}
