//! What conditions look at of a user is as good as a grant: nobody changes it, or grants by it, for more
//! than they hold.

use nexus::features::access::AccessError;
use nexus::features::iam::roles::{self, Holder};
use nexus::features::iam::users::{self, UserUpdate};
use nexus::features::iam::{Condition, IamError, Name, signin};
use nexus::kernel::Description;
use serde_json::{Value, json};

use super::inside::{caller, machine, realm, run, who};
use super::{acme, json as in_acme, sql, user};
use crate::support::world::World;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn profile(fields: Value) -> UserUpdate {
    let Value::Object(profile) = fields else { panic!("{fields} is no profile") };
    UserUpdate { profile, ..UserUpdate::default() }
}

fn email(text: &str) -> UserUpdate {
    UserUpdate { email: Some(text.parse().unwrap()), ..UserUpdate::default() }
}

/// Bob approves in his team and edits his own record; eve the same in another team; hal may change any
/// user, and lou grants roles. Ann may everything.
fn teams() -> World {
    let world = acme();
    in_acme(&world, &["permission", "register", "invoice:approve", "--description", "approve"]);
    for name in ["bob", "eve", "hal", "lou", "max"] {
        user(&world, &format!("{name}@acme.example"));
    }
    in_acme(&world, &["role", "create", "Self"]);
    in_acme(&world, &["role", "allow", "Self", "user:update", "--when", "owner"]);
    in_acme(&world, &["role", "create", "Approver"]);
    in_acme(
        &world,
        &[
            "role",
            "allow",
            "Approver",
            "invoice:approve",
            "--when",
            "team = user.team and amount < user.limit",
        ],
    );
    in_acme(&world, &["role", "create", "Desk", "--allow", "user:*"]);
    in_acme(&world, &["role", "create", "Lead", "--allow", "role:*", "--allow", "user:*"]);
    for (role, user) in [
        ("Self", "bob"),
        ("Approver", "bob"),
        ("Self", "eve"),
        ("Approver", "eve"),
        ("Desk", "hal"),
        ("Lead", "lou"),
        ("Approver", "lou"),
    ] {
        in_acme(&world, &["role", "grant", role, "--user", &format!("{user}@acme.example")]);
    }
    sql(
        &world,
        r#"update nexus.users set state = 'active', profile = '{"team": "eu", "limit": 100, "phone": "1"}'"#,
    );
    sql(
        &world,
        r#"update nexus.users set profile = '{"team": "us", "limit": 900}' where email like 'eve@%'"#,
    );
    world
}

fn above<T: std::fmt::Debug>(what: &str, result: Result<T, IamError>) {
    match result {
        Err(IamError::Access(AccessError::Above { .. })) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn nobody_lifts_a_condition_by_editing_their_own_record() {
    let world = teams();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let bob = caller(&mut realm, "bob@acme.example").await;
        let own = who("bob@acme.example");
        for (what, change) in [
            ("another team", profile(json!({ "team": "us" }))),
            ("a higher limit", profile(json!({ "limit": 1_000_000 }))),
            ("no limit", profile(json!({ "limit": null }))),
            ("beside something harmless", profile(json!({ "phone": "2", "limit": 101 }))),
            ("an address that owns something", email("boss@acme.example")),
        ] {
            above(what, users::update(&mut realm, &bob, &own, &change).await);
        }
        // What no condition looks at is their own business, and so is what stays as it is.
        users::update(&mut realm, &bob, &own, &profile(json!({ "phone": "2", "team": "eu" }))).await.unwrap();
        users::update(&mut realm, &bob, &own, &profile(json!({ "street": "Elm" }))).await.unwrap();
        // Also of a role that they do not have yet.
        let eve = caller(&mut realm, "eve@acme.example").await;
        roles::revoke(&mut realm, &machine(), &name("Approver"), &Holder::User(who("eve@acme.example")))
            .await
            .unwrap();
        above(
            "before the role is granted",
            users::update(&mut realm, &eve, &who("eve@acme.example"), &profile(json!({ "limit": 5 }))).await,
        );
        let ann = caller(&mut realm, "ann@acme.example").await;
        users::update(&mut realm, &ann, &own, &profile(json!({ "limit": 5000 }))).await.unwrap();
        users::update(&mut realm, &ann, &who("ann@acme.example"), &profile(json!({ "limit": 1 })))
            .await
            .unwrap();
    });
}

#[test]
fn nobody_lifts_anothers_condition_for_more_than_they_hold() {
    let world = teams();
    // Hal is no approver; bob's rights hang on what hal may write.
    in_acme(&world, &["role", "allow", "Desk", "invoice:approve", "--when", "amount < 5"]);
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let hal = caller(&mut realm, "hal@acme.example").await;
        for change in [profile(json!({ "team": "us" })), profile(json!({ "limit": 9 }))] {
            above(
                "another's facts",
                users::update(&mut realm, &hal, &who("bob@acme.example"), &change).await,
            );
        }
        // Whose rights do not hang on it may have any team.
        users::update(&mut realm, &hal, &who("max@acme.example"), &profile(json!({ "team": "us" })))
            .await
            .unwrap();
    });
}

#[test]
fn the_same_condition_is_no_cover_for_somebody_whose_facts_are_others() {
    let world = teams();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let lou = caller(&mut realm, "lou@acme.example").await;
        // Max has lou's facts, eve has not.
        let (max, eve) = (who("max@acme.example"), who("eve@acme.example"));
        above(
            "a role whose holders differ",
            roles::grant(&mut realm, &lou, &name("Approver"), &Holder::User(max)).await,
        );
        above(
            "take over who may more",
            signin::issue_token(&mut realm, &lou, &eve, signin::Purpose::Invite).await,
        );
        let widened = Condition::parse("amount < user.limit").unwrap();
        let permission = "invoice:approve".parse().unwrap();
        above("make a role of it", {
            let made = roles::create(&mut realm, &lou, &name("Mine"), &Description::default(), &[]).await;
            made.unwrap();
            roles::allow(&mut realm, &lou, &name("Mine"), &permission, Some(&widened)).await
        });
        // In the same team and with the same limit, max may be helped.
        roles::grant(&mut realm, &machine(), &name("Approver"), &Holder::User(who("max@acme.example")))
            .await
            .unwrap();
        signin::issue_token(&mut realm, &lou, &who("max@acme.example"), signin::Purpose::Invite)
            .await
            .unwrap();
        let owns =
            roles::grant(&mut realm, &lou, &name("Self"), &Holder::User(who("max@acme.example"))).await;
        owns.unwrap();
    });
}

#[test]
fn a_condition_that_looks_at_nobody_is_a_cover_however_it_is_written() {
    let world = teams();
    in_acme(&world, &["role", "allow", "Lead", "invoice:approve", "--when", "amount < 50"]);
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let lou = caller(&mut realm, "lou@acme.example").await;
        roles::create(&mut realm, &lou, &name("Small"), &Description::default(), &[]).await.unwrap();
        let permission = "invoice:approve".parse().unwrap();
        let same = Condition::parse("amount<50").unwrap();
        roles::allow(&mut realm, &lou, &name("Small"), &permission, Some(&same)).await.unwrap();
        let more = Condition::parse("amount < 51").unwrap();
        above(
            "another condition",
            roles::allow(&mut realm, &lou, &name("Small"), &permission, Some(&more)).await,
        );
    });
}
