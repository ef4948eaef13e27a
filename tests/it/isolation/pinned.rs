//! What the owner of a database or of a login can set does not change what our statements mean.

use nexus::infra::db::{PgConnection, ServerAddress};

use crate::support::world::World;

/// Settings that an owner can change and that no session of ours pins, with the reason.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "how a statement is worked out, not what comes of it",
        &[
            "backend_flush_after",
            "commit_siblings",
            "constraint_exclusion",
            "cpu_",
            "cursor_tuple_fraction",
            "default_statistics_target",
            "effective_",
            "enable_",
            "force_parallel_mode",
            "debug_parallel_query",
            "from_collapse_limit",
            "geqo",
            "gin_pending_list_limit",
            "hash_mem_multiplier",
            "jit",
            "join_collapse_limit",
            "logical_decoding_work_mem",
            "maintenance_",
            "max_parallel_",
            "min_parallel_",
            "parallel_",
            "plan_cache_mode",
            "random_page_cost",
            "recursive_worktable_factor",
            "seq_page_cost",
            "stats_fetch_consistency",
            "synchronize_seqscans",
            "temp_buffers",
            "vacuum_",
            "wal_skip_threshold",
            "work_mem",
            "io_",
        ],
    ),
    (
        "what a client that we are not is told",
        &["debug_", "trace_", "application_name", "wal_sender_timeout"],
    ),
    ("the network's", &["tcp_"]),
    ("the durability that an owner chose; what must last sets it itself", &["synchronous_commit"]),
    ("of an app's own searches; no statement of ours searches texts", &["default_text_search_config"]),
    (
        "it only denies, and only in the owner's own database",
        &["restrict_nonsystem_relation_kind", "transaction_timeout", "file_copy_method"],
    ),
    ("of the transaction, whose defaults are pinned", &["transaction_"]),
    ("of roles that may create roles, which no tenant is", &["createrole_self_grant"]),
    ("of a locale that is checked when a database is made", &["icu_validation_level"]),
    ("what the error of a function shows", &["plpgsql.print_strict_params"]),
    ("of replication", &["allow_", "send_abort_for_"]),
];

fn address(world: &World, database: &str) -> ServerAddress {
    world.stack().superuser(database)
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn rows(session: &mut PgConnection, statement: &'static str) -> Vec<String> {
    sqlx::query_scalar(statement).fetch_all(session).await.unwrap()
}

#[test]
fn every_setting_that_an_owner_can_change_is_pinned_or_harmless() {
    let world = World::new();
    wait(async {
        let server = address(&world, &world.control);
        let sessions = [
            server.connect("test").await.unwrap(),
            server.connect_reading("test").await.unwrap(),
            server.connect_acting("test", "nexus").await.unwrap(),
        ];
        for mut session in sessions {
            // "client": said in the startup packet.
            let statement = "select name from pg_settings where context = 'user' and source <> 'client'";
            let open = rows(&mut session, statement).await;
            assert!(open.len() > 20, "{open:?}");
            let known =
                |name: &String| HARMLESS.iter().any(|(_, names)| names.iter().any(|it| name.starts_with(it)));
            let unknown: Vec<_> = open.iter().filter(|name| !known(name)).collect();
            assert!(unknown.is_empty(), "neither pinned nor harmless: {unknown:?}");
        }
    });
}

#[test]
fn a_database_whose_owner_set_everything_otherwise_is_read_as_any_other() {
    let world = World::new();
    let name = format!("{}_pinned", world.control);
    world.sql("postgres", &format!("create database {name} template template0"));
    world.sql("postgres", &format!("comment on database {name} is 'nexus:{}:files'", world.id));
    for setting in [
        "standard_conforming_strings = off",
        "backslash_quote = on",
        "role = pg_monitor",
        "search_path = public",
        "quote_all_identifiers = on",
        "transform_null_equals = on",
        "bytea_output = escape",
        "default_transaction_read_only = on",
        "exit_on_error = on",
        "statement_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "local_preload_libraries = 'not_there'",
        "default_table_access_method = 'not_there'",
        "row_security = off",
        "plpgsql.extra_errors = 'all'",
    ] {
        world.sql("postgres", &format!("alter database {name} set {setting}"));
    }
    wait(async {
        let server = address(&world, &name);
        let reading = "select '\\' || current_user || (null = 1 is null) || current_setting('bytea_output')";
        for mut session in [
            server.connect("test").await.unwrap(),
            server.connect_reading("test").await.unwrap(),
            server.connect_acting("test", "nexus").await.unwrap(),
        ] {
            assert_eq!(rows(&mut session, reading).await, [r"\nexustruehex"]);
        }
        // Of an app's sessions how a statement is read is pinned, and the rest is its own.
        let limits = [("statement_timeout", "0".to_owned())];
        let mut within = server.connect_within("test", &limits).await.unwrap();
        assert_eq!(rows(&mut within, r"select '\'").await, [r"\"]);
        assert_eq!(rows(&mut within, "show role").await, ["pg_monitor"]);
        let mut writing = server.connect("test").await.unwrap();
        sqlx::raw_sql("create table made (x int)").execute(&mut writing).await.unwrap_err();
        sqlx::raw_sql("create table public.made (x int)").execute(&mut writing).await.unwrap();
    });
}
