//! What is on a server beside its tenants: databases that belong to nobody, templates, sessions,
//! and things that bear our mark and that no row explains.

use std::collections::HashSet;

use super::error::InspectionError;
use super::look::{Changing, Look};
use super::model::{Finding, Remedy};
use super::store;
use crate::features::placement::{Cluster, known_templates};
use crate::features::provisioning::{OperationFilter, OperationView};
use crate::features::tenants::{self, Tenant};
use crate::infra::cluster::{self, FoundDatabase, FoundDependency, FoundSession, Index, ServerInventory};
use crate::infra::db::{LockKey, PgConnection};
use crate::kernel::{Location, OperationId, Page, TenantId};

/// How old the session of an operation that is over must be, in seconds, before it counts as left over:
/// its process may be about to end it. That of a dead process counts at once.
const OLD: i64 = 60;

/// A server whose strangers are looked at.
pub(super) struct Server<'a> {
    pub(super) look: &'a Look<'a>,
    pub(super) cluster: &'a Cluster,
    pub(super) place: &'a Location,
    pub(super) rows: &'a [Tenant],
    pub(super) changing: &'a Changing,
}

impl Server<'_> {
    pub(super) async fn look(
        &self,
        control: &mut PgConnection,
        index: &Index<'_>,
        inventory: &ServerInventory,
    ) -> Result<Vec<Finding>, InspectionError> {
        let mut found = self.nobodys_databases(index, inventory);
        let known = known_templates(control, &self.cluster.name).await?;
        found.extend(self.templates(index, inventory, &known));
        found.extend(self.orphans(control, inventory, &known).await?);
        found.extend(self.app_role(index));
        found.extend(self.elsewhere(inventory, &known));
        for session in &inventory.sessions {
            found.extend(self.leftover(control, session, &known).await?);
        }
        Ok(found)
    }

    fn finding(&self, code: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Finding {
        Finding::new(code, None, self.place, object, detail)
    }

    /// Those that PostgreSQL makes, the control database, and other applications'.
    fn nobodys_databases(&self, index: &Index<'_>, inventory: &ServerInventory) -> Vec<Finding> {
        let (on, marks) = (self.look.on, self.look.on.installation.marks());
        let is_marked = |mark: &Option<String>| mark.as_ref().is_some_and(|mark| mark.starts_with("nexus:"));
        let here = on.control.host == self.cluster.admin.host && on.control.port == self.cluster.admin.port;
        let mut found = Vec::new();
        for database in &inventory.databases {
            if is_marked(&database.mark) || is_marked(&database.owner_mark) || !database.connectable {
                continue;
            }
            let name = database.name.as_str();
            let object = format!("database {name}");
            let closed = ["postgres", "template1"].contains(&name) || (here && name == on.control.database);
            let mut roles: Vec<&str> = Vec::new();
            let mut public: Vec<&str> = Vec::new();
            for (grantee, privilege) in index.grants(name) {
                match grantee {
                    None => public.push(privilege),
                    Some(role) => {
                        let role = index
                            .role(role)
                            .filter(|role| role.mark.as_ref().is_some_and(|mark| mark.starts_with(&marks)));
                        roles.extend(role.map(|role| role.name.as_str()));
                    }
                }
            }
            if !public.is_empty() {
                let detail = format!("PUBLIC has {}", public.join(", "));
                let remedy = if closed { Remedy::CloseMaintenance } else { Remedy::None };
                let code = if closed { "maintenance_public" } else { "other_database_public" };
                found.push(self.finding(code, &*object, detail).with(remedy));
            }
            roles.dedup();
            for role in roles {
                let remedy = Remedy::Revoke { database: name.to_owned(), role: role.to_owned() };
                let detail = format!("role {role} may use it");
                found.push(self.finding("maintenance_grant", &*object, detail).with(remedy));
            }
        }
        found
    }

    fn templates(
        &self,
        index: &Index<'_>,
        inventory: &ServerInventory,
        known: &[(String, String, bool)],
    ) -> Vec<Finding> {
        let mark = format!("{}template", self.look.on.installation.marks());
        let mut found = Vec::new();
        for (name, owner, _) in known.iter().filter(|(_, _, ready)| *ready) {
            let object = format!("database {name}");
            let Some(database) = index.database(name) else {
                let finding = self.finding("template_missing", object, "it is not on the server");
                found.push(finding.with(Remedy::RebuildTemplates));
                continue;
            };
            if database.mark.as_deref() != Some(&*mark) {
                found.push(self.finding("template_foreign", object, "it does not have the template's mark"));
                continue;
            }
            let granted = index.grants(name).len();
            if database.connectable || !database.template || granted > 0 {
                let detail = format!(
                    "takes sessions: {}, is a template: {}, rights granted: {granted}",
                    database.connectable, database.template
                );
                let finding = self.finding("template_open", object.clone(), detail);
                found.push(finding.with(Remedy::CloseTemplate(name.clone())));
            }
            let others = inventory.dependencies.iter().filter(|it| it.database == *name);
            let others: Vec<&str> = others
                .map(|it| &*it.role)
                .filter(|role| role != owner && *role != cluster::APP_ROLE)
                .collect();
            if !others.is_empty() {
                let detail = format!("{} own something in it, or have rights there", others.join(", "));
                found.push(self.finding("template_owner", object, detail).with(Remedy::RebuildTemplates));
            }
        }
        found
    }

    /// What a tenant's role owns, or may do, in a database that is no tenant's.
    fn elsewhere(&self, inventory: &ServerInventory, templates: &[(String, String, bool)]) -> Vec<Finding> {
        let marks = self.look.on.installation.marks();
        let ours = |mark: &Option<String>| mark.as_ref().is_some_and(|mark| mark.starts_with("nexus:"));
        let theirs = inventory.dependencies.iter().filter(|it| {
            it.role_mark.as_ref().is_some_and(|mark| mark.starts_with(&marks))
                && !ours(&it.database_mark)
                && !templates.iter().any(|(name, ..)| *name == it.database)
                && !self.rows.iter().any(|tenant| tenant.resources.database_name == it.database)
        });
        let finding = |it: &FoundDependency| {
            let code = if it.owns { "role_owns_elsewhere" } else { "role_elsewhere" };
            let how = if it.owns { "it owns something" } else { "it has rights" };
            self.finding(code, format!("role {}", it.role), format!("{how} in database {}", it.database))
        };
        theirs.map(finding).collect()
    }

    /// The role for all apps, which is every installation's on the server. Logins that no tenant's row
    /// explains may what apps may wherever they can connect; what it may itself every tenant may.
    fn app_role(&self, index: &Index<'_>) -> Vec<Finding> {
        let mut found = self.strangers_in_app_role(index);
        let Some(role) = index.role(cluster::APP_ROLE) else { return found };
        let mut powers = role.powers.clone();
        powers.extend(role.login.then(|| "login".to_owned()));
        powers.extend(index.is_in(&role.name).iter().map(|other| format!("membership in {other}")));
        if !powers.is_empty() {
            let detail = format!("it has {}", powers.join(", "));
            let finding = self.finding("app_role_powerful", format!("role {}", role.name), detail);
            found.push(finding.with(Remedy::WeakenAppRole));
        }
        found
    }

    fn strangers_in_app_role(&self, index: &Index<'_>) -> Vec<Finding> {
        let is_known = |name: &str, mark: Option<&str>| {
            mark.is_some_and(|mark| mark.starts_with("nexus:"))
                || self.rows.iter().any(|tenant| tenant.resources.app_role == name)
        };
        let unmanaged = index.in_app_role().iter().filter(|(name, mark)| !is_known(name, *mark));
        let finding = |(name, _): &(&str, Option<&str>)| {
            let detail = format!("it is in {}, and no tenant's login", cluster::APP_ROLE);
            self.finding("app_role_foreign_member", format!("role {name}"), detail)
        };
        unmanaged.map(finding).collect()
    }

    async fn orphans(
        &self,
        control: &mut PgConnection,
        inventory: &ServerInventory,
        templates: &[(String, String, bool)],
    ) -> Result<Vec<Finding>, InspectionError> {
        let marks = self.look.on.installation.marks();
        let mut names: HashSet<&str> = HashSet::with_capacity(self.rows.len() * 3 + templates.len() * 2);
        for tenant in self.rows {
            let it = &tenant.resources;
            names.extend([it.database_name.as_str(), &it.owner_role, &it.app_role]);
        }
        names.extend(templates.iter().flat_map(|(name, owner, _)| [name.as_str(), owner]));
        let scratch = store::scratch_databases(control, &self.cluster.name).await?;
        let logins: Vec<String> = scratch.iter().map(|name| cluster::scratch_login(name)).collect();
        names.extend(scratch.iter().chain(&logins).map(String::as_str));
        let mut found = Vec::new();
        for database in inventory.databases.iter().filter(|database| !names.contains(&*database.name)) {
            let Some(mark) = mark_of(database).filter(|mark| mark.starts_with(&marks)) else { continue };
            let code = if mark.ends_with(":template") { "orphan_template" } else { "orphan_database" };
            let object = format!("database {}", database.name);
            let Some(finding) = self.orphan(control, code, object, mark).await? else { continue };
            found.push(finding.with(Remedy::DropDatabase {
                name: database.name.clone(),
                owner: database.owner.clone(),
                mark: mark.to_owned(),
                template: database.template,
            }));
        }
        for role in inventory.roles.iter().filter(|role| !names.contains(&*role.name)) {
            let Some(mark) = role.mark.as_deref().filter(|mark| mark.starts_with(&marks)) else { continue };
            let remedy = Remedy::DropRole { name: role.name.clone(), mark: mark.to_owned() };
            let object = format!("role {}", role.name);
            if let Some(runner) = mark.strip_prefix(&marks).and_then(|rest| rest.strip_prefix("migrator:")) {
                if !store::is_at_work(control, runner).await? {
                    let detail = "a login of a migration whose process is gone";
                    found.push(self.finding("orphan_role", object, detail).with(remedy));
                }
                continue;
            }
            // The login of a template that is being built.
            if let Some((_, template)) = mark.rsplit_once(":template:")
                && store::is_building(control, template).await?
            {
                continue;
            }
            let Some(finding) = self.orphan(control, "orphan_role", object, mark).await? else { continue };
            found.push(finding.with(remedy));
        }
        Ok(found)
    }

    /// Something that bears our mark and has no row here; `None` when a change explains it.
    async fn orphan(
        &self,
        control: &mut PgConnection,
        code: &'static str,
        object: String,
        mark: &str,
    ) -> Result<Option<Finding>, InspectionError> {
        let id = owner_of(control, self.look, mark).await?;
        orphan(control, self.changing, Finding::new(code, None, self.place, object, ""), id).await
    }

    async fn leftover(
        &self,
        control: &mut PgConnection,
        session: &FoundSession,
        templates: &[(String, String, bool)],
    ) -> Result<Option<Finding>, InspectionError> {
        let Some(name) = session.application.strip_prefix("nexus:") else { return Ok(None) };
        let remedy = Remedy::EndSession { pid: session.pid, application: session.application.clone() };
        let object = format!("session {} of process {}", session.application, session.pid);
        let leftover =
            |detail: String| Ok(Some(self.finding("session_leftover", object, detail).with(remedy)));
        if let Some((kind, whose)) = name.split_once(':') {
            let dead = match kind {
                "run" => store::has_died(control, whose).await?,
                "template" => {
                    templates.iter().any(|(name, ..)| name == whose)
                        && !store::is_building(control, whose).await?
                }
                purpose if whose == self.look.on.installation.id.to_string() => {
                    let key = LockKey::of(purpose, &self.cluster.name);
                    !store::is_locked(control, &key).await?
                }
                _ => false,
            };
            return if dead { leftover("its process is gone".to_owned()) } else { Ok(None) };
        }
        let Ok(id) = name.parse::<OperationId>() else { return Ok(None) };
        let filter = OperationFilter { id: Some(id), ..OperationFilter::default() };
        let page = Page { page: 1, limit: 1 };
        let operation = OperationView::read_list(control, &filter, page).await?;
        // None: another installation's.
        let Some(operation) = operation.first() else { return Ok(None) };
        match operation.state.as_str() {
            "running" | "rolling_back" | "planned" => Ok(None),
            "interrupted" => leftover("its process is gone".to_owned()),
            _ if session.age <= OLD => Ok(None),
            state => leftover(format!("{} s old, and its operation is {state}", session.age)),
        }
    }
}

/// The mark of a database; until it has one of its own, its owner's.
fn mark_of(database: &FoundDatabase) -> Option<&str> {
    database.mark.as_deref().or(database.owner_mark.as_deref())
}

/// The tenant that a mark says, gone or not. A mark on a server tells it only to who knows the tenant.
async fn owner_of(
    control: &mut PgConnection,
    look: &Look<'_>,
    mark: &str,
) -> Result<Option<TenantId>, InspectionError> {
    if let Some(id) = told_by(mark) {
        return Ok(Some(id));
    }
    let all = store::tenant_ids(control).await?;
    Ok(all.into_iter().find(|id| look.on.installation.server_mark(*id) == mark))
}

/// The tenant whose id a mark holds.
pub(super) fn told_by(mark: &str) -> Option<TenantId> {
    mark.rsplit(':').next().and_then(|id| id.parse::<TenantId>().ok())
}

/// Completes the finding of something that no row at its place explains; `None` when a change does.
pub(super) async fn orphan(
    control: &mut PgConnection,
    changing: &Changing,
    mut finding: Finding,
    id: Option<TenantId>,
) -> Result<Option<Finding>, InspectionError> {
    finding.detail = match id {
        Some(id) if changing.contains_key(&id) => return Ok(None),
        Some(id) => match tenants::by_id(control, id).await? {
            None => format!(
                "no row was ever written for tenant {id}, or the control database is of an older backup"
            ),
            Some(row) => {
                finding.subject.tenant = Some(row.slug.clone());
                format!("tenant {} is {}, and this is none of what it has", row.slug, row.state.as_str())
            }
        },
        None => "no row names it".to_owned(),
    };
    Ok(Some(finding.of(id)))
}
