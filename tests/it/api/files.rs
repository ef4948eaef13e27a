//! `/files`: asked for, uploaded to the store, completed, downloaded, changed, deleted.

use nexus::app::App;
use nexus::features::files::claim_sweeps;
use nexus::infra::objects::{BucketClient, ScopedKey};
use nexus::kernel::progress::Silent;
use serde_json::{Value, json};

use super::{PASSWORD, acme, acme_and_token, call, each, operator, operator_token, refused, user};
use crate::iam::inside::{machine, run};
use crate::support::api::{Answer, ApiServer, bearer, send_to};
use crate::support::garage;
use crate::support::proxy::{Fault, Proxy};
use crate::support::sql::apart;
use crate::support::stack;
use crate::support::world::World;

const CONTENT: &[u8] = b"hello, file";
/// Its bytes.
const SIZE: i64 = 11;

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn new(name: &str, size: usize) -> Value {
    json!({ "name": name, "content_type": "text/plain", "size": size })
}

/// Asks for an upload; the answer.
fn asked(server: &ApiServer, token: &str, body: &Value) -> Value {
    let answer = server.change("POST", "/files", token, body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// The headers that are to be sent with a signed request.
fn headers(request: &Value) -> Vec<String> {
    let headers = request["headers"].as_object().unwrap();
    headers.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap())).collect()
}

/// Uploads something to where an answer says.
fn upload(file: &Value, content: &[u8]) -> Answer {
    let request = &file["upload"];
    assert_eq!(request["method"], "PUT");
    send_to("PUT", request["url"].as_str().unwrap(), &headers(request), content)
}

fn complete(server: &ApiServer, token: &str, file: &Value) -> Answer {
    let path = format!("/files/{}/complete", file["id"].as_str().unwrap());
    server.send("POST", &path, &[&bearer(token)], &[])
}

/// A file that is there.
pub fn ready(server: &ApiServer, token: &str, name: &str) -> Value {
    let file = asked(server, token, &new(name, CONTENT.len()));
    assert_eq!(upload(&file, CONTENT).status, 200);
    complete(server, token, &file).ok()
}

fn place(file: &Value) -> String {
    format!("/files/{}", file["id"].as_str().unwrap())
}

/// Downloads a file by the URL that the API gives.
fn downloaded(server: &ApiServer, token: &str, file: &Value) -> Answer {
    let request = server.get(&format!("{}/download", place(file)), token).ok();
    assert_eq!(request["method"], "GET");
    send_to("GET", request["url"].as_str().unwrap(), &headers(&request), &[])
}

/// The tenant's own client, and the name of its bucket.
fn own_client(world: &World, slug: &str) -> (BucketClient, String) {
    let env = world.env(slug);
    let text = |name: &str| env[name].as_str().unwrap().to_owned();
    let key =
        ScopedKey { access_key_id: text("AWS_ACCESS_KEY_ID"), secret: text("AWS_SECRET_ACCESS_KEY").into() };
    (BucketClient::new(&text("S3_ENDPOINT"), &text("AWS_REGION"), &key), text("S3_BUCKET"))
}

/// How many objects a tenant's bucket has.
fn objects(world: &World, slug: &str) -> usize {
    let (client, bucket) = own_client(world, slug);
    apart(async || client.count(&bucket).await.unwrap().0)
}

/// What the API says of how much there is: files and bytes that are ready, and that wait.
fn usage(server: &ApiServer, token: &str) -> [i64; 4] {
    let usage = server.get("/files/usage", token).ok();
    ["files", "bytes", "pending_files", "pending_bytes"].map(|name| usage[name].as_i64().unwrap())
}

/// Waits until a server that was just started has swept a tenant's files; the states of those that stay.
fn swept(world: &World, states: &[&str], objects_left: usize) {
    world.control_sql(DUE);
    let _sweeping = ApiServer::start(world);
    world.until(&world.database_of("acme"), STATES, |found| found == states);
    assert_eq!(objects(world, "acme"), objects_left);
}

/// A look at the files of each tenant that has some on the way is due.
const DUE: &str = "update control.file_sweeps set due_at = now()";

const STATES: &str = "select state from nexus.files order by id";

#[test]
fn a_file_is_uploaded_completed_downloaded_and_deleted() {
    let (world, server, token) = acme_and_token();
    let attached = json!({ "kind": "invoice", "id": "2026-0042" });
    let mut body = new("Größe 1.txt", CONTENT.len());
    body["attached_to"] = attached.clone();
    let made = server.change("POST", "/files", &token, &body);
    assert_eq!(made.status, 201, "{made:?}");
    let file = made.json();
    assert_eq!(made.header("location").unwrap(), place(&file));
    assert_eq!((&file["state"], &file["attached_to"]), (&json!("pending"), &attached));
    assert_eq!(usage(&server, &token), [0, 0, 1, SIZE]);
    let shown = server.get(&place(&file), &token);
    assert_eq!(shown.header("etag"), made.header("etag"));
    assert_eq!(shown.ok().get("upload"), None);
    assert_eq!(complete(&server, &token, &file).problem(), code(409, "file_not_uploaded"));
    assert_eq!(
        refused(&server, "GET", &format!("{}/download", place(&file)), &token),
        code(409, "file_not_ready")
    );
    assert_eq!(upload(&file, CONTENT).status, 200);
    let done = complete(&server, &token, &file);
    assert_eq!(done.ok()["state"], "ready");
    assert_eq!(complete(&server, &token, &file).ok(), done.json());
    assert_eq!(usage(&server, &token), [1, SIZE, 0, 0]);
    let got = downloaded(&server, &token, &file);
    assert_eq!((got.status, got.body.as_bytes()), (200, CONTENT));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert!(
        got.header("content-disposition").unwrap().ends_with("UTF-8''Gr%C3%B6%C3%9Fe%201.txt"),
        "{got:?}"
    );
    // Its key in the bucket is ours, and nobody's name.
    let key = format!("files/{}", file["id"].as_str().unwrap());
    let (client, bucket) = own_client(&world, "acme");
    assert_eq!(apart(async || client.get(&bucket, &key).await.unwrap()), CONTENT);
    let url = server.get(&format!("{}/download", place(&file)), &token).ok();
    let gone = call(&server, "DELETE", &place(&file), &token);
    assert_eq!((&gone["action"], &gone["outcome"]), (&json!("file.delete"), &json!("done")));
    assert_eq!(send_to("GET", url["url"].as_str().unwrap(), &headers(&url), &[]).status, 404);
    for (method, path) in
        [("GET", place(&file)), ("DELETE", place(&file)), ("POST", format!("{}/complete", place(&file)))]
    {
        assert_eq!(refused(&server, method, &path, &token), code(404, "file_not_found"), "{method} {path}");
    }
    assert_eq!(each(&server.get("/files", &token).ok(), "id"), [""; 0]);
    assert_eq!(usage(&server, &token), [0; 4]);
    assert_eq!(objects(&world, "acme"), 0);
    let log = server.get("/audit", &token).ok();
    let actions: Vec<&str> = each(&log, "action").into_iter().filter(|it| it.starts_with("file.")).collect();
    assert_eq!(actions, ["file.delete", "file.complete", "file.create"]);
    // They are the tenant's own affair: the platform's log tells of none.
    assert_eq!(world.control_sql("select count(*) from control.audit_log where action like 'file.%'"), ["0"]);
}

#[test]
fn in_a_garage_store_a_file_is_what_was_declared_and_can_be_downloaded_too() {
    let world = World::new();
    garage::register(&world, "garage");
    let create = ["tenant", "create", "acme", "--store", "garage", "--admin-email", "ann@acme.example"];
    let output = world
        .machine()
        .output(&[&create[..], &["--admin-password-stdin"]].concat(), &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = ApiServer::start(&world);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let file = asked(&server, &token, &new("Größe 1.txt", CONTENT.len()));
    for wrong in [&b"hello"[..], b"hello, file and more"] {
        assert_eq!(upload(&file, wrong).status, 403, "{wrong:?}");
    }
    assert_eq!(objects(&world, "acme"), 0);
    assert_eq!(upload(&file, CONTENT).status, 200);
    assert_eq!(complete(&server, &token, &file).ok()["state"], "ready");
    let got = downloaded(&server, &token, &file);
    assert_eq!((got.status, got.body.as_bytes()), (200, CONTENT));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert!(
        got.header("content-disposition").unwrap().ends_with("UTF-8''Gr%C3%B6%C3%9Fe%201.txt"),
        "{got:?}"
    );
    let mut body = new("b.txt", CONTENT.len());
    body["sha256"] = json!("0".repeat(64));
    let lies = asked(&server, &token, &body);
    assert_eq!(upload(&lies, CONTENT).status, 400);
    call(&server, "DELETE", &place(&file), &token);
    assert_eq!(objects(&world, "acme"), 0);
}

#[test]
fn the_store_takes_what_was_declared_once_and_nothing_else() {
    let (world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", CONTENT.len()));
    for wrong in [&b"hello"[..], b"hello, file and more"] {
        assert_eq!(upload(&file, wrong).status, 403, "{wrong:?}");
    }
    let url = file["upload"]["url"].as_str().unwrap();
    let with = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        send_to("PUT", url, &lines, CONTENT).status
    };
    assert_eq!(with(&["content-type: text/html", "if-none-match: *"]), 403);
    assert_eq!(with(&["content-type: text/plain"]), 403);
    assert_eq!(objects(&world, "acme"), 0);
    assert_eq!(upload(&file, CONTENT).status, 200);
    // Nobody puts something else in its place, also once it is completed.
    assert_eq!(upload(&file, b"jello, file").status, 412);
    complete(&server, &token, &file).ok();
    assert_eq!(upload(&file, b"jello, file").status, 412);
    assert_eq!(downloaded(&server, &token, &file).body.as_bytes(), CONTENT);

    let mut body = new("b.txt", CONTENT.len());
    body["sha256"] = json!("0".repeat(64));
    let lies = asked(&server, &token, &body);
    assert_eq!(upload(&lies, CONTENT).status, 400);
    let right = <sha2::Sha256 as sha2::Digest>::digest(CONTENT);
    body["sha256"] = json!(hex::encode(right).to_uppercase());
    let honest = asked(&server, &token, &body);
    assert_eq!(honest["sha256"], json!(hex::encode(right)));
    assert_eq!(upload(&honest, CONTENT).status, 200);
    assert_eq!(complete(&server, &token, &honest).ok()["state"], "ready");
}

#[test]
fn an_upload_that_is_not_what_was_declared_is_deleted_with_its_row() {
    let (world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", CONTENT.len()));
    // An app has the tenant's key, and can write what it likes.
    let (client, bucket) = own_client(&world, "acme");
    let key = format!("files/{}", file["id"].as_str().unwrap());
    apart(async || client.put(&bucket, &key, b"much more than was declared").await.unwrap());
    let answer = complete(&server, &token, &file);
    assert_eq!(answer.problem(), code(409, "file_differs"));
    assert_eq!(answer.json()["details"], json!({ "what": "size", "declared": "11", "found": "27" }));
    assert_eq!(objects(&world, "acme"), 0);
    assert_eq!(refused(&server, "GET", &place(&file), &token), code(404, "file_not_found"));
    assert_eq!(usage(&server, &token), [0; 4]);
    let typed = asked(&server, &token, &new("b.txt", CONTENT.len()));
    let key = format!("files/{}", typed["id"].as_str().unwrap());
    apart(async || client.put(&bucket, &key, CONTENT).await.unwrap());
    assert_eq!(complete(&server, &token, &typed).json()["details"]["what"], "content_type");
    assert_eq!(objects(&world, "acme"), 0);
}

#[test]
fn what_cannot_be_a_file_is_refused_and_named() {
    let (_world, server, token) = acme_and_token();
    for (field, value) in [
        ("size", json!(0)),
        ("size", json!(-1)),
        ("size", json!(5_368_709_121_i64)),
        ("name", json!("../a")),
        ("name", json!("")),
        ("content_type", json!("text")),
        ("content_type", json!("text/plain\r\nx: y")),
        ("sha256", json!("abc")),
        ("attached_to", json!({ "kind": "Invoice", "id": "1" })),
        ("attached_to", json!({ "kind": "invoice" })),
        ("object_key", json!("files/x")),
    ] {
        let mut body = new("a.txt", 1);
        body[field] = value.clone();
        let answer = server.change("POST", "/files", &token, &body);
        assert_eq!(answer.problem(), code(400, "body_invalid"), "{field}: {value}");
        assert!(answer.json()["errors"][0]["pointer"].as_str().unwrap().starts_with(&format!("/{field}")));
    }
    for query in ["attached_kind=invoice", "attached_id=1", "state=redy", "kind=x", "name="] {
        let answer = server.get(&format!("/files?{query}"), &token);
        assert_eq!(answer.problem(), code(400, "query_invalid"), "{query}");
    }
    assert_eq!(refused(&server, "GET", "/files/a", &token), code(400, "path_invalid"));
    assert_eq!(each(&server.get("/files", &token).ok(), "id"), [""; 0]);
}

#[test]
fn files_are_listed_newest_first_and_by_what_they_are() {
    let (_world, server, token) = acme_and_token();
    let attached = |kind: &str, id: &str| json!({ "kind": kind, "id": id });
    for (name, to) in [
        ("a.txt", Some(attached("invoice", "1"))),
        ("B.txt", Some(attached("invoice", "2"))),
        ("b.pdf", Some(attached("order", "1"))),
        ("b%.txt", None),
    ] {
        let mut body = new(name, CONTENT.len());
        if let Some(to) = to {
            body["attached_to"] = to;
        }
        let file = asked(&server, &token, &body);
        if name.contains(".pdf") {
            assert_eq!(upload(&file, CONTENT).status, 200);
            complete(&server, &token, &file).ok();
        }
    }
    let names = |query: &str| -> Vec<String> {
        let list = server.get(&format!("/files{query}"), &token).ok();
        each(&list, "name").into_iter().map(str::to_owned).collect()
    };
    assert_eq!(names(""), ["b%.txt", "b.pdf", "B.txt", "a.txt"]);
    assert_eq!(names("?attached_kind=invoice&attached_id=2"), ["B.txt"]);
    assert_eq!(names("?state=ready"), ["b.pdf"]);
    assert_eq!(names("?state=pending&limit=2"), ["b%.txt", "B.txt"]);
    assert_eq!(names("?name=b"), ["b%.txt", "b.pdf", "B.txt"]);
    assert_eq!(names("?name=b%25"), ["b%.txt"]);
    let (mut seen, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = server.get(&format!("/files{query}"), &token).ok();
        assert_eq!(page["pagination"]["total"], 4);
        seen.extend(each(&page, "name").into_iter().map(str::to_owned));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        query = format!("?limit=1&cursor={next}");
    }
    assert_eq!(seen, names(""));
}

#[test]
fn a_file_is_renamed_and_attached_to_something_else_as_it_was_seen() {
    let (_world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", 1));
    let path = place(&file);
    let tag = server.get(&path, &token).header("etag").unwrap().to_owned();
    let change = json!({ "name": "b.txt", "attached_to": { "kind": "invoice", "id": "1" } });
    let with = |tag: &str, body: &Value| {
        server.send_json("PATCH", &path, &[&bearer(&token), &format!("If-Match: {tag}")], body)
    };
    let changed = with(&tag, &change);
    assert_eq!(
        (&changed.ok()["name"], &changed.ok()["attached_to"]),
        (&change["name"], &change["attached_to"])
    );
    assert_eq!(with(&tag, &change).problem(), code(412, "precondition_failed"));
    let tag = changed.header("etag").unwrap();
    assert_eq!(server.get(&path, &token).header("etag"), Some(tag));
    assert_eq!(with(tag, &json!({})).header("etag"), Some(tag));
    let detached = with(tag, &json!({ "attached_to": null })).ok();
    assert_eq!((&detached["name"], &detached["attached_to"]), (&json!("b.txt"), &Value::Null));
    let gone = server.send("DELETE", &path, &[&bearer(&token), &format!("If-Match: {tag}")], &[]);
    assert_eq!(gone.problem(), code(412, "precondition_failed"));
    assert_eq!(server.get(&path, &token).status, 200);
}

#[test]
fn roles_say_who_may_do_what_with_files() {
    let (_world, server, token) = acme_and_token();
    for (email, role) in [("vic@acme.example", "Viewer"), ("una@acme.example", "User")] {
        user(&server, &token, email, &[role]);
    }
    let viewer = server.token("acme", "vic@acme.example", PASSWORD);
    let worker = server.token("acme", "una@acme.example", PASSWORD);
    let file = ready(&server, &worker, "a.txt");
    assert_eq!(downloaded(&server, &viewer, &file).body.as_bytes(), CONTENT);
    let missing = code(403, "permission_missing");
    assert_eq!(server.change("POST", "/files", &viewer, &new("b.txt", 1)).problem(), missing);
    assert_eq!(
        server.change("PATCH", &place(&file), &viewer, &json!({ "name": "b.txt" })).problem(),
        missing
    );
    assert_eq!(complete(&server, &viewer, &file).problem(), missing);
    assert_eq!(refused(&server, "DELETE", &place(&file), &worker), missing);
    assert_eq!(refused(&server, "DELETE", &place(&file), &viewer), missing);

    // A condition looks at what a file is: here, who asked for it.
    server.change("POST", "/roles", &token, &json!({ "name": "Own files" })).ok();
    for permission in ["file:create", "file:read", "file:delete"] {
        let path = format!("/roles/Own%20files/permissions/{permission}");
        server.change("PUT", &path, &token, &json!({ "when": "owner" })).ok();
    }
    user(&server, &token, "oz@acme.example", &["Own files"]);
    let owner = server.token("acme", "oz@acme.example", PASSWORD);
    let own = ready(&server, &owner, "own.txt");
    assert_eq!(server.get(&place(&own), &owner).status, 200);
    assert_eq!(refused(&server, "GET", &place(&file), &owner), missing);
    assert_eq!(refused(&server, "GET", "/files/01a22be3-5526-7abc-825c-22cf5967ed87", &owner), missing);
    assert_eq!(refused(&server, "DELETE", &place(&file), &owner), missing);
    assert_eq!(call(&server, "DELETE", &place(&own), &owner)["outcome"], "done");
}

#[test]
fn the_platforms_own_realm_has_no_bucket() {
    let (world, server) = acme();
    operator(&world, "ops@example.com", "Admin");
    operator(&world, "aud@example.com", "Auditor");
    let admin = operator_token(&server, "ops@example.com");
    assert_eq!(server.change("POST", "/files", &admin, &new("a", 1)).problem(), code(409, "no_bucket"));
    assert_eq!(refused(&server, "GET", "/files", &admin), code(409, "no_bucket"));
    let auditor = operator_token(&server, "aud@example.com");
    assert_eq!(refused(&server, "GET", "/files", &auditor), code(403, "permission_missing"));
}

#[test]
fn the_urls_of_a_suspended_tenant_are_refused_by_the_store() {
    let (world, server, token) = acme_and_token();
    let file = ready(&server, &token, "a.txt");
    let waiting = asked(&server, &token, &new("b.txt", CONTENT.len()));
    let url = server.get(&format!("{}/download", place(&file)), &token).ok();
    let get = || send_to("GET", url["url"].as_str().unwrap(), &headers(&url), &[]).status;
    assert_eq!(get(), 200);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    assert_eq!((get(), upload(&waiting, CONTENT).status), (403, 403));
    world.ok(&["tenant", "resume", "acme"]);
    assert_eq!((get(), upload(&waiting, CONTENT).status), (200, 200));
}

#[test]
fn a_request_for_a_file_that_is_repeated_with_its_key_is_one_file_with_one_url() {
    let (world, server, token) = acme_and_token();
    let key = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324";
    let ask = || server.send_json("POST", "/files", &[&bearer(&token), key], &new("a.txt", CONTENT.len()));
    let first = ask();
    let again = ask();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.ok(), again.ok());
    assert_eq!(upload(&again.json(), CONTENT).status, 200);
    // What is kept of the answer is sealed.
    let kept = "select encode(answer, 'escape') like '%X-Amz%' from nexus.idempotency_keys";
    assert_eq!(world.tenant_sql("acme", kept), ["f"]);
    assert_eq!(world.tenant_sql("acme", "select count(*) from nexus.files"), ["1"]);
}

#[test]
fn what_never_comes_is_deleted_by_the_round_of_any_server() {
    let (world, server, token) = acme_and_token();
    let late = asked(&server, &token, &new("late.txt", CONTENT.len()));
    let young = asked(&server, &token, &new("young.txt", CONTENT.len()));
    assert_eq!(upload(&late, CONTENT).status, 200);
    let id = late["id"].as_str().unwrap();
    let age = |hours: u32| {
        format!(
            "update nexus.files set upload_until = upload_until - interval '{hours} hours',
             sweep_at = sweep_at - interval '{hours} hours' where id = '{id}'"
        )
    };
    world.tenant_sql("acme", &age(25));
    assert_eq!(usage(&server, &token), [0, 0, 2, 2 * SIZE]);
    swept(&world, &["pending"], 0);
    assert_eq!(refused(&server, "GET", &place(&late), &token), code(404, "file_not_found"));
    assert_eq!(usage(&server, &token), [0, 0, 1, SIZE]);
    assert_eq!(server.get(&place(&young), &token).ok()["state"], "pending");
}

#[test]
fn who_deletes_a_file_leaves_no_way_to_put_it_back() {
    let (world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", CONTENT.len()));
    assert_eq!(upload(&file, CONTENT).status, 200);
    complete(&server, &token, &file).ok();
    call(&server, "DELETE", &place(&file), &token);
    // The URL is still good: what comes by it is deleted once it is not.
    assert_eq!(upload(&file, CONTENT).status, 200);
    assert_eq!(complete(&server, &token, &file).problem(), code(404, "file_not_found"));
    assert_eq!(world.tenant_sql("acme", STATES), ["deleting"]);
    world.tenant_sql(
        "acme",
        "update nexus.files set upload_until = upload_until - interval '2 hours',
                                sweep_at = sweep_at - interval '2 hours'",
    );
    swept(&world, &[], 0);
}

#[test]
fn a_request_waits_for_no_sweep() {
    let (world, server, token) = acme_and_token();
    let late = asked(&server, &token, &new("late.txt", CONTENT.len()));
    assert_eq!(upload(&late, CONTENT).status, 200);
    world.tenant_sql(
        "acme",
        "update nexus.files set upload_until = upload_until - interval '25 hours',
                                sweep_at = sweep_at - interval '25 hours'",
    );
    let file = world.machine().path("pause");
    std::fs::write(&file, "").unwrap();
    let pause = format!("pause:{}", file.display());
    world.control_sql(DUE);
    let sweeping = ApiServer::start_to(&world, &[], ("files.marked", &pause));
    world.until(&world.database_of("acme"), STATES, |states| states == ["deleting"]);
    // The sweep stands still from here on.
    let next = ready(&sweeping, &token, "next.txt");
    assert_eq!(downloaded(&sweeping, &token, &next).body.as_bytes(), CONTENT);
    assert_eq!(world.tenant_sql("acme", STATES), ["deleting", "ready"]);
    std::fs::remove_file(&file).unwrap();
    world.until(&world.database_of("acme"), STATES, |states| states == ["ready"]);
    assert_eq!(objects(&world, "acme"), 1);
}

#[test]
fn what_a_server_that_was_killed_left_is_finished_by_another() {
    let (world, server, token) = acme_and_token();
    for point in ["files.marked", "files.object_deleted"] {
        let file = ready(&server, &token, "a.txt");
        let dying = ApiServer::start_to(&world, &[], (point, "kill"));
        // A request whose client has gone is dropped: this one waits.
        let waiting = dying.send_only("DELETE", &place(&file), &[&bearer(&token)], &[]);
        assert_eq!(dying.died(), Some(9), "{point}");
        drop(waiting);
        assert_eq!(refused(&server, "GET", &place(&file), &token), code(404, "file_not_found"));
        assert_eq!(objects(&world, "acme"), usize::from(point == "files.marked"), "{point}");
        let later = "update nexus.files set upload_until = upload_until - interval '2 hours',
                            sweep_at = sweep_at - interval '2 minutes' where state = 'deleting'";
        world.tenant_sql("acme", later);
        swept(&world, &[], 0);
    }
    // Killed before it was completed: the client completes it again.
    let file = asked(&server, &token, &new("b.txt", CONTENT.len()));
    assert_eq!(upload(&file, CONTENT).status, 200);
    let dying = ApiServer::start_to(&world, &[], ("files.found", "kill"));
    let waiting = dying.send_only("POST", &format!("{}/complete", place(&file)), &[&bearer(&token)], &[]);
    assert_eq!(dying.died(), Some(9));
    drop(waiting);
    assert_eq!(complete(&server, &token, &file).ok()["state"], "ready");
    assert_eq!(server.get("/files/usage", &token).ok()["files"], 1);
}

#[test]
fn many_who_complete_and_delete_one_file_at_once_do_it_once() {
    let (world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", CONTENT.len()));
    assert_eq!(upload(&file, CONTENT).status, 200);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(complete(&server, &token, &file).ok()["state"], "ready"));
        }
    });
    assert_eq!(usage(&server, &token), [1, SIZE, 0, 0]);
    let done: usize = std::thread::scope(|scope| {
        let delete = || server.send("DELETE", &place(&file), &[&bearer(&token)], &[]).status;
        let all: Vec<_> = (0..8).map(|_| scope.spawn(delete)).collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|status| *status == 200).count()
    });
    assert_eq!(done, 1);
    assert_eq!(usage(&server, &token), [0; 4]);
    let logged =
        "select action, count(*) from nexus.audit_log where action like 'file.%' group by 1 order by 1";
    assert_eq!(world.tenant_sql("acme", logged), ["file.complete|1", "file.create|1", "file.delete|1"]);
}

#[test]
fn a_store_that_is_down_is_said_at_once_and_what_was_deleted_stays_so() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let server = ApiServer::start(&world);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let file = ready(&server, &token, "a.txt");
    let waiting = asked(&server, &token, &new("b.txt", CONTENT.len()));
    proxy.break_requests("", Fault::HangUp);
    let down = code(503, "store_unavailable");
    assert_eq!(complete(&server, &token, &waiting).problem(), down);
    let asked_before = proxy.met();
    // It is left alone for a while.
    assert_eq!(complete(&server, &token, &waiting).problem(), down);
    assert_eq!(refused(&server, "DELETE", &place(&file), &token), down);
    assert_eq!(proxy.met(), asked_before);
    // What needs no store goes on.
    assert_eq!(server.get("/files", &token).status, 200);
    assert_eq!(refused(&server, "GET", &place(&file), &token), code(404, "file_not_found"));
    assert_eq!(server.get("/files/usage", &token).ok()["files"], 0);
    proxy.fix();
    let later = "update nexus.files set upload_until = upload_until - interval '2 hours',
                        sweep_at = sweep_at - interval '2 minutes' where state = 'deleting'";
    world.tenant_sql("acme", later);
    swept(&world, &["pending"], 0);
}

#[test]
fn a_store_that_is_busy_with_one_bucket_is_asked_for_the_others() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    for slug in ["acme", "globex"] {
        world.tenant_of(slug, &format!("ann@{slug}.example"), PASSWORD);
    }
    let server = ApiServer::start(&world);
    let [one, other] =
        ["acme", "globex"].map(|slug| server.token(slug, &format!("ann@{slug}.example"), PASSWORD));
    let (_, bucket) = own_client(&world, "acme");
    for (fault, said) in [(Fault::Busy, "store_busy"), (Fault::Ill, "store_unavailable")] {
        let file = asked(&server, &one, &new("a.txt", CONTENT.len()));
        assert_eq!(upload(&file, CONTENT).status, 200);
        proxy.break_requests(&format!("HEAD /{bucket}/"), fault);
        for met in 1..=2 {
            assert_eq!(complete(&server, &one, &file).problem(), code(503, said));
            assert_eq!(proxy.met(), met, "{fault:?}");
            assert_eq!(ready(&server, &other, "b.txt")["state"], "ready", "{fault:?}");
        }
        proxy.fix();
        assert_eq!(complete(&server, &one, &file).ok()["state"], "ready");
    }
}

#[test]
fn what_waits_counts_among_the_files_of_a_tenant() {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    world.ok(&["tenant", "update", "acme", "--max-storage", &(SIZE * 2).to_string()]);
    let server = ApiServer::start(&world);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let ask = || server.change("POST", "/files", &token, &new("a.txt", CONTENT.len()));
    let mut asked: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(usage(&server, &token), [0, 0, 2, 2 * SIZE]);
    asked.sort_by_key(|answer| answer.status);
    for answer in &asked[2..] {
        assert_eq!(answer.problem(), code(403, "storage_limit_reached"));
    }
    let file = asked[0].ok();
    assert_eq!(upload(&file, CONTENT).status, 200);
    complete(&server, &token, &file).ok();
    assert_eq!(ask().problem(), code(403, "storage_limit_reached"));
    assert_eq!(call(&server, "DELETE", &place(&asked[1].ok()), &token)["outcome"], "done");
    assert_eq!(usage(&server, &token), [1, SIZE, 0, 0]);
    assert_eq!(ask().status, 201);
}

#[test]
fn no_more_than_a_thousand_files_of_a_tenant_wait_for_their_upload() {
    let (world, server, token) = acme_and_token();
    world.tenant_sql("acme", "update nexus.file_totals set pending_files = 999");
    let last = asked(&server, &token, &new("last.txt", 1));
    let beyond = server.change("POST", "/files", &token, &new("beyond.txt", 1));
    assert_eq!(beyond.problem(), code(409, "too_many_uploads"));
    assert_eq!(world.tenant_sql("acme", STATES), ["pending"]);
    call(&server, "DELETE", &place(&last), &token);
    asked(&server, &token, &new("beyond.txt", 1));
}

#[test]
fn a_file_that_waits_gets_another_url_when_asked_again() {
    let (world, server, token) = acme_and_token();
    let file = asked(&server, &token, &new("a.txt", CONTENT.len()));
    world.tenant_sql(
        "acme",
        "update nexus.files set upload_until = upload_until - interval '23 hours',
                                sweep_at = sweep_at - interval '23 hours'",
    );
    let path = format!("{}/upload", place(&file));
    let again = server.send("POST", &path, &[&bearer(&token)], &[]);
    assert_eq!((again.status, again.header("cache-control")), (200, Some("no-store")));
    let waits = "select upload_until > now() + interval '14 minutes', sweep_at > now() + interval '23 hours'
                 from nexus.files";
    assert_eq!(world.tenant_sql("acme", waits), ["t|t"]);
    assert_eq!(usage(&server, &token), [0, 0, 1, SIZE]);
    user(&server, &token, "vic@acme.example", &["Viewer"]);
    let viewer = server.token("acme", "vic@acme.example", PASSWORD);
    assert_eq!(refused(&server, "POST", &path, &viewer), code(403, "permission_missing"));
    assert_eq!(upload(&again.ok(), b"hello, File").status, 200);
    complete(&server, &token, &file).ok();
    assert_eq!(refused(&server, "POST", &path, &token), code(409, "file_completed"));
    let unknown = "/files/01a22be3-5526-7abc-825c-22cf5967ed87/upload";
    assert_eq!(refused(&server, "POST", unknown, &token), code(404, "file_not_found"));
}

#[test]
fn files_take_no_more_than_the_tenant_may_have() {
    let (world, server, token) = acme_and_token();
    let most = (CONTENT.len() * 2).to_string();
    // Two are asked for while there is room for both.
    let two = [0, 1].map(|number| asked(&server, &token, &new(&format!("{number}.txt"), CONTENT.len())));
    ready(&server, &token, "first.txt");
    world.ok(&["tenant", "update", "acme", "--max-storage", &most]);
    // Every server knows of it two seconds later.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let beyond = server.change("POST", "/files", &token, &new("big.txt", CONTENT.len() + 1));
    assert_eq!(beyond.problem(), code(403, "storage_limit_reached"));
    for file in &two {
        assert_eq!(upload(file, CONTENT).status, 200);
    }
    assert_eq!(complete(&server, &token, &two[0]).status, 200);
    assert_eq!(complete(&server, &token, &two[1]).problem(), code(403, "storage_limit_reached"));
    assert_eq!(call(&server, "DELETE", &place(&two[0]), &token)["outcome"], "done");
    assert_eq!(complete(&server, &token, &two[1]).status, 200);
}

#[test]
fn a_server_looks_only_into_realms_where_files_are_on_the_way() {
    let world = World::new();
    // The last by its slug and by its age.
    for slug in ["acme", "birch", "cedar", "zebra"] {
        world.tenant_of(slug, "ann@acme.example", PASSWORD);
    }
    let server = ApiServer::start(&world);
    let token = server.token("zebra", "ann@acme.example", PASSWORD);
    let due = "select slug, due_at > now() + interval '5 hours', due_at < now() + interval '6 hours'
               from control.file_sweeps join control.tenants on id = tenant_id";
    assert!(world.control_sql(due).is_empty());
    asked(&server, &token, &new("late.txt", CONTENT.len()));
    assert_eq!(world.control_sql(due), ["zebra|t|t"]);
    // It is written once in an hour.
    world.control_sql("update control.file_sweeps set expected_at = now() - interval '3 hours'");
    let expected = world.control_sql("select expected_at from control.file_sweeps");
    asked(&server, &token, &new("later.txt", CONTENT.len()));
    assert_eq!(world.control_sql("select expected_at from control.file_sweeps"), expected);
    world.tenant_sql("zebra", "update nexus.files set upload_until = upload_until - interval '25 hours',
                                                      sweep_at = sweep_at - interval '25 hours' where name = 'late.txt'");
    world.control_sql(DUE);
    drop(server);
    let own =
        "select count(*) from pg_stat_activity join control.tenants on datname = database_name where slug";
    world.until(&world.control, &format!("{own} = 'zebra'"), |found| found == ["0"]);
    let _sweeping = ApiServer::start(&world);
    world.until(&world.database_of("zebra"), STATES, |found| found == ["pending"]);
    // Each realm's outbox is looked into once; its files only where some are on the way.
    let scans = "select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) from pg_stat_user_tables where relname = 'files'";
    for slug in ["acme", "birch", "cedar"] {
        assert_eq!(world.tenant_sql(slug, scans), ["0"], "{slug}");
    }
    // What is left is looked at when it is due.
    let next = "select slug, due_at > now() + interval '23 hours' from control.file_sweeps
                join control.tenants on id = tenant_id";
    world.until(&world.control, next, |found| found == ["zebra|t"]);
}

/// The round of a day is due.
const ROUND_DUE: &str = "update control.file_sweep_rounds set next_at = now()";

#[test]
fn an_upload_that_was_begun_through_a_server_of_an_older_version_is_swept_within_a_day() {
    let (world, server, token) = acme_and_token();
    asked(&server, &token, &new("late.txt", CONTENT.len()));
    let counted = "select requests > 0 from control.request_counts";
    world.until(&world.control, counted, |found| found == ["t"]);
    drop(server);
    // An older server makes nothing known.
    world.control_sql("delete from control.file_sweeps");
    world.tenant_sql(
        "acme",
        "update nexus.files set upload_until = upload_until - interval '25 hours',
                                                     sweep_at = sweep_at - interval '25 hours'",
    );
    world.control_sql(ROUND_DUE);
    let server = ApiServer::start(&world);
    world.until(&world.database_of("acme"), STATES, <[String]>::is_empty);
    // What led to nothing more goes away, and the next round is in a day.
    world.until(&world.control, "select from control.file_sweeps", <[String]>::is_empty);
    let next = "select after is null, next_at > now() + interval '23 hours' from control.file_sweep_rounds";
    assert_eq!(world.control_sql(next), ["t|t"]);
    drop(server);
}

#[test]
fn the_round_of_a_day_comes_to_two_hundred_tenants_a_minute_of_which_those_count_that_made_requests() {
    let world = World::new();
    world.control_sql(
        "set session_replication_role = replica;
         insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket)
         select lpad(n::text, 32, '0')::uuid, 't' || n, 'T', case n % 10 when 5 then 'provisioning' else 'active' end,
                'default', 'default', 'd' || n, 'o' || n, 'a' || n, 'b' || n from generate_series(1, 450) as n;
         insert into control.request_counts (tenant_id, month, requests)
         select id, date_trunc('month', now()) - interval '3 months' * (slug like '%8')::int, 1
         from control.tenants where slug like '%7' or slug like '%8' or slug like '%5'",
    );
    let known = "select count(*), max(tenant_id::text) from control.file_sweeps";
    run(async {
        let mut session = App::open(&world.settings(), &machine(), &Silent).await.unwrap();
        let mut part = async |due: &str| {
            world.control_sql(&format!(
                "{due}; update control.file_sweeps set due_at = now() + interval '1 hour'"
            ));
            let claimed = claim_sweeps(&mut session.control, &machine()).await.unwrap().len();
            (claimed, world.control_sql(known).remove(0))
        };
        let last = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        assert_eq!(part(ROUND_DUE).await, (10, format!("20|{}", last(197))));
        // The next part is not due for a minute, whichever server asks.
        assert_eq!(part("select").await, (0, format!("20|{}", last(197))));
        assert_eq!(part(ROUND_DUE).await, (10, format!("40|{}", last(397))));
        assert_eq!(part(ROUND_DUE).await, (5, format!("45|{}", last(447))));
        assert_eq!(part("select").await.0, 0);
        // The next round finds what is known already.
        assert_eq!(part(ROUND_DUE).await, (0, format!("45|{}", last(447))));
    });
}

#[test]
fn a_tenant_without_files_on_the_way_is_looked_at_no_more() {
    let (world, server, token) = acme_and_token();
    ready(&server, &token, "a.txt");
    let known = "select tenant_id is not null, due_at > now() + interval '5 hours' from control.file_sweeps";
    // A server may remember that it wrote the row.
    world.control_sql(DUE);
    let second = ApiServer::start(&world);
    world.until(&world.control, known, |found| found == ["t|t"]);
    drop(second);
    world.control_sql(
        "update control.file_sweeps set due_at = now(), expected_at = now() - interval '3 hours'",
    );
    let third = ApiServer::start(&world);
    world.until(&world.control, known, <[String]>::is_empty);
    drop(third);
    // One that is not in use keeps what it has, and one that is gone for good has nothing.
    world.control_sql(
        "insert into control.file_sweeps (tenant_id, due_at) select id, now() from control.tenants",
    );
    world
        .control_sql("insert into control.file_sweeps (tenant_id, due_at) values (gen_random_uuid(), now())");
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    let _fourth = ApiServer::start(&world);
    world.until(&world.control, known, |found| found == ["t|t"]);
}
