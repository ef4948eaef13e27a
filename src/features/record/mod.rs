//! Whether the rows that decide who gets whose credentials are as Nexus wrote them: each bears a
//! checksum with a key that whoever can write the control database does not have. And whether the
//! control database itself is as young as what is kept outside of it.
//!
//! A fact feature: `tenants`, `placement` and `installation` take checksums from here when they write.
//! Knows no service, and of their tables the columns that are covered.
//! Start reading at `checksums.rs`, then `service.rs`.

mod age;
mod checksums;
mod service;
mod store;

pub use age::{Age, RecordOlder};
pub(in crate::features) use age::{accept_age, age};
pub use checksums::{Identity, access_key, arm, installation, place, slug, slug_part};
pub use service::RowFlaw;
pub(in crate::features) use service::{
    arm_session, examine, rebuild_revocations, revocations_flaw, seal, seal_revocations,
};
pub use store::STATE;
