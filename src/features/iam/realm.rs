//! A realm that is open: a connection to its database, whose rights are taken on there, and where
//! changes are recorded.

use std::sync::Arc;

use super::actor::Actor;
use super::error::IamError;
use super::idempotency::{self, Attempt};
use super::messages::{self, Message};
use super::model::{LogEntry, WriteOutcome};
use super::notes;
use super::revocation::{RevocationHook, RevokedUsers};
use super::rules::Rules;
use super::store;
use crate::features::access::{Authorized, GrantsCache};
use crate::features::audit;
use crate::features::outbox::{self, NewEntry};
use crate::features::secrets::Secrets;
use crate::infra::db::{
    DbError, LazyLease, Lease, PgConnection, Transaction, autocommit, identifier, transaction,
};
use crate::kernel::{Caller, RealmRef, TenantId, UserId};

/// The statement that gives the version of a realm's rights.
pub(crate) const RIGHTS_VERSION: &str = "select version from nexus.rights_version;";
/// The version of the schema that has one.
const HAS_VERSION: i64 = 20_261_130_100_000;

/// What a session in a tenant's database needs before each use: the rights of the owner role, since whatever
/// hangs on the tables there must never run with ours; and the version of the realm's rights, where its schema
/// has one.
#[must_use]
pub(crate) fn session_statements(owner: &str, schema_version: Option<i64>) -> String {
    let has_version = schema_version.is_some_and(|version| version >= HAS_VERSION);
    format!("set role {}; {}", identifier(owner), if has_version { RIGHTS_VERSION } else { "" })
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

/// What is begun in a realm.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Reads,
    /// Rows of the business, which decide nothing of who may do what.
    ChangesRows,
    /// Who may do what: one after the other.
    ChangesRights,
}

/// Called with a realm in which events were written, after the commit.
pub(crate) type AfterCommit = Arc<dyn Fn(TenantId) + Send + Sync>;

/// What a realm's services work with, beside its sessions.
pub(crate) struct RealmTools {
    pub(crate) rules: Rules,
    pub(crate) secrets: Secrets,
    /// Revokes tokens of its users.
    pub(crate) revoke: RevocationHook,
}

/// A realm that is open.
pub struct Realm {
    pub(super) place: RealmRef,
    pub(super) rules: Rules,
    pub(super) secrets: Secrets,
    revoke: RevocationHook,
    inside: Lease,
    /// In the control database; `None` where `inside` is a session there.
    control: Option<LazyLease>,
    dry_run: bool,
    /// Most users that its tenant may have.
    most_users: Option<i64>,
    /// The version of its rights when the session was drawn, where its schema has one and somebody asked.
    version: Option<i64>,
    /// Where what users may do is kept by that version; `None` once something is changed here.
    kept: Option<GrantsCache>,
    /// The attempt to carry out a request once, which the changes here belong to.
    pub(super) attempt: Option<Attempt>,
    after_commit: Option<AfterCommit>,
}

impl Realm {
    /// On a session in its database, with the version of its rights, that a tenant's settings cannot steer, on whose tables nothing hangs, and
    /// which acts with the rights of its owner role ([`session_statements`]). `control` is one in the control database, and `None` for
    /// the platform's realm, which lies there.
    #[must_use]
    pub(crate) fn new(
        place: RealmRef,
        (inside, version): (Lease, Option<i64>),
        control: Option<LazyLease>,
        tools: RealmTools,
    ) -> Self {
        let RealmTools { rules, secrets, revoke } = tools;
        Self {
            place,
            rules,
            secrets,
            revoke,
            inside,
            control,
            dry_run: false,
            most_users: None,
            version,
            kept: None,
            attempt: None,
            after_commit: None,
        }
    }

    /// No more users are made than this, those left out that are deleted.
    #[must_use]
    pub(crate) fn limited_to(self, most_users: Option<i64>) -> Self {
        Self { most_users, ..self }
    }

    /// Calls a hook when events were written here, after the commit.
    #[must_use]
    pub(crate) fn with_after_commit(self, hook: AfterCommit) -> Self {
        Self { after_commit: Some(hook), ..self }
    }

    /// What users may do is taken from memory, where the version of the realm's rights is known.
    #[must_use]
    pub(crate) fn kept_in(self, kept: GrantsCache) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// Whether its schema has a version of its rights: the platform's is always the newest.
    fn is_versioned(&self) -> bool {
        self.place.is_platform() || self.version.is_some()
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
        self.begin(caller, Access::Reads).await
    }

    /// Begins a change of what is the business's own. Nobody waits for it who changes something else.
    pub(super) async fn change_rows<'a>(&'a mut self, caller: &'a Caller) -> Result<RealmTx<'a>, IamError> {
        self.begin(caller, Access::ChangesRows).await
    }

    /// Begins a change of who may do what. Such changes come one after the other: what one checks,
    /// no other takes away before it commits.
    pub(super) async fn write<'a>(&'a mut self, caller: &'a Caller) -> Result<RealmTx<'a>, IamError> {
        self.kept = None;
        let mut work = self.begin(caller, Access::ChangesRights).await?;
        work.administrators = Some(store::administrators(&mut work.tx).await?);
        Ok(work)
    }

    async fn begin<'a>(&'a mut self, caller: &'a Caller, access: Access) -> Result<RealmTx<'a>, IamError> {
        let versioned = self.is_versioned();
        let is_visitor = matches!(caller, Caller::User { realm, .. } if *realm != self.place.id);
        let mut tx = if access != Access::Reads || is_visitor {
            transaction(&mut self.inside).await?
        } else {
            autocommit(&mut self.inside)
        };
        if access == Access::ChangesRights {
            store::lock(&mut tx).await?;
        }
        let known = self.version.zip(self.kept.as_ref());
        let actor = Actor::load(&mut tx, self.control.as_mut(), (&self.place, known), caller).await?;
        Ok(RealmTx {
            tx,
            control: self.control.as_mut(),
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
            most_users: self.most_users,
            versioned,
            attempt: self.attempt.as_ref(),
            is_logged: false,
            after_commit: self.after_commit.as_ref(),
        })
    }

    /// The session in the realm's database.
    pub(super) fn session(&mut self) -> &mut PgConnection {
        &mut self.inside
    }

    /// What seals secrets.
    pub(in crate::features) fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// The connection to the control database.
    pub(in crate::features) async fn control(&mut self) -> Result<&mut PgConnection, DbError> {
        match &mut self.control {
            Some(control) => control.get().await,
            None => Ok(&mut self.inside),
        }
    }

    /// Holds no session in the control database until it is needed again: what follows takes its time.
    pub(in crate::features) fn give_control_back(&mut self) {
        if let Some(control) = &mut self.control {
            control.give_back();
        }
    }

    /// Ends what a failed change left open, so that it keeps nobody waiting: a transaction that was
    /// dropped is rolled back before its connection's next statement, and not earlier.
    pub(super) async fn rollback_on_error<T>(&mut self, result: Result<T, IamError>) -> Result<T, IamError> {
        if result.is_err() {
            let control = self.control.as_mut().and_then(LazyLease::if_open);
            for connection in [Some(&mut *self.inside), control].into_iter().flatten() {
                // What counts is the failure that there was.
                let _ = connection.ping().await;
            }
        }
        result
    }

    /// The most users that there may be.
    pub(super) fn most_users(&self) -> Option<i64> {
        self.most_users
    }

    /// A transaction without a caller, for those who are about to say who they are.
    pub(in crate::features) async fn anonymous_tx(&mut self) -> Result<Transaction<'_>, DbError> {
        transaction(&mut self.inside).await
    }
}

/// A reading or a change under way: one transaction in the realm.
pub(super) struct RealmTx<'a> {
    pub(super) tx: Transaction<'a>,
    pub(super) control: Option<&'a mut LazyLease>,
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
    most_users: Option<i64>,
    versioned: bool,
    attempt: Option<&'a Attempt>,
    /// The platform's log has it already, by the transaction that changed something there.
    pub(super) is_logged: bool,
    after_commit: Option<&'a AfterCommit>,
}

/// The most rows that a change writes to the platform's log one by one; beyond, one tells of all.
const MAX_SINGLE_ROWS: usize = 20;

impl<'a> RealmTx<'a> {
    /// How many more users the tenant may have; `None`: any number. Others who would make some wait until this change
    /// ends ([`Realm::write`]).
    pub(super) async fn room_for_users(&mut self) -> Result<Option<i64>, IamError> {
        let Some(most) = self.most_users else { return Ok(None) };
        Ok(Some(store::room_for_users(&mut self.tx, most).await?))
    }

    /// Notes a change for the logs. Users are named by their ids: an erased one is erased there, too.
    pub(super) fn note(&mut self, action: &'static str, user: Option<UserId>, detail: serde_json::Value) {
        self.notes.push(LogEntry { action, user, detail });
    }

    /// Writes rows that ask for messages.
    pub(super) async fn hand_over(&mut self, entries: &[NewEntry]) -> Result<(), IamError> {
        let actor = self.caller.to_string();
        outbox::append(&mut self.tx, &actor, entries).await.map_err(IamError::of_older_realm).map(drop)
    }

    /// Has a user told of what was done to their account. Nobody is told in a realm of an older version.
    pub(super) async fn tell(&mut self, message: Message, user: UserId) -> Result<(), IamError> {
        if messages::has_outbox(&mut self.tx).await? {
            self.hand_over(&[message.to(user)]).await?;
        }
        Ok(())
    }

    /// Whether anything was changed so far.
    pub(super) fn has_changed(&self) -> bool {
        !self.notes.is_empty()
    }

    /// The proof that the caller was asked, for who has asked.
    pub(super) fn proof(&self) -> Authorized<'a> {
        Authorized::by_its_realm(self.caller)
    }

    /// What comes of a change: nothing is written in a dry run.
    pub(super) fn outcome(&self) -> WriteOutcome {
        if self.dry_run { WriteOutcome::Planned } else { WriteOutcome::Done }
    }

    /// The connection to the control database, and whether it is the one of this transaction.
    pub(super) async fn control(&mut self) -> Result<&mut PgConnection, DbError> {
        match &mut self.control {
            Some(control) => control.get().await,
            None => Ok(&mut self.tx),
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

    /// Ends a change of what is the business's own. The platform's log does not hear of it, unless an operator
    /// made it, or the realm is the platform's.
    pub(super) async fn commit_rows(mut self) -> Result<(), IamError> {
        if self.dry_run || !self.has_changed() {
            return self.end_unchanged().await;
        }
        if self.actor.is_visitor() || self.place.is_platform() {
            return self.write().await;
        }
        let caller = self.caller.to_string();
        let has_events = notes::write(&mut self.tx, &caller, &self.notes).await?;
        if let Some(attempt) = self.attempt {
            idempotency::mark(&mut self.tx, attempt).await?;
        }
        self.tx.commit().await.map_err(DbError::from)?;
        if let Some(after_commit) = self.after_commit.filter(|_| has_events) {
            after_commit(self.place.id);
        }
        Ok(())
    }

    /// Ends a change of what is the caller's alone, of which no log tells.
    pub(super) async fn commit_own(mut self) -> Result<(), IamError> {
        if self.dry_run {
            return self.end_unchanged().await;
        }
        if let Some(attempt) = self.attempt {
            idempotency::mark(&mut self.tx, attempt).await?;
        }
        Ok(self.tx.commit().await.map_err(DbError::from)?)
    }

    /// Ends a change of what was so already. Whoever asks for it again may do so because the last time
    /// was cut short after the change and before the tokens of that moment were revoked.
    async fn end_unchanged(mut self) -> Result<(), IamError> {
        self.tx.rollback().await?;
        let authorized = Authorized::by_its_realm(self.caller);
        let who = (&authorized, self.place.id);
        match &mut self.control {
            Some(control) if !self.dry_run && !self.revoked_users.is_empty() => {
                let mut tx = transaction(control.get().await?).await?;
                self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
                Ok(tx.commit().await.map_err(DbError::from)?)
            }
            _ => Ok(()),
        }
    }

    async fn write(mut self) -> Result<(), IamError> {
        let caller = self.caller.to_string();
        let has_events = notes::write(&mut self.tx, &caller, &self.notes).await?;
        // A visitor's look changes nothing.
        if self.versioned && self.administrators.is_some() {
            store::raise_version(&mut self.tx).await?;
        }
        if let Some(attempt) = self.attempt {
            idempotency::mark(&mut self.tx, attempt).await?;
        }
        let tenant = (!self.place.is_platform()).then_some(self.place.id);
        let entries: Vec<(&'static str, serde_json::Value)> = if self.is_logged {
            Vec::new()
        } else if self.notes.len() > MAX_SINGLE_ROWS {
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
        let who = (&authorized, self.place.id);
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
                let mut tx = transaction(control.get().await?).await?;
                self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
                for one in entries {
                    audit::record(&mut tx, entry(one)).await?;
                }
                tx.commit().await.map_err(DbError::from)?;
            }
        }
        self.tx.commit().await.map_err(DbError::from)?;
        if let Some(after_commit) = self.after_commit.filter(|_| has_events) {
            after_commit(self.place.id);
        }
        // Once more for tokens that were issued while the change was not to be seen.
        if let Some(control) = &mut self.control
            && !self.revoked_users.is_empty()
        {
            let mut tx = transaction(control.get().await?).await?;
            self.revoked_users.revoke(self.revoke, &mut tx, who).await?;
            tx.commit().await.map_err(DbError::from)?;
        }
        Ok(())
    }
}
