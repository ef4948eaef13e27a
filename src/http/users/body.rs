//! A user who is asked for, one or one of many.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::body::Parsed;
use crate::features::iam::Name;
use crate::features::iam::model::NewUser;
use crate::kernel::{DisplayName, Email};

/// A user to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct NewUserBody {
    #[schema(value_type = String, format = "email", example = "bob@acme.example")]
    email: Parsed<Email>,
    #[schema(value_type = Option<String>, example = "Bob Birch")]
    name: Option<Parsed<DisplayName>>,
    /// What conditions and apps may look at.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>, example = json!({ "team": "eu" }))]
    profile: Map<String, Value>,
    /// Values of custom fields.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>)]
    fields: Map<String, Value>,
    /// The names of roles to grant.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["Viewer"]))]
    roles: Vec<Parsed<Name>>,
    /// The names of groups to add them to.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: Vec<Parsed<Name>>,
    /// Their first password. Without it they sign in once they are invited.
    #[schema(value_type = Option<String>, format = "password")]
    password: Option<SecretString>,
}

impl NewUserBody {
    /// The user, and their first password.
    pub(super) fn into_parts(self) -> (NewUser, Option<SecretString>) {
        let names = |all: Vec<Parsed<Name>>| all.into_iter().map(|Parsed(name)| name).collect();
        let user = NewUser {
            email: self.email.0,
            name: self.name.map(|Parsed(name)| name),
            profile: self.profile,
            fields: self.fields,
            roles: names(self.roles),
            groups: names(self.groups),
        };
        (user, self.password)
    }
}
