//! Signing in: a password, perhaps a second factor, for a session and its first two tokens.

use secrecy::SecretString;
use uuid::Uuid;

use super::Tokens;
use super::claims::Claims;
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::mint::{For, NewToken};
use crate::features::access::{self, Authorized, rights};
use crate::features::iam::signin::{self, Credentials};
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
    ) -> Result<SignedIn, AnyFailure> {
        access::authorize_machine(caller, &rights::TOKEN_CREATE)?;
        let as_of = IssueTime::read(realm.control().await?).await?;
        // Others need it more while a password is hashed.
        realm.give_control_back();
        let entered = signin::sign_in(realm, with).await?;
        let name = realm.place().clone();
        let mut tx = realm.anonymous_tx().await?;
        let subject = iam::subject_by_id(&mut tx, entered.user.uuid()).await?.filter(Subject::is_active);
        let subject = subject.ok_or(IamError::SignIn)?;
        // A crash from here on leaves a session that nobody has a token of; it ends by itself.
        let refresh = Self::first_token(&mut tx, name.id, entered.session).await?;
        tx.commit().await.map_err(TokenError::from)?;
        let user = Authorized::by_its_realm(&entered.caller);
        let new = NewToken::default();
        let whose = For { realm: &name, subject: &subject, as_of };
        let claims = new.compose(whose, self.issuer(), &user)?;
        let control = realm.control().await?;
        let key = self.signer(control, &user, Signer::platform(Algorithm::EdDsa)).await?;
        let token = self.issue(control, &user, whose, (&new, &claims), &key).await?;
        let (session, second_factor) = (entered.session, entered.second_factor);
        Ok(SignedIn { token, claims, refresh, session, second_factor })
    }
}
