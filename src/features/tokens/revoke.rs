//! Taking tokens back before they expire.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tokens;
use super::claims::{Claims, MAX_TTL, SKEW};
use super::error::TokenError;
use super::model::{IssuedFilter, IssuedView};
use super::store::{self, NewRevocation};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::{Caller, Page, TenantId};

/// For how long a revocation is kept, in seconds: until no token is left that it could refuse.
const KEEP: i64 = MAX_TTL + 4 * SKEW;

/// Until when tokens are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// Those that were issued until now.
    #[default]
    Now,
    /// Those that are older than this.
    Ago(Duration),
    /// Those that were issued until then.
    Time(OffsetDateTime),
}

impl Before {
    /// The time, by the control database's clock.
    fn time(self, now: OffsetDateTime) -> Result<OffsetDateTime, TokenError> {
        match self {
            Self::Now => Ok(now),
            Self::Ago(ago) => Ok(now - ago),
            Self::Time(time) if time <= now => Ok(time),
            Self::Time(_) => {
                Err(TokenError::Request("a token that is not issued yet cannot be revoked".to_owned()))
            }
        }
    }
}

/// Which tokens are taken back. Those of a user, a tenant or everybody: what was issued until a
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token(Uuid),
    /// A user's, in a realm.
    User(TenantId, Uuid, Before),
    /// Of all users of a realm.
    Realm(TenantId, Before),
    /// Everybody's.
    All(Before),
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// `token`, `user`, `realm` or `all`.
    pub kind: &'static str,
    /// The token, if it was one.
    pub jti: Option<Uuid>,
    /// The realm's id; nil: the platform.
    pub realm: Option<TenantId>,
    pub user: Option<Uuid>,
    /// What was issued until then is refused.
    #[serde(with = "time::serde::rfc3339::option")]
    pub issued_until: Option<OffsetDateTime>,
    /// How many recorded tokens that still were good; those of sign-ins are not recorded.
    pub recorded: i64,
}

impl Revocation {
    fn kind(self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::User(..) => "user",
            Self::Realm(..) => "realm",
            Self::All(_) => "all",
        }
    }

    fn row(self, now: OffsetDateTime) -> Result<NewRevocation, TokenError> {
        let (tenant, user, before) = match self {
            Self::Token(jti) => return Ok(NewRevocation { jti: Some(jti), ..NewRevocation::default() }),
            Self::User(realm, user, before) => (Some(realm), Some(user), before),
            Self::Realm(realm, before) => (Some(realm), None, before),
            Self::All(before) => (None, None, before),
        };
        let until = Some(before.time(now)?);
        Ok(NewRevocation { tenant, user, until, ..NewRevocation::default() })
    }
}

/// Takes back the access tokens of a user, or of everybody in a realm, in the caller's transaction:
/// for whoever takes away what users may do. Their sessions go on, and give tokens that say what is
/// true now. Effective everywhere within two seconds of the commit.
///
/// For a change in another database it is called twice. Before the change is committed, so that a
/// crash leaves no token that says too much; and after it, for the tokens that were issued meanwhile.
pub(crate) async fn revoke_all(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
    of: (TenantId, Option<Uuid>),
) -> Result<(), TokenError> {
    Ok(store::revoke_until_now(tx, of, KEEP, &caller.to_string()).await?)
}

/// Takes back the access tokens of one session, which is ended: those that name it.
pub(crate) async fn revoke_session(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    session: Uuid,
) -> Result<(), TokenError> {
    let row = NewRevocation { jti: Some(session), ..NewRevocation::default() };
    Ok(store::insert_revocation(control, row, KEEP, &caller.to_string()).await?)
}

/// Revokes everybody's access tokens and ends everybody's sessions up to this moment, in the caller's
/// transaction: for whoever cannot know which were revoked already.
pub(in crate::features) async fn revoke_everything(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
) -> Result<(), TokenError> {
    let row = Revocation::All(Before::Now).row(store::lock_cuts(tx).await?)?;
    Ok(store::insert_revocation(tx, row, KEEP, &caller.to_string()).await?)
}

fn view(what: Revocation, row: NewRevocation, recorded: i64) -> Revoked {
    Revoked {
        kind: what.kind(),
        jti: row.jti,
        realm: row.tenant,
        user: row.user,
        issued_until: row.until,
        recorded,
    }
}

impl Tokens {
    /// Takes tokens back, ends the sessions that began until then, and notes it. Effective everywhere
    /// within two seconds.
    ///
    /// # Errors
    /// When the time is in the future, or a statement fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn revoke(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        what: Revocation,
    ) -> Result<Revoked, TokenError> {
        let caller = &access::authorize(control, caller, &rights::TOKEN_REVOKE, About::Platform).await?;
        let mut tx = transaction(control).await?;
        store::forget_revocations(&mut tx).await?;
        let row = what.row(store::lock_cuts(&mut tx).await?)?;
        let revoked = view(what, row, store::count_hit(&mut tx, row).await?);
        store::insert_revocation(&mut tx, row, KEEP, &caller.to_string()).await?;
        let entry = audit::Entry {
            caller,
            action: "token.revoke",
            tenant: revoked.realm.filter(|realm| *realm != TenantId::PLATFORM),
            operation: None,
            detail: json!(revoked),
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(revoked)
    }

    /// Takes back an access token that was presented and is good: whoever holds one acts as its user already, and
    /// may end it.
    ///
    /// # Errors
    /// When a statement fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn revoke_presented(
        &self,
        control: &mut PgConnection,
        claims: &Claims,
    ) -> Result<(), TokenError> {
        let caller = &claims.caller();
        let caller = &Authorized::by_its_realm(caller);
        let mut tx = transaction(control).await?;
        store::forget_revocations(&mut tx).await?;
        let row = NewRevocation { jti: Some(claims.jti), ..NewRevocation::default() };
        store::insert_revocation(&mut tx, row, KEEP, &caller.to_string()).await?;
        let entry = audit::Entry {
            caller,
            action: "token.revoke",
            tenant: claims.tenant_id,
            operation: None,
            detail: json!({ "jti": claims.jti, "user": claims.sub, "presented": true }),
        };
        audit::record(&mut tx, entry).await?;
        Ok(tx.commit().await.map_err(DbError::from)?)
    }

    /// What [`Tokens::revoke`] would take back.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn plan_revocation(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        what: Revocation,
    ) -> Result<Revoked, TokenError> {
        access::authorize(control, caller, &rights::TOKEN_REVOKE, About::Platform).await?;
        let row = what.row(store::now(control).await?)?;
        let recorded = store::count_hit(control, row).await?;
        Ok(view(what, row, recorded))
    }

    /// The tokens that were minted here and recorded, newest first.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn issued(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        filter: &IssuedFilter,
        page: Page,
    ) -> Result<Vec<IssuedView>, TokenError> {
        access::authorize(control, caller, &rights::TOKEN_READ, About::Platform).await?;
        let spellings = match &filter.user {
            Some(email) => Some(store::spellings(control, email).await?),
            None => None,
        };
        Ok(store::issued(control, (filter, spellings), page).await?)
    }
}
