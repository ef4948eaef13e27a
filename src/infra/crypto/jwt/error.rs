//! What can be wrong with a token.

use serde::Serialize;

/// Why a token is refused. For logs, and for a person who looks at a token of their own; who sends
/// one is told only that it is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum JwtError {
    /// More than [`super::MAX_BYTES`].
    #[error("it is longer than 8 KiB")]
    TooLong,
    /// Not three parts.
    #[error("it is not three parts with a dot between them")]
    Shape,
    /// A part is not canonical base64url.
    #[error("a part is not base64url without padding")]
    Base64,
    /// The header is not a JSON object of three strings.
    #[error("its header is not a JSON object with alg, typ and kid")]
    Header,
    /// The header has a member that Nexus never writes, e.g. `crit`, `jwk`, `jku`, `x5u`.
    #[error("its header says more than alg, typ and kid")]
    HeaderMember,
    /// Not an access token.
    #[error("its typ is not at+jwt")]
    Type,
    /// No such key, or one that is gone.
    #[error("no key of that kid is accepted")]
    UnknownKey,
    /// Another algorithm than the key's.
    #[error("its alg is not the one of its key")]
    Algorithm,
    /// Not signed by the key.
    #[error("its signature is wrong")]
    Signature,
    /// The payload is not a JSON object, or says something twice.
    #[error("its payload is not a JSON object that says everything once")]
    Payload,
    /// A claim that must be there is not, or is of another type.
    #[error("a claim is missing or of the wrong type")]
    Claim,
    /// Another issuer.
    #[error("its issuer is another one")]
    Issuer,
    /// For somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// Not yet begun.
    #[error("it is not valid yet")]
    NotYet,
    /// It would live longer than any token may.
    #[error("it lives longer than a token may")]
    TooLongLived,
    /// Signed after its key had stopped signing.
    #[error("its key had stopped signing when it was issued")]
    AfterKey,
    /// Of another realm than its key signs for.
    #[error("its key does not sign for its tenant")]
    Realm,
    /// Taken back.
    #[error("it was revoked")]
    Revoked,
}

impl JwtError {
    /// A stable word.
    #[must_use]
    pub fn code(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}
