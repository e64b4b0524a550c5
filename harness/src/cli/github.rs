//! What GitHub Actions is told besides: annotations, and the page of the job.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::present::print;
use super::sinks::Troubles;
use crate::exit::{self, Failure};
use crate::run::github::inert;

/// Tells a person, so that nothing a target wrote is taken for a command, then the annotations, and adds to the job's page. Without
/// a report for people standard output is somebody else's, and the annotations go to standard error, which is read as well.
pub(super) fn tell(human: Option<String>, annotations: &str, summary: &str, troubles: &mut Troubles) {
    match human {
        Some(human) => {
            troubles.note(print(&inert(&human)).and_then(|()| print(annotations)));
        }
        None if annotations.is_empty() => {}
        None => exit::say(annotations.trim_end()),
    }
    troubles.note(add_to_page(summary));
}

fn add_to_page(summary: &str) -> Result<(), Failure> {
    let Some(page) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let page = PathBuf::from(page);
    let add = |mut file: File| file.write_all(summary.as_bytes());
    let opened = File::options().append(true).create(true).open(&page);
    opened
        .and_then(add)
        .map_err(|error| Failure::own(format!("failed to add to the job's page {}: {error}", page.display())))
}
