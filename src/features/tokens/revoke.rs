//! Taking tokens back before they expire.

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tokens;
use super::claims::{MAX_TTL, SKEW};
use super::error::TokenError;
use super::model::{IssuedFilter, IssuedView};
use super::store::{self, NewRevocation};
use crate::features::audit;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::{Caller, Page, TenantId};

/// For how long a revocation is kept, in seconds: until no token is left that it could refuse.
const KEEP: i64 = MAX_TTL + 4 * SKEW;

/// Which tokens are taken back. Those of a user, a tenant or everybody: what was issued until a
/// time, to the second; a token of that very second is taken back, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token(Uuid),
    /// A user's, in a realm.
    User(TenantId, Uuid, Option<OffsetDateTime>),
    /// Of all users of a realm.
    Realm(TenantId, Option<OffsetDateTime>),
    /// Everybody's.
    All(Option<OffsetDateTime>),
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
    /// The user's id.
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

    fn row(self) -> Result<NewRevocation, TokenError> {
        let now = OffsetDateTime::now_utc();
        let (tenant, user, given) = match self {
            Self::Token(jti) => return Ok(NewRevocation { jti: Some(jti), ..NewRevocation::default() }),
            Self::User(realm, user, given) => (Some(realm), Some(user), given),
            Self::Realm(realm, given) => (Some(realm), None, given),
            Self::All(given) => (None, None, given),
        };
        let until = given.unwrap_or(now);
        if until > now {
            return Err(TokenError::Request("a token that is not issued yet cannot be revoked".to_owned()));
        }
        let reaches_now = now - until < time::Duration::SECOND;
        Ok(NewRevocation { tenant, user, until: Some(until), reaches_now, ..NewRevocation::default() })
    }
}

/// Takes back the access tokens of a user, or of everybody in a realm, in the caller's transaction:
/// for whoever takes away what users may do. Their sessions go on, and give tokens that say what is
/// true now. Effective everywhere within two seconds of the commit.
///
/// Called twice for one change. Before it is committed, so that a crash leaves no token that says
/// too much; and, `after` it, for the tokens that were issued meanwhile.
///
/// # Errors
/// When a statement fails.
pub async fn take_back(
    tx: &mut PgConnection,
    caller: &Caller,
    (realm, user): (TenantId, Option<Uuid>),
    after: bool,
) -> Result<(), TokenError> {
    let what = user.map_or(Revocation::Realm(realm, None), |user| Revocation::User(realm, user, None));
    let row = NewRevocation { sessions_go_on: true, reaches_now: after, ..what.row()? };
    write(tx, caller, row).await
}

/// One after the other, so that each knows how far the last one reaches.
async fn write(tx: &mut PgConnection, caller: &Caller, row: NewRevocation) -> Result<(), TokenError> {
    store::lock(tx).await?;
    store::insert_revocation(tx, row, KEEP, &caller.to_string()).await?;
    Ok(())
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
    pub async fn revoke(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        what: Revocation,
    ) -> Result<Revoked, TokenError> {
        let mut tx = transaction(control).await?;
        store::forget_revocations(&mut tx).await?;
        let row = what.row()?;
        let revoked = view(what, row, store::count_hit(&mut tx, row).await?);
        write(&mut tx, caller, row).await?;
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

    /// What [`Tokens::revoke`] would take back.
    ///
    /// # Errors
    /// As there.
    pub async fn plan_revocation(
        &self,
        control: &mut PgConnection,
        _caller: &Caller,
        what: Revocation,
    ) -> Result<Revoked, TokenError> {
        let row = what.row()?;
        let recorded = store::count_hit(control, row).await?;
        Ok(view(what, row, recorded))
    }

    /// The tokens that were minted here and recorded, newest first.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn issued(
        &self,
        control: &mut PgConnection,
        _caller: &Caller,
        filter: &IssuedFilter,
        page: Page,
    ) -> Result<Vec<IssuedView>, TokenError> {
        Ok(store::issued(control, filter, page).await?)
    }
}
