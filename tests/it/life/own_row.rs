//! A tenant's login may change its own password, and so lock its own row: that holds up no verb that
//! shuts it out, deletes it or puts it right.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{column, delete, doors_are_as_recorded, resume, state, suspend, text};
use crate::crash::settled::{create, is_settled, is_usable};
use crate::support::private::Private;
use crate::support::world::World;

const ALTER: &str = "begin; alter role current_user password 'zzz'";

/// A session of the tenant's that holds its role's row until it is ended.
fn session(env: &Value) -> Child {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-c", &format!("{ALTER}; select pg_sleep(600)")]);
    psql.stdout(Stdio::null()).stderr(Stdio::null());
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"] {
        psql.env(name, text(env, name));
    }
    psql.spawn().unwrap()
}

/// The same, once it holds it.
fn held(world: &World, env: &Value) -> Child {
    let child = session(env);
    let holds = format!(
        "select count(*) from pg_stat_activity where usename = '{}' and wait_event = 'PgSleep'",
        text(env, "PGUSER")
    );
    let until = Instant::now() + Duration::from_secs(30);
    while world.sql("postgres", &holds) != ["1"] {
        assert!(Instant::now() < until, "the session never held the row");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn a_login_that_holds_its_own_row_is_shut_out_all_the_same() {
    let world = World::new();
    for (slug, command, led_to) in [("one", suspend("one"), "suspended"), ("two", delete("two"), "trashed")] {
        world.ok(&create(slug));
        let mut child = held(&world, &world.env(slug));
        world.ok(&command);
        assert_eq!(state(&world, slug), led_to);
        doors_are_as_recorded(&world, slug);
        assert!(!child.wait().unwrap().success(), "its session was ended");
    }
    is_settled(&world, "shut out");
    world.ok(&resume("one"));
    is_usable(&world, "one", "resumed");
}

#[test]
fn a_login_that_comes_back_at_once_is_shut_out_all_the_same() {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _ = session(&env).wait();
                }
            });
        }
        held_by_some(&world, &env);
        let output = world.run(&suspend("acme"));
        over.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    doors_are_as_recorded(&world, "suspended");
}

fn held_by_some(world: &World, env: &Value) {
    let holds = format!(
        "select count(*) > 0 from pg_stat_activity where usename = '{}' and wait_event = 'PgSleep'",
        text(env, "PGUSER")
    );
    let until = Instant::now() + Duration::from_secs(30);
    while world.sql("postgres", &holds) != ["t"] {
        assert!(Instant::now() < until, "no session ever held the row");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_repair_gives_a_login_its_password_back_while_the_login_holds_its_own_row() {
    let world = World::new();
    world.ok(&create("acme"));
    let mut env = world.env("acme");
    let role = column(&world, "acme", "app_role");
    world.sql("postgres", &format!("alter role {role} password 'another'"));
    env["PGPASSWORD"] = "another".into();
    let mut child = held(&world, &env);
    world.ok(&["tenant", "repair", "acme"]);
    let _ = child.wait();
    is_usable(&world, "acme", "repaired");
}

#[test]
fn a_prepared_transaction_that_holds_a_logins_row_is_named_with_what_ends_it() {
    let private = Private::with_settings("-c max_prepared_transactions=4");
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.ok(&create("acme"));
    let env = world.env("acme");
    let database = column(&world, "acme", "database_name");
    let prepare = format!("{ALTER}; prepare transaction 'mine'");
    world.sql_as(&text(&env, "PGUSER"), &text(&env, "PGPASSWORD"), &database, &prepare).unwrap();
    let open = format!("select datallowconn from pg_database where datname = '{database}'");
    for back in [true, false] {
        let (code, error) = world.error(&suspend("acme"));
        assert_eq!((code, error["code"].as_str()), (5, Some("cluster_held_up")), "{error}");
        assert!(error["message"].as_str().unwrap().contains("prepared transaction mine"), "{error}");
        assert!(error.to_string().contains("rollback prepared 'mine'"), "{error}");
        assert_eq!(world.sql("postgres", &open), ["f"], "nobody comes in meanwhile");
        if back {
            world.ok(&["operation", "rollback", error["operation"].as_str().unwrap()]);
            assert_eq!(state(&world, "acme"), "active");
            doors_are_as_recorded(&world, "rolled back");
        }
    }
    // As the hint says.
    world.sql("postgres", &format!("alter database {database} connection limit 0 allow_connections true"));
    world.sql(&database, "rollback prepared 'mine'");
    world.sql("postgres", &format!("alter database {database} connection limit -1 allow_connections false"));
    world.ok(&suspend("acme"));
    doors_are_as_recorded(&world, "suspended");
    is_settled(&world, "suspended");
}
