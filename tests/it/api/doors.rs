//! Both doors: what the command line and the API do to realms that are alike, and what they say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use super::PASSWORD;
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

/// One operation, through both doors: its id in the page of the API; the verb and its arguments; method, path
/// and body; the code by which it is refused, if it is. In a path `{bob}` stands for the id of bob@doors.example.
struct Operation {
    id: &'static str,
    cli: Vec<&'static str>,
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
    code: &'static str,
}

/// What is done, in order.
const CHANGES: &str = r#"
registerPermission | permission register invoice:create --description create | PUT /permissions/invoice:create {"description":"create"}
createRole | role create Accountant --description books --allow user:* | POST /roles {"name":"Accountant","description":"books","permissions":["user:*"]}
allowRole | role allow Accountant invoice:create --when owner | PUT /roles/Accountant/permissions/invoice:create {"when":"owner"}
updateRole | role update Accountant --name Keeper | PATCH /roles/Accountant {"name":"Keeper"}
createGroup | group create Office | POST /groups {"name":"Office"}
createGroup | group create Finance --parent Office --description counts | POST /groups {"name":"Finance","parent":"Office","description":"counts"}
updateGroup | group update Office --description everybody | PATCH /groups/Office {"description":"everybody"}
createCustomField | custom-field create team --of users --type choice --choice eu --choice us --description where | POST /custom-fields {"applies_to":"users","name":"team","type":"choice","choices":["eu","us"],"description":"where"}
createCustomField | custom-field create level --of groups --type number --required | POST /custom-fields {"applies_to":"groups","name":"level","type":"number","required":true}
updateCustomField | custom-field update level --of groups --optional --description rank | PATCH /custom-fields/{level} {"required":false,"description":"rank"}
updateSettings | iam set --registration invited --language de-AT --currency EUR | PATCH /settings {"registration":"invited","language":"de-AT","currency":"EUR"}
createUser | user create --email bob@doors.example --role Viewer --group Office --set level=3 --reveal | POST /users?invite=true {"email":"bob@doors.example","roles":["Viewer"],"groups":["Office"],"profile":{"level":3}}
updateUser | user update bob@doors.example --field team=eu | PATCH /users/{bob} {"fields":{"team":"eu"}}
updateUser | user update bob@doors.example --name Bob --set team=eu --set level=null | PATCH /users/{bob} {"name":"Bob","profile":{"team":"eu","level":null}}
createUsers | user create --from people.jsonl --reveal | POST /users/bulk?invite=true {"users":[{"email":"cy@doors.example","roles":["User"]},{"email":"bob@doors.example"}]}
grantRoleToUser | role grant Keeper --user cy@doors.example | PUT /users/{cy}/roles/Keeper
grantRoleToGroup | role grant Manager --group Finance | PUT /groups/Finance/roles/Manager
addMember | group add Finance cy@doors.example | PUT /groups/Finance/members/{cy}
inviteUser | user invite cy@doors.example --reveal | POST /users/{cy}/invitation
"#;

/// What is looked at between.
const READINGS: &str = "
listUsers | user list | GET /users
getUser | user show bob@doors.example | GET /users/{bob}
canUser | user can bob@doors.example user:read | GET /users/{bob}/can?permission=user:read
listRolesOfUser | user roles cy@doors.example | GET /users/{cy}/roles
listGroupsOfUser | user groups cy@doors.example | GET /users/{cy}/groups
listSessionsOfUser | user sessions list bob@doors.example | GET /users/{bob}/sessions
listRoles | role list | GET /roles
getRole | role show Keeper | GET /roles/Keeper
listPermissions | permission list | GET /permissions?limit=100
listGroups | group list | GET /groups
getGroup | group show Finance | GET /groups/Finance
listMembers | group members Office | GET /groups/Office/members
listCustomFields | custom-field list | GET /custom-fields
getCustomField | custom-field show team --of users | GET /custom-fields/{team}
getSettings | iam show | GET /settings
";

/// What is refused.
const REFUSALS: &str = r#"
createUser | user create --email bob@doors.example --invite | POST /users {"email":"bob@doors.example"} | user_exists
createUsers | user create --from wrong.jsonl | POST /users/bulk {"users":[{"email":"x@doors.example","roles":["Nope"]}]} | role_not_found
updateUser | user update cy@doors.example --email bob@doors.example | PATCH /users/{cy} {"email":"bob@doors.example"} | user_exists
getUser | user show NOBODY | GET /users/NOBODY | user_not_found
canUser | user can bob@doors.example user:nope | GET /users/{bob}/can?permission=user:nope | permission_unknown
listUsers | user list --role Nope | GET /users?role=Nope | role_not_found
listRolesOfUser | user roles NOBODY | GET /users/NOBODY/roles | user_not_found
listGroupsOfUser | user groups NOBODY | GET /users/NOBODY/groups | user_not_found
listSessionsOfUser | user sessions list NOBODY | GET /users/NOBODY/sessions | user_not_found
endSessionOfUser | user sessions revoke --session NOBODY | DELETE /users/{bob}/sessions/NOBODY | not_found
endSessionsOfUser | user sessions revoke NOBODY | DELETE /users/NOBODY/sessions | user_not_found
disableUser | user disable ann@doors.example | POST /users/{ann}/disable | last_administrator
enableUser | user enable NOBODY | POST /users/NOBODY/enable | user_not_found
inviteUser | user invite NOBODY --reveal | POST /users/NOBODY/invitation | user_not_found
unlockUser | user unlock NOBODY | POST /users/NOBODY/unlock | user_not_found
deleteUser | user delete ann@doors.example --yes --confirm ann@doors.example | DELETE /users/{ann} | last_administrator
undeleteUser | user undelete NOBODY | POST /users/NOBODY/undelete | user_not_found
grantRoleToUser | role grant Nope --user cy@doors.example | PUT /users/{cy}/roles/Nope | role_not_found
revokeRoleFromUser | role revoke Admin --user ann@doors.example | DELETE /users/{ann}/roles/Admin | last_administrator
grantRoleToGroup | role grant Admin --group Nope | PUT /groups/Nope/roles/Admin | group_not_found
revokeRoleFromGroup | role revoke Nope --group Office | DELETE /groups/Office/roles/Nope | role_not_found
createRole | role create Admin | POST /roles {"name":"Admin"} | role_exists
getRole | role show Nope | GET /roles/Nope | role_not_found
updateRole | role update Admin --name A | PATCH /roles/Admin {"name":"A"} | role_built_in
deleteRole | role delete Admin --yes --confirm Admin | DELETE /roles/Admin | role_built_in
allowRole | role allow User bill:pay | PUT /roles/User/permissions/bill:pay {} | permission_unknown
disallowRole | role disallow Admin user:read | DELETE /roles/Admin/permissions/user:read | permission_covered
createGroup | group create Office | POST /groups {"name":"Office"} | group_exists
getGroup | group show Nope | GET /groups/Nope | group_not_found
updateGroup | group update Office --name Finance | PATCH /groups/Office {"name":"Finance"} | group_exists
moveGroup | group move Office --to Finance | POST /groups/Office/move {"to":"Finance"} | group_cycle
deleteGroup | group delete Office --yes --confirm Office | DELETE /groups/Office | group_not_empty
listMembers | group members Nope | GET /groups/Nope/members | group_not_found
addMember | group add Office NOBODY | PUT /groups/Office/members/NOBODY | user_not_found
removeMember | group remove Office NOBODY | DELETE /groups/Office/members/NOBODY | user_not_found
createCustomField | custom-field create team --of users --type text | POST /custom-fields {"applies_to":"users","name":"team","type":"text"} | custom_field_exists
createCustomField | custom-field create x --of users --type text --choice y | POST /custom-fields {"applies_to":"users","name":"x","type":"text","choices":["y"]} | custom_field_invalid
getCustomField | custom-field show nope --of users | GET /custom-fields/NOBODY | custom_field_not_found
updateCustomField | custom-field update team --of users --choice us | PATCH /custom-fields/{team} {"choices":["us"]} | choice_in_use
deleteCustomField | custom-field delete team --of groups | DELETE /custom-fields/NOBODY | custom_field_not_found
updateSettings | iam set --time-zone Mars/Base | PATCH /settings {"time_zone":"Mars/Base"} | time_zone_unknown
"#;

/// What is taken back in the end.
const ENDS: &str = r#"
endSessionOfUser | user sessions revoke --session SESSION | DELETE /users/{bob}/sessions/SESSION
endSessionsOfUser | user sessions revoke cy@doors.example | DELETE /users/{cy}/sessions
disableUser | user disable cy@doors.example | POST /users/{cy}/disable
enableUser | user enable cy@doors.example | POST /users/{cy}/enable
unlockUser | user unlock bob@doors.example | POST /users/{bob}/unlock
revokeRoleFromUser | role revoke Keeper --user cy@doors.example | DELETE /users/{cy}/roles/Keeper
revokeRoleFromGroup | role revoke Manager --group Finance | DELETE /groups/Finance/roles/Manager
disallowRole | role disallow Keeper user:* | DELETE /roles/Keeper/permissions/user:*
removeMember | group remove Finance cy@doors.example | DELETE /groups/Finance/members/{cy}
moveGroup | group move Finance --to-top | POST /groups/Finance/move {"to":null}
deleteCustomField | custom-field delete team --of users --yes --confirm team | DELETE /custom-fields/{team}
updateSettings | iam set --no-currency --time-zone Europe/Vienna | PATCH /settings {"currency":null,"time_zone":"Europe/Vienna"}
deleteUser | user delete bob@doors.example --yes --confirm bob@doors.example | DELETE /users/{bob}
undeleteUser | user undelete bob@doors.example | POST /users/{bob}/undelete
deleteGroup | group delete Finance --yes --confirm Finance | DELETE /groups/Finance
deleteRole | role delete Keeper --yes --confirm Keeper | DELETE /roles/Keeper
"#;

/// Verbs that the API has no operation for.
const COMMAND_LINE_ONLY: [&str; 9] = [
    "group tree",
    "iam apply",
    "user export",
    "user factor confirm",
    "user factor enrol",
    "user factor remove",
    "user password reset",
    "user password set",
    "user purge",
];

/// Operations that the command line, whose caller may do everything, is never refused.
const NEVER_REFUSED: [&str; 6] =
    ["getSettings", "listCustomFields", "listGroups", "listPermissions", "listRoles", "registerPermission"];

/// A session of Bob's in both realms, and the id of nobody.
const SESSION: &str = "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d";
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn operations(table: &'static str) -> Vec<Operation> {
    let id = |word: &'static str| match word {
        "NOBODY" => NOBODY,
        "SESSION" => SESSION,
        other => other,
    };
    let operation = |line: &'static str| {
        let mut cells = line.split(" | ");
        let (name, cli, http) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        let mut words = http.splitn(3, ' ');
        Operation {
            id: name,
            cli: cli.split(' ').map(id).collect(),
            method: words.next().unwrap(),
            path: words.next().unwrap(),
            body: words.next().map(|text| serde_json::from_str(text).unwrap()),
            code: cells.next().unwrap_or_default(),
        }
    };
    table.lines().filter(|line| !line.is_empty()).map(operation).collect()
}

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
        let people =
            "{\"email\":\"cy@doors.example\",\"roles\":[\"User\"]}\n{\"email\":\"bob@doors.example\"}\n";
        std::fs::write(world.machine().path("work/people.jsonl"), people).unwrap();
        let wrong = "{\"email\":\"x@doors.example\",\"roles\":[\"Nope\"]}\n";
        std::fs::write(world.machine().path("work/wrong.jsonl"), wrong).unwrap();
        let server = ApiServer::start(&world);
        let token = server.token("sent", "ann@doors.example", PASSWORD);
        Self { world, server, token }
    }

    fn sql(&self, slug: &str, statement: &str) -> Vec<String> {
        self.world.tenant_sql(slug, statement)
    }

    fn args(operation: &Operation) -> Vec<&'static str> {
        operation.cli.iter().copied().chain(["--tenant", "typed"]).collect()
    }

    fn send(&self, operation: &Operation) -> Answer {
        let mut path = operation.path.replace("SESSION", SESSION).replace("NOBODY", NOBODY);
        for name in ["ann", "bob", "cy"] {
            if path.contains(&format!("{{{name}}}")) {
                let email = format!("select id from nexus.users where email = '{name}@doors.example'");
                path = path.replace(&format!("{{{name}}}"), &self.sql("sent", &email)[0]);
            }
        }
        for name in ["team", "level"] {
            if path.contains(&format!("{{{name}}}")) {
                let field = format!("select id from nexus.custom_fields where name = '{name}'");
                path = path.replace(&format!("{{{name}}}"), &self.sql("sent", &field)[0]);
            }
        }
        match &operation.body {
            // Settings are changed by whoever says what they saw.
            Some(body) if path == "/settings" => {
                self.server.send_json(operation.method, &path, &[&bearer(&self.token), "If-Match: *"], body)
            }
            Some(body) => self.server.change(operation.method, &path, &self.token, body),
            None => self.server.send(operation.method, &path, &[&bearer(&self.token)], &[]),
        }
    }

    /// All rows of a realm's identity, without ids and times. Ann signed in to one of them.
    fn rows(&self, slug: &str) -> Vec<String> {
        [
            "select email, name, state, profile, fields, password_hash is not null, deleted_at is not null
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
            "select applies_to, name, type, choices, required, description from nexus.custom_fields order by 1, 2",
            "select key, value from nexus.settings order by 1",
            "select registration from nexus.sign_in_settings",
            "select email, client, revoked_at is not null from nexus.sessions join nexus.users on users.id = user_id
             where email not like 'ann@%' order by 1, 2",
            "select action, email, detail from nexus.audit_log left join nexus.users on users.id = user_id
             where action <> 'user.sign_in' order by audit_log.id",
        ]
        .iter()
        .flat_map(|statement| self.sql(slug, statement))
        .collect()
    }

    /// What the platform's log says of a tenant's realm.
    fn log(&self, slug: &str) -> Vec<String> {
        self.world.control_sql(&format!(
            "select action, detail::jsonb - 'user' from control.audit_log
             where tenant_id = (select id from control.tenants where slug = '{slug}')
               and action ~ '^(user|role|group|permission|custom_field|settings)[.]' and action <> 'user.sign_in'
             order by audit_log.id"
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
             select '{SESSION}', id, 'web', false, now() + interval '1 day' from nexus.users where email = 'bob@doors.example'"
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
    for operation in operations(CHANGES) {
        let (typed, sent) = run(&operation);
        match operation.id {
            // A role is shown by the command line without what its patterns stand for.
            "createRole" | "updateRole" => assert_eq!(typed["permissions"], sent["permissions"]),
            // The command line counts lines, and adds any number of users.
            "createUsers" => assert_eq!(typed[0]["outcome"], sent["results"][0]["outcome"]),
            "addMember" => assert_eq!(typed[0], sent),
            // The command line shows the token of the invitation, the API sends it.
            "inviteUser" => assert_eq!(typed["email"], sent["subject"]),
            _ => assert_eq!(typed, sent, "{}", operation.id),
        }
    }
    for slug in ["typed", "sent"] {
        session(slug);
    }
    for operation in operations(READINGS) {
        let (mut typed, sent) = run(&operation);
        let mut sent = sent.get("data").cloned().unwrap_or(sent);
        if operation.id == "listRolesOfUser" {
            // The API lists them by name, the command line the user's own first.
            for rows in [&mut typed, &mut sent] {
                rows.as_array_mut().unwrap().sort_by_key(|row| row["role"].to_string());
            }
        }
        assert_eq!(typed, sent, "{}", operation.id);
    }
    for operation in operations(REFUSALS) {
        let (_, error) = doors.world.error(&Doors::args(&operation));
        assert_eq!(error["code"], operation.code, "{:?}", operation.cli);
        assert_eq!(doors.send(&operation).problem().1, operation.code, "{}", operation.path);
        assert_eq!(doors.rows("typed"), doors.rows("sent"), "{}", operation.id);
    }
    for operation in operations(ENDS) {
        let (typed, sent) = run(&operation);
        let typed = if operation.id == "removeMember" { typed[0].clone() } else { typed };
        assert_eq!(typed, sent, "{}", operation.id);
    }
    assert_eq!(doors.log("typed"), doors.log("sent"));
}

#[test]
fn every_operation_and_every_verb_has_both_doors_or_is_named() {
    let (_world, server) = super::acme();
    let all: Vec<Operation> = [CHANGES, READINGS, ENDS].into_iter().flat_map(operations).collect();
    let tried: BTreeSet<&str> = all.iter().map(|operation| operation.id).collect();
    let refused = operations(REFUSALS).into_iter().map(|operation| operation.id);
    let refused: BTreeSet<&str> = refused.chain(NEVER_REFUSED).collect();
    assert_eq!(tried, refused, "each is done, and is refused");
    let page = server.send("GET", "/openapi.json", &[], &[]).ok();
    let of_identity = |it: &&Value| {
        matches!(
            it["tags"][0].as_str(),
            Some("users" | "roles" | "groups" | "permissions" | "custom-fields" | "settings")
        )
    };
    let methods =
        page["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let there: BTreeSet<&str> =
        methods.filter(of_identity).map(|it| it["operationId"].as_str().unwrap()).collect();
    assert_eq!(tried, there);
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let names =
        std::fs::read_dir(manual).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let verb = |name: String| Some(name.strip_prefix("nexus-")?.strip_suffix(".1")?.replace('-', " "));
    let nouns = ["user ", "role ", "group ", "permission ", "custom field ", "iam "];
    let verbs: BTreeSet<String> =
        names.filter_map(verb).filter(|verb| nouns.iter().any(|noun| verb.starts_with(noun))).collect();
    let is_leaf = |verb: &&String| !verbs.iter().any(|other| other.starts_with(&format!("{verb} ")));
    let leaves: BTreeSet<&str> = verbs.iter().filter(is_leaf).map(String::as_str).collect();
    let mut known: BTreeSet<&str> = COMMAND_LINE_ONLY.into();
    for operation in &all {
        let words = operation.cli.join(" ").replace("custom-field", "custom field");
        known.extend(leaves.iter().filter(|leaf| words == **leaf || words.starts_with(&format!("{leaf} "))));
    }
    assert_eq!(leaves, known);
}
