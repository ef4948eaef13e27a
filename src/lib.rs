//! Nexus: a database and a bucket for every customer.
//!
//! The map (arrows point to what a room may import; `tests/architecture.rs` holds them):
//!
//! ```text
//! main -> cli -> app -> features -> infra -> settings -> kernel
//! ```
//!
//! | room | knows | start at |
//! |---|---|---|
//! | [`kernel`] | words: ids, slugs, errors, secrets | `error.rs` |
//! | [`settings`] | `nexus.toml`, contexts, the environment | `mod.rs` |
//! | [`infra`] | mechanisms with no business noun: database, keys, object stores, the step engine | `saga/mod.rs` |
//! | [`features`] | the business: tenants, provisioning, secrets, audit, the local stack | `provisioning/mod.rs` |
//! | [`app`] | puts the parts together for one context | `mod.rs` |
//! | [`cli`] | grammar, prompts, output | `mod.rs` |
//!
//! `failure/` is a crate of its own, as derives have to be: what an error says of itself.

pub mod app;
pub mod cli;
pub mod features;
pub mod infra;
pub mod kernel;
pub mod settings;
