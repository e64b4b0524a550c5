//! What we do.

pub mod file;
