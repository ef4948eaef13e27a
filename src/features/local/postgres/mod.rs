//! The private PostgreSQL: finding its programs, making its data, running it, clearing away what
//! a killed daemon left running.

pub(super) mod binaries;
pub(super) mod cluster;
pub(super) mod orphan;
pub(super) mod packages;
pub(super) mod server;
pub(super) mod version;
