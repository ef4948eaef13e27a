//! The business: one folder for each feature, with its rules, its SQL and its errors.
//!
//! A feature may use what lies to the right of it (`infra`, `settings`, `kernel`) and the door of
//! a feature that holds facts; it knows neither the command line nor HTTP.

pub mod secrets;
