//! Tokens: access tokens that any service can check with a public key, the keys that sign them,
//! what takes them back; refresh tokens and API keys.
//!
//! Knows the control database's tables `signing_keys`, `issued_tokens` and `token_revocations`, and
//! a realm's tables `refresh_tokens` and `api_keys`. Uses the doors of audit, iam, secrets and tenants.
//! Start reading at [`Tokens`], then `claims.rs` and `ring.rs` (what is accepted), `rotation.rs`
//! (a key's life), [`Verifier`] (for whoever runs for long); `docs/tokens.md` says what is promised.

mod api_keys;
mod claims;
mod error;
mod examine;
mod for_service;
mod inspect;
mod introspect;
mod issued;
mod keys;
mod lost;
mod mint;
mod model;
mod offline;
mod opaque;
mod published;
mod realm;
mod refresh;
mod revoke;
mod ring;
mod rotation;
mod sign_in;
mod signers;
mod store;
mod subject;
mod switch;
mod tickets;
mod verifier;
mod words;

use std::time::Duration;

pub use api_keys::{ApiKeyFilter, ApiKeyPosition, ApiKeyView, KeyHolder, NewApiKey};
pub use claims::{Actor, CLIENT, Claims, Expected, MAX_IMPERSONATION, MAX_TTL, SKEW};
pub use error::TokenError;
pub use examine::SigningFlaw;
pub(in crate::features) use examine::examine;
pub(in crate::features) use for_service::ServiceToken;
pub use inspect::{Inspected, Problem, inspect};
pub use introspect::Introspector;
pub use issued::{ISSUE_TIME, IssueTime};
pub use mint::{For, Impersonation, Issuer, MintRequest, Minted, NewToken};
pub use model::{IssuedFilter, IssuedView, KeyState, KeyView, Purpose, Rotated};
pub use offline::{DevelopmentKey, DevelopmentRealm};
pub use opaque::Presented;
pub use realm::Realm;
pub use refresh::{GRACE, IDLE_LIFE, Refreshed, SignOut};
pub(in crate::features) use revoke::revoke_everything;
pub use revoke::{Before, Revocation, Revoked};
pub(crate) use revoke::{revoke_all, revoke_session};
pub use ring::{KeyRing, KeySet, RingKey};
pub use rotation::{NOTICE, OVERLAP};
pub use sign_in::{Entrance, SignedIn};
pub use signers::Signers;
pub(crate) use tickets::{issue_ticket, redeem_ticket};
pub use verifier::Verifier;
pub use words::{Audience, ExtraClaim, KeyLifetime, KeyName};

use crate::features::secrets::Secrets;
use crate::settings::LostAnswer;

/// Issues tokens and looks after their keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Seals the private keys.
    pub secrets: Secrets,
    /// The private keys that are open.
    pub signers: Signers,
    /// The `iss` of every token.
    pub issuer: String,
    /// The `iss` of tokens of earlier releases, and of development keys that they exported: accepted, too.
    pub former_issuer: String,
    /// The `aud` where none is asked for.
    pub audience: String,
    /// How long a token is good where nothing else is asked for.
    pub ttl: Duration,
    /// Whether tokens of a development key are accepted.
    pub development: bool,
    /// For how long the answer to a refresh is given again.
    pub lost_answer: LostAnswer,
}
