//! Registering, changing, checking and letting go of object stores.

use secrecy::SecretString;
use serde_json::json;

use super::clusters::entry;
use super::error::PlacementError;
use super::model::{AddStore, Checked, PlaceChange, Registered, StoreView, check_registered};
use super::registry::{Placement, driver, secret_name};
use super::store;
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::infra::db::{PgConnection, durable_transaction};
use crate::kernel::hint::PlaceKind;
use crate::kernel::{Caller, PlaceName, TenantId, Verdict};

impl Placement {
    /// Registers a store once it has let us in. The same call again changes nothing.
    ///
    /// # Errors
    /// [`PlacementError::Taken`], [`PlacementError::CannotScope`], or what the store says.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn add_store(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        add: &AddStore,
    ) -> Result<(Registered, StoreView), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::STORE_CREATE, About::Platform).await?;
        let add = &AddStore { place: add.place.clone().complete()?, ..add.clone() };
        let name = add.name.as_str();
        let taken = || PlacementError::Taken { what: PlaceKind::Store, name: name.to_owned() };
        if let Some(view) = store::store(control, name).await? {
            let same = store::store_place(control, name).await?.as_ref() == Some(&add.place);
            return if same { Ok((Registered::Unchanged, view)) } else { Err(taken()) };
        }
        let made = driver(&add.place, add.secret.clone())?;
        if !made.scopes_keys() && !add.place.shared_key {
            return Err(PlacementError::CannotScope { name: name.to_owned() });
        }
        made.check().await?;
        let mut tx = durable_transaction(control).await?;
        if !store::insert_store(&mut tx, add, self.secrets().record_key()).await? {
            return Err(taken());
        }
        self.secrets().put_platform(&mut tx, &secret_name(PlaceKind::Store, name), &add.secret).await?;
        let place = &add.place;
        let detail = json!({
            "store": name, "driver": place.driver, "endpoint": place.endpoint,
            "admin_endpoint": place.admin_endpoint, "shared_key": place.shared_key,
        });
        audit::record(&mut tx, entry(caller, "store.add", detail)).await?;
        tx.commit().await?;
        let view = store::store(control, name).await?.ok_or_else(|| not_found(name))?;
        Ok((Registered::Added, view))
    }

    /// With the endpoint of the store that the settings name, which has none in the control database.
    fn reached(&self, mut view: StoreView) -> StoreView {
        view.endpoint.get_or_insert_with(|| self.default_store.driver.endpoint().to_owned());
        view
    }

    /// All stores, by name.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn stores(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Vec<StoreView>, PlacementError> {
        access::authorize(control, caller, &rights::STORE_READ, About::Platform).await?;
        self.read_stores(control).await
    }

    /// The same for other features.
    pub(in crate::features) async fn read_stores(
        &self,
        control: &mut PgConnection,
    ) -> Result<Vec<StoreView>, PlacementError> {
        Ok(store::stores(control).await?.into_iter().map(|view| self.reached(view)).collect())
    }

    /// One store.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn show_store(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
    ) -> Result<StoreView, PlacementError> {
        access::authorize(control, caller, &rights::STORE_READ, About::Platform).await?;
        self.find_store(control, name).await
    }

    /// The same for other features.
    pub(in crate::features) async fn find_store(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<StoreView, PlacementError> {
        let view = store::store(control, name).await?.ok_or_else(|| not_found(name))?;
        Ok(self.reached(view))
    }

    /// Changes labels, capacity, or whether it takes tenants.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn update_store(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
        change: &PlaceChange,
    ) -> Result<StoreView, PlacementError> {
        let caller = &access::authorize(control, caller, &rights::STORE_UPDATE, About::Platform).await?;
        let mut tx = durable_transaction(control).await?;
        let view = store::update_store(&mut tx, name, change).await?.ok_or_else(|| not_found(name))?;
        let detail = json!({
            "store": name, "labels": change.labels, "unlabel": change.unlabel,
            "capacity": change.capacity.flatten(), "state": change.state,
        });
        audit::record(&mut tx, entry(caller, "store.update", detail)).await?;
        tx.commit().await?;
        Ok(self.reached(view))
    }

    /// Seals another secret of a store's administrator, once it has let us in.
    ///
    /// # Errors
    /// [`PlacementError::OfSettings`], or what the store says.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn change_secret(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
        secret: &SecretString,
    ) -> Result<(), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::STORE_UPDATE, About::Platform).await?;
        check_registered(PlaceKind::Store, name)?;
        let place = store::store_place(control, name).await?.ok_or_else(|| not_found(name))?;
        driver(&place, secret.clone())?.check().await?;
        let mut tx = durable_transaction(control).await?;
        self.secrets().put_platform(&mut tx, &secret_name(PlaceKind::Store, name), secret).await?;
        store::touch_store(&mut tx, name).await?;
        audit::record(&mut tx, entry(caller, "store.secret", json!({ "store": name }))).await?;
        tx.commit().await?;
        self.forget(name).await;
        Ok(())
    }

    /// Asks stores whether they answer and let us make buckets and keys, and writes down what they said;
    /// without a name, all of them.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`]; what a store says is in its view.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn check_stores(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        names: &[PlaceName],
    ) -> Result<Checked<StoreView>, PlacementError> {
        access::authorize(control, caller, &rights::STORE_UPDATE, About::Platform).await?;
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            names = read_store_names(control).await?;
        }
        let mut views = Vec::with_capacity(names.len());
        for name in names {
            let it = self.store(control, &name).await?;
            let problem = it.driver.check().await.err().map(|error| error.to_string());
            let view = store::checked_store(control, &name, problem.as_deref()).await?;
            views.push(view.ok_or_else(|| not_found(&name))?);
        }
        let ill = views.iter().filter(|view| view.problem.is_some()).count();
        Ok(Checked { views, verdict: Verdict::of(0, ill) })
    }

    /// Lets a store go that holds no tenant; its administrator's secret is forgotten.
    ///
    /// # Errors
    /// [`PlacementError::InUse`], [`PlacementError::OfSettings`], [`PlacementError::NotFound`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn remove_store(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        name: &str,
    ) -> Result<(), PlacementError> {
        let caller = &access::authorize(control, caller, &rights::STORE_DELETE, About::Platform).await?;
        check_registered(PlaceKind::Store, name)?;
        let view = store::store(control, name).await?.ok_or_else(|| not_found(name))?;
        let in_use =
            || PlacementError::InUse { what: PlaceKind::Store, name: name.to_owned(), tenants: view.tenants };
        let mut tx = durable_transaction(control).await?;
        if view.tenants > 0 || !store::delete_store(&mut tx, name).await? {
            return Err(in_use());
        }
        self.secrets().forget(&mut tx, TenantId::PLATFORM, &secret_name(PlaceKind::Store, name)).await?;
        audit::record(&mut tx, entry(caller, "store.remove", json!({ "store": name }))).await?;
        tx.commit().await?;
        self.forget(name).await;
        Ok(())
    }
}

/// The names of all stores, for completion.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn store_names(control: &mut PgConnection, caller: &Caller) -> Result<Vec<String>, PlacementError> {
    access::authorize(control, caller, &rights::STORE_READ, About::Platform).await?;
    read_store_names(control).await
}

/// The same for other features.
pub(in crate::features) async fn read_store_names(
    control: &mut PgConnection,
) -> Result<Vec<String>, PlacementError> {
    Ok(store::stores(control).await?.into_iter().map(|view| view.name).collect())
}

fn not_found(name: &str) -> PlacementError {
    PlacementError::not_found(PlaceKind::Store, name)
}
