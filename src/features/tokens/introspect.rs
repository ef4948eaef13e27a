//! What an access token says, for services that must know of revocations at once (RFC 7662). Nobody is asked:
//! what decides is in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::claims::{Claims, is_reserved};
use super::error::TokenError;
use super::realm::Realm;
use super::{Tokens, Verifier};
use crate::features::access::rights;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, TenantId};

/// How long it is remembered that somebody may be told: what they lose must hold within two seconds.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Somebody who may be told what tokens of their realm say; an operator, those of all realms.
#[derive(Debug, Clone, Copy)]
pub struct Introspector {
    realm: TenantId,
    since: Instant,
}

impl Introspector {
    /// Whether they may be told still, without being asked again.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.since.elapsed() < REMEMBERED
    }

    fn may_see(&self, claims: &Claims) -> bool {
        self.realm == TenantId::PLATFORM || self.realm == claims.realm()
    }
}

impl Tokens {
    /// Checks that the caller may be told what tokens say.
    ///
    /// # Errors
    /// Without `token:introspect` in its own realm.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn introspector(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
    ) -> Result<Introspector, TokenError> {
        let since = Instant::now();
        realm.authorize(control, caller, &rights::TOKEN_INTROSPECT, None).await?;
        Ok(Introspector { realm: realm.name.id, since })
    }
}

impl Verifier {
    /// What a token says, where it is good and not of a foreign realm.
    ///
    /// # Errors
    /// [`TokenError::Stale`].
    pub fn introspect(&self, who: &Introspector, token: &str) -> Result<Option<Claims>, TokenError> {
        let claims = self.presented(token)?.filter(|claims| who.may_see(claims));
        let mut claims = claims.map(Arc::unwrap_or_clone);
        if let Some(claims) = &mut claims {
            // An earlier release let people set what means something in this answer.
            claims.other.retain(|name, _| !is_reserved(name));
        }
        Ok(claims)
    }

    /// What a token says that is good, whoever it is for.
    ///
    /// # Errors
    /// [`TokenError::Stale`].
    pub fn presented(&self, token: &str) -> Result<Option<Arc<Claims>>, TokenError> {
        match self.check(token, None) {
            Ok(claims) => Ok(Some(claims)),
            Err(TokenError::Invalid(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
