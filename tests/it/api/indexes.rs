//! Lists of a realm with 100,000 users, roles held, sessions and rows of the log: none reads a whole table.

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token};
use crate::support::world::World;

/// What fills a realm.
const FILL: &str = "
    insert into nexus.users (id, email, email_key, name, state, created_at, last_sign_in_at, fields)
    select gen_random_uuid(), 'u' || n || '@acme.example', 'u' || n || '@acme.example', 'User ' || n,
           case when n % 1000 = 0 then 'disabled' else 'active' end,
           now() - n * interval '1 second', case when n % 3 = 0 then now() - n * interval '1 minute' end,
           jsonb_build_object('badge', 'B' || n)
    from generate_series(1, 100000) as n;
    insert into nexus.user_roles (user_id, role_id)
    select users.id, roles.id from nexus.users, nexus.roles where roles.name = 'Viewer' and users.email like 'u%';
    insert into nexus.sessions (id, user_id, client, second_factor, expires_at)
    select gen_random_uuid(), id, 'web', false, now() + interval '1 day' from nexus.users;
    insert into nexus.audit_log (caller, action, user_id, detail)
    select 'user:' || id, 'user.sign_in', id, '{}' from nexus.users;
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
    let mut wrong = Vec::new();
    let mut step = |what: &str, answer: Value| {
        wrong.extend(read_whole(&world).into_iter().map(|table| format!("{what}: {table}")));
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

/// The tables that were read whole since this was asked last.
fn read_whole(world: &World) -> Vec<String> {
    // Sessions tell of their reading once they are quiet for a second, or end.
    world.sql(
        "postgres",
        &format!(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{}'",
            world.database_of("acme")
        ),
    );
    let read = "select relname || ' ' || seq_tup_read from pg_stat_user_tables
                where schemaname = 'nexus' and seq_tup_read > 20000 order by relname";
    let found = world.tenant_sql("acme", read);
    world.tenant_sql("acme", "select pg_stat_reset()");
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
        format!("/activity?user={one}"),
        format!("/activity?user={ann}"),
    ];
    let mut wrong = Vec::new();
    for path in &paths {
        server.get(path, &token).ok();
        wrong.extend(read_whole(&world).into_iter().map(|table| format!("{path}: {table}")));
    }
    assert!(wrong.is_empty(), "read whole:\n{}", wrong.join("\n"));
}
