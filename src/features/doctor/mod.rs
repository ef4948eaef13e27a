//! The doctor: looks at everything that a person would be asked to look at, and says how to fix
//! what is wrong. A process feature that changes nothing and starts nothing: every statement is a
//! SELECT in a read-only session, every file is read, every port is let go again at once.
//!
//! Knows what a healthy installation is like. Does not know where an installation is: that comes
//! in as a [`DoctorInput`], with every part that could not be found out left open and the reason for it.
//!
//! Start reading at `service.rs` (what is looked at, and in which order), then `model.rs`.

mod control;
mod events;
mod input;
mod keys;
mod machine;
mod model;
mod objects;
mod programs;
mod releases;
mod server;
mod service;
mod settings;
mod stack;
mod stoppers;
mod store;
mod work;

pub use input::{DoctorInput, Part, TriedSecret};
pub use model::{CHECKS, Group, Only, checks};
pub use service::examine;
