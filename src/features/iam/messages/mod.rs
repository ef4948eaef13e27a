//! Messages to users: which there are, the rows that ask for them, and what each must say when it is written.
//!
//! A token is made here, at that moment: no row, and no answer of a request, holds it. One that is written again
//! has a new token, and the older is good no more.

mod store;

use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::error::IamError;
use super::rules::Rules;
use crate::features::outbox::{Entry, NewEntry};
use crate::infra::crypto::InvitationToken;
use crate::infra::db::PgConnection;
use crate::kernel::UserId;

/// For how long an address can be confirmed.
const VERIFICATION_HOURS: u32 = 24;

/// A message to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Set a first password.
    Invitation,
    /// Confirm the address that was registered.
    Verification,
    /// Somebody registered with the address of an account that there is.
    AccountExists,
    /// Set a new password.
    PasswordReset,
}

/// Those that there are, by the type of their rows.
const ALL: [(Message, &str); 4] = [
    (Message::Invitation, "mail.invitation"),
    (Message::Verification, "mail.verification"),
    (Message::AccountExists, "mail.account_exists"),
    (Message::PasswordReset, "mail.password_reset"),
];

impl Message {
    fn of(kind: &str) -> Option<Self> {
        ALL.iter().find(|(_, name)| *name == kind).map(|(message, _)| *message)
    }

    fn kind(self) -> &'static str {
        ALL.iter().find(|(message, _)| *message == self).map_or("mail.unknown", |(_, name)| name)
    }

    /// The row that asks for it.
    pub(super) fn to(self, user: UserId) -> NewEntry {
        NewEntry { key: user.to_string(), kind: self.kind(), payload: json!({ "user": user }) }
    }

    /// The row that asks to confirm a registration.
    pub(super) fn verification(user: UserId, registration: Uuid) -> NewEntry {
        let payload = json!({ "user": user, "registration": registration });
        NewEntry { payload, ..Self::Verification.to(user) }
    }
}

/// What a message must say.
#[derive(Debug)]
pub struct Letter {
    pub message: Message,
    /// The address.
    pub to: String,
    /// What lets in whoever reads it; none where nothing is to be done.
    pub token: Option<SecretString>,
    /// For how many hours that is good.
    pub hours: u64,
}

/// What the message of a row must say; none where there is nothing to say any more, because its user changed.
/// Makes its token, in the caller's transaction.
pub(in crate::features) async fn letter(
    realm: &mut PgConnection,
    rules: &Rules,
    entry: &Entry,
) -> Result<Option<Letter>, IamError> {
    let id = |name: &str| entry.payload[name].as_str().and_then(|text| Uuid::parse_str(text).ok());
    let (Some(message), Some(user)) = (Message::of(&entry.kind), id("user")) else { return Ok(None) };
    let Some(person) = store::recipient(realm, user).await? else { return Ok(None) };
    let hours = |ttl: std::time::Duration| ttl.as_secs().div_ceil(3600);
    let (purpose, ttl) = match message {
        Message::AccountExists if person.has_password => {
            return Ok(Some(Letter { message, to: person.email, token: None, hours: 0 }));
        }
        Message::Invitation if !person.has_password && person.registration.is_none() => {
            ("invite", rules.invitation_ttl)
        }
        Message::PasswordReset if person.has_password => ("reset", rules.reset_ttl),
        Message::Verification
            if person.registration.is_some() && person.registration == id("registration") =>
        {
            ("verify", std::time::Duration::from_hours(VERIFICATION_HOURS.into()))
        }
        _ => return Ok(None),
    };
    let token = InvitationToken::generate()?;
    let hash = token.hash();
    if purpose == "verify" {
        store::put_verification(realm, user, hash.as_bytes(), ttl.as_secs_f64()).await?;
    } else {
        let row = ([user], [hash.as_bytes().as_slice()]);
        super::users::store::put_tokens(realm, &row.0, &row.1, purpose, ttl.as_secs_f64()).await?;
    }
    Ok(Some(Letter { message, to: person.email, token: Some(token.text().clone()), hours: hours(ttl) }))
}
