//! Every saboteur fails by its own clause, and by no other MUST than those that fall with it.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use libtest_mimic::Trial;
use support::{PYTHON, built, case, case_with, run, run_trials};

/// What the head of a saboteur's source says.
#[derive(Clone)]
struct Saboteur {
    name: String,
    source: PathBuf,
    clause: String,
    falls_with: BTreeSet<String>,
    profile: String,
    /// A profile that it fails nothing of.
    passes: Option<String>,
}

/// What a saboteur failed by, for the table.
struct Row {
    saboteur: Saboteur,
    failed: Vec<String>,
    should: Vec<String>,
}

static TABLE: Mutex<Vec<Row>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let saboteurs = saboteurs();
    let mut trials = vec![case("every saboteur has a head that says what it gets wrong", heads_are_sound)];
    for saboteur in &saboteurs {
        trials.push(fails(saboteur.clone()));
        trials.extend(saboteur.passes.clone().map(|profile| passes(saboteur.clone(), profile)));
    }
    let code = run_trials(3, trials);
    print_table();
    code
}

fn fails(saboteur: Saboteur) -> Trial {
    let name = format!("{} fails by {} and what falls with it", saboteur.name, saboteur.clause);
    needing(&saboteur.clone(), name, move || {
        let run = run(arguments(&saboteur, &saboteur.profile));
        run.exits(1);
        let said = run.results.said_of(&saboteur.clause).expect("its own clause was selected");
        let failed: Vec<String> = run.results.failed("MUST").into_iter().map(str::to_owned).collect();
        let should = run.results.failed("SHOULD").into_iter().map(str::to_owned).collect();
        TABLE.lock().expect("the table").push(Row {
            saboteur: saboteur.clone(),
            failed: failed.clone(),
            should,
        });
        assert_eq!(said.verdict, "fail", "{said:?}, and these failed: {failed:?}\n{}", run.stdout);
        let strays: Vec<&String> = failed
            .iter()
            .filter(|id| **id != saboteur.clause && !saboteur.falls_with.contains(*id))
            .collect();
        assert!(
            strays.is_empty(),
            "these failed and are not said to fall with it: {strays:?}\n{}",
            run.stdout
        );
    })
}

fn passes(saboteur: Saboteur, profile: String) -> Trial {
    let name = format!("{} passes {profile}", saboteur.name);
    needing(&saboteur.clone(), name, move || {
        let run = run(arguments(&saboteur, &profile));
        run.exits(0);
        assert_eq!(run.results.verdict, "pass");
    })
}

fn is_python(saboteur: &Saboteur) -> bool {
    saboteur.source.extension().is_some_and(|ending| ending == "py")
}

fn needing(saboteur: &Saboteur, name: String, body: impl FnOnce() + Send + 'static) -> Trial {
    case_with(if is_python(saboteur) { &[PYTHON] } else { &[] }, name, body)
}

fn arguments(saboteur: &Saboteur, profile: &str) -> Vec<String> {
    let options = ["--profile", profile, "--idle-max", "3s", "--slow-path", "/slow?ms={ms}"];
    let paths = ["--large-path", "/bytes?n={n}", "--upload-path", "/echo", "--"];
    let mut words: Vec<String> = options.into_iter().chain(paths).map(str::to_owned).collect();
    if is_python(saboteur) {
        words.extend(["python3".to_owned(), saboteur.source.display().to_string()]);
    } else {
        let example = format!("saboteur-{}", saboteur.name.replace('_', "-"));
        let how = format!("cargo build -p hotspec --example {example}");
        words.push(built(&format!("examples/{example}"), &how).display().to_string());
    }
    words.extend(["--listen", "{address}"].map(str::to_owned));
    words
}

fn saboteurs() -> Vec<Saboteur> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/saboteurs");
    let dir = fs::canonicalize(&dir).expect("the saboteurs' directory");
    let mut sources: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the saboteurs' directory")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs" || ending == "py"))
        .collect();
    sources.sort();
    sources.into_iter().map(|source| read(&source)).collect()
}

fn read(source: &Path) -> Saboteur {
    let text = fs::read_to_string(source).expect("a source");
    let said = |key: &str| {
        let lines = text.lines().map(|line| line.trim_start_matches(['/', '!', '#']).trim_start());
        lines.filter_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned())).next()
    };
    let list = |text: String| text.split(',').map(|id| id.trim().to_owned()).collect();
    Saboteur {
        name: source.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        source: source.to_owned(),
        clause: said("clause").unwrap_or_default(),
        falls_with: said("falls-with").map(list).unwrap_or_default(),
        profile: said("profile").unwrap_or_default(),
        passes: said("passes"),
    }
}

/// A head that is misspelt would let a saboteur fail by anything, or by nothing.
fn heads_are_sound() {
    let known: BTreeSet<&str> = hotspec::clause::registry::all().iter().map(|clause| clause.id).collect();
    let saboteurs = saboteurs();
    assert!(saboteurs.len() >= 5, "only {} saboteurs were found", saboteurs.len());
    for saboteur in saboteurs {
        let name = &saboteur.name;
        assert!(known.contains(saboteur.clause.as_str()), "{name}: clause `{}`", saboteur.clause);
        let unknown: Vec<&String> =
            saboteur.falls_with.iter().filter(|id| !known.contains(id.as_str())).collect();
        assert!(unknown.is_empty(), "{name} falls with clauses that there are not: {unknown:?}");
        for profile in saboteur.passes.iter().chain([&saboteur.profile]) {
            let is_profile = ["falcore", "reload", "in-place"].contains(&profile.as_str());
            assert!(is_profile, "{name}: profile `{profile}`");
        }
    }
}

/// One row for each clause that failed, one column for each saboteur.
fn print_table() {
    let mut table = TABLE.lock().expect("the table");
    if table.is_empty() {
        return;
    }
    table.sort_by(|a, b| a.saboteur.name.cmp(&b.saboteur.name));
    println!(
        "saboteurs and the clauses that they fail by: its own O, one that falls with it +, SHOULD s, a stray !"
    );
    for (column, row) in table.iter().enumerate() {
        println!("  {}{}  (profile {})", "| ".repeat(column), row.saboteur.name, row.saboteur.profile);
    }
    let ids: BTreeSet<&String> = table.iter().flat_map(|row| row.failed.iter().chain(&row.should)).collect();
    for id in ids {
        let cells = table.iter().map(|row| {
            if *id == row.saboteur.clause {
                "O"
            } else if row.should.contains(id) {
                "s"
            } else if !row.failed.contains(id) {
                "."
            } else if row.saboteur.falls_with.contains(id) {
                "+"
            } else {
                "!"
            }
        });
        println!("  {}  {id}", cells.collect::<Vec<_>>().join(" "));
    }
}
