//! How a tenant's database and roles differ from what they should be on the server. Pure: compares
//! what [`super::inventory`] read, and says with which statement each difference is mended.

use std::collections::HashMap;

use super::inventory::{FoundDatabase, FoundRole, ServerInventory};
use super::{APP_ROLE, Database, Roles, TEMP_FILE_LIMIT};
use crate::infra::db::{identifier, literal};

/// What should be there of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub database: Database<'a>,
    /// Most sessions of its app role.
    pub connection_limit: i32,
    /// Whether its app role is let in at all.
    pub open: bool,
}

/// How a difference is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriftFix {
    /// By this statement, in the administrator's session.
    Statement(String),
    /// By the steps that make what is missing.
    Remake,
    /// By a person: data is gone, or it is somebody else's.
    ByHand,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub code: &'static str,
    /// What is different, e.g. `role nx…`.
    pub object: String,
    pub detail: String,
    pub fix: DriftFix,
}

impl Drift {
    pub(super) fn new(
        code: &'static str,
        object: impl Into<String>,
        detail: impl Into<String>,
        fix: DriftFix,
    ) -> Self {
        Self { code, object: object.into(), detail: detail.into(), fix }
    }
}

/// What was read of a server, by name.
#[derive(Debug, Default)]
pub struct Index<'a> {
    databases: HashMap<&'a str, &'a FoundDatabase>,
    roles: HashMap<&'a str, &'a FoundRole>,
    /// By database: grantee and privilege.
    grants: HashMap<&'a str, Vec<(Option<&'a str>, &'a str)>>,
    /// By member: what it is in.
    within: HashMap<&'a str, Vec<&'a str>>,
    /// By role: who is in it, and that one's comment.
    members: HashMap<&'a str, Vec<(&'a str, Option<&'a str>)>>,
}

impl<'a> Index<'a> {
    /// Of what was read.
    #[must_use]
    pub fn of(found: &'a ServerInventory) -> Self {
        let mut index = Self::default();
        index.databases.extend(found.databases.iter().map(|it| (it.name.as_str(), it)));
        index.roles.extend(found.roles.iter().map(|it| (it.name.as_str(), it)));
        for grant in &found.grants {
            let rights = index.grants.entry(&grant.database).or_default();
            rights.push((grant.grantee.as_deref(), &grant.privilege));
        }
        for member in &found.members {
            index.within.entry(&member.member).or_default().push(&member.role);
            let entry = (member.member.as_str(), member.mark.as_deref());
            index.members.entry(&member.role).or_default().push(entry);
        }
        index
    }

    /// A role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&'a FoundRole> {
        self.roles.get(name).copied()
    }

    /// A database.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&'a FoundDatabase> {
        self.databases.get(name).copied()
    }

    /// Whether a role is in another than the one for all apps.
    #[must_use]
    pub fn is_member(&self, role: &str) -> bool {
        self.within.get(role).is_some_and(|roles| roles.iter().any(|other| *other != APP_ROLE))
    }

    /// What a role is in.
    #[must_use]
    pub fn is_in(&self, role: &str) -> &[&'a str] {
        self.within.get(role).map_or(&[], Vec::as_slice)
    }

    /// Who is in the role for all apps, each with its comment.
    #[must_use]
    pub fn in_app_role(&self) -> &[(&'a str, Option<&'a str>)] {
        self.members.get(APP_ROLE).map_or(&[], Vec::as_slice)
    }

    /// Who has which rights at a database, beside its owner.
    #[must_use]
    pub fn grants(&self, database: &str) -> &[(Option<&'a str>, &'a str)] {
        self.grants.get(database).map_or(&[], Vec::as_slice)
    }
}

/// How a tenant's database and roles differ from what they should be.
#[must_use]
pub fn drift(found: &Index<'_>, expected: &Expected<'_>) -> Vec<Drift> {
    let mut drift = Vec::new();
    let names = expected.database;
    let roles = Roles { owner: names.owner, app: names.app, mark: names.mark };
    for name in [roles.owner, roles.app] {
        role_drift(found, name, roles, expected, &mut drift);
    }
    database_drift(found, expected, &mut drift);
    drift
}

/// What is said of a mark that holds a tenant's id.
const OLD_MARK: &str = "its comment, which every tenant can read, holds the tenant's id";

fn role_drift(
    found: &Index<'_>,
    name: &str,
    roles: Roles<'_>,
    expected: &Expected<'_>,
    drift: &mut Vec<Drift>,
) {
    let object = format!("role {name}");
    let quoted = identifier(name);
    let Some(role) = found.role(name) else {
        drift.push(Drift::new("role_missing", object, "it is not on the server", DriftFix::Remake));
        return;
    };
    if !roles.mark.fits(role.mark.as_deref()) {
        drift.push(Drift::new(
            "role_foreign",
            object,
            "it does not have this tenant's mark",
            DriftFix::ByHand,
        ));
        return;
    }
    let mut add = |code, detail: String, statement: String| {
        drift.push(Drift::new(code, object.clone(), detail, DriftFix::Statement(statement)));
    };
    if roles.mark.is_former(role.mark.as_deref()) {
        let statement = format!("comment on role {quoted} is {}", literal(roles.mark.text));
        add("mark_old", OLD_MARK.to_owned(), statement);
    }
    if !role.powers.is_empty() {
        let off: Vec<String> = role.powers.iter().map(|power| format!("no{power}")).collect();
        let statement = format!("alter role {quoted} {}", off.join(" "));
        add("role_powers", format!("it has {}", role.powers.join(", ")), statement);
    }
    let within = found.within.get(name).map_or(&[][..], Vec::as_slice);
    if name == roles.app && !within.contains(&APP_ROLE) {
        let statement = format!("grant {APP_ROLE} to {quoted}");
        add("role_app_missing", format!("it is not in {APP_ROLE}, which has the app's rights"), statement);
    }
    for other in within.iter().filter(|other| name != roles.app || **other != APP_ROLE) {
        let statement = format!("revoke {} from {quoted} cascade", identifier(other));
        add("role_member", format!("it is a member of {other}"), statement);
    }
    // The login of a migration under way; one that was left behind is found by its mark.
    let migrators =
        roles.mark.text.rsplit_once(':').map_or(String::new(), |(ours, _)| format!("{ours}:migrator:"));
    let members = found.members.get(name).into_iter().flatten();
    for (other, _) in members.filter(|(_, mark)| !mark.is_some_and(|mark| mark.starts_with(&migrators))) {
        let statement = format!("revoke {quoted} from {} cascade", identifier(other));
        add("role_granted", format!("{other} is a member of it"), statement);
    }
    for setting in &role.settings_in {
        let database = setting.rsplit_once(" in ").map_or("", |(_, database)| database);
        let statement = format!("alter role {quoted} in database {} reset all", identifier(database));
        add("role_setting", format!("it has {setting}"), statement);
    }
    if role.expires {
        let statement = format!("alter role {quoted} valid until 'infinity'");
        add("role_expires", "its password expires".to_owned(), statement);
    }
    if name == roles.owner {
        owner_drift(role, &quoted, &mut add);
    } else {
        app_drift(role, &quoted, expected, &mut add);
    }
}

type Add<'a> = dyn FnMut(&'static str, String, String) + 'a;

fn owner_drift(role: &FoundRole, quoted: &str, add: &mut Add<'_>) {
    if role.login {
        add("role_login", "it can log in".to_owned(), format!("alter role {quoted} nologin"));
    }
    if !role.inherit {
        // Its rights in schema public come to it through pg_database_owner.
        let statement = format!("alter role {quoted} inherit");
        add("role_inherit", "it does not inherit".to_owned(), statement);
    }
    if !role.settings.is_empty() {
        let statement = format!("alter role {quoted} reset all");
        add("role_setting", format!("it has {}", role.settings.join(", ")), statement);
    }
}

/// The detail of `role_login` where an app role cannot log in, and should.
pub const CANNOT_LOG_IN: &str = "it cannot log in";
/// The same where it can, and should not.
pub const CAN_LOG_IN: &str = "it can log in, and the tenant is closed";

/// The settings that the app role is made with.
const APP_SETTINGS: [(&str, &str); 2] =
    [("search_path", "public, pg_temp"), ("idle_in_transaction_session_timeout", "5min")];

fn app_drift(role: &FoundRole, quoted: &str, expected: &Expected<'_>, add: &mut Add<'_>) {
    match (role.login, expected.open) {
        (true, false) => {
            add("role_login", CAN_LOG_IN.to_owned(), format!("alter role {quoted} nologin"));
        }
        (false, true) => {
            add("role_login", CANNOT_LOG_IN.to_owned(), format!("alter role {quoted} login"));
        }
        _ => {}
    }
    if !role.inherit {
        // Its rights come to it through the role for all apps.
        let statement = format!("alter role {quoted} inherit");
        add("role_inherit", "it does not inherit".to_owned(), statement);
    }
    let limit = expected.connection_limit;
    if role.connection_limit != limit {
        let statement = format!("alter role {quoted} connection limit {limit}");
        add(
            "role_connection_limit",
            format!("its limit of sessions is {}, not {limit}", role.connection_limit),
            statement,
        );
    }
    let temp_files = role.settings.iter().find_map(|it| it.strip_prefix("temp_file_limit="));
    // Only a superuser can have given it another bound.
    if temp_files.is_none_or(|limit| limit == "-1") {
        let statement = format!("alter role {quoted} set temp_file_limit to '{TEMP_FILE_LIMIT}'");
        add("role_temp_file_limit", "it has no temp_file_limit".to_owned(), statement);
    }
    for (name, value) in APP_SETTINGS {
        let found = role.settings.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        // A tenant may choose for itself how long its transactions idle (promise: it can change its
        // own settings); where its names are looked up decides whose code it runs.
        if name == "search_path" && found != Some(value) {
            let shown = found.map_or("it has none".to_owned(), |found| format!("it is {found:?}"));
            let statement = format!("alter role {quoted} set search_path to {value}");
            add("role_search_path", shown, statement);
        }
    }
}

fn database_drift(found: &Index<'_>, expected: &Expected<'_>, drift: &mut Vec<Drift>) {
    let names = expected.database;
    let object = format!("database {}", names.name);
    let quoted = identifier(names.name);
    let Some(database) = found.database(names.name) else {
        drift.push(Drift::new("database_missing", object, "it is not on the server", DriftFix::ByHand));
        return;
    };
    let marked_owner = database.owner == names.owner && names.mark.fits(database.owner_mark.as_deref());
    let is_marked = names.mark.fits(database.mark.as_deref()) || database.mark.is_none() && marked_owner;
    if !is_marked {
        let detail = "it does not have this tenant's mark";
        drift.push(Drift::new("database_foreign", object, detail, DriftFix::ByHand));
        return;
    }
    if database.connection_limit == -2 {
        let detail = "a drop of it was interrupted; it can only be dropped";
        drift.push(Drift::new("database_half_dropped", object, detail, DriftFix::ByHand));
        return;
    }
    let mut add = |code, detail: String, statement: String| {
        drift.push(Drift::new(code, object.clone(), detail, DriftFix::Statement(statement)));
    };
    if database.mark.is_none() {
        let statement = format!("comment on database {quoted} is {}", literal(names.mark.text));
        add("database_unmarked", "it has no mark".to_owned(), statement);
    }
    if names.mark.is_former(database.mark.as_deref()) {
        let statement = format!("comment on database {quoted} is {}", literal(names.mark.text));
        add("mark_old", OLD_MARK.to_owned(), statement);
    }
    if database.owner != names.owner {
        let statement = format!("alter database {quoted} owner to {}", identifier(names.owner));
        add("database_owner", format!("{} owns it", database.owner), statement);
    }
    if database.template {
        let statement = format!("alter database {quoted} is_template false");
        add("database_is_template", "any role that makes databases may copy it".to_owned(), statement);
    }
    if database.connection_limit != -1 {
        let statement = format!("alter database {quoted} connection limit -1");
        add(
            "database_connection_limit",
            format!("its limit of sessions is {}", database.connection_limit),
            statement,
        );
    }
    grant_drift(found, expected, &mut add);
    if !expected.open && database.connectable {
        let statement = format!("alter database {quoted} allow_connections false");
        add("database_open", "it takes sessions, and the tenant is closed".to_owned(), statement);
    }
    if expected.open && !database.connectable {
        // Last: it is opened to whom it should be only.
        let statement = format!("alter database {quoted} allow_connections true");
        add("database_closed", "it takes no sessions".to_owned(), statement);
    }
}

fn grant_drift(found: &Index<'_>, expected: &Expected<'_>, add: &mut Add<'_>) {
    let names = expected.database;
    let quoted = identifier(names.name);
    let mut by_grantee: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for &(grantee, privilege) in found.grants(names.name) {
        match by_grantee.iter_mut().find(|(other, _)| *other == grantee) {
            Some((_, privileges)) => privileges.push(privilege),
            None => by_grantee.push((grantee, vec![privilege])),
        }
    }
    for (grantee, mut privileges) in by_grantee {
        privileges.sort_unstable();
        privileges.dedup();
        match grantee {
            None => {
                let statement = format!("revoke all on database {quoted} from public");
                add("database_public", format!("PUBLIC has {}", privileges.join(", ")), statement);
            }
            Some(app) if app == names.app => {
                privileges.retain(|it| *it != "CONNECT");
                if !privileges.is_empty() {
                    let list = privileges.join(", ");
                    let statement = format!("revoke {list} on database {quoted} from {}", identifier(app));
                    add("database_app_excess", format!("its app role has {list}"), statement);
                }
            }
            // What an owner gives itself is not listed; a former one may be.
            Some(owner) if owner == names.owner => {}
            Some(other) => {
                let list = privileges.join(", ");
                let statement = format!("revoke all on database {quoted} from {} cascade", identifier(other));
                add("database_foreign_grant", format!("role {other} has {list}"), statement);
            }
        }
    }
    let connects = found.grants(names.name).contains(&(Some(names.app), "CONNECT"));
    if expected.open && !connects && found.role(names.app).is_some() {
        let statement = format!("grant connect on database {quoted} to {}", identifier(names.app));
        add("database_app_shut_out", "its app role may not connect".to_owned(), statement);
    }
}
