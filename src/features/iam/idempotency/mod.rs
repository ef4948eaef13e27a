//! Requests that may be repeated: what was asked with a key (`Idempotency-Key`) is done once, and its answer is
//! kept for 24 hours. The key's row is written before the work begins, and marked in the transaction of the
//! change itself ([`RealmTx`](super::realm::RealmTx)): a crash at any point leaves a key that may be tried
//! again because nothing was done, or one whose change is never made twice.

mod store;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::IamError;
use super::realm::Realm;
use crate::infra::crypto::seal::{self, DataKey, SealContext};
use crate::infra::db::PgConnection;
use crate::infra::failpoint;
use crate::kernel::ids::DataKeyId;
use crate::kernel::{Failure, TenantId, UserId};

/// Most bytes of an answer that is kept.
const MOST: usize = 4 << 20;

/// What a client calls a request that it may repeat: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey([u8; 32]);

/// The text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it should be 1 to 255 visible ASCII characters, such as a UUID")]
pub struct NotAKey;

impl std::str::FromStr for IdempotencyKey {
    type Err = NotAKey;

    /// In quotes, as draft-ietf-httpapi-idempotency-key-header has it, or without, as most clients send it.
    fn from_str(given: &str) -> Result<Self, NotAKey> {
        let given = given.trim();
        let key = given.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(given);
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if !visible || !(1..=255).contains(&key.len()) {
            return Err(NotAKey);
        }
        Ok(Self(Sha256::digest(key).into()))
    }
}

/// What is asked for: the same key with something else is refused.
#[derive(Debug, Clone)]
pub struct Asked {
    /// SHA-256 of who asks and with what rights, method, path, query and body.
    digest: [u8; 32],
}

impl Asked {
    /// A request of somebody with a token: one that allows less gets no answer that was given to another.
    #[must_use]
    pub fn new(who: &str, method: &str, path_and_query: &str, body: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for part in [who.as_bytes(), method.as_bytes(), path_and_query.as_bytes(), body] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self { digest: digest.finalize().into() }
    }
}

/// The right to carry out what was asked with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    caller: Uuid,
    key: [u8; 32],
    id: Uuid,
}

/// An answer that is kept, or is to be.
#[derive(Debug, Clone)]
pub struct KeptAnswer {
    /// 200 to 499.
    pub status: u16,
    /// Whatever whoever keeps it makes of it.
    pub bytes: SecretSlice<u8>,
}

/// What a key stands for.
#[derive(Debug)]
pub enum Begun {
    /// It is new: carry out what is asked, and then [`Attempt::finish`].
    Now(Attempt),
    /// It was done.
    Before(KeptAnswer),
    /// It was carried out, at least in part, by this attempt, whose answer was lost.
    Lost(Uuid),
}

/// A request that cannot be carried out with its key.
#[derive(Debug, thiserror::Error, Failure)]
pub enum IdempotencyError {
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    #[failure(Invalid, "idempotency_key_reused")]
    #[hint("send a new key with each new request, and the same one only to repeat a request as it was")]
    Reused,
    /// The first request with the key is under way.
    #[error("the first request with this Idempotency-Key is under way; ask again in a second")]
    #[failure(Busy, "idempotency_key_in_use")]
    InUse,
    /// The request was carried out, wholly or in part, and its answer is not known.
    #[error("the request with this Idempotency-Key was carried out, at least in part; its answer was lost")]
    #[failure(Conflict, "idempotency_answer_lost")]
    #[hint("look at what there is now; send what is still to be done with a new key")]
    AnswerLost,
    /// The realm has no table for keys: it waits for a migration.
    #[error("this tenant cannot keep Idempotency-Keys before its database is migrated")]
    #[failure(Conflict, "idempotency_unavailable")]
    #[hint("send the request without Idempotency-Key, or have the tenant migrated")]
    Unavailable,
    /// A statement failed, or an answer was not sealed.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
}

impl IdempotencyKey {
    /// Takes the key of a user's request, for as long as `lease`.
    ///
    /// # Errors
    /// [`IdempotencyError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn begin(
        &self,
        realm: &mut Realm,
        caller: UserId,
        (asked, lease): (&Asked, Duration),
    ) -> Result<Begun, IdempotencyError> {
        let fresh = Attempt { caller: caller.uuid(), key: self.0, id: Uuid::now_v7() };
        let fingerprint = realm.fingerprint(&fresh, asked);
        loop {
            let taken = store::take(realm.session(), &fresh, &fingerprint, lease).await;
            match taken {
                Ok(true) => {
                    failpoint::pass(|| "idempotency.taken".to_owned()).await;
                    return Ok(Begun::Now(fresh));
                }
                Ok(false) => {}
                Err(error) if error.state() == Some("42P01") => return Err(IdempotencyError::Unavailable),
                Err(error) => return Err(IamError::from(error).into()),
            }
            // Gone again in between: the first try came to nothing.
            let Some(row) = store::row(realm.session(), &fresh).await.map_err(IamError::from)? else {
                continue;
            };
            if row.fingerprint != fingerprint {
                return Err(IdempotencyError::Reused);
            }
            return match row.status.zip(row.answer) {
                Some((status, sealed)) => match realm.unsealed(&fresh, &sealed) {
                    Some(bytes) => Ok(Begun::Before(KeptAnswer { status: status.unsigned_abs(), bytes })),
                    None => Err(IdempotencyError::AnswerLost),
                },
                None if row.lost => Ok(Begun::Lost(row.attempt)),
                None => Err(IdempotencyError::InUse),
            };
        }
    }
}

impl Attempt {
    /// Keeps the answer of what was carried out. Without one, the key is free again, where nothing was changed.
    ///
    /// # Errors
    /// When the realm's database does not answer, or an answer cannot be sealed.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn finish(
        &self,
        realm: &mut Realm,
        answer: Option<&KeptAnswer>,
    ) -> Result<(), IdempotencyError> {
        failpoint::pass(|| "idempotency.answered".to_owned()).await;
        let kept = answer.filter(|answer| answer.bytes.expose_secret().len() <= MOST);
        let done = match kept {
            Some(answer) => {
                let sealed = realm.sealed(self, answer.bytes.expose_secret())?;
                store::keep(realm.session(), self, answer.status, &sealed).await
            }
            None => store::free(realm.session(), self).await,
        };
        Ok(done.map_err(IamError::from)?)
    }
}

/// Marks what was asked as carried out, in the transaction that does so.
///
/// # Errors
/// When another try has taken the key meanwhile: then this one must not be committed.
pub(in crate::features) async fn mark(realm: &mut PgConnection, attempt: &Attempt) -> Result<(), IamError> {
    if store::mark(realm, attempt).await? { Ok(()) } else { Err(IamError::Overtaken) }
}

/// The statement that does so where a condition holds, as text that can travel with others: it gives the attempt, or
/// nothing where it holds the key no more. Only of the platform's realm.
#[must_use]
pub(in crate::features) fn mark_statement(attempt: &Attempt, condition: &str) -> String {
    store::mark_statement(attempt, condition)
}

impl Realm {
    /// Every change from here on belongs to a request that is carried out once.
    pub fn carry_out(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    fn fingerprint(&self, attempt: &Attempt, asked: &Asked) -> Vec<u8> {
        let row = attempt.row(self.place.id);
        self.secrets.record_key().checksum_of("idempotency", &row, &hex::encode(asked.digest))
    }

    fn sealed(&self, attempt: &Attempt, bytes: &[u8]) -> Result<Vec<u8>, IamError> {
        let row = attempt.row(self.place.id);
        let sealed = seal::seal(&self.answer_key(&row), &context(self.place.id, &row), bytes);
        sealed.map_err(|error| IamError::Unsealed(error.to_string()))
    }

    fn unsealed(&self, attempt: &Attempt, sealed: &[u8]) -> Option<SecretSlice<u8>> {
        let row = attempt.row(self.place.id);
        seal::open(&self.answer_key(&row), &context(self.place.id, &row), sealed).ok()
    }

    /// A key for one answer: whoever can read the tenant's database cannot open it.
    fn answer_key(&self, row: &str) -> DataKey {
        let id = DataKeyId::from(self.place.id.uuid());
        DataKey::from_parts(id, self.secrets.record_key().part("idempotency answer", row))
    }
}

impl Attempt {
    /// Which row of which realm it is.
    fn row(&self, realm: TenantId) -> String {
        format!("{realm}/{}/{}", self.caller, hex::encode(self.key))
    }
}

fn context(tenant: TenantId, row: &str) -> SealContext<'_> {
    SealContext { tenant, table: "nexus.idempotency_keys", column: "answer", row, generation: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_quotes_and_without() {
        let of = |text: &str| text.parse::<IdempotencyKey>();
        assert_eq!(of("8e03978e-40d5"), of("\"8e03978e-40d5\""));
        assert_ne!(of("8e03978e-40d5"), of("8e03978e-40d6"));
        for wrong in ["", "\"\"", "a b", "é", "a\"b", &"x".repeat(256)] {
            assert_eq!(of(wrong), Err(NotAKey), "{wrong:?}");
        }
    }
}
