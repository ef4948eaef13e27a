//! The business. Knows no door: not the command line, not HTTP, not how anything looks.
//!
//! Facts: tenants, placement, secrets, iam, audit. Processes: provisioning, installation, local.

pub mod audit;
pub mod iam;
pub mod installation;
pub mod placement;
pub mod provisioning;
pub mod secrets;
pub mod tenants;
