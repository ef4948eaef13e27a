//! The embedded S3 endpoint, driven over real sockets by real clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod support;

mod admin;
mod boto;
mod conditions;
mod crash;
mod driver;
mod isolation;
mod keys;
mod killed;
mod listing;
mod multipart;
mod objects;
mod presign;
mod silent;
mod speed;
mod unknown;
