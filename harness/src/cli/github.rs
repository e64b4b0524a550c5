//! What GitHub Actions is told besides: annotations, and the page of the job.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::present::print;
use crate::exit::{self, Failure};
use crate::run::github::inert;

/// Tells a person, so that nothing a target wrote is taken for a command, then the annotations, and adds to the job's page. Without
/// a report for people standard output is somebody else's, and the annotations go to standard error, which is read as well.
///
/// # Errors
/// The page can't be written.
pub(super) fn tell(human: Option<String>, annotations: &str, summary: &str) -> Result<(), Failure> {
    match human {
        Some(human) => {
            print(&inert(&human))?;
            print(annotations)?;
        }
        None if annotations.is_empty() => {}
        None => exit::say(annotations.trim_end()),
    }
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
