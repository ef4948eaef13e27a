//! Minting access tokens: what a token may say, signing it, and what has to be written down first.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::claims::{self, Actor, CLIENT, Claims, MAX_IMPERSONATION, MAX_TTL};
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::realm::{Realm, record};
use super::refresh::Terms;
use super::store::{self, Issued, Recorded};
use super::words::{Audience, ExtraClaim};
use super::{Tokens, subject};
use crate::features::access::{Authorized, Permission, rights};
use crate::features::audit;
use crate::features::iam::{Subject, UserRef};
use crate::infra::crypto::jwt;
use crate::infra::crypto::signing::{Algorithm, SigningKey};
use crate::infra::db::PgConnection;
use crate::kernel::ids::is_turn_to_forget;
use crate::kernel::{Caller, Email, RealmRef, Reason};

/// How often a key is opened again that was retired meanwhile.
const KEYS_IN_A_ROW: u32 = 3;

/// Why somebody acts as another.
#[derive(Debug, Clone)]
pub struct Impersonation {
    pub reason: Reason<4>,
}

/// What a token is asked to say.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// How long it is good; absent: as the settings say, at most 15 minutes for an impersonation.
    pub ttl: Option<Duration>,
    /// For whom it is; absent: as the settings say.
    pub audience: Option<Audience>,
    /// If any, it allows these at most.
    pub permissions: Vec<Permission>,
    /// If any, it allows these at most, written as `scope`.
    pub scopes: Vec<Permission>,
    /// More claims.
    pub claims: Vec<ExtraClaim>,
    /// Who acts, and why, where it is not the user.
    pub act_as: Option<Impersonation>,
    /// The session that it is of, with which it ends.
    pub session: Option<Uuid>,
}

/// A token for a user of a realm, and what goes with it.
#[derive(Debug, Clone, Copy)]
pub struct MintRequest<'a> {
    /// For whom it is.
    pub user: &'a Email,
    pub token: &'a NewToken,
    /// How it is signed; absent: as usual.
    pub algorithm: Option<Algorithm>,
    /// The program that begins a session with it, which gets a refresh token, too.
    pub session: Option<&'a str>,
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
    pub realm: &'a RealmRef,
    pub subject: &'a Subject,
    /// The time of [`Realm::as_of`]: before the user was looked up.
    pub as_of: IssueTime,
}

/// What signs a token.
pub(super) struct By {
    key: Arc<SigningKey>,
    /// When the session began that it continues: the session is in the log, and its next tokens are not.
    continues: Option<OffsetDateTime>,
}

impl By {
    pub(super) fn new(key: Arc<SigningKey>) -> Self {
        Self { key, continues: None }
    }

    pub(super) fn continuing(key: Arc<SigningKey>, began: OffsetDateTime) -> Self {
        Self { key, continues: Some(began) }
    }
}

/// A token, signed.
#[derive(Debug)]
pub struct Minted {
    pub token: SecretString,
    pub claims: Claims,
    /// That of the session that was begun, if one was asked for.
    pub refresh: Option<SecretString>,
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
            if !subject.may(wanted.as_str()) {
                return Err(TokenError::not_held(subject, realm, wanted.as_str()));
            }
        }
        let (ttl, now) = (self.lifetime(issuer.ttl)?, as_of.second());
        Ok(Claims {
            iss: issuer.issuer.to_owned(),
            sub: subject.id,
            aud: vec![self.audience.as_ref().map_or(issuer.audience, Audience::as_str).to_owned()],
            client_id: CLIENT.to_owned(),
            iat: now,
            nbf: now,
            exp: now + ttl,
            jti: as_of.token_id()?,
            sid: self.session,
            tenant_id: realm.slug.is_some().then_some(realm.id),
            tenant: realm.slug.clone(),
            roles: subject.roles.clone(),
            permissions: (!self.permissions.is_empty()).then(|| texts(&self.permissions)),
            scope: (!self.scopes.is_empty()).then(|| texts(&self.scopes).join(" ")),
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
        for claim in &self.claims {
            let name = claim.name();
            if claims::is_reserved(name) {
                return Err(TokenError::Request(format!("claim {name:?} cannot be set by hand")));
            }
            if other.insert(name.to_owned(), Value::String(claim.text().to_owned())).is_some() {
                return Err(TokenError::Request(format!("claim {name:?} is given twice")));
            }
        }
        Ok(other)
    }
}

/// Permissions as tokens and tables hold them.
pub(super) fn texts(permissions: &[Permission]) -> Vec<String> {
    permissions.iter().map(ToString::to_string).collect()
}

/// Signs claims.
///
/// # Errors
/// [`TokenError::Request`] when the token is longer than any that is accepted.
pub(super) fn sign(claims: &Claims, key: &SigningKey) -> Result<SecretString, TokenError> {
    sign_claims(jwt::TYPE, claims, key)
}

/// The same, for claims of another kind.
pub(super) fn sign_claims(
    kind: &str,
    claims: &impl Serialize,
    key: &SigningKey,
) -> Result<SecretString, TokenError> {
    let token = jwt::signed_as(kind, claims, key)?;
    if token.len() > jwt::MAX_BYTES {
        let why = format!("the token would have {} bytes, more than 8 KiB", token.len());
        return Err(TokenError::Request(why));
    }
    Ok(SecretString::from(token))
}

impl Tokens {
    /// The claims that [`Tokens::mint`] would sign.
    ///
    /// # Errors
    /// As there.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn plan_mint(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        request: MintRequest<'_>,
    ) -> Result<Claims, TokenError> {
        let user = UserRef::Email(request.user.clone());
        let asked = (&rights::TOKEN_CREATE, &user);
        let (caller, subject) = subject::authorize(control, caller, realm, asked).await?;
        let whose = For { realm: &realm.name, subject: &subject, as_of: realm.as_of };
        self.compose(&caller, whose, &request)
    }

    /// Mints a token for a user of a realm and records that it was. Where the caller acts as the user,
    /// the realm's own log says so before there is a token.
    ///
    /// # Errors
    /// Without `token:create`, or in the name of somebody who holds more than the caller; when something
    /// is asked for that may not be had, or a database refuses; [`TokenError::Changed`] when the
    /// user's tokens were revoked since the user was looked up.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn mint(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        request: MintRequest<'_>,
    ) -> Result<Minted, TokenError> {
        let right = &rights::TOKEN_CREATE;
        realm.authorize(control, caller, right, None).await?;
        let user = UserRef::Email(request.user.clone());
        let signer = Signer::platform(request.algorithm.unwrap_or(Algorithm::EdDsa));
        // In two databases. Neither is cut short where the other fails, and neither writes.
        let (subject, key) = tokio::join!(subject::find(realm, &user), self.ready_signer(control, signer));
        let (subject, key) = (subject?, key?);
        let caller = realm.authorize(control, caller, right, Some(subject.id)).await?;
        let whose = For { realm: &realm.name.clone(), subject: &subject, as_of: realm.as_of };
        let claims = self.compose(&caller, whose, &request)?;
        let key = match key {
            Some(key) => key,
            None => self.signer(control, &caller, signer).await?,
        };
        if let Some(why) = &request.token.act_as {
            log_impersonation(realm, &caller, (&subject, why)).await?;
        }
        let session = match request.session {
            Some(client) => {
                let terms = Terms::of(request.token, request.algorithm);
                Some(self.begin_session(&caller, (realm, &subject), (client, &terms)).await?)
            }
            None => None,
        };
        let token = self.issue(control, &caller, whose, (request.token, &claims), By::new(key)).await?;
        // Last, so that there is no session whose token nobody got.
        let mut refresh = None;
        if let Some((tx, token)) = session {
            tx.commit().await?;
            refresh = Some(token);
        }
        Ok(Minted { token, claims, refresh })
    }

    fn compose(
        &self,
        caller: &Authorized<'_>,
        whose: For<'_>,
        request: &MintRequest<'_>,
    ) -> Result<Claims, TokenError> {
        if request.session.is_some() && request.token.act_as.is_some() {
            return Err(TokenError::Request("a session cannot act as another user".to_owned()));
        }
        request.token.compose(whose, self.issuer(), caller)
    }

    /// Who issues.
    pub(super) fn issuer(&self) -> Issuer<'_> {
        Issuer { issuer: &self.issuer, audience: &self.audience, ttl: self.ttl }
    }

    /// Signs claims that may be signed, and records that it did.
    pub(super) async fn issue(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        For { subject, as_of, .. }: For<'_>,
        (new, claims): (&NewToken, &Claims),
        by: By,
    ) -> Result<SecretString, TokenError> {
        let By { mut key, continues } = by;
        let ends = OffsetDateTime::from_unix_timestamp(claims.exp).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let reason = new.act_as.as_ref().map(|it| it.reason.as_str());
        let is_switched = claims.operator().is_some();
        let issued = Issued {
            jti: claims.jti,
            realm: claims.realm(),
            user: (subject.id, &subject.email),
            caller: caller.to_string(),
            // An operator who was let in acts as nobody else.
            reason: reason.filter(|_| !is_switched),
            audience: &claims.aud[0],
            times: (as_of.time(), ends),
            continues,
        };
        // By its id: an address would outlive the user, whom nobody can erase from this log.
        let mut detail = json!({ "jti": claims.jti, "user": subject.id, "audience": claims.aud[0],
                                 "expires": claims.exp, "reason": reason });
        if claims.client_id != CLIENT {
            detail["client"] = claims.client_id.clone().into();
        }
        let action = match reason {
            _ if is_switched => "token.switch",
            Some(_) => "token.impersonate",
            None => "token.mint",
        };
        let entry = audit::Entry { caller, action, tenant: claims.tenant_id, operation: None, detail };
        // One that retired since it was opened signs no more, and its successor does.
        for _ in 0..KEYS_IN_A_ROW {
            let token = sign(claims, &key)?;
            let entry = continues.is_none().then_some(&entry);
            match store::insert_issued(control, &issued, key.public().id(), entry).await? {
                Recorded::Done => {
                    if is_turn_to_forget(claims.jti) {
                        store::forget_issued(control).await?;
                    }
                    return Ok(token);
                }
                Recorded::SessionRevoked => return Err(TokenError::RefreshInvalid),
                Recorded::Revoked => return Err(TokenError::Changed { email: subject.email.clone() }),
                Recorded::KeyRetired => {
                    let algorithm = key.public().algorithm();
                    self.signers.forget(algorithm);
                    key = self.signer(control, caller, Signer::platform(algorithm)).await?;
                }
            }
        }
        Err(TokenError::NoActiveKey(key.public().algorithm()))
    }
}

/// Writes into the realm's own log that somebody is about to act as one of its users.
async fn log_impersonation(
    realm: &mut Realm,
    caller: &Authorized<'_>,
    (subject, why): (&Subject, &Impersonation),
) -> Result<(), TokenError> {
    let mut tx = realm.begin_change().await?;
    let detail = json!({ "user": subject.id, "reason": why.reason });
    record(&mut tx, caller, ("token.impersonate", Some(subject.id)), detail).await?;
    Ok(tx.commit().await?)
}
