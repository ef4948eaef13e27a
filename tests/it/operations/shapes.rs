//! What scripts read: these texts change only with a new major version.

use insta::assert_snapshot;

use crate::support::world::World;

/// Puts words in the place of what differs from run to run, and a sign in that of tabs.
const REDACTIONS: [(&str, &str); 9] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"\b\d{4}-\d\d\b", "[month]"),
    (r"nx[a-z2-7]{20}", "[name]"),
    (r"\d{14}", "[version]"),
    (r"/[^ =\n&]*/local/run|%2F[^ =\n&]*%2Flocal%2Frun", "[socket]"),
    (r"machine:\w+", "machine:[user]"),
    (r"\t", "⇥"),
    (r"127\.0\.0\.1:\d+", "[endpoint]"),
];

/// Compares with words in the place of what differs.
macro_rules! shape {
    ($text:expr, @$expected:literal) => {
        let text = $text;
        insta::with_settings!({ filters => REDACTIONS }, { assert_snapshot!(text, @$expected) })
    };
}

fn one() -> World {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--name", "Acme Ltd", "--label", "plan=gold"]);
    world
}

fn create(world: &World) -> String {
    world.json(&["operation", "list"])[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_list_of_tenants() {
    let world = one();
    shape!(world.ok(&["tenant", "list"]), @"acme⇥Acme Ltd⇥active⇥plan=gold⇥[time]⇥[id]");
    shape!(world.ok(&["-o", "csv", "tenant", "list"]), @r"
    slug,name,state,labels,created_at,id
    acme,Acme Ltd,active,plan=gold,[time],[id]
    ");
    shape!(world.ok(&["-o", "json", "tenant", "list"]), @r#"
    [
    {"id":"[id]","slug":"acme","name":"Acme Ltd","state":"active","admin_email":null,"labels":{"plan":"gold"},"tier":null,"segment":null,"business_type":null,"modules":[],"limits":{"max_users":null,"max_storage_bytes":null,"max_requests_a_month":null},"cluster":"default","store":"default","database":"[name]","role":"[name]_app","bucket":"[name]","schema_version":[version],"created_at":"[time]","updated_at":"[time]"}
    ]
    "#);
}

#[test]
fn one_tenant() {
    let world = one();
    shape!(world.ok(&["tenant", "show", "acme"]), @r"
    slug⇥acme
    name⇥Acme Ltd
    state⇥active
    id⇥[id]
    admin_email⇥
    labels⇥plan=gold
    tier⇥
    segment⇥
    business_type⇥
    modules⇥
    limits⇥
    cluster⇥default
    store⇥default
    database⇥[name]
    role⇥[name]_app
    bucket⇥[name]
    schema_version⇥[version]
    created_at⇥[time]
    updated_at⇥[time]
    former_slugs⇥
    usage⇥0 requests in [month]
    ");
    shape!(world.ok(&["-o", "json", "tenant", "show", "acme"]), @r#"
    {
      "id": "[id]",
      "slug": "acme",
      "name": "Acme Ltd",
      "state": "active",
      "admin_email": null,
      "labels": {
        "plan": "gold"
      },
      "tier": null,
      "segment": null,
      "business_type": null,
      "modules": [],
      "limits": {
        "max_users": null,
        "max_storage_bytes": null,
        "max_requests_a_month": null
      },
      "cluster": "default",
      "store": "default",
      "database": "[name]",
      "role": "[name]_app",
      "bucket": "[name]",
      "schema_version": [version],
      "created_at": "[time]",
      "updated_at": "[time]",
      "former_slugs": [],
      "usage": {
        "month": "[month]",
        "requests": 0
      }
    }
    "#);
    shape!(world.ok(&["-o", "yaml", "tenant", "show", "acme"]), @r"
    id: [id]
    slug: acme
    name: Acme Ltd
    state: active
    admin_email: null
    labels:
      plan: gold
    tier: null
    segment: null
    business_type: null
    modules: []
    limits:
      max_users: null
      max_storage_bytes: null
      max_requests_a_month: null
    cluster: default
    store: default
    database: [name]
    role: [name]_app
    bucket: [name]
    schema_version: [version]
    created_at: [time]
    updated_at: [time]
    former_slugs: []
    usage:
      month: [month]
      requests: 0
    ");
}

#[test]
fn a_tenant_made_mended_and_gone() {
    let world = World::new();
    shape!(world.machine().run(&["tenant", "create", "acme"]), @r"
    --- stdout
    slug⇥acme
    name⇥acme
    state⇥active
    id⇥[id]
    admin_email⇥
    labels⇥
    tier⇥
    segment⇥
    business_type⇥
    modules⇥
    limits⇥
    cluster⇥default
    store⇥default
    database⇥[name]
    role⇥[name]_app
    bucket⇥[name]
    schema_version⇥[version]
    created_at⇥[time]
    updated_at⇥[time]
    outcome⇥created
    operation⇥[id]
    --- stderr
    its app's environment: nexus tenant env acme; its database: nexus tenant psql acme
    --- exit 0
    ");
    shape!(world.machine().run(&["-o", "json", "tenant", "create", "acme"]), @r#"
    --- stdout
    {
      "outcome": "unchanged",
      "operation": "[id]",
      "id": "[id]",
      "slug": "acme",
      "name": "acme",
      "state": "active",
      "admin_email": null,
      "labels": {},
      "tier": null,
      "segment": null,
      "business_type": null,
      "modules": [],
      "limits": {
        "max_users": null,
        "max_storage_bytes": null,
        "max_requests_a_month": null
      },
      "cluster": "default",
      "store": "default",
      "database": "[name]",
      "role": "[name]_app",
      "bucket": "[name]",
      "schema_version": [version],
      "created_at": "[time]",
      "updated_at": "[time]"
    }
    --- stderr
    tenant acme already exists; nothing was changed
    --- exit 0
    "#);
    shape!(world.machine().run(&["tenant", "repair", "acme"]), @r"
    --- stdout
    acme⇥unchanged⇥⇥⇥
    --- exit 0
    ");
    shape!(world.machine().run(&["-o", "json", "tenant", "repair", "acme"]), @r#"
    --- stdout
    [
    {"tenant":"acme","outcome":"unchanged","operation":null,"steps":[],"error":null}
    ]
    --- exit 0
    "#);
    let delete = ["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"];
    shape!(world.machine().run(&delete), @r"
    --- stdout
    slug⇥acme
    name⇥acme
    state⇥deleted
    id⇥[id]
    admin_email⇥
    labels⇥
    tier⇥
    segment⇥
    business_type⇥
    modules⇥
    limits⇥
    cluster⇥default
    store⇥default
    database⇥[name]
    role⇥[name]_app
    bucket⇥[name]
    schema_version⇥[version]
    created_at⇥[time]
    updated_at⇥[time]
    outcome⇥purged
    operation⇥[id]
    --- exit 0
    ");
}

#[test]
fn operations() {
    let world = one();
    shape!(world.ok(&["operation", "list"]), @"[id]⇥create⇥acme⇥done⇥[time]⇥");
    shape!(world.ok(&["-o", "json", "operation", "list"]), @r#"
    [
    {"id":"[id]","kind":"create","tenant_id":"[id]","tenant":"acme","state":"done","caller":"machine:[user]","error":null,"created_at":"[time]","updated_at":"[time]","finished_at":"[time]"}
    ]
    "#);
    shape!(world.ok(&["operation", "show", &create(&world)]), @r"
    id⇥[id]
    kind⇥create
    tenant⇥acme
    tenant_id⇥[id]
    state⇥done
    caller⇥machine:[user]
    error⇥
    created_at⇥[time]
    updated_at⇥[time]
    finished_at⇥[time]
    steps⇥reserve: done, roles: done, bucket: done, key: done, seal: done, database: done, privileges: done, seed: done, prove-isolation: done, prove-database: done, prove-store: done, activate: done
    ");
    let shown = world.json(&["operation", "show", &create(&world)]);
    shape!(serde_json::to_string_pretty(&shown["steps"][0]).unwrap(), @r#"
    {
      "finished_at": "[time]",
      "name": "reserve",
      "started_at": "[time]",
      "state": "done"
    }
    "#);
}

#[test]
fn an_environment() {
    let world = one();
    let masked = |format: &str| {
        let key = world.env("acme")["AWS_ACCESS_KEY_ID"].as_str().unwrap().to_owned();
        world.ok(&["tenant", "env", "acme", "--format", format]).replace(&key, "[key]")
    };
    shape!(masked("dotenv"), @r#"
    NEXUS_TENANT_ID=[id]
    NEXUS_TENANT=acme
    DATABASE_URL='postgres://[name]_app:********@/[name]?host=[socket]&port=5432'
    PGHOST=[socket]
    PGPORT=5432
    PGUSER=[name]_app
    PGPASSWORD='********'
    PGDATABASE=[name]
    S3_BUCKET=[name]
    S3_ENDPOINT=http://[endpoint]
    AWS_ENDPOINT_URL_S3=http://[endpoint]
    AWS_REGION=us-east-1
    AWS_DEFAULT_REGION=us-east-1
    AWS_ACCESS_KEY_ID=[key]
    AWS_SECRET_ACCESS_KEY='********'
    "#);
    shape!(masked("shell"), @r"
    export NEXUS_TENANT_ID=[id]
    export NEXUS_TENANT=acme
    export DATABASE_URL='postgres://[name]_app:********@/[name]?host=[socket]&port=5432'
    export PGHOST=[socket]
    export PGPORT=5432
    export PGUSER=[name]_app
    export PGPASSWORD='********'
    export PGDATABASE=[name]
    export S3_BUCKET=[name]
    export S3_ENDPOINT=http://[endpoint]
    export AWS_ENDPOINT_URL_S3=http://[endpoint]
    export AWS_REGION=us-east-1
    export AWS_DEFAULT_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=[key]
    export AWS_SECRET_ACCESS_KEY='********'
    ");
    shape!(masked("json"), @r#"
    {
      "AWS_ACCESS_KEY_ID": "[key]",
      "AWS_DEFAULT_REGION": "us-east-1",
      "AWS_ENDPOINT_URL_S3": "http://[endpoint]",
      "AWS_REGION": "us-east-1",
      "AWS_SECRET_ACCESS_KEY": "********",
      "DATABASE_URL": "postgres://[name]_app:********@/[name]?host=[socket]&port=5432",
      "NEXUS_TENANT": "acme",
      "NEXUS_TENANT_ID": "[id]",
      "PGDATABASE": "[name]",
      "PGHOST": "[socket]",
      "PGPASSWORD": "********",
      "PGPORT": "5432",
      "PGUSER": "[name]_app",
      "S3_BUCKET": "[name]",
      "S3_ENDPOINT": "http://[endpoint]"
    }
    "#);
    shape!(masked("url"), @"postgres://[name]_app:********@/[name]?host=[socket]&port=5432");
}

#[test]
fn errors() {
    let world = one();
    let machine = world.machine();
    shape!(machine.run(&["-o", "json", "tenant", "show", "nobody"]), @r#"
    --- stderr
    {"error":{"code":"tenant_not_found","message":"no tenant \"nobody\"","hint":"see which there are: nexus tenant list","details":{"name":"nobody","nearest":null},"operation":null}}
    --- exit 4
    "#);
    shape!(machine.run(&["tenant", "show", "nobody"]), @r#"
    --- stderr
    error: no tenant "nobody"
    hint: see which there are: nexus tenant list
    --- exit 4
    "#);
    shape!(machine.run(&["-o", "json", "tenant", "create", "acme", "--name", "Another"]), @r#"
    --- stderr
    {"error":{"code":"tenant_exists","message":"tenant \"acme\" already exists: its name is \"Acme Ltd\", not \"Another\"","hint":"see it: nexus tenant show acme\nchange its name: nexus tenant update acme --name Another","details":{"differences":["name"],"slug":"acme","values":{"name":{"given":"Another","is":"Acme Ltd"}}},"operation":null}}
    --- exit 5
    "#);
    shape!(machine.run(&["-o", "json", "operation", "resume", &create(&world)]), @r#"
    --- stdout
    [
    {"id":"[id]","kind":"create","tenant_id":"[id]","tenant":"acme","state":"done","caller":"machine:[user]","error":null,"created_at":"[time]","updated_at":"[time]","finished_at":"[time]"}
    ]
    --- stderr
    {"error":{"code":"operation_over","message":"operation [id] is done: there is nothing to resume","hint":"see what came of it: nexus operation show [id]","details":{},"operation":null}}
    --- exit 5
    "#);
    shape!(machine.run(&["-o", "json", "tenant", "delete", "acme", "--purge"]), @r#"
    --- stderr
    {"error":{"code":"confirmation_required","message":"deleting tenant acme for good needs confirmation, and there is no terminal to ask on","hint":"to do it, pass --yes --confirm acme","details":{},"operation":null}}
    --- exit 3
    "#);
}
