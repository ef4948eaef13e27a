//! Connecting: to one's own database, and to every other one.

use secrecy::SecretString;

use nexus::infra::db::{Host, ServerAddress, Tls};

use super::neighbours;
use crate::support::world::World;

const SLUGS: [&str; 5] = ["ash", "birch", "cedar", "date", "elm"];

#[test]
fn no_tenant_connects_to_a_database_that_is_not_its_own() {
    let world = World::new();
    let tenants = neighbours(&world, &SLUGS);
    let mut others: Vec<String> = tenants.iter().map(|it| it.get("PGDATABASE").to_owned()).collect();
    others.extend(["postgres".to_owned(), "template1".to_owned(), "template0".to_owned()]);
    others.push(world.control.clone());
    others.extend(world.control_sql("select database_name from control.templates"));
    assert_eq!(others.len(), SLUGS.len() + 5);

    let mut refused = 0;
    for tenant in &tenants {
        let (user, password) = (tenant.get("PGUSER"), tenant.get("PGPASSWORD"));
        for database in &others {
            let answer = world.sql_as(user, password, database, "select 1");
            if database == tenant.get("PGDATABASE") {
                assert_eq!(answer.unwrap(), ["1"]);
                continue;
            }
            let refusal = answer.expect_err("a tenant was let into a foreign database");
            let closed = ["permission denied for database", "not currently accepting connections"];
            assert!(closed.iter().any(|closed| refusal.contains(closed)), "{database}: {refusal}");
            refused += 1;
        }
    }
    assert_eq!(refused, SLUGS.len() * (others.len() - 1));
}

#[test]
fn no_tenants_password_opens_another_tenants_login() {
    let world = World::new();
    let tenants = neighbours(&world, &SLUGS[..2]);
    let [one, other] = &tenants[..] else { unreachable!() };
    for user in [other.get("PGUSER"), "nexus", "postgres"] {
        let refusal = world
            .sql_as(user, one.get("PGPASSWORD"), other.get("PGDATABASE"), "select 1")
            .expect_err("a tenant's password opened another login");
        assert!(refusal.contains("authentication failed"), "{user}: {refusal}");
    }
}

#[test]
fn nobody_but_those_named_may_connect_to_what_nexus_made_or_keeps() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let mut databases = world.control_sql(
        "select database_name from control.tenants union select database_name from control.templates",
    );
    databases.extend(["postgres".to_owned(), "template1".to_owned(), world.control.clone()]);
    for database in databases {
        let open = world.sql(
            "postgres",
            &format!(
                "select privilege_type from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
                 where datname = '{database}' and grantee = 0"
            ),
        );
        assert!(open.is_empty(), "PUBLIC may {open:?} on {database}");
    }
}

/// Whichever it is, and however its login comes by the right.
#[test]
fn a_tenant_is_not_made_where_its_login_could_open_anothers_database() {
    let world = World::new();
    let tenants = neighbours(&world, &SLUGS[..3]);
    // Who may open what is none of Nexus's is its owner's business, and by default everybody may.
    let strange = format!("strange_{}", world.control);
    world.sql("postgres", &format!("create database {strange} template template0"));
    world.ok(&["tenant", "create", SLUGS[3]]);

    let oldest = tenants[0].get("PGDATABASE");
    for whom in ["public", "nexus_app"] {
        world.sql("postgres", &format!("grant connect on database {oldest} to {whom}"));
        let (code, error) = world.error(&["tenant", "create", SLUGS[4]]);
        assert_eq!((code, error["code"].as_str()), (9, Some("not_isolated")), "{whom}: {error}");
        assert!(error["message"].as_str().unwrap().contains(oldest), "{whom}: {error}");
        assert_eq!(world.there(), world.believed(), "{whom}: not all of it was taken back");
        world.sql("postgres", &format!("revoke connect on database {oldest} from {whom}"));
    }
    world.ok(&["tenant", "create", SLUGS[4]]);
    world.sql("postgres", &format!("drop database {strange}"));
}

#[tokio::test]
async fn a_tenant_holds_twenty_connections_and_no_more() {
    let world = World::new();
    let tenant = &neighbours(&world, &["acme"])[0];
    let server = ServerAddress {
        host: Host::Socket(world.stack().socket_dir.clone().into()),
        port: world.stack().port.parse().unwrap(),
        user: tenant.get("PGUSER").to_owned(),
        password: SecretString::from(tenant.get("PGPASSWORD")),
        database: tenant.get("PGDATABASE").to_owned(),
        tls: Tls::Disable,
    };
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(server.connect_plain("app").await.unwrap());
    }
    let error = server.connect_plain("app").await.expect_err("a twenty-first connection was let in");
    assert!(format!("{error}").contains("too many connections for role"), "{error}");
    // Its neighbours and the operators go on.
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");
}
