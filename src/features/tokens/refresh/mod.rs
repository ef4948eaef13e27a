//! Refresh tokens: what keeps a session of [`iam::signin`] going without its password. One use each;
//! using one twice ends the session (RFC 9700, section 4.14.2, where the tokens of a session are
//! called a family).
//!
//! A client that did not hear the answer may ask again from one second after the first use until
//! [`GRACE`] is over, or longer by [`LostAnswer`], and gets the same successor, as long as nobody has used that. Earlier, the
//! answer is [`TokenError::RefreshBusy`], which ends nothing: of many uses at once, one succeeds.
//! The access token is signed and recorded before the exchange is committed: a crash before that has
//! used nothing up, and one after it is a lost answer.

mod store;
mod terms;

use store::LockedSession;
pub(super) use terms::Terms;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Tokens;
use super::claims::{CLIENT, Claims};
use super::error::TokenError;
use super::keys::Signer;
use super::mint::{By, For, NewToken};
use super::opaque::{Opaque, REFRESH};
use super::realm::{Realm, record};
use super::revoke::{revoke_all, revoke_session};
use super::store as control_store;
use crate::features::access::{self, Authorized, Permission, RealmSession, rights};
use crate::features::iam::signin::NewSession;
use crate::features::iam::{self, Subject, signin};
use crate::infra::crypto::seal::{self, DataKey, SealContext};
use crate::infra::crypto::signing::Algorithm;
use crate::infra::db::{PgConnection, Transaction};
use crate::infra::failpoint;
use crate::kernel::ids::DataKeyId;
use crate::kernel::{Caller, RealmRef, TenantId};
use crate::settings::LostAnswer;

/// When a session ends that nobody uses; used or not, it ends after 30 days.
pub const IDLE_LIFE: Duration = Duration::days(14);
/// For how long a client that did not hear the answer can ask again.
pub const GRACE: Duration = Duration::seconds(10);
/// From when on it can. Whoever asks earlier did not wait for the answer.
const RETRY_WINDOW: Duration = Duration::seconds(1);

/// What the seal of a successor is for.
const SUCCESSOR: &str = "nexus refresh successor v1";

/// Which sessions a user leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LogoutScope)]
pub enum SignOut {
    /// The one of the refresh token.
    #[default]
    This,
    /// All but that.
    Others,
    /// All.
    All,
}

impl SignOut {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Others => "others",
            Self::All => "all",
        }
    }
}

/// A refresh token that was exchanged.
#[derive(Debug)]
pub struct Refreshed {
    /// The access token.
    pub token: SecretString,
    pub claims: Claims,
    /// The successor.
    pub refresh: SecretString,
    /// Whether it had been exchanged already, and the answer was lost.
    pub again: bool,
}

/// A use of a refresh token that is good.
struct Use {
    /// The successor.
    refresh: SecretString,
    /// The user, as it is now.
    subject: Subject,
    /// What the access token says: no more than the session was given.
    token: NewToken,
    algorithm: Algorithm,
    again: bool,
    /// When its session began.
    began: OffsetDateTime,
}

/// What becomes of a use.
enum Verdict {
    First,
    Again {
        successor: SecretString,
        /// Longer than [`GRACE`] after the first use: a thief of the token may be who asks.
        late: bool,
    },
    Busy,
    Reused,
}

impl Tokens {
    /// Begins a session for a user who is known by other means than a password; gives its first
    /// token, and the transaction that makes it last. Its access tokens say what the terms allow, and
    /// never more.
    ///
    /// # Errors
    /// [`TokenError::NotActive`], also when the user was shut out since it was looked up; the realm's.
    pub(super) async fn begin_session<'r>(
        &self,
        caller: &Authorized<'_>,
        (realm, subject): (&'r mut Realm, &Subject),
        (client, terms): (&str, &Terms),
    ) -> Result<(Transaction<'r>, SecretString), TokenError> {
        let (name, at) = (realm.name.clone(), realm.as_of.time());
        let mut tx = realm.begin().await?;
        let access = Some(terms.to_json()?);
        let new = NewSession { user: subject.id, client, second_factor: false, at, access };
        let Some(session) = signin::begin_session(&mut tx, new).await? else {
            let now = iam::subject_by_id(&mut tx, subject.id).await?;
            return Err(TokenError::not_active(&now.unwrap_or_else(|| subject.clone()), &name));
        };
        let token = self.first_token(&mut tx, name.id, session).await?;
        let detail = serde_json::json!({ "session": session, "client": client });
        record(&mut tx, caller, ("refresh.begin", Some(subject.id)), detail).await?;
        Ok((tx, token))
    }

    /// The first refresh token of a session that [`signin::sign_in`] began, in a transaction in its
    /// realm.
    ///
    /// # Errors
    /// When a statement fails; when the session has a token.
    pub(in crate::features) async fn first_token(
        &self,
        tx: &mut PgConnection,
        realm: TenantId,
        session: Uuid,
    ) -> Result<SecretString, TokenError> {
        let token = Opaque::generate(REFRESH, realm)?;
        if self.lost_answer == LostAnswer::TenSeconds {
            store::forget_stale(tx).await?;
        }
        store::insert_token(tx, session, &token.hash()).await?;
        Ok(token.text().clone())
    }

    /// Exchanges a refresh token for its successor and an access token. The token is what lets in: a
    /// door that knows no more of who asks says that it is the system.
    ///
    /// # Errors
    /// Without `token:create`; [`TokenError::RefreshInvalid`], the same for every token that is refused;
    /// [`TokenError::RefreshBusy`]; where the access token cannot be minted, and then nothing is used up.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn refresh(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        presented: &SecretString,
    ) -> Result<Refreshed, TokenError> {
        self.refresh_within(control, caller, realm, presented, &[]).await
    }

    /// The same for an access token that allows these scopes at most, if any are named (RFC 6749, section 6): the
    /// next exchange may ask for others of the session's.
    ///
    /// # Errors
    /// As [`Tokens::refresh`]; [`TokenError::Scope`] where more is asked for than the session was given, or its
    /// user holds, and then nothing is used up.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn refresh_within(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        presented: &SecretString,
        scopes: &[Permission],
    ) -> Result<Refreshed, TokenError> {
        let mut authorized = realm.authorize(control, caller, &rights::TOKEN_CREATE, None).await?;
        let (name, as_of) = (realm.name.clone(), realm.as_of);
        let mut tx = realm.begin().await?;
        let presented = (presented, self.lost_answer);
        let Some(used) = use_token(control, &mut tx, &name, presented).await? else {
            tx.commit().await?;
            return Err(TokenError::RefreshInvalid);
        };
        let Use { refresh, subject, token, algorithm, again, began } = used;
        let new = narrowed(token, &subject, scopes)?;
        if matches!(caller, Caller::User { .. }) {
            // Whose token it is, is known now: nobody gets what they do not hold themselves.
            let (realm, on_behalf) = (name.id, Some(subject.id.into()));
            let within = RealmSession { session: &mut tx, realm, on_behalf };
            authorized = access::authorize_in_realm(control, caller, &rights::TOKEN_CREATE, within).await?;
        }
        let whose = For { realm: &name, subject: &subject, as_of };
        let claims = new.compose(whose, self.issuer(), &authorized)?;
        let key = self.signer(control, &authorized, Signer::platform(algorithm)).await?;
        // Its session is in the realm's log: a row for each token of it would make all wait for each other.
        let by = By::continuing(key, began);
        let token = self.issue(control, &authorized, whose, (&new, &claims), by).await?;
        failpoint::pass(|| "refresh.exchange.before".to_owned()).await;
        tx.commit().await?;
        failpoint::pass(|| "refresh.exchange.after".to_owned()).await;
        Ok(Refreshed { token, claims, refresh, again })
    }

    /// Whether [`Tokens::refresh`] would exchange a token. Changes nothing.
    ///
    /// # Errors
    /// As there.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn plan_refresh(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        presented: &SecretString,
    ) -> Result<(), TokenError> {
        realm.authorize(control, caller, &rights::TOKEN_CREATE, None).await?;
        let name = realm.name.clone();
        let mut tx = realm.begin().await?;
        let presented = (presented, self.lost_answer);
        let used = use_token(control, &mut tx, &name, presented).await?;
        tx.rollback().await?;
        let used = used.ok_or(TokenError::RefreshInvalid)?;
        require_not_revoked(control, name.id, (used.subject.id, used.began)).await
    }

    /// Ends the session of a token, others of its user, or all: signing out. A token that is refused ends
    /// nothing, and says so to nobody. Access tokens end with it: with others or all, all of the user, and a
    /// session that goes on gets its next by its refresh token.
    ///
    /// # Errors
    /// The realm's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn sign_out(
        &self,
        control: &mut PgConnection,
        realm: &mut Realm,
        presented: &SecretString,
        which: SignOut,
    ) -> Result<(), TokenError> {
        let Some(presented) = Opaque::parse(REFRESH, presented) else { return Ok(()) };
        let place = realm.name.id;
        let mut tx = realm.begin().await?;
        let open = store::lock_session(&mut tx, &presented.hash()).await?.filter(|session| !session.ended);
        let Some(LockedSession { id: session, user_id, .. }) = open else { return Ok(tx.rollback().await?) };
        let nexus = Authorized::nexus();
        // Whoever has one that was exchanged may have found it: that ends its own session, and no other.
        let was_used = store::token(&mut tx, &presented.hash()).await?.is_some_and(|it| it.used_at.is_some());
        let which = if was_used { SignOut::This } else { which };
        let detail = serde_json::json!({ "session": session, "scope": which.as_str() });
        record(&mut tx, &nexus, ("user.sign_out", Some(user_id)), detail).await?;
        // Access tokens before the commit, so that a crash leaves none of an ended session.
        if matches!(which, SignOut::This) {
            store::forget_sealed(&mut tx, session).await?;
            signin::close_session(&mut tx, session, "signed_out").await?;
            revoke_session(control, &nexus, session).await?;
            return Ok(tx.commit().await?);
        }
        let kept = matches!(which, SignOut::Others).then_some(session);
        signin::close_sessions(&mut tx, user_id, kept, "signed_out").await?;
        // And after it, for those that were issued meanwhile.
        revoke_all(control, &nexus, (place, Some(user_id))).await?;
        tx.commit().await?;
        revoke_all(control, &nexus, (place, Some(user_id))).await
    }
}

/// What the next token of a session says where no more than these scopes are asked for.
fn narrowed(token: NewToken, subject: &Subject, scopes: &[Permission]) -> Result<NewToken, TokenError> {
    if scopes.is_empty() {
        return Ok(token);
    }
    let within = |list: &[Permission], scope: &Permission| {
        list.is_empty() || list.iter().any(|given| given.covers(scope))
    };
    let may = |scope: &&Permission| {
        within(&token.permissions, scope) && within(&token.scopes, scope) && subject.may(scope.as_str())
    };
    match scopes.iter().find(|scope| !may(scope)) {
        Some(more) => Err(TokenError::Scope { scope: more.to_string() }),
        None => Ok(NewToken { scopes: scopes.to_vec(), ..token }),
    }
}

/// Uses a token, in a transaction in its realm; none where it was used twice, which ends its session.
async fn use_token(
    control: &mut PgConnection,
    tx: &mut PgConnection,
    realm: &RealmRef,
    (presented, lost_answer): (&SecretString, LostAnswer),
) -> Result<Option<Use>, TokenError> {
    let presented = Opaque::parse(REFRESH, presented).ok_or(TokenError::RefreshInvalid)?;
    if presented.realm != realm.id {
        return Err(TokenError::RefreshInvalid);
    }
    let hash = presented.hash();
    // Whoever uses a token of the session waits here; what is read after this is what they left.
    let session = store::lock_session(tx, &hash).await?.ok_or(TokenError::RefreshInvalid)?;
    let used = store::token(tx, &hash).await?.ok_or(TokenError::RefreshInvalid)?;
    let idle = session.began_at - used.created_at > IDLE_LIFE;
    if session.ended || idle {
        return Err(TokenError::RefreshInvalid);
    }
    let verdict = judge(&presented, (&used, session.began_at), lost_answer);
    // For a first use, whoever issues a token asks; what was revoked otherwise gets no other answer and no row.
    if !matches!(verdict, Verdict::First) {
        require_not_revoked(control, realm.id, (session.user_id, session.created_at)).await?;
    }
    let subject = iam::subject_by_id(tx, session.user_id).await?.filter(Subject::is_active);
    let subject = subject.ok_or(TokenError::RefreshInvalid)?;
    let terms = match session.access.clone() {
        Some(access) => Terms::from_json(access)?,
        // Nobody knows what a session was given that `nexus token mint` started before this was kept.
        None if session.client == CLIENT => return Err(TokenError::RefreshInvalid),
        None => Terms::default(),
    };
    let (refresh, again) = match verdict {
        Verdict::Busy => return Err(TokenError::RefreshBusy),
        Verdict::Reused => {
            end_misused(tx, &session).await?;
            return Ok(None);
        }
        Verdict::First => (None, false),
        Verdict::Again { successor, late } => {
            if late {
                let detail = serde_json::json!({ "session": session.id, "client": session.client });
                record(tx, &Authorized::nexus(), ("refresh.late", Some(session.user_id)), detail).await?;
            }
            (Some(successor), true)
        }
    };
    // Only who has a good token learns what its user has lost.
    let token = NewToken { session: Some(session.id), ..terms.token(&subject, realm)? };
    let algorithm = terms.algorithm();
    let refresh = match refresh {
        Some(successor) => successor,
        None => use_up(tx, &presented, session.id).await?,
    };
    Ok(Some(Use { refresh, subject, token, algorithm, again, began: session.created_at }))
}

/// Requires that the sessions of a user that began at a time were not revoked.
async fn require_not_revoked(
    control: &mut PgConnection,
    realm: TenantId,
    (user, began): (Uuid, OffsetDateTime),
) -> Result<(), TokenError> {
    match control_store::sessions_revoked_until(control, (realm, user)).await? {
        Some(until) if began <= until => Err(TokenError::RefreshInvalid),
        _ => Ok(()),
    }
}

/// The first use of a token: gives its successor.
async fn use_up(
    tx: &mut PgConnection,
    presented: &Opaque,
    session: Uuid,
) -> Result<SecretString, TokenError> {
    let successor = Opaque::generate(REFRESH, presented.realm)?;
    let sealed = seal_successor(presented, &successor)?;
    store::exchange(tx, session, (&presented.hash(), &successor.hash()), &sealed).await?;
    Ok(successor.text().clone())
}

/// Ends a session one of whose tokens was used twice.
async fn end_misused(tx: &mut PgConnection, session: &LockedSession) -> Result<(), TokenError> {
    store::forget_sealed(tx, session.id).await?;
    signin::close_session(tx, session.id, "reuse").await?;
    let detail = serde_json::json!({ "session": session.id, "client": session.client });
    Ok(record(tx, &Authorized::nexus(), ("refresh.reuse", Some(session.user_id)), detail).await?)
}

/// What becomes of a use that began at a time.
fn judge(
    presented: &Opaque,
    (token, began_at): (&store::TokenRow, OffsetDateTime),
    lost_answer: LostAnswer,
) -> Verdict {
    let Some(used_at) = token.used_at else { return Verdict::First };
    if began_at < used_at + RETRY_WINDOW {
        return Verdict::Busy;
    }
    let late = began_at > used_at + GRACE;
    let may = token.successor_live && (!late || lost_answer == LostAnswer::UntilUsed);
    let sealed = token.successor_sealed.as_deref().filter(|_| may);
    match sealed.and_then(|sealed| open_successor(presented, sealed)) {
        Some(successor) => Verdict::Again { successor, late },
        None => Verdict::Reused,
    }
}

/// The key that seals a token's successor: who has the token can make it, and nobody else.
fn successor_key(presented: &Opaque) -> DataKey {
    DataKey::from_parts(DataKeyId::from(Uuid::nil()), presented.key(SUCCESSOR))
}

fn successor_place(presented: &Opaque) -> SealContext<'static> {
    SealContext {
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
