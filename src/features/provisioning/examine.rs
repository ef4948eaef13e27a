//! What is looked at before a database is taken under Nexus. Nothing is changed here.

use super::error::ProvisioningError;
use super::outline::PlannedStep;
use super::plan::PROOF;
use super::worker::{Provisioning, Worker};
use crate::features::tenants::{self, Adoption, NewTenant};
use crate::infra::cluster::adopted::{self, Adopted, Found, RealmPart};
use crate::infra::db::{PgConnection, REALM, ServerAddress};
use crate::kernel::hint::{PlaceAction, PlaceKind, PlatformAction, TenantAction, With};
use crate::kernel::{Hint, OperationId};

/// Databases that belong to nobody (manual, chapter 23.3).
const MAINTENANCE: [&str; 3] = ["postgres", "template0", "template1"];
/// How many names a sentence holds.
const NAMES: usize = 5;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AdoptRequest {
    /// The tenant. It has no first administrator: users come by `nexus user create`.
    pub tenant: NewTenant,
    /// The database, and the login that its app uses.
    pub login: ServerAddress,
    /// The name that its server must be registered under.
    pub cluster: Option<String>,
    /// The store that its bucket is wanted in.
    pub store: Option<String>,
    /// Take PUBLIC's right to connect away.
    pub isolate: bool,
}

/// A database that can be taken under Nexus.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The name that its server is registered under.
    pub(super) cluster: String,
    pub(super) owner: String,
    /// What its end will lead back to.
    pub(super) adoption: Adoption,
    /// What a person should know, in words.
    pub findings: Vec<String>,
}

impl Provisioning {
    /// The name that the login's server is registered under. The login works.
    pub(super) async fn server_of_login(
        &self,
        worker: &Worker,
        request: &AdoptRequest,
    ) -> Result<String, ProvisioningError> {
        let application = format!("nexus:adopt:{}", OperationId::new());
        let mut own = request.login.connect_plain(&application).await?;
        let mut control = worker.control.lock().await;
        let name = self.placement.registered(&mut control, &mut own).await?;
        drop(control);
        let name = name.ok_or_else(|| {
            let hint = Hint::new("register it first", PlaceAction::AddCluster);
            request.refused("its server is not registered", Some(hint))
        })?;
        if request.cluster.as_ref().is_some_and(|wanted| *wanted != name) {
            let hint = Some(Hint::new("name that one", With::Cluster(name.clone())));
            return Err(request.refused(format!("its server is registered as {name}"), hint));
        }
        let server = self.server_of(worker, &name).await?;
        // A standby, or a copy that was started elsewhere, bears the same identifier.
        if !adopted::has_session(&mut *server.admin.lock().await, &application).await? {
            let reason = format!("its server is a copy of {name}, not {name} itself");
            let show = PlaceAction::Show(PlaceKind::Cluster, Some(name.clone()));
            return Err(request.refused(reason, Some(Hint::new(format!("see where {name} is"), show))));
        }
        Ok(name)
    }

    /// Looks at a database and its login, and says why it cannot be adopted.
    pub(super) async fn examine(
        &self,
        worker: &Worker,
        request: &AdoptRequest,
    ) -> Result<Examined, ProvisioningError> {
        let cluster = self.server_of_login(worker, request).await?;
        let server = self.server_of(worker, &cluster).await?;
        let login = &request.login;
        let names = Adopted { database: &login.database, app: &login.user };
        let found = adopted::examine(&mut *server.admin.lock().await, names).await?;
        let found = found.ok_or_else(|| request.refused("it is not on that server", None))?;
        if MAINTENANCE.contains(&names.database) || names.database == server.cluster.admin.database {
            return Err(request.refused("it is a maintenance database", None));
        }
        let holder = {
            let mut control = worker.control.lock().await;
            tenants::holder(&mut control, &cluster, (names.database, names.app)).await?
        };
        if let Some(slug) = holder {
            let hint = Some(Hint::new("see it", TenantAction::Show(Some(slug.clone()))));
            return Err(request.refused(format!("it or its login belongs to tenant {slug}"), hint));
        }
        check_found(request, &found)?;
        let address = server.cluster.admin.database(names.database);
        let mut inside = address.connect("nexus:adopt").await?;
        let realm_was_there = check_inside(request, &mut inside).await?;
        if realm_was_there {
            let ours = adopted::realm_parts(&mut *worker.control.lock().await).await?;
            check_realm(request, &mut inside, &ours).await?;
        }
        // As the tenant will be told to: by the address that the server is registered under.
        address.login(names.app, login.password.clone()).connect_plain(PROOF).await?;
        let adoption = Adoption {
            isolated: request.isolate && found.public_connect,
            login_by_public: found.app_by_public,
            realm_was_there,
        };
        let findings = findings(request, &found, adoption);
        Ok(Examined { cluster, owner: found.owner, adoption, findings })
    }
}

fn check_found(request: &AdoptRequest, found: &Found) -> Result<(), ProvisioningError> {
    let app = &request.login.user;
    if found.is_template {
        return Err(request.refused("it is a template", None));
    }
    if let Some(mark) = &found.mark {
        return Err(request.refused(format!("it, its owner or its login was made by Nexus ({mark})"), None));
    }
    if found.powers.is_empty() {
        return Ok(());
    }
    let hint = format!("give the app a login without these rights, and name that one in place of {app}");
    Err(request.refused(format!("its login {app} is {}", found.powers.join(", ")), Some(hint.into())))
}

/// Whether schema `nexus` is there already, as Nexus makes it.
async fn check_inside(request: &AdoptRequest, inside: &mut PgConnection) -> Result<bool, ProvisioningError> {
    if adopted::is_control(inside).await? {
        return Err(request.refused("it is the control database of an installation of Nexus", None));
    }
    let Some(realm) = adopted::realm(inside).await? else { return Ok(false) };
    if let Some(mark) = realm.mark.filter(|mark| mark.starts_with("nexus:")) {
        let hint = "purge that tenant where it is one; or: comment on schema nexus is null";
        let reason = format!("its schema nexus belongs to another tenant ({mark})");
        return Err(request.refused(reason, Some(hint.into())));
    }
    if !realm.has_history {
        let hint = "rename it: alter schema nexus rename to another_name";
        return Err(request.refused("it has a schema nexus that Nexus did not make", Some(hint.into())));
    }
    match REALM.recognise(inside).await {
        Ok(_) => Ok(true),
        Err(error) => {
            let reason = format!("its schema nexus is not of a version that is known here: {error}");
            Err(request
                .refused(reason, Some(Hint::new("see which version this is", PlatformAction::ShowVersion))))
        }
    }
}

/// Refuses a realm that holds what no migration of ours makes: it would run when Nexus works there, or
/// say who may what. `ours`: what the control database's realm holds, which is at the newest version.
async fn check_realm(
    request: &AdoptRequest,
    inside: &mut PgConnection,
    ours: &[RealmPart],
) -> Result<(), ProvisioningError> {
    let is_current = REALM.is_current(inside).await?;
    let is_ours = |part: &RealmPart| {
        // An older version may have had other definitions, and tables that are gone.
        let alike = |it: &RealmPart| it.what == part.what && (!is_current || it.made == part.made);
        (!is_current && !part.runs) || ours.iter().any(alike)
    };
    let found = adopted::realm_parts(inside).await?;
    let Some(part) = found.iter().find(|part| !is_ours(part)) else { return Ok(()) };
    let reason = format!("its schema nexus holds what Nexus did not make: {}", part.what);
    let hint = "drop that, or rename the schema: alter schema nexus rename to another_name";
    Err(request.refused(reason, Some(hint.into())))
}

/// What a person should know before a database is adopted.
fn findings(request: &AdoptRequest, found: &Found, adoption: Adoption) -> Vec<String> {
    let (app, owner) = (&request.login.user, &found.owner);
    let mut findings = vec![if owner == app {
        format!("login {app} owns the database: it can change the realm in schema nexus, too")
    } else {
        format!("login {app} does not own the database, {owner} does: schema nexus will be {owner}'s")
    }];
    if !found.elsewhere.is_empty() {
        let places = some(&found.elsewhere);
        findings.push(format!(
            "login {app} may connect to other databases, too: {places}; a suspension blocks it there as well"
        ));
    }
    if found.others.is_empty() {
        findings.push("no other login may connect, superusers apart".to_owned());
    } else {
        findings.push(format!("other logins may connect: {}", some(&found.others)));
    }
    if adoption.isolated && !found.others_by_public.is_empty() {
        findings.push(format!("these will no longer be able to connect: {}", some(&found.others_by_public)));
    } else if !adoption.isolated && found.public_connect {
        findings.push(
            "PUBLIC may connect: every login of the server; an isolated adoption revokes that".to_owned(),
        );
    }
    if adoption.realm_was_there {
        findings
            .push("schema nexus already exists; it is migrated to the newest version, and stays".to_owned());
    }
    findings
}

/// The first few names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMES)].join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What was found, and the steps that would adopt a database.
#[must_use]
pub fn plan_adopt(request: &AdoptRequest, examined: &Examined) -> Vec<PlannedStep> {
    let (database, app) = (&request.login.database, &request.login.user);
    let found = |effect: &String| PlannedStep { step: "checked", effect: effect.clone() };
    let mut rows = vec![PlannedStep {
        step: "checked",
        effect: format!("login {app} works, and database {database} on {} can be adopted", examined.cluster),
    }];
    rows.extend(examined.findings.iter().map(found));
    let public = match (examined.adoption.isolated, examined.adoption.login_by_public) {
        (false, _) => "leave PUBLIC's right to connect as it is".to_owned(),
        (true, false) => "revoke PUBLIC's right to connect".to_owned(),
        (true, true) => format!("let {app} connect by itself, and revoke PUBLIC's right to connect"),
    };
    let owner = &examined.owner;
    let effects = [
        ("reserve", format!("reserve slug {}, seal the login's password", request.tenant.slug)),
        ("bucket", "create a bucket".to_owned()),
        ("key", "create a key for that bucket alone".to_owned()),
        ("seal", "seal the key's secret".to_owned()),
        ("isolate", public),
        ("realm", format!("create schema nexus, owned by {owner}: the tenant's users, roles and settings")),
        ("privileges", format!("let {app} read the realm and change the settings")),
        ("prove-database", "write and read a row as the tenant".to_owned()),
        ("prove-store", "write and read an object as the tenant".to_owned()),
        ("activate", "activate the tenant".to_owned()),
    ];
    rows.extend(effects.into_iter().map(|(step, effect)| PlannedStep { step, effect }));
    rows
}
