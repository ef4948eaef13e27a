//! Operators in tenants' realms: let in with a role there, for a time, with a reason. What counts is
//! in the tenant's realm, where the tenant can see it; the platform's realm holds a copy to list from.

mod store;

use serde::Serialize;
use serde_json::{Map, json};
use sqlx::FromRow;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::IamError;
use super::model::{Changed, Name, User, UserRef, UserState, WriteOutcome};
use super::realm::{Realm, RealmTx};
use super::subject::nearest_email;
use super::{roles, users};
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::hint::{InRealm, UserAction};
use crate::kernel::{Caller, Hint, Reason, TenantId, UserId};

/// The longest that an operator is let in for at once, in days.
const MAX_DAYS: i64 = 366;

/// An operator's access to a tenant.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct OperatorGrant {
    pub id: Uuid,
    pub operator_id: UserId,
    /// The operator's address; empty when it was erased.
    #[sqlx(default)]
    pub operator: String,
    pub tenant_id: TenantId,
    /// With this role there.
    pub role: String,
    pub reason: String,
    pub granted_by: String,
    /// `open`, `over` or `revoked`.
    pub state: String,
    /// Since when (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Until when.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Until when an operator is let in.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// Until then.
    Time(OffsetDateTime),
    /// For so long, from now on.
    For(std::time::Duration),
}

impl From<OffsetDateTime> for Until {
    fn from(time: OffsetDateTime) -> Self {
        Self::Time(time)
    }
}

/// What is asked for when an operator is let in.
#[derive(Debug, Clone)]
pub struct NewGrant {
    pub operator: UserRef,
    /// With this role of the tenant's realm.
    pub role: Name,
    pub until: Until,
    pub reason: Reason,
}

/// Lets an operator into a tenant's realm. Every look and every change of it there is in that
/// realm's log.
///
/// # Errors
/// Without `operator:grant` and `role:grant` there; [`IamError::Date`] when the end is past or more
/// than a year away; [`IamError::State`] when the operator is not active.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn grant(realm: &mut Realm, caller: &Caller, new: &NewGrant) -> Result<OperatorGrant, IamError> {
    let result: Result<OperatorGrant, IamError> = async {
        let mut work = tenant_work(realm, caller).await?;
        let now = super::store::now(work.control().await?).await?;
        let until = match new.until {
            Until::Time(time) => time,
            Until::For(time) => now + time,
        };
        if until <= now {
            return Err(IamError::Date("the end of an operator's access lies in the past"));
        }
        if until > now + Duration::days(MAX_DAYS) {
            return Err(IamError::Date("an operator's access lasts a year at most"));
        }
        let role = roles::find_to_grant(&mut work, &new.role).await?;
        let operator = operator(&mut work, &new.operator).await?;
        if operator.state != UserState::Active {
            return Err(IamError::State {
                hint: Hint::new(
                    "see how it stands",
                    UserAction::Show(operator.email.clone(), InRealm::default()),
                ),
                user: operator.email,
                state: operator.state.as_str(),
                why: "only an active operator can be given access",
            });
        }
        let granted = OperatorGrant {
            id: Uuid::now_v7(),
            operator_id: operator.id,
            operator: operator.email,
            tenant_id: work.place.id,
            role: role.name.clone(),
            reason: new.reason.to_string(),
            granted_by: caller.to_string(),
            state: "open".to_owned(),
            created_at: now,
            expires_at: until,
        };
        if !work.dry_run {
            // The copy comes first: it must not lack anybody who is in.
            let mut copy = transaction(work.control().await?).await?;
            store::insert(&mut copy, &granted, None).await?;
            copy.commit().await.map_err(DbError::from)?;
        }
        store::insert(&mut work.tx, &granted, Some(role.id)).await?;
        let detail = json!({
            "operator": operator.id, "role": role.name, "until": until.unix_timestamp(), "reason": new.reason,
        });
        work.note("operator.grant", None, detail);
        work.commit().await?;
        Ok(granted)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes all access to a tenant from an operator.
///
/// # Errors
/// Without `operator:grant`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn revoke(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = tenant_work(realm, caller).await?;
        let operator = operator(&mut work, who).await?;
        let ids = store::revoke(&mut work.tx, operator.id, work.place.id).await?;
        if !ids.is_empty() {
            work.note("operator.revoke", None, json!({ "operator": operator.id, "grants": ids.len() }));
        }
        let outcome = if ids.is_empty() { WriteOutcome::Unchanged } else { work.outcome() };
        // Tokens that were given on that access end with it, also where a crash came between the two last time.
        work.loses(operator.id);
        let (dry_run, tenant) = (work.dry_run, work.place.id);
        work.commit().await?;
        if !dry_run {
            // Also where a crash came between the two the last time.
            store::revoke(realm.control().await?, operator.id, tenant).await?;
        }
        let object = realm.place.slug.clone().unwrap_or_default();
        Ok(Changed { action: "operator.revoke", subject: operator.email, object, outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Operators' access, the newest first: to this tenant, or in the platform's realm to all.
///
/// # Errors
/// Without `operator:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<OperatorGrant>, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "operator:read", &Map::new())?;
    let mut found = store::list(&mut work.tx).await?;
    let ids: Vec<Uuid> = found.iter().map(|grant| grant.operator_id.uuid()).collect();
    let names = store::emails(work.control().await?, &ids).await?;
    for grant in &mut found {
        grant.operator = names.get(&grant.operator_id).cloned().unwrap_or_default();
    }
    work.close().await?;
    Ok(found)
}

/// An operator's access to a tenant's realm at this moment.
#[derive(Debug)]
pub(in crate::features) struct OpenAccess {
    /// The names of the roles that it has there.
    pub(in crate::features) roles: Vec<String>,
    /// When the first of it ends.
    pub(in crate::features) until: OffsetDateTime,
}

/// Which access an operator has to a tenant's realm; `None` where nobody granted any that is open.
pub(in crate::features) async fn open_access(
    realm: &mut PgConnection,
    operator: UserId,
    tenant: TenantId,
) -> Result<Option<OpenAccess>, DbError> {
    let rows = store::open(realm, operator, tenant).await?;
    let until = rows.iter().map(|(_, until)| *until).min();
    let mut roles: Vec<String> = rows.into_iter().map(|(role, _)| role).collect();
    roles.dedup();
    Ok(until.map(|until| OpenAccess { roles, until }))
}

async fn tenant_work<'a>(realm: &'a mut Realm, caller: &'a Caller) -> Result<RealmTx<'a>, IamError> {
    let mut work = realm.write(caller).await?;
    work.actor.require(caller, "operator:grant", &Map::new())?;
    if work.place.is_platform() {
        return Err(IamError::Declaration("name the tenant: operators are users of the platform".to_owned()));
    }
    Ok(work)
}

/// The operator, by the platform's realm.
async fn operator(work: &mut RealmTx<'_>, who: &UserRef) -> Result<User, IamError> {
    let found = users::store::by_ref(work.control().await?, who).await?;
    if let Some(user) = found {
        return Ok(user);
    }
    let name = who.to_string();
    let nearest = nearest_email(work.control().await?, &name).await?;
    Err(IamError::NotFound { what: "operator", name, nearest, at: InRealm::default() })
}
