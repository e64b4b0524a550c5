//! What a step of a workflow of GitHub Actions prints may be taken for a command.

use crate::report::gate::annotations;

/// Whether hotspec runs in a step of a workflow.
pub(crate) fn is_there() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Text that is to be printed, so that nothing in it is taken for a command.
pub(crate) fn inert(text: &str) -> String {
    annotations::inert(text, &format!("{:032x}", rand::random::<u128>()))
}
