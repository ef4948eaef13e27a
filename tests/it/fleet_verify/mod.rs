//! Which tenant is at which version, and whether that is so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::world::World;

mod adopted;
mod after_a_run;
mod beside_tables;
mod histories;
mod planted;
mod rehearse;
mod servers;
mod status;
pub mod traps;

/// Findings as (code, tenant).
pub type Seen = BTreeSet<(String, String)>;

/// The pairs of a list.
pub fn seen(list: &[(&str, &str)]) -> Seen {
    list.iter().map(|(code, tenant)| ((*code).to_owned(), (*tenant).to_owned())).collect()
}

/// The version of the newest migration of Nexus' own set.
pub fn newest_of_nexus() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tenant_migrations");
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.split_once('_').map(|(version, _)| version.to_owned())).max().unwrap()
}

/// Runs `nexus migrate verify`: its exit code, its rows.
pub fn verify(world: &World, args: &[&str]) -> (i32, Vec<Value>) {
    let args: Vec<&str> = ["-o", "json", "migrate", "verify"].iter().chain(args).copied().collect();
    let output = world.run(&args);
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), rows)
}

/// Its findings of one severity.
pub fn of(rows: &[Value], severity: &str) -> Seen {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.iter()
        .filter(|row| row["severity"] == severity)
        .map(|row| (text(row, "code"), text(row, "tenant")))
        .collect()
}

/// A tenant's database.
pub fn database(world: &World, slug: &str) -> String {
    world.control_sql(&format!("select database_name from control.tenants where slug = '{slug}'")).remove(0)
}

/// A tenant's role, of `owner_role` or `app_role`.
pub fn role(world: &World, slug: &str, which: &str) -> String {
    world.control_sql(&format!("select {which} from control.tenants where slug = '{slug}'")).remove(0)
}

/// Registers a set of two files, `1_shop` and `2_price`, with its history in schema public.
pub fn shop(world: &World) {
    let folder = world.machine().path("shop");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1_shop.sql"), "create table public.shop (id bigint primary key);\n").unwrap();
    std::fs::write(folder.join("2_price.sql"), "alter table public.shop add column price numeric;\n")
        .unwrap();
    world.control_sql(&format!(
        "insert into control.migration_sets (name, source, history)
         values ('shop', '{}', 'public._sqlx_migrations')",
        folder.display()
    ));
}

/// Says in the registry that a tenant is at a version of the shop.
pub fn at_version(world: &World, slug: &str, version: i64) {
    world.control_sql(&format!(
        "insert into control.tenant_versions (tenant_id, set_name, version)
         select id, 'shop', {version} from control.tenants where slug = '{slug}'
         on conflict (tenant_id, set_name) do update set version = excluded.version"
    ));
}

/// Applies the first so many files of the shop in a tenant, as sqlx would.
pub fn apply_shop(world: &World, slug: &str, files: usize) {
    let (database, owner) = (database(world, slug), role(world, slug, "owner_role"));
    let mut statement = format!(
        "set role \"{owner}\";
         create table if not exists public._sqlx_migrations (version bigint primary key, description text not null,
             installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null,
             execution_time bigint not null);"
    );
    for (version, name) in [(1, "1_shop.sql"), (2, "2_price.sql")].into_iter().take(files) {
        let text = std::fs::read_to_string(world.machine().path("shop").join(name)).unwrap();
        let insert = format!(
            "{text} insert into public._sqlx_migrations (version, description, success, checksum, execution_time)
             values ({version}, 'x', true, sha384('{text}'), 1);"
        );
        statement.push_str(&insert);
    }
    world.sql(&database, &statement);
    at_version(world, slug, i64::try_from(files).unwrap());
}
