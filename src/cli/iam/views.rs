//! What is shown of a realm.

use super::super::output::{Column, Row, Thing, row, thing, time_text};
use crate::features::iam::custom_fields::CustomField;
use crate::features::iam::groups::Branch;
use crate::features::iam::model::{Changed, Group, PermissionView, Role, RoleDetail};
use crate::features::iam::signin::Session;
use crate::features::iam::users::Purged;
use crate::features::iam::{DecisionView, RealmSettings, User};

row! { it: User, it.email;
    text "email": it.email,
    text "name": it.name,
    text "state": it.state.as_str(),
    text "roles": it.roles.join(","),
    text "groups": it.groups.join(","),
    text "created_at": it.created_at,
    text "id": it.id,
}

impl Thing for User {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<time::OffsetDateTime>| time.map(time_text).unwrap_or_default();
        let listed = |values: &serde_json::Map<String, serde_json::Value>| {
            let one = |(name, value): (&String, &serde_json::Value)| match value.as_str() {
                Some(text) => format!("{name}={text}"),
                None => format!("{name}={value}"),
            };
            values.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        vec![
            ("email", self.email.clone()),
            ("name", self.name.clone()),
            ("state", self.state.as_str().to_owned()),
            ("id", self.id.to_string()),
            ("has_password", self.has_password.to_string()),
            ("second_factor", self.second_factor.to_string()),
            ("profile", listed(&self.profile.0)),
            ("fields", listed(&self.fields.0)),
            ("roles", self.roles.join(", ")),
            ("groups", self.groups.join(", ")),
            ("created_at", time_text(self.created_at)),
            ("updated_at", time_text(self.updated_at)),
            ("last_sign_in_at", time(self.last_sign_in_at)),
            ("locked_until", time(self.locked_until)),
            ("deleted_at", time(self.deleted_at)),
        ]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}

impl Row for Changed {
    const COLUMNS: &'static [Column] =
        &[Column::text("outcome"), Column::text("action"), Column::text("subject"), Column::text("object")];

    fn cells(&self) -> Vec<String> {
        let outcome = self.outcome.as_str().to_owned();
        vec![outcome, self.action.to_owned(), self.subject.clone(), self.object.clone()]
    }

    fn id(&self) -> String {
        self.subject.clone()
    }
}

thing! { it: Changed, it.subject;
    "outcome": it.outcome.as_str(),
    "action": it.action,
    "subject": it.subject,
    "object": it.object,
}

row! { it: Role, it.name;
    text "name": it.name,
    text "description": it.description,
    text "permissions": it.permissions.join(", "),
    number "users": it.users,
    number "groups": it.groups,
    text "built_in": it.built_in,
}

thing! { it: Role, it.name;
    "name": it.name,
    "description": it.description,
    "built_in": it.built_in,
    "permissions": it.permissions.join(", "),
    "users": it.users,
    "groups": it.groups,
    "id": it.id,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

impl Thing for RoleDetail {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.role.fields();
        for (pattern, names) in &self.covers {
            let which = match pattern.as_str() {
                "*:*" => "everything".to_owned(),
                _ if names.is_empty() => format!("{pattern}: no registered permission"),
                _ => format!("{pattern}: {}", names.join(", ")),
            };
            fields.push(("covers", which));
        }
        fields
    }

    fn id(&self) -> String {
        Thing::id(&self.role)
    }
}

row! { it: Group, it.name;
    text "name": it.name,
    text "parent": it.parent,
    text "roles": it.roles.join(","),
    number "members": it.members,
    text "description": it.description,
}

thing! { it: Group, it.name;
    "name": it.name,
    "description": it.description,
    "parent": it.parent,
    "roles": it.roles.join(", "),
    "members": it.members,
    "id": it.id,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

impl Row for Branch {
    const COLUMNS: &'static [Column] =
        &[Column::text("name"), Column::text("roles"), Column::number("members"), Column::number("depth")];

    fn cells(&self) -> Vec<String> {
        let group = &self.group;
        let name = format!("{}{}", "  ".repeat(self.depth), group.name);
        vec![name, group.roles.join(","), group.members.to_string(), self.depth.to_string()]
    }

    fn id(&self) -> String {
        self.group.name.clone()
    }
}

impl Row for PermissionView {
    const COLUMNS: &'static [Column] = &[
        Column::text("name"),
        Column::text("description"),
        Column::text("roles"),
        Column::text("administrative"),
    ];

    fn cells(&self) -> Vec<String> {
        let administrative = self.administrative.to_string();
        vec![self.name.clone(), self.description.clone(), self.roles.join(","), administrative]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

thing! { it: DecisionView, it.allowed;
    "allowed": it.allowed,
    "user": it.user,
    "permission": it.permission.to_string(),
    "reason": it.reason,
    "path": it.path.join(" > "),
    "condition": it.condition,
    "roles": it.roles.join(", "),
}

row! { it: CustomField, it.name;
    text "name": it.name,
    text "applies_to": it.applies_to.as_str(),
    text "type": it.kind.as_str(),
    text "choices": it.choices.join(","),
    text "required": it.required,
    text "description": it.description,
    text "id": it.id,
}

thing! { it: CustomField, it.name;
    "name": it.name,
    "applies_to": it.applies_to.as_str(),
    "type": it.kind.as_str(),
    "choices": it.choices.join(", "),
    "required": it.required,
    "description": it.description,
    "id": it.id,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

thing! { it: RealmSettings, it.registration.as_str();
    "registration": it.registration.as_str(),
    "language": it.language,
    "currency": it.currency,
    "time_zone": it.time_zone,
}

row! { it: Session, it.id;
    text "id": it.id,
    text "state": it.state,
    text "client": it.client,
    text "second_factor": it.second_factor,
    text "created_at": it.created_at,
    text "last_used_at": it.last_used_at,
    text "expires_at": it.expires_at,
}

row! { it: Purged, it.id;
    text "outcome": it.outcome,
    text "email": it.email,
    text "id": it.id,
}
