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

pub use clusters::{AddCluster, Registered, check_rights, cluster_names, forget_systems, note_system};
pub use default_cluster::DefaultCluster;
pub use error::{PlacementError, StoreNeed};
pub use model::{
    Candidate, Candidates, ClusterChange, ClusterView, Driver, PlacementState, ServerPlace, StoreChange,
    StorePlace, StoreView, Wish, note,
};
pub use opening::{ServerRecord, compare_age};
pub use registry::{Cluster, DEFAULT, Placement, Store};
pub use sessions::{hold_sessions, try_hold_sessions};
pub use stores::{AddStore, store_names};
pub use template::{
    Sessions, Template, born_with, drop_templates, known_templates, refresh_templates, template,
    templates_are_current,
};
