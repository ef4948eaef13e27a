//! The life of a tenant: suspended and resumed, deleted and undeleted, purged.

mod due;
mod held_back;
mod own_row;
mod points;
mod races;
mod shut;
mod suspend;
mod taken_back;
mod trash;

use serde_json::Value;

use crate::crash::settled::create;
use crate::support::world::World;

/// The command that suspends a tenant.
pub fn suspend(slug: &str) -> Vec<&str> {
    vec!["tenant", "suspend", slug, "--reason", "invoice 17 is not paid"]
}

/// The command that ends it.
pub fn resume(slug: &str) -> Vec<&str> {
    vec!["tenant", "resume", slug]
}

/// The command that puts a tenant into the trash.
pub fn delete(slug: &str) -> Vec<&str> {
    vec!["--yes", "tenant", "delete", slug, "--confirm", slug]
}

/// The command that has it back.
pub fn undelete(slug: &str) -> Vec<&str> {
    vec!["tenant", "undelete", slug]
}

/// The one changing command of each kind, and what must be done before it.
pub const KINDS: [&str; 4] = ["suspend", "resume", "delete", "undelete"];

/// Makes or brings a tenant to where a command of this kind can change it; the command.
pub fn ready_for<'a>(world: &World, kind: &str, slug: &'a str) -> Vec<&'a str> {
    let wanted = states_of(kind).1;
    let now = state(world, slug);
    match now.as_str() {
        "" => world.ok(&create(slug)),
        "suspended" if wanted != now => world.ok(&resume(slug)),
        "trashed" if wanted != now => world.ok(&undelete(slug)),
        _ => String::new(),
    };
    match kind {
        "suspend" => suspend(slug),
        "resume" => {
            world.ok(&suspend(slug));
            resume(slug)
        }
        "delete" => delete(slug),
        _ => {
            world.ok(&delete(slug));
            undelete(slug)
        }
    }
}

/// The state that a command of this kind leads to, and the one that it comes from.
pub fn states_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "suspend" => ("suspended", "active"),
        "resume" => ("active", "suspended"),
        "delete" => ("trashed", "active"),
        _ => ("active", "trashed"),
    }
}

/// A tenant's state, by its row.
pub fn state(world: &World, slug: &str) -> String {
    let rows = world.control_sql(&format!(
        "select state from control.tenants where slug = '{slug}' order by (state = 'deleted'), id desc limit 1"
    ));
    rows.first().cloned().unwrap_or_default()
}

/// One value of a tenant's row.
pub fn column(world: &World, slug: &str, column: &str) -> String {
    let rows = world.control_sql(&format!(
        "select {column} from control.tenants where slug = '{slug}' and state <> 'deleted'"
    ));
    rows[0].clone()
}

/// Checks that each tenant is as open or as closed as its row says: its role, its database, its key.
pub fn doors_are_as_recorded(world: &World, what: &str) {
    let rows = world.control_sql(
        "select slug, state, app_role, database_name, access_key_id, id from control.tenants
         where state in ('active', 'suspended', 'trashed') order by slug",
    );
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let [slug, state, role, database, key, id] = cells[..] else { panic!("{row}") };
        let open = state == "active";
        let doors = world.sql(
            "postgres",
            &format!(
                "select (select rolcanlogin from pg_roles where rolname = '{role}'),
                        (select datallowconn from pg_database where datname = '{database}')"
            ),
        );
        let expected = if open { "t|t" } else { "f|f" };
        assert_eq!(doors, [expected], "{what}: {slug} is {state}");
        let keys = world.store(&format!("keys?owner=nexus:{}:{id}", world.id));
        let keys: Vec<(&str, bool)> = keys
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["access_key_id"].as_str().unwrap(), it["disabled"].as_bool().unwrap()))
            .collect();
        assert_eq!(keys, [(key, !open)], "{what}: {slug} is {state}");
    }
}

/// One variable of an environment.
pub fn text(env: &Value, name: &str) -> String {
    env[name].as_str().unwrap().to_owned()
}
