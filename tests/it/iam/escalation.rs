//! Ways to get more than one was given, to take the last administrator away, and to reach into
//! another realm: tried one by one, and none works.

use nexus::features::access::AccessError;
use nexus::features::iam::apply::{Document, apply};
use nexus::features::iam::model::NewUser;
use nexus::features::iam::operators::{self, NewGrant};
use nexus::features::iam::roles::{self, Holder, RoleUpdate};
use nexus::features::iam::users::{self, UserUpdate};
use nexus::features::iam::{
    Condition, FirstPassword, IamError, Name, Permission, Realm, UserRef, groups, permissions, signin,
};
use nexus::kernel::{Caller, Description, ErrorKind, Expected, Failure, Page, TenantId, Total};

use super::inside::{caller, machine, pretending, realm, run, who};
use super::{acme, error, json, sql};
use crate::support::world::World;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

fn new_user(email: &str, role: Option<&str>, group: Option<&str>) -> NewUser {
    NewUser {
        email: email.parse().unwrap(),
        name: None,
        profile: serde_json::Map::new(),
        fields: serde_json::Map::new(),
        roles: role.into_iter().map(name).collect(),
        groups: group.into_iter().map(name).collect(),
    }
}

async fn join(realm: &mut Realm, me: &Caller, group: &str, who: &UserRef) -> Result<(), IamError> {
    groups::add(realm, me, &name(group), std::slice::from_ref(who), &mut |_| Ok(())).await
}

/// Everything that says who may do what.
fn everything(world: &World) -> Vec<String> {
    let tables =
        ["users", "roles", "role_permissions", "user_roles", "groups", "group_members", "group_roles"]
            .map(|table| format!("select '{table}' || t::text from nexus.{table} as t"));
    let more = ["permissions", "invitations", "sessions", "operator_grants"]
        .map(|table| format!("select '{table}' || t::text from nexus.{table} as t"));
    let mut rows = sql(world, &[tables.as_slice(), more.as_slice()].concat().join(" union all "));
    rows.sort();
    rows
}

/// A tenant with people of every rank. Mallory is a Manager, Hal may change users, Grace may change
/// and grant roles and groups, Vic only reads, Cond may update users who are itself.
fn ranks() -> World {
    let world = acme();
    for email in ["mallory", "hal", "grace", "vic", "cond", "bob"] {
        super::user(&world, &format!("{email}@acme.example"));
    }
    json(&world, &["role", "create", "Helpdesk", "--allow", "user:*", "--allow", "session:*"]);
    json(
        &world,
        &["role", "create", "Granter", "--allow", "role:*", "--allow", "group:*", "--allow", "user:read"],
    );
    json(&world, &["role", "create", "Own"]);
    json(&world, &["role", "allow", "Own", "user:update", "--when", "owner"]);
    json(&world, &["group", "create", "Bosses"]);
    json(&world, &["group", "create", "Deputies", "--parent", "Bosses"]);
    json(&world, &["group", "create", "Team"]);
    json(&world, &["role", "grant", "Admin", "--group", "Bosses"]);
    for (role, user) in [
        ("Manager", "mallory"),
        ("Helpdesk", "hal"),
        ("Granter", "grace"),
        ("Viewer", "vic"),
        ("Own", "cond"),
    ] {
        json(&world, &["role", "grant", role, "--user", &format!("{user}@acme.example")]);
    }
    sql(&world, "update nexus.users set state = 'active'");
    world
}

/// Counts an attempt, which must have been refused.
fn refused<T: std::fmt::Debug>(tried: &mut u32, what: &str, result: Result<T, IamError>) {
    *tried += 1;
    let error = result.expect_err(what);
    assert!(matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound), "{what}: {error}");
}

#[test]
fn nobody_gets_what_they_were_not_given() {
    let world = ranks();
    let before = everything(&world);
    let tried = run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let mut tried = 0;
        for email in ["mallory", "hal", "grace", "vic", "cond"] {
            let me = caller(&mut realm, &format!("{email}@acme.example")).await;
            rights(&mut realm, &me, &mut tried).await;
            takeovers(&mut realm, &me, &mut tried).await;
        }
        tried
    });
    assert!(tried >= 40, "{tried}");
    assert_eq!(everything(&world), before);
}

/// Attempts to hold more, directly or through roles and groups.
async fn rights(realm: &mut Realm, me: &Caller, tried: &mut u32) {
    let Caller::User { id, .. } = me else { panic!("a user") };
    let own = UserRef::Id(*id);
    let admin = name("Admin");
    let to_me = Holder::User(own.clone());
    refused(tried, "grant Admin to oneself", roles::grant(realm, me, &admin, &to_me).await);
    refused(
        tried,
        "grant Admin to a group",
        roles::grant(realm, me, &admin, &Holder::Group((&name("Team")).into())).await,
    );
    refused(tried, "join a group above", join(realm, me, "Bosses", &own).await);
    refused(tried, "join below a group above", join(realm, me, "Deputies", &own).await);
    refused(
        tried,
        "move one's group",
        groups::relocate(realm, me, &name("Team"), Some(&name("Bosses"))).await,
    );
    refused(
        tried,
        "make a group below",
        groups::create(
            realm,
            me,
            &name("New"),
            &Description::default(),
            (Some(&name("Deputies")), &serde_json::Map::new()),
        )
        .await,
    );
    for role in ["Viewer", "Helpdesk", "Granter", "Own", "User"] {
        let all = permission("*:*");
        refused(tried, "widen a role", roles::allow(realm, me, &name(role), &all, None).await);
        let condition = Condition::parse("owner").unwrap();
        refused(
            tried,
            "widen it a little",
            roles::allow(realm, me, &name(role), &all, Some(&condition)).await,
        );
    }
    let fresh = roles::create(realm, me, &name("Mine"), &Description::default(), &[permission("*:*")]).await;
    refused(tried, "make a role that may all", fresh);
    refused(
        tried,
        "make an Admin",
        users::create(realm, me, new_user("x@acme.example", Some("Admin"), None), &FirstPassword::None).await,
    );
    let below = new_user("x@acme.example", None, Some("Deputies"));
    refused(tried, "make a Boss", users::create(realm, me, below, &FirstPassword::None).await);
    let document = Document::parse("[roles.Mine]\npermissions = ['*:*']", false).unwrap();
    refused(tried, "declare it", apply(realm, me, &document).await);
    let until = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let new = NewGrant { operator: own, role: admin, until: until.into(), reason: "x".parse().unwrap() };
    refused(tried, "become an operator", operators::grant(realm, me, &new).await);
}

/// Attempts on those who stand above.
async fn takeovers(realm: &mut Realm, me: &Caller, tried: &mut u32) {
    let ann = who("ann@acme.example");
    let password = "a new password for ann".into();
    refused(tried, "set her password", signin::set_password(realm, me, &ann, &password).await);
    refused(tried, "have it reset", signin::issue_token(realm, me, &ann, signin::Purpose::Reset).await);
    let change = UserUpdate { email: Some("mine@x.example".parse().unwrap()), ..UserUpdate::default() };
    refused(tried, "take her address", users::update(realm, me, &ann, &change).await);
    refused(tried, "disable her", users::disable(realm, me, &ann).await);
    refused(tried, "delete her", users::delete(realm, me, &ann, &Expected::Any).await);
    refused(tried, "end her sessions", signin::end_sessions(realm, me, &ann).await);
    refused(tried, "take her second factor", signin::remove_factor(realm, me, &ann).await);
    refused(tried, "enrol one for her", signin::enrol_factor(realm, me, &ann).await);
    let her = Holder::User(ann.clone());
    refused(tried, "take her role", roles::revoke(realm, me, &name("Admin"), &her).await);
    refused(tried, "weaken her role", roles::deny(realm, me, &name("Admin"), &permission("*:*")).await);
    refused(
        tried,
        "rename it",
        roles::update(
            realm,
            me,
            &name("Admin"),
            &RoleUpdate { name: Some(name("A")), ..RoleUpdate::default() },
        )
        .await,
    );
    refused(tried, "empty her group", groups::delete(realm, me, &name("Deputies"), &Expected::Any).await);
}

#[test]
fn a_condition_on_oneself_opens_oneself_only() {
    let world = ranks();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let me = caller(&mut realm, "cond@acme.example").await;
        let change = UserUpdate { name: Some("Me".parse().unwrap()), ..UserUpdate::default() };
        users::update(&mut realm, &me, &who("cond@acme.example"), &change).await.unwrap();
        let other = users::update(&mut realm, &me, &who("bob@acme.example"), &change).await;
        assert!(matches!(other, Err(IamError::Access(AccessError::Forbidden { .. }))));
    });
}

#[test]
fn what_one_holds_one_may_give() {
    let world = ranks();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let grace = caller(&mut realm, "grace@acme.example").await;
        let holder = Holder::User(who("bob@acme.example"));
        roles::grant(&mut realm, &grace, &name("Granter"), &holder).await.unwrap();
        roles::create(&mut realm, &grace, &name("Less"), &Description::default(), &[permission("role:read")])
            .await
            .unwrap();
        let hal = caller(&mut realm, "hal@acme.example").await;
        // Bob stands above Hal now in what concerns roles.
        let refused = users::disable(&mut realm, &hal, &who("bob@acme.example")).await;
        assert!(matches!(refused, Err(IamError::Access(AccessError::Above { .. }))));
    });
}

#[test]
fn the_last_administrator_stays_whatever_is_tried() {
    let world = ranks();
    json(&world, &["group", "add", "Deputies", "ann@acme.example"]);
    json(&world, &["role", "revoke", "Admin", "--user", "ann@acme.example"]);
    let before = everything(&world);
    let file = |text: &str| std::fs::write(world.machine().path("work/it.toml"), text).unwrap();
    let last = |args: &[&str]| {
        let refused = error(&world, &[&["--yes"], args].concat());
        assert_eq!(refused, (3, "last_administrator".to_owned()), "{args:?}");
        assert_eq!(everything(&world), before, "{args:?}");
    };
    last(&["user", "disable", "ann@acme.example"]);
    last(&["user", "delete", "ann@acme.example", "--confirm", "ann@acme.example"]);
    last(&["group", "remove", "Deputies", "ann@acme.example"]);
    last(&["group", "move", "Deputies", "--to-top"]);
    last(&["group", "move", "Deputies", "--to", "Team"]);
    last(&["group", "delete", "Deputies", "--confirm", "Deputies"]);
    last(&["role", "revoke", "Admin", "--group", "Bosses"]);
    last(&["role", "disallow", "Admin", "*:*"]);
    last(&["role", "allow", "Admin", "*:*", "--when", "owner"]);
    file("[groups.Deputies]\nmembers = []\nparent = 'Bosses'");
    last(&["iam", "apply", "it.toml"]);
    file("[groups.Deputies]");
    last(&["iam", "apply", "it.toml"]);
    file("[groups.Bosses]\nroles = []");
    last(&["iam", "apply", "it.toml"]);
    file("[roles.Admin]\npermissions = ['*:read']");
    last(&["iam", "apply", "it.toml"]);
    file("[permissions]");
    last(&["iam", "apply", "it.toml", "--prune"]);
    let built_in = error(&world, &["--yes", "role", "delete", "Admin", "--confirm", "Admin"]);
    assert_eq!(built_in, (5, "role_built_in".to_owned()));
    // One who is only invited does not count as long as there is one who can sign in.
    json(&world, &["user", "create", "--email", "next@acme.example", "--role", "Admin", "--invite"]);
    assert_eq!(error(&world, &["user", "disable", "ann@acme.example"]).1, "last_administrator");
    sql(&world, "update nexus.users set state = 'active' where email = 'next@acme.example'");
    json(&world, &["user", "disable", "ann@acme.example"]);
}

#[test]
fn two_administrators_who_shut_each_other_out_at_once_leave_one() {
    let world = ranks();
    json(&world, &["role", "grant", "Admin", "--user", "bob@acme.example"]);
    run(async {
        for _ in 0..10 {
            let (mut one, mut two) = (realm(&world, Some("acme")).await, realm(&world, Some("acme")).await);
            let (ann, bob) =
                (caller(&mut one, "ann@acme.example").await, caller(&mut two, "bob@acme.example").await);
            let (her, him) = (who("ann@acme.example"), who("bob@acme.example"));
            let first = users::disable(&mut one, &ann, &him);
            let (first, second) = tokio::join!(first, users::disable(&mut two, &bob, &her));
            assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
            sql(&world, "update nexus.users set state = 'active'");
        }
    });
}

#[test]
fn groups_that_move_into_each_other_at_once_make_no_cycle() {
    let world = acme();
    for group in ["A", "B", "C"] {
        json(&world, &["group", "create", group]);
    }
    run(async {
        let (a, b, c) = (name("A"), name("B"), name("C"));
        let mut realms = Vec::new();
        for _ in 0..3 {
            realms.push(realm(&world, Some("acme")).await);
        }
        let [one, two, three] = &mut realms[..] else { panic!("three") };
        let me = machine();
        for _ in 0..10 {
            let moved = tokio::join!(
                groups::relocate(one, &me, &a, Some(&b)),
                groups::relocate(two, &me, &b, Some(&c)),
                groups::relocate(three, &me, &c, Some(&a)),
            );
            let done = [moved.0.is_ok(), moved.1.is_ok(), moved.2.is_ok()];
            assert_eq!(done.iter().filter(|done| **done).count(), 2, "{done:?}");
            for group in [&a, &b, &c] {
                groups::relocate(one, &me, group, None).await.unwrap();
            }
        }
    });
}

#[test]
fn somebody_of_another_realm_is_nobody_here() {
    let world = ranks();
    world.ok(&["tenant", "create", "birch", "--admin-email", "eve@birch.example"]);
    world.json(&["user", "create", "--email", "ops@example.com", "--role", "Admin", "--invite"]);
    world.control_sql("update nexus.users set state = 'active'");
    let mut tried = 0;
    run(async {
        let mut acme = realm(&world, Some("acme")).await;
        let mut birch = realm(&world, Some("birch")).await;
        let mut platform = realm(&world, None).await;
        let ann = caller(&mut acme, "ann@acme.example").await;
        let ops = caller(&mut platform, "ops@example.com").await;
        let page = Page { page: 1, limit: 10 };
        let all = nexus::features::iam::model::UserFilter::default();
        let birch_id = birch.place().id;
        for (realm, intruders) in [
            (
                &mut birch,
                vec![
                    ann.clone(),
                    pretending(&ann, birch_id),
                    pretending(&ann, TenantId::PLATFORM),
                    ops.clone(),
                ],
            ),
            (
                &mut platform,
                vec![ann.clone(), pretending(&ann, TenantId::PLATFORM), pretending(&ops, birch_id)],
            ),
        ] {
            for me in &intruders {
                refused(
                    &mut tried,
                    "list",
                    users::list(realm, me, &all, Default::default(), (page, Total::Exact)).await,
                );
                refused(&mut tried, "show", users::get(realm, me, &who("eve@birch.example")).await);
                refused(&mut tried, "roles", roles::list(realm, me).await);
                refused(&mut tried, "groups", groups::list(realm, me).await);
                let made =
                    permissions::register(realm, me, &permission("a:b"), &Description::default()).await;
                refused(&mut tried, "register", made);
                let made = users::create(
                    realm,
                    me,
                    new_user("x@acme.example", Some("Admin"), None),
                    &FirstPassword::None,
                )
                .await;
                refused(&mut tried, "create", made);
                refused(&mut tried, "purge", users::purge(realm, me).await);
            }
        }
    });
    assert!(tried >= 40, "{tried}");
}

#[test]
fn code_that_hangs_on_a_realms_tables_is_seen_before_anything_runs() {
    let world = acme();
    sql(
        &world,
        "create function public.trap() returns trigger language plpgsql as $$ begin return new; end $$;
         create trigger trap before insert on nexus.users for each row execute function public.trap()",
    );
    assert_eq!(error(&world, &["user", "list"]), (9, "realm_tampered".to_owned()));
    sql(&world, "drop trigger trap on nexus.users");
    json(&world, &["user", "list"]);
}

#[test]
fn the_realms_log_is_append_only_and_the_apps_login_reads_no_secret_of_it() {
    let world = acme();
    let database = world.control_sql("select database_name from control.tenants where slug = 'acme'");
    let password = world.stack().password();
    for statement in
        ["update nexus.audit_log set caller = 'x'", "delete from nexus.audit_log", "truncate nexus.audit_log"]
    {
        assert!(
            world.sql_as("nexus", &password, &database[0], statement).unwrap_err().contains("append-only")
        );
    }
    let env = world.env("acme");
    let (user, password) = (env["PGUSER"].as_str().unwrap(), env["PGPASSWORD"].as_str().unwrap());
    for statement in [
        "select password_hash from nexus.users",
        "select * from nexus.invitations",
        "select * from nexus.recovery_codes",
        "select * from nexus.identity_lock for update",
        "insert into nexus.group_members values (gen_random_uuid(), gen_random_uuid())",
        "insert into nexus.operator_grants values (gen_random_uuid())",
        "select * from nexus.audit_log",
    ] {
        let refusal = world.sql_as(user, password, &database[0], statement).expect_err(statement);
        assert!(refusal.contains("permission denied"), "{statement}: {refusal}");
    }
}
