//! Making users: one, or the rows of a batch.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::custom_fields::{self, AppliesTo, Definitions};
use super::super::error::IamError;
use super::super::first::{FirstPassword, FirstSignIn};
use super::super::messages::Message;
use super::super::model::{Name, NewUser, User, UserRef, UserState};
use super::super::realm::{Realm, RealmTx};
use super::super::{groups, roles};
use super::store::{self, NewRows};
use crate::infra::crypto::InvitationToken;
use crate::kernel::hint::{InRealm, UserAction};
use crate::kernel::{Caller, Email, Hint, UserId};

/// A user that is about to be made: what takes long is done.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) user: NewUser,
    pub(super) state: UserState,
    /// `None`: not before somebody invites them.
    pub(super) sign_in: Option<FirstSignIn>,
    /// Whether a message invites them.
    pub(super) by_message: bool,
}

impl Prepared {
    /// Who is disabled is so from the beginning, whatever they would sign in with.
    pub(super) fn new(
        user: NewUser,
        (first, sign_in): (&FirstPassword, Option<FirstSignIn>),
        disabled: bool,
    ) -> Self {
        let by_message = matches!(first, FirstPassword::Message);
        let state = match sign_in {
            _ if disabled => UserState::Disabled,
            Some(FirstSignIn::PasswordHash(_)) => UserState::Active,
            Some(FirstSignIn::Invitation(_)) | None => UserState::Invited,
        };
        Self { user, state, sign_in, by_message }
    }

    /// The token with which they set their password.
    pub(super) fn invitation(&self) -> Option<&InvitationToken> {
        match &self.sign_in {
            Some(FirstSignIn::Invitation(token)) => Some(token),
            _ => None,
        }
    }
}

/// A user that was made.
#[derive(Debug)]
pub struct Created {
    pub user: User,
    /// The token with which they set their password, to be shown once; none in a dry run.
    pub invitation: Option<SecretString>,
}

/// Makes a user.
///
/// # Errors
/// Without `user:create`, and `role:grant` or `group:update` where roles or groups are given;
/// [`IamError::Password`]; [`IamError::Fields`]; [`IamError::Exists`]; [`IamError::UserLimit`];
/// [`IamError::Access`] when a role or group holds what the
/// caller does not.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(
    realm: &mut Realm,
    caller: &Caller,
    new: NewUser,
    first: &FirstPassword,
) -> Result<Created, IamError> {
    let result: Result<Created, IamError> = async {
        if matches!(first, FirstPassword::Given(_)) {
            may_create(realm, caller).await?;
        }
        let dry_run = realm.is_dry_run();
        let sign_in = realm.rules.first_sign_in(&new.email, first, dry_run).await?;
        let email = new.email.clone();
        let new = Prepared::new(new, (first, sign_in), false);
        let mut work = realm.write(caller).await?;
        let Made { made, full } = insert(&mut work, std::slice::from_ref(&new)).await?;
        if !full.is_empty() {
            return Err(IamError::UserLimit);
        }
        let user = store::by_ref(&mut work.tx, &UserRef::Email(email.clone())).await?;
        if made.is_empty() {
            return Err(taken(&email, user, work.place.hinted()));
        }
        let Some(user) = user else {
            return Err(IamError::Tampered("a row that was written is gone".to_owned()));
        };
        work.commit().await?;
        let invitation = new.invitation().filter(|_| !dry_run).map(|token| token.text().clone());
        Ok(Created { user, invitation })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Requires that the caller may make users, before a hash is made for them.
async fn may_create(realm: &mut Realm, caller: &Caller) -> Result<(), IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "user:create", &Map::new())?;
    work.close().await
}

/// Why an address cannot be had; `user` has it.
fn taken(email: &Email, user: Option<User>, at: InRealm) -> IamError {
    match user.filter(|user| user.deleted_at.is_some()) {
        Some(user) => IamError::State {
            hint: Hint::new("undelete them", UserAction::Undelete(user.email.clone(), at)),
            user: user.email,
            state: "deleted",
            why: "their address is free again once they are erased",
        },
        None => IamError::Exists { what: "user", name: email.to_string(), at },
    }
}

/// What came of rows.
#[derive(Debug)]
pub(super) struct Made {
    /// The ids of those that were made, by their place in the list.
    pub(super) made: BTreeMap<usize, UserId>,
    /// The places of those for whom there was no room.
    pub(super) full: BTreeSet<usize>,
}

/// Inserts rows, the first ones where there is no room for all. Those whose address is taken are left alone.
pub(super) async fn insert(work: &mut RealmTx<'_>, new: &[Prepared]) -> Result<Made, IamError> {
    work.actor.require(work.caller, "user:create", &Map::new())?;
    let distinct = |of: fn(&NewUser) -> &Vec<Name>| -> BTreeSet<&Name> {
        new.iter().flat_map(|prepared| of(&prepared.user)).collect()
    };
    let mut role_ids: BTreeMap<&Name, Uuid> = BTreeMap::new();
    for name in distinct(|user| &user.roles) {
        role_ids.insert(name, roles::find_to_grant(work, name).await?.id);
    }
    let mut group_ids: BTreeMap<&Name, Uuid> = BTreeMap::new();
    for name in distinct(|user| &user.groups) {
        group_ids.insert(name, groups::find_to_join(work, name).await?.id);
    }
    let definitions = Definitions::of(work, AppliesTo::Users).await?;
    let (mut rows, mut values) = (NewRows::default(), Vec::new());
    for prepared in new {
        values.push(definitions.merged(&Map::new(), &prepared.user.fields, true)?);
        let profile = super::kept_fields(&prepared.user.profile)?;
        super::check_profile(&profile)?;
        let hash = match &prepared.sign_in {
            Some(FirstSignIn::PasswordHash(hash)) => Some(hash.clone()),
            _ => None,
        };
        rows.ids.push(UserId::new().uuid());
        rows.emails.push(prepared.user.email.to_string());
        rows.keys.push(prepared.user.email.key());
        rows.names.push(prepared.user.name.as_ref().map(ToString::to_string).unwrap_or_default());
        rows.profiles.push(Value::Object(profile));
        rows.states.push(prepared.state.as_str());
        rows.hashes.push(hash);
    }
    let room = work.room_for_users().await?;
    let inserted: BTreeSet<UserId> = store::insert(&mut work.tx, &rows).await?.into_iter().collect();
    let mut made: BTreeMap<usize, UserId> = rows
        .ids
        .iter()
        .enumerate()
        .map(|(index, id)| (index, UserId::from(*id)))
        .filter(|(_, id)| inserted.contains(id))
        .collect();
    // Only now is it known whose address was free.
    let room = room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX);
    let full: BTreeMap<usize, UserId> = made.iter().skip(room).map(|(at, id)| (*at, *id)).collect();
    if !full.is_empty() {
        made.retain(|at, _| !full.contains_key(at));
        let ids: Vec<Uuid> = full.values().map(|id| id.uuid()).collect();
        store::remove_new(&mut work.tx, &ids).await?;
    }
    attach(work, new, &made, (&role_ids, &group_ids)).await?;
    let values = made.iter().map(|(index, id)| (id.uuid(), std::mem::take(&mut values[*index])));
    custom_fields::put_on_users(work, values.collect()).await?;
    for (index, id) in &made {
        let user = &new[*index].user;
        let detail = json!({ "state": rows.states[*index], "roles": user.roles, "groups": user.groups });
        work.note("user.create", Some(*id), detail);
    }
    Ok(Made { made, full: full.into_keys().collect() })
}

/// Grants roles, adds to groups, keeps invitations, asks for messages.
async fn attach(
    work: &mut RealmTx<'_>,
    new: &[Prepared],
    made: &BTreeMap<usize, UserId>,
    (role_ids, group_ids): (&BTreeMap<&Name, Uuid>, &BTreeMap<&Name, Uuid>),
) -> Result<(), IamError> {
    let (mut role_users, mut roles) = (Vec::new(), Vec::new());
    let (mut group_users, mut groups) = (Vec::new(), Vec::new());
    let (mut token_users, mut hashes) = (Vec::new(), Vec::new());
    let mut messages = Vec::new();
    for (index, id) in made {
        let prepared = &new[*index];
        for role in prepared.user.roles.iter().filter_map(|name| role_ids.get(name)) {
            role_users.push(id.uuid());
            roles.push(*role);
        }
        for group in prepared.user.groups.iter().filter_map(|name| group_ids.get(name)) {
            group_users.push(id.uuid());
            groups.push(*group);
        }
        if let Some(token) = prepared.invitation() {
            token_users.push(id.uuid());
            hashes.push(token.hash());
        }
        if prepared.by_message {
            messages.push(Message::Invitation.to(*id));
        }
    }
    if !messages.is_empty() {
        work.hand_over(&messages).await?;
    }
    if !roles.is_empty() {
        store::insert_roles(&mut work.tx, &role_users, &roles).await?;
    }
    if !groups.is_empty() {
        store::insert_members(&mut work.tx, &group_users, &groups).await?;
    }
    if !hashes.is_empty() {
        let tokens: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
        let seconds = work.rules.invitation_ttl.as_secs_f64();
        store::put_tokens(&mut work.tx, &token_users, &tokens, "invite", seconds).await?;
    }
    Ok(())
}
