//! hotspec in a program of somebody else's, above all in `cargo test`. What is here is re-exported at the root of the crate.
//!
//! - `target`: what is run, and what it declares
//! - `options`: how it is run
//! - `report`: what came of it
//! - `trials`: a test case for each scenario
//! - `error`: why there was no run

mod error;
mod options;
mod report;
mod target;
mod trials;

pub use error::Error;
pub use report::Report;
pub use target::{Signal, Target};
pub use trials::{test_main, trials};
