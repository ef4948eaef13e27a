//! How somebody signs in for the first time: what a door asks for, and what becomes of it.

use secrecy::SecretString;

use super::error::IamError;
use super::rules::Rules;
use crate::infra::crypto::{InvitationToken, password};
use crate::kernel::Email;

/// How a new user is to sign in for the first time.
#[derive(Debug, Clone)]
pub enum FirstPassword {
    /// With this password.
    Given(SecretString),
    /// With one that they set by a single-use token, which is given back once.
    Invitation,
    /// With one that they set by a single-use token, which is sent to them.
    Message,
    /// Not before somebody invites them.
    None,
}

/// The same, ready to be written: what takes long is done.
#[derive(Debug)]
pub(in crate::features) enum FirstSignIn {
    /// The password's Argon2id hash.
    PasswordHash(SecretString),
    /// Of this token its SHA-256 is kept.
    Invitation(InvitationToken),
}

/// Requires that a password may be somebody's first.
///
/// # Errors
/// [`IamError::Password`] says why it is not accepted.
pub(in crate::features) fn check_first_password(
    email: &Email,
    password: &SecretString,
) -> Result<(), IamError> {
    Ok(password::check(password, Some(email.as_str()))?)
}

impl Rules {
    /// Checks and hashes a first password, or makes the invitation's token. It takes long, and comes
    /// before anything is locked.
    ///
    /// # Errors
    /// [`IamError::Password`] says why it is not accepted.
    pub(in crate::features) async fn first_sign_in(
        &self,
        email: &Email,
        first: &FirstPassword,
        dry_run: bool,
    ) -> Result<Option<FirstSignIn>, IamError> {
        Ok(match first {
            FirstPassword::Given(password) => {
                check_first_password(email, password)?;
                Some(FirstSignIn::PasswordHash(self.hash(password, dry_run).await?))
            }
            FirstPassword::Invitation => Some(FirstSignIn::Invitation(InvitationToken::generate()?)),
            // Its token is made when the message is written.
            FirstPassword::Message | FirstPassword::None => None,
        })
    }

    /// Hashes a password that was checked; not in a dry run, which writes no row that could hold it.
    pub(super) async fn hash(
        &self,
        password: &SecretString,
        dry_run: bool,
    ) -> Result<SecretString, IamError> {
        if dry_run {
            return Ok(SecretString::from(""));
        }
        Ok(SecretString::from(self.hasher.hash(password).await?))
    }
}
