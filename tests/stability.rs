//! STABILITY.md holds: what it promises is there, under the names and numbers that it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;

use crate::support::{SOON, case, hotspec, tempdir};

/// The list of names that are kept.
const NAMES: &str = "harness/schema/names.txt";
/// Verbs whose flags are promised.
const VERBS: [&str; 13] = [
    "init",
    "run",
    "soak",
    "matrix",
    "list",
    "explain",
    "check",
    "merge",
    "diff",
    "schema",
    "doctor",
    "completions",
    "man",
];
/// Tables of a target file, each with a probe that has one key too many in it.
const TABLES: [(&str, &str); 9] = [
    ("target", "?"),
    ("target.file", "[[file]]\n?"),
    ("target.restart", "[[restart]]\n?"),
    ("target.endpoints", "[endpoints]\n?"),
    ("target.limits", "[limits]\n?"),
    ("target.listen", "[listen]\n?"),
    ("target.successor", "[successor]\n?"),
    ("target.broken", "[broken]\n?"),
    ("target.known", "[[known]]\n?"),
];

pub fn trials() -> Vec<Trial> {
    vec![
        case(
            "every exit status means the same in the code, the help, the schema, README and STABILITY",
            exit_codes,
        ),
        case("every name that was promised is there, and every name that is there is promised", names),
        case("the page says the numbers of the schemas and the oldest Rust as they are", numbers),
        case("the lists that the page shows of names are those that are kept", lists),
        case("the links of the page lead somewhere", links),
    ]
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table below a heading of this kind, by the numbers in their first cell.
fn statuses(page: &str, heading: &str) -> BTreeMap<u8, String> {
    let (_, part) = page.split_once(heading).unwrap_or_else(|| panic!("no `{heading}`"));
    let rows =
        part.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut found = BTreeMap::new();
    for row in rows.skip(2) {
        let mut cells = row.trim_matches('|').splitn(2, '|').map(str::trim);
        let (numbers, meaning) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        for number in numbers.split(", ") {
            found.insert(number.parse().expect("a status"), meaning.to_owned());
        }
    }
    found
}

fn exit_codes() {
    let code: BTreeSet<u8> = hotspec::exit::ALL.into_iter().map(|(status, _)| status).collect();
    let named: BTreeMap<u8, String> =
        hotspec::exit::ALL.map(|(status, name)| (status, name.to_owned())).into();
    let page = statuses(&read("STABILITY.md"), "## Exit status");
    let names = page.iter().map(|(status, meaning)| (*status, meaning.split('|').next().unwrap_or_default()));
    let names: BTreeMap<u8, String> = names.map(|(status, name)| (status, name.trim().to_owned())).collect();
    assert_eq!(names, named, "STABILITY.md (left) and harness/src/exit.rs (right)");
    let readme: BTreeSet<u8> = statuses(&read("README.md"), "### Exit status").into_keys().collect();
    assert_eq!(readme, code, "README.md (left) and harness/src/exit.rs (right)");
    let schema: serde_json::Value = serde_json::from_str(&read("harness/schema/events.json")).expect("JSON");
    let listed: Vec<u8> =
        serde_json::from_value(schema["$defs"]["run-over"]["properties"]["status"]["enum"].clone())
            .expect("numbers");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), code, "harness/schema/events.json (left)");
    let help = hotspec(["--help"]).timeout(SOON).output().expect("hotspec starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, told) = help.split_once("Exit status:").expect("the help tells them");
    let told: BTreeSet<u8> =
        told.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    assert_eq!(told, code, "`hotspec --help` (left)");
    // What they always were: a change of one of these is a change of what pipelines do.
    assert_eq!(code.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 64, 65, 70, 130]);
}

/// Every name that somebody outside may have written down.
fn there() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let built = hotspec::clause::registry::all().into_iter().filter(|clause| clause.judge.is_some());
    names.extend(built.map(|clause| format!("clause {}", clause.id)));
    let scenarios = hotspec::scenario::builtin::scenarios().expect("scenarios");
    names.extend(scenarios.iter().map(|scenario| format!("scenario {}", scenario.name)));
    let targets = hotspec::target::builtin::targets().expect("targets");
    names.extend(targets.iter().map(|target| format!("target {}", target.name)));
    names.extend(hotspec::clause::cause::CauseKind::ALL.map(|kind| format!("cause {}", kind.as_str())));
    for verb in VERBS {
        let output = hotspec([verb, "--help"]).timeout(SOON).output().expect("hotspec starts");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        let flags = help.lines().filter_map(|line| line.trim_start().split_once("--"));
        let flags =
            flags.filter(|(begin, _)| begin.is_empty() || (begin.starts_with('-') && begin.ends_with(", ")));
        // A line may begin with the end of a comment of Markdown's.
        let flags = flags.filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        let word = |rest: &str| rest.split([' ', '=']).next().unwrap_or_default().to_owned();
        names.extend(flags.map(|(_, rest)| format!("flag {verb} --{}", word(rest))));
    }
    let formats = told(hotspec(["run", "--report", "no-such-format"]), "expected one of ");
    let formats = formats.split(", found").next().unwrap_or_default().split(", ");
    names.extend(formats.map(|format| format!("format {format}")));
    for (table, probe) in TABLES {
        names.extend(keys(probe).into_iter().map(|key| format!("key {table} {key}")));
    }
    names
}

/// The keys of a table of a target file, as the program tells them to whoever writes one that there is not.
fn keys(probe: &str) -> Vec<String> {
    let temp = tempdir();
    let path = temp.path().join("probe.toml");
    fs::write(&path, probe.replace('?', "no-such-key = 1\n")).expect("a file of mine");
    let mut command = hotspec(["run", "--target"]);
    command.arg(&path);
    told(command, "expected one of ").split(", ").map(|key| key.trim().trim_matches('`').to_owned()).collect()
}

/// What a command that is refused says after these words.
fn told(mut command: assert_cmd::Command, words: &str) -> String {
    let output = command.timeout(SOON).output().expect("hotspec starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, told) = said.split_once(words).unwrap_or_else(|| panic!("`{words}` is not said: {said}"));
    told.to_owned()
}

fn names() {
    let kept: BTreeSet<String> =
        read(NAMES).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let there = there();
    let listed = |names: Vec<&String>| names.iter().map(|name| format!("\n{name}")).collect::<String>();
    let gone = listed(kept.difference(&there).collect());
    assert!(
        gone.is_empty(),
        "these names were promised and are gone:{gone}\nPut them back: somebody has written them down. Only a new major version \
         may drop one; then take it out of {NAMES} and say so in CHANGELOG.md"
    );
    let new = listed(there.difference(&kept).collect());
    assert!(
        new.is_empty(),
        "these names are new:{new}\nAdd the lines to {NAMES}, in order: from the next release on they stay"
    );
    let sorted: Vec<String> = kept.into_iter().collect();
    let file: Vec<String> =
        read(NAMES).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(file, sorted, "{NAMES} is not in order, or has a line twice");
}

fn numbers() {
    let page = read("STABILITY.md");
    let schemas = [
        ("`--report json`, `results.json`", hotspec::manifest::SCHEMA),
        ("`manifest.json`", hotspec::manifest::SCHEMA),
        ("`--report ndjson`", hotspec::report::events::SCHEMA),
        ("`history/*.ndjson`", hotspec::history::event::SCHEMA),
    ];
    for (what, number) in schemas {
        let row = format!("| {what} | {number} |");
        assert!(page.lines().any(|line| line.starts_with(&row)), "expected a line `{row} …`");
    }
    let manifest = read("Cargo.toml");
    let oldest =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).expect("the oldest Rust");
    let oldest = oldest.trim_end_matches('"');
    for file in ["STABILITY.md", "README.md"] {
        assert!(
            read(file).contains(&format!("Rust {oldest}")),
            "{file} says another oldest Rust than Cargo.toml, {oldest}"
        );
    }
}

/// Words in backquotes of the paragraph that begins so.
fn quoted(page: &str, begin: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("no `{begin}`"));
    let part = rest.split("\n\n").next().unwrap_or_default();
    part.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn lists() {
    let page = read("STABILITY.md");
    let schema: serde_json::Value = serde_json::from_str(&read("harness/schema/report.json")).expect("JSON");
    for (begin, name) in [("Verdicts of clauses:", "verdict"), ("Verdicts of runs:", "run_verdict")] {
        let words = schema["$defs"][name]["enum"].as_array().expect("words").iter();
        let words: BTreeSet<String> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
        assert_eq!(quoted(&page, begin), words, "{begin}");
    }
}

fn links() {
    let page = read("STABILITY.md");
    let links: Vec<&str> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 2);
    for link in links.into_iter().filter(|link| !link.starts_with("http")) {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let text = if file.is_empty() { page.clone() } else { read(file) };
        let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let found =
            heading.is_empty() || text.lines().any(|line| line.starts_with('#') && slug(line) == heading);
        assert!(found, "{link} leads nowhere");
    }
    assert!(read("README.md").contains("](STABILITY.md)"), "README.md does not lead here");
}
