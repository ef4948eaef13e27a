//! What can go wrong with tokens and their keys.

use serde_json::{Value, json};
use uuid::Uuid;

use super::realm::RealmName;
use crate::features::iam::Subject;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::jwt::Flaw;
use crate::infra::crypto::random::RandomError;
use crate::infra::crypto::signing::{Algorithm, SigningError};
use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure, shell, suggest};

/// A request about tokens or their keys that failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// One answer for every token that is refused, whatever the reason: who sends one learns
    /// nothing from it.
    #[error("the token is not valid")]
    Invalid(Flaw),
    /// Nobody can say whether a token is good: what was revoked is not known well enough.
    #[error("tokens cannot be checked: the list of revoked ones was last read {seconds} s ago")]
    Stale {
        /// How long ago.
        seconds: u64,
    },
    /// Nobody of that e-mail address.
    #[error("no user {email:?} in {realm}")]
    NoUser {
        /// Who was asked for.
        email: String,
        /// Where.
        realm: String,
        /// The nearest that there is.
        nearest: Option<String>,
        /// What to type where none is near.
        hint: String,
    },
    /// The user may not sign in.
    #[error("user {email:?} is {state}, not active")]
    NotActive {
        /// Who.
        email: String,
        /// In which state.
        state: String,
        /// The realm, as [`RealmName::flag`] writes it.
        at: String,
    },
    /// The user does not hold what the token should allow.
    #[error("user {email:?} does not hold {permission}")]
    NotHeld {
        /// Who.
        email: String,
        /// What.
        permission: String,
        /// What it holds that comes nearest.
        nearest: Option<String>,
        /// The realm, as [`RealmName::flag`] writes it.
        at: String,
    },
    /// The request itself is wrong.
    #[error("{0}")]
    Request(String),
    /// The user's tokens were revoked while one was being minted.
    #[error("the tokens of {email:?} were revoked at this moment; no token was minted")]
    Changed {
        /// Whose.
        email: String,
    },
    /// No such key.
    #[error("no signing key {0:?}")]
    NoKey(String),
    /// The key's state forbids it.
    #[error("signing key {kid} is {state}; {why}")]
    KeyState {
        /// Which.
        kid: String,
        /// Its state.
        state: &'static str,
        /// Why that is in the way.
        why: &'static str,
        /// What to type instead.
        hint: String,
    },
    /// The next key is not yet known everywhere.
    #[error(
        "the next key {kid} was published {age} s ago; services may keep an older key set for {notice} s"
    )]
    TooYoung {
        /// Which.
        kid: String,
        /// For how long it has been there, in seconds.
        age: i64,
        /// For how long it has to be, in seconds.
        notice: i64,
    },
    /// A key's row is not what was sealed.
    #[error("signing key {0} is not what was sealed: somebody changed the control database")]
    KeyDamaged(String),
    /// What is sealed of a key was changed or taken away.
    #[error("what is sealed of signing key {kid} was changed or taken away")]
    KeyLost {
        /// Which.
        kid: String,
        /// What to type.
        hint: String,
    },
    /// The row of the key that signs is gone; its successor is there.
    #[error("no {0} key signs, although the next one is published: somebody changed the control database")]
    NoActiveKey(Algorithm),
    /// A key set or a development key cannot be read.
    #[error("{place} is not a usable key set: {reason}")]
    KeySet {
        /// Where it is from.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A development key cannot be read.
    #[error("{place} is not a usable development key: {reason}")]
    DevelopmentKey {
        /// The file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server of a key set does not give it.
    #[error("{url} gives no key set: {reason}")]
    Fetch {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// One answer for every refresh token that is refused.
    #[error("the refresh token is not valid; sign in again")]
    RefreshInvalid,
    /// The same refresh token is in use at this moment.
    #[error("the refresh token is being exchanged at this moment; ask again in a second")]
    RefreshBusy,
    /// One answer for every API key that is refused.
    #[error("the API key is not valid")]
    KeyInvalid,
    /// No such API key.
    #[error("no API key {id} in {}", .realm.display())]
    NoApiKey {
        /// Which.
        id: Uuid,
        /// Where.
        realm: RealmName,
    },
    /// There is one of that name.
    #[error("user {email:?} has an API key named {name:?} already")]
    ApiKeyExists {
        /// Whose.
        email: String,
        /// Its name.
        name: String,
        /// The realm, as [`RealmName::flag`] writes it.
        at: String,
    },
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A secret does not open, or cannot be sealed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A key cannot be made or used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The tenant is not there, or not in use.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The realm's owner cannot be acted as.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl TokenError {
    /// Of a user who may not sign in.
    pub(super) fn not_active(subject: &Subject, realm: &RealmName) -> Self {
        Self::NotActive { email: subject.email.clone(), state: subject.state.clone(), at: realm.flag() }
    }

    /// Of a user who does not hold a permission. What it holds by `*:action` is taken for one of
    /// the resource that was asked for.
    pub(super) fn not_held(subject: &Subject, realm: &RealmName, wanted: &str) -> Self {
        let resource = wanted.split(':').next().unwrap_or_default();
        let held: Vec<_> =
            subject.permissions.iter().map(|it| it.replace("*:", &format!("{resource}:"))).collect();
        let plain = held.iter().map(String::as_str).filter(|it| !it.contains('*'));
        Self::NotHeld {
            email: subject.email.clone(),
            permission: wanted.to_owned(),
            nearest: suggest::nearest(wanted, plain).map(str::to_owned),
            at: realm.flag(),
        }
    }

    /// Why a token was refused: for logs.
    #[must_use]
    pub fn flaw(&self) -> Option<Flaw> {
        match self {
            Self::Invalid(flaw) => Some(*flaw),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for TokenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Failure for TokenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::RefreshInvalid | Self::KeyInvalid => ErrorKind::Unauthenticated,
            Self::Stale { .. } | Self::Fetch { .. } => ErrorKind::Unavailable,
            Self::NoUser { .. } | Self::NoKey(_) | Self::NoApiKey { .. } => ErrorKind::NotFound,
            Self::NotHeld { .. } => ErrorKind::Forbidden,
            Self::Request(_) => ErrorKind::Invalid,
            Self::NotActive { .. }
            | Self::KeyState { .. }
            | Self::TooYoung { .. }
            | Self::ApiKeyExists { .. } => ErrorKind::Conflict,
            Self::KeyDamaged(_)
            | Self::KeyLost { .. }
            | Self::NoActiveKey(_)
            | Self::KeySet { .. }
            | Self::DevelopmentKey { .. } => ErrorKind::Integrity,
            Self::RefreshBusy | Self::Changed { .. } => ErrorKind::Busy,
            Self::Db(error) => error.kind(),
            Self::Secrets(error) => error.kind(),
            Self::Signing(error) => error.kind(),
            Self::Tenant(error) => error.kind(),
            Self::Cluster(error) => error.kind(),
            Self::Random(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "token_invalid",
            Self::Stale { .. } => "token_check_stale",
            Self::NoUser { .. } => "user_not_found",
            Self::NotActive { .. } => "user_not_active",
            Self::NotHeld { .. } => "permission_not_held",
            Self::Request(_) => "token_request_invalid",
            Self::NoKey(_) => "signing_key_not_found",
            Self::KeyState { .. } => "signing_key_state",
            Self::TooYoung { .. } => "signing_key_too_young",
            Self::KeyDamaged(_) | Self::KeyLost { .. } => "signing_key_damaged",
            Self::NoActiveKey(_) => "signing_key_missing",
            Self::KeySet { .. } => "key_set_invalid",
            Self::DevelopmentKey { .. } => "development_key_invalid",
            Self::Fetch { .. } => "key_set_unreachable",
            Self::RefreshInvalid => "refresh_token_invalid",
            Self::RefreshBusy => "refresh_in_progress",
            Self::Changed { .. } => "tokens_revoked_meanwhile",
            Self::KeyInvalid => "api_key_invalid",
            Self::NoApiKey { .. } => "api_key_not_found",
            Self::ApiKeyExists { .. } => "api_key_exists",
            Self::Db(error) => error.code(),
            Self::Secrets(error) => error.code(),
            Self::Signing(error) => error.code(),
            Self::Tenant(error) => error.code(),
            Self::Cluster(error) => error.code(),
            Self::Random(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Invalid(_) => one("see what is wrong with it: nexus token inspect --check --file FILE"),
            Self::NoUser { nearest: Some(nearest), .. } | Self::NotHeld { nearest: Some(nearest), .. } => {
                vec![format!("did you mean {}?", shell::word(nearest))]
            }
            Self::NoKey(_) => one("see which there are: nexus key list"),
            Self::KeyState { hint, .. } | Self::KeyLost { hint, .. } => vec![hint.clone()],
            Self::KeyDamaged(_) => vec!["see what was changed: nexus fsck".to_owned()],
            Self::NoActiveKey(algorithm) => {
                vec![format!("nexus key rotate --algorithm {}", algorithm.as_str())]
            }
            Self::TooYoung { age, notice, .. } => vec![
                format!("wait {} s more", notice - age),
                "where nobody outside checks tokens: nexus key rotate --now".to_owned(),
            ],
            Self::RefreshBusy => one("ask again in a second"),
            Self::Changed { .. } => one("run the same command again"),
            Self::NoUser { hint, .. } => one(hint),
            Self::NotActive { email, state, at } => state_hint(email, state, at),
            Self::NotHeld { email, permission, at, .. } => {
                let (email, permission) = (shell::word(email), shell::word(permission));
                vec![format!("see why: nexus user can {email} {permission} --explain{at}")]
            }
            Self::NoApiKey { realm, .. } => {
                vec![format!("see which there are: nexus api-key list{}", realm.flag())]
            }
            Self::ApiKeyExists { email, at, .. } => {
                vec![format!("see them: nexus api-key list --user {}{at}", shell::word(email))]
            }
            Self::Db(error) => error.hints(),
            Self::Secrets(error) => error.hints(),
            Self::Signing(error) => error.hints(),
            Self::Tenant(error) => error.hints(),
            Self::Cluster(error) => error.hints(),
            Self::Random(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        match self {
            Self::Tenant(error) => error.neighbour(),
            _ => None,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NoUser { email, nearest, .. } => json!({ "email": email, "nearest": nearest }),
            Self::NotActive { email, state, .. } => json!({ "email": email, "state": state }),
            Self::NotHeld { email, permission, nearest, .. } => {
                json!({ "email": email, "permission": permission, "nearest": nearest })
            }
            Self::KeyState { kid, state, .. } => json!({ "kid": kid, "state": state }),
            Self::TooYoung { kid, age, notice } => json!({ "kid": kid, "wait": notice - age }),
            Self::Db(error) => error.details(),
            Self::Secrets(error) => error.details(),
            Self::Tenant(error) => error.details(),
            _ => Value::Null,
        }
    }
}

/// What lets a user in who may not sign in.
fn state_hint(email: &str, state: &str, at: &str) -> Vec<String> {
    let email = shell::word(email);
    let command = match state {
        "deleted" => format!("have it back: nexus user undelete {email}{at}"),
        "disabled" => format!("let it in: nexus user enable {email}{at}"),
        "locked" => format!("let it in: nexus user unlock {email}{at}"),
        _ => format!("see how it stands: nexus user show {email}{at}"),
    };
    vec![command]
}
