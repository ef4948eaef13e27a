//! The verbs that change a tenant, and what each is allowed to leave.

use std::fs;

use crate::crash::settled::{create, delete as purge};
use crate::life::{delete, resume, suspend, undelete};
use crate::support::world::World;

/// Where in its life the one tenant is, its row and what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Never made, or gone.
    Absent,
    Active,
    Suspended,
    /// In the trash, suspended before or not.
    Trashed {
        suspended: bool,
    },
}

/// A verb that changes a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Claim,
    Update,
    Rename,
    Suspend,
    Resume,
    Delete,
    Undelete,
    Purge,
    Repair,
    ResumeOperation,
    RollBackOperation,
    Migrate,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Create,
        Self::Claim,
        Self::Update,
        Self::Rename,
        Self::Suspend,
        Self::Resume,
        Self::Delete,
        Self::Undelete,
        Self::Purge,
        Self::Repair,
        Self::ResumeOperation,
        Self::RollBackOperation,
        Self::Migrate,
    ];

    /// Brings the world to where the verb has something to do; the life of the tenant then. What a
    /// verb needs is no hindrance to any other.
    pub fn prepare(self, world: &World, round: usize) -> Life {
        match self {
            Self::Create => {}
            Self::Claim => {
                world.ok(&["pool", "set", "--size", "1"]);
                world.ok(&["pool", "fill"]);
            }
            _ => {
                world.ok(&create("acme"));
            }
        }
        match self {
            Self::Create | Self::Claim => Life::Absent,
            Self::Resume => {
                world.ok(&suspend("acme"));
                Life::Suspended
            }
            Self::Undelete => {
                world.ok(&delete("acme"));
                Life::Trashed { suspended: false }
            }
            Self::ResumeOperation | Self::RollBackOperation => {
                world.killed_at("suspend.intent.after", &suspend("acme"));
                Life::Suspended
            }
            Self::Migrate => {
                migration(world, round);
                Life::Active
            }
            _ => Life::Active,
        }
    }

    /// The command. `operation` is the one that was left open, or none that there is.
    pub fn command(self, operation: &str) -> Vec<&str> {
        match self {
            Self::Create | Self::Claim => create("acme"),
            Self::Update => vec!["tenant", "update", "acme", "--label", "tier=gold"],
            Self::Rename => vec!["tenant", "rename", "acme", "acme-new"],
            Self::Suspend => suspend("acme"),
            Self::Resume => resume("acme"),
            Self::Delete => delete("acme"),
            Self::Undelete => undelete("acme"),
            Self::Purge => purge("acme"),
            Self::Repair => vec!["tenant", "repair", "acme"],
            Self::ResumeOperation => vec!["operation", "resume", operation],
            Self::RollBackOperation => vec!["operation", "rollback", operation],
            Self::Migrate => vec!["migrate", "tenants", "--all"],
        }
    }

    /// The life that the verb leads to where it ends with 0; `None` where it may not end so.
    pub fn after(self, life: Life) -> Option<Life> {
        use Life::{Absent, Active, Suspended, Trashed};
        match (self, life) {
            (Self::Migrate | Self::Repair, Absent) => (self == Self::Migrate).then_some(Absent),
            (Self::Create | Self::Claim, Absent | Active)
            | (Self::Resume, Active | Suspended)
            | (Self::RollBackOperation, Suspended)
            | (Self::Undelete, Active | Trashed { suspended: false }) => Some(Active),
            (Self::Suspend, Active | Suspended)
            | (Self::ResumeOperation, Suspended)
            | (Self::Undelete, Suspended | Trashed { suspended: true }) => Some(Suspended),
            (Self::Delete, Active) => Some(Trashed { suspended: false }),
            (Self::Delete, Suspended) => Some(Trashed { suspended: true }),
            (Self::Purge, Active | Suspended | Trashed { .. }) => Some(Absent),
            (Self::Delete, Trashed { .. })
            | (
                Self::Update | Self::Rename | Self::Repair | Self::Migrate,
                Active | Suspended | Trashed { .. },
            ) => Some(life),
            _ => None,
        }
    }
}

/// One more file for every tenant.
fn migration(world: &World, round: usize) {
    let folder = world.machine().path("files");
    let known = folder.is_dir();
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}_note.sql", round + 1));
    fs::write(file, format!("create table note_{} (id bigint primary key);\n", round + 1)).unwrap();
    if !known {
        world.ok(&["migrate", "set", "add", "notes", "--source", folder.to_str().unwrap()]);
    }
}

/// The lives that both verbs may leave, whichever came first; what did not end with 0 did nothing.
pub fn outcomes(before: Life, verbs: [(Verb, bool); 2]) -> Vec<Life> {
    let run = |order: [(Verb, bool); 2]| {
        order
            .into_iter()
            .filter(|(_, acknowledged)| *acknowledged)
            .try_fold(before, |life, (verb, _)| verb.after(life))
    };
    [verbs, [verbs[1], verbs[0]]].into_iter().filter_map(run).collect()
}

/// The life of the tenant, by its row.
pub fn life(world: &World) -> Life {
    let rows = world.control_sql(
        "select state || coalesce(' ' || trashed_from, '') from control.tenants where state not in ('deleted', 'pooled')",
    );
    match rows.first().map(|row| row.split(' ').collect::<Vec<_>>()).as_deref() {
        None => Life::Absent,
        Some(["active", ..]) => Life::Active,
        Some(["suspended", ..]) => Life::Suspended,
        Some(["trashed", from]) => Life::Trashed { suspended: *from == "suspended" },
        Some(other) => panic!("a tenant is {other:?}"),
    }
}
