//! An S3 endpoint inside Nexus, for the local stack: buckets on this machine's disk, keys that
//! reach only their own bucket, and an admin interface that makes both.
//!
//! Knows HTTP, signatures and files. May not import: features, doors, settings. Start reading at
//! [`serve`] in `server.rs`; the disk is in `store/`, S3's operations in `s3/`, the admin
//! interface in `admin/`. What it answers 501 to is listed in `docs/local-object-store.md`.

mod admin;
mod blocking;
mod crowd;
mod fences;
mod names;
mod s3;
mod seal;
mod server;
mod state;
mod store;

use std::path::PathBuf;

use crate::kernel::{Failure, SecretString};

pub(crate) use names::{percent_decode, percent_encode};
pub use server::serve;

/// Where the endpoint keeps its data, and who may administer it.
#[derive(Debug)]
pub struct ObjectServerConfig {
    /// The folder that holds everything; made, 0700, when missing. One server at a time.
    pub root: PathBuf,
    /// The region that `GetBucketLocation` and `HeadBucket` tell.
    pub region: String,
    /// The bearer token of the admin interface; the keys at rest are sealed under it too.
    pub admin_token: SecretString,
}

/// Why the endpoint could not start or had to stop.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ObjectServerError {
    /// Another object server holds the folder.
    #[error("another object server is using {}", .0.display())]
    #[failure(Busy, "object_server_running")]
    Locked(PathBuf),
    /// The admin token is too short to protect anything.
    #[error("the admin token is shorter than {0} characters")]
    #[failure(Invalid, "object_server_token_weak")]
    WeakToken(usize),
    /// The disk of the object server refused.
    #[error(transparent)]
    #[failure(if matches!(_0, store::StoreError::Damaged { .. }), Integrity, "object_server_damaged")]
    #[failure(Unavailable, "object_server_store")]
    Store(#[from] store::StoreError),
    /// The socket of the object server failed.
    #[error("cannot accept connections: {0}")]
    #[failure(Unavailable, "object_server_socket")]
    Listen(#[source] std::io::Error),
}
