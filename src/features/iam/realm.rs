//! A realm that is open: a connection to its database, whose rights are taken on there, and where
//! changes are recorded.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::actor::Actor;
use super::error::IamError;
use super::model::WriteOutcome;
use super::revocation::{RevocationHook, RevokedUsers};
use super::store;
use crate::features::access::Authorized;
use crate::features::audit;
use crate::features::secrets::Secrets;
use crate::infra::crypto::password::{Cost, Hasher};
use crate::infra::db::{DbError, Lease, PgConnection, Transaction, transaction, transaction_as};
use crate::kernel::hint::InRealm;
use crate::kernel::{Caller, TenantId, UserId};
use crate::settings::{PasswordSettings, TenantSettings};

/// Which realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmRef {
    /// The tenant; [`TenantId::PLATFORM`] for the platform's own.
    pub tenant: TenantId,
    /// The tenant's slug; `None` for the platform's.
    pub slug: Option<String>,
    /// The role with whose rights everything is done there; `None`: with our own.
    pub owner: Option<String>,
}

impl RealmRef {
    /// The platform's own realm.
    #[must_use]
    pub fn platform() -> Self {
        Self { tenant: TenantId::PLATFORM, slug: None, owner: None }
    }

    /// Whether it is the platform's.
    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.tenant == TenantId::PLATFORM
    }

    /// As hints name it.
    #[must_use]
    pub fn hinted(&self) -> InRealm {
        InRealm(self.slug.clone())
    }
}

/// How passwords are hashed, and how long things last.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Wrong passwords in a row after which an account waits.
    pub guesses: u32,
    pub wait: Duration,
    /// How long an invitation is good for.
    pub invitation_ttl: Duration,
    /// How long a token that resets a password is good for.
    pub reset_ttl: Duration,
    /// How long deleted users can be had back.
    pub retention: Duration,
}

impl Rules {
    /// Of the settings.
    #[must_use]
    pub fn new(passwords: &PasswordSettings, tenants: &TenantSettings) -> Self {
        Self {
            hasher: hasher(passwords),
            guesses: passwords.guesses,
            wait: passwords.wait,
            invitation_ttl: tenants.invitation_ttl,
            reset_ttl: passwords.reset_ttl,
            retention: passwords.retention,
        }
    }
}

/// What hashes passwords as the settings say.
pub(super) fn hasher(passwords: &PasswordSettings) -> Hasher {
    let at_once = passwords.at_once.and_then(|n| NonZeroUsize::new(usize::try_from(n).unwrap_or(1)));
    let hasher = at_once.map_or_else(Hasher::default, Hasher::new);
    let (memory_kib, passes, lanes) = (passwords.memory_kib, passwords.passes, passwords.lanes);
    hasher.with_cost(Cost { memory_kib, passes, lanes })
}

/// Requires that nothing hangs on the realm's tables that Nexus did not put there: it would run in our
/// sessions, and a role that was taken on can be put off again.
///
/// # Errors
/// [`IamError::Tampered`].
pub(crate) async fn require_untampered(session: &mut PgConnection) -> Result<(), IamError> {
    if store::may_have_foreign_code(session).await?
        && let Some(what) = store::foreign_code(session).await?
    {
        return Err(IamError::Tampered(what));
    }
    Ok(())
}

/// A realm that is open.
pub struct Realm {
    pub(super) place: RealmRef,
    pub(super) rules: Rules,
    pub(super) secrets: Secrets,
    revoke: RevocationHook,
    inside: Lease,
    /// A session in the control database; `None` where `inside` is one.
    control: Option<Lease>,
    dry_run: bool,
}

impl Realm {
    /// On a session in its database that a tenant's settings cannot steer and on whose tables nothing
    /// hangs. `control` is one in the control database, and `None` for the platform's realm, which lies
    /// there.
    #[must_use]
    pub(crate) fn new(
        inside: Lease,
        control: Option<Lease>,
        place: RealmRef,
        (rules, secrets, revoke): (Rules, Secrets, RevocationHook),
    ) -> Self {
        Self { place, rules, secrets, revoke, inside, control, dry_run: false }
    }

    /// From here on nothing is written: every change is made and taken back.
    #[must_use]
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Which realm it is.
    #[must_use]
    pub fn place(&self) -> &RealmRef {
        &self.place
    }

    /// How passwords are hashed, and how long things last.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Begins a reading. Nobody is kept from changing things meanwhile.
    pub(super) async fn read<'a>(&'a mut self, caller: &'a Caller) -> Result<RealmTx<'a>, IamError> {
        self.begin(caller, false).await
    }

    /// Begins a change of who may do what. Such changes come one after the other: what one checks,
    /// no other takes away before it commits.
    pub(super) async fn write<'a>(&'a mut self, caller: &'a Caller) -> Result<RealmTx<'a>, IamError> {
        let mut work = self.begin(caller, true).await?;
        work.administrators = Some(store::administrators(&mut work.tx).await?);
        Ok(work)
    }

    async fn begin<'a>(&'a mut self, caller: &'a Caller, alone: bool) -> Result<RealmTx<'a>, IamError> {
        // Whatever hangs on these tables runs with the owner's rights, never with ours.
        let mut tx = transaction_as(&mut self.inside, self.place.owner.as_deref()).await?;
        if alone {
            store::lock(&mut tx).await?;
        }
        let actor = Actor::load(&mut tx, self.control.as_deref_mut(), &self.place, caller).await?;
        Ok(RealmTx {
            tx,
            control: self.control.as_deref_mut(),
            place: &self.place,
            rules: &self.rules,
            secrets: &self.secrets,
            caller,
            actor,
            notes: Vec::new(),
            revoked_users: RevokedUsers::default(),
            revoke: self.revoke,
            administrators: None,
            dry_run: self.dry_run,
        })
    }

    /// The connection to the control database.
    pub(super) fn control(&mut self) -> &mut PgConnection {
        self.control.as_mut().unwrap_or(&mut self.inside)
    }

    /// Ends what a failed change left open, so that it keeps nobody waiting: a transaction that was
    /// dropped is rolled back before its connection's next statement, and not earlier.
    pub(super) async fn rollback_on_error<T>(&mut self, result: Result<T, IamError>) -> Result<T, IamError> {
        if result.is_err() {
            for connection in [Some(&mut self.inside), self.control.as_mut()].into_iter().flatten() {
                // What counts is the failure that there was.
                let _ = connection.ping().await;
            }
        }
        result
    }

    /// A transaction without a caller, for those who are about to say who they are.
    pub(super) async fn anonymous_tx(&mut self) -> Result<Transaction<'_>, IamError> {
        Ok(transaction_as(&mut self.inside, self.place.owner.as_deref()).await?)
    }
}

/// One row of the realm's audit log.
#[derive(Debug, Clone)]
pub(super) struct LogEntry {
    pub(super) action: &'static str,
    pub(super) user: Option<UserId>,
    pub(super) detail: serde_json::Value,
}

/// A reading or a change under way: one transaction in the realm.
pub(super) struct RealmTx<'a> {
    pub(super) tx: Transaction<'a>,
    pub(super) control: Option<&'a mut PgConnection>,
    pub(super) place: &'a RealmRef,
    pub(super) rules: &'a Rules,
    pub(super) secrets: &'a Secrets,
    pub(super) caller: &'a Caller,
    pub(super) actor: Actor,
    notes: Vec<LogEntry>,
    pub(super) revoked_users: RevokedUsers,
    revoke: RevocationHook,
    administrators: Option<store::Administrators>,
    pub(super) dry_run: bool,
}

/// The most rows that a change writes to the platform's log one by one; beyond, one tells of all.
const MAX_SINGLE_ROWS: usize = 20;

impl RealmTx<'_> {
    /// Notes a change for the logs. Users are named by their ids: an erased one is erased there, too.
    pub(super) fn note(&mut self, action: &'static str, user: Option<UserId>, detail: serde_json::Value) {
        self.notes.push(LogEntry { action, user, detail });
    }

    /// Whether anything was changed so far.
    pub(super) fn has_changed(&self) -> bool {
        !self.notes.is_empty()
    }

    /// What comes of a change: nothing is written in a dry run.
    pub(super) fn outcome(&self) -> WriteOutcome {
        if self.dry_run { WriteOutcome::Planned } else { WriteOutcome::Done }
    }

    /// The connection to the control database, and whether it is the one of this transaction.
    pub(super) fn control(&mut self) -> &mut PgConnection {
        match &mut self.control {
            Some(control) => control,
            None => &mut self.tx,
        }
    }

    /// Ends a reading: an operator's look into a tenant's realm is written down there.
    pub(super) async fn close(mut self) -> Result<(), IamError> {
        if self.actor.is_visitor() && !self.dry_run {
            let asked = serde_json::json!({ "permissions": self.actor.asked() });
            self.note("operator.look", None, asked);
            return self.write().await;
        }
        Ok(self.tx.rollback().await?)
    }

    /// Ends a change: checks that an administrator is left, writes the logs, commits.
    ///
    /// The platform's log is written right before the realm's transaction is committed: a crash in
    /// between leaves a row about a change that was not made, never a change without a row.
    pub(super) async fn commit(mut self) -> Result<(), IamError> {
        if let Some(before) = self.administrators
            && self.has_changed()
        {
            let after = store::administrators(&mut self.tx).await?;
            if before.is_lost_in(after) {
                return Err(IamError::LastAdministrator { at: self.place.hinted() });
            }
        }
        if self.dry_run || !self.has_changed() {
            return self.end_unchanged().await;
        }
        self.write().await
    }

    /// Ends a change of what was so already. Whoever asks for it again may do so because the last time
    /// was cut short after the change and before the tokens of that moment were revoked.
    async fn end_unchanged(mut self) -> Result<(), IamError> {
        self.tx.rollback().await?;
        let authorized = Authorized::by_its_realm(self.caller);
        let who = (&authorized, self.place.tenant);
        match &mut self.control {
            Some(control) if !self.dry_run && !self.revoked_users.is_empty() => {
                let mut tx = transaction(control).await?;
                self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
                Ok(tx.commit().await.map_err(DbError::from)?)
            }
            _ => Ok(()),
        }
    }

    async fn write(mut self) -> Result<(), IamError> {
        let caller = self.caller.to_string();
        store::insert_notes(&mut self.tx, &caller, &self.notes).await?;
        let tenant = (!self.place.is_platform()).then_some(self.place.tenant);
        let entries: Vec<(&'static str, serde_json::Value)> = if self.notes.len() > MAX_SINGLE_ROWS {
            let first = self.notes[0].action;
            vec![(first, serde_json::json!({ "many": self.notes.len() }))]
        } else {
            let with_user = |note: &LogEntry| {
                let mut detail = note.detail.clone();
                if let (Some(user), Some(fields)) = (note.user, detail.as_object_mut()) {
                    fields.insert("user".to_owned(), user.to_string().into());
                }
                (note.action, detail)
            };
            self.notes.iter().map(with_user).collect()
        };
        let authorized = Authorized::by_its_realm(self.caller);
        let who = (&authorized, self.place.tenant);
        let entry =
            |(action, detail)| audit::Entry { caller: &authorized, action, tenant, operation: None, detail };
        match &mut self.control {
            None => {
                self.revoked_users.revoke(self.revoke, &mut self.tx, who).await?;
                for one in entries {
                    audit::record(&mut self.tx, entry(one)).await?;
                }
            }
            Some(control) => {
                let mut tx = transaction(control).await?;
                self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
                for one in entries {
                    audit::record(&mut tx, entry(one)).await?;
                }
                tx.commit().await.map_err(DbError::from)?;
            }
        }
        self.tx.commit().await.map_err(DbError::from)?;
        // Once more for tokens that were issued while the change was not to be seen.
        if let Some(control) = &mut self.control
            && !self.revoked_users.is_empty()
        {
            let mut tx = transaction(control).await?;
            self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
            tx.commit().await.map_err(DbError::from)?;
        }
        Ok(())
    }
}
