//! What an access token says: the claims of RFC 9068, and the tenant's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::infra::crypto::jwt::JwtError;
use crate::kernel::{Caller, TenantId, TokenLimits, UserId};

/// Longest life of an access token, in seconds. Fixed, because a signing key is kept for as long
/// after it has stopped signing.
pub const MAX_TTL: i64 = 3600;

/// Longest life of a token that acts as somebody else, in seconds.
pub const MAX_IMPERSONATION: i64 = 900;

/// How far the clocks of two machines may be apart, in seconds (RFC 7519, section 4.1.4, allows
/// "a few minutes" at most).
pub const SKEW: i64 = 30;

/// The `client_id` of tokens that the command line mints (RFC 9068, section 2.2, requires one).
pub const CLIENT: &str = "nexus-cli";

/// The last second of the year 9999: no honest time is later, and no arithmetic overflows below it.
const LAST_SECOND: i64 = 253_402_300_799;

/// Claims that Nexus decides, or that mean something to services by a standard: nobody sets them by
/// hand. RFC 7519 section 4.1, RFC 9068 section 2.2, RFC 8693 section 4, RFC 7662 section 2.2, RFC 7800, OpenID
/// Connect.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "tenant_id",
    "tenant",
    "roles",
    "groups",
    "entitlements",
    "permissions",
    "scope",
    "scp",
    "act",
    "may_act",
    "cnf",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "sid",
    "typ",
    "active",
    "token_type",
    "username",
    "token_use",
    "events",
    "email",
    "email_verified",
    "org_id",
];

/// Whether a claim may not be set by hand.
#[must_use]
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Who acts in the subject's name (RFC 8693, section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub sub: String,
}

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claims {
    pub iss: String,
    pub sub: Uuid,
    /// For whom it is.
    #[serde(serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// The program that asked for it.
    pub client_id: String,
    /// When it was issued: seconds since 1970, as all times here.
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: Uuid,
    /// The session that it is of; none: it is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// The user's tenant; none: the platform itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// The tenant's slug when it was issued: for people, not for decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The names of the user's roles.
    pub roles: Vec<String>,
    /// If present, the token allows these at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// If present, the token allows these at most: words with a space between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Who acts as the user, if it is not the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// What else was asked for.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn one_or_many<S: serde::Serializer>(values: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match values {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}

/// What a token must say to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// One of these.
    pub issuers: &'a [&'a str],
    /// Absent: whichever.
    pub audience: Option<&'a str>,
    pub now: i64,
}

impl Claims {
    /// Reads the claims of a token whose signature is right; types first, then what they say.
    ///
    /// # Errors
    /// The first [`JwtError`].
    pub fn read(claims: Map<String, Value>, expected: Expected<'_>) -> Result<Self, JwtError> {
        let read = Self::parse(claims)?;
        read.check(expected)?;
        Ok(read)
    }

    /// Reads them, whatever they say.
    ///
    /// # Errors
    /// [`JwtError::Claim`], for one of another type.
    pub(super) fn parse(mut claims: Map<String, Value>) -> Result<Self, JwtError> {
        Ok(Self {
            iss: text(&mut claims, "iss")?,
            sub: uuid(&mut claims, "sub")?,
            aud: match claims.remove("aud") {
                Some(Value::String(one)) => vec![one],
                Some(many @ Value::Array(_)) => texts(many)?,
                _ => return Err(JwtError::Claim),
            },
            client_id: text(&mut claims, "client_id")?,
            iat: time(&mut claims, "iat")?,
            nbf: time(&mut claims, "nbf")?,
            exp: time(&mut claims, "exp")?,
            jti: uuid(&mut claims, "jti")?,
            sid: claims.remove("sid").map(|value| as_uuid(&value)).transpose()?,
            tenant_id: match claims.remove("tenant_id") {
                None => None,
                Some(value) => Some(TenantId::from(as_uuid(&value)?)),
            },
            tenant: optional_text(&mut claims, "tenant")?,
            roles: claims.remove("roles").map(texts).transpose()?.unwrap_or_default(),
            permissions: claims.remove("permissions").map(texts).transpose()?,
            scope: optional_text(&mut claims, "scope")?,
            act: claims.remove("act").map(actor).transpose()?,
            other: claims,
        })
    }

    /// Requires that they say what is expected.
    ///
    /// # Errors
    /// The first [`JwtError`].
    pub(super) fn check(&self, expected: Expected<'_>) -> Result<(), JwtError> {
        // The nil id stands for the platform inside Nexus; a token says it by saying nothing.
        if self.tenant_id == Some(TenantId::PLATFORM) || self.tenant_id.is_some() != self.tenant.is_some() {
            return Err(JwtError::Claim);
        }
        if !expected.issuers.contains(&self.iss.as_str()) {
            return Err(JwtError::Issuer);
        }
        if expected.audience.is_some_and(|wanted| !self.aud.iter().any(|audience| audience == wanted)) {
            return Err(JwtError::Audience);
        }
        let longest = if self.act.is_some() { MAX_IMPERSONATION } else { MAX_TTL };
        if self.exp <= self.iat {
            return Err(JwtError::Claim);
        }
        if self.exp - self.iat > longest {
            return Err(JwtError::TooLongLived);
        }
        if self.iat > expected.now + SKEW || self.nbf > expected.now + SKEW {
            return Err(JwtError::NotYet);
        }
        if expected.now >= self.exp + SKEW {
            return Err(JwtError::Expired);
        }
        Ok(())
    }

    /// The operator whom it lets into a tenant's realm, where it is such a token: who acts there is who it is for.
    #[must_use]
    pub fn operator(&self) -> Option<UserId> {
        let operator = UserId::from(self.sub);
        let actor = self.act.as_ref().filter(|_| self.tenant_id.is_some())?;
        (actor.sub == Caller::user(TenantId::PLATFORM, operator).to_string()).then_some(operator)
    }

    /// Who asks that shows the token, and what it takes from them.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let scope = self.scope.as_ref().map(|scope| scope.split(' ').map(str::to_owned).collect());
        let lists = [self.permissions.clone(), scope].into_iter().flatten().map(Arc::from).collect();
        if let Some(id) = self.operator() {
            let token = TokenLimits { lists, actor: None, visits: self.tenant_id };
            return Caller::User { realm: TenantId::PLATFORM, id, token };
        }
        let actor = self.act.as_ref().map(|actor| actor.sub.clone());
        let token = TokenLimits { lists, actor, visits: None };
        Caller::User { realm: self.realm(), id: UserId::from(self.sub), token }
    }

    /// The realm's id: the tenant's, or the platform's.
    #[must_use]
    pub fn realm(&self) -> TenantId {
        self.tenant_id.unwrap_or(TenantId::PLATFORM)
    }
}

fn text(claims: &mut Map<String, Value>, name: &str) -> Result<String, JwtError> {
    optional_text(claims, name)?.ok_or(JwtError::Claim)
}

fn optional_text(claims: &mut Map<String, Value>, name: &str) -> Result<Option<String>, JwtError> {
    match claims.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(JwtError::Claim),
    }
}

fn texts(value: Value) -> Result<Vec<String>, JwtError> {
    let Value::Array(values) = value else { return Err(JwtError::Claim) };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(JwtError::Claim),
    };
    values.into_iter().map(text).collect()
}

fn uuid(claims: &mut Map<String, Value>, name: &str) -> Result<Uuid, JwtError> {
    as_uuid(&claims.remove(name).unwrap_or_default())
}

/// A UUID in the one form that Nexus writes: another text for the same id would slip past a list
/// of revoked ones.
fn as_uuid(value: &Value) -> Result<Uuid, JwtError> {
    let text = value.as_str().ok_or(JwtError::Claim)?;
    let id = Uuid::try_parse(text).map_err(|_| JwtError::Claim)?;
    let mut canonical = Uuid::encode_buffer();
    if *id.hyphenated().encode_lower(&mut canonical) == *text { Ok(id) } else { Err(JwtError::Claim) }
}

/// A NumericDate (RFC 7519, section 2) as Nexus writes it: a whole number of seconds.
fn time(claims: &mut Map<String, Value>, name: &str) -> Result<i64, JwtError> {
    let seconds = claims.remove(name).and_then(|value| value.as_i64()).ok_or(JwtError::Claim)?;
    if (0..=LAST_SECOND).contains(&seconds) { Ok(seconds) } else { Err(JwtError::Claim) }
}

fn actor(value: Value) -> Result<Actor, JwtError> {
    let Value::Object(mut members) = value else { return Err(JwtError::Claim) };
    Ok(Actor { sub: text(&mut members, "sub")? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const EXPECTED: Expected<'_> = Expected { issuers: &["urn:h", "urn:i"], audience: Some("api"), now: NOW };

    fn good() -> Map<String, Value> {
        let claims = json!({
            "iss": "urn:i", "sub": Uuid::now_v7(), "aud": "api", "client_id": "nexus-cli", "iat": NOW,
            "nbf": NOW, "exp": NOW + 900, "jti": Uuid::now_v7(), "tenant_id": Uuid::now_v7(),
            "tenant": "acme", "roles": ["Admin"],
        });
        claims.as_object().unwrap().clone()
    }

    fn with(name: &str, value: Value) -> Result<Claims, JwtError> {
        let mut claims = good();
        claims.insert(name.to_owned(), value);
        Claims::read(claims, EXPECTED)
    }

    #[test]
    fn what_is_written_is_read() {
        let claims = Claims::read(good(), EXPECTED).unwrap();
        let written = serde_json::to_value(&claims).unwrap();
        assert_eq!(written, Value::Object(good_like(&claims)));
        assert_eq!(Claims::read(written.as_object().unwrap().clone(), EXPECTED), Ok(claims));
    }

    fn good_like(claims: &Claims) -> Map<String, Value> {
        let mut like = good();
        like.insert("sub".into(), json!(claims.sub));
        like.insert("jti".into(), json!(claims.jti));
        like.insert("tenant_id".into(), json!(claims.tenant_id));
        like
    }

    #[test]
    fn a_claim_that_must_be_there_is() {
        for name in ["iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti", "tenant_id", "tenant"] {
            let mut claims = good();
            claims.remove(name);
            assert_eq!(Claims::read(claims, EXPECTED), Err(JwtError::Claim), "{name}");
            assert_eq!(with(name, Value::Null), Err(JwtError::Claim), "{name}");
            assert_eq!(with(name, json!({})), Err(JwtError::Claim), "{name}");
        }
    }

    #[test]
    fn a_time_is_a_whole_number_that_can_be() {
        for name in ["exp", "iat", "nbf"] {
            for odd in [
                json!("1800000900"),
                json!(-1),
                json!(1.5),
                json!(1.8e9),
                json!(i64::MIN),
                json!(i64::MAX),
                json!(u64::MAX),
                json!(LAST_SECOND + 1),
                json!(1e300),
                json!(true),
                json!([NOW]),
            ] {
                assert_eq!(with(name, odd.clone()), Err(JwtError::Claim), "{name} {odd}");
            }
        }
    }

    #[test]
    fn times_are_kept_within_the_skew() {
        assert!(with("exp", json!(NOW + 1)).is_ok());
        let at = |now| Claims::read(good(), Expected { now, ..EXPECTED }).map(drop);
        assert_eq!(at(NOW + 900 + SKEW - 1), Ok(()));
        assert_eq!(at(NOW + 900 + SKEW), Err(JwtError::Expired));
        assert_eq!(at(NOW - SKEW), Ok(()));
        assert_eq!(at(NOW - SKEW - 1), Err(JwtError::NotYet));
        assert_eq!(with("nbf", json!(NOW + SKEW + 1)), Err(JwtError::NotYet));
        assert_eq!(with("exp", json!(NOW + MAX_TTL)).map(drop), Ok(()));
        assert_eq!(with("exp", json!(NOW + MAX_TTL + 1)), Err(JwtError::TooLongLived));
        assert_eq!(with("exp", json!(NOW)), Err(JwtError::Claim));
        let mut acting = good();
        acting.insert("act".into(), json!({ "sub": "machine:ann" }));
        acting.insert("exp".into(), json!(NOW + MAX_IMPERSONATION + 1));
        assert_eq!(Claims::read(acting, EXPECTED), Err(JwtError::TooLongLived));
    }

    #[test]
    fn issuer_and_audience_are_exact() {
        for other in ["urn:i ", "URN:I", "urn:", "urn:i/"] {
            assert_eq!(with("iss", json!(other)), Err(JwtError::Issuer), "{other}");
        }
        for other in [json!("apis"), json!("API"), json!(["x", "ap"]), json!([])] {
            assert_eq!(with("aud", other.clone()), Err(JwtError::Audience), "{other}");
        }
        assert!(with("aud", json!(["x", "api"])).is_ok());
        assert_eq!(with("aud", json!(["api", 1])), Err(JwtError::Claim));
    }

    #[test]
    fn an_id_has_one_form() {
        let id = Uuid::now_v7();
        for other in [
            id.simple().to_string(),
            id.to_string().to_uppercase(),
            id.urn().to_string(),
            id.braced().to_string(),
        ] {
            for name in ["jti", "sub", "tenant_id"] {
                assert_eq!(with(name, json!(other)), Err(JwtError::Claim), "{name} {other}");
            }
        }
        assert_eq!(with("tenant_id", json!(Uuid::nil())), Err(JwtError::Claim));
    }
}
