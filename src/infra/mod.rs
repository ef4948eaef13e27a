//! Mechanisms with no business noun. Knows nothing of tenants' rules, of any door, of clap or axum.

pub mod circuit;
pub mod cluster;
pub mod crypto;
pub mod db;
pub mod dns;
pub mod event_stream;
pub mod failpoint;
pub mod fetch;
pub mod handover;
pub mod mail_sink;
pub mod object_server;
pub mod objects;
pub mod outbound;
pub mod own_file;
pub mod pg_client;
pub mod private_file;
pub mod repeated;
pub mod saga;
pub mod smtp;
pub mod telemetry;
