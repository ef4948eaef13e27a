//! Lines about what initdb or an extension made, where it is not as it was made then, about the
//! database itself and the role that owns it.

use super::super::{APP_ROLE, limits};
use super::{BARE, Parts, called};
use crate::infra::db::literal;

/// The id of the role that initdb made (`BOOTSTRAP_SUPERUSERID` in `pg_authid.dat`).
const FIRST_ROLE: &str = "10";

/// PostgreSQL's own things where another role owns them, they have other rights than initdb gave them (or
/// an extension its members), or a function or view is another one.
///
/// A row of the catalogue bears the number of the transaction that wrote it, so only rows are looked at
/// that were written since initdb, of which making extension plpgsql is among the last things. A right
/// writes a row, too: of a function that has rights it is not told whether it is another one.
///
/// A facility of [`limits`] is opened for one tenant and not for another: its functions are told of only
/// where somebody else may call them.
pub(super) fn things() -> String {
    format!(
        "select thing.type || ' ' || thing.identity,
                case when it.is_new and it.class = 'pg_proc'::regclass then pg_get_functiondef(it.id)
                     when it.is_new then pg_get_viewdef(it.id) end,
                nullif(it.owner, {FIRST_ROLE}), it.acl, coalesce(init.initprivs, it.usual)
         from part cross join (
             select 'pg_proc'::regclass, oid, 0, proowner, proacl, acldefault('f', proowner), proname,
                    proacl is null and prokind <> 'a'
             from pg_proc where {written} or oid >= 16384 and proacl is not null
             union all
             select 'pg_class', oid, 0, relowner, relacl,
                    acldefault(case relkind when 'S' then 's' else 'r' end::\"char\", relowner) || {readable}, null, false
             from pg_class where {written} or oid >= 16384 and relacl is not null
             union all
             select 'pg_class', ev_class, 0, {FIRST_ROLE}, null, null, null, true
             from pg_rewrite as it where {written}
             union all
             select 'pg_class', attrelid, attnum, {FIRST_ROLE}, attacl, acldefault('c', {FIRST_ROLE}), null, false
             from pg_attribute where attacl is not null and xmin <> '1' and xmin::text::bigint > (table initdb)
             union all
             select 'pg_namespace', oid, 0, nspowner, nspacl,
                    acldefault('n', nspowner) || case nspname when 'information_schema' then {usable} end, null, false
             from pg_namespace where {written} and nspname <> 'public'
             union all
             select 'pg_type', oid, 0, typowner, typacl, acldefault('T', typowner), null, false
             from pg_type where {written} or oid >= 16384 and typacl is not null
             union all
             select 'pg_language', oid, 0, lanowner, lanacl, acldefault('l', lanowner), null, false
             from pg_language where {written} or oid >= 16384
         ) as it (class, id, part, owner, acl, usual, called, is_new)
         left join pg_init_privs as init
              on init.objoid = it.id and init.classoid = it.class and init.objsubid = it.part
         cross join lateral pg_identify_object(it.class, it.id, it.part) as thing
         where (it.id < 16384 and it.owner <> {FIRST_ROLE} or it.is_new
                or it.acl is not null and it.acl is distinct from coalesce(init.initprivs, it.usual))
           and (it.id < 16384 or it.class = 'pg_language'::regclass
                or (it.class::oid, it.id) in (select class, id from member))
           and not (it.id < 16384 and it.called is not null and it.called = any('{{{bounded}}}'::name[])
                    and not exists (select from aclexplode(it.acl)
                                    where grantee not in (0, it.owner) and (is_grantable
                                       or (grantee is distinct from part.owner and grantee is distinct from part.app
                                           and grantee is distinct from part.apps))))",
        written = "oid < 16384 and xmin <> '1' and xmin::text::bigint > (table initdb)",
        readable = "case when relnamespace = 'information_schema'::regnamespace and not starts_with(relname, '_')
                         then array[makeaclitem(0, relowner, 'SELECT', false)] end",
        usable = "array[makeaclitem(0, nspowner, 'USAGE', false)]",
        bounded = limits::bounded_functions().join(","),
    )
}

/// Whether [`things`] may tell of anything but members of extensions.
pub(super) fn are_written(parts: Parts<'_>) -> String {
    let written = "oid < 16384 and xmin <> '1' and xmin::text::bigint > (table initdb)";
    format!(
        "exists (select from pg_proc where {written}
                 and (not proname = any('{{{bounded}}}'::name[])
                      or exists (select from aclexplode(proacl)
                                 where grantee not in (0, proowner) and (is_grantable
                                    or pg_get_userbyid(grantee) not in ({owner}, {app}, '{APP_ROLE}')))))
         or exists (select from pg_class where {written}) or exists (select from pg_rewrite where {written})
         or exists (select from pg_attribute where attacl is not null and xmin <> '1' and xmin::text::bigint > (table initdb)
                    and attrelid < 16384)
         or exists (select from pg_namespace where {written} and nspname <> 'public')
         or exists (select from pg_type where {written})
         or exists (select from pg_language where oid >= 16384 or {written})",
        bounded = limits::bounded_functions().join(","),
        owner = literal(parts.owner),
        app = literal(parts.app),
    )
}

/// The last transaction of initdb that is known, as a table.
pub(in super::super) const INITDB: &str =
    "initdb as materialized (select xmin::text::bigint from pg_extension where extname = 'plpgsql')";

/// The extension that every database has. One that `pg_upgrade` made has an id as others have.
pub(super) fn plpgsql() -> String {
    format!(
        "select 'extension plpgsql', extversion || ' in ' || home.called, {BARE}
         from pg_extension join home on home.oid = extnamespace where extname = 'plpgsql'"
    )
}

/// What is unusual about the database: its owner and tablespace, rights of others than its owner and its
/// app's login, and a connection limit. PostgreSQL has -2 where a drop was cut short. A template is the
/// administrator's.
pub(super) fn database() -> String {
    "select 'database', concat_ws('; ', case when datconnlimit >= 0 then 'connection limit ' || datconnlimit::text end,
                    (select 'in tablespace ' || quote_ident(spcname) from pg_tablespace
                     where pg_tablespace.oid = dattablespace and spcname <> 'pg_default')),
                case when not datistemplate and datdba is distinct from part.owner then datdba end,
                coalesce((select array_agg(acl) from unnest(coalesce(datacl, acldefault('d', datdba))) as acl
                          where datistemplate or part.app is null
                             or not acl = makeaclitem(part.app, datdba, 'CONNECT', false)), acldefault('c', datdba)),
                array(select acl from unnest(acldefault('d', datdba)) as acl where acl::text not like '=%')
         from pg_database cross join part where pg_database.oid = part.database"
        .to_owned()
}

/// What is unusual about the role that owns all: it cannot log in, and has no power beyond its database.
pub(super) fn owner_role() -> String {
    format!(
        "select 'role owner', concat_ws('; ',
                    nullif(concat_ws(', ', case when rolsuper then 'superuser' end, case when rolcanlogin then 'login' end,
                        case when rolcreatedb then 'createdb' end, case when rolcreaterole then 'createrole' end,
                        case when rolreplication then 'replication' end, case when rolbypassrls then 'bypassrls' end,
                        case when not rolinherit then 'noinherit' end), ''),
                    case when rolconnlimit >= 0 then 'connection limit ' || rolconnlimit::text end,
                    (select 'member of ' || string_agg({other}, ', ' order by {other} collate \"C\")
                     from pg_auth_members where member = part.owner)), {BARE}
         from pg_authid cross join part where pg_authid.oid = part.owner",
        other = called("roleid"),
    )
}
