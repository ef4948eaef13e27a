//! Lines about rights at what initdb or an extension made, about the database itself, and about what
//! few databases have.

use super::super::{APP_ROLE, limits};
use super::{NOT_OF_AN_EXTENSION, called, rights};

/// Whether there is anything that [`rare`] tells of.
pub(super) const HAS_RARE: &str = "select exists (select from pg_extension where oid >= 16384)
    or exists (select from pg_statistic_ext) or exists (select from pg_cast where oid >= 16384)
    or exists (select from pg_operator where oid >= 16384) or exists (select from pg_collation where oid >= 16384)
    or exists (select from pg_largeobject_metadata) or exists (select from pg_publication)
    or exists (select from pg_foreign_data_wrapper) or exists (select from pg_ts_config where oid >= 16384)
    or exists (select from pg_ts_dict where oid >= 16384)";

/// What few databases have.
pub(super) fn rare() -> Vec<String> {
    vec![rest(), large_objects(), publications(), foreign(), text_search()]
}

/// Rights at what initdb made, where they are not those that it gave, and all that were granted at
/// an extension's members and at languages.
///
/// A facility of [`limits`] is opened for one tenant and not for another: of its functions it is told
/// only what somebody else may.
pub(super) fn granted() -> String {
    format!(
        "select 'rights at ' || thing.type || ' ' || thing.identity,
                (select string_agg(may, '; ' order by may) from (
                    select case when grantee = it.owner then 'its owner' else {grantee} end || ' may '
                        || string_agg(privilege_type || case when is_grantable then ' and grant it' else '' end, ', '
                                      order by privilege_type) as may
                    from aclexplode(it.acl) as acl group by grantee) as granted)
         from part cross join (
             select 'pg_proc'::regclass as class, oid, 0 as part, proowner as owner, proacl as acl, false as always, proname
             from pg_proc where proacl is not null
             union all
             select 'pg_class', oid, 0, relowner, relacl, false, null from pg_class where relacl is not null
             union all
             select 'pg_class', attrelid, attnum, relowner, attacl, false, null
             from pg_attribute join pg_class on pg_class.oid = attrelid where attacl is not null
             union all
             select 'pg_namespace', oid, 0, nspowner, nspacl, false, null
             from pg_namespace where nspacl is not null and nspname <> 'public'
             union all
             select 'pg_type', oid, 0, typowner, typacl, false, null from pg_type where typacl is not null
             union all
             select 'pg_language', oid, 0, lanowner, lanacl, true, null from pg_language where lanacl is not null
         ) as it
         left join pg_init_privs as init on init.objoid = it.oid and init.classoid = it.class and init.objsubid = it.part
              and init.privtype = 'i'
         cross join lateral pg_identify_object(it.class, it.oid, it.part) as thing
         where it.acl is distinct from init.initprivs
           and (it.oid < 16384 or it.always
                or exists (select from pg_depend where classid = it.class and objid = it.oid and deptype = 'e'))
           and not (it.oid < 16384 and it.proname = any('{{{bounded}}}'::name[])
                    and not exists (select from aclexplode(it.acl)
                                    where grantee not in (0, it.owner) and (is_grantable
                                       or (grantee is distinct from part.owner and grantee is distinct from part.app
                                           and grantee is distinct from to_regrole('{APP_ROLE}')))))",
        grantee = called("grantee"),
        bounded = limits::bounded_functions().join(","),
    )
}

/// Told by name, and little more.
fn rest() -> String {
    format!(
        "select 'extension ' || quote_ident(extname),
                concat_ws('; ', extversion || ' in ' || home.called, {members})
         from pg_extension as it join home on home.oid = extnamespace cross join part where it.oid >= 16384
         union all
         select 'statistics ' || home.called || '.' || quote_ident(stxname), pg_get_statisticsobjdef(it.oid)
         from pg_statistic_ext as it join home on home.oid = stxnamespace
         union all
         select 'cast ' || format_type(castsource, null) || ' as ' || format_type(casttarget, null),
                concat_ws('; ', castcontext::text, nullif(castfunc, 0)::regproc::text)
         from pg_cast as it where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}
         union all
         select 'operator ' || home.called || '.' || oprname || ' (' || format_type(oprleft, null) || ', '
                    || format_type(oprright, null) || ')', oprcode::text
         from pg_operator as it join home on home.oid = oprnamespace where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}
         union all
         select 'collation ' || home.called || '.' || quote_ident(collname), concat_ws('; ', collprovider::text, collcollate)
         from pg_collation as it join home on home.oid = collnamespace
         where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}",
        members = members(),
    )
}

/// How an extension's functions and views are now, as a digest: the extension's line is one.
fn members() -> String {
    format!(
        "(select 'members ' || left(encode(sha256(convert_to(string_agg(made, ' ' order by made collate \"C\"), 'UTF8')),
                                           'hex'), 16)
          from (select concat_ws(' ', {function_owner}, pg_proc.oid::regprocedure,
                                 case when prokind <> 'a' then pg_get_functiondef(pg_proc.oid) end)
                from pg_depend join pg_proc on classid = 'pg_proc'::regclass and objid = pg_proc.oid
                where refclassid = 'pg_extension'::regclass and refobjid = it.oid and deptype = 'e' and it.oid >= 16384
                union all
                select concat_ws(' ', {relation_owner}, pg_class.oid::regclass,
                                 case when relkind in ('v', 'm') then pg_get_viewdef(pg_class.oid) end)
                from pg_depend join pg_class on classid = 'pg_class'::regclass and objid = pg_class.oid
                where refclassid = 'pg_extension'::regclass and refobjid = it.oid and deptype = 'e' and it.oid >= 16384
               ) as member (made))",
        function_owner = called("proowner"),
        relation_owner = called("relowner"),
    )
}

/// Those of others than the app's logins, whose data they are, where somebody may do something with
/// them that is nobody's to do, or that belong to a stranger. Ids are others in each database.
fn large_objects() -> String {
    format!(
        "select 'large objects of ' || whose, string_agg(distinct may, '; ' order by may)
         from (select {owner}, coalesce({rights}, 'nobody else may')
               from pg_largeobject_metadata as it cross join part
               where lomowner is distinct from part.app
                 and not exists (select from pg_auth_members
                                 where roleid = to_regrole('{APP_ROLE}') and member = lomowner)
                 and (lomowner is distinct from part.owner
                      or exists (select from aclexplode(lomacl)
                                 where grantee <> lomowner and grantee is distinct from to_regrole('{APP_ROLE}')
                                   and grantee is distinct from part.app))) as large (whose, may)
         group by whose",
        owner = called("lomowner"),
        rights = rights("lomacl", "lomowner", "null"),
    )
}

/// What is unusual about the database: rights of others than its owner and its app's login, and a
/// connection limit. PostgreSQL has -2 where a drop was cut short.
pub(super) fn database() -> String {
    format!(
        "select 'database', how
         from (select concat_ws('; ', case when datconnlimit >= 0 then 'connection limit ' || datconnlimit::text end,
                   (select string_agg({grantee} || ' may ' || privilege_type
                               || case when is_grantable then ' and grant it' else '' end, '; '
                               order by {grantee}, privilege_type)
                    from aclexplode(coalesce(datacl, acldefault('d', datdba)))
                    where grantee <> datdba and grantee is distinct from part.owner
                      and not (grantee is not distinct from part.app and privilege_type = 'CONNECT' and not is_grantable)))
               from pg_database as it cross join part where it.oid = part.database) as it (how)
         where how <> ''",
        grantee = called("grantee"),
    )
}

fn publications() -> String {
    format!(
        "select 'publication ' || quote_ident(pubname),
                concat_ws('; ', 'of ' || {owner}, case when puballtables then 'all tables' end,
                    'of ' || concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
                                       case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end),
                    case when pubviaroot then 'via the root of partitions' end,
                    (select string_agg(concat_ws(' ', prrelid::regclass,
                                '(' || (select string_agg(quote_ident(attname), ', ' order by attname) from pg_attribute
                                        where attrelid = prrelid and attnum = any(prattrs)) || ')',
                                'where ' || pg_get_expr(prqual, prrelid)), ', ' order by prrelid::regclass::text)
                     from pg_publication_rel where prpubid = it.oid),
                    (select 'schemas ' || string_agg(home.called, ', ' order by home.called)
                     from pg_publication_namespace join home on home.oid = pnnspid where pnpubid = it.oid))
         from pg_publication as it cross join part",
        owner = called("pubowner"),
    )
}

/// The names of options, and a digest of their values: these may be secret.
fn options(column: &str) -> String {
    format!(
        "(select 'with ' || string_agg(split_part(option, '=', 1), ', ' order by option collate \"C\") || ' as '
                 || left(encode(sha256(convert_to(string_agg(option, E'\\x1f' order by option collate \"C\"), 'UTF8')),
                                'hex'), 16)
          from unnest({column}) as option)"
    )
}

fn foreign() -> String {
    format!(
        "select 'foreign data wrapper ' || quote_ident(fdwname),
                concat_ws('; ', 'of ' || {wrapper}, nullif(fdwhandler, 0)::regproc::text,
                          nullif(fdwvalidator, 0)::regproc::text, {wrapper_options},
                          case when fdwacl is not null then {wrapper_rights} end)
         from pg_foreign_data_wrapper as it cross join part where {NOT_OF_AN_EXTENSION}
         union all
         select 'foreign server ' || quote_ident(srvname),
                concat_ws('; ', 'of ' || {server}, 'by ' || quote_ident(fdwname), 'type ' || srvtype,
                          'version ' || srvversion, {server_options},
                          case when srvacl is not null then {server_rights} end)
         from pg_foreign_server as it join pg_foreign_data_wrapper on pg_foreign_data_wrapper.oid = srvfdw cross join part
         union all
         select 'options of foreign table ' || home.called || '.' || quote_ident(relname),
                concat_ws('; ', 'by ' || quote_ident(srvname), {table_options})
         from pg_foreign_table join pg_class as it on it.oid = ftrelid join home on home.oid = relnamespace
         join pg_foreign_server on pg_foreign_server.oid = ftserver where {NOT_OF_AN_EXTENSION}",
        wrapper = called("fdwowner"),
        wrapper_options = options("fdwoptions"),
        server = called("srvowner"),
        server_options = options("srvoptions"),
        wrapper_rights = rights("fdwacl", "fdwowner", "'F'"),
        server_rights = rights("srvacl", "srvowner", "'S'"),
        table_options = options("ftoptions"),
    )
}

fn text_search() -> String {
    format!(
        "select 'text search configuration ' || home.called || '.' || quote_ident(cfgname),
                concat_ws('; ', 'of ' || {configuration}, 'parser ' || quote_ident(prsname),
                    (select string_agg(maptokentype::text || ' ' || mapdict::regdictionary::text, ', '
                                       order by maptokentype, mapseqno)
                     from pg_ts_config_map where mapcfg = it.oid))
         from pg_ts_config as it join home on home.oid = cfgnamespace
         join pg_ts_parser on pg_ts_parser.oid = cfgparser cross join part
         where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}
         union all
         select 'text search dictionary ' || home.called || '.' || quote_ident(dictname),
                concat_ws('; ', 'of ' || {dictionary}, 'template ' || quote_ident(tmplname), dictinitoption)
         from pg_ts_dict as it join home on home.oid = dictnamespace
         join pg_ts_template on pg_ts_template.oid = dicttemplate cross join part
         where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}",
        configuration = called("cfgowner"),
        dictionary = called("dictowner"),
    )
}
