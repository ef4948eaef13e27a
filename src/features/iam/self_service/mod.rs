//! What people do for themselves before they are signed in: register, confirm an address, ask for a new password.
//!
//! Whether an address is known must not show: neither in the answer, nor in the time that it takes. So a password
//! is hashed in every case, by statements of the same number, and what is to be told goes to the mailbox of the
//! address, by a row of the outbox. Start reading at [`admit`].

mod store;

use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::error::IamError;
use super::messages::Message;
use super::model::LogEntry;
use super::realm::Realm;
use super::rules::Rules;
use super::settings::{self, Registration};
use super::signin::{self, NewPassword};
use super::users;
use crate::features::outbox::{self, NewEntry};
use crate::infra::crypto::{InvitationToken, password};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, DisplayName, Email, UserId};
use store::{Account, Standing};

/// What somebody says who registers.
#[derive(Debug)]
pub struct NewAccount {
    pub email: Email,
    pub name: Option<DisplayName>,
    pub password: SecretString,
    /// The token of an invitation to that address.
    pub invitation: Option<SecretString>,
}

/// A registration that the realm takes, and whose password is good.
#[derive(Debug)]
pub struct Admitted {
    new: NewAccount,
    rules: Rules,
}

/// The same, its password hashed: what takes long is done.
#[derive(Debug)]
pub struct Registering {
    email: Email,
    name: Option<DisplayName>,
    invitation: Option<InvitationToken>,
    password: NewPassword,
}

/// Requires that the realm takes a registration, and its password. Nothing is asked of the address.
///
/// # Errors
/// [`IamError::RegistrationClosed`]; [`IamError::InvitationNeeded`]; [`IamError::Token`];
/// [`IamError::Password`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn admit(realm: &mut Realm, new: NewAccount) -> Result<Admitted, IamError> {
    let mut tx = realm.anonymous_tx().await?;
    let registration = settings::registration(&mut tx).await.map_err(IamError::of_older_realm)?;
    tx.rollback().await?;
    match registration {
        Registration::Closed => return Err(IamError::RegistrationClosed),
        Registration::Invited if new.invitation.is_none() => return Err(IamError::InvitationNeeded),
        Registration::Invited | Registration::Open => {}
    }
    password::check(&new.password, Some(new.email.as_str()))?;
    Ok(Admitted { new, rules: realm.rules().clone() })
}

impl Admitted {
    /// Hashes the password: no session of the realm is held meanwhile.
    ///
    /// # Errors
    /// [`IamError::Token`] where the invitation is none; the hasher's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn hash(self) -> Result<Registering, IamError> {
        let Self { new: NewAccount { email, name, password, invitation }, rules } = self;
        let invitation = invitation.map(|text| InvitationToken::parse(&text).map_err(|_| IamError::Token));
        let (hash, invitation) = (rules.hash(&password, false).await?, invitation.transpose()?);
        Ok(Registering { email, name, invitation, password: NewPassword { hash } })
    }
}

/// Registers somebody, who can sign in once they have confirmed their address; with an invitation, at once. A
/// known address is told that it is known, by a message to it.
///
/// # Errors
/// The realm's; [`IamError::UserLimit`], whatever the address. With an invitation, as [`signin::redeem`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn register(realm: &mut Realm, new: Registering) -> Result<(), IamError> {
    if let Some(token) = &new.invitation {
        let name = new.name.as_ref();
        return signin::accept(realm, token, (&new.email, name), &new.password).await.map(drop);
    }
    let most_users = realm.most_users();
    let mut tx = realm.anonymous_tx().await?;
    // Where users are limited, whoever makes some waits for the others.
    if most_users.is_some() {
        super::store::lock(&mut tx).await?;
    }
    store::forget_unconfirmed(&mut tx).await.map_err(IamError::of_older_realm)?;
    if let Some(limit) = most_users
        && super::store::room_for_users(&mut tx, limit).await? == 0
    {
        // Those who were forgotten stay so.
        tx.commit().await.map_err(DbError::from)?;
        return Err(IamError::UserLimit);
    }
    let is_due = store::count_message(&mut tx, &new.email.key()).await?;
    let account = store::account(&mut tx, &new.email.key()).await?;
    let told = register_by_standing(&mut tx, (is_due, account), &new).await?;
    tell(&mut tx, "user.register", told).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Keeps what is registered for an address that nobody had a moment ago, or whose owner has not confirmed it;
/// whom to tell what. All others go through the same statements, which change nothing for them.
async fn register_by_standing(
    tx: &mut PgConnection,
    (is_due, account): (bool, Option<Account>),
    new: &Registering,
) -> Result<Option<(UserId, NewEntry)>, IamError> {
    let registration = Uuid::now_v7();
    let verification = |user| Message::verification(user, registration);
    let (made, kept, message) = match (is_due, account) {
        // Nor is a password replaced that was given a moment ago: its message is on its way.
        (false, _) => (None, None, None),
        (true, None) => {
            let user = UserId::new();
            (Some(user), None, Some((user, verification(user))))
        }
        (true, Some(Account { id, standing })) => match standing {
            Standing::Unconfirmed => (None, Some(id), Some((id, verification(id)))),
            Standing::Invited => (None, None, Some((id, Message::Invitation.to(id)))),
            Standing::Active => (None, None, Some((id, Message::AccountExists.to(id)))),
            Standing::ShutOut => (None, None, None),
        },
    };
    let name = new.name.as_ref().map(DisplayName::as_str);
    let is_made = store::insert_user(tx, made, &new.email, name).await?;
    store::rename(tx, kept, name).await?;
    let user = made.filter(|_| is_made).or(kept);
    put(tx, (user, registration), &new.password).await?;
    // Somebody else was made with the address at the same time, and is told.
    let was_late = made.is_some() && !is_made;
    Ok(message.filter(|_| !was_late))
}

/// Keeps a password until the address is confirmed. Its token is made when the message is written: until then
/// nobody has one.
async fn put(
    tx: &mut PgConnection,
    (user, registration): (Option<UserId>, Uuid),
    password: &NewPassword,
) -> Result<(), IamError> {
    let nobodys = InvitationToken::generate()?.hash();
    Ok(store::put_registration(tx, user, registration, nobodys.as_bytes(), &password.hash).await?)
}

/// Sends a message that sets a new password to whoever has one, and to whoever has none yet the one that they
/// had before.
///
/// # Errors
/// The realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn forgot(realm: &mut Realm, email: &Email) -> Result<(), IamError> {
    ask(realm, email, ("user.password.forgotten", Some(Message::PasswordReset))).await
}

/// Sends once more the message that confirms a registration, or the invitation.
///
/// # Errors
/// The realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn resend(realm: &mut Realm, email: &Email) -> Result<(), IamError> {
    ask(realm, email, ("user.message.resend", None)).await
}

/// Asks for a message; `with_password`: which one who has a password gets.
async fn ask(
    realm: &mut Realm,
    email: &Email,
    (action, with_password): (&'static str, Option<Message>),
) -> Result<(), IamError> {
    let mut tx = realm.anonymous_tx().await?;
    let is_due = store::count_message(&mut tx, &email.key()).await.map_err(IamError::of_older_realm)?;
    let account = store::account(&mut tx, &email.key()).await?.filter(|_| is_due);
    let is_unconfirmed = |it: &&Account| matches!(it.standing, Standing::Unconfirmed);
    let unconfirmed = account.as_ref().filter(is_unconfirmed).map(|account| account.id);
    let registration = store::registration(&mut tx, unconfirmed).await?;
    let told = match account {
        None => None,
        Some(Account { id, standing }) => {
            let entry = match standing {
                Standing::Unconfirmed => registration.map(|it| Message::verification(id, it)),
                Standing::Invited => Some(Message::Invitation.to(id)),
                Standing::Active => with_password.map(|message| message.to(id)),
                Standing::ShutOut => None,
            };
            entry.map(|entry| (id, entry))
        }
    };
    tell(&mut tx, action, told).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Writes the row of a message and that of the log; where there is none, by the same statements none.
async fn tell(
    tx: &mut PgConnection,
    action: &'static str,
    told: Option<(UserId, NewEntry)>,
) -> Result<(), IamError> {
    let caller = Caller::System.to_string();
    let (users, entries): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let note = |(user, entry): (&UserId, &NewEntry)| LogEntry {
        action,
        user: Some(*user),
        detail: json!({ "message": entry.kind }),
    };
    let notes: Vec<_> = users.iter().zip(&entries).map(note).collect();
    outbox::append(tx, &caller, &entries).await.map_err(IamError::of_older_realm)?;
    super::notes::write(tx, &caller, &notes).await.map(drop)
}

/// Confirms the address of whoever the token was made for, and who knows the password that was registered: from
/// here on they sign in with it. A wrong one leaves the token good.
///
/// # Errors
/// [`IamError::Token`]; [`IamError::TokenExpired`]; [`IamError::SignIn`] for another password.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn verify_email(
    realm: &mut Realm,
    token: &SecretString,
    password: &SecretString,
) -> Result<UserId, IamError> {
    let result: Result<UserId, IamError> = async {
        let hash = InvitationToken::parse(token).map_err(|_| IamError::Token)?.hash();
        let owner = signin::owner_of(realm, hash.as_bytes(), &["verify"]).await?;
        let mut tx = realm.anonymous_tx().await?;
        let registered = store::registered_password(&mut tx, owner.id, hash.as_bytes()).await?;
        tx.rollback().await.map_err(DbError::from)?;
        // Who reads the address confirms what they registered, and not what somebody else did in its name.
        let registered = registered.ok_or(IamError::Token)?;
        if !realm.rules().hasher.verify(password, &registered).await? {
            return Err(IamError::SignIn);
        }
        let caller = Caller::user(realm.place.id, owner.id);
        let mut work = realm.write(&caller).await?;
        users::store::lock(&mut work.tx, &[owner.id.uuid()]).await?;
        if !store::confirm(&mut work.tx, owner.id, hash.as_bytes()).await? {
            return Err(IamError::Token);
        }
        work.note("user.verify", Some(owner.id), json!({}));
        work.commit().await?;
        Ok(owner.id)
    }
    .await;
    realm.rollback_on_error(result).await
}
