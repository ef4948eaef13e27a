//! What a declaration says, checked before anything is done.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::condition::Condition;
use super::super::error::IamError;
use super::super::grants::Grant;
use super::super::model::Name;
use super::super::permission::Permission;
use crate::kernel::Email;

/// Permissions, roles, groups and grants as they should be.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub(super) permissions: BTreeMap<Permission, String>,
    pub(super) roles: BTreeMap<Name, Role>,
    pub(super) groups: BTreeMap<Name, Group>,
    /// `None`: grants to users are not declared at all.
    pub(super) grants: Option<BTreeMap<String, (Email, Vec<Name>)>>,
}

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) description: Option<String>,
    /// `None`: left as they are.
    pub(super) permissions: Option<Vec<Grant>>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) description: Option<String>,
    pub(super) parent: Option<Name>,
    /// `None`: left as they are.
    pub(super) roles: Option<Vec<Name>>,
    /// `None`: left as they are.
    pub(super) members: Option<Vec<Email>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    roles: BTreeMap<String, RawRole>,
    #[serde(default)]
    groups: BTreeMap<String, RawGroup>,
    grants: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    description: Option<String>,
    permissions: Option<Vec<RawPermission>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPermission {
    Always(String),
    When { allow: String, when: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    description: Option<String>,
    parent: Option<String>,
    roles: Option<Vec<String>>,
    members: Option<Vec<String>>,
}

impl Document {
    /// Reads a declaration in TOML.
    ///
    /// # Errors
    /// [`IamError::Declaration`] says where it is wrong.
    pub fn parse(text: &str) -> Result<Self, IamError> {
        let raw: RawDocument = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end()))?;
        let mut document = Self::default();
        for (permission, description) in raw.permissions {
            document.permissions.insert(parsed("permission", &permission)?, description);
        }
        for (role, raw) in raw.roles {
            let grants = raw.permissions.map(|all| all.iter().map(RawPermission::parse).collect());
            let declared = Role { description: raw.description, permissions: grants.transpose()? };
            document.roles.insert(parsed("role", &role)?, declared);
        }
        for (group, raw) in raw.groups {
            let declared = Group {
                description: raw.description,
                parent: raw.parent.map(|name| parsed("parent", &name)).transpose()?,
                roles: raw.roles.map(|all| each("role", &all)).transpose()?,
                members: raw.members.map(|all| each("member", &all)).transpose()?,
            };
            document.groups.insert(parsed("group", &group)?, declared);
        }
        if let Some(raw) = raw.grants {
            let mut grants = BTreeMap::new();
            for (user, roles) in raw {
                let email: Email = parsed("user", &user)?;
                if grants.insert(email.key(), (email, each("role", &roles)?)).is_some() {
                    return Err(wrong(&format!("user {user:?} is there twice")));
                }
            }
            document.grants = Some(grants);
        }
        Ok(document)
    }
}

impl RawPermission {
    fn parse(&self) -> Result<Grant, IamError> {
        let (permission, condition) = match self {
            Self::Always(permission) => (permission, None),
            Self::When { allow, when } => (allow, Some(Condition::parse(when)?)),
        };
        Ok(Grant { permission: parsed("permission", permission)?, condition })
    }
}

fn wrong(reason: &str) -> IamError {
    IamError::Declaration(reason.to_owned())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, IamError> {
    text.parse().map_err(|error| wrong(&format!("{what} {text:?}: {error}")))
}

fn each<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    all: &[String],
) -> Result<Vec<T>, IamError> {
    all.iter().map(|text| parsed(what, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_read_and_a_wrong_one_says_where() {
        let document = Document::parse(
            r#"
            [permissions]
            "invoice:create" = "make invoices"
            [roles.Accountant]
            permissions = ["invoice:*", { allow = "invoice:delete", when = "owner" }]
            [groups.Finance]
            parent = "Office"
            roles = ["Accountant"]
            members = ["ann@acme.example"]
            [grants]
            "ann@acme.example" = ["Manager"]
            "#,
        );
        let document = document.unwrap();
        assert_eq!((document.roles.len(), document.groups.len()), (1, 1));
        for (bad, expected) in [
            ("[rolls.A]", "rolls"),
            ("[roles.A]\npermissions = [\"Invoice\"]", "Invoice"),
            ("[roles.A]\npermissions = [{ allow = \"a:b\", when = \"owner and\" }]", "character 10"),
            ("[roles.'A,B']", "A,B"),
            ("[grants]\n'a@x' = []\n'A@x' = []", "twice"),
            ("[groups.A]\nmembers = ['nobody']", "nobody"),
        ] {
            let error = Document::parse(bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
