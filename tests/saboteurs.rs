//! Every saboteur fails by its own clause, and by no other MUST than those that fall with it.
//!
//! After each change one of each group of clauses is run, with `HOTSPEC_THOROUGH=1` all are. Each is put through the quickest scenario
//! that shows its fault, and through all that exercise its clause if it was not shown. With `HOTSPEC_WRITE_TABLE=1` it goes through
//! all at once, and what it failed by is written to `tests/saboteurs/TABLE.md`, in place of the rows of those that were run. With
//! `HOTSPEC_WRITE_TABLE=add` ordinary runs are added to these rows. `HOTSPEC_SABOTEUR_RUNS=20` runs each so often.

#[path = "support/saboteur.rs"]
mod saboteur;
#[path = "support/saboteur_table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::support::{self, PYTHON, Run, alone, beside_others, built, case, free_case, is_set, thorough};
use hotspec::scenario::file::Scenario;
use libtest_mimic::Trial;
use saboteur::Saboteur;
use table::Row;

/// Held by whoever writes the page.
static PAGE: Mutex<()> = Mutex::new(());

/// What becomes of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    /// It is compared with the heads.
    Stays,
    /// Who was run gets a new row.
    Anew,
    /// What was run is added to its row.
    Adds,
}

impl Page {
    fn asked() -> Self {
        match std::env::var("HOTSPEC_WRITE_TABLE").as_deref() {
            Ok("1") => Self::Anew,
            Ok("add") => Self::Adds,
            _ => Self::Stays,
        }
    }
}

pub fn trials() -> Vec<Trial> {
    let saboteurs = saboteur::all();
    let mut trials = vec![
        case("every saboteur has a head that says what it gets wrong", heads_are_sound),
        case("every built clause has a saboteur of its own", own_saboteurs),
    ];
    if Page::asked() == Page::Stays {
        trials.push(case("the table says what the heads say", table_is_fresh));
    }
    trials.push(thorough(free_case(&[], "what saboteurs have in common passes falcore", common_passes)));
    let after_each_change = one_a_group(&saboteurs);
    for saboteur in &saboteurs {
        let fails = fails(saboteur.clone());
        trials.push(if after_each_change.contains(&saboteur.name) { fails } else { thorough(fails) });
        trials.extend(saboteur.passes.clone().map(|profile| thorough(passes(saboteur.clone(), profile))));
    }
    trials
}

/// The first of each group of clauses that one scenario shows, if that does not take long.
fn one_a_group(saboteurs: &[Saboteur]) -> BTreeSet<String> {
    let mut quick = hotspec::scenario::builtin::scenarios().expect("scenario files parse");
    quick.retain(|scenario| !scenario.is_slow());
    let is_quick = |names: &[String]| matches!(names, [name] if quick.iter().any(|one| one.name == *name));
    let shown = saboteurs.iter().filter(|saboteur| is_quick(&saboteur.shown_by));
    let by_group = shown.map(|saboteur| (saboteur.clause.split('.').next(), &saboteur.name));
    // The last one that is put in for a group stays in.
    by_group.rev().collect::<BTreeMap<_, _>>().into_values().cloned().collect()
}

/// Leaves out the rows of saboteurs that there are no more, if the page is to be written.
pub fn end() {
    if Page::asked() != Page::Stays {
        write_table(|_| {});
    }
}

fn times() -> u32 {
    let given = std::env::var("HOTSPEC_SABOTEUR_RUNS").ok();
    given.map_or(1, |text| text.parse().expect("HOTSPEC_SABOTEUR_RUNS is a number of runs"))
}

fn fails(saboteur: Saboteur) -> Trial {
    let name = format!("{} fails by {} and what falls with it", saboteur.name, saboteur.clause);
    needing(&saboteur.clone(), name, move || {
        let (begun, mut row) = (Instant::now(), Row::default());
        let mut wrong = Vec::new();
        for _ in 0..times() {
            let (run, made) = run_decided(&saboteur);
            row.again += made - 1;
            let (must, should) = (run.results.failed("MUST"), run.results.failed("SHOULD"));
            row.count(&saboteur, &must, &should);
            wrong.extend(what_is_wrong(&saboteur, &run));
        }
        let caught = row.failed.get(&saboteur.clause).copied().unwrap_or_default();
        let took = begun.elapsed().as_secs();
        println!("{}: {caught} of {} in {took} s: {:?}", saboteur.name, row.runs, row.failed);
        assert!(wrong.is_empty(), "in {} of {} runs:\n{}", wrong.len(), row.runs, wrong.join("\n\n"));
        match Page::asked() {
            Page::Stays => {}
            Page::Anew => write_table(|rows| drop(rows.insert(saboteur.name.clone(), row))),
            Page::Adds => write_table(|rows| rows.entry(saboteur.name.clone()).or_default().add(&row)),
        }
    })
}

/// How often a run is made that leaves open what it is about, as a busy machine may have it do.
const ATTEMPTS: u32 = 3;

/// A run, and how often it was made. hotspec itself attempts nothing again once anything failed, and a saboteur's run may fail
/// by what falls with its clause. That is told, and counted in the table.
fn run_decided(saboteur: &Saboteur) -> (Run, u32) {
    let all = || arguments(saboteur, &saboteur.profile, true);
    let mut first = run(arguments(saboteur, &saboteur.profile, false));
    if !saboteur.shown_by.is_empty() && !first.results.fails(&saboteur.clause) {
        // What that scenario shows may depend on who is quicker. That of all the scenarios one shows it, does not.
        eprintln!("{}: not shown by {:?} alone this time", saboteur.name, saboteur.shown_by);
        first = run(all());
    }
    let is_open = |run: &Run| run.results.inconclusive().any(|id| id == saboteur.clause);
    again_while(is_open, first, all)
}

/// Makes it again, with no other one beside it, as long as it leaves open what is asked.
fn again_while(is_open: impl Fn(&Run) -> bool, first: Run, words: impl Fn() -> Vec<String>) -> (Run, u32) {
    let (mut made, mut run) = (1, first);
    while is_open(&run) && made < ATTEMPTS {
        let open: Vec<&str> = run.results.inconclusive().collect();
        eprintln!("{}: once more, by itself, as these were left open: {open:?}", words().join(" "));
        run = alone(|| support::run(words()));
        made += 1;
    }
    (run, made)
}

/// A run with others beside it.
fn run(arguments: impl IntoIterator<Item = String>) -> Run {
    beside_others(|| support::run(arguments))
}

/// Nothing, if it failed by its own clause and by no MUST that it does not name.
fn what_is_wrong(saboteur: &Saboteur, run: &Run) -> Option<String> {
    let failed = run.results.failed("MUST");
    if run.status != Some(1) || !run.results.fails(&saboteur.clause) {
        let said = run.results.said_of(&saboteur.clause);
        let status = run.status;
        return Some(format!(
            "status {status:?}; of its own clause: {said:?}; these failed: {failed:?}\n{}",
            run.stdout
        ));
    }
    if let Some(wrong) = saboteur.cause.as_ref().and_then(|cause| wrong_cause(saboteur, run, cause)) {
        return Some(format!("{wrong}\n{}", run.stdout));
    }
    let strays: Vec<&str> = failed
        .into_iter()
        .filter(|id| *id != saboteur.clause && !saboteur.falls_with.contains(*id))
        .collect();
    let stdout = &run.stdout;
    (!strays.is_empty())
        .then(|| format!("these failed and are not said to fall with it: {strays:?}\n{stdout}"))
}

/// Nothing, if what breaks its own clause has this cause at least once, and no other one ever. Some of it may be left unexplained.
fn wrong_cause(saboteur: &Saboteur, run: &Run, cause: &str) -> Option<String> {
    let violations = run.results.said_of(&saboteur.clause).map(|said| said.violations.as_slice());
    let kinds = |violation: &serde_json::Value| {
        let kinds = violation["cause"]["kinds"].as_array()?;
        Some(kinds.iter().filter_map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or "))
    };
    let all = violations.unwrap_or_default();
    let told: Vec<String> = all.iter().filter_map(kinds).collect();
    let kinds: BTreeSet<&String> = told.iter().collect();
    println!("{}: {} of {} violations have a cause: {kinds:?}", saboteur.name, told.len(), all.len());
    let right = !told.is_empty() && told.iter().all(|kind| kind == cause);
    (!right).then(|| {
        format!("of {} violations of its own clause the causes are {kinds:?}, and not `{cause}`", all.len())
    })
}

fn passes(saboteur: Saboteur, profile: String) -> Trial {
    let name = format!("{} passes {profile}", saboteur.name);
    needing(&saboteur.clone(), name, move || all_holds(|| whole(&saboteur, &profile)))
}

fn needing(saboteur: &Saboteur, name: String, body: impl FnOnce() + Send + 'static) -> Trial {
    free_case(if saboteur.is_python() { &[PYTHON] } else { &[] }, name, body)
}

/// What all saboteurs are run with.
fn options(profile: &str) -> Vec<String> {
    [limits(profile), paths()].concat()
}

fn limits(profile: &str) -> Vec<String> {
    ["--profile", profile, "--idle-max", "3s"].map(str::to_owned).into()
}

fn paths() -> Vec<String> {
    let paths = ["--slow-path", "/slow?ms={ms}", "--large-path", "/bytes?n={n}", "--upload-path", "/echo"];
    paths.map(str::to_owned).into()
}

fn arguments(saboteur: &Saboteur, profile: &str, all: bool) -> Vec<String> {
    let all = all || Page::asked() == Page::Anew;
    let mut words = match &saboteur.shown_by {
        _ if is_set("HOTSPEC_SABOTEUR_WHOLE") => Vec::new(),
        shown_by if all || shown_by.is_empty() => scenarios_of(&saboteur.clause),
        shown_by => shown_by.clone(),
    };
    words.extend(whole(saboteur, profile));
    words
}

/// Through all scenarios of a profile.
fn whole(saboteur: &Saboteur, profile: &str) -> Vec<String> {
    let program = if saboteur.is_python() { saboteur.source.display().to_string() } else { program() };
    let mut words = if saboteur.names_paths() { limits(profile) } else { options(profile) };
    words.extend(saboteur.level.iter().flat_map(|level| ["--level".to_owned(), level.clone()]));
    words.extend(saboteur.options.iter().cloned());
    if let Some(target) = saboteur.target_file(&program) {
        words.extend(["--target".to_owned(), target.display().to_string()]);
        return words;
    }
    words.push("--".to_owned());
    words.extend(saboteur.is_python().then(|| "python3".to_owned()));
    words.push(program);
    words.extend((!saboteur.is_python()).then(|| saboteur.name.clone()));
    words.extend(["--listen", "{address}"].map(str::to_owned));
    words.extend(saboteur.arguments.iter().cloned());
    words
}

/// The scenarios that put a clause to the test, with all the other clauses that they exercise; of those that take long only
/// where there is no other.
fn scenarios_of(clause: &str) -> Vec<String> {
    let (slow, quick): (Vec<_>, Vec<_>) = exercised_by(clause).into_iter().partition(Scenario::is_slow);
    let taken = if quick.is_empty() { slow } else { quick };
    taken.into_iter().map(|scenario| scenario.name).collect()
}

fn exercised_by(clause: &str) -> Vec<Scenario> {
    let mut all = hotspec::scenario::builtin::scenarios().expect("scenario files parse");
    all.retain(|scenario| scenario.clauses.iter().any(|id| id == clause));
    all
}

/// What all that are no scripts are in.
fn program() -> String {
    built("examples/saboteurs", "cargo build -p saboteurs --examples").display().to_string()
}

/// Else a saboteur could fail by what is none of its fault.
fn common_passes() {
    let mut words = options("falcore");
    words.extend(["--socket-flag", "--socket", "--"].map(str::to_owned));
    words.extend([program(), "faultless".to_owned(), "--listen".to_owned(), "{address}".to_owned()]);
    all_holds(|| words.clone());
}

fn all_holds(words: impl Fn() -> Vec<String>) {
    let (run, _) = again_while(|run| run.results.verdict == "inconclusive", run(words()), words);
    run.exits(0);
    assert_eq!(run.results.verdict, "pass", "{}", run.stdout);
}

/// A head that is misspelt would let a saboteur fail by anything, or by nothing.
fn heads_are_sound() {
    let known: BTreeSet<&str> = hotspec::clause::registry::all().iter().map(|clause| clause.id).collect();
    let saboteurs = saboteur::all();
    assert!(saboteurs.len() >= 30, "only {} saboteurs were found", saboteurs.len());
    for saboteur in saboteurs {
        let name = &saboteur.name;
        assert!(known.contains(saboteur.clause.as_str()), "{name}: clause `{}`", saboteur.clause);
        let unknown: Vec<&String> =
            saboteur.falls_with.iter().filter(|id| !known.contains(id.as_str())).collect();
        assert!(unknown.is_empty(), "{name} falls with clauses that there are not: {unknown:?}");
        assert!(!saboteur.falls_with.contains(&saboteur.clause), "{name} falls with its own clause");
        let exercise = exercised_by(&saboteur.clause);
        for scenario in &saboteur.shown_by {
            let exercises = exercise.iter().any(|one| one.name == *scenario);
            assert!(exercises, "{name}: scenario `{scenario}` does not put {} to the test", saboteur.clause);
        }
        for profile in saboteur.passes.iter().chain([&saboteur.profile]) {
            let is_profile = ["falcore", "reload", "in-place"].contains(&profile.as_str());
            assert!(is_profile, "{name}: profile `{profile}`");
        }
        if let Some(cause) = &saboteur.cause {
            let known = serde_json::from_value::<hotspec::clause::cause::CauseKind>(cause.as_str().into());
            assert!(known.is_ok(), "{name}: cause `{cause}`");
        }
        assert!(saboteur.level.is_none_or(|level| level == "should"), "{name}: the level can be `should`");
    }
}

/// A clause that nothing breaks may never fail.
fn own_saboteurs() {
    let own: BTreeSet<String> = saboteur::all().into_iter().map(|saboteur| saboteur.clause).collect();
    let built = hotspec::clause::registry::all().into_iter().filter(|clause| clause.judge.is_some());
    let built: BTreeSet<&str> = built.map(|clause| clause.id).collect();
    let without: Vec<&&str> = built.iter().filter(|id| !own.contains(**id)).collect();
    assert!(
        without.is_empty(),
        "no server in tests/saboteurs has one of these for its own clause: {without:?}"
    );
}

fn page() -> PathBuf {
    saboteur::directory().join("TABLE.md")
}

/// A page that was written from other heads than there are now says what is not so.
fn table_is_fresh() {
    let saboteurs = saboteur::all();
    let page = fs::read_to_string(page()).expect("tests/saboteurs/TABLE.md");
    let rows = table::read(&page);
    for saboteur in &saboteurs {
        let name = &saboteur.name;
        let row = rows.get(name).unwrap_or_else(|| panic!("{name} has no row"));
        assert_eq!(row.failed.get(&saboteur.clause), Some(&row.runs), "{name} fails by its own clause");
        let named = |id: &&String| **id == saboteur.clause || saboteur.falls_with.contains(*id);
        let strays: Vec<&String> = row.failed.keys().filter(|id| !named(id)).collect();
        assert!(strays.is_empty(), "{name} fell by what its head does not name: {strays:?}");
    }
    let again = "HOTSPEC_WRITE_TABLE=1 cargo test -p hotspec --test end_to_end [saboteurs]";
    assert_eq!(page, table::write(&saboteurs, &rows), "the page is another one than `{again}` writes");
}

/// Writes the page anew, its rows changed by this.
fn write_table(change: impl FnOnce(&mut BTreeMap<String, Row>)) {
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let saboteurs = saboteur::all();
    let mut rows = table::read(&fs::read_to_string(page()).unwrap_or_default());
    change(&mut rows);
    rows.retain(|name, _| saboteurs.iter().any(|saboteur| saboteur.name == *name));
    fs::write(page(), table::write(&saboteurs, &rows)).expect("the page can be written");
}
