//! What other processes change is known to an app that runs on.

use std::time::{Duration, Instant};

use super::{load, new_password, read};
use crate::iam::inside::run;
use crate::support::stack;
use crate::support::world::World;

/// How soon everything is known.
const KNOWN: Duration = Duration::from_secs(2);

/// Waits until something is so.
async fn within(time: Duration, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < time * 5, "it never came to be so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_tenant_that_another_process_suspends_is_refused_and_its_sessions_are_closed() {
    let world = World::new();
    world.tenant("acme");
    run(async {
        let app = load(&world, 4).await;
        let _following = app.follow().await.unwrap();
        read(&app, "acme").await.unwrap();
        assert_eq!(app.stats().realms.open, 1);
        world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid since spring", "--yes"]);
        assert_eq!(read(&app, "acme").await.unwrap_err().code(), "tenant_suspended");
        within(KNOWN, async || app.stats().realms.open == 0).await;
        world.ok(&["tenant", "resume", "acme"]);
        read(&app, "acme").await.unwrap();
    });
}

#[test]
fn a_servers_new_password_is_used_by_a_process_that_knew_the_old_one() {
    let world = World::new();
    let second = stack::second();
    let login = format!("admin_{}", uuid::Uuid::new_v4().simple());
    let as_superuser =
        |statement: &str| second.sql("nexus", &second.password(), "postgres", statement).unwrap();
    let file = |password: &str| {
        let path = world.machine().path(password);
        std::fs::write(&path, password).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    as_superuser(&format!("create role {login} login superuser password 'first-password'"));
    let (host, port) = (&second.socket_dir, &second.port);
    let place =
        ["--host", host, "--port", port, "--user", &login, "--password-file", &file("first-password")];
    world.ok(&[&["cluster", "add", "eu"][..], &place].concat());
    for slug in ["acme", "umbra"] {
        world.ok(&["tenant", "create", slug, "--cluster", "eu"]);
    }
    run(async {
        let app = load(&world, 4).await;
        read(&app, "acme").await.unwrap();
        as_superuser(&format!("alter role {login} password 'second-password'"));
        world.ok(&["cluster", "update", "eu", "--password-file", &file("second-password")]);
        // Nobody told it; its old password is refused, and it reads the new one.
        read(&app, "umbra").await.unwrap();
    });
    drop(world);
    as_superuser(&format!("reassign owned by {login} to nexus"));
    as_superuser(&format!("drop owned by {login}"));
    as_superuser(&format!("drop role {login}"));
}

#[test]
fn new_credentials_of_an_apps_login_are_read_where_the_old_ones_are_refused_and_no_request_fails() {
    let world = World::new();
    world.tenant("acme");
    run(async {
        let app = load(&world, 4).await;
        let tenant = app.tenant(&"acme".parse().unwrap()).await.unwrap().unwrap();
        let ended = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
                     where application_name = 'nexus:app' and datname = current_database()";
        let end = || world.tenant_sql("acme", ended);
        for _ in 0..3 {
            drop(app.database(&tenant).await.unwrap());
        }
        assert_eq!(app.stats().realms.logins, 1);
        new_password(&world, "acme", "first").await;
        // What is open stays open; where the server has ended it, a login is needed that is refused at first.
        drop(app.database(&tenant).await.unwrap());
        end();
        drop(app.database(&tenant).await.unwrap());
        // Whoever follows the changes is told, and opens no session of the old credentials again.
        let _following = app.follow().await.unwrap();
        drop(app.database(&tenant).await.unwrap());
        let before = app.stats().realms.logins;
        new_password(&world, "acme", "second").await;
        within(KNOWN, async || {
            drop(app.database(&tenant).await.unwrap());
            app.stats().realms.logins > before
        })
        .await;
        // A password that is sealed nowhere is refused, and said so.
        world.sql("postgres", &format!("alter role \"{}\" password 'nobodys'", tenant.resources.app_role));
        end();
        assert_eq!(app.database(&tenant).await.unwrap_err().code(), "database_login_refused");
    });
}

#[test]
fn code_that_somebody_hangs_on_a_realm_is_found_in_a_session_that_is_open_already() {
    let world = World::new();
    world.tenant("acme");
    let database =
        world.control_sql("select database_name from control.tenants where slug = 'acme'").remove(0);
    run(async {
        let app = load(&world, 4).await;
        read(&app, "acme").await.unwrap();
        world.sql(
            &database,
            "create function public.f() returns trigger language plpgsql as 'begin return new; end'",
        );
        world.sql(
            &database,
            "create trigger planted before update on nexus.users for each row execute function public.f()",
        );
        within(Duration::from_secs(6), async || {
            read(&app, "acme").await.is_err_and(|failure| failure.code() == "realm_tampered")
        })
        .await;
    });
}
