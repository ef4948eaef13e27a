//! Operators in a tenant's realm: only by a grant, only for its time, and never unseen.

use nexus::features::access::AccessError;
use nexus::features::iam::{IamError, groups, users};
use nexus::kernel::{Caller, Description, Page, Total};

use super::inside::{caller, realm, run};
use super::{acme, error, json, sql};

const EVERYONE: Page = Page { page: 1, limit: 100 };

#[test]
fn a_grant_lets_an_operator_in_for_its_time_and_every_use_is_in_the_tenants_log() {
    let world = acme();
    let args = ["user", "create", "--email", "ops@example.com", "--role", "Admin", "--password-stdin"];
    assert!(world.machine().output(&args, "some other long words\n").status.success());
    let look = async |ops: &Caller| {
        let mut realm = realm(&world, Some("acme")).await;
        let filter = nexus::features::iam::model::UserFilter::default();
        users::list(&mut realm, ops, &filter, Default::default(), (EVERYONE, Total::Exact)).await.map(|_| ())
    };
    json(&world, &["role", "create", "Support", "--allow", "user:read"]);
    run(async {
        let ops = caller(&mut realm(&world, None).await, "ops@example.com").await;
        assert!(matches!(look(&ops).await, Err(IamError::Access(AccessError::Forbidden { .. }))));
        let grant = [
            "operator",
            "grant",
            "ops@example.com",
            "--role",
            "Support",
            "--for",
            "8h",
            "--reason",
            "ticket 4711",
        ];
        assert_eq!(json(&world, &grant)["state"], "open");
        look(&ops).await.unwrap();
        let mut tenant = realm(&world, Some("acme")).await;
        let name = "Sales".parse().unwrap();
        let refused = groups::create(
            &mut tenant,
            &ops,
            &name,
            &Description::default(),
            (None, &serde_json::Map::new()),
        )
        .await;
        assert!(matches!(refused, Err(IamError::Access(AccessError::Forbidden { .. }))));
        drop(tenant);
        let seen = "select caller like 'operator:%', action, detail::text from nexus.audit_log order by id desc limit 1";
        assert_eq!(sql(&world, seen), [r#"t|operator.look|{"permissions": ["user:read"]}"#]);
        // It ends with its time, with the operator, and when it is revoked.
        sql(&world, "update nexus.operator_grants set expires_at = now()");
        assert!(look(&ops).await.is_err());
        sql(&world, "update nexus.operator_grants set expires_at = now() + interval '1 hour'");
        look(&ops).await.unwrap();
        world.json(&["user", "create", "--email", "boss@example.com", "--role", "Admin", "--invite"]);
        world.control_sql("update nexus.users set state = 'active'");
        world.json(&["user", "disable", "ops@example.com"]);
        assert!(look(&ops).await.is_err());
        world.json(&["user", "enable", "ops@example.com"]);
        look(&ops).await.unwrap();
        assert_eq!(json(&world, &["operator", "revoke", "ops@example.com"])["outcome"], "done");
        assert!(look(&ops).await.is_err());
        assert_eq!(json(&world, &["operator", "revoke", "ops@example.com"])["outcome"], "unchanged");
    });
    let all = world.json(&["operator", "list"]);
    assert_eq!((&all[0]["operator"], &all[0]["state"]), (&"ops@example.com".into(), &"revoked".into()));
    assert_eq!(json(&world, &["operator", "list"])[0]["reason"], "ticket 4711");
}

#[test]
fn a_grant_has_an_end_a_role_and_an_operator_who_is_there() {
    let world = acme();
    let grant = |operator: &str, role: &str, end: [&str; 2]| {
        error(&world, &["operator", "grant", operator, "--role", role, end[0], end[1], "--reason", "x"])
    };
    assert_eq!(grant("ops@example.com", "Viewer", ["--for", "8h"]), (4, "user_not_found".into()));
    world.json(&["user", "create", "--email", "ops@example.com", "--role", "Admin", "--invite"]);
    assert_eq!(grant("ops@example.com", "Viewer", ["--for", "8h"]), (5, "user_state".into()));
    world.control_sql("update nexus.users set state = 'active'");
    assert_eq!(grant("ops@example.com", "Viwer", ["--for", "8h"]), (4, "role_not_found".into()));
    assert_eq!(
        grant("ops@example.com", "Viewer", ["--until", "2020-01-01T00:00:00Z"]),
        (2, "date_invalid".into())
    );
    assert_eq!(grant("ops@example.com", "Viewer", ["--for", "400d"]), (2, "date_invalid".into()));
    assert_eq!(grant("ops@example.com", "Viewer", ["--for", "soon"]).0, 2);
    assert_eq!(grant("ann@acme.example", "Viewer", ["--for", "8h"]), (4, "user_not_found".into()));
    assert_eq!(sql(&world, "select count(*) from nexus.operator_grants"), ["0"]);
}
