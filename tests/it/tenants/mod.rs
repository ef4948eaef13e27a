//! Tenants, made and used and taken away on a real server and a real store.

mod access;
mod admin;
mod confirmed;
mod create;
mod delete;
mod env_files;
mod list;
mod many;
mod neighbours;
mod profile;
mod questions;
mod rename;
mod selectors;
mod streams;
mod update;
