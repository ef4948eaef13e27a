//! Users: looked at, made, changed, shut out, deleted, erased.

mod change;
mod create;
mod facts;
mod import;
mod look;
mod purge;
pub(super) mod store;

pub(super) use change::present;
pub use change::{UserUpdate, delete, disable, enable, undelete, unlock, update};
pub use create::{Created, create};
pub use import::{
    ImportReport, ImportRow, Imported, Invite, NotARowState, PreparedRows, RefusedRow, RowOutcome, RowState,
    check_import, import, import_prepared, prepare_import,
};
pub use look::{can, get, list};
pub use purge::{Purged, purge};

use serde_json::{Map, Value};

use super::error::IamError;
use super::model::{User, UserRef};
use super::realm::RealmTx;
use super::subject::nearest_email;
use crate::features::access::{UserState, grants_of_user};
use crate::kernel::filter::{Condition, FieldType, FilterField, Operator};
use crate::kernel::text::{self, TextError};
use crate::kernel::word::words_of;

/// The words of the states.
const STATES: [&str; UserState::ALL.len()] = words_of!(UserState);

/// What users may be filtered by, beside roles and groups.
pub const FIELDS: &[FilterField] = {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    &[
        FilterField {
            name: "state",
            kind: FieldType::Word(&STATES),
            operators: &[Eq, Ne, In],
            about: "In this state: invited, active, locked, disabled or deleted; without it, all but the deleted",
        },
        FilterField {
            name: "email",
            kind: FieldType::Address,
            operators: &[Eq, Ne, In, Contains],
            about: "With this address",
        },
        FilterField {
            name: "name",
            kind: FieldType::Text,
            operators: &[Eq, Ne, In, Contains],
            about: "With this name",
        },
        FilterField {
            name: "second_factor",
            kind: FieldType::Flag,
            operators: &[Eq],
            about: "With a second factor, or without one",
        },
        FilterField {
            name: "created_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Created at this moment",
        },
        FilterField {
            name: "last_sign_in_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Last signed in at this moment; who never did comes before all moments",
        },
    ]
};

/// The states that conditions let through, and the conditions on other fields.
#[must_use]
pub fn states_of(conditions: Vec<Condition>) -> (Option<Vec<UserState>>, Vec<Condition>) {
    let (on_state, others): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|it| it.field == "state");
    if on_state.is_empty() {
        return (None, others);
    }
    let is_among = |condition: &Condition, state: &UserState| condition.texts().contains(&state.as_str());
    let named = on_state.iter().any(|it| it.operator != Operator::Ne);
    let mut states = UserState::ALL.to_vec();
    states.retain(|state| {
        let fits = |it: &Condition| is_among(it, state) != (it.operator == Operator::Ne);
        (named || *state != UserState::Deleted) && on_state.iter().all(fits)
    });
    (Some(states), others)
}

/// The most bytes of a profile, as JSON.
const MAX_PROFILE: usize = 64 * 1024;

/// Requires that a profile is not too long.
fn check_profile(profile: &Map<String, Value>) -> Result<(), IamError> {
    if serde_json::to_string(profile).unwrap_or_default().len() > MAX_PROFILE {
        return Err(IamError::Declaration("a profile has at most 64 KiB".to_owned()));
    }
    Ok(())
}

/// Fields of a profile as they are kept, their names and texts as [`text`] has them.
fn kept_fields(fields: &Map<String, Value>) -> Result<Map<String, Value>, IamError> {
    let mut kept = Map::new();
    for (given, value) in fields {
        let name = text::name(given).map_err(|error| {
            IamError::Declaration(format!("the name of a profile's field cannot be used: {error}"))
        })?;
        let value = kept_value(value).map_err(|error| match error {
            Unkept::Text(error) => IamError::Declaration(format!(
                "the profile's field {name} must be one line of visible text: {error}"
            )),
            Unkept::Fields(error) => error,
        })?;
        if kept.insert(name.clone(), value).is_some() {
            return Err(IamError::Declaration(format!("the profile has the field {name} twice")));
        }
    }
    Ok(kept)
}

/// Why a value of a profile is not kept.
enum Unkept {
    Text(TextError),
    Fields(IamError),
}

fn kept_value(value: &Value) -> Result<Value, Unkept> {
    Ok(match value {
        Value::String(given) => Value::String(text::line(given).map_err(Unkept::Text)?),
        Value::Array(values) => Value::Array(values.iter().map(kept_value).collect::<Result<_, _>>()?),
        Value::Object(fields) => Value::Object(kept_fields(fields).map_err(Unkept::Fields)?),
        other => other.clone(),
    })
}

/// What conditions on permissions over users may look at.
pub(super) fn attributes(user: &User) -> Map<String, Value> {
    let fields = [("owner", user.id.to_string()), ("id", user.id.to_string()), ("email", user.email.clone())];
    let state = ("state", user.state.as_str().to_owned());
    fields.into_iter().chain([state]).map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
}

/// The user, if the caller has the permission on it. Who may not know hears nothing of who there is.
pub(super) async fn find(
    work: &mut RealmTx<'_>,
    who: &UserRef,
    permission: &'static str,
) -> Result<User, IamError> {
    let found = store::by_ref(&mut work.tx, who).await?;
    let attributes = found.as_ref().map(attributes).unwrap_or_default();
    work.actor.require(work.caller, permission, &attributes)?;
    if let Some(user) = found {
        return Ok(user);
    }
    let name = who.to_string();
    let nearest = nearest_email(&mut work.tx, &name).await?;
    Err(IamError::NotFound { what: "user", name, nearest, at: work.place.hinted() })
}

/// The same, where nobody needs a permission to look at themselves.
pub(super) async fn find_or_self(
    work: &mut RealmTx<'_>,
    who: &UserRef,
    permission: &'static str,
) -> Result<User, IamError> {
    if let UserRef::Id(id) = who
        && work.actor.is(*id)
        && let Some(user) = store::by_ref(&mut work.tx, who).await?
    {
        return Ok(user);
    }
    find(work, who, permission).await
}

/// Requires that all of several users are there, before anything is done to the first.
///
/// # Errors
/// Without the permission on each; [`IamError::NoUsers`], with all who are not there.
pub(super) async fn check_all(
    work: &mut RealmTx<'_>,
    users: &[UserRef],
    permission: &'static str,
) -> Result<(), IamError> {
    let (mut names, mut near) = (Vec::new(), Vec::new());
    for who in users {
        match find(work, who, permission).await {
            Ok(_) => {}
            Err(IamError::NotFound { name, nearest, .. }) => {
                names.push(name);
                near.extend(nearest);
            }
            Err(error) => return Err(error),
        }
    }
    let at = work.place.hinted();
    match names.len() {
        0 => Ok(()),
        1 => Err(IamError::NotFound { what: "user", name: names.remove(0), nearest: near.pop(), at }),
        _ => Err(IamError::NoUsers { names, nearest: near, at }),
    }
}

/// The user, if the caller has the permission on it and holds all that the user holds: nobody
/// touches who stands above them.
pub(super) async fn find_to_change(
    work: &mut RealmTx<'_>,
    who: &UserRef,
    permission: &'static str,
) -> Result<User, IamError> {
    let user = find(work, who, permission).await?;
    if !work.actor.is_machine()
        && let Some(grants) = grants_of_user(&mut work.tx, user.id).await?
    {
        work.actor.require_cover(|| format!("user {}", user.email), grants.all(), Some(&grants.facts))?;
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(profile: &Value) -> Result<Value, String> {
        kept_fields(profile.as_object().unwrap()).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn a_profile_is_kept_in_one_form_and_without_what_cannot_be_seen() {
        let given = json!({ "gro\u{308}ße": ["a\u{a0}b", 1], "x": { "y": "o\u{308}" } });
        assert_eq!(kept(&given).unwrap(), json!({ "größe": ["a b", 1], "x": { "y": "ö" } }));
        for hidden in ['\u{202e}', '\u{200b}', '\u{2800}', '\n', '\t', '\0', '\u{1b}'] {
            let text = format!("a{hidden}b");
            for profile in
                [json!({ text.clone(): 1 }), json!({ "x": [text.clone()] }), json!({ "x": { "y": text } })]
            {
                assert!(kept(&profile).is_err(), "{profile}");
            }
        }
        assert!(kept(&json!({ "ö": 1, "o\u{308}": 2 })).is_err());
    }
}
