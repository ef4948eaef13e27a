//! What the schema of a database looks like, as lines of text: the same for any two databases whose
//! schemas are the same, whatever their roles are called and in which order things were made.
//!
//! Reads the catalogue only. In a session with a fixed search path no function, operator or cast of
//! the database's own runs: PostgreSQL's own functions put definitions into words.

mod built_in;
mod rare;

pub(super) use built_in::INITDB;
pub(super) use rare::DEPENDENT;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use super::{APP_ROLE, ClusterError};
use crate::infra::db::{PgConnection, literal};

/// The roles that every tenant has under names of its own.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The role that owns the objects.
    pub owner: &'a str,
    /// The role that the app logs in as. What it may do by itself is told; what it may as a member of the
    /// role for all apps is that role's.
    pub app: &'a str,
    /// The database whose settings are told: a clone that is made to be looked at has none.
    pub database: &'a str,
    /// The database was there before Nexus: what its app may do by itself is its owner's affair.
    pub adopted: bool,
}

/// A thing in a database, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Line(pub String, pub String);

/// What this program reads, and of which server: what was read otherwise cannot be compared.
pub async fn recipe(session: &mut PgConnection) -> Result<String, ClusterError> {
    static READ: LazyLock<String> = LazyLock::new(|| {
        let parts = Parts { owner: "", app: "", database: "", adopted: false };
        let read = [&usual()[..], &rare::branches(), &[rare::is_there(parts)]].concat();
        STANDARD.encode(Sha256::digest(statement(parts, &read, DIGEST).as_bytes()))
    });
    let server: String =
        sqlx::query_scalar("select current_setting('server_version_num')").fetch_one(session).await?;
    Ok(format!("{server}/{}", *READ))
}

/// The lines, in order.
pub async fn schema_lines(session: &mut PgConnection, parts: Parts<'_>) -> Result<Vec<Line>, ClusterError> {
    Ok(schema(session, parts).await?.0)
}

/// The lines, in order, and their [`schema_digest`].
pub async fn schema(
    session: &mut PgConnection,
    parts: Parts<'_>,
) -> Result<(Vec<Line>, String), ClusterError> {
    let (mut lines, mut digests) = (Vec::new(), Vec::new());
    for rows in rows(session, parts, "select what, how from line").await? {
        let mut some = Vec::new();
        for row in rows {
            some.push(Line(row.try_get(0)?, row.try_get(1)?));
        }
        some.sort();
        let texts: Vec<String> = some.iter().map(|Line(what, how)| format!("{what}\x1f{how}")).collect();
        digests.extend((!texts.is_empty()).then(|| sha256(&texts.join("\x1e"))));
        lines.append(&mut some);
    }
    lines.sort();
    Ok((lines, both(&digests)))
}

/// SHA-256 of the lines, in hexadecimal digits, made by the server; of two of them where there are
/// rare things.
pub async fn schema_digest(session: &mut PgConnection, parts: Parts<'_>) -> Result<String, ClusterError> {
    let mut digests = Vec::new();
    for rows in rows(session, parts, DIGEST).await? {
        for row in rows {
            digests.extend(row.try_get::<Option<String>, _>(0)?);
        }
    }
    Ok(both(&digests))
}

fn both(digests: &[String]) -> String {
    if digests.len() > 1 { sha256(&digests.concat()) } else { digests.concat() }
}

fn sha256(text: &str) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

const DIGEST: &str = "select encode(sha256(convert_to(string_agg(what || E'\\x1f' || how, E'\\x1e'
    order by what, how), 'UTF8')), 'hex') from line";

/// What is asked of the usual lines and of rare ones. Of these it is asked only where there are any:
/// planning what is needed for them takes longer than reading what most databases have.
async fn rows(
    session: &mut PgConnection,
    parts: Parts<'_>,
    asked: &str,
) -> Result<Vec<Vec<PgRow>>, ClusterError> {
    let both = format!("{}; {}", rare::is_there(parts), statement(parts, &usual(), asked));
    let mut rows = sqlx::raw_sql(AssertSqlSafe(both)).fetch_all(&mut *session).await?.into_iter();
    let is_there = rows.next().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    let mut all = vec![rows.collect()];
    if is_there {
        let rare = statement(parts, &rare::branches(), asked);
        all.push(sqlx::raw_sql(AssertSqlSafe(rare)).fetch_all(session).await?);
    }
    Ok(all)
}

/// Who owns a thing, in terms of parts.
fn called(role: &str) -> String {
    format!(
        "case {role} when part.owner then 'owner' when part.app then 'app'
                     when 0 then 'PUBLIC' else pg_get_userbyid({role})::text end"
    )
}

/// Who may do what with a thing, where that is not what they could do at first. The owner role is a
/// member of `pg_database_owner`, so rights at what that role owns tell nothing new.
///
/// One text for all kinds of things: planning the whole statement is what a look at a small database
/// costs most.
fn rights() -> String {
    let entries = |rights: &str, now: bool| {
        format!(
            "select grantee, privilege_type || case when is_grantable then ' and grant it' else '' end, {now}
             from aclexplode({rights})"
        )
    };
    format!(
        "(select string_agg(may, '; ' order by may) from (
             select {grantee} || ' may '
                    || coalesce(string_agg(distinct item, ', ' order by item) filter (where now), 'nothing')
             from ({now} union all {at_first}) as entry (grantee, item, now)
             where not (thing.owner is not distinct from part.database_owner and grantee is not distinct from part.owner)
               and not (part.adopted and grantee is not distinct from part.app)
             group by grantee
             having array_agg(distinct item) filter (where now)
                    is distinct from array_agg(distinct item) filter (where not now)) as granted (may))",
        grantee =
            format_args!("case when grantee = thing.owner then 'its owner' else {} end", called("grantee")),
        now = entries("rights", true),
        at_first = entries("at_first", false),
    )
}

/// Of what has no owner and no rights of its own.
const BARE: &str = "null::oid, null::aclitem[], null::aclitem[]";

/// Objects with an id from 16384 on were not made by initdb (manual, chapter 68.2); schema public
/// has a lower one. What an extension made is the extension's.
const NOT_OF_AN_EXTENSION: &str = "(it.tableoid, it.oid) not in (select class, id from member)";

/// What nearly every database has.
fn usual() -> Vec<String> {
    vec![
        schemas(),
        relations(),
        columns(),
        constraints(),
        indexes(),
        rules_and_triggers(),
        functions(),
        types(),
        policies(),
        default_rights(),
        settings(),
        built_in::plpgsql(),
        built_in::database(),
        built_in::owner_role(),
    ]
}

/// A statement about lines of these kinds, as a table `line (what, how)`. Each of them selects what a
/// thing is and how, who owns it where that is told, its rights, and what they were at first.
fn statement(parts: Parts<'_>, branches: &[String], asked: &str) -> String {
    format!(
        "with part (owner, app, apps, database, adopted, database_owner) as materialized (
             select (select oid from pg_authid where rolname = {owner}), (select oid from pg_authid where rolname = {app}),
                    to_regrole('{APP_ROLE}')::oid, (select oid from pg_database where datname = {database}), {adopted},
                    to_regrole('pg_database_owner')::oid
         ), {INITDB}, home (oid, called) as materialized (
             select oid, quote_ident(nspname) from pg_namespace
             where not starts_with(nspname, 'pg_toast') and not starts_with(nspname, 'pg_temp_')
         ), member (class, id) as materialized (
             select classid, objid from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e'
         ), thing (what, how, owner, rights, at_first) as materialized (
             {union}
         ), told (what, how) as materialized (
             select what, concat_ws('; ', 'of ' || {called}, nullif(how, ''), case when rights is not null then {rights} end)
             from thing cross join part
         ), line (what, how) as (
             select what collate \"C\", how collate \"C\" from told where how <> ''
         ) {asked}",
        owner = literal(parts.owner),
        app = literal(parts.app),
        database = literal(parts.database),
        adopted = parts.adopted,
        called = called("thing.owner"),
        rights = rights(),
        union = branches.join("\n             union all\n             "),
    )
}

fn schemas() -> String {
    "select 'schema ' || quote_ident(nspname), null, nspowner, nspacl, acldefault('n', nspowner)
     from pg_namespace where (oid >= 16384 or nspname = 'public') and not starts_with(nspname, 'pg_')"
        .to_owned()
}

fn relations() -> String {
    format!(
        "select case relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'f' then 'foreign table '
                             when 'S' then 'sequence ' else 'table ' end || home.called || '.' || quote_ident(relname),
                concat_ws('; ', case relpersistence when 'u' then 'unlogged' end,
                    case when relkind = 'p' then 'partitioned by ' || pg_get_partkeydef(it.oid) end,
                    (select string_agg('child of ' || over.called || '.' || quote_ident(parent.relname), ', '
                                       order by inhseqno)
                     from pg_inherits join pg_class as parent on parent.oid = inhparent
                     join home as over on over.oid = parent.relnamespace where inhrelid = it.oid),
                    pg_get_expr(relpartbound, it.oid),
                    case when relrowsecurity then 'row security' end,
                    case when relforcerowsecurity then 'row security for its owner, too' end,
                    case when relreplident not in ('d', 'n') then 'replica identity ' || relreplident::text end,
                    'with ' || array_to_string(reloptions, ', '),
                    case when relkind in ('v', 'm') then pg_get_viewdef(it.oid) end,
                    (select format('%s from %s by %s, %s to %s, cache %s%s', format_type(seqtypid, null), seqstart,
                                   seqincrement, seqmin, seqmax, seqcache, case when seqcycle then ', cycles' end)
                     from pg_sequence where seqrelid = it.oid),
                    (select 'of column ' || of.called || '.' || quote_ident(used.relname) || '.' || quote_ident(attname)
                     from pg_depend join pg_class as used on used.oid = refobjid
                     join home as of on of.oid = used.relnamespace
                     join pg_attribute on attrelid = refobjid and attnum = refobjsubid
                     where it.relkind = 'S' and classid = 'pg_class'::regclass and objid = it.oid
                       and refclassid = 'pg_class'::regclass and deptype in ('a', 'i'))),
                relowner, relacl, acldefault(case relkind when 'S' then 's' else 'r' end::\"char\", relowner)
         from pg_class as it join home on home.oid = relnamespace
         where it.oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'f', 'S') and relpersistence <> 't'
           and {NOT_OF_AN_EXTENSION}"
    )
}

/// An option of a column whose name begins with `pg_` is the server's own, and another one in each
/// database: PostgreSQL 15.20 keeps `pg_attver` there.
fn columns() -> String {
    format!(
        "select case line when 0 then 'column ' else 'rights at column ' end || home.called || '.' || quote_ident(relname) || '.' || quote_ident(attname),
                case line when 0 then concat_ws('; ', format_type(atttypid, atttypmod), case when attnotnull then 'not null' end,
                    case attgenerated when '' then 'default ' else 'generated ' end || pg_get_expr(adbin, adrelid),
                    case attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end,
                    case when attcollation <> typcollation
                         then (select 'collation ' || quote_ident(collname) from pg_collation where oid = attcollation) end,
                    case when attstorage <> typstorage then 'storage ' || attstorage::text end,
                    case when attcompression <> '' then 'compression ' || attcompression::text end,
                    'with ' || nullif(array_to_string(array(
                        select option from unnest(attoptions) as option where not starts_with(option, 'pg_')), ', '), ''),
                    case when attfdwoptions is not null then {for_its_server} end) end,
                null, case line when 1 then attacl end, null
         from pg_class as it join home on home.oid = relnamespace
         join pg_attribute on attrelid = it.oid and attnum > 0 and not attisdropped
         join pg_type on pg_type.oid = atttypid
         left join pg_attrdef on adrelid = attrelid and adnum = attnum
         cross join generate_series(0, (attacl is not null)::int) as line
         where it.oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'f', 'c') and relpersistence <> 't'
           and {NOT_OF_AN_EXTENSION}",
        for_its_server = rare::options("attfdwoptions"),
    )
}

fn constraints() -> String {
    format!(
        "select 'constraint ' || home.called || '.' || quote_ident(coalesce(relname, typname)) || '.' || quote_ident(conname),
            pg_get_constraintdef(it.oid), {BARE}
     from pg_constraint as it join home on home.oid = connamespace
     left join pg_class on pg_class.oid = conrelid left join pg_type on pg_type.oid = contypid
     where it.oid >= 16384 and contype <> 't' and relpersistence is distinct from 't'"
    )
}

/// Those that stand behind a constraint are told with it.
fn indexes() -> String {
    format!(
        "select 'index ' || home.called || '.' || quote_ident(it.relname),
            concat_ws('; ', pg_get_indexdef(indexrelid), case when indisclustered then 'clustered' end,
                case when indisreplident then 'replica identity' end), {BARE}
     from pg_index join pg_class as it on it.oid = indexrelid join home on home.oid = relnamespace
     where indexrelid >= 16384 and indrelid >= 16384 and relpersistence <> 't'
       and not exists (select from pg_constraint where conindid = indexrelid and conrelid = indrelid
                       and contype in ('p', 'u', 'x'))"
    )
}

/// Of PostgreSQL's own triggers, which hold foreign keys, it is told which do not fire.
fn rules_and_triggers() -> String {
    format!(
        "select 'rule ' || home.called || '.' || quote_ident(relname) || '.' || quote_ident(rulename),
                concat_ws('; ', pg_get_ruledef(it.oid), case when ev_enabled <> 'O' then 'fires ' || ev_enabled::text end), {BARE}
         from pg_rewrite as it join pg_class on pg_class.oid = ev_class join home on home.oid = relnamespace
         where it.oid >= 16384 and rulename <> '_RETURN'
         union all
         select *, {BARE} from (select distinct 'trigger ' || home.called || '.' || quote_ident(relname) || '.'
                    || quote_ident(case when tgisinternal then conname else tgname end),
                concat_ws('; ', case when not tgisinternal then pg_get_triggerdef(it.oid) else 'of the constraint' end,
                    case when tgenabled <> 'O' then 'fires ' || tgenabled::text end)
         from pg_trigger as it join pg_class on pg_class.oid = tgrelid join home on home.oid = relnamespace
         left join pg_constraint on pg_constraint.oid = tgconstraint
         where it.oid >= 16384 and (not tgisinternal or tgenabled <> 'O')) as fired"
    )
}

fn functions() -> String {
    format!(
        "select case prokind when 'a' then 'aggregate ' when 'p' then 'procedure ' else 'function ' end
                    || home.called || '.' || quote_ident(proname) || '(' || pg_get_function_identity_arguments(it.oid) || ')',
                case when prokind = 'a' then pg_get_function_result(it.oid) || ' by '
                     || (select concat_ws(', ', aggtransfn::text, nullif(aggfinalfn::text, '-'), agginitval)
                         from pg_aggregate where aggfnoid = it.oid)
                     else pg_get_functiondef(it.oid) end,
                proowner, proacl, acldefault('f', proowner)
         from pg_proc as it join home on home.oid = pronamespace
         where it.oid >= 16384 and {NOT_OF_AN_EXTENSION}"
    )
}

fn types() -> String {
    format!(
        "select case typtype when 'd' then 'domain ' else 'type ' end || home.called || '.' || quote_ident(typname),
                case typtype
                        when 'e' then 'enum ' || (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)
                                                  from pg_enum where enumtypid = it.oid)
                        when 'd' then concat_ws('; ', format_type(typbasetype, typtypmod),
                                                case when typnotnull then 'not null' end, 'default ' || typdefault)
                        when 'c' then 'composite'
                        when 'r' then 'range of ' || (select format_type(rngsubtype, null) from pg_range
                                                      where rngtypid = it.oid)
                        when 'm' then 'multirange'
                        else 'base' end,
                typowner, typacl, acldefault('T', typowner)
         from pg_type as it join home on home.oid = typnamespace
         where it.oid >= 16384 and typcategory <> 'A'
           and (typrelid = 0 or exists (select from pg_class where pg_class.oid = typrelid and relkind = 'c'))
           and {NOT_OF_AN_EXTENSION}"
    )
}

fn policies() -> String {
    format!(
        "select 'policy ' || home.called || '.' || quote_ident(relname) || '.' || quote_ident(polname),
                concat_ws('; ', case polpermissive when true then 'permissive' else 'restrictive' end,
                    'for ' || polcmd::text,
                    'to ' || (select string_agg({role}, ', ' order by {role}) from unnest(polroles) as role),
                    'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid)), {BARE}
         from pg_policy as it join pg_class on pg_class.oid = polrelid join home on home.oid = relnamespace
         cross join part where it.oid >= 16384",
        role = called("role"),
    )
}

/// An entry of one schema adds to what there is (manual, chapter 53.15). An app's login can write its own at
/// any time, and they are for nothing: it may create nothing.
fn default_rights() -> String {
    format!(
        "select 'default rights of ' || {of} || coalesce(' in ' || home.called, '') || ' on '
                    || case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                          when 'T' then 'types' else 'schemas' end,
                null, null, defaclacl,
                case when defaclnamespace = 0
                     then acldefault(case defaclobjtype when 'S' then 's' else defaclobjtype end, defaclrole) end
         from pg_default_acl left join home on home.oid = defaclnamespace cross join part
         where defaclrole is distinct from part.app and defaclrole is distinct from part.apps",
        of = called("defaclrole"),
    )
}

/// Those of the database, and of its owner, its app's login or the role for all apps there; of the owner
/// everywhere.
fn settings() -> String {
    format!(
        "select 'setting ' || split_part(setting, '=', 1) || case when setrole = 0 then '' else ' of ' || {of} end
                    || case when setdatabase = 0 then ' everywhere' else '' end,
                substr(setting, strpos(setting, '=') + 1), {BARE}
         from pg_db_role_setting cross join part cross join unnest(setconfig) as setting
         where setdatabase = part.database and setrole in (0, part.owner, part.app, part.apps)
            or setdatabase = 0 and setrole = part.owner",
        of = called("setrole"),
    )
}
