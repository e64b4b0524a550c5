//! A run, from what was asked for to a verdict: what the command line and the library have in common. Nothing here prints, watches
//! for a signal or ends the process.

pub(crate) mod asked;
pub(crate) mod audience;
pub(crate) mod baseline;
pub(crate) mod declared;
pub(crate) mod format;
pub(crate) mod github;
pub(crate) mod isolation;
pub(crate) mod judged;
mod known;
mod packets;
pub(crate) mod prepared;
pub(crate) mod run_dir;
mod select;
pub(crate) mod session;
pub(crate) mod shard;
