//! A token's header: `alg`, `typ`, `kid` and nothing else.

use serde_json::{Map, Value, json};

use super::error::JwtError;
use super::strict;

/// The `typ` of an access token (RFC 9068, section 2.1).
pub const TYPE: &str = "at+jwt";
/// The `typ` of a token that tells a service who calls: no program that takes access tokens takes it for one (RFC 8725,
/// section 3.11).
pub const SERVICE_TYPE: &str = "nexus-service+jwt";

/// Most bytes of a `kid`.
const MAX_KID: usize = 128;

/// What a header says, once it is known to be of the one form that Nexus writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The algorithm that it claims; compared with the key's, never obeyed.
    pub alg: String,
    pub kid: String,
}

impl Header {
    /// Reads a header. Everything but the three members is refused: `crit` asks for what we do not
    /// do (RFC 7515, section 4.1.11), and `jwk`, `jku`, `x5u` and `x5c` bring or fetch a key of the
    /// sender's choice.
    pub(super) fn read(json: &[u8]) -> Result<Self, JwtError> {
        let mut members = strict::object(json).map_err(|_| JwtError::Header)?;
        let typ = text(&mut members, "typ")?;
        let alg = text(&mut members, "alg")?;
        let kid = text(&mut members, "kid")?;
        if !members.is_empty() {
            return Err(JwtError::HeaderMember);
        }
        if typ != TYPE {
            return Err(JwtError::Type);
        }
        if kid.is_empty() || kid.len() > MAX_KID {
            return Err(JwtError::Header);
        }
        Ok(Self { alg, kid })
    }

    pub(super) fn written(&self, kind: &str) -> Vec<u8> {
        json!({ "alg": self.alg, "typ": kind, "kid": self.kid }).to_string().into_bytes()
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<String, JwtError> {
    match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(JwtError::Header),
    }
}
