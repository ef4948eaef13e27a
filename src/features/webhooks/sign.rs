//! Secrets and signatures as Standard Webhooks 1.0.0 has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::infra::crypto::random::{self, RandomError};
use crate::infra::crypto::{PublicKey, SignError, Signer};
use crate::kernel::WebhookId;

/// How a secret begins, and the public half of a key pair.
const SECRET_PREFIX: &str = "whsec_";
const PUBLIC_PREFIX: &str = "whpk_";
/// Bytes of a secret: 24 to 64 are allowed.
const SECRET_LEN: usize = 32;

/// The name of a secret among the tenant's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sealed {
    /// What signs.
    Secret,
    /// What signed before, and does so until receivers know the other.
    Previous,
    /// The private half of a key pair.
    KeyPair,
}

impl Sealed {
    pub(super) const ALL: [Self; 3] = [Self::Secret, Self::Previous, Self::KeyPair];

    pub(super) fn of(self, id: WebhookId) -> String {
        let what = match self {
            Self::Secret => "secret",
            Self::Previous => "previous",
            Self::KeyPair => "keypair",
        };
        format!("webhook.{}.{what}", id.uuid().simple())
    }
}

/// A new secret, as receivers are given it.
pub(super) fn new_secret() -> Result<SecretString, RandomError> {
    let mut bytes = Zeroizing::new([0; SECRET_LEN]);
    random::fill(&mut *bytes)?;
    let text = Zeroizing::new(STANDARD.encode(*bytes));
    Ok(SecretString::from(format!("{SECRET_PREFIX}{}", *text)))
}

/// A public key, as receivers are given it.
pub(super) fn public_text(key: &PublicKey) -> String {
    format!("{PUBLIC_PREFIX}{}", STANDARD.encode(key.bytes()))
}

/// What signs a webhook.
pub(super) struct Signing {
    /// The present one first.
    pub(super) secrets: Vec<SecretString>,
    /// The private half of a key pair as it is sealed.
    pub(super) key_pair: Option<SecretString>,
}

impl Signing {
    /// The header `webhook-signature`: one signature by each, with a space between them.
    pub(super) fn header(&self, id: &str, timestamp: i64, body: &str) -> Result<String, SignError> {
        let content = format!("{id}.{timestamp}.{body}");
        let mut all = Vec::with_capacity(3);
        for secret in &self.secrets {
            let text = secret.expose_secret();
            let text = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
            let key = Zeroizing::new(STANDARD.decode(text).map_err(|_| SignError::PrivateKey)?);
            let mut mac =
                <Hmac<Sha256> as KeyInit>::new_from_slice(&key).map_err(|_| SignError::PrivateKey)?;
            mac.update(content.as_bytes());
            all.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
        }
        if let Some(sealed) = &self.key_pair {
            all.push(format!("v1a,{}", Signer::open(sealed)?.sign(content.as_bytes())));
        }
        Ok(all.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries.
    #[test]
    fn the_example_of_the_standard_is_signed_as_there() {
        let secrets = vec![SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let signing = Signing { secrets, key_pair: None };
        let signed = signing.header("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_live_secret_and_the_key_pair_signs() {
        let (signer, sealed) = Signer::generate().unwrap();
        let (new, old) = (new_secret().unwrap(), new_secret().unwrap());
        assert!(new.expose_secret().starts_with("whsec_") && new.expose_secret() != old.expose_secret());
        let signing = Signing { secrets: vec![new, old], key_pair: Some(sealed) };
        let header = signing.header("evt_1", 7, "{}").unwrap();
        let parts: Vec<&str> = header.split(' ').collect();
        assert_eq!(
            parts.iter().map(|part| part.split_once(',').unwrap().0).collect::<Vec<_>>(),
            ["v1", "v1", "v1a"]
        );
        assert_ne!(parts[0], parts[1]);
        assert!(signer.public().verifies(b"evt_1.7.{}", parts[2].strip_prefix("v1a,").unwrap()));
        assert!(public_text(&signer.public()).starts_with("whpk_"));
    }
}
