//! What is sent of tenants.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::body::Parsed;
use super::super::error::RequestError;
use crate::features::placement::PlacementRequest;
use crate::features::provisioning::CreateRequest;
use crate::features::tenants::NewTenant;
use crate::kernel::label::Label;
use crate::kernel::{DisplayName, Email, Labels, PlaceName, Slug};

/// A tenant to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(super) struct NewTenantBody {
    /// The label that people type; it can be changed
    #[schema(value_type = String, example = "acme")]
    slug: Parsed<Slug>,
    /// The customer's name; without it, the slug
    #[schema(value_type = Option<String>, example = "Acme Ltd")]
    name: Option<Parsed<DisplayName>>,
    /// Its first admin's address
    #[schema(value_type = Option<String>, format = "email", example = "ann@acme.example")]
    admin_email: Option<Parsed<Email>>,
    /// The first admin's password; without one they are invited, and the command line hands out the invitation
    #[schema(value_type = Option<String>, format = "password")]
    admin_password: Option<SecretString>,
    /// Labels to select by
    #[serde(default)]
    #[schema(example = json!({ "plan": "gold" }))]
    labels: BTreeMap<String, String>,
    /// On this server
    #[schema(value_type = Option<String>, example = "eu1")]
    cluster: Option<Parsed<PlaceName>>,
    /// In this object store
    #[schema(value_type = Option<String>)]
    store: Option<Parsed<PlaceName>>,
    /// On a server and in a store that have all these labels
    #[serde(default)]
    placement: BTreeMap<String, String>,
}

impl NewTenantBody {
    pub(super) fn into_request(self) -> Result<CreateRequest, RequestError> {
        if self.admin_password.is_some() && self.admin_email.is_none() {
            return Err(RequestError::body(
                "/admin_password",
                "whose it is, admin_email says, which is missing",
            ));
        }
        let place = |name: Option<Parsed<PlaceName>>| name.map(|it| it.0.as_str().to_owned());
        Ok(CreateRequest {
            tenant: NewTenant {
                slug: self.slug.0,
                name: self.name.map(|it| it.0.as_str().to_owned()),
                admin_email: self.admin_email.map(|it| it.0),
                labels: labels("/labels", self.labels)?,
            },
            admin_password: self.admin_password,
            detach: false,
            wait: false,
            wish: PlacementRequest {
                cluster: place(self.cluster),
                store: place(self.store),
                labels: labels("/placement", self.placement)?,
            },
        })
    }
}

/// Labels, each of which is one.
fn labels(pointer: &str, given: BTreeMap<String, String>) -> Result<Labels, RequestError> {
    let checked = |(key, value): (String, String)| label(pointer, &key, &value).map(|it| (it.key, it.value));
    given.into_iter().map(checked).collect()
}

/// One label.
pub(super) fn label(pointer: &str, key: &str, value: &str) -> Result<Label, RequestError> {
    Label::new(key, value).map_err(|error| RequestError::body(pointer, error.to_string()))
}
