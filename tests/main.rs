//! End to end: tests of the program as a whole, in one program of their own, so that those which wait leave the processors to
//! others. `cargo test -p hotspec --test end_to_end -- '[check]'` runs those of one file.

mod bad_input;
mod baseline;
mod cargo_test;
mod check;
mod comfort;
mod doctor;
mod evidence;
mod formats;
mod gates;
mod hostile;
mod html;
mod interrupted;
mod library;
mod matrix;
mod nothing_left;
mod plan;
mod real_servers;
mod reference;
mod saboteurs;
mod selftest;
mod shards;
mod side_by_side;
mod soak;
mod stability;
mod support;
mod url;

use std::process::ExitCode;

use libtest_mimic::Trial;
use support::{all_are_asked, of, run_trials, targets};

/// Cases at the same time. A run is several scenarios at once already; most of them wait most of the time, those that are run after
/// each change above all.
fn at_once() -> usize {
    if all_are_asked() { 6 } else { 9 }
}

/// The first case of each file that is run before all others: it makes what the file's others look at, who would only wait for it
/// side by side.
fn openers_first(mut files: Vec<Vec<Trial>>) -> Vec<Trial> {
    let opener = |file: &mut Vec<Trial>| {
        let first = file.iter().position(|trial| !trial.has_ignored_flag())?;
        Some(file.remove(first))
    };
    let openers: Vec<Trial> = files.iter_mut().filter_map(opener).collect();
    openers.into_iter().chain(files.into_iter().flatten()).collect()
}

fn main() -> ExitCode {
    if let Some(code) = targets::serve_if_asked() {
        return code;
    }
    support::pass_over_wanted_panics();
    // Files whose cases take longest come first.
    let files = [
        ("reference", vec![reference::core()]),
        // It builds first, while the others wait most of the time.
        ("cargo_test", cargo_test::trials()),
        ("soak", soak::trials()),
        ("saboteurs", saboteurs::trials()),
        ("real_servers", real_servers::trials()),
        ("url", url::trials()),
        ("library", library::trials()),
        ("evidence", evidence::trials()),
        ("matrix", matrix::trials()),
        ("hostile", hostile::trials()),
        ("html", html::trials()),
        ("check", check::trials()),
        ("shards", shards::trials()),
        ("formats", formats::trials()),
        ("baseline", baseline::trials()),
        ("interrupted", interrupted::trials()),
        ("gates", gates::trials()),
        ("side_by_side", side_by_side::trials()),
        ("nothing_left", nothing_left::trials()),
        ("bad_input", bad_input::trials()),
        ("comfort", comfort::trials()),
        ("plan", plan::trials()),
        ("stability", stability::trials()),
        ("doctor", doctor::trials()),
    ];
    // Who wants the machine for itself waits for all that are under way, and nobody else begins meanwhile.
    let last =
        [("selftest", selftest::trials()), ("html", html::alone()), ("reference", reference::trials())];
    let files = files.map(|(file, trials)| of(file, trials).collect());
    let mut trials = openers_first(files.into());
    trials.extend(last.into_iter().flat_map(|(file, trials)| of(file, trials)));
    let code = run_trials(at_once(), trials);
    reference::end();
    check::end();
    formats::end();
    shards::end();
    hostile::end();
    html::end();
    saboteurs::end();
    code
}
