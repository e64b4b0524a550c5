use super::super::style::width;
use super::{Human, sample};
use crate::clause::Level;
use crate::clause::result::{RunResult, Verdict};
use crate::declaration::Profile;

const OUTPUT: &[u8] = b"2026/01/02 10:00:00 [notice] 4210#4210: signal 1 (SIGHUP) received, reconfiguring\n\
    2026/01/02 10:00:00 [alert] 4211#4211: *12 open socket #9 left in connection 4\n";
const HOSTILE: &[u8] = b"\x1b[2J\x1b]0;owned\x07\r\n\xff\xfe \x9b31m \xe2\x80\xae tab\there\n";

fn shown(run: &RunResult, width: usize, colour: bool, output: &[u8]) -> String {
    sample::with_evidence(output, |evidence| Human { width, colour }.render(run, evidence))
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, run) in sample::all() {
        for columns in [40, 60, 80, 160] {
            for line in shown(&run, columns, false, &OUTPUT.repeat(20)).lines() {
                // A word that is wider than its column is not broken: half a path is none.
                let widest = line.split_whitespace().map(width).max().unwrap_or_default();
                let unbroken = columns == 40 && widest > columns / 2;
                assert!(width(line) <= columns || unbroken, "{name} at {columns}: {line}");
            }
        }
    }
}

#[test]
fn without_colour_no_escape_byte_comes_through_whatever_the_target_sent() {
    for (name, run) in sample::all() {
        let text = shown(&run, 80, false, HOSTILE);
        let hostile = |c: char| c != '\n' && super::super::style::misleads(c);
        assert!(!text.contains(hostile), "{name}: {text:?}");
    }
    let text = shown(&sample::invalid(), 80, false, HOSTILE);
    assert!(text.contains("\\x1b[2J\\x1b]0;owned\\x07"), "{text}");
    assert!(text.contains("\\xff\\xfe \\x9b31m \\u{202e} tab    here"), "{text}");
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for (name, run) in sample::all() {
        let coloured = shown(&run, 80, true, HOSTILE);
        assert!(coloured.contains("\x1b["), "{name}");
        let plain = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(plain, shown(&run, 80, false, HOSTILE), "{name}");
    }
}

#[test]
fn no_line_ends_in_spaces_and_no_two_lines_are_empty() {
    for (name, run) in sample::all() {
        let text = shown(&run, 80, false, OUTPUT);
        assert!(text.lines().all(|line| line == line.trim_end()), "{name}: {text}");
        assert!(!text.contains("\n\n\n"), "{name}: {text}");
        assert!(text.ends_with('\n') && !text.starts_with('\n'), "{name}");
    }
}

#[test]
fn every_verdict_that_a_clause_has_is_named() {
    let run = sample::failing();
    let text = shown(&run, 80, false, OUTPUT);
    for clause in &run.clauses {
        assert!(text.to_lowercase().contains(clause.verdict.as_str()), "{:?}", clause.verdict);
    }
    assert!(run.clauses.iter().any(|clause| clause.verdict == Verdict::Known));
    assert!(shown(&sample::erring(), 80, false, OUTPUT).contains("error"));
}

#[test]
fn the_first_sentence_says_what_the_run_comes_to() {
    let first = |run: &RunResult| {
        let text = shown(run, 400, false, OUTPUT);
        text.lines().next().unwrap_or_default().to_owned()
    };
    let n = super::built(Profile::Falcore, Level::Must);
    let (less1, less5) = (n - 1, n - 5);
    let mut two = sample::passing();
    two.clauses.truncate(2);
    let sentences = [
        (
            sample::passing(),
            format!("PASS: nginx holds all of the {n} clauses that profile falcore demands."),
        ),
        (
            sample::failing(),
            format!(
                "FAIL: nginx loses requests in flight: once RST before any byte of the answer, before the old \
                 generation was gone, by the old process, in idle-last-request (and 1 other cause below). It \
                 breaks 2 of the {n} clauses that profile falcore demands ({less5} hold, 1 inconclusive, \
                 1 without evidence, 1 unsupported)."
            ),
        ),
        (
            sample::inconclusive(),
            format!(
                "INCONCLUSIVE: 1 of the {n} clauses that profile falcore demands could not be decided for \
                 nginx ({less1} hold)."
            ),
        ),
        (sample::invalid(), "INVALID: nginx did not start as a server in 2 scenarios.".to_owned()),
        (
            sample::erring(),
            "ERROR: hotspec itself failed when it judged 1 clause; that says nothing about nginx.".to_owned(),
        ),
        (
            sample::stale(),
            "FAIL: 1 known deviation of nginx did not show: the target file is out of date.".to_owned(),
        ),
        (
            two,
            format!(
                "PASS: nginx holds all of the 2 selected of the {n} clauses that profile falcore demands."
            ),
        ),
    ];
    for (run, expected) in sentences {
        assert_eq!(first(&run), expected);
    }
}

#[test]
fn a_bound_is_given_only_where_no_restart_lost_anything() {
    let bound = "0 losses in 4 restarts: at 95 % fewer than 3/4 of restarts (75.0 %) lose any.";
    assert!(shown(&sample::passing(), 100, false, OUTPUT).contains(bound));
    assert!(!shown(&sample::failing(), 100, false, OUTPUT).contains("losses"));
    let few = shown(&sample::interrupted(), 100, false, OUTPUT);
    assert!(few.contains("0 losses in 1 restart: too few"), "{few}");
}

#[test]
fn a_problem_stands_instead_of_verdicts_with_what_the_target_wrote() {
    let text = shown(&sample::invalid(), 80, false, OUTPUT);
    assert!(text.contains("found connection refused"), "{text}");
    assert!(text.contains("2 scenarios: idle-last-request, new-connections"), "{text}");
    assert!(text.contains("| 2026/01/02 10:00:00 [notice]"), "{text}");
    assert!(!text.contains("Clauses") && !text.contains("Restarts"), "{text}");
}

#[test]
fn what_two_clauses_say_of_one_connection_is_shown_once_with_both() {
    let text = shown(&sample::failing(), 80, false, OUTPUT);
    assert_eq!(text.matches("connects to 127.0.0.1:8080").count(), 1, "{text}");
    let cause = text.split("\n1. ").nth(1).and_then(|rest| rest.split("\n2. ").next()).unwrap_or_default();
    for id in ["keep-alive.one-last-request (MUST): reset ×1", "keep-alive.fin-not-reset (MUST): reset ×1"]
    {
        assert!(cause.contains(id), "{cause}");
    }
}

#[test]
fn a_requirement_stands_once_on_the_page() {
    let text = shown(&sample::failing(), 160, false, OUTPUT);
    assert_eq!(text.matches("requirement  An idle connection, used within").count(), 1, "{text}");
}

#[test]
fn a_limit_that_was_assumed_is_told_with_its_flag_where_something_failed_against_it() {
    let mut run = sample::failing();
    assert!(!shown(&run, 80, false, OUTPUT).contains("which was assumed"));
    run.limits.assumed.push("idle_max".to_owned());
    let text = shown(&run, 80, false, OUTPUT);
    assert!(text.contains("idle_max = 3 s, which was assumed; set it with --idle-max"), "{text}");
    assert!(!text.contains("ready_max = "), "{text}");
}

#[test]
fn many_causes_end_in_lines_and_name_every_clause() {
    let mut run = sample::failing();
    for (number, clause) in run.clauses.iter_mut().enumerate().take(20) {
        clause.verdict = Verdict::Fail;
        clause.violations = vec![sample::violation("new-connections", "new#1", &format!("kind-{number}"))];
    }
    let text = shown(&run, 80, false, OUTPUT);
    assert!(text.contains("\n10. ") && text.contains("And in short:\n11. "), "{text}");
    for clause in run.clauses.iter().filter(|clause| clause.verdict == Verdict::Fail) {
        assert!(text.contains(&clause.id), "{}", clause.id);
    }
}

#[test]
fn planned_clauses_are_one_line() {
    let text = shown(&sample::passing(), 400, false, OUTPUT);
    let planned =
        sample::passing().clauses.iter().filter(|clause| clause.verdict == Verdict::Planned).count();
    assert!(text.contains(&format!("Planned: {planned} clauses of profile falcore")), "{text}");
    assert_eq!(text.to_lowercase().matches("planned").count(), 1, "{text}");
}

#[test]
fn the_next_command_can_be_copied() {
    let text = shown(&sample::failing(), 80, false, OUTPUT);
    let next = text.split("\nNext\n").nth(1).unwrap_or_default();
    let commands = "  # repeats only what failed
  hotspec run idle-last-request pooled-client --target nginx \\
    --profile falcore
  # what it asks for, and why
  hotspec explain keep-alive.one-last-request
";
    assert!(next.starts_with(commands), "{next}");
}

/// From the phases to the end of the first cause.
const FAILING: &str = "\
Phases
  scenario            T0→Tr    Tr→Td   Td→Tx   took  least
  idle-last-request   62 ms  52.5 ms  4.04 s  9.1 s  8.1 s
  keep-alive-traffic  62 ms  52.5 ms  4.04 s
  new-connections     62 ms  52.5 ms  4.04 s   20 s   19 s
  queued-at-handover  62 ms  52.5 ms  4.04 s
  T0: the trigger. Tr: the successor serves. Td: the last old process drains.
  Tx: the old generation is gone. Each time is the most that it can have been.
  took: the whole scenario, with its control phase; least: what its waits and
  this server's restarts come to.
  Took 21.3 s in all, several scenarios at a time; the longest was
  new-connections, 20 s of at least 19 s.

Failures: 2 causes

1. RST before any byte of the answer, before the old generation was gone, by
   the old process
   how often    once, in idle-last-request
   when         T0+212.4 ms; Td to Tx
   process      nginx 4211 (old)

   keep-alive.one-last-request (MUST): reset ×1
     requirement  An idle connection, used within a quarter of control's
                  keep-alive timeout before Td, gets one more request, sent by
                  Td + idle_max/2, answered.
     expected     one complete response
     seen         RST before the first byte of the response, after 300 µs

   keep-alive.fin-not-reset (MUST): reset ×1
     requirement  A connection with nothing unanswered ends by FIN, never by
                  RST.
     expected     one complete response
     seen         RST before the first byte of the response, after 300 µs

   example      idle#2 of idle-last-request; nginx 4211 (old), Td to Tx,
                T0+212.4 ms
   packets      runs/2026-01-02-nginx/packets/idle.pcapng

      T0-700.0 ms  connects to 127.0.0.1:8080
      T0-699.6 ms  connected
      T0-699.1 ms  accepted by nginx 4211 (old)
      T0-699.0 ms  request 1: GET fast
      T0-698.8 ms  request 1 sent whole
      T0-698.0 ms  answer 1: status 200, no close announced, framing length
      T0-697.9 ms  answer 1 whole: 12 bytes
      T0-697.8 ms  in the state that the scenario wants
        T0+0.0 ms  T0: kill -HUP 4210
       T0+62.0 ms  Tr: the successor serves, not before T0+12.0 ms
       T0+64.5 ms  Td: nginx 4211 (old) drains, not before T0+0.0 ms
      T0+212.0 ms  request 2: GET fast
      T0+212.1 ms  request 2 sent whole
   >  T0+212.4 ms  RST, no byte of the answer yet (errno 104)
     T0+4100.0 ms  Tx: the old generation is gone, not before T0+4098.0 ms
     T0+4100.0 ms  nginx 4211 (old) has ended
";

#[test]
fn a_failing_run_reads_like_this() {
    let text = shown(&sample::failing(), 80, false, b"");
    let begin = text.find("Phases\n").unwrap_or_default();
    let shown: String = text[begin..].split_inclusive('\n').take(FAILING.lines().count()).collect();
    assert_eq!(shown, FAILING);
}

#[test]
#[ignore = "prints, for eyes: LOOK=failing COLUMNS=80"]
fn look() {
    let look = std::env::var("LOOK").unwrap_or_else(|_| "failing".to_owned());
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(80);
    for (name, run) in sample::all() {
        if name == look {
            print!("{}", shown(&run, columns, std::env::var_os("NO_COLOR").is_none(), OUTPUT));
        }
    }
}
