//! Secrets that mean nothing by themselves: refresh tokens and API keys. A prefix to recognise a
//! leaked one by, then the realm's id and 256 random bits; kept as their SHA-256. Guessing one is
//! hopeless, so the hash needs neither salt nor stretching.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::TokenError;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::crypto::random::{self, RandomError};
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, ErrorKind, Failure, TenantId};

/// How every refresh token begins.
pub(super) const REFRESH: &str = "nxr_";
/// How every API key begins.
pub(super) const API_KEY: &str = "nxk_";

/// What somebody presents who has nothing else: the realm is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// A refresh token.
    Refresh,
    /// An API key.
    ApiKey,
}

impl Presented {
    /// The one answer to whatever is refused.
    pub fn refusal(self) -> TokenError {
        match self {
            Self::Refresh => TokenError::RefreshInvalid,
            Self::ApiKey => TokenError::KeyInvalid,
        }
    }

    /// The realm that it says it belongs to; whether it does is found out there.
    ///
    /// # Errors
    /// The one answer, where it has not the form.
    pub fn realm(self, presented: &SecretString) -> Result<TenantId, TokenError> {
        let prefix = if self == Self::Refresh { REFRESH } else { API_KEY };
        Opaque::parse(prefix, presented).map(|opaque| opaque.realm).ok_or_else(|| self.refusal())
    }

    /// The tenant in use of an id that was presented. Whether there is such a tenant, and how it
    /// stands, is nobody's business who has no secret of it.
    ///
    /// # Errors
    /// The one answer, where there is none or it is not in use; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn tenant(
        self,
        control: &mut PgConnection,
        caller: &Caller,
        id: TenantId,
    ) -> Result<Tenant, TokenError> {
        let found = tenants::enter(control, caller, &TenantRef::Id(id)).await.and_then(Tenant::active);
        found.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict => self.refusal(),
            _ => error.into(),
        })
    }
}

/// Bytes of a realm's id.
const REALM_LEN: usize = 16;
/// Bytes after the prefix: 64 characters of base64url, without a bit to spare.
const BODY_LEN: usize = REALM_LEN + 32;

/// A secret of one realm.
pub(super) struct Opaque {
    text: SecretString,
    /// The realm that it belongs to.
    pub(super) realm: TenantId,
}

impl Opaque {
    /// Makes one.
    pub(super) fn generate(prefix: &str, realm: TenantId) -> Result<Self, RandomError> {
        let mut body = Zeroizing::new([0; BODY_LEN]);
        body[..REALM_LEN].copy_from_slice(realm.uuid().as_bytes());
        random::fill(&mut body[REALM_LEN..])?;
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + BODY_LEN * 4 / 3));
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(body.as_slice(), &mut text);
        Ok(Self { text: SecretString::from(text.as_str()), realm })
    }

    /// Reads one; `None` when it has not the form.
    pub(super) fn parse(prefix: &str, text: &SecretString) -> Option<Self> {
        let body = text.expose_secret().strip_prefix(prefix)?;
        let mut bytes = Zeroizing::new([0; BODY_LEN]);
        match URL_SAFE_NO_PAD.decode_slice(body, &mut *bytes) {
            Ok(BODY_LEN) => {}
            _ => return None,
        }
        let realm = Uuid::from_slice(&bytes[..REALM_LEN]).ok()?;
        Some(Self { text: text.clone(), realm: TenantId::from(realm) })
    }

    /// What is handed out.
    pub(super) fn text(&self) -> &SecretString {
        &self.text
    }

    /// What is kept.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.expose_secret()).into()
    }

    /// A key that only who has this secret can make: another digest of it than the one that is kept.
    pub(super) fn key(&self, purpose: &str) -> SecretBox<[u8; 32]> {
        let mut digest = Sha256::new();
        digest.update((purpose.len() as u64).to_be_bytes());
        digest.update(purpose);
        digest.update(self.text.expose_secret());
        SecretBox::new(Box::new(digest.finalize().into()))
    }

    /// The last four characters.
    pub(super) fn hint(&self) -> String {
        let text = self.text.expose_secret();
        text[text.len() - 4..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_read_back_and_nothing_else_is_one() {
        let realm = TenantId::new();
        let made = Opaque::generate(REFRESH, realm).unwrap();
        let text = made.text().expose_secret().to_owned();
        assert_eq!(text.len(), 68);
        let read = Opaque::parse(REFRESH, made.text()).unwrap();
        assert_eq!((read.realm, read.hash()), (realm, made.hash()));
        assert!(Opaque::parse(API_KEY, made.text()).is_none());
        let tail = &text[..text.len() - 1];
        for wrong in
            ["", "nxr_", tail, &format!("{text}A"), &text.replace("nxr_", "NXR_"), &format!(" {text}")]
        {
            assert!(Opaque::parse(REFRESH, &SecretString::from(wrong)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_opens_nothing() {
        let made = Opaque::generate(REFRESH, TenantId::PLATFORM).unwrap();
        assert_ne!(made.key("a").expose_secret(), &made.hash());
        assert_ne!(made.key("a").expose_secret(), made.key("b").expose_secret());
    }
}
