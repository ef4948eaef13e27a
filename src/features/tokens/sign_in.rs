//! Signing in: a password, perhaps a second factor, for a session and its first two tokens.

use secrecy::SecretString;
use uuid::Uuid;

use super::Tokens;
use super::claims::Claims;
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::mint::{By, For, NewToken};
use crate::features::access::{self, Authorized, rights};
use crate::features::iam::signin::{self, Credentials, NewSession};
use crate::features::iam::{self, IamError, Realm, Subject};
use crate::infra::crypto::signing::Algorithm;
use crate::kernel::{AnyFailure, Caller};

/// Somebody who has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The access token.
    pub token: SecretString,
    pub claims: Claims,
    /// The refresh token.
    pub refresh: SecretString,
    pub session: Uuid,
    /// Whether a second factor was shown.
    pub second_factor: bool,
}

/// What comes of a right password.
#[derive(Debug)]
pub enum Entrance {
    In(Box<SignedIn>),
    /// The second factor is asked for: what it is shown with.
    Challenge(SecretString),
}

impl Tokens {
    /// Signs somebody in to a realm. The password is what lets in: a door that knows no more of who asks
    /// says that it is the system.
    ///
    /// # Errors
    /// As [`signin::sign_in`]; [`TokenError::Changed`] where the user was shut out at this moment.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn sign_in(
        &self,
        caller: &Caller,
        realm: &mut Realm,
        with: &Credentials,
    ) -> Result<Entrance, AnyFailure> {
        access::authorize_machine(caller, &rights::TOKEN_CREATE)?;
        let as_of = as_of(realm).await?;
        Ok(match signin::sign_in(realm, with).await? {
            signin::Entrance::In(entered) => Entrance::In(Box::new(self.enter(realm, as_of, entered).await?)),
            signin::Entrance::Challenge(challenge) => Entrance::Challenge(challenge),
        })
    }

    /// Signs somebody in who has a challenge, and shows the second factor.
    ///
    /// # Errors
    /// As [`signin::answer_challenge`], and [`Tokens::sign_in`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn answer_challenge(
        &self,
        caller: &Caller,
        realm: &mut Realm,
        (challenge, code): (&SecretString, &SecretString),
    ) -> Result<SignedIn, AnyFailure> {
        access::authorize_machine(caller, &rights::TOKEN_CREATE)?;
        let as_of = as_of(realm).await?;
        let entered = signin::answer_challenge(realm, challenge, code).await?;
        self.enter(realm, as_of, entered).await
    }

    /// Changes the caller's own password. All sessions end with all their tokens; the one in which that was
    /// asked goes on with those that are given here.
    ///
    /// # Errors
    /// As [`signin::change_password`], and [`Tokens::sign_in`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn change_password(
        &self,
        caller: &Caller,
        realm: &mut Realm,
        (current, new): (&SecretString, &SecretString),
        client: &str,
    ) -> Result<SignedIn, AnyFailure> {
        let user = signin::change_password(realm, caller, (current, new)).await?;
        // After what was revoked.
        let as_of = as_of(realm).await?;
        let place = realm.place().id;
        let mut tx = realm.anonymous_tx().await.map_err(TokenError::from)?;
        let (id, second_factor, at) = (user.id.uuid(), user.second_factor, as_of.time());
        let new = NewSession { user: id, client, second_factor, at, access: None };
        let session = signin::begin_session(&mut tx, new).await.map_err(TokenError::from)?;
        let session = session.ok_or(IamError::SignIn)?;
        tx.commit().await.map_err(TokenError::from)?;
        let caller = Caller::user(place, user.id);
        let entered = signin::SignedIn { caller, user: user.id, session, second_factor };
        self.enter(realm, as_of, entered).await
    }

    /// Gives the tokens of a session that was begun.
    async fn enter(
        &self,
        realm: &mut Realm,
        as_of: IssueTime,
        entered: signin::SignedIn,
    ) -> Result<SignedIn, AnyFailure> {
        let name = realm.place().clone();
        let mut tx = realm.anonymous_tx().await?;
        let subject = iam::subject_by_id(&mut tx, entered.user.uuid()).await?.filter(Subject::is_active);
        let subject = subject.ok_or(IamError::SignIn)?;
        // A crash from here on leaves a session that nobody has a token of; it ends by itself.
        let refresh = self.first_token(&mut tx, name.id, entered.session).await?;
        tx.commit().await.map_err(TokenError::from)?;
        let user = Authorized::by_its_realm(&entered.caller);
        let new = NewToken { session: Some(entered.session), ..NewToken::default() };
        let whose = For { realm: &name, subject: &subject, as_of };
        let claims = new.compose(whose, self.issuer(), &user)?;
        let control = realm.control().await?;
        let key = self.signer(control, &user, Signer::platform(Algorithm::EdDsa)).await?;
        let token = self.issue(control, &user, whose, (&new, &claims), By::new(key)).await?;
        let (session, second_factor) = (entered.session, entered.second_factor);
        Ok(SignedIn { token, claims, refresh, session, second_factor })
    }
}

/// The time of what is issued. Others need the session more while a password is hashed.
async fn as_of(realm: &mut Realm) -> Result<IssueTime, AnyFailure> {
    let as_of = IssueTime::read(realm.control().await?).await?;
    realm.give_control_back();
    Ok(as_of)
}
