//! Both doors: what the command line and the API do to realms that are alike, and what they say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::PASSWORD;
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

/// One operation, through both doors. In a path `{bob}` stands for the id of bob@doors.example.
struct Operation {
    /// Its id in the page of the API.
    id: &'static str,
    /// The verb, and its arguments.
    cli: (&'static str, &'static [&'static str]),
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
}

const fn both(
    id: &'static str,
    cli: (&'static str, &'static [&'static str]),
    (method, path): (&'static str, &'static str),
    body: Option<Value>,
) -> Operation {
    Operation { id, cli, method, path, body }
}

/// Verbs that the API has no operation for.
const COMMAND_LINE_ONLY: [&str; 9] = [
    "group tree",
    "user export",
    "user factor confirm",
    "user factor enrol",
    "user factor remove",
    "user invite",
    "user password reset",
    "user password set",
    "user purge",
];

const BOB: &str = "bob@doors.example";
const CY: &str = "cy@doors.example";
/// A session of Bob's in both realms.
const SESSION: &str = "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d";

/// What is done, in order.
fn changes() -> Vec<Operation> {
    vec![
        both(
            "registerPermission",
            ("permission register", &["invoice:create", "--description", "create invoices"]),
            ("PUT", "/permissions/invoice:create"),
            Some(json!({ "description": "create invoices" })),
        ),
        both(
            "createRole",
            ("role create", &["Accountant", "--description", "books", "--allow", "user:*"]),
            ("POST", "/roles"),
            Some(json!({ "name": "Accountant", "description": "books", "permissions": ["user:*"] })),
        ),
        both(
            "allowRole",
            ("role allow", &["Accountant", "invoice:create", "--when", "owner"]),
            ("PUT", "/roles/Accountant/permissions/invoice:create"),
            Some(json!({ "when": "owner" })),
        ),
        both(
            "updateRole",
            ("role update", &["Accountant", "--name", "Keeper"]),
            ("PATCH", "/roles/Accountant"),
            Some(json!({ "name": "Keeper" })),
        ),
        both(
            "createGroup",
            ("group create", &["Office"]),
            ("POST", "/groups"),
            Some(json!({ "name": "Office" })),
        ),
        both(
            "createGroup",
            ("group create", &["Finance", "--parent", "Office", "--description", "counts"]),
            ("POST", "/groups"),
            Some(json!({ "name": "Finance", "parent": "Office", "description": "counts" })),
        ),
        both(
            "updateGroup",
            ("group update", &["Office", "--description", "all of us"]),
            ("PATCH", "/groups/Office"),
            Some(json!({ "description": "all of us" })),
        ),
        both(
            "createUser",
            (
                "user create",
                &["--email", BOB, "--role", "Viewer", "--group", "Office", "--set", "level=3", "--reveal"],
            ),
            ("POST", "/users?invite=true"),
            Some(
                json!({ "email": BOB, "roles": ["Viewer"], "groups": ["Office"], "profile": { "level": 3 } }),
            ),
        ),
        both(
            "updateUser",
            ("user update", &[BOB, "--name", "Bob Birch", "--set", "team=eu", "--set", "level=null"]),
            ("PATCH", "/users/{bob}"),
            Some(json!({ "name": "Bob Birch", "profile": { "team": "eu", "level": null } })),
        ),
        both(
            "createUsers",
            ("user create", &["--from", "people.jsonl", "--reveal"]),
            ("POST", "/users/bulk?invite=true"),
            Some(json!({ "users": [{ "email": CY, "roles": ["User"] }, { "email": BOB }] })),
        ),
        both(
            "grantRoleToUser",
            ("role grant", &["Keeper", "--user", CY]),
            ("PUT", "/users/{cy}/roles/Keeper"),
            None,
        ),
        both(
            "grantRoleToGroup",
            ("role grant", &["Manager", "--group", "Finance"]),
            ("PUT", "/groups/Finance/roles/Manager"),
            None,
        ),
        both("addMember", ("group add", &["Finance", CY]), ("PUT", "/groups/Finance/members/{cy}"), None),
    ]
}

/// What is looked at between.
fn readings() -> Vec<Operation> {
    let get = |id, cli, path| both(id, cli, ("GET", path), None);
    vec![
        get("listUsers", ("user list", &[]), "/users"),
        get("getUser", ("user show", &[BOB]), "/users/{bob}"),
        get("canUser", ("user can", &[BOB, "user:read"]), "/users/{bob}/can?permission=user:read"),
        get("listRolesOfUser", ("user roles", &[CY]), "/users/{cy}/roles"),
        get("listGroupsOfUser", ("user groups", &[CY]), "/users/{cy}/groups"),
        get("listSessionsOfUser", ("user sessions list", &[BOB]), "/users/{bob}/sessions"),
        get("listRoles", ("role list", &[]), "/roles"),
        get("getRole", ("role show", &["Keeper"]), "/roles/Keeper"),
        get("listPermissions", ("permission list", &[]), "/permissions?limit=100"),
        get("listGroups", ("group list", &[]), "/groups"),
        get("getGroup", ("group show", &["Finance"]), "/groups/Finance"),
        get("listMembers", ("group members", &["Office"]), "/groups/Office/members"),
    ]
}

/// What is taken back in the end.
fn ends() -> Vec<Operation> {
    let yes = |id, cli, method, path| both(id, cli, (method, path), None);
    vec![
        yes(
            "endSessionOfUser",
            ("user sessions revoke", &["--session", SESSION]),
            "DELETE",
            "/users/{bob}/sessions/{session}",
        ),
        yes("endSessionsOfUser", ("user sessions revoke", &[CY]), "DELETE", "/users/{cy}/sessions"),
        yes("disableUser", ("user disable", &[CY]), "POST", "/users/{cy}/disable"),
        yes("enableUser", ("user enable", &[CY]), "POST", "/users/{cy}/enable"),
        yes("unlockUser", ("user unlock", &[BOB]), "POST", "/users/{bob}/unlock"),
        yes(
            "revokeRoleFromUser",
            ("role revoke", &["Keeper", "--user", CY]),
            "DELETE",
            "/users/{cy}/roles/Keeper",
        ),
        yes(
            "revokeRoleFromGroup",
            ("role revoke", &["Manager", "--group", "Finance"]),
            "DELETE",
            "/groups/Finance/roles/Manager",
        ),
        yes(
            "disallowRole",
            ("role disallow", &["Keeper", "user:*"]),
            "DELETE",
            "/roles/Keeper/permissions/user:*",
        ),
        yes("removeMember", ("group remove", &["Finance", CY]), "DELETE", "/groups/Finance/members/{cy}"),
        both(
            "moveGroup",
            ("group move", &["Finance", "--to-top"]),
            ("POST", "/groups/Finance/move"),
            Some(json!({ "to": null })),
        ),
        yes("deleteUser", ("user delete", &[BOB, "--yes", "--confirm", BOB]), "DELETE", "/users/{bob}"),
        yes("undeleteUser", ("user undelete", &[BOB]), "POST", "/users/{bob}/undelete"),
        yes(
            "deleteGroup",
            ("group delete", &["Finance", "--yes", "--confirm", "Finance"]),
            "DELETE",
            "/groups/Finance",
        ),
        yes(
            "deleteRole",
            ("role delete", &["Keeper", "--yes", "--confirm", "Keeper"]),
            "DELETE",
            "/roles/Keeper",
        ),
    ]
}

/// What is refused, and by which code.
fn refusals() -> Vec<(Operation, &'static str)> {
    const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
    let plain = |id, cli, method, path| both(id, cli, (method, path), None);
    let with = |id, cli, method, path, body| both(id, cli, (method, path), Some(body));
    vec![
        (
            with(
                "createUser",
                ("user create", &["--email", BOB, "--invite"]),
                "POST",
                "/users",
                json!({ "email": BOB }),
            ),
            "user_exists",
        ),
        (
            with(
                "createUsers",
                ("user create", &["--from", "wrong.jsonl"]),
                "POST",
                "/users/bulk",
                json!({ "users": [{ "email": "x@doors.example", "roles": ["Nope"] }] }),
            ),
            "role_not_found",
        ),
        (
            with(
                "updateUser",
                ("user update", &[CY, "--email", BOB]),
                "PATCH",
                "/users/{cy}",
                json!({ "email": BOB }),
            ),
            "user_exists",
        ),
        (plain("getUser", ("user show", &[NOBODY]), "GET", "/users/{nobody}"), "user_not_found"),
        (
            plain(
                "canUser",
                ("user can", &[BOB, "user:nope"]),
                "GET",
                "/users/{bob}/can?permission=user:nope",
            ),
            "permission_unknown",
        ),
        (plain("listUsers", ("user list", &["--role", "Nope"]), "GET", "/users?role=Nope"), "role_not_found"),
        (
            plain("listRolesOfUser", ("user roles", &[NOBODY]), "GET", "/users/{nobody}/roles"),
            "user_not_found",
        ),
        (
            plain("listGroupsOfUser", ("user groups", &[NOBODY]), "GET", "/users/{nobody}/groups"),
            "user_not_found",
        ),
        (
            plain("listSessionsOfUser", ("user sessions list", &[NOBODY]), "GET", "/users/{nobody}/sessions"),
            "user_not_found",
        ),
        (
            plain(
                "endSessionOfUser",
                ("user sessions revoke", &["--session", NOBODY]),
                "DELETE",
                "/users/{bob}/sessions/{nobody}",
            ),
            "not_found",
        ),
        (
            plain(
                "endSessionsOfUser",
                ("user sessions revoke", &[NOBODY]),
                "DELETE",
                "/users/{nobody}/sessions",
            ),
            "user_not_found",
        ),
        (
            plain("disableUser", ("user disable", &["ann@doors.example"]), "POST", "/users/{ann}/disable"),
            "last_administrator",
        ),
        (plain("enableUser", ("user enable", &[NOBODY]), "POST", "/users/{nobody}/enable"), "user_not_found"),
        (plain("unlockUser", ("user unlock", &[NOBODY]), "POST", "/users/{nobody}/unlock"), "user_not_found"),
        (
            plain(
                "deleteUser",
                ("user delete", &["ann@doors.example", "--yes", "--confirm", "ann@doors.example"]),
                "DELETE",
                "/users/{ann}",
            ),
            "last_administrator",
        ),
        (
            plain("undeleteUser", ("user undelete", &[NOBODY]), "POST", "/users/{nobody}/undelete"),
            "user_not_found",
        ),
        (
            plain(
                "grantRoleToUser",
                ("role grant", &["Nope", "--user", CY]),
                "PUT",
                "/users/{cy}/roles/Nope",
            ),
            "role_not_found",
        ),
        (
            plain(
                "revokeRoleFromUser",
                ("role revoke", &["Admin", "--user", "ann@doors.example"]),
                "DELETE",
                "/users/{ann}/roles/Admin",
            ),
            "last_administrator",
        ),
        (
            plain(
                "grantRoleToGroup",
                ("role grant", &["Admin", "--group", "Nope"]),
                "PUT",
                "/groups/Nope/roles/Admin",
            ),
            "group_not_found",
        ),
        (
            plain(
                "revokeRoleFromGroup",
                ("role revoke", &["Nope", "--group", "Office"]),
                "DELETE",
                "/groups/Office/roles/Nope",
            ),
            "role_not_found",
        ),
        (
            with("createRole", ("role create", &["Admin"]), "POST", "/roles", json!({ "name": "Admin" })),
            "role_exists",
        ),
        (plain("getRole", ("role show", &["Nope"]), "GET", "/roles/Nope"), "role_not_found"),
        (
            with(
                "updateRole",
                ("role update", &["Admin", "--name", "A"]),
                "PATCH",
                "/roles/Admin",
                json!({ "name": "A" }),
            ),
            "role_built_in",
        ),
        (
            plain(
                "deleteRole",
                ("role delete", &["Admin", "--yes", "--confirm", "Admin"]),
                "DELETE",
                "/roles/Admin",
            ),
            "role_built_in",
        ),
        (
            with(
                "allowRole",
                ("role allow", &["User", "bill:pay"]),
                "PUT",
                "/roles/User/permissions/bill:pay",
                json!({}),
            ),
            "permission_unknown",
        ),
        (
            plain(
                "disallowRole",
                ("role disallow", &["Admin", "user:read"]),
                "DELETE",
                "/roles/Admin/permissions/user:read",
            ),
            "permission_covered",
        ),
        (
            with(
                "createGroup",
                ("group create", &["Office"]),
                "POST",
                "/groups",
                json!({ "name": "Office" }),
            ),
            "group_exists",
        ),
        (plain("getGroup", ("group show", &["Nope"]), "GET", "/groups/Nope"), "group_not_found"),
        (
            with(
                "updateGroup",
                ("group update", &["Office", "--name", "Finance"]),
                "PATCH",
                "/groups/Office",
                json!({ "name": "Finance" }),
            ),
            "group_exists",
        ),
        (
            with(
                "moveGroup",
                ("group move", &["Office", "--to", "Finance"]),
                "POST",
                "/groups/Office/move",
                json!({ "to": "Finance" }),
            ),
            "group_cycle",
        ),
        (
            plain(
                "deleteGroup",
                ("group delete", &["Office", "--yes", "--confirm", "Office"]),
                "DELETE",
                "/groups/Office",
            ),
            "group_not_empty",
        ),
        (
            plain("listMembers", ("group members", &["Nope"]), "GET", "/groups/Nope/members"),
            "group_not_found",
        ),
        (
            plain("addMember", ("group add", &["Office", NOBODY]), "PUT", "/groups/Office/members/{nobody}"),
            "user_not_found",
        ),
        (
            plain(
                "removeMember",
                ("group remove", &["Office", NOBODY]),
                "DELETE",
                "/groups/Office/members/{nobody}",
            ),
            "user_not_found",
        ),
    ]
}

/// Operations that the command line, whose caller may do everything, is never refused.
const NEVER_REFUSED: [&str; 4] = ["listGroups", "listPermissions", "listRoles", "registerPermission"];

/// Two tenants: `typed`, which the command line changes, and `sent`, which the API changes.
struct Doors {
    world: World,
    server: ApiServer,
    token: String,
}

impl Doors {
    fn new() -> Self {
        let world = World::new();
        for slug in ["typed", "sent"] {
            world.tenant_of(slug, "ann@doors.example", PASSWORD);
        }
        let people = format!("{{\"email\":\"{CY}\",\"roles\":[\"User\"]}}\n{{\"email\":\"{BOB}\"}}\n");
        std::fs::write(world.machine().path("work/people.jsonl"), people).unwrap();
        let wrong = "{\"email\":\"x@doors.example\",\"roles\":[\"Nope\"]}\n";
        std::fs::write(world.machine().path("work/wrong.jsonl"), wrong).unwrap();
        let server = ApiServer::start(&world);
        let token = server.token("sent", "ann@doors.example", PASSWORD);
        Self { world, server, token }
    }

    fn sql(&self, slug: &str, statement: &str) -> Vec<String> {
        let name = format!("select database_name from control.tenants where slug = '{slug}'");
        self.world.sql(&self.world.control_sql(&name)[0], statement)
    }

    fn args(operation: &Operation) -> Vec<&'static str> {
        let (verb, args) = operation.cli;
        verb.split(' ').chain(args.iter().copied()).chain(["--tenant", "typed"]).collect()
    }

    fn send(&self, operation: &Operation) -> Answer {
        let mut path = operation.path.replace("{session}", SESSION);
        path = path.replace("{nobody}", "00000000-0000-7000-8000-000000000000");
        for name in ["ann", "bob", "cy"] {
            if path.contains(&format!("{{{name}}}")) {
                let email = format!("select id from nexus.users where email = '{name}@doors.example'");
                path = path.replace(&format!("{{{name}}}"), &self.sql("sent", &email)[0]);
            }
        }
        match &operation.body {
            Some(body) => self.server.change(operation.method, &path, &self.token, body),
            None => self.server.send(operation.method, &path, &[&bearer(&self.token)], &[]),
        }
    }

    /// All rows of a realm's identity, without ids and times. Ann signed in to one of them.
    fn rows(&self, slug: &str) -> Vec<String> {
        [
            "select email, name, state, profile, password_hash is not null, deleted_at is not null
             from nexus.users order by email",
            "select name, description, built_in from nexus.roles order by name",
            "select roles.name, permission, condition from nexus.role_permissions
             join nexus.roles on roles.id = role_id order by 1, 2",
            "select email, roles.name from nexus.user_roles join nexus.users on users.id = user_id
             join nexus.roles on roles.id = role_id order by 1, 2",
            "select groups.name, groups.description, parent.name from nexus.groups
             left join nexus.groups as parent on parent.id = groups.parent_id order by 1",
            "select email, groups.name from nexus.group_members join nexus.users on users.id = user_id
             join nexus.groups on groups.id = group_id order by 1, 2",
            "select groups.name, roles.name from nexus.group_roles join nexus.groups on groups.id = group_id
             join nexus.roles on roles.id = role_id order by 1, 2",
            "select name, description from nexus.permissions order by 1",
            "select email, purpose from nexus.invitations join nexus.users on users.id = user_id order by 1",
            "select email, client, revoked_at is not null from nexus.sessions join nexus.users on users.id = user_id
             where email not like 'ann@%' order by 1, 2",
            "select action, email, detail from nexus.audit_log left join nexus.users on users.id = user_id
             where coalesce(caller, '') <> 'system' and action !~ '^(session|token)' order by audit_log.id",
        ]
        .iter()
        .flat_map(|statement| self.sql(slug, statement))
        .collect()
    }

    /// What the platform's log says of a tenant's realm.
    fn log(&self, slug: &str) -> Vec<String> {
        self.world.control_sql(&format!(
            "select action, detail - 'user' from control.audit_log
             where tenant_id = (select id from control.tenants where slug = '{slug}')
               and action ~ '^(user|role|group|permission)[.]' order by audit_log.id"
        ))
    }
}

/// A thing without what no two realms have in common.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields =
                fields.into_iter().filter(|(name, _)| !name.ends_with("_at") && name != "invitation");
            fields.map(|(name, value)| (name, plain(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::String(text) if Uuid::parse_str(&text).is_ok() => Value::from("an id"),
        other => other,
    }
}

#[test]
fn both_doors_do_the_same_say_the_same_and_log_the_same() {
    let doors = Doors::new();
    let session = |slug| {
        let insert = format!(
            "insert into nexus.sessions (id, user_id, client, second_factor, expires_at)
             select '{SESSION}', id, 'web', false, now() + interval '1 day' from nexus.users where email = '{BOB}'"
        );
        doors.sql(slug, &insert);
    };
    let run = |operation: &Operation| {
        let args = Doors::args(operation);
        let output = doors.world.run(&[&["-o", "json"], &*args].concat());
        // A permission that is not held has an exit code of its own.
        let said = matches!(output.status.code(), Some(0 | 3)).then_some(&output.stdout);
        let said = said.unwrap_or_else(|| panic!("{args:?}: {}", String::from_utf8_lossy(&output.stderr)));
        let typed: Value = serde_json::from_slice(said).unwrap();
        let answer = doors.send(operation).ok();
        assert_eq!(doors.rows("typed"), doors.rows("sent"), "{}", operation.id);
        (plain(typed), plain(answer))
    };
    for operation in changes() {
        let (typed, sent) = run(&operation);
        match operation.id {
            // A role is shown by the command line without what its patterns stand for.
            "createRole" | "updateRole" => assert_eq!(typed["permissions"], sent["permissions"]),
            // The command line counts lines, and adds any number of users.
            "createUsers" => assert_eq!(typed[0]["outcome"], sent["results"][0]["outcome"]),
            "addMember" => assert_eq!(typed[0], sent),
            _ => assert_eq!(typed, sent, "{}", operation.id),
        }
    }
    for slug in ["typed", "sent"] {
        session(slug);
    }
    for operation in readings() {
        let (typed, sent) = run(&operation);
        let sent = sent.get("data").cloned().unwrap_or(sent);
        assert_eq!(typed, sent, "{}", operation.id);
    }
    for (operation, code) in refusals() {
        let (_, error) = doors.world.error(&Doors::args(&operation));
        assert_eq!(error["code"], code, "{:?}", operation.cli);
        assert_eq!(doors.send(&operation).problem().1, code, "{}", operation.path);
        assert_eq!(doors.rows("typed"), doors.rows("sent"), "{}", operation.id);
    }
    for operation in ends() {
        let (typed, sent) = run(&operation);
        let typed = if operation.id == "removeMember" { typed[0].clone() } else { typed };
        assert_eq!(typed, sent, "{}", operation.id);
    }
    assert_eq!(doors.log("typed"), doors.log("sent"));
}

#[test]
fn every_operation_and_every_verb_has_both_doors_or_is_named() {
    let (_world, server) = super::acme();
    let all: Vec<Operation> = [changes(), readings(), ends()].into_iter().flatten().collect();
    let tried: BTreeSet<&str> = all.iter().map(|operation| operation.id).collect();
    let refused: BTreeSet<&str> =
        refusals().iter().map(|(operation, _)| operation.id).chain(NEVER_REFUSED).collect();
    assert_eq!(tried, refused, "each is done, and is refused");
    let page = server.send("GET", "/openapi.json", &[], &[]).ok();
    let of_identity =
        |it: &&Value| matches!(it["tags"][0].as_str(), Some("users" | "roles" | "groups" | "permissions"));
    let methods =
        page["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let there: BTreeSet<&str> =
        methods.filter(of_identity).map(|it| it["operationId"].as_str().unwrap()).collect();
    assert_eq!(tried, there);
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let names =
        std::fs::read_dir(manual).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let verb = |name: String| Some(name.strip_prefix("nexus-")?.strip_suffix(".1")?.replace('-', " "));
    let nouns = ["user ", "role ", "group ", "permission "];
    let verbs: BTreeSet<String> =
        names.filter_map(verb).filter(|verb| nouns.iter().any(|noun| verb.starts_with(noun))).collect();
    let is_leaf = |verb: &&String| !verbs.iter().any(|other| other.starts_with(&format!("{verb} ")));
    let leaves: BTreeSet<&str> = verbs.iter().filter(is_leaf).map(String::as_str).collect();
    let known: BTreeSet<&str> =
        all.iter().map(|operation| operation.cli.0).chain(COMMAND_LINE_ONLY).collect();
    assert_eq!(leaves, known);
}
