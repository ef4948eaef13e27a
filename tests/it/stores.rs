//! Every statement in a `store.rs` is one that PostgreSQL accepts on the schema as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::world::World;

/// A statement in the sources.
struct Statement {
    path: String,
    line: usize,
    text: String,
}

impl Statement {
    /// Whether this is all of it, and not a part of what is put together when it is run.
    fn is_whole(&self) -> bool {
        !self.text.contains('{') && !self.text.ends_with(' ')
    }
}

fn stores(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            stores(&path, found);
        } else if path.ends_with("store.rs") {
            found.push(path);
        }
    }
}

/// The string literals of a source, each with its line. Escapes are resolved as Rust does; a
/// comment, a character or a lifetime is none.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some((start, character)) = rest.next() {
        match character {
            '/' if source[start..].starts_with("//") => {
                while rest.next_if(|(_, it)| *it != '\n').is_some() {}
            }
            '\'' if source[start..].starts_with("'\"'") => {
                rest.nth(1);
            }
            '"' => {
                let mut text = String::new();
                while let Some((_, character)) = rest.next() {
                    match character {
                        '"' => break,
                        '\\' => match rest.next() {
                            Some((_, '\n')) => while rest.next_if(|(_, it)| it.is_whitespace()).is_some() {},
                            Some((_, 'n')) => text.push('\n'),
                            Some((_, other)) => text.push(other),
                            None => break,
                        },
                        other => text.push(other),
                    }
                }
                found.push((source[..start].lines().count(), text));
            }
            _ => {}
        }
    }
    found
}

/// As many were found when this was written; fewer means that this test has stopped finding them.
const WHOLE: usize = 282;

/// The statements of a source. `{NAME}` stands for the constant of that name in the same file;
/// what is put together in another way is no whole statement.
fn statements(path: &Path) -> Vec<Statement> {
    let source = fs::read_to_string(path).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap();
    let all = literals(source);
    let mut constants = Vec::new();
    for (at, line) in source.lines().enumerate() {
        if let Some((name, _)) = line.strip_prefix("const ").and_then(|line| line.split_once(": &str =")) {
            let (_, value) = all.iter().find(|(line, _)| *line > at).unwrap();
            constants.push((format!("{{{name}}}"), value));
        }
    }
    let mut found = Vec::new();
    for (line, text) in &all {
        let verb = text.split_whitespace().next().unwrap_or_default();
        if !["select", "insert", "update", "delete", "with"].contains(&verb) || !text.contains(' ') {
            continue;
        }
        let mut text = text.clone();
        for (name, value) in &constants {
            text = text.replace(name, value);
        }
        let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        found.push(Statement { path, line: *line, text });
    }
    found
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are the snapshot")]
fn every_statement_of_a_store_fits_the_schema() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let realm = world.control_sql("select database_name from control.tenants").remove(0);
    let mut paths = Vec::new();
    stores(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features"), &mut paths);
    paths.sort();
    let all: Vec<Statement> = paths.iter().flat_map(|path| statements(path)).collect();
    let (all, parts): (Vec<Statement>, Vec<Statement>) = all.into_iter().partition(Statement::is_whole);
    assert!(all.len() >= WHOLE, "only {} statements were found", all.len());
    let parts = parts.iter().map(|it| {
        let words: Vec<&str> = it.text.split_whitespace().take(8).collect();
        format!("{}: {}", it.path, words.join(" "))
    });
    // Those that run them are the tests of their features.
    insta::assert_snapshot!(parts.collect::<Vec<_>>().join("\n"), @r#"
    src/features/access/store.rs: with recursive chain (group_id, parent_id, way) as (
    src/features/access/store.rs: select roles.name as role, '{}'::text[] as groups, role_permissions.permission,
    src/features/audit/store.rs: insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
    src/features/audit/store.rs: select coalesce(log.sequence, 0) as sequence, coalesce(log.id, 0) as
    src/features/audit/store.rs: select coalesce(log.sequence, 0) as sequence, coalesce(log.id, 0) as
    src/features/business/store.rs: select {} as set, max(version)::bigint as version from
    src/features/files/store.rs: select id, object_key, name, content_type, size, encode(sha256, 'hex')
    src/features/files/store.rs: select count(*) from (select from nexus.files where
    src/features/fleet/runs/store.rs: select runs.id, runs.kind, runs.state, runs.caller, plan ->> 'selection'
    src/features/iam/custom_fields/store.rs: select exists (select from nexus.users where fields <>
    src/features/iam/custom_fields/store.rs: select exists (select from nexus.groups where fields <>
    src/features/iam/custom_fields/store.rs: with chosen as ( select id from nexus.users
    src/features/iam/custom_fields/store.rs: with chosen as ( select id from nexus.groups
    src/features/iam/custom_fields/store.rs: update nexus.users set fields = fields - $1::text,
    src/features/iam/custom_fields/store.rs: update nexus.groups set fields = fields - $1::text,
    src/features/iam/custom_fields/store.rs: update nexus.users set fields = '{}' where id
    src/features/iam/groups/store.rs: select groups.id, groups.name, groups.description, parent.name as parent, array(select
    src/features/iam/groups/store.rs: select count(*) from (select from nexus.groups left join
    src/features/iam/groups/store.rs: with recursive chain (name, parent_id, via) as (
    src/features/iam/idempotency/store.rs: update nexus.idempotency_keys set carried_out = true where caller
    src/features/iam/log/store.rs: select * from ((
    src/features/iam/roles/store.rs: select id, name, description, built_in, array(select permission ||
    src/features/iam/roles/store.rs: select count(*) from (select from nexus.roles where true
    src/features/iam/signin/store.rs: insert into nexus.sessions (id, user_id, client, second_factor, {}created_at,
    src/features/iam/store.rs: with made as ( insert into nexus.users (id,
    src/features/iam/users/store.rs: select users.id, users.email, users.name, case when users.deleted_at is
    src/features/iam/users/store.rs: with recursive parts as ( {first} union select
    src/features/iam/users/store.rs: select user_id from nexus.group_members where group_id = any
    src/features/iam/users/store.rs: select users.id, users.email, users.name, case when users.deleted_at is
    src/features/iam/users/store.rs: select count(*) from (select from nexus.users where
    src/features/iam/users/store.rs: update nexus.users set email = id || '@erased.invalid',
    src/features/inspection/store.rs: select {}
    src/features/inspection/store.rs: select exists (select from control.runners where id::text =
    src/features/inspection/store.rs: select tenant_id from control.run_tenants where opened and {}
    src/features/inspection/store.rs: select name from control.scratch_databases where cluster = $1
    src/features/inspection/store.rs: select exists (select from control.templates where database_name =
    src/features/inspection/store.rs: select {}
    src/features/jobs/claims/store.rs: with {first}, held as ( select * from
    src/features/jobs/store.rs: update control.jobs set due_at = {LEASE} from unnest($2::uuid[],
    src/features/jobs/store.rs: select
    src/features/jobs/store.rs: select count(*) from (select
    src/features/notifications/inbox/store.rs: select id, position, left(kind, 80) as kind, left(title,
    src/features/notifications/store.rs: select left(notifications.kind, 80) as kind, channel, user_id, left(address,
    src/features/notifications/store.rs: select notifications.id, request_id, left(notifications.kind, 80) as kind, channel,
    src/features/placement/store.rs: select connections, system_id, (select case when is_called then
    src/features/placement/store.rs: with fits as ( select true as server,
    src/features/placement/template/store.rs: select database_name, owner_role, templates.state = 'ready' as ready,
    src/features/placement/template/store.rs: insert into control.tenant_versions (tenant_id, set_name, version, files) select
    src/features/provisioning/operations/store.rs: with operation as ( select operations.*, tenants.slug from
    src/features/provisioning/operations/store.rs: select id, tenant_id, slug, kind, seen_state as state,
    src/features/provisioning/operations/store.rs: select count(*) from found
    src/features/provisioning/queue/store.rs: with queued as ( select id, caller, created_at,
    src/features/provisioning/queue/store.rs: with failed as ( select id, attempts +
    src/features/provisioning/store.rs: select id::text from control.tenants where {which}
    src/features/provisioning/store.rs: update control.operations set state = 'rolled_back', updated_at =
    src/features/provisioning/store.rs: with marked as ({mark})
    src/features/provisioning/store.rs: select from control.{table} where name = {} for
    src/features/provisioning/store.rs: select {}
    src/features/provisioning/store.rs: select bucket as neighbour from control.tenants where state
    src/features/record/store.rs: select {STATE}
    src/features/secrets/store.rs: with made as ( insert into control.data_keys (id,
    src/features/secrets/store.rs: select id, master_key_id, wrapped, manifest, manifest_generation from control.data_keys
    src/features/secrets/store.rs: with listed as ( update control.data_keys set manifest
    src/features/secrets/store.rs: select k.id, k.master_key_id, k.wrapped, k.manifest, k.manifest_generation, s.name, s.generation,
    src/features/templates/store.rs: select distinct on (kind, channel, language) kind, channel,
    src/features/templates/store.rs: select kind, channel, language, version, left(subject, 1000) as
    src/features/templates/store.rs: select distinct on (channel, language) kind, channel, language,
    src/features/tenants/life/store.rs: update control.tenants set state = 'suspended', updated_at =
    src/features/tenants/life/store.rs: update control.tenants set state = 'suspended', updated_at =
    src/features/tenants/life/store.rs: update control.tenants set state = 'trashed', updated_at =
    src/features/tenants/life/store.rs: update control.tenants set state = 'deleting', updated_at =
    src/features/tenants/list/store.rs: select {COLUMNS} from control.tenants join (select id from
    src/features/tenants/list/store.rs: select {COLUMNS} from control.tenants where
    src/features/tenants/list/store.rs: select count(*) from (select from control.tenants where
    src/features/tenants/list/store.rs: select {COLUMNS} from control.tenants where
    src/features/tenants/list/store.rs: select count(*) as fit, array[
    src/features/tenants/store.rs: with taken as ( delete from control.retired_slugs where
    src/features/tenants/store.rs: with chosen as ( select id as chosen_id
    src/features/tenants/store.rs: select {COLUMNS} from control.tenants where slug = $1
    src/features/tenants/store.rs: select {COLUMNS} from control.tenants where id = $1
    src/features/tenants/store.rs: select {COLUMNS} from control.tenants where {condition}
    src/features/tenants/store.rs: select {COLUMNS} from control.tenants where id = $1
    src/features/tenants/store.rs: update control.tenants set state = {}, updated_at =
    src/features/tenants/store.rs: update control.tenants set access_key_id = {}, key_checksum =
    src/features/tenants/store.rs: select id, slug from control.tenants where
    src/features/tokens/store.rs: with now as materialized ( select exists (select
    src/features/webhooks/store.rs: select id, event_id, event_type, event_at, state, attempts, next_at,
    src/features/webhooks/store.rs: select count(*) from (select from control.webhook_deliveries where webhook_id
    src/features/webhooks/store.rs: delete from control.{table} where tenant_id = $1
    "#);
    let mut wrong = Vec::new();
    // The control database holds a realm, too: the platform's.
    for database in [&world.control, &realm] {
        let fits: Vec<&Statement> =
            all.iter().filter(|it| *database == world.control || !it.text.contains("control.")).collect();
        let prepared = |it: &&Statement| {
            format!("set search_path = pg_catalog, pg_temp; deallocate all; prepare it as {}", it.text)
        };
        let said = world.stack().sql_each(database, &fits.iter().map(prepared).collect::<Vec<_>>());
        for (Statement { path, line, text }, said) in fits.into_iter().zip(said) {
            // psql declares no parameter's type, the driver declares each one's.
            if let Some(said) =
                said.err().filter(|said| !said.contains("could not determine data type of parameter"))
            {
                wrong.push(format!("{path}:{line}: {said}{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
