//! Custom fields: what a tenant adds to its users and groups. Each has a type, by which values are checked.
//!
//! A field's name and type never change. Whoever deletes a field deletes its values. Start reading at
//! [`CustomField`]; `values.rs` checks what is given for them.

mod filter;
mod model;
mod store;
mod values;

pub use filter::AskedField;
pub use model::{
    AppliesTo, CustomField, CustomFieldType, CustomFieldUpdate, FieldName, FieldRef, NewCustomField,
    WrongField,
};

pub(super) use filter::conditions;
pub(super) use store::{erase, push, set};
pub(super) use values::{Definitions, put_on_users};

use serde_json::{Map, json};
use uuid::Uuid;

use super::error::IamError;
use super::model::{Changed, WriteOutcome};
use super::realm::{Realm, RealmTx};
use crate::infra::failpoint;
use crate::kernel::{Caller, Expected, suggest};

/// Most fields of users, and of groups.
const MOST: usize = 100;
/// How many lose the values of a field in one transaction.
const PORTION: i64 = 2_000;

/// All custom fields of the realm: those of groups, then those of users, by name.
///
/// # Errors
/// Without `settings:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<CustomField>, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "settings:read", &Map::new())?;
    let found = store::list(&mut work.tx).await?;
    work.close().await?;
    Ok(found)
}

/// The custom field.
///
/// # Errors
/// Without `settings:read`; [`IamError::NoField`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller, field: &FieldRef) -> Result<CustomField, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "settings:read", &Map::new())?;
    let found = find(&mut work, field).await?;
    work.close().await?;
    Ok(found)
}

async fn find(work: &mut RealmTx<'_>, wanted: &FieldRef) -> Result<CustomField, IamError> {
    let mut all = store::list(&mut work.tx).await?;
    if let Some(at) = all.iter().position(|field| wanted.is(field)) {
        return Ok(all.swap_remove(at));
    }
    let nearest = match wanted {
        FieldRef::Id(_) => None,
        FieldRef::Named(applies_to, name) => {
            let alike = all.iter().filter(|field| field.applies_to == *applies_to);
            suggest::nearest(name.as_str(), alike.map(|field| field.name.as_str())).map(str::to_owned)
        }
    };
    Err(IamError::NoField { field: wanted.to_string(), nearest, at: work.place.hinted() })
}

/// Adds a field to users or groups. Those that there are have no value of it, also where it is required.
///
/// # Errors
/// Without `settings:update`; [`IamError::FieldExists`]; [`IamError::FieldRefused`] where it contradicts itself, or
/// there are too many.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(
    realm: &mut Realm,
    caller: &Caller,
    new: &NewCustomField,
) -> Result<CustomField, IamError> {
    let result: Result<CustomField, IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "settings:update", &Map::new())?;
        let there = store::list(&mut work.tx).await?;
        let alike: Vec<_> = there.iter().filter(|it| it.applies_to == new.applies_to).collect();
        if alike.iter().any(|it| it.name == new.name.as_str()) {
            let (name, groups) = (new.name.to_string(), new.applies_to == AppliesTo::Groups);
            return Err(IamError::FieldExists { name, groups, at: work.place.hinted() });
        }
        let choices = model::checked_choices(&new.name, new.kind, &new.choices)?;
        if alike.len() >= MOST {
            return Err(IamError::refused_field(&new.name, "there are 100 fields already"));
        }
        let id = Uuid::now_v7();
        store::insert(&mut work.tx, id, new, &choices).await.map_err(IamError::of_older_realm)?;
        work.note(
            "custom_field.create",
            None,
            json!({ "applies_to": new.applies_to, "field": new.name.as_str(), "type": new.kind }),
        );
        let made = find(&mut work, &FieldRef::Id(id)).await?;
        work.commit().await?;
        Ok(made)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Changes what a field is like, but for its name and type.
///
/// # Errors
/// Without `settings:update`; [`IamError::NoField`]; [`IamError::Stale`]; [`IamError::ChoiceInUse`];
/// [`IamError::FieldRefused`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    field: &FieldRef,
    change: &CustomFieldUpdate,
) -> Result<(CustomField, WriteOutcome), IamError> {
    let result: Result<(CustomField, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "settings:update", &Map::new())?;
        let before = find(&mut work, field).await?;
        change.expected.check(&before)?;
        let mut after = before.clone();
        if let Some(choices) = &change.choices {
            let name: FieldName = before.name.parse().map_err(IamError::Tampered)?;
            after.choices = model::checked_choices(&name, before.kind, choices)?;
            for gone in before.choices.iter().filter(|choice| !after.choices.contains(choice)) {
                if store::has_value(&mut work.tx, &before, gone).await? {
                    return Err(IamError::ChoiceInUse { field: before.name, choice: gone.clone() });
                }
            }
        }
        after.required = change.required.unwrap_or(before.required);
        if let Some(text) = &change.description {
            text.as_str().clone_into(&mut after.description);
        }
        if after == before {
            work.commit().await?;
            return Ok((before, WriteOutcome::Unchanged));
        }
        store::update(&mut work.tx, &after).await?;
        work.note(
            "custom_field.update",
            None,
            json!({ "applies_to": after.applies_to, "field": after.name, "required": after.required }),
        );
        let (outcome, after) = (work.outcome(), find(&mut work, field).await?);
        work.commit().await?;
        Ok((after, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Deletes a field with all its values. Where many have one, they lose it in portions, so that nobody waits for long
/// who changes the realm meanwhile; the field is there until the last. What stopped halfway is finished by doing it
/// again.
///
/// # Errors
/// Without `settings:update`; [`IamError::NoField`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    realm: &mut Realm,
    caller: &Caller,
    field: &FieldRef,
    expected: &Expected,
) -> Result<Changed, IamError> {
    let portion = if realm.is_dry_run() { i64::MAX } else { PORTION };
    let mut clearing = Clearing::default();
    loop {
        let deleted = delete_some(realm, caller, (field, expected), (&mut clearing, portion)).await;
        if let Some(deleted) = realm.rollback_on_error(deleted).await? {
            return Ok(deleted);
        }
    }
}

/// How far the deletion of a field has come.
#[derive(Default)]
struct Clearing {
    /// The field, once some lost their values: another may have its name by now.
    field: Option<FieldRef>,
    /// Who lost theirs last.
    after: Uuid,
    cleared: u64,
}

/// Takes the values of a field from some who have one. The field itself where there are no more.
async fn delete_some(
    realm: &mut Realm,
    caller: &Caller,
    (field, expected): (&FieldRef, &Expected),
    (clearing, portion): (&mut Clearing, i64),
) -> Result<Option<Changed>, IamError> {
    let mut work = realm.write(caller).await?;
    work.actor.require(caller, "settings:update", &Map::new())?;
    let field = find(&mut work, clearing.field.as_ref().unwrap_or(field)).await?;
    if clearing.field.is_none() {
        expected.check(&field)?;
    }
    let ids = store::clear_some(&mut work.tx, &field, (clearing.after, portion)).await?;
    clearing.cleared += ids.len() as u64;
    let detail =
        |values: u64| json!({ "applies_to": field.applies_to, "field": field.name, "values": values });
    if i64::try_from(ids.len()).is_ok_and(|some| some >= portion) {
        work.note("custom_field.clear", None, detail(ids.len() as u64));
        work.commit().await?;
        clearing.after = ids.into_iter().max().unwrap_or(clearing.after);
        clearing.field = Some(FieldRef::Id(field.id));
        failpoint::pass(|| "custom_field.cleared".to_owned()).await;
        return Ok(None);
    }
    // Somebody may have got a value since.
    clearing.cleared += store::delete(&mut work.tx, &field).await?;
    work.note("custom_field.delete", None, detail(clearing.cleared));
    let outcome = work.outcome();
    work.commit().await?;
    let object = field.applies_to.as_str().to_owned();
    Ok(Some(Changed { action: "custom_field.delete", subject: field.name, object, outcome }))
}
