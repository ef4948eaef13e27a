//! The platform's permissions, and its built-in roles. Migrations 20261129080100 and later of the
//! control database register the same.

use super::error::AccessError;
use super::permission::Permission;
use crate::kernel::Caller;

/// A built-in role of the platform's realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformRole {
    pub name: &'static str,
    pub description: &'static str,
}

/// The built-in roles of the platform's realm, beside Admin, which may do everything.
pub const ROLES: [PlatformRole; 4] = [
    PlatformRole { name: PROVISIONER, description: "makes tenants, changes, closes and deletes them" },
    PlatformRole {
        name: SUPPORT,
        description: "helps tenants: sees everything of theirs but data and secrets, repairs, revokes",
    },
    PlatformRole { name: AUDITOR, description: "sees everything but secrets, and proves the audit log" },
    PlatformRole { name: DEPLOYER, description: "migrates tenants" },
];

const PROVISIONER: &str = "Provisioner";
const SUPPORT: &str = "Support";
const AUDITOR: &str = "Auditor";
const DEPLOYER: &str = "Deployer";

/// A permission of the platform.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    /// `resource:action`.
    pub name: &'static str,
    /// What it allows.
    pub description: &'static str,
    /// The built-in roles that hold it, beside Admin; `None`: no role gives it.
    pub roles: Option<&'static [&'static str]>,
}

impl Right {
    pub(super) fn permission(&self) -> Option<Permission> {
        self.roles?;
        self.name.parse().ok()
    }

    pub(super) fn refused(&self, caller: &Caller) -> AccessError {
        let held = self.roles.map(|roles| if roles.is_empty() { &["Admin"] } else { roles });
        AccessError::Forbidden {
            caller: caller.to_string(),
            permission: self.name,
            roles: held.unwrap_or_default().to_vec(),
            machine_only: held.is_none(),
        }
    }
}

macro_rules! rights {
    ($($constant:ident $name:literal $description:literal [$($role:ident)*];)*) => {
        $(
            #[doc = $description]
            pub static $constant: Right =
                Right { name: $name, description: $description, roles: Some(&[$($role),*]) };
        )*
        /// All that a role can give.
        pub static ALL: &[&Right] = &[$(&$constant),*];
    };
}

rights! {
    TENANT_READ "tenant:read" "see tenants" [PROVISIONER SUPPORT AUDITOR DEPLOYER];
    TENANT_CREATE "tenant:create" "make tenants, adopt databases, and be told the invitation of the first administrator" [PROVISIONER];
    TENANT_UPDATE "tenant:update" "change names, labels, slugs and facilities of tenants" [PROVISIONER];
    TENANT_SUSPEND "tenant:suspend" "suspend and resume tenants" [PROVISIONER SUPPORT];
    TENANT_DELETE "tenant:delete" "delete and undelete tenants" [PROVISIONER];
    TENANT_PURGE "tenant:purge" "destroy tenants for good" [];
    TENANT_REPAIR "tenant:repair" "find out what is wrong with tenants, and repair it" [PROVISIONER SUPPORT];
    OPERATION_READ "operation:read" "see operations and batches" [PROVISIONER SUPPORT AUDITOR DEPLOYER];
    OPERATION_RESUME "operation:resume" "finish operations and roll them back" [PROVISIONER SUPPORT];
    JOB_READ "job:read" "see jobs" [SUPPORT AUDITOR];
    JOB_RETRY "job:retry" "retry failed jobs" [SUPPORT];
    JOB_CANCEL "job:cancel" "cancel jobs" [SUPPORT];
    NOTIFICATION_READ "notification:read" "see which messages failed or may not have arrived" [SUPPORT AUDITOR];
    CLUSTER_READ "cluster:read" "see clusters" [PROVISIONER SUPPORT AUDITOR DEPLOYER];
    CLUSTER_CREATE "cluster:create" "register clusters" [];
    CLUSTER_UPDATE "cluster:update" "change clusters and their passwords" [];
    CLUSTER_DELETE "cluster:delete" "take clusters off the register" [];
    STORE_READ "store:read" "see object stores" [PROVISIONER SUPPORT AUDITOR DEPLOYER];
    STORE_CREATE "store:create" "register object stores" [];
    STORE_UPDATE "store:update" "change object stores and their secrets" [];
    STORE_DELETE "store:delete" "take object stores off the register" [];
    POOL_READ "pool:read" "see pools" [PROVISIONER SUPPORT AUDITOR];
    POOL_UPDATE "pool:update" "size and fill pools" [PROVISIONER];
    MIGRATION_READ "migration:read" "see sets of migrations, what is pending, and what a run would do" [SUPPORT AUDITOR DEPLOYER];
    MIGRATION_CREATE "migration:create" "register sets of migrations, and begin new files" [DEPLOYER];
    MIGRATION_UPDATE "migration:update" "change sets of migrations" [DEPLOYER];
    MIGRATION_DELETE "migration:delete" "take sets of migrations off the register" [DEPLOYER];
    MIGRATION_VERIFY "migration:verify" "compare schemas of tenants with what was migrated" [AUDITOR DEPLOYER];
    MIGRATION_REHEARSE "migration:rehearse" "rehearse migrations on copies of tenants" [DEPLOYER];
    RUN_READ "run:read" "see runs" [SUPPORT AUDITOR DEPLOYER];
    RUN_CREATE "run:create" "migrate tenants" [DEPLOYER];
    RUN_RESUME "run:resume" "finish runs" [DEPLOYER];
    RUN_CANCEL "run:cancel" "stop runs" [DEPLOYER];
    RUN_ROLLBACK "run:rollback" "roll runs back" [DEPLOYER];
    EXEC_CREATE "exec:create" "run SQL in the databases of tenants" [];
    KEY_READ "key:read" "see signing keys, without what signs" [AUDITOR];
    KEY_UPDATE "key:update" "rotate and retire signing keys" [];
    KEY_EXPORT "key:export" "take out a key that signs tokens for development" [];
    SECRET_READ "secret:read" "see which secrets are sealed, and with what" [AUDITOR];
    SECRET_REVEAL "secret:reveal" "be told the passwords and keys of tenants" [];
    TOKEN_READ "token:read" "see which tokens were issued" [SUPPORT AUDITOR];
    TOKEN_CREATE "token:create" "issue tokens in the name of users" [];
    TOKEN_REVOKE "token:revoke" "revoke tokens" [SUPPORT];
    TOKEN_INTROSPECT "token:introspect" "be told what access tokens say, and whether they are good" [];
    API_KEY_READ "api-key:read" "see API keys" [SUPPORT AUDITOR];
    API_KEY_CREATE "api-key:create" "make API keys for users" [];
    API_KEY_REVOKE "api-key:revoke" "revoke API keys" [SUPPORT];
    AUDIT_READ "audit:read" "see and export the audit log" [AUDITOR];
    AUDIT_VERIFY "audit:verify" "check the audit log, and anchor it" [AUDITOR];
    DOCTOR_READ "doctor:read" "examine the installation and what it has made" [PROVISIONER SUPPORT AUDITOR DEPLOYER];
    DOCTOR_UPDATE "doctor:update" "fix what an examination found" [];
    DOCTOR_PROVE "doctor:prove" "prove that tenants are kept apart, and sign it" [AUDITOR];
}

/// Permissions of every realm that the platform's built-in roles hold, too: what `iam` asks for.
pub static IDENTITY: [(&str, &[&str]); 12] = [
    ("user:read", &[SUPPORT, AUDITOR]),
    ("role:read", &[SUPPORT, AUDITOR]),
    ("group:read", &[SUPPORT, AUDITOR]),
    ("permission:read", &[SUPPORT, AUDITOR]),
    ("session:read", &[SUPPORT, AUDITOR]),
    ("operator:read", &[SUPPORT, AUDITOR]),
    ("settings:read", &[AUDITOR]),
    ("event:read", &[SUPPORT, AUDITOR]),
    ("service:read", &[SUPPORT, AUDITOR]),
    ("service:create", &[]),
    ("service:delete", &[]),
    ("service:call", &[]),
];

/// Set the platform up, or upgrade it.
pub static INIT: Right =
    Right { name: "settings:update", description: "set the platform up, or upgrade it", roles: None };

/// Turn the events of a realm's outbox into jobs.
pub static RELAY: Right =
    Right { name: "event:relay", description: "turn the events of outboxes into jobs", roles: None };

/// Hand events to the code that subscribed to them.
pub static HANDLE_EVENTS: Right =
    Right { name: "event:handle", description: "hand events to those who subscribed to them", roles: None };

/// Claim jobs, and say what came of them.
pub static RUN_JOBS: Right = Right { name: "job:run", description: "run jobs", roles: None };

/// Write messages to users, and send them.
pub static DELIVER: Right =
    Right { name: "message:deliver", description: "write messages to users, and send them", roles: None };

/// Send events to webhooks.
pub static DELIVER_WEBHOOKS: Right =
    Right { name: "webhook:deliver", description: "send events to webhooks", roles: None };

/// Say of services whether they answer.
pub static CALL_SERVICES: Right =
    Right { name: "service:watch", description: "say of services whether they answer", roles: None };

/// Send a test of mail.
pub static NOTIFY_TEST: Right =
    Right { name: "notification:test", description: "send a message that tests mail", roles: None };

#[cfg(test)]
mod tests {
    use super::*;

    /// The migrations that register permissions of the platform.
    const SEEDS: [&str; 6] = [
        include_str!("../../../migrations/20261129080100_platform_rights.sql"),
        include_str!("../../../migrations/20261130130101_token_introspect.sql"),
        include_str!("../../../migrations/20261201031100_jobs.sql"),
        include_str!("../../../migrations/20261201095300_notifications.sql"),
        include_str!("../../../migrations/20261201095110_events.sql"),
        include_str!("../../../migrations/20261201095600_services.sql"),
    ];

    /// The rows that statements of the migrations insert, without what stands around their texts.
    fn seeded(table: &str) -> Vec<Vec<&'static str>> {
        let table = format!("control.{table}");
        let with_rows = SEEDS.iter().filter(|text| text.contains(&format!("insert into {table} (")));
        with_rows.flat_map(|text| inserted(text, &table)).collect()
    }

    fn inserted(text: &'static str, table: &str) -> Vec<Vec<&'static str>> {
        let (_, rest) = text.split_once(&format!("insert into {table} ")).unwrap();
        let (rows, _) = rest.split_once("values\n").unwrap().1.split_once(';').unwrap();
        rows.lines().map(|line| line.split('\'').skip(1).step_by(2).collect()).collect()
    }

    #[test]
    fn the_migration_registers_the_same_permissions_and_roles() {
        let roles: Vec<_> = ROLES.iter().map(|role| vec![role.name, role.description]).collect();
        assert_eq!(seeded("platform_roles"), roles);
        let list = |roles: &[&str]| format!("{{{}}}", roles.join(","));
        let held = ALL.iter().map(|it| (it.name, list(it.roles.unwrap_or_default())));
        let mut held: Vec<_> =
            held.chain(IDENTITY.iter().map(|(name, roles)| (*name, list(roles)))).collect();
        held.sort_unstable();
        let rows = seeded("platform_permissions");
        let mut registered: Vec<_> = rows.iter().map(|row| (row[0], row[2].to_owned())).collect();
        registered.sort_unstable();
        assert_eq!(registered, held);
        for right in ALL {
            assert!(rows.iter().any(|row| row[..2] == [right.name, right.description]), "{}", right.name);
        }
    }

    #[test]
    fn tenants_know_the_permissions_on_tokens_by_the_same_words() {
        let texts = [
            include_str!("../../../tenant_migrations/20261130010100_token_permissions.sql"),
            include_str!("../../../tenant_migrations/20261130130201_token_introspect.sql"),
        ];
        let rows = texts.iter().flat_map(|text| inserted(text, "nexus.permissions"));
        let rows: Vec<_> = rows.filter(|row| row.len() == 2).map(|row| (row[0], row[1])).collect();
        let of_realms =
            [&TOKEN_READ, &TOKEN_CREATE, &API_KEY_READ, &API_KEY_CREATE, &API_KEY_REVOKE, &TOKEN_INTROSPECT];
        assert_eq!(rows, of_realms.map(|right| (right.name, right.description)));
        assert!(rows.iter().all(|(name, _)| name.parse::<Permission>().unwrap().is_administrative()));
    }

    #[test]
    fn every_permission_is_one_and_stands_once() {
        let mut names: Vec<_> = ALL.iter().map(|it| it.name).chain(IDENTITY.iter().map(|it| it.0)).collect();
        assert!(ALL.iter().all(|it| it.permission().is_some()));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
