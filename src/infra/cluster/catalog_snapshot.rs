//! Looks into a database: whether anything was written since another look to its catalogue or to the
//! histories of its migrations.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::ClusterError;
use super::fingerprint::{DEPENDENT, INITDB};
use crate::infra::db::{History, PgConnection, literal};

/// The catalogue of a database.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Another one whenever a row of it was written.
    pub rows: String,
    /// Indexes that a failed concurrent build left, those being built at this moment left out.
    pub invalid: Vec<String>,
}

/// How many rows were ever written, as the server counts; begins anew when the server lost count.
/// Both are empty where somebody may have written rows that it does not count yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Anywhere in the database.
    pub anywhere: String,
    /// In the catalogue and in the histories.
    pub schema: String,
}

impl Written {
    /// Whether the server has counted since it counted these in the catalogue and the histories, without
    /// beginning anew.
    #[must_use]
    pub fn goes_on_from(&self, schema: &str) -> bool {
        let since = |counters: &str| counters.split_once('/').map(|(_, since)| since.to_owned());
        since(&self.schema).is_some_and(|it| since(schema) == Some(it))
    }
}

/// Counts what was written, the schema only where anything was since `known`. What is read after
/// this is what was counted, or newer.
pub async fn written(
    session: &mut PgConnection,
    database: i64,
    histories: &[&str],
    known: Option<Written>,
) -> Result<Written, ClusterError> {
    let mut anywhere = text(session, &anywhere(database)).await?;
    if anywhere.is_none() {
        // Somebody else is in the database.
        if text(session, &untold(database)).await?.is_some() {
            return Ok(Written::default());
        }
        anywhere = text(session, &counters(database)).await?;
    }
    let Some(anywhere) = anywhere.filter(|counters| counters.starts_with("on/")) else {
        return Ok(Written::default());
    };
    if let Some(known) = known.filter(|known| known.anywhere == anywhere) {
        return Ok(known);
    }
    let schema = of_schema(session, database, histories).await?;
    Ok(Written { anywhere, schema })
}

/// Every table of the catalogue that a schema is described in, by its id (`pg_class.h` and so on):
/// pg_class, pg_attribute, pg_attrdef, pg_constraint, pg_index, pg_proc, pg_type, pg_trigger,
/// pg_rewrite, pg_namespace, pg_policy, pg_default_acl, pg_extension, pg_event_trigger, pg_enum,
/// pg_sequence, pg_inherits, pg_statistic_ext, pg_publication, pg_publication_rel,
/// pg_foreign_server, pg_cast, pg_operator, pg_collation, pg_aggregate, pg_language,
/// pg_foreign_data_wrapper, pg_foreign_table, pg_publication_namespace, pg_largeobject_metadata,
/// pg_ts_config, pg_ts_config_map, pg_ts_dict, pg_ts_parser, pg_ts_template, pg_conversion, pg_am,
/// pg_opclass, pg_opfamily, pg_transform, pg_user_mapping.
const CATALOGUE: &str = "1259,1249,2604,2606,2610,1255,1247,2620,2618,2615,3256,826,3079,3466,3501,2224,2611,3381,\
                         6104,6106,1417,2605,2617,3456,2600,2612,2328,3118,6237,2995,3602,3603,3600,3601,3764,\
                         2607,2601,2616,2753,3576,1418";

/// How many rows were ever written in a database, and since when that is counted: after a crash, or
/// when somebody says so, the server begins anew (manual, chapter 28.2).
///
/// There is no operator in this and no aggregate: in a new session each of these costs more than all
/// the counters, because the server looks up every one of that name first.
fn counters(database: i64) -> String {
    format!("select {}", row_of_counters(database))
}

fn row_of_counters(database: i64) -> String {
    format!(
        "concat_ws('/', current_setting('track_counts'), pg_stat_get_db_tuples_inserted({database}),
                   pg_stat_get_db_tuples_updated({database}), pg_stat_get_db_tuples_deleted({database}),
                   pg_stat_get_bgwriter_stat_reset_time(), pg_stat_get_db_stat_reset_time({database}))"
    )
}

/// The same where nobody else is in the database.
///
/// A session tells what it wrote when it ends, or once it has been idle for ten seconds
/// (`PGSTAT_IDLE_INTERVAL` in `pgstat.c`), and not at all as long as it goes from one transaction into
/// the next. So it is asked first how many are in the database: who left before that has told, and
/// who came later has written nothing that can be seen already. CASE asks in this order (manual,
/// chapter 4.2.14).
fn anywhere(database: i64) -> String {
    let counters = row_of_counters(database);
    format!("select case when int4le(pg_stat_get_db_numbackends({database}), 1) then {counters} end")
}

/// Whether somebody else in a database may not have told yet.
fn untold(database: i64) -> String {
    format!(
        "select min(backend_type) from pg_stat_get_activity(null)
         where datid = {database}::bigint::oid and pid <> pg_backend_pid()
           and backend_type <> 'autovacuum worker'
           and (state is distinct from 'idle' or state_change is null
                or state_change > clock_timestamp() - interval '15 seconds')"
    )
}

/// How many rows of the catalogue and of the histories were ever written, and since when that is
/// counted.
async fn of_schema(
    session: &mut PgConnection,
    database: i64,
    histories: &[&str],
) -> Result<String, ClusterError> {
    let histories: Vec<String> = histories
        .iter()
        .map(|name| format!(", to_regclass({})", literal(History::new(name).quoted())))
        .collect();
    let histories = histories.concat();
    let statements = format!(
        "select concat_ws('/', pg_stat_get_bgwriter_stat_reset_time(), pg_stat_get_db_stat_reset_time({database}));
         select pg_stat_get_tuples_inserted(c), pg_stat_get_tuples_updated(c), pg_stat_get_tuples_deleted(c)
         from unnest(array[{CATALOGUE}{histories}]::oid[]) as c"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(session).await?;
    let (since, tables) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
    // Counts only grow: their sum is another when one of them is.
    let mut sum = 0;
    for table in tables {
        for column in 0..3 {
            // No history of that name is there.
            sum += table.try_get::<Option<i64>, _>(column)?.unwrap_or_default();
        }
    }
    Ok(format!("{sum}/{}", since.try_get::<&str, _>(0)?))
}

async fn text(session: &mut PgConnection, statement: &str) -> Result<Option<String>, ClusterError> {
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(session).await?;
    Ok(row.try_get(0)?)
}

/// Looks for indexes that are no good, and where it `is_asked` for what is written in the catalogue at the
/// whole of it.
pub async fn catalogue(session: &mut PgConnection, is_asked: bool) -> Result<Catalogue, ClusterError> {
    let invalid = async |session: &mut PgConnection, further: &str| {
        let statement = format!("{INVALID}{further}");
        let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(session).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, sqlx::Error>>()
    };
    let mut found = Catalogue { invalid: invalid(session, "").await?, ..Catalogue::default() };
    if !found.invalid.is_empty() {
        found.invalid = invalid(session, NOT_BEING_BUILT).await?;
    }
    if is_asked {
        let state = sqlx::raw_sql(AssertSqlSafe(&**USUAL_STATE)).fetch_one(&mut *session).await?;
        found.rows = state.try_get(0)?;
        if state.try_get(1)? {
            found.rows.push_str(&text(session, RARE_STATE).await?.unwrap_or_default());
        }
    }
    Ok(found)
}

const INVALID: &str = "select quote_ident(nspname) || '.' || quote_ident(relname)
    from pg_index join pg_class on pg_class.oid = indexrelid join pg_namespace on pg_namespace.oid = relnamespace
    where indexrelid >= 16384 and not (indisvalid and indisready)";
/// A view of many columns, which is slow to plan: it is asked only where there is something to ask.
const NOT_BEING_BUILT: &str =
    " and not exists (select from pg_stat_progress_create_index where index_relid = indexrelid)";

/// Every change of a schema writes a row of the catalogue, which then bears the number of the
/// transaction (manual, chapter 5.5); vacuuming and analysing leave it as it is. Objects with an id
/// from 16384 on were not made by initdb (chapter 68.2), which made extension plpgsql at its end; rights
/// can be granted at the others, and functions be replaced, too.
const STATE: &str = "
select encode(sha256(convert_to(concat_ws('|',
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_class
     where oid >= 16384 or xmin <> '1' and xmin::text::bigint > (table initdb)),
    (select string_agg(attrelid::text || '.' || attnum::text || '.' || xmin::text, ',' order by attrelid, attnum) from pg_attribute
     where attrelid >= 16384 or attacl is not null and xmin <> '1' and xmin::text::bigint > (table initdb)),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_attrdef),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_constraint
     where oid >= 16384),
    (select string_agg(indexrelid::text || '.' || xmin::text, ',' order by indexrelid) from pg_index
     where indexrelid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_proc
     where oid >= 16384 or xmin <> '1' and xmin::text::bigint > (table initdb)),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_type
     where oid >= 16384 or xmin <> '1' and xmin::text::bigint > (table initdb)),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_trigger
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_rewrite
     where oid >= 16384 or xmin <> '1' and xmin::text::bigint > (table initdb)),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_namespace),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_policy),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_default_acl),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_extension),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_enum),
    (select string_agg(seqrelid::text || '.' || xmin::text, ',' order by seqrelid) from pg_sequence),
    (select string_agg(inhrelid::text || '.' || xmin::text, ',' order by inhrelid, inhseqno) from pg_inherits),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_language),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_publication),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_foreign_data_wrapper),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_cast
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_operator
     where oid >= 16384),
    (select string_agg(whose, ',' order by whose)
     from (select distinct concat_ws('.', lomowner, lomacl) from pg_largeobject_metadata) as large (whose))
), 'UTF8')), 'hex')";

/// With whether a database has any of what [`RARE_STATE`] is about.
static USUAL_STATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with {INITDB} {STATE}, exists (select from pg_publication) or exists (select from pg_foreign_data_wrapper)
                  or exists ({DEPENDENT})"
    )
});

/// The same of what few databases have.
const RARE_STATE: &str = "
select encode(sha256(convert_to(concat_ws('|',
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_statistic_ext),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_event_trigger),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_publication_rel),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_publication_namespace),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_foreign_server),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_user_mapping),
    (select string_agg(ftrelid::text || '.' || xmin::text, ',' order by ftrelid) from pg_foreign_table),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_collation
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_conversion
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_am
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_opclass
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_opfamily
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_transform),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_ts_config
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_ts_dict
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_ts_parser
     where oid >= 16384),
    (select string_agg(oid::text || '.' || xmin::text, ',' order by oid) from pg_ts_template
     where oid >= 16384),
    (select string_agg(mapcfg::text || '.' || xmin::text, ',' order by mapcfg, maptokentype, mapseqno) from pg_ts_config_map
     where mapcfg >= 16384)
), 'UTF8')), 'hex')";
