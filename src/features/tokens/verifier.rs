//! Checks tokens for a program that runs for long: keys and revocations are kept in memory and read
//! anew in the background. A check asks nobody and waits for nobody. The time is the control
//! database's, counted on from the last reading: this machine's clock decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tokens;
use super::claims::{Claims, Expected, SKEW};
use super::error::TokenError;
use super::issued::{issued_at, micros};
use super::ring::{KeyRing, Signed};
use super::store::{self, RevocationRow};
use crate::features::access::{self, About, rights};
use crate::infra::crypto::jwt::JwtError;
use crate::infra::db::{Feed, Follower, PgConnection, ServerAddress};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// From when on what is in memory is too old to go by: a revocation must hold everywhere within two
/// seconds, whatever becomes of the control database.
const STALE: Duration = Duration::from_millis(1900);
/// Of how many bytes of tokens it is remembered that their signature is right. A token is presented many times in
/// its life, and its signature is the most of what a check costs.
const MOST_SIGNED: u64 = 8 * 1024 * 1024;
/// How long a token usually is.
const USUAL_BYTES: usize = 600;

/// What tokens are taken back: until which microsecond they were issued, and until which second that
/// can refuse any.
#[derive(Debug, Clone, Default)]
struct Revocations {
    /// By their ids, or those of their sessions.
    tokens: HashMap<Uuid, i64>,
    users: HashMap<(TenantId, Uuid), (i64, i64)>,
    realms: HashMap<TenantId, (i64, i64)>,
    all: Option<(i64, i64)>,
    read_to: i64,
}

impl Revocations {
    fn add(&mut self, rows: &[RevocationRow]) {
        for row in rows {
            let ends = row.expires_at.unix_timestamp();
            let until = row.issued_until.map(micros);
            match (row.jti, row.tenant_id, row.user_id, until) {
                (Some(jti), ..) => drop(self.tokens.insert(jti, ends)),
                (None, Some(realm), Some(user), Some(until)) => {
                    later(self.users.entry((realm, user)).or_default(), (until, ends));
                }
                (None, Some(realm), None, Some(until)) => {
                    later(self.realms.entry(realm).or_default(), (until, ends));
                }
                (None, None, _, Some(until)) => {
                    later(self.all.get_or_insert_with(Default::default), (until, ends));
                }
                (None, _, _, None) => {}
            }
            self.read_to = self.read_to.max(row.generation);
        }
    }

    fn forget(&mut self, now: i64) {
        self.tokens.retain(|_, ends| *ends > now);
        self.users.retain(|_, (_, ends)| *ends > now);
        self.realms.retain(|_, (_, ends)| *ends > now);
    }

    fn hit(&self, claims: &Claims) -> bool {
        let issued = issued_at(claims.jti, claims.iat);
        let until = |cut: Option<&(i64, i64)>| cut.is_some_and(|(until, _)| issued <= *until);
        // An operator in a tenant's realm is a user of the platform's, and goes with what is revoked there.
        let home = claims.operator().map(|_| TenantId::PLATFORM);
        let mut realms = std::iter::once(claims.realm()).chain(home);
        self.tokens.contains_key(&claims.jti)
            || claims.sid.is_some_and(|session| self.tokens.contains_key(&session))
            || realms
                .any(|realm| until(self.users.get(&(realm, claims.sub))) || until(self.realms.get(&realm)))
            || until(self.all.as_ref())
    }
}

fn later(cut: &mut (i64, i64), new: (i64, i64)) {
    *cut = (cut.0.max(new.0), cut.1.max(new.1));
}

/// Tokens that were found to be signed by a key of the ring, by their SHA-256: nothing that is no token of ours takes
/// room, and the tokens themselves are not kept.
type SignedTokens = Cache<[u8; 32], Signed, Bytes>;

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<[u8; 32], Signed> for Bytes {
    fn weight(&self, _: &[u8; 32], signed: &Signed) -> u64 {
        signed.bytes as u64
    }
}

fn signed_tokens() -> SignedTokens {
    let usual = usize::try_from(MOST_SIGNED).unwrap_or(usize::MAX) / USUAL_BYTES;
    Cache::with_weighter(usual, MOST_SIGNED, Bytes)
}

/// What is known at one moment.
#[derive(Debug, Clone)]
struct Known {
    ring: Arc<KeyRing>,
    /// By this ring.
    signed: Arc<SignedTokens>,
    keys_generation: i64,
    revocations: Arc<Revocations>,
    /// The control database's time at that moment.
    time: OffsetDateTime,
    as_of: Instant,
}

impl Known {
    /// The time now, in seconds since 1970.
    fn now(&self) -> i64 {
        (self.time + self.as_of.elapsed()).unix_timestamp()
    }

    /// What is remembered is that the signature is right, and nothing else.
    fn check(&self, token: &str, expected: Expected<'_>) -> Result<Arc<Claims>, JwtError> {
        let digest = Sha256::digest(token).into();
        if let Some(signed) = self.signed.get(&digest) {
            return self.ring.accept(&signed, expected);
        }
        let signed = self.ring.signed(token, expected.now)?;
        let claims = self.ring.accept(&signed, expected)?;
        self.signed.insert(digest, signed);
        Ok(claims)
    }
}

/// Checks tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
    /// What keeps it up to date, where it has that for itself.
    _feed: Option<Arc<Feed>>,
}

#[derive(Debug)]
struct Inner {
    tokens: Tokens,
    known: RwLock<Known>,
}

impl Inner {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Follower for Inner {
    async fn refresh(&self, control: &mut PgConnection) -> Result<(), AnyFailure> {
        let before = self.known();
        let now = read(&self.tokens, control, Some(&before)).await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }
}

impl Verifier {
    /// Of what the control database says now, for one command. Too old after two seconds.
    ///
    /// # Errors
    /// When it cannot be read, or a key is not what was sealed.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn once(
        tokens: &Tokens,
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Self, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        // However long it took: whatever was revoked before the command began is known.
        let mut known = read(tokens, control, None).await?;
        (known.time, known.as_of) = (known.time + known.as_of.elapsed(), Instant::now());
        Ok(Self { inner: Arc::new(Inner { tokens: tokens.clone(), known: RwLock::new(known) }), _feed: None })
    }

    /// What brings it up to date.
    #[must_use]
    pub(crate) fn follower(&self) -> Arc<dyn Follower> {
        Arc::clone(&self.inner) as Arc<dyn Follower>
    }

    /// The same, kept up to date for as long as it lives.
    ///
    /// # Errors
    /// When the first reading fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn start(
        tokens: &Tokens,
        control: &ServerAddress,
        caller: &Caller,
    ) -> Result<Self, TokenError> {
        let mut connection = control.connect("nexus:tokens").await?;
        access::authorize(&mut connection, caller, &rights::KEY_READ, About::Platform).await?;
        let known = read(tokens, &mut connection, None).await?;
        let inner = Arc::new(Inner { tokens: tokens.clone(), known: RwLock::new(known) });
        let feed = Feed::start(control.clone(), connection, &[Arc::clone(&inner) as Arc<dyn Follower>]);
        Ok(Self { inner, _feed: Some(Arc::new(feed)) })
    }

    /// The claims of a token, if it is good for an audience.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], the same for whatever is wrong with it; [`TokenError::Stale`] when
    /// nobody can say.
    pub fn verify(&self, token: &str, audience: &str) -> Result<Arc<Claims>, TokenError> {
        self.check(token, Some(audience))
    }

    /// The same, whoever it is for.
    pub(super) fn check(&self, token: &str, audience: Option<&str>) -> Result<Arc<Claims>, TokenError> {
        let known = self.current()?;
        let Tokens { issuer, former_issuer, .. } = &self.inner.tokens;
        let expected = Expected { issuers: &[issuer, former_issuer], audience, now: known.now() };
        let checked = known.check(token, expected).and_then(|claims| {
            if known.revocations.hit(&claims) { Err(JwtError::Revoked) } else { Ok(claims) }
        });
        checked.map_err(|flaw| {
            tracing::debug!(flaw = flaw.code(), "token refused");
            TokenError::Invalid(flaw)
        })
    }

    /// Requires that a token that was good is so still: neither revoked nor over.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn require_good(&self, claims: &Claims) -> Result<(), TokenError> {
        let known = self.current()?;
        if known.revocations.hit(claims) {
            return Err(TokenError::Invalid(JwtError::Revoked));
        }
        if known.now() >= claims.exp + SKEW {
            return Err(TokenError::Invalid(JwtError::Expired));
        }
        Ok(())
    }

    /// Requires that what is in memory is not too old to go by.
    ///
    /// # Errors
    /// [`TokenError::Stale`].
    pub fn require_current(&self) -> Result<(), TokenError> {
        self.current().map(drop)
    }

    fn current(&self) -> Result<Known, TokenError> {
        let known = self.inner.known();
        let age = known.as_of.elapsed();
        if age > STALE { Err(TokenError::Stale { seconds: age.as_secs() }) } else { Ok(known) }
    }

    /// The time that tokens are checked by, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.inner.known().now()
    }

    /// The keys that tokens are checked with.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.inner.known().ring
    }
}

/// Reads what has changed since `before`; everything where that is none.
async fn read(
    tokens: &Tokens,
    control: &mut PgConnection,
    before: Option<&Known>,
) -> Result<Known, TokenError> {
    let as_of = Instant::now();
    let generations = store::generations(control).await?;
    let (ring, signed) = match before {
        Some(known) if known.keys_generation == generations.keys_generation => {
            (Arc::clone(&known.ring), Arc::clone(&known.signed))
        }
        _ => (Arc::new(tokens.read_ring(control).await?), Arc::new(signed_tokens())),
    };
    let revocations = match before {
        Some(known) if known.revocations.read_to == generations.revocations_generation => {
            Arc::clone(&known.revocations)
        }
        _ => {
            let mut revocations = before.map_or_else(Revocations::default, |it| (*it.revocations).clone());
            revocations.forget(generations.now.unix_timestamp());
            // Numbers that were given out once are given out again after a restore.
            if generations.revocations_generation < revocations.read_to {
                revocations.read_to = 0;
            }
            let rows = store::revocations(control, revocations.read_to).await?;
            revocations.add(&rows);
            // What comes in between is read again, which does no harm; what was over before it was
            // read is not asked for again.
            revocations.read_to = revocations.read_to.max(generations.revocations_generation);
            Arc::new(revocations)
        }
    };
    let keys_generation = generations.keys_generation;
    Ok(Known { ring, signed, keys_generation, revocations, time: generations.now, as_of })
}
