//! What migrations leave on a template that `CREATE DATABASE` and `REASSIGN OWNED` do not give to its
//! clones: default privileges, which name the role that they are for, and the database's settings.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use super::ClusterError;
use crate::infra::db::{PgConnection, identifier, literal};

/// What a clone is to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Carried {
    /// Default privileges of the owner role.
    pub default_rights: Vec<DefaultRight>,
    /// Settings of the database.
    pub settings: Vec<Setting>,
    /// Rights at schema public, as `grantee|privilege`; an empty grantee is PUBLIC.
    pub public_schema: Vec<String>,
    /// Row security policies and rights that name the owner role by itself: `DROP OWNED` takes it out of
    /// them. Statements in which [`OWNER`] stands for the new owner.
    pub of_owner: Vec<String>,
}

/// What stands for the new owner: no name is made of this.
const OWNER: &str = "\u{1}owner\u{1}";

/// A difference from what PostgreSQL gives by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct DefaultRight {
    /// Granted, or revoked.
    pub granted: bool,
    /// E.g. `tables`.
    pub kind: String,
    /// In one schema only.
    pub schema: Option<String>,
    /// Whom it is for: a role, `None` for PUBLIC.
    pub grantee: Option<String>,
    /// It is for the owner itself.
    pub is_owner: bool,
    /// E.g. `SELECT, INSERT`.
    pub privileges: String,
    /// It may be granted further.
    pub grantable: bool,
}

/// A setting, as `ALTER DATABASE … SET` made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// Reads what a template's clones are to be given, in any session in the template.
pub async fn read_carried(inside: &mut PgConnection, owner: &str) -> Result<Carried, ClusterError> {
    sqlx::raw_sql("set search_path to pg_catalog, pg_temp").execute(&mut *inside).await?;
    let default_rights = sqlx::query_as(DEFAULT_RIGHTS).bind(owner).fetch_all(&mut *inside).await?;
    let settings = sqlx::query_as(
        "select split_part(setting, '=', 1) as name, substr(setting, strpos(setting, '=') + 1) as value
         from pg_db_role_setting cross join unnest(setconfig) as setting
         where setrole = 0 and setdatabase = (select oid from pg_database where datname = current_database())
           and split_part(setting, '=', 1) not in ('role', 'session_authorization')
         order by 1",
    )
    .fetch_all(&mut *inside)
    .await?;
    let public_schema = sqlx::query_scalar(
        "select case grantee when 0 then '' else pg_get_userbyid(grantee)::text end || '|' || privilege_type
         from pg_namespace cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
         where nspname = 'public' and grantee <> nspowner order by 1",
    )
    .fetch_all(&mut *inside)
    .await?;
    // To plan the statement takes several milliseconds, and hardly any migration does this.
    let of_owner = if sqlx::query_scalar(IS_NAMED).bind(owner).fetch_one(&mut *inside).await? {
        let statement = AssertSqlSafe(format!("with {RIGHTS} {OF_OWNER}"));
        sqlx::query_scalar(statement).bind(owner).bind(OWNER).fetch_all(inside).await?
    } else {
        Vec::new()
    };
    Ok(Carried { default_rights, settings, public_schema, of_owner })
}

/// Whether anything names the owner role that it does not own: rights and policies do (manual, chapter
/// 53.47).
const IS_NAMED: &str = "
    select exists (select from pg_shdepend
                   where refclassid = 'pg_authid'::regclass and refobjid = to_regrole(quote_ident($1))
                     and deptype in ('a', 'r')
                     and dbid = (select oid from pg_database where datname = current_database()))";

/// Policies that are for the owner role, and its rights at what another role owns.
const OF_OWNER: &str = "
    select format('alter policy %I on %s to %s;', polname, polrelid::regclass,
                  (select string_agg(case role when 0 then 'public' when to_regrole(quote_ident($1)) then $2::text
                                               else quote_ident(pg_get_userbyid(role)) end, ', ')
                   from unnest(polroles) as role))
    from pg_policy where to_regrole(quote_ident($1)) = any(polroles)
    union all
    select format('grant %s%s on %s %s to %s%s;', privilege, part, many, what, $2::text,
                  case when further then ' with grant option' else '' end)
    from right_at where own and grantee = to_regrole(quote_ident($1)) and owner <> grantee
    order by 1";

/// Every right that was granted or revoked in a database, as a part of `WITH`; `own` is false at what is
/// a part of PostgreSQL, schemas apart.
pub(super) const RIGHTS: &str = "right_at (what, many, part, grantee, privilege, further, owner, own) as (
        select format('%I.%I', nspname, relname), case relkind when 'S' then 'sequence' else 'table' end, '',
               acl.grantee, acl.privilege_type, acl.is_grantable, relowner, it.oid >= 16384
        from pg_class as it join pg_namespace on pg_namespace.oid = relnamespace cross join aclexplode(relacl) as acl
        union all
        select format('%I.%I', nspname, relname), 'table', format(' (%I)', attname),
               acl.grantee, acl.privilege_type, acl.is_grantable, relowner, it.oid >= 16384
        from pg_attribute join pg_class as it on it.oid = attrelid
        join pg_namespace on pg_namespace.oid = relnamespace cross join aclexplode(attacl) as acl
        where not attisdropped
        union all
        select format('%I', nspname), 'schema', '', acl.grantee, acl.privilege_type, acl.is_grantable, nspowner, true
        from pg_namespace cross join aclexplode(nspacl) as acl
        union all
        select it.oid::regprocedure::text, 'routine', '',
               acl.grantee, acl.privilege_type, acl.is_grantable, proowner, it.oid >= 16384
        from pg_proc as it cross join aclexplode(proacl) as acl
        union all
        select format('%I.%I', nspname, typname), 'type', '',
               acl.grantee, acl.privilege_type, acl.is_grantable, typowner, it.oid >= 16384
        from pg_type as it join pg_namespace on pg_namespace.oid = typnamespace cross join aclexplode(typacl) as acl
    )";

/// An entry without a schema says all that there is, so that what PostgreSQL gives by default and is
/// missing in it was revoked (manual, chapter 53.15).
const DEFAULT_RIGHTS: &str = "
    with entry as (
        select acl.defaclrole as owner, acl.defaclobjtype as type, schema.nspname as schema, acl.defaclacl as now,
               case when schema.nspname is null
                    then acldefault(case acl.defaclobjtype when 'S' then 's' else acl.defaclobjtype end, acl.defaclrole)
               end as usual
        from pg_default_acl as acl left join pg_namespace as schema on schema.oid = acl.defaclnamespace
        where acl.defaclrole = to_regrole(quote_ident($1))
    ), change as (
        select true as granted, owner, type, schema, it.grantee, it.privilege_type, it.is_grantable
        from entry cross join aclexplode(entry.now) as it
        where not exists (select from aclexplode(entry.usual) as other
                          where (other.grantee, other.privilege_type, other.is_grantable)
                                = (it.grantee, it.privilege_type, it.is_grantable))
        union all
        select false, owner, type, schema, it.grantee, it.privilege_type, false
        from entry cross join aclexplode(entry.usual) as it
        where not exists (select from aclexplode(entry.now) as other
                          where (other.grantee, other.privilege_type) = (it.grantee, it.privilege_type))
    )
    select granted, case type when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                              when 'T' then 'types' else 'schemas' end as kind,
           schema::text as schema, case when grantee <> 0 then pg_get_userbyid(grantee)::text end as grantee,
           grantee = owner as is_owner, string_agg(privilege_type, ', ' order by privilege_type) as privileges,
           is_grantable as grantable
    from change group by granted, type, schema, grantee, owner, is_grantable
    order by granted, kind, schema nulls first, grantee nulls first, is_grantable";

impl Carried {
    /// The statements that give it to a clone, in a session of the administrator there.
    pub(super) fn statements(&self, database: &str, owner: &str) -> String {
        let mut statements = String::new();
        for right in &self.default_rights {
            let schema =
                right.schema.as_deref().map_or(String::new(), |it| format!(" in schema {}", identifier(it)));
            let grantee = match &right.grantee {
                None => "public".to_owned(),
                Some(_) if right.is_owner => identifier(owner),
                Some(grantee) => identifier(grantee),
            };
            let (verb, to) = if right.granted { ("grant", "to") } else { ("revoke", "from") };
            let further = if right.granted && right.grantable { " with grant option" } else { "" };
            // A String takes whatever it is given.
            let _ = write!(
                statements,
                "alter default privileges for role {}{schema} {verb} {} on {} {to} {grantee}{further};",
                identifier(owner),
                right.privileges,
                right.kind,
            );
        }
        for setting in &self.settings {
            let _ = write!(
                statements,
                "alter database {} set {} to {};",
                identifier(database),
                name(&setting.name),
                value(setting)
            );
        }
        statements
    }

    /// The statements that give the clone's owner what the template's owner has by name, while the other
    /// still has it.
    pub(super) fn for_owner(&self, owner: &str) -> String {
        self.of_owner.concat().replace(OWNER, &identifier(owner))
    }
}

/// The name of a setting: an extension's has two parts.
fn name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// Settings whose value is a list of quoted names (`GUC_LIST_QUOTE` in PostgreSQL's `guc_tables.c`).
const LISTS: [&str; 5] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

fn value(setting: &Setting) -> String {
    if !LISTS.contains(&&*setting.name) {
        return literal(&setting.value);
    }
    let names: Vec<String> = listed(&setting.value).iter().map(|name| literal(name)).collect();
    if names.is_empty() { "''".to_owned() } else { names.join(", ") }
}

/// The names of a list: bare ones are folded to lower case, quoted ones are as they are.
fn listed(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let mut name = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            while let Some(end) = quoted.find('"') {
                name.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            rest = quoted;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            // PostgreSQL leaves letters beyond ASCII as they are (downcase_identifier).
            name = rest[..end].trim_end().to_ascii_lowercase();
            rest = &rest[end..];
        }
        names.push(name);
        let Some((_, more)) = rest.split_once(',') else { break };
        rest = more.trim_start();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_given_name_by_name() {
        let of = |value: &str| super::value(&Setting { name: "search_path".into(), value: value.into() });
        assert_eq!(of("public, pg_temp"), "'public', 'pg_temp'");
        assert_eq!(of("\"$user\", \"A \"\"b, c\"\"\",  Shop"), "'$user', 'A \"b, c\"', 'shop'");
        assert_eq!(of("x; drop table y"), "'x; drop table y'");
        assert_eq!(of("\"\""), "''");
        assert_eq!(of(""), "''");
    }

    #[test]
    fn what_was_revoked_is_revoked_and_what_was_granted_is_granted_for_the_new_owner() {
        let right = |granted, kind: &str, grantee: Option<&str>, is_owner| DefaultRight {
            granted,
            kind: kind.to_owned(),
            schema: None,
            grantee: grantee.map(str::to_owned),
            is_owner,
            privileges: "USAGE".to_owned(),
            grantable: false,
        };
        let carried = Carried {
            default_rights: vec![
                right(false, "types", None, false),
                DefaultRight {
                    schema: Some("a b".into()),
                    grantable: true,
                    ..right(true, "sequences", Some("x"), false)
                },
                right(false, "schemas", Some("old"), true),
            ],
            settings: vec![Setting { name: "my.Zone".into(), value: "it's".into() }],
            public_schema: Vec::new(),
            of_owner: vec![format!("alter policy p on t to {OWNER}, public;")],
        };
        assert_eq!(
            carried.statements("db", "new").split(';').collect::<Vec<_>>(),
            [
                "alter default privileges for role \"new\" revoke USAGE on types from public",
                "alter default privileges for role \"new\" in schema \"a b\" grant USAGE on sequences to \"x\" with grant option",
                "alter default privileges for role \"new\" revoke USAGE on schemas from \"new\"",
                "alter database \"db\" set \"my\".\"Zone\" to 'it''s'",
                "",
            ]
        );
        assert_eq!(carried.for_owner("new"), "alter policy p on t to \"new\", public;");
    }
}
