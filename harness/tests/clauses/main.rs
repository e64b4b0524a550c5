//! Each clause can fail, and passes otherwise: histories that are written by hand, with no server and no clock.
//!
//! - [`story`]: a correct restart under each scenario, and what may be changed about the server
//! - [`lane`]: one connection, told step by step
//! - [`quiet`]: what is seen of its processes while all is quiet, and of their ends
//! - [`correct`]: what the lanes of each scenario see of a correct server
//! - [`rounds`]: several restarts in one history, and what is done to the successor's start
//! - [`trials`]: restarts that have to fail
//! - [`judged`]: what a story comes to
//! - one file per group of clauses, [`run`] for the verdict on a whole run, [`generated`] for properties

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aftermath;
mod arbitrary;
mod availability;
mod cause;
mod control;
mod correct;
mod descriptors;
mod drain;
mod drain_end;
mod failure;
mod first_process;
mod generated;
mod generations;
mod handover;
mod identity;
mod idle;
mod idle_mass;
mod in_flight;
mod judged;
mod keep_alive;
mod known;
mod lane;
mod last_request;
mod listeners;
mod load;
mod many_rounds;
mod process;
mod program_replaced;
mod protocol;
mod protocol_http;
mod quiet;
mod repeat;
mod rounds;
mod run;
mod seats;
mod starved;
mod story;
mod told;
mod trials;
mod wire;
