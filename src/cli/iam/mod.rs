//! `nexus iam`, and what the nouns of a realm share: which realm, and how changes are shown.

mod realm;
mod views;

pub use realm::{RealmArgs, name};
pub(super) use realm::{all_pages, attribute};
