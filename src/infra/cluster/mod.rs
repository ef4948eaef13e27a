//! What is done to a PostgreSQL server: roles, databases, privileges, sessions, all marked as ours
//! and checked for the mark before they are touched. Knows nothing of tenants.
//!
//! Every call takes a session of the server's administrator. Names are opaque and quoted; nothing
//! here is bound to a table.

pub mod adopted;
mod app_role;
mod carried;
mod catalog_snapshot;
mod collation;
mod copy;
mod database;
mod dependents;
mod drift;
mod error;
mod fingerprint;
mod fixing;
mod held;
mod high_water;
mod inside;
mod inventory;
mod isolation_probe;
mod limits;
mod migrator;
mod privileges;
mod roles;
mod scratch;
mod sessions;
mod size;
mod template;
mod watching;
mod written;

use adopted::realm_scripts;
pub use app_role::{APP_ROLE, drop_app_role, ensure_app_role, weaken_app_role};
pub use carried::{Carried, read_carried};
pub use catalog_snapshot::{Catalogue, Written, catalogue, written};
pub use copy::{CopyError, copy_database};
pub use database::{Database, DatabaseFound, create_database, database, drop_database, open_database};
pub use dependents::{check_nothing_else_is_theirs, clear_database, drop_roles_everywhere};
pub use drift::{CAN_LOG_IN, CANNOT_LOG_IN, Drift, DriftFix, Expected, Index, drift};
pub use error::ClusterError;
pub use fingerprint::{Line, Parts, recipe, schema, schema_digest, schema_lines};
pub use fixing::{close_template, drop_role, end_session, fix, fix_tenant, revoke_database};
pub use high_water::{ServerState, begin_change, high_waters, prepare_high_water, server_state};
pub use inside::{Inside, inside};
pub use inventory::{
    FoundDatabase, FoundDependency, FoundGrant, FoundMember, FoundRole, FoundSession, Scope, ServerInventory,
    Verifier, inventory,
};
pub use isolation_probe::{Closed, Entry, MayOpen, become_other, enter, may_open};
pub use limits::{Facility, TEMP_FILE_LIMIT, allow, allows, end_hoarders, superusers};
pub use migrator::{
    MigratorLogin, OwnerFound, acting_as, close_after_migration, drop_marked_migrators, drop_migrators,
    hand_over, make_migrators, open_for_migration, owners,
};
pub use privileges::{
    REALM_GRANTS, bring_rights_along, close_maintenance_databases, grant_adopted_realm, grant_inside,
    granted_inside, leave_app_role, put_in_app_role, realm_granted, regrant_inside, run_as,
};
pub use roles::{Mark, Roles, RolesFound, create_new_roles, create_roles, drop_roles, roles};
pub use scratch::{create_scratch, create_scratch_login, drop_scratch, scratch_login};
pub use sessions::{close_logins, fence, lets_in, logins_closed, name_session, open_logins};
pub use size::{database_bytes, tables_and_rows};
pub use template::{SetOfFiles, build_template, drop_template};
pub use watching::{Held, Locks, database_ids, database_sizes, process_of, table_files};
pub use written::rows_inserted;
