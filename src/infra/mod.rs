//! Mechanisms with no business noun. Knows nothing of tenants' rules, of any door, of clap or axum.

pub mod crypto;
pub mod private_file;
pub mod saga;
