//! What we do: scenario files, the concrete plan, and the runner that drives a target through it.

mod aftermath;
pub mod builtin;
mod conductor;
mod door;
mod exits;
pub mod file;
mod holdings;
mod lanes;
mod lookout;
mod monitor;
mod named;
mod origin;
mod output;
pub mod plan;
mod ready;
mod repeat;
pub mod runner;
mod said;
mod stages;
mod starved;
mod stop;
mod successor;
mod told;
mod trial;
mod trigger;
mod waits;
mod wire;
