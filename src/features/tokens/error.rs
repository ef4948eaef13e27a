//! What can go wrong with tokens and their keys.

use uuid::Uuid;

use crate::features::access::AccessError;
use crate::features::iam::{IamError, Subject};
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::jwt::JwtError;
use crate::infra::crypto::random::RandomError;
use crate::infra::crypto::signing::{Algorithm, SigningError};
use crate::infra::db::DbError;
use crate::kernel::hint::{InRealm, UserAction};
use crate::kernel::{Failure, Hint, RealmRef, shell, suggest};

/// A request about tokens or their keys that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum TokenError {
    /// One answer for every token that is refused, whatever the reason: who sends one learns
    /// nothing from it.
    #[error("the token is not valid")]
    #[failure(Unauthenticated, "token_invalid")]
    #[hint("see what is wrong with it" => TokenAction::Inspect)]
    Invalid(JwtError),
    /// Tokens cannot be checked: the list of revoked ones is out of date.
    #[error("tokens cannot be checked: the list of revoked ones was last read {seconds} s ago")]
    #[failure(Unavailable, "token_check_stale")]
    Stale { seconds: u64 },
    /// No user of that e-mail address.
    #[error("no user {email:?} in {realm}")]
    #[failure(NotFound, "user_not_found")]
    #[hint(if let Some(nearest) = nearest, "did you mean {}?", shell::word(nearest))]
    #[hint(else, hint.clone())]
    #[details(email, nearest)]
    NoUser {
        email: String,
        realm: String,
        /// The nearest that there is.
        nearest: Option<String>,
        hint: Hint,
    },
    /// The user may not sign in.
    #[error("user {email:?} is {state}, not active")]
    #[failure(Conflict, "user_not_active")]
    #[hint(state_hint(email, state, at))]
    #[details(email, state)]
    NotActive { email: String, state: String, at: InRealm },
    /// The user does not hold what the token should allow.
    #[error("user {email:?} does not hold {permission}")]
    #[failure(Forbidden, "permission_not_held")]
    #[hint(if let Some(nearest) = nearest, "did you mean {}?", shell::word(nearest))]
    #[hint(else, "see why" => UserAction::Explain {
        user: email.clone(),
        permission: permission.clone(),
        realm: at.clone(),
    })]
    #[details(email, permission, nearest)]
    NotHeld {
        email: String,
        permission: String,
        /// What it holds that comes nearest.
        nearest: Option<String>,
        at: InRealm,
    },
    /// Somebody is no operator with access to the tenant, or shows a token that acts for another.
    #[error("no access to {tenant}: it is not in use, or no operator's access to it is open")]
    #[failure(Forbidden, "switch_refused")]
    #[hint("sign in as an operator whom the tenant gave access")]
    SwitchRefused { tenant: String },
    /// Whoever acts in a user's name for a while makes nothing that lasts.
    #[error("a token that acts in somebody's name makes no API keys")]
    #[failure(Forbidden, "api_key_refused")]
    #[hint("the user makes it, or an administrator by a token of their own")]
    ActsForAnother,
    /// More is asked for than was granted.
    #[error("scope {scope} was not granted")]
    #[failure(Forbidden, "scope_not_granted")]
    #[details(scope)]
    Scope { scope: String },
    /// The request itself is wrong.
    #[error("{0}")]
    #[failure(Invalid, "token_request_invalid")]
    Request(String),
    /// The user's tokens were revoked while one was being minted.
    #[error("the tokens of {email:?} were revoked at this moment; no token was minted")]
    #[failure(Busy, "tokens_revoked_meanwhile")]
    #[hint("run the same command again")]
    Changed { email: String },
    /// No such signing key.
    #[error("no signing key {0:?}")]
    #[failure(NotFound, "signing_key_not_found")]
    #[hint("see which there are" => TokenAction::ListSigningKeys)]
    NoKey(String),
    /// The signing key's state forbids it.
    #[error("signing key {kid} is {state}; {why}")]
    #[failure(Conflict, "signing_key_state")]
    #[hints(hints.iter().cloned())]
    #[details(kid, state)]
    KeyState { kid: String, state: &'static str, why: &'static str, hints: Vec<Hint> },
    /// The next signing key is not yet known everywhere.
    #[error(
        "the next key {kid} was published {age} s ago; services may keep an older key set for {notice} s"
    )]
    #[failure(Conflict, "signing_key_too_young")]
    #[hint("wait {} s more", notice - age)]
    #[hint("where nobody outside checks tokens" => TokenAction::RotateSigningKey { algorithm: None, at_once: true })]
    #[details(kid, wait = notice - age)]
    TooYoung {
        kid: String,
        /// For how long it has been there, in seconds.
        age: i64,
        /// For how long it has to be, in seconds.
        notice: i64,
    },
    /// A signing key's row does not match what was sealed.
    #[error("signing key {0} does not match what was sealed: the control database was changed")]
    #[failure(Integrity, "signing_key_damaged")]
    #[hint("see what was changed" => FsckAction::Inspect)]
    KeyDamaged(String),
    /// The sealed part of a signing key was changed or removed.
    #[error("the sealed part of signing key {kid} was changed or removed")]
    #[failure(Integrity, "signing_key_damaged")]
    #[hint(hint.clone())]
    KeyLost { kid: String, hint: Hint },
    /// The row of the active key is missing, but its successor exists.
    #[error("no {0} key is active, although the next one is published: the control database was changed")]
    #[failure(Integrity, "signing_key_missing")]
    #[hint(TokenAction::RotateSigningKey { algorithm: Some(_0.as_str().to_owned()), at_once: false })]
    NoActiveKey(Algorithm),
    /// A key set or a development key cannot be read.
    #[error("{place} is not a usable key set: {reason}")]
    #[failure(Integrity, "key_set_invalid")]
    KeySet { place: String, reason: String },
    /// A development key cannot be read.
    #[error("{place} is not a usable development key: {reason}")]
    #[failure(Integrity, "development_key_invalid")]
    DevelopmentKey { place: String, reason: String },
    /// The server of a key set does not serve it.
    #[error("{url} does not serve a key set: {reason}")]
    #[failure(Unavailable, "key_set_unreachable")]
    Fetch { url: String, reason: String },
    /// One answer for every refresh token that is refused.
    #[error("the refresh token is not valid; sign in again")]
    #[failure(Unauthenticated, "refresh_token_invalid")]
    RefreshInvalid,
    /// The same refresh token is in use at this moment.
    #[error("the refresh token is being exchanged at this moment; ask again in a second")]
    #[failure(Busy, "refresh_in_progress")]
    #[hint("ask again in a second")]
    RefreshBusy,
    /// One answer for every API key that is refused.
    #[error("the API key is not valid")]
    #[failure(Unauthenticated, "api_key_invalid")]
    KeyInvalid,
    /// One answer for every ticket that is refused.
    #[error("the ticket is not valid: it is good once, and for 30 seconds")]
    #[failure(Unauthenticated, "ticket_invalid")]
    #[hint("POST /events/ticket gives another")]
    TicketInvalid,
    /// No such API key.
    #[error("no API key {id} in {realm}")]
    #[failure(NotFound, "api_key_not_found")]
    #[hint("see which there are" => TokenAction::ListApiKeys(realm.hinted()))]
    NoApiKey { id: Uuid, realm: RealmRef },
    /// The user has an API key of that name already.
    #[error("user {email:?} has an API key named {name:?} already")]
    #[failure(Conflict, "api_key_exists")]
    #[hint("see them" => TokenAction::ListApiKeysOf(email.clone(), at.clone()))]
    ApiKeyExists { email: String, name: String, at: InRealm },
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A secret does not open, or cannot be sealed.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// A key cannot be made or used.
    #[error(transparent)]
    #[failure(transparent)]
    Signing(#[from] SigningError),
    /// The tenant does not exist, or is not active.
    #[error(transparent)]
    #[failure(transparent)]
    Tenant(#[from] TenantError),
    /// The role of the realm's owner cannot be assumed.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// No random bytes.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// The realm's users and requests.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

impl TokenError {
    /// Of a user who may not sign in.
    pub(super) fn not_active(subject: &Subject, realm: &RealmRef) -> Self {
        Self::NotActive { email: subject.email.clone(), state: subject.state.clone(), at: realm.hinted() }
    }

    /// Of a user who does not hold a permission. What it holds by `*:action` is taken for one of
    /// the resource that was asked for.
    pub(super) fn not_held(subject: &Subject, realm: &RealmRef, wanted: &str) -> Self {
        let resource = wanted.split(':').next().unwrap_or_default();
        let held: Vec<_> =
            subject.permissions.iter().map(|it| it.replace("*:", &format!("{resource}:"))).collect();
        let plain = held.iter().map(String::as_str).filter(|it| !it.contains('*'));
        Self::NotHeld {
            email: subject.email.clone(),
            permission: wanted.to_owned(),
            nearest: suggest::nearest(wanted, plain).map(str::to_owned),
            at: realm.hinted(),
        }
    }

    /// Why a token was refused: for logs.
    #[must_use]
    pub fn flaw(&self) -> Option<JwtError> {
        match self {
            Self::Invalid(flaw) => Some(*flaw),
            _ => None,
        }
    }
}

/// What lets a user in who may not sign in.
fn state_hint(email: &str, state: &str, at: &InRealm) -> Hint {
    let (email, at) = (email.to_owned(), at.clone());
    match state {
        "deleted" => Hint::new("undelete them", UserAction::Undelete(email, at)),
        "disabled" => Hint::new("enable them", UserAction::Enable(email, at)),
        "locked" => Hint::new("unlock them", UserAction::Unlock(email, at)),
        _ => Hint::new("see their state", UserAction::Show(email, at)),
    }
}
