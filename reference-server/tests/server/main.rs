//! The reference server as a program, in one test program, since most of these tests wait most of the time.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod drain;
mod failure;
mod load;
mod process;
