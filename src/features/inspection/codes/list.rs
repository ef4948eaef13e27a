//! The list of all codes.

use super::fixes::{ACCEPT, CREDENTIALS, LOOK, RESTORE, REVIEW, ROTATE};
use super::{Entry, FixKind};
use crate::kernel::hint::{AuditAction, MigrateAction, PlaceAction, PlaceKind, TenantAction, TokenAction};
use crate::kernel::{ErrorKind, Hint, Severity};

const fn error(code: &'static str, cure: FixKind, meaning: &'static str) -> Entry {
    Entry { code, severity: Severity::Error(ErrorKind::Integrity), meaning, cure }
}

const fn repair(code: &'static str, meaning: &'static str) -> Entry {
    error(code, FixKind::Repair, meaning)
}

const fn unchecked(code: &'static str, cure: FixKind, meaning: &'static str) -> Entry {
    Entry { code, severity: Severity::Unchecked, meaning, cure }
}

const fn notice(code: &'static str, cure: FixKind, meaning: &'static str) -> Entry {
    Entry { code, severity: Severity::Notice, meaning, cure }
}

/// All codes.
pub const CODES: &[Entry] = &[
    error(
        "record_older",
        FixKind::Hand(|_| {
            Hint::new("restore a newer backup of the control database, or go on with this one", ACCEPT)
        }),
        "the control database is older than the servers and stores: it was restored from a backup. Until \
         that is settled nothing is repaired, dropped or opened",
    ),
    error(
        "cluster_swapped",
        FixKind::Steps(|subject| {
            let show = PlaceAction::Show(PlaceKind::Cluster, subject.place.cluster());
            vec![
                Hint::new("check its address, and correct it", show),
                Hint::new("where it was upgraded or replaced on purpose", ACCEPT),
            ]
        }),
        "another server answers at the address of a registered one. Until that is settled nothing is changed on it",
    ),
    notice(
        "newer_than_record",
        FixKind::Hand(|_| Hint::new("nothing, or record it", ACCEPT)),
        "it has this installation's mark, and the control database is too old to know it",
    ),
    notice(
        "unmanaged",
        FixKind::Hand(|_| {
            Hint::new("drop it by hand, or adopt its database as a tenant", TenantAction::Adopt(None))
        }),
        "it existed when an older control database was accepted, which did not know it; Nexus leaves it alone",
    ),
    error(
        "record_row_changed",
        FixKind::Hand(|_| {
            Hint::new(
                "restore the row, e.g. from a backup; the audit log has what Nexus wrote. If it is right as it is",
                ACCEPT,
            )
        }),
        "a row of the control database that decides who gets whose credentials is not as Nexus wrote it",
    ),
    error(
        "record_row_unsealed",
        FixKind::Hand(|_| "as record_row_changed".into()),
        "such a row has no checksum: Nexus did not write it, or its checksum was removed",
    ),
    error(
        "signing_keys_changed",
        FixKind::Steps(|_| {
            let rotate = TokenAction::RotateSigningKey { algorithm: None, at_once: false };
            vec![rotate.into(), Hint::new("then, of what is not yours", TokenAction::RetireSigningKey(None))]
        }),
        "signing keys were deleted, swapped or changed in the control database",
    ),
    error(
        "revocations_changed",
        FixKind::Steps(|_| {
            vec![
                Hint::new("revoke again what was revoked, which is listed", AuditAction::OfTokens),
                Hint::new("then", ACCEPT),
            ]
        }),
        "revocations of tokens were deleted or changed in the control database",
    ),
    error(
        "platform_secrets_damaged",
        ROTATE,
        "the platform's own sealed values were deleted, swapped or changed",
    ),
    unchecked(
        "cluster_unreachable",
        FixKind::Hand(|_| PlaceAction::CheckAll(PlaceKind::Cluster).into()),
        "a PostgreSQL server could not be checked: it did not answer",
    ),
    unchecked(
        "store_unreachable",
        FixKind::Hand(|_| PlaceAction::CheckAll(PlaceKind::Store).into()),
        "an object store could not be checked: it did not answer",
    ),
    unchecked(
        "inside_unreachable",
        FixKind::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Cluster))),
        "the inside of a tenant's database could not be checked: it did not answer",
    ),
    unchecked(
        "bucket_unreachable",
        FixKind::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Store))),
        "a tenant's bucket could not be checked: its store did not answer",
    ),
    error(
        "place_credentials",
        CREDENTIALS,
        "the sealed credentials of a server or store cannot be opened: they were changed in the control database",
    ),
    notice(
        "operation_pending",
        FixKind::Hand(|subject| {
            Hint::new("wait for it, or finish it", TenantAction::Repair(subject.tenant.clone()))
        }),
        "the tenant is being changed, so it was not checked",
    ),
    repair("operation_unfinished", "a change of the tenant was interrupted more than five minutes ago"),
    error(
        "state_without_operation",
        FixKind::Hand(|subject| TenantAction::Purge(subject.tenant.clone()).into()),
        "the row says that the tenant is being changed, but there is no such operation",
    ),
    error("database_missing", RESTORE, "the tenant's database is missing, and its data with it"),
    error(
        "database_foreign",
        LOOK,
        "a database with the tenant's name exists that this installation did not create",
    ),
    error(
        "database_half_dropped",
        RESTORE,
        "a drop of the database was interrupted; it can never be opened again",
    ),
    repair("database_unmarked", "the database lost the comment that marks it as the tenant's"),
    repair(
        "mark_old",
        "a comment of an earlier version of Nexus shows every tenant on the server this tenant's id and age",
    ),
    repair("database_owner", "another role owns the database and may do anything to it"),
    repair("database_is_template", "any role that may create databases can copy the tenant's data"),
    repair("database_connection_limit", "the database takes fewer sessions than it should, or none"),
    repair("database_closed", "the tenant cannot connect to its database"),
    repair("database_open", "the database takes sessions although the tenant is suspended or deleted"),
    repair("database_public", "every login of the server may use the tenant's database"),
    repair("database_foreign_grant", "a role that is not the tenant's may use its database"),
    repair("database_app_excess", "the tenant's login may do more with its database than connect"),
    repair("database_app_shut_out", "the tenant's login may not connect to its database"),
    notice(
        "database_setting",
        FixKind::Hand(|_| "inspect it: psql -c '\\drds'".into()),
        "the database has settings of its own, which apply to every session in it",
    ),
    repair("role_missing", "a role of the tenant is missing"),
    error("role_foreign", LOOK, "a role with the tenant's name exists that this installation did not create"),
    repair("role_powers", "a role of the tenant has an attribute that reaches beyond its database"),
    repair("role_login", "a role can log in and should not, or cannot and should"),
    repair("role_inherit", "a role inherits rights and should not, or does not and should"),
    repair("role_connection_limit", "the tenant's login may have more sessions than it should, or fewer"),
    repair("role_temp_file_limit", "nothing bounds the temporary files of the tenant's login"),
    repair("role_password", "the login's password is not the sealed one"),
    repair("role_expires", "the login's password expires"),
    repair("role_search_path", "names are looked up in other schemas than they should be"),
    repair("role_setting", "a role has settings that it should not have"),
    repair("role_member", "a role of the tenant has another role's rights"),
    repair(
        "role_app_missing",
        "the tenant's login is not a member of the role that apps' rights are granted to",
    ),
    repair("role_granted", "another role has the rights of a role of the tenant"),
    error(
        "maintenance_public",
        FixKind::Fix("revoke PUBLIC's rights"),
        "every login of the server may use a database that belongs to no tenant",
    ),
    error(
        "maintenance_grant",
        FixKind::Fix("revoke the role's rights"),
        "a tenant's role may use a database that belongs to no tenant",
    ),
    notice(
        "other_database_public",
        FixKind::Hand(|_| "revoke connect on database … from public".into()),
        "tenants' logins may use a database of another application on the same server",
    ),
    notice(
        "app_role_foreign_member",
        FixKind::Hand(|_| "revoke nexus_app from …".into()),
        "a role that is not a tenant's login is a member of the role that apps' rights are granted to",
    ),
    error(
        "app_role_powerful",
        FixKind::Fix("remove its powers"),
        "the role that apps' rights are granted to may do more than that, and so may every tenant's login",
    ),
    notice(
        "role_elsewhere",
        FixKind::Hand(|_| "revoke its rights in that database; a purge of the tenant does it, too".into()),
        "a role of a tenant has rights in a database that is not a tenant's",
    ),
    error(
        "role_owns_elsewhere",
        FixKind::Hand(|_| {
            "in that database, as a superuser: reassign owned by … to another role; until then the tenant cannot be purged".into()
        }),
        "a role of a tenant owns something in a database that is not a tenant's",
    ),
    error(
        "template_owner",
        FixKind::Fix("rebuild the template"),
        "another role than the template's owner owns something in the template, or has rights there: every \
         new tenant would have it so. What a superuser made there is found by a comparison of schemas",
    ),
    error(
        "template_missing",
        FixKind::Fix("rebuild the template"),
        "the template is missing, so that no tenant can be created",
    ),
    error(
        "template_foreign",
        LOOK,
        "a database with the template's name exists that this installation did not create",
    ),
    error(
        "template_open",
        FixKind::Fix("close the template"),
        "the template accepts sessions or can be used by somebody, and a session in it blocks the creation of tenants",
    ),
    error("schema_missing", RESTORE, "the realm's tables are missing from the tenant's database"),
    error(
        "schema_history",
        FixKind::Hand(|_| MigrateAction::VerifyAll.into()),
        "the database's own history of migrations is not that of this program",
    ),
    error(
        "schema_version",
        FixKind::Fix("write into the row what the database says"),
        "the row names another schema version than the database itself",
    ),
    error(
        "inside_unreadable",
        FixKind::Hand(|subject| TenantAction::Session(subject.tenant.clone()).into()),
        "the inside of the database could not be checked",
    ),
    repair("inside_owner", "another role than the owner role owns a part of the realm"),
    repair("inside_public", "PUBLIC has a right inside the tenant's database"),
    repair("inside_unbounded", "the tenant's login may exhaust what all tenants of the server share"),
    repair("inside_foreign_grant", "a role that is not the tenant's has a right inside its database"),
    repair("inside_app_excess", "the tenant's login may change what says who may do what"),
    repair("inside_rights_missing", "the tenant's login lacks rights that it needs"),
    notice(
        "trap_in_catalog",
        REVIEW,
        "something was made in pg_catalog, where every session looks names up first",
    ),
    notice(
        "trap_event_trigger",
        REVIEW,
        "an event trigger runs whenever anybody changes the schema, an operator too",
    ),
    notice("trap_definer", REVIEW, "a function runs with a superuser's rights, whoever calls it"),
    error("bucket_missing", RESTORE, "the tenant's bucket is missing, and its objects with it"),
    error(
        "bucket_renamed",
        FixKind::Hand(|_| "give it its name back with the store's own tools; the tenant's row has it".into()),
        "a bucket with another name has the mark of a tenant whose bucket is missing: it may be that one",
    ),
    error("bucket_foreign", LOOK, "a bucket with the tenant's name exists that is not the tenant's"),
    error(
        "bucket_foreign_key",
        FixKind::Hand(|_| "find out who granted the right, then revoke it with the store's own tools".into()),
        "a key that Nexus did not make can touch the tenant's bucket",
    ),
    repair("key_missing", "the tenant's key is missing: its app cannot reach its bucket"),
    error(
        "key_extra",
        FixKind::Fix("delete the key"),
        "another key to the tenant's bucket exists, which nobody should hold",
    ),
    error(
        "key_scope",
        FixKind::Fix("replace the key"),
        "the tenant's key reaches other buckets than the tenant's, or not its own",
    ),
    error("key_disabled", FixKind::Fix("turn the key on"), "the tenant's key is turned off"),
    error(
        "key_enabled",
        FixKind::Fix("turn the key off"),
        "the tenant's key works although the tenant is closed",
    ),
    notice(
        "store_shared_key",
        FixKind::Hand(|_| "place tenants in a store whose keys can be confined".into()),
        "all tenants of a store have the same key: they are not isolated there",
    ),
    error("sealed_missing", ROTATE, "the tenant has no sealed credentials"),
    error(
        "sealed_damaged",
        ROTATE,
        "a sealed credential was changed, moved, reverted or removed, or is another master key's",
    ),
    error(
        "sealed_orphan",
        FixKind::Fix("erase them"),
        "sealed credentials are left of a tenant that was purged",
    ),
    error(
        "orphan_database",
        FixKind::Drop("drop it with everything in it"),
        "a database has this installation's mark, but no tenant has it",
    ),
    error(
        "orphan_role",
        FixKind::Fix("drop it, once it owns nothing"),
        "a role has this installation's mark, but no tenant has it",
    ),
    error(
        "orphan_template",
        FixKind::Drop("drop it"),
        "a template has this installation's mark, but no row names it",
    ),
    error(
        "orphan_bucket",
        FixKind::Drop("delete it with everything in it"),
        "a bucket has this installation's mark, but no tenant has it",
    ),
    error(
        "orphan_key",
        FixKind::Fix("delete it"),
        "a key has this installation's mark, but no tenant has it",
    ),
    error(
        "session_leftover",
        FixKind::Fix("end it"),
        "a session of a finished operation, or of a dead process, is still on the server",
    ),
];
