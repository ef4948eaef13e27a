//! Making a user.

use nexus::features::iam::model::NewUser;
use nexus::features::iam::{FirstPassword, IamError, Realm, signin, users};
use nexus::kernel::{Caller, ExposeSecret, Failure, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::iam::inside::{caller, machine, realm, run};
use crate::iam::{acme, sql};
use crate::support::world::World;

/// What a request says, parsed.
struct Body {
    user: NewUser,
    first: FirstPassword,
}

/// `POST /users`.
async fn create_user(realm: &mut Realm, caller: &Caller, body: Body) -> Result<Value, IamError> {
    let made = users::create(realm, caller, body.user, &body.first).await?;
    let invitation = made.invitation.as_ref().map(ExposeSecret::expose_secret);
    Ok(json!({ "user": made.user, "invitation": invitation }))
}

fn body(email: &str, role: &str, first: FirstPassword) -> Body {
    let (email, roles) = (email.parse().unwrap(), vec![role.parse().unwrap()]);
    let name = Some("Bob Birch".parse().unwrap());
    Body {
        user: NewUser { email, name, profile: Map::new(), fields: Map::new(), roles, groups: Vec::new() },
        first,
    }
}

fn given(password: &str) -> FirstPassword {
    FirstPassword::Given(SecretString::from(password))
}

const GOOD: &str = "seven dry cats in a barn";

/// A tenant's realm, in an installation whose hashes cost more than they must.
fn world() -> World {
    let world = acme();
    let file = world.machine().path("work/nexus.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[context.t.passwords]\nmemory_kib = 20480\npasses = 3\n")).unwrap();
    world
}

fn users_of(world: &World) -> Vec<String> {
    sql(world, "select email || ' ' || state from nexus.users order by email")
}

#[test]
fn the_service_checks_and_hashes_a_password_and_makes_an_invitation() {
    let world = world();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        for (password, code) in [
            ("short", "password_short"),
            ("abcabcabcabcabcabc", "password_guessable"),
            ("bob.birch@acme.example", "password_guessable"),
        ] {
            let refused = body("bob.birch@acme.example", "User", given(password));
            assert_eq!(create_user(&mut realm, &machine(), refused).await.unwrap_err().code(), code);
        }
        assert_eq!(users_of(&world), ["ann@acme.example active"]);

        let bob = body("bob.birch@acme.example", "User", given(GOOD));
        let made = create_user(&mut realm, &machine(), bob).await.unwrap();
        assert_eq!((&made["user"]["state"], &made["user"]["name"]), (&json!("active"), &json!("Bob Birch")));
        assert_eq!((&made["user"]["roles"], &made["invitation"]), (&json!(["User"]), &Value::Null));
        let cost = "select split_part(password_hash, '$', 4) from nexus.users where email like 'bob%'";
        assert_eq!(sql(&world, cost), ["m=20480,t=3,p=1"]);

        let eve = body("eve@acme.example", "User", FirstPassword::Invitation);
        let made = create_user(&mut realm, &machine(), eve).await.unwrap();
        let token = made["invitation"].as_str().unwrap();
        let hash = Sha256::digest(token.as_bytes());
        let hash = hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(sql(&world, "select encode(token_hash, 'hex') from nexus.invitations"), [hash]);
        signin::redeem(&mut realm, &token.into(), &GOOD.into()).await.unwrap();

        let dan = body("dan@acme.example", "User", FirstPassword::None);
        assert_eq!(create_user(&mut realm, &machine(), dan).await.unwrap()["invitation"], Value::Null);
    });
    let all = ["ann@acme.example active", "bob.birch@acme.example active"];
    assert_eq!(
        users_of(&world),
        [&all[..], &["dan@acme.example invited", "eve@acme.example active"]].concat()
    );
}

#[test]
fn who_may_not_create_users_is_refused_before_their_password_is_looked_at() {
    let world = world();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let vic = body("vic@acme.example", "Viewer", given(GOOD));
        create_user(&mut realm, &machine(), vic).await.unwrap();
        let vic = caller(&mut realm, "vic@acme.example").await;
        for first in [given("short"), given(GOOD), FirstPassword::Invitation] {
            let refused = create_user(&mut realm, &vic, body("mine@acme.example", "User", first)).await;
            assert_eq!(refused.unwrap_err().code(), "permission_missing");
        }
    });
    assert_eq!(users_of(&world), ["ann@acme.example active", "vic@acme.example active"]);
}

#[test]
fn a_dry_run_refuses_the_same_and_hands_out_nothing() {
    let world = world();
    run(async {
        let mut realm = realm(&world, Some("acme")).await.dry_run(true);
        let weak = body("bob@acme.example", "User", given("short"));
        assert_eq!(create_user(&mut realm, &machine(), weak).await.unwrap_err().code(), "password_short");
        for (first, state) in [(given(GOOD), "active"), (FirstPassword::Invitation, "invited")] {
            let planned = create_user(&mut realm, &machine(), body("bob@acme.example", "User", first)).await;
            let planned = planned.unwrap();
            assert_eq!((&planned["user"]["state"], &planned["invitation"]), (&json!(state), &Value::Null));
        }
    });
    assert_eq!(users_of(&world), ["ann@acme.example active"]);
}
