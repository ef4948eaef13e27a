//! What a declaration says, checked before anything is done.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::error::IamError;
use super::super::model::Name;
use crate::features::access::Condition;
use crate::features::access::Grant;
use crate::features::access::Permission;
use crate::kernel::line::LineError;
use crate::kernel::{Description, Email, brief};

/// Permissions, roles, groups and grants as they should be.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub(super) permissions: BTreeMap<Permission, Description>,
    pub(super) roles: BTreeMap<Name, Role>,
    pub(super) groups: BTreeMap<Name, Group>,
    /// `None`: grants to users are not declared at all.
    pub(super) grants: Option<BTreeMap<String, (Email, Vec<Name>)>>,
    /// Whether what it does not name is taken away.
    pub(super) prune: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) description: Option<Description>,
    /// `None`: left as they are.
    pub(super) permissions: Option<Vec<Grant>>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) description: Option<Description>,
    pub(super) parent: Option<Name>,
    /// `None`: left as they are.
    pub(super) roles: Option<Vec<Name>>,
    /// `None`: left as they are.
    pub(super) members: Option<Vec<Email>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    permissions: Option<BTreeMap<String, String>>,
    roles: Option<BTreeMap<String, RawRole>>,
    groups: Option<BTreeMap<String, RawGroup>>,
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
    /// Reads a declaration in TOML; `prune`: what it does not name is to be taken away.
    ///
    /// # Errors
    /// [`IamError::Declaration`] says where it is wrong. To prune by one without any table, as the output
    /// of a program that failed, would take everything away.
    pub fn parse(text: &str, prune: bool) -> Result<Self, IamError> {
        let raw: RawDocument = toml::from_str(text).map_err(|error| not_toml(text, &error))?;
        let blank =
            raw.permissions.is_none() && raw.roles.is_none() && raw.groups.is_none() && raw.grants.is_none();
        if blank && prune {
            return Err(wrong(
                "it is empty, and to prune by it would remove every group and every role that is not built in; if that is intended, declare it with an empty table: [groups]",
            ));
        }
        let mut document = Self { prune, ..Self::default() };
        for (permission, description) in raw.permissions.unwrap_or_default() {
            document.permissions.insert(parsed("permission", &permission)?, described(&description)?);
        }
        for (role, raw) in raw.roles.unwrap_or_default() {
            let grants = raw.permissions.map(|all| all.iter().map(RawPermission::parse).collect());
            let description = raw.description.as_deref().map(described).transpose()?;
            let declared = Role { description, permissions: grants.transpose()? };
            document.roles.insert(parsed("role", &role)?, declared);
        }
        for (group, raw) in raw.groups.unwrap_or_default() {
            let declared = Group {
                description: raw.description.as_deref().map(described).transpose()?,
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
                    return Err(wrong(&format!("user {:?} is listed twice", brief::brief(&user))));
                }
            }
            document.grants = Some(grants);
        }
        Ok(document)
    }
}

/// What is wrong with the text, and where. The line itself is not repeated: it can be long.
fn not_toml(text: &str, error: &toml::de::Error) -> IamError {
    let reason = brief::brief(error.message());
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return wrong(&reason) };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    wrong(&format!("line {line}, column {column}: {reason}"))
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

/// A description as it is kept.
fn described(text: &str) -> Result<Description, IamError> {
    text.parse().map_err(|error: LineError| wrong(&error.to_string()))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, IamError> {
    text.parse().map_err(|error: T::Err| {
        wrong(&format!("{what} {:?}: {}", brief::brief(text), brief::brief(&error.to_string())))
    })
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
            false,
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
            (&*format!("[roles.A]\ndescription = '{}'", "x".repeat(1001)), "0 to 1000 characters"),
        ] {
            let error = Document::parse(bad, false).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_repeats_little_of_it() {
        for long in [
            format!("[groups]\n{} = 1\n", "a".repeat(1 << 20)),
            format!("[groups]\n[groups.A]\nparent = '{}'\n", "a ".repeat(1 << 19)),
            format!("[groups]\n{}", "a".repeat(1 << 20)),
        ] {
            let error = Document::parse(&long, false).unwrap_err().to_string();
            assert!(error.len() < 700, "{} bytes", error.len());
        }
        let error = Document::parse("[groups]\n\n[rolls.A]\n", false).unwrap_err().to_string();
        assert!(error.contains("line 3, column ") && error.contains("rolls"), "{error}");
    }

    #[test]
    fn a_text_without_a_table_is_no_declaration_to_prune_by() {
        for blank in ["", "\n", "# nothing\n"] {
            let error = Document::parse(blank, true).unwrap_err().to_string();
            assert!(error.contains("[groups]"), "{error}");
            Document::parse(blank, false).unwrap();
        }
        for said in ["[groups]\n", "[grants]\n", "[roles.A]\n"] {
            Document::parse(said, true).unwrap();
        }
    }
}
