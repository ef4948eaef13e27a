//! The list of all codes.

use super::super::model::Place;
use super::super::model::Severity::{self, Error, Notice};
use super::{Cure, Entry};
use crate::kernel::Hint;
use crate::kernel::hint::{
    AuditAction, FsckAction, MigrateAction, PlaceAction, PlaceKind, TenantAction, TokenAction,
};

const fn entry(code: &'static str, severity: Severity, cure: Cure, meaning: &'static str) -> Entry {
    Entry { code, severity, meaning, cure }
}

const RESTORE: Cure = Cure::Hand(|subject| {
    Hint::new("bring the data back from a backup, or give the tenant up", TenantAction::Purge(subject.slug()))
});
const LOOK: Cure = Cure::Hand(|_| "find out who made it, then move it out of the way".into());
const ROTATE: Cure = Cure::Hand(|_| "restore the control database's tables of secrets from a backup".into());
const REVIEW: Cure = Cure::Hand(|_| "look at it before an operator works in this database".into());
const ACCEPT: FsckAction = FsckAction::AcceptRecord;

/// All codes.
pub const CODES: &[Entry] = &[
    entry(
        "record_older",
        Error,
        Cure::Hand(|_| {
            Hint::new("restore a newer backup of the control database, or go on with this one", ACCEPT)
        }),
        "the control database is older than the world: it was restored from a backup. Until that is settled \
         nothing is repaired, dropped or opened",
    ),
    entry(
        "cluster_swapped",
        Error,
        Cure::Steps(|subject| {
            let show = PlaceAction::Show(PlaceKind::Cluster, subject.cluster());
            vec![
                Hint::new("look at its address, and correct it", show),
                Hint::new("where it was upgraded or replaced on purpose", ACCEPT),
            ]
        }),
        "another server answers at the address of a registered one. Until that is settled nothing is changed on it",
    ),
    entry(
        "newer_than_record",
        Notice,
        Cure::Hand(|_| Hint::new("nothing, or take note of it", ACCEPT)),
        "it bears our mark, and the control database is too old to know it",
    ),
    entry(
        "unmanaged",
        Notice,
        Cure::Hand(|_| {
            Hint::new("drop it by hand, or adopt its database as a tenant", TenantAction::Adopt(None))
        }),
        "it was there when an older control database was accepted, which did not know it; Nexus leaves it alone",
    ),
    entry(
        "record_row_changed",
        Error,
        Cure::Hand(|_| {
            Hint::new(
                "put the row back, e.g. from a backup; the audit log has what Nexus wrote. If it is right as it is",
                ACCEPT,
            )
        }),
        "a row of the control database that decides who gets whose credentials is not as Nexus wrote it",
    ),
    entry(
        "record_row_unsealed",
        Error,
        Cure::Hand(|_| "as record_row_changed".into()),
        "such a row has no checksum: Nexus did not write it, or its checksum was taken away",
    ),
    entry(
        "signing_keys_changed",
        Error,
        Cure::Steps(|_| {
            let rotate = TokenAction::RotateSigningKey { algorithm: None, at_once: false };
            vec![rotate.into(), Hint::new("then, of what is not yours", TokenAction::RetireSigningKey(None))]
        }),
        "signing keys were deleted, swapped or changed in the control database",
    ),
    entry(
        "revocations_changed",
        Error,
        Cure::Steps(|_| {
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
        Cure::Hand(|_| PlaceAction::CheckAll(PlaceKind::Cluster).into()),
        "a PostgreSQL server could not be asked, so nothing is known of what is on it",
    ),
    entry(
        "store_unreachable",
        Error,
        Cure::Hand(|_| PlaceAction::CheckAll(PlaceKind::Store).into()),
        "an object store could not be asked, so nothing is known of what is in it",
    ),
    entry(
        "inside_unreachable",
        Error,
        Cure::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Cluster))),
        "the inside of a tenant's database could not be asked, so nothing is known of it",
    ),
    entry(
        "bucket_unreachable",
        Error,
        Cure::Hand(|_| Hint::new("repeat it; then", PlaceAction::CheckAll(PlaceKind::Store))),
        "a tenant's bucket could not be asked for, so nothing is known of it",
    ),
    entry(
        "place_credentials",
        Error,
        Cure::Steps(|subject| {
            let give = |kind, name| Hint::new("give them again", PlaceAction::SetCredentials(kind, name));
            let cluster = give(PlaceKind::Cluster, subject.cluster());
            let store = give(PlaceKind::Store, subject.store());
            match subject.place {
                Some(Place::Cluster(_)) => vec![cluster],
                Some(Place::Store(_)) => vec![store],
                _ => vec![cluster, store],
            }
        }),
        "the sealed credentials of a server or store do not open: they were changed in the control database",
    ),
    entry(
        "operation_pending",
        Notice,
        Cure::Hand(|subject| Hint::new("wait for it, or finish it", TenantAction::Repair(subject.slug()))),
        "the tenant is being changed, so it was not looked at",
    ),
    entry(
        "operation_unfinished",
        Error,
        Cure::Repair,
        "a change of the tenant was cut short more than five minutes ago",
    ),
    entry(
        "state_without_operation",
        Error,
        Cure::Hand(|subject| TenantAction::Purge(subject.slug()).into()),
        "the row says that the tenant is being changed, and no operation does",
    ),
    entry("database_missing", Error, RESTORE, "the tenant's database is gone, and its data with it"),
    entry(
        "database_foreign",
        Error,
        LOOK,
        "a database of the tenant's name is there that this installation did not make",
    ),
    entry(
        "database_half_dropped",
        Error,
        RESTORE,
        "a drop of the database was cut short; it can never be opened again",
    ),
    entry(
        "database_unmarked",
        Error,
        Cure::Repair,
        "the database lost the comment that marks it as the tenant's",
    ),
    entry(
        "mark_old",
        Error,
        Cure::Repair,
        "a comment of an earlier version of Nexus tells every tenant on the server this tenant's id and age",
    ),
    entry("database_owner", Error, Cure::Repair, "another role owns the database and may do anything to it"),
    entry(
        "database_is_template",
        Error,
        Cure::Repair,
        "any role that may make databases can copy the tenant's data",
    ),
    entry(
        "database_connection_limit",
        Error,
        Cure::Repair,
        "the database takes fewer sessions than it should, or none",
    ),
    entry("database_closed", Error, Cure::Repair, "the tenant cannot connect to its database"),
    entry(
        "database_open",
        Error,
        Cure::Repair,
        "the database takes sessions although the tenant is suspended or deleted",
    ),
    entry("database_public", Error, Cure::Repair, "every login of the server may use the tenant's database"),
    entry(
        "database_foreign_grant",
        Error,
        Cure::Repair,
        "a role that is not the tenant's may use its database",
    ),
    entry(
        "database_app_excess",
        Error,
        Cure::Repair,
        "the tenant's login may do more with its database than connect",
    ),
    entry("database_app_shut_out", Error, Cure::Repair, "the tenant's login may not connect to its database"),
    entry(
        "database_setting",
        Notice,
        Cure::Hand(|_| "look at it: psql -c '\\drds'".into()),
        "the database has settings of its own, which apply to every session in it",
    ),
    entry("role_missing", Error, Cure::Repair, "a role of the tenant is gone"),
    entry(
        "role_foreign",
        Error,
        LOOK,
        "a role of the tenant's name is there that this installation did not make",
    ),
    entry(
        "role_powers",
        Error,
        Cure::Repair,
        "a role of the tenant has an attribute that reaches beyond its database",
    ),
    entry("role_login", Error, Cure::Repair, "a role can log in and should not, or cannot and should"),
    entry(
        "role_inherit",
        Error,
        Cure::Repair,
        "a role inherits rights and should not, or does not and should",
    ),
    entry(
        "role_connection_limit",
        Error,
        Cure::Repair,
        "the tenant's login may have more sessions than it should, or fewer",
    ),
    entry(
        "role_temp_file_limit",
        Error,
        Cure::Repair,
        "nothing bounds the temporary files of the tenant's login",
    ),
    entry("role_password", Error, Cure::Repair, "the login's password is not the sealed one"),
    entry("role_expires", Error, Cure::Repair, "the login stops working some day"),
    entry(
        "role_search_path",
        Error,
        Cure::Repair,
        "names are looked up in other schemas than they should be",
    ),
    entry("role_setting", Error, Cure::Repair, "a role has settings that it should not have"),
    entry("role_member", Error, Cure::Repair, "a role of the tenant has another role's rights"),
    entry(
        "role_app_missing",
        Error,
        Cure::Repair,
        "the tenant's login is not in the role that apps' rights are granted to",
    ),
    entry("role_granted", Error, Cure::Repair, "another role has the rights of a role of the tenant"),
    entry(
        "maintenance_public",
        Error,
        Cure::Fix("revoke PUBLIC's rights"),
        "every login of the server may use a database that belongs to no tenant",
    ),
    entry(
        "maintenance_grant",
        Error,
        Cure::Fix("revoke the role's rights"),
        "a tenant's role may use a database that belongs to no tenant",
    ),
    entry(
        "other_database_public",
        Notice,
        Cure::Hand(|_| "revoke connect on database … from public".into()),
        "tenants' logins may use a database of another application on the same server",
    ),
    entry(
        "app_role_stranger",
        Notice,
        Cure::Hand(|_| "revoke nexus_app from …".into()),
        "a role that is no tenant's login is in the role that apps' rights are granted to",
    ),
    entry(
        "app_role_powerful",
        Error,
        Cure::Fix("take its powers away"),
        "the role that apps' rights are granted to may do more than that, and so may every tenant's login",
    ),
    entry(
        "role_elsewhere",
        Notice,
        Cure::Hand(|_| "revoke its rights in that database; a purge of the tenant does it, too".into()),
        "a role of a tenant has rights in a database that is no tenant's",
    ),
    entry(
        "role_owns_elsewhere",
        Error,
        Cure::Hand(|_| {
            "in that database, as a superuser: reassign owned by … to another role; until then the tenant cannot be purged".into()
        }),
        "a role of a tenant owns something in a database that is no tenant's",
    ),
    entry(
        "template_owner",
        Error,
        Cure::Fix("build the template again"),
        "another role than the template's owner owns something in the template, or has rights there: every \
         new tenant would have it so. What a superuser made there is found by a comparison of schemas",
    ),
    entry(
        "template_missing",
        Error,
        Cure::Fix("build the template again"),
        "the template is gone, so that no tenant can be made",
    ),
    entry(
        "template_foreign",
        Error,
        LOOK,
        "a database of the template's name is there that this installation did not make",
    ),
    entry(
        "template_open",
        Error,
        Cure::Fix("close the template"),
        "the template takes sessions or can be used by somebody, and a session in it stops the making of tenants",
    ),
    entry("schema_missing", Error, RESTORE, "the realm's tables are gone from the tenant's database"),
    entry(
        "schema_history",
        Error,
        Cure::Hand(|_| MigrateAction::VerifyAll.into()),
        "the database's own history of migrations is not that of this program",
    ),
    entry(
        "schema_version",
        Error,
        Cure::Fix("write into the row what the database says"),
        "the row names another schema version than the database itself",
    ),
    entry(
        "inside_unreadable",
        Error,
        Cure::Hand(|subject| TenantAction::Session(subject.slug()).into()),
        "the inside of the database could not be looked at",
    ),
    entry("inside_owner", Error, Cure::Repair, "another role than the owner role owns a part of the realm"),
    entry("inside_public", Error, Cure::Repair, "PUBLIC has a right inside the tenant's database"),
    entry(
        "inside_unbounded",
        Error,
        Cure::Repair,
        "the tenant's login may take all of what the server has for everybody",
    ),
    entry(
        "inside_foreign_grant",
        Error,
        Cure::Repair,
        "a role that is not the tenant's has a right inside its database",
    ),
    entry(
        "inside_app_excess",
        Error,
        Cure::Repair,
        "the tenant's login may change what says who may do what",
    ),
    entry("inside_rights_missing", Error, Cure::Repair, "the tenant's login lacks rights that it needs"),
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
    entry("bucket_missing", Error, RESTORE, "the tenant's bucket is gone, and its objects with it"),
    entry(
        "bucket_renamed",
        Error,
        Cure::Hand(|_| "give it its name back with the store's own tools; the tenant's row has it".into()),
        "a bucket with the mark of a tenant whose bucket is missing is there under another name: it may be that one",
    ),
    entry("bucket_foreign", Error, LOOK, "a bucket of the tenant's name is there that is not the tenant's"),
    entry(
        "bucket_foreign_key",
        Error,
        Cure::Hand(|_| "find out who gave it the right, then take it away with the store's own tools".into()),
        "a key that Nexus did not make can touch the tenant's bucket",
    ),
    entry("key_missing", Error, Cure::Repair, "the tenant's key is gone: its app cannot reach its bucket"),
    entry(
        "key_extra",
        Error,
        Cure::Fix("delete the key"),
        "there is a further key to the tenant's bucket, which nobody should hold",
    ),
    entry(
        "key_scope",
        Error,
        Cure::Fix("replace the key"),
        "the tenant's key reaches other buckets than the tenant's, or not its own",
    ),
    entry("key_disabled", Error, Cure::Fix("turn the key on"), "the tenant's key is turned off"),
    entry(
        "key_enabled",
        Error,
        Cure::Fix("turn the key off"),
        "the tenant's key works although the tenant is closed",
    ),
    entry(
        "store_shared_key",
        Notice,
        Cure::Hand(|_| "place tenants in a store whose keys can be confined".into()),
        "all tenants of a store hold the same key: nothing keeps them apart there",
    ),
    entry("sealed_missing", Error, ROTATE, "the tenant has no sealed credentials"),
    entry(
        "sealed_damaged",
        Error,
        ROTATE,
        "a sealed credential was changed, moved, put back or taken away, or is another master key's",
    ),
    entry(
        "sealed_orphan",
        Error,
        Cure::Fix("erase them"),
        "sealed credentials are left of a tenant that is gone",
    ),
    entry(
        "orphan_database",
        Error,
        Cure::Drop("drop it with everything in it"),
        "a database bears this installation's mark, and no tenant has it",
    ),
    entry(
        "orphan_role",
        Error,
        Cure::Fix("drop it, once it owns nothing"),
        "a role bears this installation's mark, and no tenant has it",
    ),
    entry(
        "orphan_template",
        Error,
        Cure::Drop("drop it"),
        "a template bears this installation's mark, and no row knows it",
    ),
    entry(
        "orphan_bucket",
        Error,
        Cure::Drop("delete it with everything in it"),
        "a bucket bears this installation's mark, and no tenant has it",
    ),
    entry(
        "orphan_key",
        Error,
        Cure::Fix("delete it"),
        "a key bears this installation's mark, and no tenant has it",
    ),
    entry(
        "session_leftover",
        Error,
        Cure::Fix("end it"),
        "a session of an operation that is over, or of a dead process, is still on the server",
    ),
];
