//! The business: one folder a feature, each with its rules, its SQL, its errors and its views.
//!
//! Imports `infra`, `settings` and `kernel`; knows no door, no clap, no axum.

pub mod local;
