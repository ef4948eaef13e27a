//! Tenants: who they are, what state they are in, what is theirs. A fact feature: it changes rows
//! only; `provisioning` changes the world. Records what it changes by itself through `audit`.
//!
//! Start reading at `model.rs`. The exported functions take the caller's connection, so that one
//! transaction can span a tenant's row and what belongs to it.

mod change;
mod env;
mod error;
mod life;
mod list;
mod log;
mod model;
mod profile;
pub mod sealed;
mod selector;
mod service;
mod store;

pub use change::{Change, ChangeOutcome, Renamed, Updated, prospect_of_facts, update};
pub(in crate::features) use change::{put_facts_back, rename};
pub use env::EnvView;
pub use error::TenantError;
pub use life::{Life, Suspension, Trash};
pub(in crate::features) use life::{condemn, due, is_due, suspend, suspend_again, trash};
pub(in crate::features) use list::read_each;
pub use list::{each, list, page};
pub use log::log;
pub use model::{
    Adoption, Facts, NewTenant, Resources, Tenant, TenantFilter, TenantPosition, TenantSort, TenantState,
    TenantView,
};
pub use profile::{MOST_MODULES, Profile, ProfileChange, UsageLimits};
pub use selector::{FIELDS, KEYS as SELECTOR_KEYS, Selector, SelectorError};
pub use service::{TenantRef, changed_since, enter, find, former_slugs, get, label_keys, select, slugs};
pub(in crate::features) use service::{look_up, missing, read, read_selected, row_of};
pub(in crate::features) use store::{
    by_id, claim, holder, insert, insert_statement, note_new_credentials, row, set_access_key, set_adopted,
    set_state, state_statement,
};
