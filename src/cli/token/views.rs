//! How tokens look.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::output::{Thing, row, time_text};
use crate::features::tokens::{Claims, Inspected, IssuedView, Revoked};

/// The claims of a token that is good.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ClaimsView(pub(super) Claims);

impl Thing for ClaimsView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let claims = &self.0;
        let lists = |list: &Option<Vec<String>>| list.as_ref().map(|it| it.join(",")).unwrap_or_default();
        vec![
            ("sub", claims.sub.to_string()),
            ("tenant", claims.tenant.clone().unwrap_or_default()),
            ("tenant_id", claims.tenant_id.map(|id| id.to_string()).unwrap_or_default()),
            ("roles", claims.roles.join(",")),
            ("permissions", lists(&claims.permissions)),
            ("scope", claims.scope.clone().unwrap_or_default()),
            ("act", claims.act.as_ref().map(|actor| actor.sub.clone()).unwrap_or_default()),
            ("iss", claims.iss.clone()),
            ("aud", claims.aud.join(",")),
            ("client_id", claims.client_id.clone()),
            ("iat", second(claims.iat)),
            ("exp", second(claims.exp)),
            ("jti", claims.jti.to_string()),
            ("other", if claims.other.is_empty() { String::new() } else { json(&claims.other) }),
        ]
    }

    fn id(&self) -> String {
        self.0.jti.to_string()
    }
}

fn second(second: i64) -> String {
    OffsetDateTime::from_unix_timestamp(second).map(time_text).unwrap_or_default()
}

fn json(members: &Map<String, Value>) -> String {
    serde_json::to_string(members).unwrap_or_default()
}

/// A token in its parts.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct InspectedView(pub(super) Inspected);

impl Thing for InspectedView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let seen = &self.0;
        let time = |name: &str| {
            let second = seen.claims.as_ref().and_then(|claims| claims.get(name)).and_then(Value::as_i64);
            second.map(self::second).unwrap_or_default()
        };
        let problems: Vec<_> = seen.problems.iter().map(|problem| problem.message.clone()).collect();
        vec![
            ("header", seen.header.as_ref().map(json).unwrap_or_default()),
            ("claims", seen.claims.as_ref().map(json).unwrap_or_default()),
            ("issued_at", time("iat")),
            ("expires_at", time("exp")),
            ("verdict", seen.verdict.to_owned()),
            ("problems", problems.join("; ")),
        ]
    }

    fn id(&self) -> String {
        let jti = self.0.claims.as_ref().and_then(|claims| claims.get("jti")).and_then(Value::as_str);
        jti.unwrap_or_default().to_owned()
    }
}

row! { it: IssuedView, it.jti;
    text "jti": it.jti,
    text "state": it.state,
    text "tenant": it.tenant,
    text "email": it.email,
    text "audience": it.audience,
    text "caller": it.caller,
    text "reason": it.reason,
    text "issued_at": it.issued_at,
    text "expires_at": it.expires_at,
}

impl Thing for Revoked {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("kind", self.kind.to_owned()),
            ("jti", self.jti.map(|id| id.to_string()).unwrap_or_default()),
            ("realm", self.realm.map(|id| id.to_string()).unwrap_or_default()),
            ("user", self.user.map(|id| id.to_string()).unwrap_or_default()),
            ("issued_until", self.issued_until.map(time_text).unwrap_or_default()),
            ("recorded", self.recorded.to_string()),
        ]
    }

    fn id(&self) -> String {
        self.jti.map_or_else(|| self.kind.to_owned(), |id| id.to_string())
    }
}
