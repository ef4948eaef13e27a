//! JSON Web Tokens in compact form (RFC 7515, RFC 7519), read the strict way: what a token's own
//! words could change about how it is checked is not looked at, or refused.
//!
//! Knows envelopes, headers and JSON; what a claim means is the business of who calls.
//! Start reading at [`verified`].

mod flaw;
mod header;
mod strict;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

pub use flaw::Flaw;
pub use header::{Header, TYPE};
pub use strict::object;

use super::signing::{PublicKey, SigningError, SigningKey};

/// Most bytes of a token: what fits in the header line that servers take by default, twice over.
/// Checked before anything is parsed.
pub const MAX_BYTES: usize = 8 * 1024;

/// A token in its three parts, of which nothing is believed.
#[derive(Debug, Clone)]
pub struct Compact<'a> {
    /// What is signed: header and payload as they were written.
    pub message: &'a str,
    /// The header.
    pub header: Header,
    payload: &'a str,
    signature: &'a str,
}

/// Cuts a token in its parts and reads its header.
///
/// # Errors
/// A [`Flaw`] of its form or of its header.
pub fn parse(token: &str) -> Result<Compact<'_>, Flaw> {
    let Parts { message, header, payload, signature } = cut(token)?;
    let header = Header::read(&decoded(header)?)?;
    Ok(Compact { message, header, payload, signature })
}

struct Parts<'a> {
    message: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

fn cut(token: &str) -> Result<Parts<'_>, Flaw> {
    if token.len() > MAX_BYTES {
        return Err(Flaw::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Flaw::Shape)?;
    let (header, payload) = message.split_once('.').ok_or(Flaw::Shape)?;
    // Two more parts would be an encrypted token (RFC 7516, section 3.1).
    if payload.contains('.') {
        return Err(Flaw::Shape);
    }
    Ok(Parts { message, header, payload, signature })
}

impl Compact<'_> {
    /// The claims, whoever signed them: for showing to a person only.
    ///
    /// # Errors
    /// A [`Flaw`] of their form.
    pub fn unverified_claims(&self) -> Result<Map<String, Value>, Flaw> {
        object(&decoded(self.payload)?).map_err(|_| Flaw::Payload)
    }

    /// Whether the signature is this key's, and of the key's algorithm.
    ///
    /// # Errors
    /// [`Flaw::Algorithm`], [`Flaw::Signature`].
    pub fn check(&self, key: &PublicKey) -> Result<(), Flaw> {
        if self.header.alg != key.algorithm().as_str() {
            return Err(Flaw::Algorithm);
        }
        if self.signature.is_empty() || !key.verifies(self.message.as_bytes(), self.signature) {
            return Err(Flaw::Signature);
        }
        Ok(())
    }
}

/// The claims of a token that one of these keys signed. `key` finds a key by its id, which is
/// compared as it is and means nothing else.
///
/// # Errors
/// A [`Flaw`]; which one is for logs and for who looks at a token, never for who sent it.
pub fn verified<K: AsRef<PublicKey>>(
    token: &str,
    key: impl FnOnce(&str) -> Option<K>,
) -> Result<Map<String, Value>, Flaw> {
    let compact = parse(token)?;
    let key = key(&compact.header.kid).ok_or(Flaw::UnknownKey)?;
    compact.check(key.as_ref())?;
    compact.unverified_claims()
}

/// The header of every token that a key signs, as it stands in them.
#[must_use]
pub fn header_of(key: &PublicKey) -> String {
    let header = Header { alg: key.algorithm().as_str().to_owned(), kid: key.id().to_owned() };
    URL_SAFE_NO_PAD.encode(header.written())
}

/// The same as [`verified`] for a token whose header is, letter for letter, the [`header_of`] one of
/// the keys that `key` finds by it: nothing is left to be read in it. `None` when it is another.
///
/// # Errors
/// A [`Flaw`].
pub fn verified_by_header<K: AsRef<PublicKey>>(
    token: &str,
    key: impl FnOnce(&str) -> Option<K>,
) -> Result<Option<Map<String, Value>>, Flaw> {
    let parts = cut(token)?;
    let Some(key) = key(parts.header) else { return Ok(None) };
    if parts.signature.is_empty() || !key.as_ref().verifies(parts.message.as_bytes(), parts.signature) {
        return Err(Flaw::Signature);
    }
    object(&decoded(parts.payload)?).map(Some).map_err(|_| Flaw::Payload)
}

impl AsRef<Self> for PublicKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Writes and signs a token.
///
/// # Errors
/// [`SigningError`] when the key refuses or the claims are no JSON.
pub fn signed(claims: &impl Serialize, key: &SigningKey) -> Result<String, SigningError> {
    let payload = serde_json::to_vec(claims).map_err(|_| SigningError::Sign)?;
    let mut token = header_of(key.public());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Base64url without padding, and in its one canonical form: no other text stands for the same bytes.
fn decoded(part: &str) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Base64)
}

#[cfg(test)]
mod tests;
