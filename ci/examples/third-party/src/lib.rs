//! Nothing but tests is here: `tests/servers.rs`.
