//! `hotspec selftest`: does hotspec see faults on this machine? A small server with one fault after another is put through
//! the scenario that is about it, by `hotspec run` as anybody would type it.
//!
//! - [`faults`]: what can be wrong with it, and by which clause that has to be seen
//! - [`server`], `connection`: the server, of plain threads; started by a hidden verb
//! - [`trial`]: one run of it, and what came of it

mod connection;
pub mod faults;
pub mod server;
pub mod trial;

/// The hidden verb that starts the server.
pub const VERB: &str = "selftest-server";
