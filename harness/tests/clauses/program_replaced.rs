//! A program that was replaced before the restart: which file the successor executes.

use hotspec::clause::result::Verdict;
use hotspec::history::event::{FileId, Owner, What};
use hotspec::history::{Model, ProcId};

use crate::story::{NEW, OLD, Story, T0, TR, correct, frame, process};

const CLAUSE: &str = "failure.program-replaced";
pub(crate) const FORMER: FileId = FileId { device: 8, inode: 41 };
pub(crate) const FILE: FileId = FileId { device: 8, inode: 42 };
const OTHER: FileId = FileId { device: 8, inode: 7 };

/// What the correct one sees: the old process executes the former file, its successor the new one.
pub(crate) fn lanes(story: &mut Story) {
    traffic(story);
    replaced(story);
    executes(story, 0, FORMER, 8_700);
    executes(story, 1, FILE, 18_000);
}

fn traffic(story: &mut Story) {
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, TR + 10, 10_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
    }
}

fn replaced(story: &mut Story) {
    let how = "by rename".to_owned();
    story.tell(8_900, What::Replaced { how, former: FORMER, file: FILE, from: 8_899_000 });
}

fn executes(story: &mut Story, proc: ProcId, file: FileId, at: u64) {
    story.tell(at, What::Executes { proc, file });
}

/// A story in which the two processes execute these.
fn told(old: Option<FileId>, new: Option<FileId>) -> Story {
    let mut story = frame("program-renamed");
    traffic(&mut story);
    replaced(&mut story);
    old.into_iter().for_each(|file| executes(&mut story, 0, file, 8_700));
    new.into_iter().for_each(|file| executes(&mut story, 1, file, 18_000));
    story
}

#[test]
fn a_successor_that_executes_the_file_that_was_replaced_breaks_program_replaced() {
    told(Some(FORMER), Some(FORMER)).breaks("failure.program-replaced", &[]);
}

#[test]
fn no_successor_at_all_breaks_program_replaced() {
    let mut story = frame("program-switched");
    replaced(&mut story);
    executes(&mut story, 0, FORMER, 8_700);
    (story.server.born, story.server.answers) = (None, None);
    story.breaks("failure.program-replaced", &[]);
    story.withheld = true;
    assert_eq!(story.verdict(CLAUSE), Verdict::NoEvidence);
}

#[test]
fn helpers_that_execute_files_of_their_own_accuse_nobody() {
    let mut story = correct("program-renamed");
    story.tell(T0 + 300, process(7, "/opt/helper", T0 + 300));
    executes(&mut story, 7, OTHER, 18_000);
    story.holds(CLAUSE);
}

#[test]
fn what_is_executed_by_the_old_generation_is_not_judged() {
    let mut story = correct("program-renamed");
    executes(&mut story, 0, FORMER, 18_000);
    story.holds(CLAUSE);
}

#[test]
fn a_script_whose_process_executes_an_interpreter_is_ruled_out() {
    assert_eq!(told(Some(OTHER), Some(OTHER)).verdict(CLAUSE), Verdict::Unsupported);
}

#[test]
fn where_files_may_not_be_looked_at_there_is_no_evidence() {
    assert_eq!(told(None, None).verdict(CLAUSE), Verdict::NoEvidence);
}

#[test]
fn a_successor_that_was_gone_before_its_file_was_looked_at_leaves_it_open() {
    told(Some(FORMER), None).leaves_open(CLAUSE);
}

/// Workers that are forked execute nothing, and what they run is the file that the master was started from.
#[test]
fn workers_that_are_forked_only_rule_it_out() {
    let mut story = told(Some(FORMER), Some(FORMER));
    story.model = Model::MasterWorkers;
    story.server.born = None;
    let mut forked = process(1, "/opt/server", crate::story::BORN);
    if let What::Process { stack, .. } = &mut forked {
        *stack = 4_096;
    }
    story.tell(crate::story::BORN, forked);
    story.lane("new", TR + 20).accepted_by(Owner::Process(1)).asked().answered().closed();
    assert_eq!(story.verdict(CLAUSE), Verdict::Unsupported);
}

#[test]
fn one_that_is_started_by_somebody_else_rules_it_out() {
    let mut story = told(Some(FORMER), Some(FORMER));
    story.model = Model::SecondInstance;
    assert_eq!(story.verdict(CLAUSE), Verdict::Unsupported);
}
