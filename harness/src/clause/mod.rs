//! What must hold. Every clause is one entry and one pure function over a [`Case`]: no clock, no
//! socket, no process.
//!
//! - [`case`]: one scenario's history, folded, with what control showed
//! - [`observed`]: what it says of processes while all was quiet; `lineage`: who descends from whom
//! - [`repeated`]: what was triggered again, and what a server owes whatever it makes of that
//! - [`tally`]: what a clause says of a case; `seats`: who had no process to spare for one more connection
//! - [`cause`]: why a connection was lost, where the evidence tells it; [`counted`]: what the kernel counted meanwhile
//! - [`accounts`]: every reset of the target's side, accounted for
//! - [`registry`]: all clauses, their levels and sources
//! - [`judge`]: from histories to results
//! - one file per group: [`availability`], [`in_flight`], [`keep_alive`], [`idle`], [`drain`] (with `exits`), [`process`] (with
//!   [`handover`], [`aftermath`], [`identity`], [`told`]), [`protocol`] (with [`bodies`],
//!   [`leaving`], [`kinds`]), [`repeat`], [`failure`] (with [`trial`], `undisturbed`); [`wire`] has
//!   what packets decide
//! - descriptors: `common` (what generations have in common), `shared_listener`, `unix_path`, `dropped`; `growth` over many
//!   generations, of memory too; `output`: what the target writes of its own failures; [`held`]: what the history says of these
//! - `beside`: what can be judged of a server that was up already
//! - [`planned`]: what is in the catalogue and not built yet
//! - [`advice`]: by which witness each is seen, what usually breaks it, and how that is mended

pub mod accounts;
pub mod advice;
pub mod aftermath;
mod attempts;
pub mod availability;
mod beside;
pub mod bodies;
pub mod case;
pub mod cause;
mod command_line;
mod common;
pub mod compare;
pub mod control;
pub mod counted;
pub mod drain;
mod dropped;
mod exits;
pub mod failure;
pub mod first_process;
mod growth;
pub mod handover;
pub mod held;
pub mod identity;
pub mod idle;
mod idle_mass;
pub mod in_flight;
pub mod judge;
pub mod keep_alive;
pub mod kinds;
mod last_request;
pub mod leaving;
mod lineage;
mod listeners;
pub mod load;
pub mod matrix;
pub mod observed;
mod output;
pub mod planned;
pub mod process;
pub mod program_replaced;
pub mod protocol;
pub mod registry;
pub mod repeat;
pub mod repeated;
pub mod result;
mod seats;
mod shared_listener;
pub mod starved;
pub mod sum;
pub mod tally;
mod times;
pub mod told;
pub mod trial;
mod undisturbed;
mod unix_path;
pub mod wire;

pub use case::Case;
pub use registry::{Clause, Level};
pub use tally::Tally;
