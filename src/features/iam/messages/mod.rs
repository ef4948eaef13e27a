//! Messages to users: which there are, the rows that ask for them, and what each must say when it is written.
//!
//! A token is made here, at that moment: no row, and no answer of a request, holds it. One that is written again
//! has a new token, and the older is good no more.

mod store;

pub(super) use store::has_outbox;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::error::IamError;
use super::rules::Rules;
use crate::features::outbox::{Entry, NewEntry};
use crate::infra::crypto::InvitationToken;
use crate::infra::db::PgConnection;
use crate::kernel::UserId;
use store::Recipient;
pub use store::SignInSeen;

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
    /// The password is another one.
    PasswordChanged,
    /// They cannot sign in any more.
    Disabled,
    /// Signing in takes a code from now on.
    FactorAdded,
    /// Signing in takes no code any more.
    FactorRemoved,
    /// They signed in with a client that none of their sessions had.
    NewSignIn,
}

/// Those that there are, by the type of their rows, and the kind of notification that each is.
const ALL: [(Message, &str, &str); 9] = [
    (Message::Invitation, "mail.invitation", "account.invitation"),
    (Message::Verification, "mail.verification", "account.verification"),
    (Message::AccountExists, "mail.account_exists", "account.exists"),
    (Message::PasswordReset, "mail.password_reset", "account.password_reset"),
    (Message::PasswordChanged, "mail.password_changed", "account.password_changed"),
    (Message::Disabled, "mail.disabled", "account.disabled"),
    (Message::FactorAdded, "mail.second_factor_added", "account.second_factor_added"),
    (Message::FactorRemoved, "mail.second_factor_removed", "account.second_factor_removed"),
    (Message::NewSignIn, "mail.new_sign_in", "account.new_sign_in"),
];

impl Message {
    fn of(entry: &str) -> Option<Self> {
        ALL.iter().find(|(_, name, _)| *name == entry).map(|(message, ..)| *message)
    }

    fn entry(self) -> &'static str {
        ALL.iter().find(|(message, ..)| *message == self).map_or("mail.unknown", |(_, name, _)| name)
    }

    /// The kind of notification that it is.
    #[must_use]
    pub fn kind(self) -> &'static str {
        ALL.iter().find(|(message, ..)| *message == self).map_or("account.unknown", |(.., kind)| kind)
    }

    /// The kind of the notification that rows of a type ask for.
    #[must_use]
    pub fn kind_of(entry: &str) -> Option<&'static str> {
        Self::of(entry).map(Self::kind)
    }

    /// The row that asks for it.
    pub(super) fn to(self, user: UserId) -> NewEntry {
        NewEntry { key: user.to_string(), kind: self.entry(), payload: json!({ "user": user }) }
    }

    /// The row that asks to confirm a registration.
    pub(super) fn verification(user: UserId, registration: Uuid) -> NewEntry {
        let payload = json!({ "user": user, "registration": registration });
        NewEntry { payload, ..Self::Verification.to(user) }
    }

    /// The row that asks to tell of a sign-in.
    pub(super) fn sign_in(user: UserId, session: Uuid) -> NewEntry {
        let payload = json!({ "user": user, "session": session });
        NewEntry { payload, ..Self::NewSignIn.to(user) }
    }
}

/// What a message must say.
#[derive(Debug)]
pub struct AccountMessage {
    pub message: Message,
    /// The address.
    pub to: String,
    /// As they call themselves.
    pub name: String,
    /// Their language, and the realm's, where they are known.
    pub languages: Vec<String>,
    /// What lets in whoever reads it; none where nothing is to be done.
    pub token: Option<SecretString>,
    /// For how many hours that is good.
    pub hours: u64,
    /// The sign-in that it tells of.
    pub sign_in: Option<SignInSeen>,
}

/// What the message of a row must say; none where there is nothing to say any more, because its user changed.
/// Makes its token, in the caller's transaction.
pub(in crate::features) async fn account_message(
    realm: &mut PgConnection,
    rules: &Rules,
    entry: &Entry,
) -> Result<Option<AccountMessage>, IamError> {
    let id = |name: &str| entry.payload[name].as_str().and_then(|text| Uuid::parse_str(text).ok());
    let (Some(message), Some(user)) = (Message::of(&entry.kind), id("user")) else { return Ok(None) };
    let Some(person) = store::recipient(realm, user).await? else { return Ok(None) };
    let Recipient { email: to, name, .. } = person.clone();
    let languages = [person.language.clone(), person.realm_language.clone()].into_iter().flatten().collect();
    let plain = AccountMessage { message, to, name, languages, token: None, hours: 0, sign_in: None };
    let (purpose, ttl) = match wanted(&person, message, rules, id("registration")) {
        Wanted::Nothing => return Ok(None),
        Wanted::Plain => return Ok(Some(plain)),
        Wanted::SignIn => {
            let Some(session) = id("session") else { return Ok(None) };
            let sign_in = store::sign_in(realm, user, session).await?;
            return Ok(sign_in.map(|sign_in| AccountMessage { sign_in: Some(sign_in), ..plain }));
        }
        Wanted::Token(purpose, ttl) => (purpose, ttl),
    };
    let token = InvitationToken::generate()?;
    let hash = token.hash();
    if purpose == "verify" {
        store::put_verification(realm, user, hash.as_bytes(), ttl.as_secs_f64()).await?;
    } else {
        let row = ([user], [hash.as_bytes().as_slice()]);
        super::users::store::put_tokens(realm, &row.0, &row.1, purpose, ttl.as_secs_f64()).await?;
    }
    Ok(Some(AccountMessage {
        token: Some(token.text().clone()),
        hours: ttl.as_secs().div_ceil(3600),
        ..plain
    }))
}

/// What a message to somebody has to say.
enum Wanted {
    /// Nothing any more: they changed.
    Nothing,
    /// A text.
    Plain,
    /// A text about a sign-in.
    SignIn,
    /// A text with a token for this purpose.
    Token(&'static str, Duration),
}

fn wanted(person: &Recipient, message: Message, rules: &Rules, registration: Option<Uuid>) -> Wanted {
    match message {
        Message::Disabled if person.is_disabled => Wanted::Plain,
        _ if person.is_disabled => Wanted::Nothing,
        Message::AccountExists | Message::PasswordChanged if person.has_password => Wanted::Plain,
        Message::FactorAdded | Message::FactorRemoved => Wanted::Plain,
        Message::NewSignIn => Wanted::SignIn,
        Message::Invitation if !person.has_password && person.registration.is_none() => {
            Wanted::Token("invite", rules.invitation_ttl)
        }
        Message::PasswordReset if person.has_password => Wanted::Token("reset", rules.reset_ttl),
        Message::Verification if person.registration.is_some() && person.registration == registration => {
            Wanted::Token("verify", Duration::from_hours(VERIFICATION_HOURS.into()))
        }
        _ => Wanted::Nothing,
    }
}
