//! Registering, changing, checking and letting go of PostgreSQL servers.

use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::error::PlacementError;
use super::model::{
    AddCluster, Checked, ClusterView, DEFAULT, PlaceChange, PlacementState, Registered, check_registered,
};
use super::opening::ServerRecord;
use super::registry::{Placement, address, secret_name};
use super::store;
use super::template::{drop_templates, template};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::cluster::{close_maintenance_databases, drop_app_role, server_state};
use crate::infra::db::{Host, PgConnection, ServerAddress, durable_transaction};
use crate::infra::failpoint;
use crate::kernel::hint::PlaceKind;
use crate::kernel::{Caller, ErrorKind, Event, Failure, PlaceName, Progress, TenantId, Verdict};

/// Oldest major version of PostgreSQL that serves.
const OLDEST: i32 = 15;

/// Checks that a login can do what is needed on a server; what the server calls itself.
///
/// # Errors
/// [`PlacementError::ServerTooOld`], [`PlacementError::NotSuperuser`].
pub(in crate::features) async fn check_rights(
    admin: &mut PgConnection,
    server: &ServerAddress,
) -> Result<String, PlacementError> {
    let rights = store::rights(admin).await?;
    if rights.version < OLDEST {
        return Err(PlacementError::ServerTooOld { version: rights.version, server: server.display() });
    }
    if !rights.superuser {
        return Err(PlacementError::NotSuperuser { user: server.user.clone(), server: server.display() });
    }
    Ok(rights.system_id)
}

impl Placement {
    /// Registers a server: checks what its login may do, writes it down as draining with its
    /// password sealed, closes its maintenance databases, builds the template there, and lets it
    /// take tenants. The same call again finishes what was cut short.
    ///
    /// # Errors
    /// [`PlacementError::Taken`], [`PlacementError::SameServer`], what [`check_rights`] says.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn add_cluster(
        &self,
        control: &mut PgConnection,
        installation: Uuid,
        caller: &Caller,
        add: &AddCluster,
        progress: &dyn Progress,
    ) -> Result<(Registered, ClusterView), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::CLUSTER_CREATE, About::Platform).await?;
        let name = add.name.as_str();
        let before = store::cluster(control, name).await?;
        let known = store::server_place(control, name).await?;
        if name == DEFAULT || (before.is_some() && known.as_ref() != Some(&add.place)) {
            return Err(PlacementError::Taken { what: PlaceKind::Cluster, name: name.to_owned() });
        }
        progress.event(Event::Note(format!("checking {}", add.place.host)));
        let server = address(&add.place, add.password.clone());
        let mut admin = server.connect("nexus:cluster").await?;
        let system_id = check_rights(&mut admin, &server).await?;
        if let Some(other) = self.registered_as(control, &system_id).await?.filter(|other| other != name) {
            return Err(PlacementError::SameServer { name: other });
        }
        let state = server_state(&mut admin, installation).await?;
        ServerRecord::read(control, name).await?.admit(control, name, &state).await?;
        if before.is_none() || store::is_preparing(control, name).await? {
            self.write_cluster(control, caller, add, &system_id).await?;
        }
        failpoint::pass(|| "cluster.add.recorded".to_owned()).await;
        progress.event(Event::Note("closing its maintenance databases, building the template".to_owned()));
        close_maintenance_databases(&mut admin, &[]).await?;
        failpoint::pass(|| "cluster.add.closed".to_owned()).await;
        let cluster = self.cluster(control, name).await?;
        template(control, &mut admin, &cluster, installation).await?;
        failpoint::pass(|| "cluster.add.template".to_owned()).await;
        let made = store::opened_for_tenants(control, name).await?;
        let view = store::cluster(control, name).await?.ok_or_else(|| not_found(name))?;
        Ok((if made { Registered::Added } else { Registered::Unchanged }, view))
    }

    /// The name under which the server of a session is registered, whoever's session it is.
    pub(in crate::features) async fn registered(
        &self,
        control: &mut PgConnection,
        session: &mut PgConnection,
    ) -> Result<Option<String>, PlacementError> {
        let system_id = store::rights(session).await?.system_id;
        self.registered_as(control, &system_id).await
    }

    /// The name under which a server is registered, the one of the settings included.
    async fn registered_as(
        &self,
        control: &mut PgConnection,
        system_id: &str,
    ) -> Result<Option<String>, PlacementError> {
        if let Some(name) = store::cluster_of_system(control, system_id).await? {
            return Ok(Some(name));
        }
        // The one of the settings may never have been asked what it is.
        let default = &self.default_cluster().await?.admin;
        let Ok(mut admin) = default.connect("nexus:cluster").await else { return Ok(None) };
        let same = store::rights(&mut admin).await?.system_id == system_id;
        Ok(same.then(|| DEFAULT.to_owned()))
    }

    async fn write_cluster(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        add: &AddCluster,
        system_id: &str,
    ) -> Result<(), PlacementError> {
        let name = add.name.as_str();
        let mut tx = durable_transaction(control).await?;
        if !store::insert_cluster(&mut tx, add, system_id, self.secrets().record_key()).await? {
            return Err(PlacementError::Taken { what: PlaceKind::Cluster, name: name.to_owned() });
        }
        self.secrets().put_platform(&mut tx, &secret_name(PlaceKind::Cluster, name), &add.password).await?;
        self.forget(name).await;
        let place = &add.place;
        let detail = json!({ "cluster": name, "host": place.host, "port": place.port, "login": place.login });
        audit::record(&mut tx, entry(caller, "cluster.add", detail)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// With the address of the server that the settings name, which has none in the control database.
    fn located(&self, mut view: ClusterView) -> ClusterView {
        if view.host.is_none() {
            let (host, port) = self.default_cluster.address();
            (view.host, view.port) = (Some(host), Some(port));
        }
        view
    }

    /// All servers, by name.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn clusters(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Vec<ClusterView>, PlacementError> {
        access::authorize(control, caller, &rights::CLUSTER_READ, About::Platform).await?;
        self.read_clusters(control).await
    }

    /// The same for other features.
    pub(in crate::features) async fn read_clusters(
        &self,
        control: &mut PgConnection,
    ) -> Result<Vec<ClusterView>, PlacementError> {
        Ok(store::clusters(control).await?.into_iter().map(|view| self.located(view)).collect())
    }

    /// One server.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn show_cluster(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
    ) -> Result<ClusterView, PlacementError> {
        access::authorize(control, caller, &rights::CLUSTER_READ, About::Platform).await?;
        self.find_cluster(control, name).await
    }

    /// The same for other features.
    pub(in crate::features) async fn find_cluster(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<ClusterView, PlacementError> {
        let view = store::cluster(control, name).await?.ok_or_else(|| not_found(name))?;
        Ok(self.located(view))
    }

    /// The address of a server's machine.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn host(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
    ) -> Result<Host, PlacementError> {
        access::authorize(control, caller, &rights::CLUSTER_READ, About::Platform).await?;
        Ok(self.cluster(control, name).await?.admin.host)
    }

    /// Changes labels, limits, or whether it takes tenants.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn update_cluster(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
        change: &PlaceChange,
    ) -> Result<ClusterView, PlacementError> {
        let caller = &access::authorize(control, caller, &rights::CLUSTER_UPDATE, About::Platform).await?;
        let mut tx = durable_transaction(control).await?;
        let Some(view) = store::update_cluster(&mut tx, name, change).await? else {
            let preparing = store::is_preparing(&mut tx, name).await?;
            let unfinished = PlacementError::Preparing { name: name.to_owned() };
            return Err(if preparing { unfinished } else { not_found(name) });
        };
        let detail = json!({
            "cluster": name, "labels": change.labels, "unlabel": change.unlabel,
            "capacity": change.capacity.flatten(), "connections": change.connections.flatten(),
            "state": change.state,
        });
        audit::record(&mut tx, entry(caller, "cluster.update", detail)).await?;
        tx.commit().await?;
        Ok(self.located(view))
    }

    /// Seals another password of a server's administrator, once it has let us in.
    ///
    /// # Errors
    /// [`PlacementError::OfSettings`], or what the server says.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn change_password(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
        password: &SecretString,
    ) -> Result<(), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::CLUSTER_UPDATE, About::Platform).await?;
        check_registered(PlaceKind::Cluster, name)?;
        let place = store::server_place(control, name).await?.ok_or_else(|| not_found(name))?;
        let server = address(&place, password.clone());
        check_rights(&mut server.connect("nexus:cluster").await?, &server).await?;
        let mut tx = durable_transaction(control).await?;
        self.secrets().put_platform(&mut tx, &secret_name(PlaceKind::Cluster, name), password).await?;
        store::touch_cluster(&mut tx, name).await?;
        audit::record(&mut tx, entry(caller, "cluster.password", json!({ "cluster": name }))).await?;
        tx.commit().await?;
        self.forget(name).await;
        Ok(())
    }

    /// Asks servers whether they answer, are those that were registered, and let us do what is needed, and
    /// writes down what they said; without a name, all of them.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`]; what a server says is in its view.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn check_clusters(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        names: &[PlaceName],
    ) -> Result<Checked<ClusterView>, PlacementError> {
        access::authorize(control, caller, &rights::CLUSTER_UPDATE, About::Platform).await?;
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            names = read_cluster_names(control).await?;
        }
        let (mut views, mut swapped) = (Vec::with_capacity(names.len()), 0);
        for name in names {
            let (view, is_another) = self.ask_cluster(control, &name).await?;
            views.push(view);
            swapped += usize::from(is_another);
        }
        let ill = views.iter().filter(|view| view.problem.is_some()).count();
        Ok(Checked { views, verdict: Verdict::of(swapped, ill) })
    }

    /// Checks one. Whether it is another server is beside the view.
    pub(in crate::features) async fn ask_cluster(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<(ClusterView, bool), PlacementError> {
        let cluster = self.cluster(control, name).await?;
        let recorded = ServerRecord::read(control, name).await?.system_id;
        let asked = ask(&cluster.admin).await.and_then(|is| match recorded {
            Some(recorded) if recorded != is => {
                Err(PlacementError::OtherServer { name: name.to_owned(), is, recorded })
            }
            _ => Ok(is),
        });
        let (problem, system_id) = match &asked {
            Ok(system_id) => (None, Some(system_id)),
            Err(error) => (Some(error.to_string()), None),
        };
        let system_id = system_id.map(String::as_str);
        let view = store::checked_cluster(control, name, problem.as_deref(), system_id).await?;
        let view = view.ok_or_else(|| not_found(name))?;
        Ok((self.located(view), asked.is_err_and(|error| error.kind() == ErrorKind::Integrity)))
    }

    /// Lets a server go that holds no tenant: its templates are dropped, its password forgotten.
    /// Where it does not answer, `gone` says that there is nothing to be dropped any more.
    ///
    /// # Errors
    /// [`PlacementError::InUse`], [`PlacementError::OfSettings`], [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn remove_cluster(
        &self,
        control: &mut PgConnection,
        installation: Uuid,
        caller: &Caller,
        name: &str,
        gone: bool,
    ) -> Result<(), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::CLUSTER_DELETE, About::Platform).await?;
        check_registered(PlaceKind::Cluster, name)?;
        let view = store::cluster(control, name).await?.ok_or_else(|| not_found(name))?;
        let in_use =
            |tenants| PlacementError::InUse { what: PlaceKind::Cluster, name: name.to_owned(), tenants };
        if view.tenants > 0 {
            return Err(in_use(view.tenants));
        }
        let mut tx = durable_transaction(control).await?;
        let drain = PlaceChange { state: Some(PlacementState::Draining), ..PlaceChange::default() };
        let now = store::update_cluster(&mut tx, name, &drain).await?;
        // A tenant may have come while it was looked at; from the commit on none does.
        if let Some(now) = now.filter(|now| now.tenants > 0) {
            return Err(in_use(now.tenants));
        }
        audit::record(&mut tx, entry(caller, "cluster.remove", json!({ "cluster": name }))).await?;
        tx.commit().await?;
        if !gone {
            let cluster = self.cluster(control, name).await?;
            let who = (installation, "nexus:cluster");
            let mut admin = self.open_for_changes(control, &cluster, who).await?;
            drop_templates(control, &mut admin, name, installation).await?;
            drop_app_role(&mut admin).await?;
        }
        let mut tx = durable_transaction(control).await?;
        if !store::delete_cluster(&mut tx, name).await? {
            return Err(in_use(view.tenants));
        }
        self.secrets().forget(&mut tx, TenantId::PLATFORM, &secret_name(PlaceKind::Cluster, name)).await?;
        tx.commit().await?;
        self.forget(name).await;
        Ok(())
    }
}

/// The names of all servers, for completion.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn cluster_names(
    control: &mut PgConnection,
    caller: &Caller,
) -> Result<Vec<String>, PlacementError> {
    access::authorize(control, caller, &rights::CLUSTER_READ, About::Platform).await?;
    read_cluster_names(control).await
}

/// The same for other features.
pub(in crate::features) async fn read_cluster_names(
    control: &mut PgConnection,
) -> Result<Vec<String>, PlacementError> {
    Ok(store::clusters(control).await?.into_iter().map(|view| view.name).collect())
}

async fn ask(server: &ServerAddress) -> Result<String, PlacementError> {
    check_rights(&mut server.connect("nexus:cluster").await?, server).await
}

/// Takes the servers that now answer under these names for theirs, e.g. after an upgrade. Belongs in a
/// transaction with a row of the audit log; [`Placement::check_clusters`] notes which they are.
pub(in crate::features) async fn forget_systems(
    control: &mut PgConnection,
    names: &[String],
) -> Result<(), PlacementError> {
    Ok(store::forget_systems(control, names).await?)
}

/// Notes which server the settings name, where that was never noted.
pub(in crate::features) async fn note_system(
    control: &mut PgConnection,
    system_id: &str,
) -> Result<(), PlacementError> {
    Ok(store::note_system(control, DEFAULT, system_id).await?)
}

pub(super) fn entry<'a>(
    caller: &'a Authorized<'a>,
    action: &'static str,
    detail: serde_json::Value,
) -> audit::Entry<'a> {
    audit::Entry { caller, action, tenant: None, operation: None, detail }
}

fn not_found(name: &str) -> PlacementError {
    PlacementError::not_found(PlaceKind::Cluster, name)
}
