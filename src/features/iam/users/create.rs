//! Making users, one or thousands.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::error::IamError;
use super::super::model::{Name, NewUser, User, UserRef, WriteOutcome};
use super::super::realm::{Realm, RealmTx};
use super::super::{groups, roles};
use super::store::{self, NewRows};
use crate::infra::crypto::TokenHash;
use crate::infra::failpoint;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::hint::UserAction;
use crate::kernel::{Caller, Hint, UserId};

/// How a new user signs in for the first time.
#[derive(Debug, Clone)]
pub enum FirstPassword {
    /// With a password that was given; only its Argon2id hash is here.
    Hash(SecretString),
    /// With a single-use token that sets one; only its hash is here.
    Invitation(TokenHash),
    /// Not before a token is made for it.
    None,
    /// Not before somebody lets it in: it is disabled from the beginning, with a hash or without.
    Disabled(Option<SecretString>),
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub user: NewUser,
    pub password: FirstPassword,
}

/// Makes a user.
///
/// # Errors
/// Without `user:create`, and `role:grant` or `group:update` where roles or groups are given;
/// [`IamError::Exists`]; [`IamError::Above`] when a role or group holds what the caller does not.
pub async fn create(realm: &mut Realm, caller: &Caller, new: Prepared) -> Result<User, IamError> {
    let result: Result<User, IamError> = async {
        let email = new.user.email.clone();
        let mut work = realm.write(caller).await?;
        let made = insert(&mut work, std::slice::from_ref(&new)).await?;
        if made.is_empty() {
            let found = store::by_ref(&mut work.tx, &UserRef::Email(email.clone())).await?;
            return Err(match found.filter(|user| user.deleted_at.is_some()) {
                Some(user) => IamError::State {
                    hint: Hint::new(
                        "undelete them",
                        UserAction::Undelete(user.email.clone(), work.place.hinted()),
                    ),
                    user: user.email,
                    state: "deleted",
                    why: "their address is free again once they are erased",
                },
                None => IamError::Exists { what: "user", name: email.to_string(), at: work.place.hinted() },
            });
        }
        let user = store::by_ref(&mut work.tx, &UserRef::Email(email)).await?;
        let Some(user) = user else {
            return Err(IamError::Tampered("a row that was written is gone".to_owned()));
        };
        work.commit().await?;
        Ok(user)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Makes many users in one transaction. Those whose address is taken are left alone.
///
/// Right before the commit `hand_over` is told of each place in the list whether its user is made.
/// What it writes down then is never less than what is made, wherever the process dies.
///
/// # Errors
/// As [`create`], for all of them: nothing is made. So when `hand_over` fails.
pub async fn create_many(
    realm: &mut Realm,
    caller: &Caller,
    new: &[Prepared],
    hand_over: impl FnOnce(&[bool]) -> Result<(), PrivateFileError>,
) -> Result<Vec<(WriteOutcome, Option<UserId>)>, IamError> {
    let result: Result<Vec<(WriteOutcome, Option<UserId>)>, IamError> = async {
        let dry_run = realm.is_dry_run();
        let mut work = realm.write(caller).await?;
        let made = insert(&mut work, new).await?;
        let is_made: Vec<bool> = (0..new.len()).map(|index| made.contains_key(&index)).collect();
        hand_over(&is_made)?;
        failpoint::pass(|| "user.create.told".to_owned()).await;
        work.commit().await?;
        failpoint::pass(|| "user.create.batch".to_owned()).await;
        let done = if dry_run { WriteOutcome::Planned } else { WriteOutcome::Done };
        Ok((0..new.len())
            .map(|index| match made.get(&index) {
                Some(id) => (done, Some(*id)),
                None => (WriteOutcome::Unchanged, None),
            })
            .collect())
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Inserts rows; gives the ids of those that were made, by their place in the list.
async fn insert(work: &mut RealmTx<'_>, new: &[Prepared]) -> Result<BTreeMap<usize, UserId>, IamError> {
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
    let mut rows = NewRows::default();
    for prepared in new {
        let profile = super::kept_fields(&prepared.user.profile)?;
        super::check_profile(&profile)?;
        let (state, hash) = match &prepared.password {
            FirstPassword::Hash(hash) => ("active", Some(hash.clone())),
            FirstPassword::Invitation(_) | FirstPassword::None => ("invited", None),
            FirstPassword::Disabled(hash) => ("disabled", hash.clone()),
        };
        rows.ids.push(UserId::new().uuid());
        rows.emails.push(prepared.user.email.to_string());
        rows.keys.push(prepared.user.email.key());
        rows.names.push(prepared.user.name.clone());
        rows.profiles.push(Value::Object(profile));
        rows.states.push(state);
        rows.hashes.push(hash);
    }
    let inserted: BTreeSet<UserId> = store::insert(&mut work.tx, &rows).await?.into_iter().collect();
    let made: BTreeMap<usize, UserId> = rows
        .ids
        .iter()
        .enumerate()
        .map(|(index, id)| (index, UserId::from(*id)))
        .filter(|(_, id)| inserted.contains(id))
        .collect();
    attach(work, new, &made, (&role_ids, &group_ids)).await?;
    for (index, id) in &made {
        let user = &new[*index].user;
        let detail = json!({ "state": rows.states[*index], "roles": user.roles, "groups": user.groups });
        work.note("user.create", Some(*id), detail);
    }
    Ok(made)
}

/// Grants roles, adds to groups, keeps invitations.
async fn attach(
    work: &mut RealmTx<'_>,
    new: &[Prepared],
    made: &BTreeMap<usize, UserId>,
    (role_ids, group_ids): (&BTreeMap<&Name, Uuid>, &BTreeMap<&Name, Uuid>),
) -> Result<(), IamError> {
    let (mut role_users, mut roles) = (Vec::new(), Vec::new());
    let (mut group_users, mut groups) = (Vec::new(), Vec::new());
    let (mut token_users, mut tokens) = (Vec::new(), Vec::new());
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
        if let FirstPassword::Invitation(hash) = &prepared.password {
            token_users.push(id.uuid());
            tokens.push(hash.as_bytes().as_slice());
        }
    }
    if !roles.is_empty() {
        store::insert_roles(&mut work.tx, &role_users, &roles).await?;
    }
    if !groups.is_empty() {
        store::insert_members(&mut work.tx, &group_users, &groups).await?;
    }
    if !tokens.is_empty() {
        let seconds = work.rules.invitation_ttl.as_secs_f64();
        store::put_tokens(&mut work.tx, &token_users, &tokens, "invite", seconds).await?;
    }
    Ok(())
}
