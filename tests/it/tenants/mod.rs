//! Tenants, made and used and taken away on a real server and a real store.

mod create;
