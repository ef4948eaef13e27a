//! Where tenants live: PostgreSQL servers ("clusters") and object stores, who administers them,
//! and where the next tenant goes.
//!
//! A fact feature. The server and the store that the settings name are called `default`; others
//! are rows, their administrators' credentials sealed. Start reading at [`Placement`].

mod clusters;
mod default_cluster;
mod error;
mod model;
mod opening;
mod registry;
mod sessions;
mod store;
mod stores;
mod template;

pub use clusters::cluster_names;
pub(in crate::features) use clusters::{check_rights, forget_systems, note_system, read_cluster_names};
pub use default_cluster::DefaultCluster;
pub use error::{PlacementError, StoreNeed};
pub use model::{
    AddCluster, AddStore, Candidate, Candidates, Checked, Cluster, ClusterView, DEFAULT, Driver, PlaceChange,
    PlacementRequest, PlacementState, Registered, ServerPlace, Store, StorePlace, StoreView, note,
};
pub use opening::ServerRecord;
pub(in crate::features) use opening::compare_age;
pub use registry::Placement;
pub(in crate::features) use sessions::{hold_sessions, try_hold_sessions};
pub(in crate::features) use stores::read_store_names;
pub use stores::store_names;
pub use template::Template;
pub(in crate::features) use template::{
    Sessions, drop_templates, known_templates, ready_template, record_template_sets, refresh_templates,
    template, templates_are_current,
};
