//! Refresh tokens: what keeps a session of [`iam::signin`] going without its password. One use each;
//! using one twice ends the session (RFC 9700, section 4.14.2, where the tokens of a session are
//! called a family).
//!
//! A client that did not hear the answer may ask again from one second after the first use until
//! [`GRACE`] is over, and gets the same successor, as long as nobody has used that. Earlier, the
//! answer is [`TokenError::RefreshBusy`], which ends nothing: of many uses at once, one succeeds.
//! Nothing else has to be written between the exchange and the answer, so a crash there is a lost
//! answer.

mod store;

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Tokens;
use super::error::TokenError;
use super::opaque::{Opaque, REFRESH};
use super::realm::{Realm, record};
use super::store as control_store;
use crate::features::iam::{self, Subject, signin};
use crate::infra::crypto::seal::{self, DataKey, Place};
use crate::infra::db::PgConnection;
use crate::infra::failpoint;
use crate::kernel::ids::DataKeyId;
use crate::kernel::{Caller, TenantId};

/// When a session ends that nobody uses; used or not, it ends after 30 days.
pub const IDLE_LIFE: Duration = Duration::days(14);
/// For how long a client that did not hear the answer can ask again.
pub const GRACE: Duration = Duration::seconds(10);
/// From when on it can. Whoever asks earlier did not wait for the answer.
const PATIENCE: Duration = Duration::seconds(1);

/// What the seal of a successor is for.
const SUCCESSOR: &str = "nexus refresh successor v1";

/// A refresh token that was exchanged.
#[derive(Debug)]
pub struct Exchanged {
    /// Its successor.
    pub refresh: SecretString,
    /// The user, as it is now.
    pub subject: Subject,
    /// The session.
    pub session: Uuid,
    /// The program that signed in.
    pub client: String,
    /// Whether it had been exchanged already, and the answer was lost.
    pub again: bool,
}

/// What becomes of a use.
enum Verdict {
    First,
    Again(SecretString),
    Busy,
    Reused,
}

impl Tokens {
    /// The realm that a refresh token says it belongs to; whether it does is found out there.
    ///
    /// # Errors
    /// [`TokenError::RefreshInvalid`].
    pub fn refresh_realm(presented: &SecretString) -> Result<TenantId, TokenError> {
        Opaque::parse(REFRESH, presented).map(|token| token.realm).ok_or(TokenError::RefreshInvalid)
    }

    /// Begins a session for a user who is known by other means than a password; gives its first
    /// token.
    ///
    /// # Errors
    /// [`TokenError::NotActive`]; the realm's.
    pub async fn begin_session(
        &self,
        realm: &mut Realm,
        caller: &Caller,
        subject: &Subject,
        client: &str,
    ) -> Result<SecretString, TokenError> {
        if !subject.is_active() {
            return Err(TokenError::not_active(subject, &realm.name));
        }
        let realm_id = realm.name.id;
        let mut tx = realm.begin().await?;
        let session = signin::begin_session(&mut tx, subject.id, client, false).await?;
        let token = Self::first_token(&mut tx, realm_id, session).await?;
        let detail = serde_json::json!({ "session": session, "client": client });
        record(&mut tx, caller, ("refresh.begin", Some(subject.id)), detail).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// The first refresh token of a session that [`signin::sign_in`] began, in a transaction in its
    /// realm.
    ///
    /// # Errors
    /// When a statement fails; when the session has a token.
    pub async fn first_token(
        tx: &mut PgConnection,
        realm: TenantId,
        session: Uuid,
    ) -> Result<SecretString, TokenError> {
        let token = Opaque::generate(REFRESH, realm)?;
        store::forget_stale(tx).await?;
        store::insert_token(tx, session, &token.hash()).await?;
        Ok(token.text().clone())
    }

    /// Exchanges a refresh token for its successor.
    ///
    /// # Errors
    /// [`TokenError::RefreshInvalid`], the same for every token that is refused;
    /// [`TokenError::RefreshBusy`].
    pub async fn exchange(
        &self,
        control: &mut PgConnection,
        realm: &mut Realm,
        presented: &SecretString,
    ) -> Result<Exchanged, TokenError> {
        let presented = Opaque::parse(REFRESH, presented).ok_or(TokenError::RefreshInvalid)?;
        if presented.realm != realm.name.id {
            return Err(TokenError::RefreshInvalid);
        }
        let hash = presented.hash();
        let id = realm.name.id;
        let mut tx = realm.begin().await?;
        let session = store::session_of(&mut tx, &hash).await?.ok_or(TokenError::RefreshInvalid)?;
        // Whoever uses a token of the session waits here; what is read after this is what they left.
        let session = signin::lock_session(&mut tx, session).await?.ok_or(TokenError::RefreshInvalid)?;
        let token = store::token(&mut tx, &hash).await?.ok_or(TokenError::RefreshInvalid)?;
        let revoked = control_store::revoked_until(control, (id, session.user_id), true).await?;
        let idle = session.began_at - token.created_at > IDLE_LIFE;
        if session.ended || idle || revoked.is_some_and(|until| session.created_at <= until) {
            return Err(TokenError::RefreshInvalid);
        }
        let subject = iam::subject_by_id(&mut tx, session.user_id).await?.filter(Subject::is_active);
        let subject = subject.ok_or(TokenError::RefreshInvalid)?;
        let (refresh, again) = match judge(&presented, &token, session.began_at) {
            Verdict::First => {
                let successor = Opaque::generate(REFRESH, id)?;
                let sealed = seal_successor(&presented, &successor)?;
                store::forget_sealed(&mut tx, session.id).await?;
                store::use_token(&mut tx, &hash, &successor.hash(), &sealed).await?;
                store::insert_token(&mut tx, session.id, &successor.hash()).await?;
                signin::use_session(&mut tx, session.id).await?;
                (successor.text().clone(), false)
            }
            Verdict::Again(successor) => (successor, true),
            Verdict::Busy => return Err(TokenError::RefreshBusy),
            Verdict::Reused => {
                store::forget_sealed(&mut tx, session.id).await?;
                signin::close_session(&mut tx, session.id, "reuse").await?;
                let detail = serde_json::json!({ "session": session.id, "client": session.client });
                record(&mut tx, &Caller::System, ("refresh.reuse", Some(session.user_id)), detail).await?;
                tx.commit().await?;
                return Err(TokenError::RefreshInvalid);
            }
        };
        failpoint::pass(|| "refresh.exchange.before".to_owned()).await;
        tx.commit().await?;
        failpoint::pass(|| "refresh.exchange.after".to_owned()).await;
        Ok(Exchanged { refresh, subject, session: session.id, client: session.client, again })
    }

    /// Ends the session of a token: signing out. A token that is refused ends nothing, and says so
    /// to nobody.
    ///
    /// # Errors
    /// The realm's.
    pub async fn sign_out(&self, realm: &mut Realm, presented: &SecretString) -> Result<(), TokenError> {
        let Some(presented) = Opaque::parse(REFRESH, presented) else { return Ok(()) };
        let mut tx = realm.begin().await?;
        if let Some(session) = store::session_of(&mut tx, &presented.hash()).await? {
            store::forget_sealed(&mut tx, session).await?;
            signin::close_session(&mut tx, session, "signed_out").await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What becomes of a use that began at a time.
fn judge(presented: &Opaque, token: &store::TokenRow, began_at: OffsetDateTime) -> Verdict {
    let Some(used_at) = token.used_at else { return Verdict::First };
    if began_at < used_at + PATIENCE {
        return Verdict::Busy;
    }
    let successor =
        token.successor_sealed.as_deref().filter(|_| began_at <= used_at + GRACE && token.successor_live);
    match successor.and_then(|sealed| open_successor(presented, sealed)) {
        Some(successor) => Verdict::Again(successor),
        None => Verdict::Reused,
    }
}

/// The key that seals a token's successor: who has the token can make it, and nobody else.
fn successor_key(presented: &Opaque) -> DataKey {
    DataKey::from_parts(DataKeyId::from(Uuid::nil()), presented.key(SUCCESSOR))
}

fn successor_place(presented: &Opaque) -> Place<'static> {
    Place {
        tenant: presented.realm,
        table: "refresh_tokens",
        column: "successor_sealed",
        row: "",
        generation: 1,
    }
}

fn seal_successor(presented: &Opaque, successor: &Opaque) -> Result<Vec<u8>, TokenError> {
    let text = successor.text().expose_secret().as_bytes();
    seal::seal(&successor_key(presented), &successor_place(presented), text)
        .map_err(|_| TokenError::Request("the successor cannot be sealed".to_owned()))
}

fn open_successor(presented: &Opaque, sealed: &[u8]) -> Option<SecretString> {
    let opened = seal::open(&successor_key(presented), &successor_place(presented), sealed).ok()?;
    std::str::from_utf8(opened.expose_secret()).ok().map(SecretString::from)
}
