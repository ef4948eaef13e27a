//! The list of all codes.

use super::super::model::Severity::{self, Error, Notice};
use super::fixes::{ACCEPT, CREDENTIALS, LOOK, RESTORE, REVIEW, ROTATE};
use super::{Entry, FixKind};
use crate::kernel::Hint;
use crate::kernel::hint::{AuditAction, MigrateAction, PlaceAction, PlaceKind, TenantAction, TokenAction};

const fn entry(code: &'static str, severity: Severity, cure: FixKind, meaning: &'static str) -> Entry {
    Entry { code, severity, meaning, cure }
}

/// All codes.
pub const CODES: &[Entry] = &[
    entry(
        "record_older",
        Error,
        FixKind::Hand(|_| {
            Hint::new("restore a newer backup of the control database, or go on with this one", ACCEPT)
        }),
        "the control database is older than the servers and stores: it was restored from a backup. Until \
         that is settled nothing is repaired, dropped or opened",
    ),
    entry(
        "cluster_swapped",
        Error,
        FixKind::Steps(|subject| {
            let show = PlaceAction::Show(PlaceKind::Cluster, subject.cluster());
            vec![
                Hint::new("check its address, and correct it", show),
                Hint::new("where it was upgraded or replaced on purpose", ACCEPT),
            ]
        }),
        "another server answers at the address of a registered one. Until that is settled nothing is changed on it",
    ),
    entry(
        "newer_than_record",
        Notice,
        FixKind::Hand(|_| Hint::new("nothing, or record it", ACCEPT)),
        "it has this installation's mark, and the control database is too old to know it",
    ),
    entry(
        "unmanaged",
        Notice,
        FixKind::Hand(|_| {
            Hint::new("drop it by hand, or adopt its database as a tenant", TenantAction::Adopt(None))
        }),
        "it existed when an older control database was accepted, which did not know it; Nexus leaves it alone",
    ),
    entry(
        "record_row_changed",
        Error,
        FixKind::Hand(|_| {
            Hint::new(
                "restore the row, e.g. from a backup; the audit log has what Nexus wrote. If it is right as it is",
                ACCEPT,
            )
        }),
        "a row of the control database that decides who gets whose credentials is not as Nexus wrote it",
    ),
    entry(
        "record_row_unsealed",
        Error,
        FixKind::Hand(|_| "as record_row_changed".into()),
        "such a row has no checksum: Nexus did not write it, or its checksum was removed",
    ),
    entry(
        "signing_keys_changed",
        Error,
        FixKind::Steps(|_| {
            let rotate = TokenAction::RotateSigningKey { algorithm: None, at_once: false };
            vec![rotate.into(), Hint::new("then, of what is not yours", TokenAction::RetireSigningKey(None))]
        }),
        "signing keys were deleted, swapped or changed in the control database",
    ),
    entry(
        "revocations_changed",
        Error,
        FixKind::Steps(|_| {
            vec![
                Hint::new("revoke again what was revoked, which is listed", AuditAction::OfTokens),
                Hint::new("then", ACCEPT),
            ]
        }),
        "revocations of tokens were deleted or changed in the control database",
    ),
    entry(
        "platform_secrets_damaged",
        Error,
        ROTATE,
        "the platform's own sealed values were deleted, swapped or changed",
    ),
    entry(
        "cluster_unreachable",
        Error,
        FixKind::Hand(|_| PlaceAction::CheckAll(PlaceKind::Cluster).into()),
        "a PostgreSQL server could not be checked: it did not answer",
    ),
    entry(
        "store_unreachable",
        Error,
        FixKind::Hand(|_| PlaceAction::CheckAll(PlaceKind::Store).into()),
        "an object store could not be checked: it did not answer",
    ),
    entry(
        "inside_unreachable",
        Error,
        FixKind::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Cluster))),
        "the inside of a tenant's database could not be checked: it did not answer",
    ),
    entry(
        "bucket_unreachable",
        Error,
        FixKind::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Store))),
        "a tenant's bucket could not be checked: its store did not answer",
    ),
    entry(
        "place_credentials",
        Error,
        CREDENTIALS,
        "the sealed credentials of a server or store cannot be opened: they were changed in the control database",
    ),
    entry(
        "operation_pending",
        Notice,
        FixKind::Hand(|subject| Hint::new("wait for it, or finish it", TenantAction::Repair(subject.slug()))),
        "the tenant is being changed, so it was not checked",
    ),
    entry(
        "operation_unfinished",
        Error,
        FixKind::Repair,
        "a change of the tenant was interrupted more than five minutes ago",
    ),
    entry(
        "state_without_operation",
        Error,
        FixKind::Hand(|subject| TenantAction::Purge(subject.slug()).into()),
        "the row says that the tenant is being changed, but there is no such operation",
    ),
    entry("database_missing", Error, RESTORE, "the tenant's database is missing, and its data with it"),
    entry(
        "database_foreign",
        Error,
        LOOK,
        "a database with the tenant's name exists that this installation did not create",
    ),
    entry(
        "database_half_dropped",
        Error,
        RESTORE,
        "a drop of the database was interrupted; it can never be opened again",
    ),
    entry(
        "database_unmarked",
        Error,
        FixKind::Repair,
        "the database lost the comment that marks it as the tenant's",
    ),
    entry(
        "mark_old",
        Error,
        FixKind::Repair,
        "a comment of an earlier version of Nexus shows every tenant on the server this tenant's id and age",
    ),
    entry(
        "database_owner",
        Error,
        FixKind::Repair,
        "another role owns the database and may do anything to it",
    ),
    entry(
        "database_is_template",
        Error,
        FixKind::Repair,
        "any role that may create databases can copy the tenant's data",
    ),
    entry(
        "database_connection_limit",
        Error,
        FixKind::Repair,
        "the database takes fewer sessions than it should, or none",
    ),
    entry("database_closed", Error, FixKind::Repair, "the tenant cannot connect to its database"),
    entry(
        "database_open",
        Error,
        FixKind::Repair,
        "the database takes sessions although the tenant is suspended or deleted",
    ),
    entry(
        "database_public",
        Error,
        FixKind::Repair,
        "every login of the server may use the tenant's database",
    ),
    entry(
        "database_foreign_grant",
        Error,
        FixKind::Repair,
        "a role that is not the tenant's may use its database",
    ),
    entry(
        "database_app_excess",
        Error,
        FixKind::Repair,
        "the tenant's login may do more with its database than connect",
    ),
    entry(
        "database_app_shut_out",
        Error,
        FixKind::Repair,
        "the tenant's login may not connect to its database",
    ),
    entry(
        "database_setting",
        Notice,
        FixKind::Hand(|_| "inspect it: psql -c '\\drds'".into()),
        "the database has settings of its own, which apply to every session in it",
    ),
    entry("role_missing", Error, FixKind::Repair, "a role of the tenant is missing"),
    entry(
        "role_foreign",
        Error,
        LOOK,
        "a role with the tenant's name exists that this installation did not create",
    ),
    entry(
        "role_powers",
        Error,
        FixKind::Repair,
        "a role of the tenant has an attribute that reaches beyond its database",
    ),
    entry("role_login", Error, FixKind::Repair, "a role can log in and should not, or cannot and should"),
    entry(
        "role_inherit",
        Error,
        FixKind::Repair,
        "a role inherits rights and should not, or does not and should",
    ),
    entry(
        "role_connection_limit",
        Error,
        FixKind::Repair,
        "the tenant's login may have more sessions than it should, or fewer",
    ),
    entry(
        "role_temp_file_limit",
        Error,
        FixKind::Repair,
        "nothing bounds the temporary files of the tenant's login",
    ),
    entry("role_password", Error, FixKind::Repair, "the login's password is not the sealed one"),
    entry("role_expires", Error, FixKind::Repair, "the login's password expires"),
    entry(
        "role_search_path",
        Error,
        FixKind::Repair,
        "names are looked up in other schemas than they should be",
    ),
    entry("role_setting", Error, FixKind::Repair, "a role has settings that it should not have"),
    entry("role_member", Error, FixKind::Repair, "a role of the tenant has another role's rights"),
    entry(
        "role_app_missing",
        Error,
        FixKind::Repair,
        "the tenant's login is not a member of the role that apps' rights are granted to",
    ),
    entry("role_granted", Error, FixKind::Repair, "another role has the rights of a role of the tenant"),
    entry(
        "maintenance_public",
        Error,
        FixKind::Fix("revoke PUBLIC's rights"),
        "every login of the server may use a database that belongs to no tenant",
    ),
    entry(
        "maintenance_grant",
        Error,
        FixKind::Fix("revoke the role's rights"),
        "a tenant's role may use a database that belongs to no tenant",
    ),
    entry(
        "other_database_public",
        Notice,
        FixKind::Hand(|_| "revoke connect on database … from public".into()),
        "tenants' logins may use a database of another application on the same server",
    ),
    entry(
        "app_role_foreign_member",
        Notice,
        FixKind::Hand(|_| "revoke nexus_app from …".into()),
        "a role that is not a tenant's login is a member of the role that apps' rights are granted to",
    ),
    entry(
        "app_role_powerful",
        Error,
        FixKind::Fix("remove its powers"),
        "the role that apps' rights are granted to may do more than that, and so may every tenant's login",
    ),
    entry(
        "role_elsewhere",
        Notice,
        FixKind::Hand(|_| "revoke its rights in that database; a purge of the tenant does it, too".into()),
        "a role of a tenant has rights in a database that is not a tenant's",
    ),
    entry(
        "role_owns_elsewhere",
        Error,
        FixKind::Hand(|_| {
            "in that database, as a superuser: reassign owned by … to another role; until then the tenant cannot be purged".into()
        }),
        "a role of a tenant owns something in a database that is not a tenant's",
    ),
    entry(
        "template_owner",
        Error,
        FixKind::Fix("rebuild the template"),
        "another role than the template's owner owns something in the template, or has rights there: every \
         new tenant would have it so. What a superuser made there is found by a comparison of schemas",
    ),
    entry(
        "template_missing",
        Error,
        FixKind::Fix("rebuild the template"),
        "the template is missing, so that no tenant can be created",
    ),
    entry(
        "template_foreign",
        Error,
        LOOK,
        "a database with the template's name exists that this installation did not create",
    ),
    entry(
        "template_open",
        Error,
        FixKind::Fix("close the template"),
        "the template accepts sessions or can be used by somebody, and a session in it blocks the creation of tenants",
    ),
    entry("schema_missing", Error, RESTORE, "the realm's tables are missing from the tenant's database"),
    entry(
        "schema_history",
        Error,
        FixKind::Hand(|_| MigrateAction::VerifyAll.into()),
        "the database's own history of migrations is not that of this program",
    ),
    entry(
        "schema_version",
        Error,
        FixKind::Fix("write into the row what the database says"),
        "the row names another schema version than the database itself",
    ),
    entry(
        "inside_unreadable",
        Error,
        FixKind::Hand(|subject| TenantAction::Session(subject.slug()).into()),
        "the inside of the database could not be checked",
    ),
    entry(
        "inside_owner",
        Error,
        FixKind::Repair,
        "another role than the owner role owns a part of the realm",
    ),
    entry("inside_public", Error, FixKind::Repair, "PUBLIC has a right inside the tenant's database"),
    entry(
        "inside_unbounded",
        Error,
        FixKind::Repair,
        "the tenant's login may exhaust what all tenants of the server share",
    ),
    entry(
        "inside_foreign_grant",
        Error,
        FixKind::Repair,
        "a role that is not the tenant's has a right inside its database",
    ),
    entry(
        "inside_app_excess",
        Error,
        FixKind::Repair,
        "the tenant's login may change what says who may do what",
    ),
    entry("inside_rights_missing", Error, FixKind::Repair, "the tenant's login lacks rights that it needs"),
    entry(
        "trap_in_catalog",
        Notice,
        REVIEW,
        "something was made in pg_catalog, where every session looks names up first",
    ),
    entry(
        "trap_event_trigger",
        Notice,
        REVIEW,
        "an event trigger runs whenever anybody changes the schema, an operator too",
    ),
    entry("trap_definer", Notice, REVIEW, "a function runs with a superuser's rights, whoever calls it"),
    entry("bucket_missing", Error, RESTORE, "the tenant's bucket is missing, and its objects with it"),
    entry(
        "bucket_renamed",
        Error,
        FixKind::Hand(|_| "give it its name back with the store's own tools; the tenant's row has it".into()),
        "a bucket with another name has the mark of a tenant whose bucket is missing: it may be that one",
    ),
    entry("bucket_foreign", Error, LOOK, "a bucket with the tenant's name exists that is not the tenant's"),
    entry(
        "bucket_foreign_key",
        Error,
        FixKind::Hand(|_| "find out who granted the right, then revoke it with the store's own tools".into()),
        "a key that Nexus did not make can touch the tenant's bucket",
    ),
    entry(
        "key_missing",
        Error,
        FixKind::Repair,
        "the tenant's key is missing: its app cannot reach its bucket",
    ),
    entry(
        "key_extra",
        Error,
        FixKind::Fix("delete the key"),
        "another key to the tenant's bucket exists, which nobody should hold",
    ),
    entry(
        "key_scope",
        Error,
        FixKind::Fix("replace the key"),
        "the tenant's key reaches other buckets than the tenant's, or not its own",
    ),
    entry("key_disabled", Error, FixKind::Fix("turn the key on"), "the tenant's key is turned off"),
    entry(
        "key_enabled",
        Error,
        FixKind::Fix("turn the key off"),
        "the tenant's key works although the tenant is closed",
    ),
    entry(
        "store_shared_key",
        Notice,
        FixKind::Hand(|_| "place tenants in a store whose keys can be confined".into()),
        "all tenants of a store have the same key: they are not isolated there",
    ),
    entry("sealed_missing", Error, ROTATE, "the tenant has no sealed credentials"),
    entry(
        "sealed_damaged",
        Error,
        ROTATE,
        "a sealed credential was changed, moved, reverted or removed, or is another master key's",
    ),
    entry(
        "sealed_orphan",
        Error,
        FixKind::Fix("erase them"),
        "sealed credentials are left of a tenant that was purged",
    ),
    entry(
        "orphan_database",
        Error,
        FixKind::Drop("drop it with everything in it"),
        "a database has this installation's mark, but no tenant has it",
    ),
    entry(
        "orphan_role",
        Error,
        FixKind::Fix("drop it, once it owns nothing"),
        "a role has this installation's mark, but no tenant has it",
    ),
    entry(
        "orphan_template",
        Error,
        FixKind::Drop("drop it"),
        "a template has this installation's mark, but no row names it",
    ),
    entry(
        "orphan_bucket",
        Error,
        FixKind::Drop("delete it with everything in it"),
        "a bucket has this installation's mark, but no tenant has it",
    ),
    entry(
        "orphan_key",
        Error,
        FixKind::Fix("delete it"),
        "a key has this installation's mark, but no tenant has it",
    ),
    entry(
        "session_leftover",
        Error,
        FixKind::Fix("end it"),
        "a session of a finished operation, or of a dead process, is still on the server",
    ),
];
