//! Minting access tokens: what a token may say, and signing it.

use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::Tokens;
use super::claims::{self, Actor, CLIENT, Claims, MAX_IMPERSONATION, MAX_TTL};
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::realm::{Realm, RealmName, record};
use super::store::{self, Issued};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::iam::{self, Subject};
use crate::infra::crypto::jwt;
use crate::infra::crypto::signing::{Algorithm, SigningKey};
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::hint::{TokenAction, UserAction};
use crate::kernel::{Caller, Email, Hint};

/// Why somebody acts as another.
#[derive(Debug, Clone)]
pub struct Impersonation {
    /// For the audit logs.
    pub reason: String,
}

/// What a token is asked to say.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// How long it is good; absent: as the settings say, at most 15 minutes for an impersonation.
    pub ttl: Option<Duration>,
    /// For whom it is; absent: as the settings say.
    pub audience: Option<String>,
    /// If any, it allows these at most.
    pub permissions: Vec<String>,
    /// If any, it allows these at most, written as `scope`.
    pub scopes: Vec<String>,
    /// More claims.
    pub claims: Vec<(String, String)>,
    /// Who acts, and why, where it is not the user.
    pub act_as: Option<Impersonation>,
}

/// What the issuer decides, the same with a database and without.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    pub issuer: &'a str,
    /// The `aud` where none is asked for.
    pub audience: &'a str,
    /// The life where none is asked for.
    pub ttl: Duration,
}

/// For whom a token is, and what was known when that was looked up.
#[derive(Debug, Clone, Copy)]
pub struct For<'a> {
    pub realm: &'a RealmName,
    pub subject: &'a Subject,
    /// The time of [`Realm::as_of`]: before the user was looked up.
    pub as_of: IssueTime,
}

/// Claims that are ready to be signed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Composed(pub Claims);

/// A token, signed.
#[derive(Debug)]
pub struct Minted {
    pub token: SecretString,
    pub claims: Claims,
}

impl NewToken {
    /// The claims of a token for a user, if all that is asked for may be had.
    ///
    /// # Errors
    /// [`TokenError::NotActive`], [`TokenError::NotHeld`], [`TokenError::Request`].
    pub fn compose(
        &self,
        For { realm, subject, as_of }: For<'_>,
        issuer: Issuer<'_>,
        caller: &Authorized<'_>,
    ) -> Result<Claims, TokenError> {
        if !subject.is_active() {
            return Err(TokenError::not_active(subject, realm));
        }
        for wanted in self.permissions.iter().chain(&self.scopes) {
            if !subject.may(wanted) {
                return Err(TokenError::not_held(subject, realm, wanted));
            }
        }
        let (ttl, now) = (self.lifetime(issuer.ttl)?, as_of.second());
        Ok(Claims {
            iss: issuer.issuer.to_owned(),
            sub: subject.id,
            aud: vec![self.audience.clone().unwrap_or_else(|| issuer.audience.to_owned())],
            client_id: CLIENT.to_owned(),
            iat: now,
            nbf: now,
            exp: now + ttl,
            jti: as_of.token_id()?,
            tenant_id: realm.slug.is_some().then_some(realm.id),
            tenant: realm.slug.clone(),
            roles: subject.roles.clone(),
            permissions: (!self.permissions.is_empty()).then(|| self.permissions.clone()),
            scope: (!self.scopes.is_empty()).then(|| self.scopes.join(" ")),
            act: self.act_as.as_ref().map(|_| Actor { sub: caller.to_string() }),
            other: self.other()?,
        })
    }

    fn lifetime(&self, usual: Duration) -> Result<i64, TokenError> {
        let (longest, what) = match self.act_as {
            Some(_) => (MAX_IMPERSONATION, "a token that acts as another user"),
            None => (MAX_TTL, "an access token"),
        };
        let seconds = |ttl: Duration| i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        match self.ttl.map(seconds) {
            Some(wanted) if (1..=longest).contains(&wanted) => Ok(wanted),
            Some(_) => {
                Err(TokenError::Request(format!("{what} is valid for 1 second to {} minutes", longest / 60)))
            }
            None => Ok(seconds(usual).min(longest)),
        }
    }

    fn other(&self) -> Result<Map<String, Value>, TokenError> {
        let mut other = Map::new();
        for (name, value) in &self.claims {
            if claims::is_reserved(name) {
                return Err(TokenError::Request(format!("claim {name:?} cannot be set by hand")));
            }
            if other.insert(name.clone(), Value::String(value.clone())).is_some() {
                return Err(TokenError::Request(format!("claim {name:?} is given twice")));
            }
        }
        Ok(other)
    }
}

/// Signs claims.
///
/// # Errors
/// [`TokenError::Request`] when the token is longer than any that is accepted.
pub(super) fn sign(claims: &Claims, key: &SigningKey) -> Result<SecretString, TokenError> {
    let token = jwt::signed(claims, key)?;
    if token.len() > jwt::MAX_BYTES {
        let why = format!("the token would have {} bytes, more than 8 KiB", token.len());
        return Err(TokenError::Request(why));
    }
    Ok(SecretString::from(token))
}

impl Tokens {
    /// The user of an e-mail address in a realm.
    ///
    /// # Errors
    /// [`TokenError::NoUser`], with the nearest address.
    pub async fn subject(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        email: &Email,
    ) -> Result<Subject, TokenError> {
        realm.authorize(control, caller, &rights::TOKEN_READ, None).await?;
        find_subject(realm, email).await
    }

    /// The ways in which an address is written in recorded tokens: other cases of it are the same one.
    pub async fn spellings(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        email: &Email,
    ) -> Result<Vec<String>, TokenError> {
        access::authorize(control, caller, &rights::TOKEN_READ, About::Platform).await?;
        Ok(store::spellings(control, email).await?)
    }

    /// Requires that somebody of an address is known where no tenant is named: a user of the
    /// platform, or one of any realm for whom a token was minted and recorded.
    ///
    /// # Errors
    /// [`TokenError::NoUser`], with the nearest address.
    pub async fn known(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        platform: &mut Realm,
        email: &Email,
    ) -> Result<(), TokenError> {
        access::authorize(control, caller, &rights::TOKEN_READ, About::Platform).await?;
        let nearest = match find_subject(platform, email).await {
            Err(TokenError::NoUser { nearest, .. }) => nearest,
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

    /// The claims that [`Tokens::mint`] would sign.
    ///
    /// # Errors
    /// As there.
    pub async fn compose(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        (realm, subject): (&mut Realm, &Subject),
        new: &NewToken,
    ) -> Result<Composed, TokenError> {
        let caller = &realm.authorize(control, caller, &rights::TOKEN_CREATE, Some(subject.id)).await?;
        self.composed(caller, (realm, subject), new)
    }

    fn composed(
        &self,
        caller: &Authorized<'_>,
        (realm, subject): (&Realm, &Subject),
        new: &NewToken,
    ) -> Result<Composed, TokenError> {
        let issuer = Issuer { issuer: &self.issuer, audience: &self.audience, ttl: self.ttl };
        let whose = For { realm: &realm.name, subject, as_of: realm.as_of };
        Ok(Composed(new.compose(whose, issuer, caller)?))
    }

    /// Mints a token for a user of a realm and records that it was.
    ///
    /// # Errors
    /// Without `token:create`, or in the name of somebody who holds more than the caller; when something
    /// is asked for that may not be had, or the control database refuses; [`TokenError::Changed`] when the
    /// user's tokens were revoked since the user was looked up.
    pub async fn mint(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        (realm, subject): (&mut Realm, &Subject),
        new: &NewToken,
        algorithm: Algorithm,
    ) -> Result<Minted, TokenError> {
        let caller = &realm.authorize(control, caller, &rights::TOKEN_CREATE, Some(subject.id)).await?;
        let Composed(claims) = self.composed(caller, (realm, subject), new)?;
        let as_of = realm.as_of;
        let mut tx = transaction(control).await?;
        let key = self.signer(&mut tx, caller, Signer::platform(algorithm)).await?;
        let token = sign(&claims, &key)?;
        let ends = OffsetDateTime::from_unix_timestamp(claims.exp).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let reason = new.act_as.as_ref().map(|it| it.reason.as_str());
        let issued = Issued {
            jti: claims.jti,
            kid: key.public().id(),
            realm: realm.name.id,
            user: (subject.id, &subject.email),
            caller: caller.to_string(),
            reason,
            audience: &claims.aud[0],
            times: (as_of.time(), ends),
        };
        if !store::insert_issued(&mut tx, issued).await? {
            tx.rollback().await.map_err(DbError::from)?;
            return Err(TokenError::Changed { email: subject.email.clone() });
        }
        store::forget_issued(&mut tx).await?;
        // By its id: an address would outlive the user, whom nobody can erase from this log.
        let detail = json!({ "jti": claims.jti, "user": subject.id, "audience": claims.aud[0],
                             "expires": claims.exp, "reason": reason });
        let action = if reason.is_some() { "token.impersonate" } else { "token.mint" };
        let tenant = claims.tenant_id;
        audit::record(&mut tx, audit::Entry { caller, action, tenant, operation: None, detail }).await?;
        tx.commit().await?;
        Ok(Minted { token, claims })
    }

    /// Notes in the tenant's own audit log that somebody is about to act as one of its users.
    ///
    /// # Errors
    /// When the realm's database refuses; no token may then be minted.
    pub async fn note_impersonation(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        (realm, subject): (&mut Realm, &Subject),
        reason: &str,
    ) -> Result<(), TokenError> {
        let caller = &realm.authorize(control, caller, &rights::TOKEN_CREATE, Some(subject.id)).await?;
        let mut tx = realm.begin().await?;
        let detail = json!({ "user": subject.id, "reason": reason });
        record(&mut tx, caller, ("token.impersonate", Some(subject.id)), detail).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn find_subject(realm: &mut Realm, email: &Email) -> Result<Subject, TokenError> {
    let (name, at) = (realm.name.display(), realm.name.hinted());
    let mut tx = realm.begin().await?;
    if let Some(subject) = iam::subject(&mut tx, email.as_str()).await? {
        tx.commit().await?;
        return Ok(subject);
    }
    let nearest = iam::nearest_email(&mut tx, email.as_str()).await?;
    let hint = Hint::new("see who there is", UserAction::List(at));
    Err(TokenError::NoUser { email: email.to_string(), realm: name, nearest, hint })
}
