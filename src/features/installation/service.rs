//! Setting the platform up, and finding it set up.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretBox};
use serde::Serialize;
use uuid::Uuid;

use super::error::InstallationError;
use super::store;
use crate::features::access::{self, Authorized, rights};
use crate::features::audit;
use crate::features::iam::{self, FirstPassword, FirstSignIn, Rules};
use crate::features::placement::{Cluster, DEFAULT, ServerRecord, check_rights, note_system, template};
use crate::features::record::{self, Age};
use crate::features::secrets::Secrets;
use crate::infra::cluster::{close_maintenance_databases, prepare_high_water, server_state};
use crate::infra::crypto::RecordKey;
use crate::infra::db::{
    AdvisoryLock, CONTROL, DbError, LockKey, PgConnection, REALM, ServerAddress, transaction,
};
use crate::kernel::{Caller, Email, Event, Progress, SecretString, TenantId};

/// How long to wait for another process that sets the same installation up.
const SETUP_LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// An installation that is set up and at this program's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Installation {
    /// Marks everything that this installation makes.
    pub id: Uuid,
    /// How old the control database was when it was opened.
    #[serde(skip)]
    pub age: Age,
    #[serde(skip)]
    key: MarkKey,
}

/// Hides tenants' ids in marks. Tells nothing of any other key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct MarkKey([u8; 32]);

impl std::fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkKey")
    }
}

impl Installation {
    /// What every mark of ours begins with.
    #[must_use]
    pub fn marks(&self) -> String {
        format!("nexus:{}:", self.id)
    }

    /// With the key that hides tenants' ids in the marks on servers.
    #[must_use]
    pub fn with_keys(self, secrets: &Secrets) -> Self {
        Self { key: MarkKey(*secrets.mark_key().part("installation", "").expose_secret()), ..self }
    }

    /// Marks what is a tenant's in a store, where no other tenant can read it; on servers it was so
    /// until 0.1.0, too.
    #[must_use]
    pub fn mark(&self, tenant: TenantId) -> String {
        format!("nexus:{}:{tenant}", self.id)
    }

    /// Marks what is a tenant's on a server, where every login can read all comments: it tells nothing
    /// of the tenant.
    #[must_use]
    pub fn server_mark(&self, tenant: TenantId) -> String {
        let key = RecordKey::new(SecretBox::new(Box::new(self.key.0)));
        let sum = key.checksum("mark", &tenant.to_string(), &[]);
        format!("nexus:{}:t{}", self.id, hex::encode(&sum[..16]))
    }
}

/// The first operator.
#[derive(Debug, Clone)]
pub struct NewOperator {
    email: Email,
    first: FirstPassword,
}

impl NewOperator {
    /// # Errors
    /// When the password is not accepted: it is said before anything is made, a master key included.
    pub fn new(email: Email, first: FirstPassword) -> Result<Self, InstallationError> {
        if let FirstPassword::Given(password) = &first {
            iam::check_first_password(&email, password)?;
        }
        Ok(Self { email, first })
    }
}

/// What setting up did.
#[derive(Debug)]
pub enum SetupOutcome {
    /// There was nothing, or half of it.
    Made {
        installation: Installation,
        /// The first operator's, to be shown once.
        invitation: Option<SecretString>,
    },
    /// It was whole, and behind this program.
    Upgraded(Installation),
    /// It was whole and current.
    Found(Installation),
}

/// What is needed to set an installation up.
pub struct Setup<'a> {
    pub control: &'a ServerAddress,
    /// The server for tenants' databases.
    pub cluster: &'a Cluster,
    pub secrets: &'a Secrets,
    pub rules: &'a Rules,
    /// The first operator, if one is wanted now.
    pub operator: Option<NewOperator>,
}

/// Finds the installation on a connection to the control database. With the key that rows are checked
/// with, what this session revokes is covered by it.
///
/// # Errors
/// [`InstallationError::NotInitialised`], [`InstallationError::Behind`], [`InstallationError::Ahead`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn open(
    control: &mut PgConnection,
    server: &ServerAddress,
    key: Option<&RecordKey>,
) -> Result<Installation, InstallationError> {
    let not_initialised = || InstallationError::NotInitialised { server: server.display() };
    let facts = store::facts(control, key.map(record::arm).as_ref()).await?.ok_or_else(not_initialised)?;
    let id = facts.id.ok_or_else(not_initialised)?;
    for (is, needs) in [(facts.control_version, CONTROL.newest()), (facts.realm_version, REALM.newest())] {
        let is = is.unwrap_or(0);
        if is < needs {
            return Err(InstallationError::Behind { is, needs });
        }
        if is > needs {
            return Err(InstallationError::Ahead { is, knows: needs });
        }
    }
    Ok(Installation { id, age: Age::of(facts.state.as_deref()), key: MarkKey::default() })
}

impl Setup<'_> {
    /// Makes what is missing: the control database, its tables, the master key's registration, the
    /// first operator, closed maintenance databases, the template. May be repeated after a crash.
    ///
    /// # Errors
    /// When a server refuses, or the control database was made with another master key.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn run(
        &self,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, InstallationError> {
        let caller = &access::authorize_machine(caller, &rights::INIT)?;
        let first = match &self.operator {
            Some(NewOperator { email, first }) => self.rules.first_sign_in(email, first, false).await?,
            None => None,
        };
        let mut maintenance = self.control.database("postgres").connect("nexus:init").await?;
        let mut admin = self.cluster.admin.connect("nexus:init").await?;
        check_rights(&mut maintenance, self.control).await?;
        let system_id = check_rights(&mut admin, &self.cluster.admin).await?;
        store::create_database(&mut maintenance, &self.control.database).await?;
        close_maintenance_databases(&mut maintenance, &[&self.control.database]).await?;

        let mut control = self.control.connect("nexus:init").await?;
        let lock = AdvisoryLock::wait(&mut control, LockKey::of("installation", "setup"), SETUP_LOCK_TIMEOUT)
            .await?
            .ok_or(InstallationError::Busy)?;
        let outcome = self.tables(&mut control, caller, first, progress).await?;
        let (SetupOutcome::Made { installation: it, .. }
        | SetupOutcome::Upgraded(it)
        | SetupOutcome::Found(it)) = &outcome;
        it.age.require_current()?;
        note_system(&mut control, &system_id).await?;
        let state = server_state(&mut admin, it.id).await?;
        ServerRecord::read(&mut control, DEFAULT).await?.admit(&mut control, DEFAULT, &state).await?;
        close_maintenance_databases(&mut admin, &[]).await?;
        prepare_high_water(&mut admin).await?;
        template(&mut control, &mut admin, self.cluster, it.id).await?;
        lock.release(&mut control).await?;
        Ok(outcome)
    }

    /// The rows of an installation from before there were checksums are taken for true, once.
    async fn seal_what_is_not(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
    ) -> Result<(), InstallationError> {
        let mut tx = transaction(control).await?;
        let key = self.secrets.record_key();
        let detail = serde_json::json!({ "why": "rows from before there were checksums" });
        let entry = audit::Entry { caller, action: "record.seal", tenant: None, operation: None, detail };
        if store::is_sealed(&mut tx).await? {
            if !record::seal_revocations(&mut tx, key, true).await? {
                return Ok(());
            }
            audit::record(&mut tx, entry).await?;
        } else {
            self.secrets.check_master(&mut tx).await?;
            // Before the installation's row: every other change locks the end of the log first.
            audit::record(&mut tx, entry).await?;
            record::seal(&mut tx, key, self.secrets.master_id()).await?;
        }
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    async fn tables(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        first: Option<FirstSignIn>,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, InstallationError> {
        let upgraded = match open(control, self.control, None).await {
            Ok(found) => {
                // An upgrade may have been cut short before it.
                store::stamp_realm(control).await?;
                store::seed_realm(control).await?;
                return Ok(SetupOutcome::Found(found));
            }
            Err(InstallationError::NotInitialised { .. }) => false,
            Err(InstallationError::Behind { .. }) => true,
            Err(error) => return Err(error),
        };
        progress.event(Event::Note(format!("preparing the control database {}", self.control.display())));
        CONTROL.apply(control).await?;
        REALM.apply(control).await?;
        store::stamp_realm(control).await?;
        store::seed_realm(control).await?;
        if upgraded {
            let found = open(control, self.control, None).await?;
            found.age.require_current()?;
            self.seal_what_is_not(control, caller).await?;
            return Ok(SetupOutcome::Upgraded(found));
        }
        let id = Uuid::new_v4();
        let mut tx = transaction(control).await?;
        store::insert(&mut tx, id).await?;
        self.secrets.register_master(&mut tx).await?;
        record::seal(&mut tx, self.secrets.record_key(), self.secrets.master_id()).await?;
        if let (Some(operator), Some(first)) = (&self.operator, &first) {
            iam::seed_administrator(&mut tx, operator.email.as_str(), first, self.rules).await?;
        }
        let entry = audit::Entry {
            caller,
            action: "platform.init",
            tenant: None,
            operation: None,
            detail: serde_json::json!({ "operator": self.operator.as_ref().map(|it| it.email.as_str()) }),
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await.map_err(DbError::from)?;
        let installation = Installation { id, age: Age::Current, key: MarkKey::default() };
        let invitation = match first {
            Some(FirstSignIn::Invitation(token)) => Some(token.text().clone()),
            _ => None,
        };
        Ok(SetupOutcome::Made { installation, invitation })
    }
}
