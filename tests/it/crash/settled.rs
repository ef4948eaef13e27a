//! What must hold once a repair has run: the world is what the control database says, what is in
//! use is usable, and another repair has nothing to do.

use std::time::{Duration, Instant};

use nexus::infra::objects::{BucketClient, ScopedKey};
use serde_json::Value;

use crate::support::world::World;

/// How long one repair may take.
const REPAIR: Duration = Duration::from_secs(10);

/// The command that makes a tenant.
pub fn create(slug: &str) -> Vec<&str> {
    vec!["tenant", "create", slug, "--admin-email", "ann@acme.example"]
}

/// The command that takes a tenant away.
pub fn delete(slug: &str) -> Vec<&str> {
    vec!["--yes", "tenant", "delete", slug, "--purge", "--confirm", slug]
}

/// The steps of making a tenant, as the product names them.
pub fn create_steps(world: &World) -> Vec<String> {
    steps(&world.json(&["--dry-run", "tenant", "create", "unused"]))
}

/// The steps of taking a tenant away, as the product names them.
pub fn purge_steps(world: &World, slug: &str) -> Vec<String> {
    steps(&world.json(&["--dry-run", "tenant", "delete", slug, "--purge"]))
}

fn steps(planned: &Value) -> Vec<String> {
    let rows = planned.as_array().unwrap();
    rows.iter().map(|row| row["step"].as_str().unwrap().to_owned()).collect()
}

/// The points at which `create` can be stopped, on one side of each effect. The first step is the
/// intent itself: there is nothing before it.
pub fn create_points(world: &World, side: &str) -> Vec<String> {
    let steps = create_steps(world);
    let skipped = usize::from(side == "before");
    steps.iter().skip(skipped).map(|step| format!("create.{step}.{side}")).collect()
}

/// The points at which `delete` can be stopped, on one side of each effect.
pub fn purge_points(world: &World, slug: &str, side: &str) -> Vec<String> {
    let intent = (side == "after").then(|| "purge.intent.after".to_owned());
    let steps = purge_steps(world, slug);
    intent.into_iter().chain(steps.iter().map(|step| format!("purge.{step}.{side}"))).collect()
}

/// All that a repair could change: rows, verifiers, the outside world.
pub fn snapshot(world: &World) -> Vec<String> {
    let tables = ["tenants", "operations", "operation_steps", "data_keys", "sealed_secrets", "audit_log"];
    let rows = tables.map(|table| format!("select '{table}: ' || it::text from control.{table} as it"));
    let mut all = world.control_sql(&format!("{} order by 1", rows.join(" union all ")));
    let roles = format!(
        "select rolname || ' ' || rolcanlogin || ' ' || coalesce(rolpassword, '') from pg_authid
         where shobj_description(oid, 'pg_authid') like 'nexus:{}:%' order by 1",
        world.id
    );
    all.extend(world.sql("postgres", &roles));
    all.push(format!("{:?}", world.there()));
    all
}

/// Repairs, in the time that it may take, and checks all that must hold then.
pub fn repair_settles(world: &World, what: &str) {
    let begun = Instant::now();
    let output = world.run(&["tenant", "repair", "--all"]);
    let took = begun.elapsed();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(took < REPAIR, "{what}: the repair took {took:?}");
    is_settled(world, what);
}

/// Checks that nothing is left to repair.
pub fn is_settled(world: &World, what: &str) {
    assert_eq!(world.there(), world.believed(), "{what}: what is there is not what is believed");
    let half = "select slug || ' is ' || state from control.tenants 
                    where state not in ('pooled', 'active', 'suspended', 'trashed', 'deleted')
                union all
                select id || ' is ' || state from control.operations where state not in ('done', 'rolled_back')
                union all
                select slug || ' is deleted and has a secret' from control.sealed_secrets
                join control.tenants on tenants.id = tenant_id where state = 'deleted'";
    assert_eq!(world.control_sql(half), [""; 0], "{what}: half of something is left");
    let before = snapshot(world);
    let again = world.run(&["tenant", "repair", "--all"]);
    assert!(again.status.success(), "{what}: {}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(snapshot(world), before, "{what}: a second repair changed something");
}

/// Whether the tenant is active; if not it must be gone.
pub fn is_active(world: &World, slug: &str) -> bool {
    let of = format!("select state from control.tenants where slug = '{slug}' and state <> 'deleted'");
    match world.control_sql(&of).as_slice() {
        [] => false,
        [state] if state == "active" => true,
        other => panic!("{slug} is {other:?}"),
    }
}

/// Uses the tenant with its own credentials: a row and an object, written and read.
pub fn is_usable(world: &World, slug: &str, what: &str) {
    let env = world.env(slug);
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    let statement = "begin; insert into nexus.settings (key, value) values ('used', '1');
                     select value from nexus.settings where key = 'used'; rollback";
    let rows = world.sql_as(&of("PGUSER"), &of("PGPASSWORD"), &of("PGDATABASE"), statement);
    assert_eq!(rows.as_deref(), Ok(["1".to_owned()].as_slice()), "{what}: {slug}'s database");
    let admins = world.sql(&of("PGDATABASE"), "select count(*) from nexus.users");
    assert_eq!(admins, ["1"], "{what}: {slug}'s first admin");
    let key =
        ScopedKey { access_key_id: of("AWS_ACCESS_KEY_ID"), secret: of("AWS_SECRET_ACCESS_KEY").into() };
    let bucket = world.control_sql(&format!(
        "select bucket from control.tenants where slug = '{slug}' and state = 'active'"
    ));
    let client = BucketClient::new(&world.stack().endpoint, &of("AWS_REGION"), &key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = runtime.block_on(async {
        client.put(&bucket[0], "used", b"1").await?;
        client.get(&bucket[0], "used").await
    });
    assert_eq!(read.unwrap(), b"1", "{what}: {slug}'s bucket");
}

/// The operation that is not over.
pub fn open_operation(world: &World) -> String {
    let rows = world.control_sql(
        "select id from control.operations where state in ('running', 'stopped', 'rolling_back')",
    );
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}
