//! What is under test: target files, network namespaces, and the warden over each process tree.

pub mod builtin;
mod check;
mod extends;
pub mod file;
pub mod launch;
pub mod listen;
mod many;
pub mod namespace;
pub mod network;
mod place;
pub mod program_copy;
pub mod program_path;
pub mod quota;
pub mod refusal;
pub mod running;
mod step;
mod values;
pub mod version;
mod veth;
pub mod warden;
