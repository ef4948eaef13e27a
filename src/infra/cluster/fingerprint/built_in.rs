//! Lines about what initdb or an extension made, where it is not as it was made then, about the
//! database itself and the role that owns it.

use super::super::limits;
use super::{BARE, called};

/// The id of the role that initdb made (`BOOTSTRAP_SUPERUSERID` in `pg_authid.dat`).
const FIRST_ROLE: &str = "10";

/// PostgreSQL's own things that another role owns, that have other rights than initdb gave them (or an
/// extension its members), and functions and views that somebody wrote anew.
///
/// Rows of the catalogue bear the number of the transaction that wrote them, and making extension
/// plpgsql is among the last that initdb does. A right that is granted writes a row, too: whether a
/// function with rights is another one is not told.
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
                    oid < 16384 and proacl is null and prokind <> 'a'
             from pg_proc where proacl is not null
                or oid < 16384 and (proowner <> {FIRST_ROLE} or xmin::text::bigint > {initdb})
             union all
             select 'pg_class', oid, 0, relowner, relacl,
                    acldefault(case relkind when 'S' then 's' else 'r' end::\"char\", relowner), null, false
             from pg_class where relacl is not null or oid < 16384 and relowner <> {FIRST_ROLE}
             union all
             select 'pg_class', ev_class, 0, {FIRST_ROLE}, null, null, null, true
             from pg_rewrite where oid < 16384 and xmin::text::bigint > {initdb}
             union all
             select 'pg_class', attrelid, attnum, {FIRST_ROLE}, attacl, '{{}}', null, false
             from pg_attribute where attacl is not null
             union all
             select 'pg_namespace', oid, 0, nspowner, nspacl, acldefault('n', nspowner), null, false
             from pg_namespace where oid < 16384 and nspname <> 'public'
             union all
             select 'pg_type', oid, 0, typowner, typacl, acldefault('T', typowner), null, false
             from pg_type where typacl is not null or oid < 16384 and typowner <> {FIRST_ROLE}
             union all
             select 'pg_language', oid, 0, lanowner, lanacl, acldefault('l', lanowner), null, false from pg_language
         ) as it (class, id, part, owner, acl, usual, called, is_new)
         left join pg_init_privs as init
              on init.objoid = it.id and init.classoid = it.class and init.objsubid = it.part
         cross join lateral pg_identify_object(it.class, it.id, it.part) as thing
         where (it.id < 16384 and (it.owner <> {FIRST_ROLE} or it.is_new)
                or it.acl is distinct from coalesce(init.initprivs, it.usual) and it.acl is not null)
           and (it.id < 16384 or it.class = 'pg_language'::regclass
                or (it.class::oid, it.id) in (select class, id from member))
           and not (it.id < 16384 and it.called = any('{{{bounded}}}'::name[])
                    and not exists (select from aclexplode(it.acl)
                                    where grantee not in (0, it.owner) and (is_grantable
                                       or (grantee is distinct from part.owner and grantee is distinct from part.app
                                           and grantee is distinct from part.apps))))",
        initdb = "(select xmin::text::bigint from pg_extension where extname = 'plpgsql')",
        bounded = limits::bounded_functions().join(","),
    )
}

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
    format!(
        "select 'database', concat_ws('; ', case when datconnlimit >= 0 then 'connection limit ' || datconnlimit::text end,
                    (select 'in tablespace ' || quote_ident(spcname) from pg_tablespace
                     where pg_tablespace.oid = dattablespace and spcname <> 'pg_default')),
                case when not datistemplate and datdba is distinct from part.owner then datdba end,
                array(select acl from unnest(coalesce(datacl, acldefault('d', datdba))) as acl
                      where not (not datistemplate and acl = any(array(
                          select makeaclitem(part.app, datdba, 'CONNECT', false) where part.app is not null)))),
                array(select acl from unnest(acldefault('d', datdba)) as acl where acl::text not like '=%')
         from pg_database cross join part where pg_database.oid = part.database"
    )
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
