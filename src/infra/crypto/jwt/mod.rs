//! JSON Web Tokens in compact form (RFC 7515, RFC 7519), read the strict way: what a token's own
//! words could change about how it is checked is not looked at, or refused.
//!
//! Knows envelopes, headers and JSON; what a claim means is the business of who calls.
//! Start reading at [`verified`].

mod error;
mod header;
mod strict;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

pub use error::JwtError;
pub use header::{Header, SERVICE_TYPE, TYPE};
pub use strict::object;

use super::signing::{PublicKey, SigningError, SigningKey};

/// Most bytes of a token: what fits in the header line that servers take by default, twice over.
/// Checked before anything is parsed.
pub const MAX_BYTES: usize = 8 * 1024;

/// A token in its three parts, of which nothing is believed.
#[derive(Debug, Clone, Copy)]
pub struct Compact<'a> {
    /// What is signed: header and payload as they were written.
    message: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Cuts a token in its parts.
    ///
    /// # Errors
    /// A [`JwtError`] of its form.
    pub fn cut(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_BYTES {
            return Err(JwtError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Shape)?;
        let (header, payload) = message.split_once('.').ok_or(JwtError::Shape)?;
        // Two more parts would be an encrypted token (RFC 7516, section 3.1).
        if payload.contains('.') {
            return Err(JwtError::Shape);
        }
        Ok(Self { message, header, payload, signature })
    }

    /// Its header.
    ///
    /// # Errors
    /// A [`JwtError`] of the header.
    pub fn header(&self) -> Result<Header, JwtError> {
        Header::read(&decoded(self.header)?)
    }

    /// The claims, whoever signed them: for showing to a person only.
    ///
    /// # Errors
    /// A [`JwtError`] of their form.
    pub fn unverified_claims(&self) -> Result<Map<String, Value>, JwtError> {
        object(&decoded(self.payload)?).map_err(|_| JwtError::Payload)
    }

    /// The claims, if the signature is this key's.
    fn claims(&self, key: &PublicKey) -> Result<Map<String, Value>, JwtError> {
        if self.signature.is_empty() || !key.verifies(self.message.as_bytes(), self.signature) {
            return Err(JwtError::Signature);
        }
        self.unverified_claims()
    }
}

/// What a token's key is looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// The token's header, as it stands there: the [`header_of`] the key, letter for letter.
    Header(&'a str),
    /// The key's id, which is compared as it is and means nothing else.
    Id(&'a str),
}

/// The claims of a token that one of these keys signed. `key` is asked for one by the header first,
/// which need not be read then, and by its id next.
///
/// # Errors
/// A [`JwtError`]; which one is for logs and for who looks at a token, never for who sent it.
pub fn verified<K: AsRef<PublicKey>>(
    token: &str,
    mut key: impl FnMut(By<'_>) -> Option<K>,
) -> Result<Map<String, Value>, JwtError> {
    let token = Compact::cut(token)?;
    if let Some(key) = key(By::Header(token.header)) {
        return token.claims(key.as_ref());
    }
    let header = token.header()?;
    let key = key(By::Id(&header.kid)).ok_or(JwtError::UnknownKey)?;
    if header.alg != key.as_ref().algorithm().as_str() {
        return Err(JwtError::Algorithm);
    }
    token.claims(key.as_ref())
}

/// The header of every access token that a key signs, as it stands in them.
#[must_use]
pub fn header_of(key: &PublicKey) -> String {
    header_as(TYPE, key)
}

fn header_as(kind: &str, key: &PublicKey) -> String {
    let header = Header { alg: key.algorithm().as_str().to_owned(), kid: key.id().to_owned() };
    URL_SAFE_NO_PAD.encode(header.written(kind))
}

impl AsRef<Self> for PublicKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Writes and signs an access token.
///
/// # Errors
/// [`SigningError`] when the key refuses or the claims are no JSON.
pub fn signed(claims: &impl Serialize, key: &SigningKey) -> Result<String, SigningError> {
    signed_as(TYPE, claims, key)
}

/// Writes and signs a token of this `typ`.
///
/// # Errors
/// As [`signed`].
pub fn signed_as(kind: &str, claims: &impl Serialize, key: &SigningKey) -> Result<String, SigningError> {
    let payload = serde_json::to_vec(claims).map_err(|_| SigningError::Sign)?;
    let mut token = header_as(kind, key.public());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Whether a text has the form of an access token that Nexus writes. Who signed it is not asked.
#[must_use]
pub fn is_access_token(text: &str) -> bool {
    Compact::cut(text).is_ok_and(|token| token.header().is_ok() && token.unverified_claims().is_ok())
}

/// Base64url without padding, and in its one canonical form: no other text stands for the same bytes.
fn decoded(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Base64)
}

#[cfg(test)]
mod tests;
