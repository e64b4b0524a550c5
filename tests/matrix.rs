//! A table of many targets: one that can't run here or does not start is told and stops nobody, and what is stored is not run again.

use std::fs;
use std::path::Path;

use crate::support::{case, hotspec, tempdir, thorough};
use libtest_mimic::Trial;
use serde_json::Value;

pub fn trials() -> Vec<Trial> {
    vec![
        case("targets that can't be judged stop nobody, and what is stored is not run again", resumed),
        thorough(case("a target whose file was changed is run again", changed)),
    ]
}

const ABSENT: &str = "name = 'absent'\ntitle = 'a program that <b>nobody</b> has'\nstart = ['no-such-server']\n\
    requires = ['no-such-server']\ninstall = 'apt-get install no-such-server'\n[[restart]]\nsignal = 'HUP'\n";
const DEAD: &str = "name = 'dead'\ntitle = 'a program that ends at once'\nstart = ['false', '{address}']\n\
    [[restart]]\nsignal = 'HUP'\n";

fn changed() {
    let temp = tempdir();
    let path = temp.path().join("mine.toml");
    let made = |text: &str| {
        fs::write(&path, format!("extends = \"reference\"\nname = \"mine\"\n{text}")).expect("a target file");
        let mut command = hotspec(["matrix", "--only", "half-sent-head", "--runs", "1", "--out"]);
        let output = command.arg(temp.path().join("out")).arg(&path).assert().code(0).get_output().clone();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(made("").contains("mine 1/1: pass"));
    let again = made("");
    assert!(!again.contains("mine 1/1"), "nothing has changed: {again}");
    assert!(made("title = \"another\"\n").contains("mine 1/1: pass"));
}

fn resumed() {
    let temp = tempdir();
    let file = |name: &str, text: &str| {
        let path = temp.path().join(name);
        fs::write(&path, text).expect("a target file");
        path.display().to_string()
    };
    let (absent, dead) = (file("absent.toml", ABSENT), file("dead.toml", DEAD));
    let made = |runs: &str, only: &str| {
        let mut command = hotspec(["matrix", &absent, &dead, "reference", "--only", only, "--runs", runs]);
        command.arg("--out").arg(temp.path().join("out")).arg("--markdown").arg(temp.path().join("table.md"));
        // A target that could not be judged leaves the whole undecided.
        let output = command.assert().code(2).get_output().clone();
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (said, progress) = made("1", "zero-traffic");
    assert!(
        progress.contains("reference 1/1: pass") && progress.contains("dead 1/1: did not start"),
        "{progress}"
    );
    assert!(said.contains("reference") && said.contains("no-such-server not found in PATH"), "{said}");
    assert_eq!(
        runs(temp.path()),
        [("absent", 0), ("dead", 0), ("reference", 1)].map(|(name, runs)| (name.to_owned(), runs))
    );

    let (_, progress) = made("2", "zero-traffic");
    assert!(progress.contains("reference 2/2: pass") && !progress.contains("reference 1/2"), "{progress}");
    assert!(
        progress.contains("dead 1/2: did not start"),
        "what could not be judged is tried again: {progress}"
    );
    assert_eq!(runs(temp.path()).last(), Some(&("reference".to_owned(), 2)));
    let read = |name: &str| fs::read_to_string(temp.path().join(name)).expect("a table");
    let (markdown, html) = (read("table.md"), read("out/matrix.html"));
    assert_eq!(markdown, read("out/matrix.md"));
    assert!(
        markdown.contains("apt-get install no-such-server") && !markdown.contains("<b>nobody"),
        "{markdown}"
    );
    assert!(html.contains("&lt;b&gt;nobody") && html.contains("Nothing was broken."), "{html}");

    // What was asked otherwise is no answer to this.
    let (_, progress) = made("1", "process.pid-1");
    assert!(progress.contains("reference 1/1: pass"), "{progress}");
    // Nobody's page is lost.
    fs::write(temp.path().join("mine.md"), "# Mine\n").expect("a page");
    let mut onto_mine = hotspec(["matrix", &absent, "--out"]);
    onto_mine.arg(temp.path().join("other")).arg("--markdown").arg(temp.path().join("mine.md"));
    let refused = onto_mine.assert().code(64).get_output().clone();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("<!-- hotspec matrix -->"));
    assert_eq!(read("mine.md"), "# Mine\n");
    // Two would be stored in one place.
    let twice = hotspec(["matrix", "reference", "reference"]).assert().code(64).get_output().clone();
    assert!(String::from_utf8_lossy(&twice.stderr).contains("two of these targets are named `reference`"));
}

/// Each row's target and how many runs of it were judged.
fn runs(dir: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(dir.join("out/matrix.json")).expect("the table");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    let row = |row: &Value| {
        (row["target"].as_str().unwrap_or_default().to_owned(), row["runs"].as_u64().unwrap_or_default())
    };
    rows.iter().map(row).collect()
}
