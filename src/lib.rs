//! Nexus: a database and a bucket for every customer.
//!
//! The map (arrows point to what a room may import; `tests/architecture.rs` holds them):
//!
//! ```text
//! main -> cli, http, worker -> app -> features -> infra -> settings -> kernel
//! ```
//!
//! | room | knows | start at |
//! |---|---|---|
//! | [`kernel`] | words: ids, slugs, errors, hints, secrets | `error.rs`, `hint/mod.rs` |
//! | [`settings`] | `nexus.toml`, contexts, the environment | `mod.rs` |
//! | [`infra`] | mechanisms with no business noun: database, keys, object stores, telemetry, the step engine | `saga/mod.rs` |
//! | [`features`] | the business: tenants, provisioning, who may do what, secrets, audit, the local stack | `provisioning/mod.rs`, `access/mod.rs` |
//! | [`app`] | puts the parts together for one context | `mod.rs` |
//! | [`cli`] | grammar, prompts, output; `serve.rs` alone knows `http` and `worker` | `mod.rs` |
//! | [`http`] | routes, extractors, problem documents | `mod.rs`, `router.rs` |
//! | [`worker`] | background work: operations that requests recorded, jobs, the relay from outboxes to jobs | `mod.rs`, `jobs/mod.rs` |
//!
//! `failure/` is a crate of its own, as derives have to be: what an error says of itself.
//!
//! `docs/architecture.md` walks through four paths: a tenant made, a right asked, a migration run, a message sent.

pub mod app;
pub mod cli;
pub mod features;
pub mod http;
pub mod infra;
pub mod kernel;
pub mod settings;
pub mod worker;
