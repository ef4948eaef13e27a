//! Lists of a realm with 100,000 users, roles held, sessions and rows of the log, and of an installation with as many
//! tenants and operations: none reads a whole table.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token, operated};
use crate::support::api::ApiServer;
use crate::support::world::World;

/// What fills a realm.
const FILL: &str = "
    insert into nexus.users (id, email, email_key, name, state, created_at, last_sign_in_at, fields)
    select gen_random_uuid(), 'u' || n || '@acme.example', 'u' || n || '@acme.example', 'User ' || n,
           case when n % 1000 = 0 then 'disabled' else 'active' end,
           now() - n * interval '10 seconds', case when n % 3 = 0 then now() - n * interval '1 minute' end,
           jsonb_build_object('badge', 'B' || n)
    from generate_series(1, 100000) as n;
    insert into nexus.user_roles (user_id, role_id)
    select users.id, roles.id from nexus.users, nexus.roles where roles.name = 'Viewer' and users.email like 'u%';
    insert into nexus.sessions (id, user_id, client, second_factor, expires_at)
    select gen_random_uuid(), id, 'web', false, now() + interval '1 day' from nexus.users;
    insert into nexus.audit_log (caller, action, user_id, detail, at)
    select 'user:' || id, 'user.sign_in', id, '{}', created_at from nexus.users order by created_at;
    insert into nexus.files (id, object_key, name, content_type, size, attached_kind, attached_id, state,
                             upload_until, completed_at, sweep_at)
    select gen_random_uuid(), 'files/' || n, 'File ' || n, 'text/plain', 1, 'invoice', (n / 3)::text,
           case when n % 1000 = 0 then 'pending' when n % 1000 = 1 then 'deleting' else 'ready' end, now(), now(),
           case when n % 1000 < 2 then now() + interval '1 day' end
    from generate_series(1, 100000) as n;
    analyze nexus.files, nexus.users, nexus.user_roles, nexus.sessions, nexus.audit_log";

/// What is left of people who have signed in for long.
const SESSIONS: &str = "
    insert into nexus.sessions (id, user_id, client, second_factor, expires_at)
    select gen_random_uuid(), users.id, 'old', false, now() + interval '1 day'
    from nexus.users, generate_series(1, 100000);
    insert into nexus.refresh_tokens (token_hash, session_id, used_at, successor_hash)
    select sha256(convert_to(id::text || n, 'UTF8')), id, case n when 1 then now() end,
           case n when 1 then sha256(convert_to(id::text || 2, 'UTF8')) end
    from nexus.sessions, generate_series(1, 2) as n where client = 'old';
    analyze nexus.sessions, nexus.refresh_tokens";

#[test]
fn nobody_who_signs_in_or_goes_on_reads_all_sessions() {
    let (world, server, _) = acme_and_token();
    for statement in SESSIONS.split(';') {
        world.tenant_sql("acme", statement);
    }
    let send = |path: &str, body: &Value| server.send_json("POST", path, &["X-Tenant-ID: acme"], body);
    let login = || server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let (database, mut wrong) = (world.database_of("acme"), Vec::new());
    let mut step = |what: &str, answer: Value| {
        let found = read_whole(&world, (&database, "nexus"));
        wrong.extend(found.into_iter().map(|table| format!("{what}: {table}")));
        answer
    };
    step("filling", Value::Null);
    let first = step("login", login());
    let refreshed = send("/auth/refresh-token", &json!({ "refresh_token": first["refresh_token"] })).ok();
    let refreshed = step("refresh", refreshed);
    let token = refreshed["access_token"].as_str().unwrap();
    step("who", server.get("/auth/me", token).ok());
    send("/auth/logout", &json!({ "refresh_token": refreshed["refresh_token"] }));
    step("logout", Value::Null);
    send("/auth/forgot", &json!({ "email": "ann@acme.example" }));
    step("forgot", Value::Null);
    let wrong: Vec<_> = wrong.iter().filter(|it| !it.starts_with("filling")).collect();
    assert!(wrong.is_empty(), "read whole: {wrong:?}");
}

/// A moment so many days ago, as a query takes it.
fn days_ago(world: &World, days: u32) -> String {
    let format = "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"";
    world
        .control_sql(&format!(
            "select to_char((now() - interval '{days} days') at time zone 'UTC', '{format}')"
        ))
        .remove(0)
}

/// The cursor of a page of a log with the last rows of the last five days.
fn after(number: &str, schema: &str, sql: &dyn Fn(&str) -> Vec<String>) -> String {
    let last = format!(
        "select max({number}) from (select {number} from {schema}.audit_log
         where at >= now() - interval '5 days' order by {number} limit 3) as last"
    );
    URL_SAFE_NO_PAD.encode(sql(&last).remove(0))
}

/// The tables of a schema of which much was read since this was asked last, whole or by an index.
fn read_whole(world: &World, (database, schema): (&str, &str)) -> Vec<String> {
    // Sessions tell of their reading once they are quiet for a second, or end.
    let end =
        format!("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{database}'");
    world.sql("postgres", &end);
    let read = format!(
        "select relname || ' ' || seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables
         where schemaname = '{schema}' and seq_tup_read + coalesce(idx_tup_fetch, 0) > 50000 order by relname"
    );
    let found = world.sql(database, &read);
    world.sql(database, "select pg_stat_reset()");
    found
}

#[test]
fn no_list_reads_a_whole_table() {
    let (world, server, token) = acme_and_token();
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    // Before there is much: a change looks whether an administrator is left.
    let badge = json!({ "applies_to": "users", "name": "badge", "type": "text" });
    server.change("POST", "/custom-fields", &token, &badge).ok();
    for statement in FILL.split(';') {
        world.tenant_sql("acme", statement);
    }
    let one =
        world.tenant_sql("acme", "select id from nexus.users where email = 'u77777@acme.example'").remove(0);
    world.tenant_sql("acme", "select pg_stat_reset()");
    let paths = [
        "/users?total=none".to_owned(),
        "/users".to_owned(),
        "/users?sort=-email&total=none".to_owned(),
        "/users?sort=name&total=none".to_owned(),
        "/users?sort=-created_at&total=none".to_owned(),
        "/users?sort=-last_sign_in_at&total=none".to_owned(),
        "/users?sort=last_sign_in_at&total=none".to_owned(),
        "/users?role=Admin&total=none".to_owned(),
        "/users?state=disabled".to_owned(),
        "/users?state[in]=locked,disabled".to_owned(),
        "/users?email=u77777@acme.example".to_owned(),
        "/users?email[in]=u7@acme.example,u77777@acme.example".to_owned(),
        "/users?name=User%2077777".to_owned(),
        "/users?created_at[gt]=2100-01-01T00:00:00Z".to_owned(),
        "/users?created_at[lt]=2000-01-01T00:00:00Z".to_owned(),
        "/users?last_sign_in_at[gt]=2100-01-01T00:00:00Z".to_owned(),
        "/users?fields[badge]=B77777".to_owned(),
        "/users?fields[badge][in]=B7,B77777".to_owned(),
        "/groups".to_owned(),
        format!("/users/{one}"),
        format!("/users/{one}/roles"),
        format!("/users/{one}/groups"),
        format!("/users/{one}/sessions"),
        "/auth/sessions".to_owned(),
        "/files?total=none".to_owned(),
        "/files".to_owned(),
        "/files?state=pending".to_owned(),
        "/files?state=ready".to_owned(),
        "/files?attached_kind=invoice&attached_id=777".to_owned(),
        "/files?name=file%2077777".to_owned(),
        "/files/usage".to_owned(),
        "/audit".to_owned(),
        "/audit?action=user.create".to_owned(),
        "/audit?action[in]=user.create,role.grant".to_owned(),
        "/audit?at[lt]=2020-01-01T00:00:00Z".to_owned(),
        "/audit?role=Admin".to_owned(),
        format!("/audit?by={one}"),
        format!("/audit?user={one}"),
        "/audit?until=2020-01-01T00:00:00Z".to_owned(),
        format!("/audit?until={}", days_ago(&world, 6)),
        format!("/audit?at[lt]={}", days_ago(&world, 6)),
        format!("/audit?since={}&until={}", days_ago(&world, 7), days_ago(&world, 6)),
        // The last page.
        format!(
            "/audit?since={}&cursor={}",
            days_ago(&world, 5),
            after("id", "nexus", &|sql| world.tenant_sql("acme", sql))
        ),
        format!("/activity?user={one}"),
        format!("/activity?user={ann}"),
    ];
    let database = world.database_of("acme");
    none_reads_a_table(&world, &server, &token, (&database, "nexus"), &paths);
}

/// Asks for lists, and panics where one reads a whole table of a schema each time. Beside them a server looks at all
/// tenants now and then.
fn none_reads_a_table(
    world: &World,
    server: &ApiServer,
    token: &str,
    (database, schema): (&str, &str),
    paths: &[String],
) {
    let read_by = |path: &String| {
        // Whose sessions in the control database have just ended is not ready for a moment.
        let began = Instant::now();
        let mut answer = server.get(path, token);
        while answer.status == 503 && began.elapsed().as_secs() < 60 {
            answer = server.get(path, token);
        }
        answer.ok();
        read_whole(world, (database, schema))
    };
    let mut wrong = Vec::new();
    for path in paths {
        let mut read = read_by(path);
        for _ in 0..2 {
            if !read.is_empty() {
                let again = read_by(path);
                let name = |table: &String| table.split(' ').next().map(str::to_owned);
                read.retain(|table| again.iter().any(|other| name(other) == name(table)));
            }
        }
        wrong.extend(read.into_iter().map(|table| format!("{path}: {table}")));
    }
    assert!(wrong.is_empty(), "read whole:\n{}", wrong.join("\n"));
}

/// What fills an installation. Triggers would count and seal each row by itself.
const FILL_PLATFORM: &str = "
    set session_replication_role = replica;
    alter table control.audit_log disable trigger all;
    insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket,
                                 created_at, tier, segment, business_type, modules)
    select gen_random_uuid(), 't' || n, 'Tenant ' || n, case when n % 1000 = 0 then 'provisioning' else 'active' end,
           'default', 'default', 'd' || n, 'o' || n, 'a' || n, 'b' || n, now() - n * interval '10 seconds',
           case when n % 1000 = 1 then 'gold' end, case when n % 1000 = 2 then 'enterprise' end,
           case when n % 1000 = 3 then 'law-firm' end, case when n % 1000 = 4 then array['crm'] else '{}' end
    from generate_series(1, 100000) as n;
    insert into control.operations (id, tenant_id, kind, state, caller, created_at, finished_at)
    select gen_random_uuid(), id, case when slug like '%777' then 'suspend' else 'create' end,
           case when slug like '%888' then 'stopped' else 'done' end,
           case when slug like '%999' then 'machine:eve' else 'machine:ann' end, created_at,
           case when slug not like '%888' then created_at end
    from control.tenants;
    insert into control.audit_log (sequence, hash, at, caller, action, tenant_id, operation_id, detail)
    select 1000 + row_number() over (order by created_at), '', created_at, caller, 'tenant.' || kind, tenant_id, id, '{}'
    from control.operations;
    alter table control.audit_log enable always trigger chain;
    alter table control.audit_log enable always trigger append_only;
    set session_replication_role = origin;
    analyze control.tenants, control.operations, control.audit_log";

#[test]
fn no_list_of_operators_reads_a_whole_table() {
    let (world, server, token) = operated("Auditor");
    world.control_sql(FILL_PLATFORM);
    let one = world.control_sql("select id from control.operations where tenant_id = (select id from control.tenants where slug = 't77777')").remove(0);
    world.control_sql("select pg_stat_reset()");
    let paths = [
        "/tenants?total=none".to_owned(),
        "/tenants".to_owned(),
        "/tenants?sort=-created_at&total=none".to_owned(),
        "/tenants?sort=name&total=none".to_owned(),
        "/tenants?state=provisioning".to_owned(),
        "/tenants?state[in]=suspended,deleting".to_owned(),
        "/tenants?state[ne]=active".to_owned(),
        "/tenants?slug=t77777".to_owned(),
        "/tenants?slug[in]=t7,t77777".to_owned(),
        "/tenants?name=Tenant%2077777".to_owned(),
        "/tenants?cluster=eu1".to_owned(),
        "/tenants?store=eu1".to_owned(),
        "/tenants?tier=gold".to_owned(),
        "/tenants?tier[in]=gold,silver&sort=-created_at".to_owned(),
        "/tenants?segment=enterprise".to_owned(),
        "/tenants?business_type=law-firm".to_owned(),
        "/tenants?module=crm".to_owned(),
        "/tenants?created_at[gt]=2100-01-01T00:00:00Z".to_owned(),
        "/tenants?created_at[lt]=2000-01-01T00:00:00Z".to_owned(),
        "/operations?total=none".to_owned(),
        "/operations".to_owned(),
        "/operations?open=true".to_owned(),
        "/operations?tenant=t77777".to_owned(),
        "/operations?state=stopped".to_owned(),
        "/operations?state=interrupted".to_owned(),
        "/operations?state=done&total=none".to_owned(),
        "/operations?state[ne]=done".to_owned(),
        "/operations?state[in]=rolled_back,planned".to_owned(),
        "/operations?kind=suspend".to_owned(),
        "/operations?kind[in]=purge,suspend".to_owned(),
        "/operations?caller=machine:eve".to_owned(),
        "/operations?created_at[gt]=2100-01-01T00:00:00Z".to_owned(),
        "/operations?created_at[lt]=2000-01-01T00:00:00Z".to_owned(),
        "/operations?finished_at[gt]=2100-01-01T00:00:00Z".to_owned(),
        "/operations?finished_at[lt]=2000-01-01T00:00:00Z".to_owned(),
        "/audit/platform".to_owned(),
        "/audit/platform?tenant=t77777".to_owned(),
        "/audit/platform?action=tenant.suspend".to_owned(),
        "/audit/platform?action=tenant.purge".to_owned(),
        "/audit/platform?caller=machine:eve".to_owned(),
        "/audit/platform?caller=machine:nobody".to_owned(),
        format!("/audit/platform?operation={one}"),
        "/audit/platform?since=2100-01-01T00:00:00Z".to_owned(),
        "/audit/platform?until=2000-01-01T00:00:00Z".to_owned(),
        format!("/audit/platform?until={}", days_ago(&world, 6)),
        format!("/audit/platform?since={}&until={}", days_ago(&world, 7), days_ago(&world, 6)),
        format!("/audit/platform?action=tenant.create&until={}", days_ago(&world, 6)),
        // The last page.
        format!(
            "/audit/platform?since={}&cursor={}",
            days_ago(&world, 5),
            after("sequence", "control", &|sql| world.control_sql(sql))
        ),
    ];
    none_reads_a_table(&world, &server, &token, (&world.control, "control"), &paths);
}
