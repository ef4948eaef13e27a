//! What is shown of a realm.

use super::super::output::{Column, Row, Thing, time_text};
use crate::features::iam::groups::Branch;
use crate::features::iam::model::{Changed, Group, PermissionView, Role, RoleDetail};
use crate::features::iam::signin::Session;
use crate::features::iam::users::Purged;
use crate::features::iam::{DecisionView, User};

impl Row for User {
    const COLUMNS: &'static [Column] = &[
        Column::text("email"),
        Column::text("name"),
        Column::text("state"),
        Column::text("roles"),
        Column::text("groups"),
        Column::text("created_at"),
        Column::text("id"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.email.clone(),
            self.name.clone(),
            self.state.as_str().to_owned(),
            self.roles.join(","),
            self.groups.join(","),
            time_text(self.created_at),
            self.id.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.email.clone()
    }
}

impl Thing for User {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<time::OffsetDateTime>| time.map(time_text).unwrap_or_default();
        let profile = self.profile.0.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        vec![
            ("email", self.email.clone()),
            ("name", self.name.clone()),
            ("state", self.state.as_str().to_owned()),
            ("id", self.id.to_string()),
            ("has_password", self.has_password.to_string()),
            ("second_factor", self.second_factor.to_string()),
            ("profile", profile.collect::<Vec<_>>().join(", ")),
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

impl Thing for Changed {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("outcome", self.outcome.as_str().to_owned()),
            ("action", self.action.to_owned()),
            ("subject", self.subject.clone()),
            ("object", self.object.clone()),
        ]
    }

    fn id(&self) -> String {
        self.subject.clone()
    }
}

impl Row for Role {
    const COLUMNS: &'static [Column] = &[
        Column::text("name"),
        Column::text("description"),
        Column::text("permissions"),
        Column::number("users"),
        Column::number("groups"),
        Column::text("built_in"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.description.clone(),
            self.permissions.join(", "),
            self.users.to_string(),
            self.groups.to_string(),
            self.built_in.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Thing for Role {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("built_in", self.built_in.to_string()),
            ("permissions", self.permissions.join(", ")),
            ("users", self.users.to_string()),
            ("groups", self.groups.to_string()),
            ("id", self.id.to_string()),
            ("created_at", time_text(self.created_at)),
            ("updated_at", time_text(self.updated_at)),
        ]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
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

impl Row for Group {
    const COLUMNS: &'static [Column] = &[
        Column::text("name"),
        Column::text("parent"),
        Column::text("roles"),
        Column::number("members"),
        Column::text("description"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.parent.clone().unwrap_or_default(),
            self.roles.join(","),
            self.members.to_string(),
            self.description.clone(),
        ]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Thing for Group {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("parent", self.parent.clone().unwrap_or_default()),
            ("roles", self.roles.join(", ")),
            ("members", self.members.to_string()),
            ("id", self.id.to_string()),
            ("created_at", time_text(self.created_at)),
            ("updated_at", time_text(self.updated_at)),
        ]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
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

impl Thing for DecisionView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("allowed", self.allowed.to_string()),
            ("user", self.user.clone()),
            ("permission", self.permission.to_string()),
            ("reason", self.reason.to_owned()),
            ("path", self.path.join(" > ")),
            ("condition", self.condition.clone().unwrap_or_default()),
            ("roles", self.roles.join(", ")),
        ]
    }

    fn id(&self) -> String {
        self.allowed.to_string()
    }
}

impl Row for Session {
    const COLUMNS: &'static [Column] = &[
        Column::text("id"),
        Column::text("state"),
        Column::text("client"),
        Column::text("second_factor"),
        Column::text("created_at"),
        Column::text("last_used_at"),
        Column::text("expires_at"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.state.clone(),
            self.client.clone(),
            self.second_factor.to_string(),
            time_text(self.created_at),
            time_text(self.last_used_at),
            time_text(self.expires_at),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Row for Purged {
    const COLUMNS: &'static [Column] = &[Column::text("outcome"), Column::text("email"), Column::text("id")];

    fn cells(&self) -> Vec<String> {
        vec![self.outcome.to_owned(), self.email.clone(), self.id.to_string()]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}
