//! API keys, for machines: one acts as a user, within the scopes it was given, until it expires or
//! is revoked. It is shown once and kept as a hash.

mod exchange;
mod store;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::TokenError;
use super::opaque::{API_KEY, Opaque, Presented};
use super::realm::{Realm, record};
use super::revoke::revoke_all;
use super::words::{KeyLifetime, KeyName};
use super::{Tokens, subject};
use crate::features::access::{Authorized, Permission, rights};
use crate::features::audit;
use crate::features::iam::{self, Subject, UserRef};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, Page, RealmRef, TenantId, TokenLimits, Total};

/// What an API key is asked to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The user that it acts as.
    pub user: UserRef,
    /// Its name, one of a kind among a user's.
    pub name: KeyName,
    /// What it allows at most; none: everything that the user may do.
    pub scopes: Vec<Permission>,
    /// How long it is good; none: until it is revoked.
    pub ttl: Option<KeyLifetime>,
}

/// An API key, as doors show it; not the key itself.
#[derive(Debug, Clone, Serialize, sqlx::FromRow, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    pub id: Uuid,
    pub name: String,
    pub email: String,
    /// The last four characters of the key.
    pub hint: String,
    /// What it allows at most; empty: everything that the user may do.
    pub scopes: Vec<String>,
    /// `good`, `expired` or `revoked`.
    pub state: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to five minutes.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// Which API keys a list holds.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyFilter {
    /// Of this user.
    pub user: Option<UserRef>,
    /// Also those that are revoked or expired.
    pub all: bool,
}

/// Where a list of API keys goes on: when the last one was made, and its id.
pub type ApiKeyPosition = (OffsetDateTime, Uuid);

/// Who a good API key stands for.
#[derive(Debug, Clone, Serialize)]
pub struct KeyHolder {
    pub id: Uuid,
    pub name: String,
    /// The realm's id; nil: the platform.
    pub realm: TenantId,
    /// The user, as it is now.
    pub subject: Subject,
    /// What the key allows at most; empty: everything that the user may do.
    pub scopes: Vec<String>,
    /// When the key expires.
    #[serde(skip)]
    pub expires_at: Option<OffsetDateTime>,
}

impl KeyHolder {
    /// The user as a caller who may do what the key allows.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let scopes = (!self.scopes.is_empty()).then(|| self.scopes.clone().into());
        let token = TokenLimits { lists: scopes.into_iter().collect(), ..TokenLimits::default() };
        Caller::User { realm: self.realm, id: self.subject.id.into(), token }
    }

    /// Whether both the user and the key may do something.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.subject.may(permission)
            && (self.scopes.is_empty() || self.scopes.iter().any(|scope| iam::includes(scope, permission)))
    }
}

/// Requires that nobody acts in the caller's name: an API key outlasts that.
fn require_own_name(caller: &Caller) -> Result<(), TokenError> {
    match caller {
        Caller::User { token, .. } if token.actor.is_some() => Err(TokenError::ActsForAnother),
        _ => Ok(()),
    }
}

impl Tokens {
    /// Makes an API key for a user; gives it, once.
    ///
    /// # Errors
    /// [`TokenError::NotActive`], [`TokenError::NotHeld`], [`TokenError::ApiKeyExists`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn create_api_key(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        new: &NewApiKey,
    ) -> Result<(ApiKeyView, SecretString), TokenError> {
        require_own_name(caller)?;
        let asked = (&rights::API_KEY_CREATE, &new.user);
        let (caller, subject) = &subject::authorize(control, caller, realm, asked).await?;
        check(&realm.name, subject, new)?;
        let key = Opaque::generate(API_KEY, realm.name.id)?;
        let id = Uuid::now_v7();
        note(
            control,
            realm.name.id,
            caller,
            "api_key.create",
            json!({ "key": id, "user": subject.id, "name": new.name }),
        )
        .await?;
        let (name, at) = (realm.name.clone(), realm.name.hinted());
        let mut tx = realm.begin_change().await?;
        let inserted = store::insert(&mut tx, (id, subject.id), new, (&key.hash(), &key.hint())).await;
        inserted.map_err(|error| match error {
            error if error.violates("api_keys_name") => TokenError::ApiKeyExists {
                email: subject.email.clone(),
                name: new.name.as_str().to_owned(),
                at,
            },
            error => error.into(),
        })?;
        let detail = json!({ "key": id, "name": new.name, "scopes": new.scopes });
        record(&mut tx, caller, ("api_key.create", Some(subject.id)), detail).await?;
        let view = store::by_id(&mut tx, id).await?.ok_or(TokenError::NoApiKey { id, realm: name })?;
        tx.commit().await?;
        Ok((view, key.text().clone()))
    }

    /// The user for whom [`Tokens::create_api_key`] would make a key.
    ///
    /// # Errors
    /// As there, but for a name that is taken.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn plan_api_key(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        new: &NewApiKey,
    ) -> Result<Subject, TokenError> {
        require_own_name(caller)?;
        let asked = (&rights::API_KEY_CREATE, &new.user);
        let (_, subject) = subject::authorize(control, caller, realm, asked).await?;
        check(&realm.name, &subject, new)?;
        Ok(subject)
    }

    /// A realm's API keys, or those of one of its users, newest first; those that are revoked or expired
    /// only where `all` are asked for.
    ///
    /// # Errors
    /// [`TokenError::NoUser`], which tells a slip from a user who has none; the realm's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn api_keys(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        filter: &ApiKeyFilter,
    ) -> Result<Vec<ApiKeyView>, TokenError> {
        realm.authorize(control, caller, &rights::API_KEY_READ, None).await?;
        let user = owner(realm, filter).await?;
        let mut tx = realm.begin().await?;
        let keys = store::list(&mut tx, (user, filter.all), None, None).await?;
        tx.commit().await?;
        Ok(keys)
    }

    /// A page of the same list, and how many there are, as far as they are counted.
    ///
    /// # Errors
    /// As [`Tokens::api_keys`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn page_of_api_keys(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        (filter, after): (&ApiKeyFilter, Option<ApiKeyPosition>),
        (page, total): (Page, Total),
    ) -> Result<(Vec<ApiKeyView>, Option<u64>), TokenError> {
        realm.authorize(control, caller, &rights::API_KEY_READ, None).await?;
        let which = (owner(realm, filter).await?, filter.all);
        let mut tx = realm.begin().await?;
        let keys = store::list(&mut tx, which, after, Some(page)).await?;
        let count = match total {
            Total::None => None,
            total => Some(store::count(&mut tx, which, total.limit()).await?),
        };
        tx.commit().await?;
        Ok((keys, count))
    }

    /// Takes an API key back, from now on, with the access tokens of its user: those that it was exchanged for are
    /// among them, and others are soon refreshed.
    ///
    /// # Errors
    /// [`TokenError::NoApiKey`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn revoke_api_key(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        id: Uuid,
    ) -> Result<ApiKeyView, TokenError> {
        let caller = &realm.authorize(control, caller, &rights::API_KEY_REVOKE, None).await?;
        note(control, realm.name.id, caller, "api_key.revoke", json!({ "key": id })).await?;
        let name = realm.name.clone();
        let mut tx = realm.begin_change().await?;
        let missing = || TokenError::NoApiKey { id, realm: name.clone() };
        let user = store::revoke(&mut tx, id).await?.ok_or_else(missing)?;
        record(&mut tx, caller, ("api_key.revoke", Some(user)), json!({ "key": id })).await?;
        let view = store::by_id(&mut tx, id).await?.ok_or_else(missing)?;
        // Before the key is gone, lest a crash leave its tokens good, and after, for those of this moment.
        revoke_all(control, caller, (name.id, Some(user))).await?;
        tx.commit().await?;
        revoke_all(control, caller, (name.id, Some(user))).await?;
        Ok(view)
    }

    /// One API key.
    ///
    /// # Errors
    /// [`TokenError::NoApiKey`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn api_key(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        id: Uuid,
    ) -> Result<ApiKeyView, TokenError> {
        realm.authorize(control, caller, &rights::API_KEY_READ, None).await?;
        let name = realm.name.clone();
        let mut tx = realm.begin().await?;
        let view = store::by_id(&mut tx, id).await?.ok_or(TokenError::NoApiKey { id, realm: name })?;
        tx.commit().await?;
        Ok(view)
    }

    /// Who an API key stands for.
    ///
    /// The key and the tenant are looked at last, after the user: what was revoked meanwhile is not
    /// good.
    ///
    /// # Errors
    /// [`TokenError::KeyInvalid`], the same for every key that is refused.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn verify_api_key(
        &self,
        control: &mut PgConnection,
        realm: &mut Realm,
        presented: &SecretString,
    ) -> Result<KeyHolder, TokenError> {
        let key = Opaque::parse(API_KEY, presented).ok_or(TokenError::KeyInvalid)?;
        let id = realm.name.id;
        if key.realm != id {
            return Err(TokenError::KeyInvalid);
        }
        let mut tx = realm.begin().await?;
        let of = store::owner(&mut tx, &key.hash()).await?.ok_or(TokenError::KeyInvalid)?;
        let subject = iam::subject_by_id(&mut tx, of.user_id).await?.filter(Subject::is_active);
        let subject = subject.ok_or(TokenError::KeyInvalid)?;
        if of.note_use {
            store::note_use(&mut tx, of.id).await?;
        }
        let found = store::good(&mut tx, of.id).await?.ok_or(TokenError::KeyInvalid)?;
        tx.commit().await?;
        if id != TenantId::PLATFORM {
            Presented::ApiKey.tenant(control, &Caller::System, id).await?;
        }
        let store::GoodRow { name, scopes, expires_at } = found;
        Ok(KeyHolder { id: of.id, name, realm: id, subject, scopes, expires_at })
    }
}

/// The user whose keys a list is of.
async fn owner(realm: &mut Realm, filter: &ApiKeyFilter) -> Result<Option<Uuid>, TokenError> {
    match &filter.user {
        Some(user) => Ok(Some(subject::find(realm, user).await?.id)),
        None => Ok(None),
    }
}

/// Whether a key may be made: nobody gets from a key what they do not hold.
fn check(realm: &RealmRef, subject: &Subject, new: &NewApiKey) -> Result<(), TokenError> {
    if !subject.is_active() {
        return Err(TokenError::not_active(subject, realm));
    }
    match new.scopes.iter().find(|scope| !subject.may(scope.as_str())) {
        Some(scope) => Err(TokenError::not_held(subject, realm, scope.as_str())),
        None => Ok(()),
    }
}

/// The intent, in the platform's audit log, before anything is done in the realm.
async fn note(
    control: &mut PgConnection,
    realm: TenantId,
    caller: &Authorized<'_>,
    action: &'static str,
    detail: serde_json::Value,
) -> Result<(), DbError> {
    let tenant = (realm != TenantId::PLATFORM).then_some(realm);
    audit::record(control, audit::Entry { caller, action, tenant, operation: None, detail }).await
}
