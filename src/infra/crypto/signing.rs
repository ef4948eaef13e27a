//! Keys that sign: Ed25519, ECDSA on P-256, RSA. One algorithm for each key, for all of its life
//! (RFC 8725, section 3.1).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse, ThumbprintHash,
};
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use super::weak;
use crate::kernel::Failure;

/// Bits of a new RSA key: 128 bits of strength, good beyond 2030 (NIST SP 800-57 part 1, table 2).
const RSA_SIZE: KeySize = KeySize::Rsa3072;

/// Characters of a key's id: 128 bits of its thumbprint in hexadecimal.
const ID_LEN: usize = 32;

/// How a key signs. The names are those of RFC 7518, section 3.1, and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519: small, fast, nothing to choose.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The name in a token's header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    fn of_jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = SigningError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(SigningError::NotAKey("unknown algorithm"))
    }
}

/// A key cannot be made, read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Failure)]
pub enum SigningError {
    /// The library refused to make a signing key.
    #[error("no signing key could be made")]
    #[failure(Unavailable, "signing_key_not_made")]
    Generate,
    /// The bytes of a signing key are not one of its kind.
    #[error("this is not a signing key: {0}")]
    #[failure(Integrity, "signing_key_malformed")]
    NotAKey(&'static str),
    /// The library refused to sign.
    #[error("the signing key refused to sign")]
    #[failure(Unavailable, "signing_failed")]
    Sign,
}

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A private key. AWS-LC keeps it, and clears it when it is dropped; that is why it signs itself
/// and is not handed to the JWT library, which keeps a copy in ordinary memory.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key, off the threads of the runtime: for RSA that takes a second.
    ///
    /// # Errors
    /// [`SigningError::Generate`].
    pub async fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let made = tokio::task::spawn_blocking(move || Self::generate_blocking(algorithm)).await;
        made.unwrap_or(Err(SigningError::Generate))
    }

    /// The same on this thread.
    ///
    /// # Errors
    /// [`SigningError::Generate`].
    pub fn generate_blocking(algorithm: Algorithm) -> Result<Self, SigningError> {
        let failed = |_| SigningError::Generate;
        Self::of_pair(match algorithm {
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().map_err(failed)?),
            Algorithm::Es256 => {
                Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?)
            }
            Algorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::generate(RSA_SIZE).map_err(failed)?)),
        })
    }

    /// Of a PKCS #8 document (RFC 5208).
    ///
    /// # Errors
    /// [`SigningError::NotAKey`].
    pub fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Result<Self, SigningError> {
        let failed = |_| SigningError::NotAKey("no PKCS #8 document of that algorithm");
        Self::of_pair(match algorithm {
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::from_pkcs8(document).map_err(failed)?),
            Algorithm::Es256 => Pair::Ec(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).map_err(failed)?,
            ),
            Algorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(document).map_err(failed)?)),
        })
    }

    fn of_pair(pair: Pair) -> Result<Self, SigningError> {
        let (algorithm, key) = match &pair {
            Pair::Ed(pair) => (Algorithm::EdDsa, DecodingKey::from_ed_der(pair.public_key().as_ref())),
            Pair::Ec(pair) => (Algorithm::Es256, DecodingKey::from_ec_der(pair.public_key().as_ref())),
            Pair::Rsa(pair) => (Algorithm::Rs256, DecodingKey::from_rsa_der(pair.public_key().as_ref())),
        };
        let jwk = Jwk::from_decoding_key(&key, Some(algorithm.of_jwt()));
        let jwk = jwk.map_err(|_| SigningError::NotAKey("no public half"))?;
        Ok(Self { pair, public: PublicKey::from_jwk(&jwk)? })
    }

    /// The PKCS #8 document.
    ///
    /// # Errors
    /// [`SigningError::NotAKey`] when the library cannot write it.
    pub fn to_pkcs8(&self) -> Result<SecretSlice<u8>, SigningError> {
        const FAILED: SigningError = SigningError::NotAKey("it cannot be written as PKCS #8");
        let bytes: Box<[u8]> = match &self.pair {
            Pair::Ed(pair) => pair.to_pkcs8v1().map_err(|_| FAILED)?.as_ref().into(),
            Pair::Ec(pair) => pair.to_pkcs8v1().map_err(|_| FAILED)?.as_ref().into(),
            Pair::Rsa(pair) => AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&**pair)
                .map_err(|_| FAILED)?
                .as_ref()
                .into(),
        };
        Ok(SecretSlice::from(bytes.into_vec()))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs; the signature in base64url, as a JWT carries it (RFC 7515, section 3.1).
    ///
    /// # Errors
    /// [`SigningError::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<String, SigningError> {
        let failed = |_| SigningError::Sign;
        Ok(match &self.pair {
            Pair::Ed(pair) => URL_SAFE_NO_PAD.encode(pair.try_sign(message).map_err(failed)?),
            Pair::Ec(pair) => {
                URL_SAFE_NO_PAD.encode(pair.sign(&SystemRandom::new(), message).map_err(failed)?)
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map_err(failed)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
        })
    }
}

/// A public key, which knows the one algorithm that it is good for.
#[derive(Debug, Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    id: String,
    jwk: Jwk,
    decoding: DecodingKey,
}

impl PublicKey {
    /// Of a JSON Web Key (RFC 7517). Its type decides the algorithm; an `alg` that says otherwise
    /// is refused, and so is a key that is no signature key.
    ///
    /// # Errors
    /// [`SigningError::NotAKey`].
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, SigningError> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDsa,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::Es256,
            AlgorithmParameters::RSA(_) => Algorithm::Rs256,
            _ => return Err(SigningError::NotAKey("neither Ed25519, P-256 nor RSA")),
        };
        let said = jwk.common.key_algorithm;
        if said.is_some_and(|said| said != KeyAlgorithm::from(algorithm.of_jwt())) {
            return Err(SigningError::NotAKey("its alg is not that of its type"));
        }
        if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
            return Err(SigningError::NotAKey("its use is not sig"));
        }
        if jwk.common.key_operations.as_ref().is_some_and(|ops| !ops.contains(&KeyOperations::Verify)) {
            return Err(SigningError::NotAKey("its key_ops do not let it verify"));
        }
        let broken = |_| SigningError::NotAKey("its parameters are not a public key");
        let decoding = DecodingKey::from_jwk(jwk).map_err(broken)?;
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(broken)?;
        let digest = URL_SAFE_NO_PAD.decode(thumbprint).unwrap_or_default();
        let id = hex::encode(&digest[..digest.len().min(ID_LEN / 2)]);
        let mut jwk = jwk.clone();
        jwk.common.key_id = Some(jwk.common.key_id.unwrap_or_else(|| id.clone()));
        jwk.common.key_algorithm = Some(algorithm.of_jwt().into());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        // RFC 7517, section 4.3: not both.
        jwk.common.key_operations = None;
        let key = Self { algorithm, id, jwk, decoding };
        key.der()?;
        Ok(key)
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The id of a key of ours: the beginning of its thumbprint (RFC 7638).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The JSON Web Key, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Whether a signature, in base64url, is this key's over a message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = self.algorithm.of_jwt();
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm).unwrap_or(false)
    }

    /// The key as PEM (RFC 7468, section 13), with its id before it.
    ///
    /// # Errors
    /// [`SigningError::NotAKey`].
    pub fn pem(&self) -> Result<String, SigningError> {
        let body = STANDARD.encode(self.der()?);
        let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in body.as_bytes().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END PUBLIC KEY-----\n");
        Ok(text)
    }

    /// The SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7); fails where the parameters are no point
    /// of the curve, or no modulus.
    fn der(&self) -> Result<Vec<u8>, SigningError> {
        const FAILED: SigningError = SigningError::NotAKey("its parameters are not a public key");
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| FAILED);
        let written: PublicKeyX509Der<'_> = match &self.jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) => {
                let point = bytes(&key.x)?;
                if weak::is_weak_ed25519(&point) {
                    return Err(SigningError::NotAKey(
                        "it is of small order, or not in its one written form",
                    ));
                }
                let parsed = ParsedPublicKey::new(&ED25519, point).map_err(|_| FAILED)?;
                parsed.as_der().map_err(|_| FAILED)?
            }
            AlgorithmParameters::EllipticCurve(key) => {
                let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
                if (x.len(), y.len()) != (32, 32) {
                    return Err(FAILED);
                }
                let point = [&[4][..], &x, &y].concat();
                let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| FAILED)?;
                parsed.as_der().map_err(|_| FAILED)?
            }
            AlgorithmParameters::RSA(key) => {
                let key = RsaPublicKeyComponents { n: bytes(&key.n)?, e: bytes(&key.e)? };
                if weak::is_weak_rsa(&key.n, &key.e) {
                    return Err(SigningError::NotAKey(
                        "it has less than 2048 bits, or an odd exponent or modulus",
                    ));
                }
                key.as_der().map_err(|_| FAILED)?
            }
            _ => return Err(FAILED),
        };
        Ok(written.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn what_a_key_signs_it_verifies_also_after_it_was_written_and_read() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate_blocking(algorithm).unwrap();
            let read = SigningKey::from_pkcs8(algorithm, key.to_pkcs8().unwrap().expose_secret()).unwrap();
            assert_eq!(key.public().id(), read.public().id());
            let signature = read.sign(b"a message").unwrap();
            let text = serde_json::to_string(key.public().jwk()).unwrap();
            let public = PublicKey::from_jwk(&serde_json::from_str(&text).unwrap()).unwrap();
            assert!(public.verifies(b"a message", &signature), "{algorithm}");
            assert!(!public.verifies(b"another", &signature), "{algorithm}");
            assert!(!public.verifies(b"a message", ""), "{algorithm}");
            assert!(public.pem().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
            assert_eq!(public.id().len(), ID_LEN);
        }
    }

    #[test]
    fn a_key_is_of_one_algorithm() {
        let keys = Algorithm::ALL.map(|algorithm| SigningKey::generate_blocking(algorithm).unwrap());
        for key in &keys {
            for other in Algorithm::ALL.into_iter().filter(|it| *it != key.public().algorithm()) {
                let document = key.to_pkcs8().unwrap();
                assert!(SigningKey::from_pkcs8(other, document.expose_secret()).is_err());
                let mut jwk = key.public().jwk().clone();
                jwk.common.key_algorithm = Some(other.of_jwt().into());
                assert!(PublicKey::from_jwk(&jwk).is_err());
            }
        }
    }

    fn read(jwk: &str) -> Result<PublicKey, SigningError> {
        PublicKey::from_jwk(&serde_json::from_str(jwk).map_err(|_| SigningError::NotAKey("no JWK"))?)
    }

    #[test]
    fn a_key_is_used_for_what_its_set_says() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = |more: &str| read(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{more}}}"#));
        for good in
            ["", r#","key_ops":["verify"]"#, r#","use":"sig","key_ops":["verify"]"#, r#","alg":"EdDSA""#]
        {
            assert!(key(good).is_ok(), "{good}");
        }
        for wrong in [
            r#","key_ops":["sign"]"#,
            r#","key_ops":["encrypt","deriveKey"]"#,
            r#","key_ops":[]"#,
            r#","key_ops":["Verify"]"#,
            r#","key_ops":"verify""#,
            r#","use":"enc""#,
            r#","use":"enc","key_ops":["verify"]"#,
            r#","use":"sig","key_ops":["sign"]"#,
            r#","alg":"ES256""#,
            r#","alg":"HS256""#,
        ] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_weak_key_is_none() {
        let ed = |x: [u8; 32]| {
            read(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(x)))
        };
        assert!(ed([0; 32]).is_err() && ed([255; 32]).is_err());
        let rsa = |n: &[u8], e: &[u8]| {
            let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
            read(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
        };
        let modulus = [&[0xc1][..], &[7; 255]].concat();
        assert!(rsa(&modulus, &[1, 0, 1]).is_ok());
        for exponent in [&[1][..], &[2], &[0, 1, 0, 1], &[1, 0, 0]] {
            assert!(rsa(&modulus, exponent).is_err(), "{exponent:?}");
        }
        assert!(rsa(&modulus[..128], &[1, 0, 1]).is_err());
        let ec = |x: &[u8], y: &[u8]| {
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            read(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#))
        };
        assert!(ec(&[1; 32], &[1; 32]).is_err() && ec(&[0; 32], &[0; 32]).is_err());
        assert!(ec(&[255; 32], &[1; 32]).is_err() && ec(&[1; 31], &[1; 32]).is_err());
    }

    /// RFC 8037, appendix A.3 gives this key's thumbprint.
    #[test]
    fn the_id_is_the_beginning_of_the_thumbprint() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = PublicKey::from_jwk(&serde_json::from_str(jwk).unwrap()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.decode("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap();
        assert_eq!(key.id(), &hex::encode(thumbprint)[..ID_LEN]);
    }

    #[test]
    fn a_key_prints_nothing_of_itself() {
        let key = SigningKey::generate_blocking(Algorithm::EdDsa).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ id: \"{}\", .. }}", key.public().id()));
    }
}
