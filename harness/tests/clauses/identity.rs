//! What a generation is given, and passes on.

use hotspec::clause::result::Verdict;
use hotspec::declaration::{Documented, Profile};
use hotspec::history::Model;
use hotspec::history::event::{Interval, What};

use crate::story::{BORN, Story, correct, correct_in, process};

const ARGUMENTS: &str = "process.arguments-kept";
const ENVIRONMENT: &str = "process.environment-kept";
const STDIO: &str = "process.stdio-kept";
const SIGNALS: &str = "process.signals-kept";
const ALL: [&str; 4] = [ARGUMENTS, ENVIRONMENT, STDIO, SIGNALS];

fn story() -> Story {
    correct("new-connections")
}

/// The kinds of the breaches of one clause.
fn kinds(story: &Story, clause: &str) -> Vec<String> {
    let result = story.judged();
    let said = result.clauses.iter().find(|one| one.id == clause).unwrap();
    said.violations.iter().map(|violation| violation.kind.clone()).collect()
}

#[test]
fn a_server_that_passes_everything_on_holds_all_of_them() {
    for clause in ALL {
        story().holds(clause);
    }
}

#[test]
fn arguments_that_are_lost_changed_or_added_are_seen() {
    for (line, kind) in [
        ("server", "lost"),
        ("server --listen 127.0.0.1:8080 --socket 3", "lost"),
        ("server --listen 127.0.0.1:9090 --verbose --socket 3", "changed"),
        ("server --verbose --listen 127.0.0.1:8080 --socket 3", "changed"),
        ("server --listen 127.0.0.1:8080 --verbose --child --socket 3", "added"),
        ("server --listen 127.0.0.1:8080 --verbose --socket 3 --socket 4", "flag-twice"),
    ] {
        let mut story = story();
        story.quiet.new.runs(line);
        story.breaks("process.arguments-kept", &[]);
        assert_eq!(kinds(&story, ARGUMENTS), [kind], "{line}");
    }
}

#[test]
fn the_listeners_flag_may_stand_anywhere_and_in_either_form() {
    for line in [
        "server --socket 3 --listen 127.0.0.1:8080 --verbose",
        "server --listen 127.0.0.1:8080 --socket=17 --verbose",
        "/opt/server --listen 127.0.0.1:8080 --verbose",
    ] {
        let mut story = story();
        story.quiet.new.runs(line);
        story.holds(ARGUMENTS);
    }
}

#[test]
fn a_target_that_documents_nothing_may_add_but_not_lose() {
    let undocumented = || Story { documented: Documented::default(), ..story() };
    undocumented().holds(ARGUMENTS);
    undocumented().holds(ENVIRONMENT);
    let mut loses = undocumented();
    loses.quiet.new.runs("server --socket 3");
    loses.breaks("process.arguments-kept", &[]);
    let mut loses = undocumented();
    loses.quiet.new.variables().remove("TOKEN");
    loses.breaks("process.environment-kept", &[]);
}

#[test]
fn a_title_over_the_arguments_rules_the_clause_out() {
    let mut first = story();
    first.quiet.old.runs("server: main process");
    first.quiet.new.runs("server: main process");
    let mut later = story();
    later.quiet.new.arguments = Some(vec!["server: generation 2".to_owned()]);
    for story in [first, later] {
        assert_eq!(story.verdict(ARGUMENTS), Verdict::Unsupported);
        assert_eq!(story.verdict(ENVIRONMENT), Verdict::Pass);
    }
}

#[test]
fn an_interpreter_before_the_script_is_its_own_business() {
    let mut story = story();
    story.quiet.given.runs("./server.py --listen 127.0.0.1:8080");
    story.quiet.old.runs("python3 ./server.py --listen 127.0.0.1:8080");
    story.quiet.new.runs("/usr/bin/python3 /srv/server.py --listen 127.0.0.1:8080");
    story.holds(ARGUMENTS);
    story.quiet.new.runs("/usr/bin/python3 /srv/server.py");
    story.breaks("process.arguments-kept", &[]);
}

#[test]
fn variables_that_are_missing_changed_or_added_are_seen_by_name_only() {
    type Change = fn(&mut Story);
    let changes: [(&str, Change); 3] = [
        ("variable-missing", |story| drop(story.quiet.new.variables().remove("TOKEN"))),
        ("variable-changed", |story| story.quiet.new.variable("TOKEN", "ff")),
        ("variable-added", |story| story.quiet.new.variable("LEAKED", "ff")),
    ];
    for (kind, change) in changes {
        let mut story = story();
        change(&mut story);
        story.breaks("process.environment-kept", &[]);
        assert_eq!(kinds(&story, ENVIRONMENT), [kind]);
        let text = serde_json::to_string(&story.judged()).unwrap();
        assert!(!text.contains("\"ff\"") && !text.contains("b1"), "{text}");
    }
}

#[test]
fn what_shells_set_is_passed_over_only_where_a_shell_stood_between() {
    let mut by_shell = story();
    by_shell.quiet.old.variable("SHLVL", "01");
    by_shell.quiet.old.variable("_", "02");
    by_shell.quiet.new.variable("SHLVL", "03");
    by_shell.holds(ENVIRONMENT);
    let mut directly = story();
    directly.quiet.new.variable("SHLVL", "03");
    directly.breaks("process.environment-kept", &[]);
}

#[test]
fn variables_that_a_wrapper_sets_are_not_compared_and_those_that_were_passed_are() {
    let mut wrapped = story();
    wrapped.quiet.old.variable("PATH", "changed");
    wrapped.quiet.old.variable("WRAPPED", "01");
    wrapped.quiet.new.variable("WRAPPED", "02");
    wrapped.quiet.new.variable("ANOTHER", "03");
    wrapped.holds(ENVIRONMENT);
    wrapped.quiet.new.variables().remove("TOKEN");
    wrapped.breaks("process.environment-kept", &[]);
    let mut all = story();
    all.quiet.old.environment = Some([("OTHER".to_owned(), "01".to_owned())].into());
    assert_eq!(all.verdict(ENVIRONMENT), Verdict::Unsupported);
}

#[test]
fn an_environment_that_was_written_over_rules_the_clause_out() {
    for generation in [0, 1] {
        let mut story = story();
        let life = if generation == 0 { &mut story.quiet.old } else { &mut story.quiet.new };
        life.environment = Some(std::collections::BTreeMap::new());
        life.set("environment rewritten", "yes");
        assert_eq!(story.verdict(ENVIRONMENT), Verdict::Unsupported);
    }
}

#[test]
fn every_property_of_the_wider_environment_is_compared() {
    for (property, value, kind) in [
        ("directory", "/", "directory"),
        ("user ids", "33 0 0", "user-ids"),
        ("umask", "0077", "umask"),
        ("session", "101", "session"),
        ("nice value", "5", "nice-value"),
        ("limit open files", "256 4096", "limit-open-files"),
        ("capabilities CapEff", "0000000000000400", "capabilities-CapEff"),
    ] {
        let mut story = story();
        story.quiet.new.set(property, value);
        story.breaks("process.environment-kept", &[]);
        assert_eq!(kinds(&story, ENVIRONMENT), [kind]);
        // What the first generation changes of itself, each changes of itself.
        story.quiet.old.set(property, "other");
        story.holds(ENVIRONMENT);
    }
}

#[test]
fn a_standard_descriptor_that_leads_elsewhere_is_seen() {
    for (stream, value) in [("standard output", "/dev/null"), ("standard input", "closed")] {
        let mut story = story();
        story.quiet.new.set(stream, value);
        story.breaks("process.stdio-kept", &[]);
    }
}

#[test]
fn a_descriptor_that_the_server_redirects_itself_is_not_compared() {
    let mut story = story();
    story.quiet.old.set("standard error", "/srv/error.log");
    story.quiet.new.set("standard error", "/srv/error.log.1");
    story.holds(STDIO);
    for stream in ["standard input", "standard output"] {
        story.quiet.old.set(stream, "closed");
    }
    assert_eq!(story.verdict(STDIO), Verdict::Unsupported);
}

#[test]
fn a_signal_that_only_the_successor_blocks_or_ignores_is_seen() {
    for (property, value) in
        [("blocked signals", "0000000000004001"), ("ignored signals", "0000000000001002")]
    {
        let mut story = story();
        story.quiet.new.set(property, value);
        story.breaks("process.signals-kept", &[]);
    }
}

#[test]
fn a_signal_that_the_server_itself_blocks_or_ignores_is_its_own_business() {
    let mut story = story();
    story.quiet.new.set("blocked signals", "0000000000000000");
    story.quiet.new.set("ignored signals", "0000000000000000");
    story.holds(SIGNALS);
}

#[test]
fn what_the_machine_withholds_is_no_evidence() {
    let mut story = story();
    story.quiet.everywhere(|life| {
        life.environment = None;
        life.arguments = None;
        life.properties.retain(|name, _| name.starts_with("limit") || name.starts_with("user"));
    });
    for clause in ALL {
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
    story.withheld = true;
    for clause in ALL {
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
}

#[test]
fn a_successor_that_nobody_looked_at_leaves_them_open() {
    let mut story = story();
    story.server.gone = crate::story::Gone::Never;
    for clause in ALL {
        assert_eq!(story.verdict(clause), Verdict::Inconclusive, "{clause}");
    }
}

/// The successor's stack is this, and its parent's pid that.
fn with_successor(stack: u64, ppid: i32, trigger: &str) -> Vec<hotspec::history::Event> {
    let mut events = story().history();
    for event in &mut events {
        match &mut event.what {
            What::Process { proc: 1, stack: now, ppid: parent, born, .. } => {
                (*now, *parent) = (stack, ppid);
                *born = Interval::new((BORN - 10) * 1_000, BORN * 1_000);
            }
            What::Trigger { what, .. } => trigger.clone_into(what),
            _ => {}
        }
    }
    events
}

fn said_of(events: Vec<hotspec::history::Event>, clause: &str) -> Verdict {
    let story = story();
    let manifest = story.manifest();
    let entry = &manifest.scenarios[0];
    let recorded = [hotspec::clause::judge::Recorded { entry, events }];
    crate::judged::verdict(&hotspec::clause::judge::judge(&manifest, &recorded), clause)
}

#[test]
fn processes_that_are_only_forked_pass_nothing_on() {
    let What::Process { stack, .. } = process(0, "/opt/server", 10) else { unreachable!() };
    for clause in ALL {
        assert_eq!(said_of(with_successor(stack, 100, "SIGHUP"), clause), Verdict::Unsupported, "{clause}");
        assert_eq!(said_of(with_successor(stack + 1, 100, "SIGHUP"), clause), Verdict::Pass, "{clause}");
    }
}

#[test]
fn a_successor_that_the_harness_s_command_started_is_given_what_the_command_gives() {
    for clause in ALL {
        let by_command = said_of(with_successor(9, 7, "`start-another`"), clause);
        assert_eq!(by_command, Verdict::Unsupported, "{clause}");
        // The command only told the old process so.
        assert_eq!(said_of(with_successor(9, 100, "`kill -HUP 100`"), clause), Verdict::Pass, "{clause}");
    }
}

#[test]
fn in_the_reload_profile_they_are_recommendations() {
    let mut story = correct_in(Profile::Reload, "new-connections");
    story.quiet.new.runs("server");
    let result = story.judged();
    assert_eq!(crate::judged::verdict(&result, ARGUMENTS), Verdict::Fail);
    assert_eq!(result.verdict, hotspec::clause::result::RunVerdict::Pass);
}

#[test]
fn a_second_instance_is_started_by_somebody_else() {
    let mut story = story();
    story.model = Model::SecondInstance;
    assert_eq!(story.verdict(ARGUMENTS), Verdict::Unsupported);
}
