//! One tenant's token, and everything else of a request another tenant's: every operation of the page, with every
//! way to name a tenant.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::{PASSWORD, user};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

const DOMAIN: &str = "app.example.com";
/// Nobody's.
const UNKNOWN: &str = "01a22be3-5526-7abc-825c-22cf5967ed87";

/// A tenant, and what it has.
struct Tenant {
    slug: String,
    token: String,
    /// Ids of its own, by what stands before them in a path.
    ids: BTreeMap<&'static str, String>,
}

fn tenant(world: &World, server: &ApiServer, slug: &str) -> Tenant {
    let email = format!("canary@{slug}.example");
    let token = server.token(slug, &email, PASSWORD);
    let text = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let bob = user(server, &token, &format!("canary-bob@{slug}.example"), &["Viewer"]);
    server.login(Some(slug), &format!("canary-bob@{slug}.example"), PASSWORD).ok();
    let name = |kind: &str| json!({ "name": format!("canary-{kind}-{slug}") });
    let role = text(server.change("POST", "/roles", &token, &name("role")).ok());
    let group = text(server.change("POST", "/groups", &token, &name("group")).ok());
    server.send("PUT", &format!("/groups/{group}/members/{bob}"), &[&bearer(&token)], &[]).ok();
    let file = json!({ "name": format!("canary-file-{slug}"), "content_type": "text/plain", "size": 1 });
    let file = text(server.change("POST", "/files", &token, &file).ok());
    let session = format!("select id from nexus.sessions where user_id = '{bob}'");
    let session = world.tenant_sql(slug, &session).remove(0);
    let ids = [
        ("users", bob.clone()),
        ("members", bob),
        ("roles", role),
        ("groups", group),
        ("sessions", session),
        ("files", file),
    ];
    Tenant { slug: slug.to_owned(), token, ids: BTreeMap::from(ids) }
}

/// A body that the page's description of one lets through.
fn sample(page: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix("#/components/schemas/")) {
        return sample(page, &page["components"]["schemas"][name]);
    }
    if let Some(example) = schema.get("example").or_else(|| schema["enum"].get(0)) {
        return example.clone();
    }
    for all in ["allOf", "oneOf", "anyOf"] {
        if let Some(first) = schema[all].get(0) {
            return sample(page, first);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match (kind, schema["format"].as_str()) {
        ("string", Some("email")) => json!("somebody@else.example"),
        ("string", Some("uuid")) => json!(UNKNOWN),
        ("string", Some("password")) => json!(PASSWORD),
        ("string", Some("date-time")) => json!("2030-01-01T00:00:00Z"),
        ("string", _) => json!("some-text"),
        ("integer" | "number", _) => json!(1),
        ("boolean", _) => json!(false),
        ("array", _) => json!([sample(page, &schema["items"])]),
        _ => {
            let fields = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let of = |name: &str| (name.to_owned(), sample(page, &schema["properties"][name]));
            Value::Object(fields.map(of).collect::<Map<_, _>>())
        }
    }
}

/// An operation of the page.
struct Operation {
    method: String,
    path: String,
    body: Option<Value>,
}

/// The operations that need a token, but for those that end it.
fn operations(page: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in page["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let needs_token = operation["security"][0].get("token").is_some();
            // Wrong passwords lock their user.
            let ends_it = method == "delete" && path == "/auth/sessions"
                || ["/auth/logout", "/auth/password/change"].contains(&path.as_str());
            // What takes forms, and says who asks in them, has tests of its own.
            if !needs_token || ends_it || path.ends_with("/events") || path.starts_with("/oauth/") {
                continue;
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = (!schema.is_null()).then(|| sample(page, schema));
            found.push(Operation { method: method.to_uppercase(), path: path.clone(), body });
        }
    }
    found
}

impl Operation {
    /// Its path, with ids by what stands before them.
    fn filled(&self, id: impl Fn(&str) -> String) -> String {
        let parts: Vec<&str> = self.path.split('/').collect();
        let part = |at: usize| match parts[at] {
            "{permission}" => "invoice:read".to_owned(),
            part if part.starts_with('{') => id(parts[at - 1]),
            part => part.to_owned(),
        };
        let path = (0..parts.len()).map(part).collect::<Vec<_>>().join("/");
        if path.ends_with("/can") { format!("{path}?permission=user:read") } else { path }
    }

    fn send(&self, server: &ApiServer, path: &str, headers: &[String]) -> Answer {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        match &self.body {
            Some(body) => server.send_json(&self.method, path, &headers, body),
            None => server.send(&self.method, path, &headers, &[]),
        }
    }
}

/// The ways to name a tenant beside a token: what is sent, and whether anything of it is another tenant's.
fn namings(own: &str, other: &str) -> Vec<(Vec<String>, bool)> {
    let header = |name: &str, slug: &str| format!("{name}: {slug}");
    let host = |slug: &str| format!("Host: {slug}.{DOMAIN}");
    vec![
        (vec![], false),
        (vec![header("X-Tenant-ID", own)], false),
        (vec![header("X-Project-ID", own), host(own)], false),
        (vec![header("X-Tenant-ID", other)], true),
        (vec![header("X-Project-ID", other)], true),
        (vec![header("X-Tenant-ID", own), header("X-Tenant-ID", other)], true),
        (vec![header("X-Tenant-ID", own), header("X-Project-ID", other)], true),
        (vec![host(other)], true),
        (vec![host(own), header("X-Tenant-ID", other)], true),
        (vec![host(other), header("X-Tenant-ID", own)], true),
    ]
}

/// What an answer says, without what differs from request to request.
fn said(answer: &Answer, id: &str) -> (u16, String) {
    let request = answer.header("x-request-id").unwrap_or_default();
    (answer.status, answer.body.replace(request, "REQUEST").replace(id, "ID"))
}

#[test]
fn no_request_reaches_another_tenant_whatever_it_names() {
    let world = World::new();
    let slugs: Vec<String> = (1..=5).map(|n| format!("canary{n}")).collect();
    for slug in &slugs {
        world.tenant_of(slug, &format!("canary@{slug}.example"), PASSWORD);
    }
    let settings = [
        ("tenant_domain", DOMAIN),
        ("requests_a_minute", "1000000"),
        ("passwords_a_minute", "1000000"),
        ("sessions_a_minute", "1000000"),
    ];
    let server = ApiServer::start_with(&world, &settings);
    let tenants: Vec<Tenant> = slugs.iter().map(|slug| tenant(&world, &server, slug)).collect();
    let page = server.send("GET", "/openapi.json", &[], &[]).ok();
    let operations = operations(&page);
    assert!(operations.len() >= 40, "{}", operations.len());
    // The last one sends nothing: whatever changes there came from the others.
    let bystander = tenants.last().unwrap();
    let dump = "select md5(string_agg(row::text, ',' order by row::text)) from (
                    select users::text as row from nexus.users union all select roles::text from nexus.roles
                    union all select groups::text from nexus.groups union all select sessions::text from nexus.sessions
                    union all select files::text from nexus.files
                    union all select audit_log::text from nexus.audit_log) as all_rows";
    let before = world.tenant_sql(&bystander.slug, dump);

    let (wrong, requests) = (Mutex::new(Vec::new()), Mutex::new(0));
    let check = |own: &Tenant, other: &Tenant| {
        let leaks = |answer: &Answer| {
            let canaries = [format!("@{}.example", other.slug), format!("-{}", other.slug)];
            canaries.iter().any(|canary| {
                answer.body.contains(canary) || answer.headers.iter().any(|(_, value)| value.contains(canary))
            })
        };
        for operation in &operations {
            let name = format!("{} {} by {} of {}", operation.method, operation.path, own.slug, other.slug);
            let foreign = operation.filled(|kind| other.ids.get(kind).cloned().unwrap_or(UNKNOWN.to_owned()));
            let unknown = operation.filled(|_| UNKNOWN.to_owned());
            let has_id = foreign != unknown;
            let mut told = Vec::new();
            for (mut headers, is_mixed) in namings(&own.slug, &other.slug) {
                headers.push(bearer(&own.token));
                let answer = operation.send(&server, &foreign, &headers);
                *requests.lock().unwrap() += 1;
                let is_refused = answer.status == 403 && answer.json()["code"] == "tenant_mismatch";
                if is_mixed != is_refused || leaks(&answer) {
                    headers.pop();
                    told.push(format!("{name} {headers:?}: {} {}", answer.status, answer.body));
                }
                if !is_mixed && has_id {
                    let same = operation.send(&server, &unknown, &headers);
                    *requests.lock().unwrap() += 1;
                    let ids: Vec<&String> = other.ids.values().filter(|id| foreign.contains(*id)).collect();
                    let mut theirs = said(&answer, UNKNOWN);
                    for id in ids {
                        theirs.1 = theirs.1.replace(id, "ID");
                    }
                    if theirs != said(&same, UNKNOWN) {
                        told.push(format!("{name}: {theirs:?} and an unknown id {:?}", same.body));
                    }
                }
            }
            wrong.lock().unwrap().extend(told);
        }
    };
    std::thread::scope(|scope| {
        for (at, own) in tenants[..4].iter().enumerate() {
            let (check, other) = (&check, &tenants[(at + 1) % 4]);
            scope.spawn(move || {
                check(own, bystander);
                check(own, other);
            });
        }
    });
    let (wrong, requests) = (wrong.into_inner().unwrap(), requests.into_inner().unwrap());
    assert!(wrong.is_empty(), "{} of {requests}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(requests >= 2_000, "only {requests} were sent");
    assert_eq!(world.tenant_sql(&bystander.slug, dump), before);
}

#[test]
fn who_has_no_token_names_one_tenant() {
    let world = World::new();
    for slug in ["acme", "birch"] {
        world.tenant_of(slug, &format!("ann@{slug}.example"), PASSWORD);
    }
    let server = ApiServer::start_with(&world, &[("tenant_domain", DOMAIN)]);
    let body = json!({ "email": "ann@acme.example", "password": PASSWORD });
    let login = |headers: &[&str]| server.send_json("POST", "/auth/login", headers, &body);
    for good in [
        &["X-Tenant-ID: acme"][..],
        &["Host: acme.app.example.com"],
        &["X-Project-ID: acme", "X-Tenant-ID: acme"],
    ] {
        assert_eq!(login(good).status, 200, "{good:?}");
    }
    for two in [
        &["X-Tenant-ID: acme", "X-Tenant-ID: birch"][..],
        &["X-Tenant-ID: acme", "X-Project-ID: birch"],
        &["Host: birch.app.example.com", "X-Tenant-ID: acme"],
    ] {
        assert_eq!(login(two).problem(), (403, "tenant_mismatch".to_owned()), "{two:?}");
    }
    assert_eq!(login(&["X-Tenant-ID: birch"]).problem(), (401, "sign_in_refused".to_owned()));
    // A parameter of the query names nobody.
    let asked = server.send_json("POST", "/auth/login?tenant_id=acme", &["X-Tenant-ID: birch"], &body);
    assert_ne!(asked.status, 200, "{asked:?}");
}
