//! The users for whom tokens and keys are.

use super::Tokens;
use super::error::TokenError;
use super::realm::Realm;
use super::store;
use crate::features::access::{Authorized, Right, rights};
use crate::features::iam::{self, Subject, UserRef};
use crate::infra::db::PgConnection;
use crate::kernel::hint::{TokenAction, UserAction};
use crate::kernel::{Caller, Email, Hint};

impl Tokens {
    /// The user of an e-mail address in a realm.
    ///
    /// # Errors
    /// [`TokenError::NoUser`], with the nearest address.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn subject(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        email: &Email,
    ) -> Result<Subject, TokenError> {
        realm.authorize(control, caller, &rights::TOKEN_READ, None).await?;
        find(realm, &UserRef::Email(email.clone())).await
    }

    /// Tells a user who has no tokens from a slip: requires that somebody of an address is known. That
    /// is a user of the realm, and where it is the platform's, for want of a tenant's name, also one of
    /// any realm for whom a token was minted and recorded.
    ///
    /// # Errors
    /// [`TokenError::NoUser`], with the nearest address.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn known(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        email: &Email,
    ) -> Result<(), TokenError> {
        realm.authorize(control, caller, &rights::TOKEN_READ, None).await?;
        let nearest = match find(realm, &UserRef::Email(email.clone())).await {
            Err(TokenError::NoUser { nearest, .. }) if realm.name.slug.is_none() => nearest,
            found => return found.map(drop),
        };
        if !store::spellings(control, email).await?.is_empty() {
            return Ok(());
        }
        Err(TokenError::NoUser {
            email: email.to_string(),
            realm: "the platform, and no token of one elsewhere".to_owned(),
            nearest,
            hint: Hint::new("name the tenant", TokenAction::ListOf(email.to_string())),
        })
    }
}

/// A user of the realm, and the proof that the caller may do something in their name: who may
/// not do it at all does not learn whether there is such a user.
pub(super) async fn authorize<'a>(
    control: &mut PgConnection,
    caller: &'a Caller,
    realm: &mut Realm,
    (right, user): (&'static Right, &UserRef),
) -> Result<(Authorized<'a>, Subject), TokenError> {
    realm.authorize(control, caller, right, None).await?;
    let subject = find(realm, user).await?;
    Ok((realm.authorize(control, caller, right, Some(subject.id)).await?, subject))
}

/// The user of an e-mail address or an id.
pub(super) async fn find(realm: &mut Realm, user: &UserRef) -> Result<Subject, TokenError> {
    let (name, at) = (realm.name.to_string(), realm.name.hinted());
    let mut tx = realm.begin().await?;
    let found = match user {
        UserRef::Email(email) => iam::subject(&mut tx, email.as_str()).await?,
        UserRef::Id(id) => iam::subject_by_id(&mut tx, id.uuid()).await?,
    };
    if let Some(subject) = found {
        tx.commit().await?;
        return Ok(subject);
    }
    let nearest = match user {
        UserRef::Email(email) => iam::nearest_email(&mut tx, email.as_str()).await?,
        UserRef::Id(_) => None,
    };
    let hint = Hint::new("see who there is", UserAction::List(at));
    Err(TokenError::NoUser { email: user.to_string(), realm: name, nearest, hint })
}
