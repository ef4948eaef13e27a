//! Lines about what few databases have.

use super::{BARE, INITDB, NOT_OF_AN_EXTENSION, Parts, built_in, called};

/// Whether there may be anything that [`branches`] tell of.
pub(super) fn is_there(parts: Parts<'_>) -> String {
    format!(
        "with {INITDB} select exists (select from pg_extension where oid >= 16384 and extname <> 'plpgsql')
             or exists (select from pg_cast where oid >= 16384) or exists (select from pg_operator where oid >= 16384)
             or exists (select from pg_publication) or exists (select from pg_foreign_data_wrapper)
             or exists (select from pg_largeobject_metadata) or exists ({DEPENDENT}) or {}",
        built_in::are_written(parts)
    )
}

/// What few databases have.
pub(super) fn branches() -> Vec<String> {
    vec![
        built_in::things(),
        extensions(),
        casts_and_operators(),
        publications(),
        wrappers(),
        large_objects(),
        servers(),
        event_triggers(),
        text_search(),
        others(),
    ]
}

/// What is made of other things that are not PostgreSQL's own, e.g. stands in a schema: reading
/// pg_depend is cheaper than opening a catalogue for each kind. pg_statistic_ext, pg_ts_config,
/// pg_ts_dict, pg_ts_parser, pg_ts_template, pg_event_trigger, pg_collation, pg_conversion, pg_am,
/// pg_opclass, pg_opfamily, pg_language, pg_transform, pg_foreign_server, pg_user_mapping.
pub(in super::super) const DEPENDENT: &str = "select classid, objid from pg_depend
    where classid = any('{3381,3602,3600,3601,3764,3466,3456,2607,2601,2616,2753,2612,3576,1417,1418}'::oid[])
      and objid >= 16384";

fn is_dependent() -> String {
    format!("(it.tableoid, it.oid) in ({DEPENDENT}) and {NOT_OF_AN_EXTENSION}")
}

/// How an extension's functions and views are now, as a digest: the extension's line is one.
fn extensions() -> String {
    format!(
        "select 'extension ' || quote_ident(extname),
                concat_ws('; ', extversion || ' in ' || home.called,
                    (select 'members ' || left(encode(sha256(convert_to(
                                string_agg(made, ' ' order by made collate \"C\"), 'UTF8')), 'hex'), 16)
                     from (select concat_ws(' ', {function_owner}, pg_proc.oid::regprocedure,
                                            case when prokind <> 'a' then pg_get_functiondef(pg_proc.oid) end)
                           from pg_depend join pg_proc on classid = 'pg_proc'::regclass and objid = pg_proc.oid
                           where refclassid = 'pg_extension'::regclass and refobjid = it.oid and deptype = 'e'
                           union all
                           select concat_ws(' ', {relation_owner}, pg_class.oid::regclass,
                                            case when relkind in ('v', 'm') then pg_get_viewdef(pg_class.oid) end)
                           from pg_depend join pg_class on classid = 'pg_class'::regclass and objid = pg_class.oid
                           where refclassid = 'pg_extension'::regclass and refobjid = it.oid and deptype = 'e'
                          ) as member (made))),
                {BARE}
         from pg_extension as it join home on home.oid = extnamespace cross join part
         where it.oid >= 16384 and extname <> 'plpgsql'",
        function_owner = called("proowner"),
        relation_owner = called("relowner"),
    )
}

fn casts_and_operators() -> String {
    format!(
        "select 'cast ' || format_type(castsource, null) || ' as ' || format_type(casttarget, null),
                concat_ws('; ', castcontext::text, castmethod::text, nullif(castfunc, 0)::regprocedure::text), {BARE}
         from pg_cast as it where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}
         union all
         select 'operator ' || home.called || '.' || oprname || ' (' || format_type(oprleft, null) || ', '
                    || format_type(oprright, null) || ')',
                concat_ws('; ', oprcode::text, 'restrict ' || nullif(oprrest, 0)::regproc::text,
                          'join ' || nullif(oprjoin, 0)::regproc::text), oprowner, null, null
         from pg_operator as it join home on home.oid = oprnamespace where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}"
    )
}

fn publications() -> String {
    "select 'publication ' || quote_ident(pubname),
            concat_ws('; ', case when puballtables then 'all tables' end,
                'of ' || concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
                                   case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end),
                case when pubviaroot then 'via the root of partitions' end,
                (select string_agg(concat_ws(' ', prrelid::regclass,
                            '(' || (select string_agg(quote_ident(attname), ', ' order by attname) from pg_attribute
                                    where attrelid = prrelid and attnum = any(prattrs)) || ')',
                            'where ' || pg_get_expr(prqual, prrelid)), ', ' order by prrelid::regclass::text)
                 from pg_publication_rel where prpubid = it.oid),
                (select 'schemas ' || string_agg(home.called, ', ' order by home.called)
                 from pg_publication_namespace join home on home.oid = pnnspid where pnpubid = it.oid)),
            pubowner, null, null
     from pg_publication as it"
        .to_owned()
}

/// The names of options, and a digest of those values that no secret is looked for in.
pub(super) fn options(column: &str) -> String {
    format!(
        "(select 'with ' || string_agg(split_part(option, '=', 1), ', ' order by option collate \"C\")
                 || coalesce(' as ' || left(encode(sha256(convert_to(string_agg(option, E'\\x1f' order by option collate \"C\")
                        filter (where split_part(option, '=', 1) !~* 'pass|secret|token|key|cred'), 'UTF8')), 'hex'), 16), '')
          from unnest({column}) as option)"
    )
}

fn wrappers() -> String {
    format!(
        "select 'foreign data wrapper ' || quote_ident(fdwname),
                concat_ws('; ', nullif(fdwhandler, 0)::regproc::text, nullif(fdwvalidator, 0)::regproc::text, {options}),
                fdwowner, fdwacl, acldefault('F', fdwowner)
         from pg_foreign_data_wrapper as it where {NOT_OF_AN_EXTENSION}",
        options = options("fdwoptions"),
    )
}

/// Of a user mapping the names of its options only: its values are secrets.
fn servers() -> String {
    format!(
        "select 'foreign server ' || quote_ident(srvname),
                concat_ws('; ', 'by ' || quote_ident(fdwname), 'type ' || srvtype, 'version ' || srvversion, {server}),
                srvowner, srvacl, acldefault('S', srvowner)
         from pg_foreign_server as it join pg_foreign_data_wrapper on pg_foreign_data_wrapper.oid = srvfdw
         union all
         select 'user mapping for ' || {user} || ' at ' || quote_ident(srvname),
                coalesce((select 'with ' || string_agg(split_part(option, '=', 1), ', ' order by option collate \"C\")
                          from unnest(umoptions) as option), 'without options'), {BARE}
         from pg_user_mapping join pg_foreign_server on pg_foreign_server.oid = umserver cross join part
         union all
         select 'options of foreign table ' || home.called || '.' || quote_ident(relname),
                concat_ws('; ', 'by ' || quote_ident(srvname), {table}), {BARE}
         from pg_foreign_table join pg_class as it on it.oid = ftrelid join home on home.oid = relnamespace
         join pg_foreign_server on pg_foreign_server.oid = ftserver where {NOT_OF_AN_EXTENSION}",
        user = called("umuser"),
        server = options("srvoptions"),
        table = options("ftoptions"),
    )
}

/// Those of others than the app's logins, whose data they are, where somebody may do something with
/// them that is nobody's to do, or that belong to a stranger. Ids are others in each database.
fn large_objects() -> String {
    format!(
        "select 'large objects of ' || {owner}, 'some', null, rights, acldefault('L', lomowner)
         from (select lomowner, array_agg(distinct acl::text) filter (where acl is not null)::aclitem[] as rights
               from pg_largeobject_metadata left join unnest(lomacl) as acl on true cross join part
               where lomowner is distinct from part.app
                 and not exists (select from pg_auth_members where roleid = part.apps and member = lomowner)
                 and (lomowner is distinct from part.owner
                      or exists (select from aclexplode(lomacl)
                                 where grantee <> lomowner and grantee is distinct from part.apps
                                   and grantee is distinct from part.app))
               group by lomowner) as large cross join part",
        owner = called("lomowner"),
    )
}

fn event_triggers() -> String {
    format!(
        "select 'event trigger ' || quote_ident(evtname),
                concat_ws('; ', 'on ' || evtevent, array_to_string(evttags, ', '), 'calls ' || evtfoid::regprocedure::text,
                    case when evtenabled <> 'O' then 'fires ' || evtenabled::text end), evtowner, null, null
         from pg_event_trigger as it where {}",
        is_dependent()
    )
}

fn text_search() -> String {
    format!(
        "select 'text search configuration ' || home.called || '.' || quote_ident(cfgname),
                concat_ws('; ', 'parser ' || quote_ident(prsname),
                    (select string_agg(maptokentype::text || ' ' || mapdict::regdictionary::text, ', '
                                       order by maptokentype, mapseqno)
                     from pg_ts_config_map where mapcfg = it.oid)), cfgowner, null, null
         from pg_ts_config as it join home on home.oid = cfgnamespace
         join pg_ts_parser on pg_ts_parser.oid = cfgparser where {is_dependent}
         union all
         select 'text search dictionary ' || home.called || '.' || quote_ident(dictname),
                concat_ws('; ', 'template ' || quote_ident(tmplname), dictinitoption), dictowner, null, null
         from pg_ts_dict as it join home on home.oid = dictnamespace
         join pg_ts_template on pg_ts_template.oid = dicttemplate where {is_dependent}",
        is_dependent = is_dependent(),
    )
}

/// Told by name, and little more.
fn others() -> String {
    format!(
        "select 'statistics ' || home.called || '.' || quote_ident(stxname), pg_get_statisticsobjdef(it.oid),
                stxowner, null, null
         from pg_statistic_ext as it join home on home.oid = stxnamespace where {is_dependent}
         union all
         select 'collation ' || home.called || '.' || quote_ident(collname),
                concat_ws('; ', collprovider::text, collcollate,
                    coalesce(to_jsonb(it) ->> 'colliculocale', to_jsonb(it) ->> 'colllocale'),
                    case when not collisdeterministic then 'not deterministic' end), collowner, null, null
         from pg_collation as it join home on home.oid = collnamespace where {is_dependent}
         union all
         select 'language ' || quote_ident(lanname),
                concat_ws('; ', case when lanpltrusted then 'trusted' end, lanplcallfoid::regproc::text,
                    nullif(laninline, 0)::regproc::text, nullif(lanvalidator, 0)::regproc::text), lanowner, null, null
         from pg_language as it where {is_dependent}
         union all
         select thing.type || ' ' || thing.identity, 'not PostgreSQL''s own', null, null, null
         from (select distinct classid, objid from ({DEPENDENT}) as it
               where classid = any('{{3601,3764,2607,2601,2616,2753,3576}}'::oid[])) as it
         cross join lateral pg_identify_object(classid, objid, 0) as thing
         where (classid, objid) not in (select class, id from member)",
        is_dependent = is_dependent(),
    )
}
