//! How the harness talks to a target: sockets that tell every kind of end apart, a strict HTTP/1.1 parser, lanes
//! that are driven by steps, and one ordinary pooled client for comparison.
//!
//! Nothing in here retries, follows a redirect, or decides whether an observation is a failure.

pub mod address;
pub mod http1;
pub mod lane;
pub mod ordinary;
pub mod pooled;
pub mod socket;
pub mod step;
