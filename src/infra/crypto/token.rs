//! Invitation tokens: shown once to the person invited, kept as a hash.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::random::{self, RandomError};

/// How every invitation begins, so that a leaked one is recognised.
const PREFIX: &str = "nxi_";
/// Characters of base64url for 256 bits.
const BODY_LEN: usize = 43;

/// An invitation: `nxi_` and 256 random bits in base64url. Guessing one is hopeless, so its hash
/// needs neither salt nor stretching.
pub struct InvitationToken(SecretString);

/// The text is not an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation is '{PREFIX}' and {BODY_LEN} characters of base64url")]
pub struct NotAToken;

impl InvitationToken {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        let body = random::token()?;
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + BODY_LEN));
        text.push_str(PREFIX);
        text.push_str(body.expose_secret());
        Ok(Self(SecretString::from(text.as_str())))
    }

    /// Of what a person sent.
    ///
    /// # Errors
    /// [`NotAToken`] when it has not the form of one.
    pub fn parse(text: &SecretString) -> Result<Self, NotAToken> {
        let body = text.expose_secret().strip_prefix(PREFIX).filter(|body| body.len() == BODY_LEN);
        let mut bytes = Zeroizing::new([0; 32]);
        match body.map(|body| URL_SAFE_NO_PAD.decode_slice(body, &mut *bytes)) {
            Some(Ok(32)) => Ok(Self(text.clone())),
            _ => Err(NotAToken),
        }
    }

    /// The text, to be handed to the person once.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    /// What is kept: the SHA-256 of the text.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.expose_secret()).into())
    }
}

impl fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationToken([REDACTED])")
    }
}

/// The SHA-256 of an invitation. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of the bytes that were kept. `None` when they are not 32.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the hash of that token.
    #[must_use]
    pub fn is_of(&self, token: &InvitationToken) -> bool {
        *self == token.hash()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_by_its_hash() {
        let (token, other) = (InvitationToken::generate().unwrap(), InvitationToken::generate().unwrap());
        let stored = TokenHash::from_stored(token.hash().as_bytes()).unwrap();
        let sent = InvitationToken::parse(&token.text().clone()).unwrap();
        assert!(stored.is_of(&sent));
        assert!(!stored.is_of(&other));
        assert!(TokenHash::from_stored(&[0; 31]).is_none());
    }

    #[test]
    fn the_hash_is_the_sha_256_of_the_text() {
        let text = SecretString::from(format!("nxi_{}", "A".repeat(43)));
        let hash = InvitationToken::parse(&text).unwrap().hash();
        assert_eq!(hash.as_bytes()[..], Sha256::digest(text.expose_secret())[..]);
    }

    #[test]
    fn anything_else_is_not_a_token() {
        let body = "A".repeat(43);
        for bad in [
            "",
            "nxi_",
            &body,
            &format!("nxi_{body}A"),
            &format!("NXI_{body}"),
            &format!("nxi_{}B", &body[1..]),
        ] {
            assert_eq!(InvitationToken::parse(&SecretString::from(bad)).unwrap_err(), NotAToken, "{bad}");
        }
    }

    #[test]
    fn a_token_prints_nothing_of_itself() {
        let token = InvitationToken::generate().unwrap();
        let text = format!("{token:?} {:?}", token.hash());
        assert!(!text.contains(&token.text().expose_secret()[4..]));
        assert_eq!(text, "InvitationToken([REDACTED]) TokenHash(…)");
    }
}
