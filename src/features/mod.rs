//! The business: one folder a feature, each with its rules, its SQL, its errors and its views.
//!
//! Facts: access, tenants, placement, migrations, secrets, iam, audit, tokens, outbox, files, usage, jobs, templates.
//! Processes: provisioning, fleet, inspection, installation, local, doctor, messages, notifications, webhooks, services,
//! subscribers, relay, events, business.
//! Imports `infra`, `settings` and `kernel`; knows no door, no clap, no axum.

pub mod access;
pub mod audit;
pub mod business;
pub mod doctor;
pub mod events;
pub mod files;
pub mod fleet;
pub mod iam;
pub mod inspection;
pub mod installation;
pub mod jobs;
pub mod local;
pub mod messages;
pub mod migrations;
pub mod notifications;
pub mod outbox;
pub mod placement;
pub mod provisioning;
pub mod record;
pub mod relay;
pub mod secrets;
pub mod services;
pub mod subscribers;
pub mod templates;
pub mod tenants;
pub mod tokens;
pub mod usage;
pub mod webhooks;
