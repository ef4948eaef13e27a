//! What is sent of tenants.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::body::{Given, Parsed, given};
use super::super::error::RequestError;
use super::super::problem::Problem;
use crate::features::placement::PlacementRequest;
use crate::features::provisioning::CreateRequest;
use crate::features::tenants::{NewTenant, Profile, ProfileChange};
use crate::kernel::label::Label;
use crate::kernel::{DisplayName, Email, Labels, PlaceName, Slug, Word};

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
    /// What it pays for, in a word of your own
    #[schema(value_type = Option<String>, example = "gold")]
    tier: Option<Parsed<Word>>,
    /// Which market it is of, in a word of your own
    #[schema(value_type = Option<String>, example = "enterprise")]
    segment: Option<Parsed<Word>>,
    /// What it does, in a word of your own
    #[schema(value_type = Option<String>, example = "law-firm")]
    business_type: Option<Parsed<Word>>,
    /// The modules that are enabled for it, at most 50
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["billing", "crm"]))]
    modules: Vec<Parsed<Word>>,
    /// How much it may use
    #[serde(default)]
    limits: LimitsBody,
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
    pub(super) fn into_request(self) -> Result<CreateRequest, Problem> {
        if self.admin_password.is_some() && self.admin_email.is_none() {
            return Err(RequestError::body(
                "/admin_password",
                "whose it is, admin_email says, which is missing",
            )
            .into());
        }
        let profile = ProfileChange {
            tier: Some(self.tier.map(|it| it.0)),
            segment: Some(self.segment.map(|it| it.0)),
            business_type: Some(self.business_type.map(|it| it.0)),
            modules: Some(self.modules.into_iter().map(|it| it.0).collect()),
            ..self.limits.change()?
        };
        let place = |name: Option<Parsed<PlaceName>>| name.map(|it| it.0.as_str().to_owned());
        Ok(CreateRequest {
            tenant: NewTenant {
                slug: self.slug.0,
                name: self.name.map(|it| it.0.as_str().to_owned()),
                admin_email: self.admin_email.map(|it| it.0),
                labels: labels("/labels", self.labels)?,
                profile: profile.of(&Profile::default())?,
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

/// How much a tenant may use. Null takes a limit off; what is not given stays, and for a new tenant is none
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUsageLimits)]
#[expect(clippy::struct_field_names, reason = "a field is its name in JSON")]
pub(super) struct LimitsBody {
    /// Users; deleted ones do not count
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, example = 100)]
    max_users: Given<i64>,
    /// Bytes of its files
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, example = 10_000_000_000_i64)]
    max_storage_bytes: Given<i64>,
    /// Requests to the API in a calendar month (UTC)
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, example = 1_000_000)]
    max_requests_a_month: Given<i64>,
}

impl LimitsBody {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        [self.max_users, self.max_storage_bytes, self.max_requests_a_month].iter().all(Option::is_none)
    }

    /// The change of the limits alone.
    pub(super) fn change(self) -> Result<ProfileChange, RequestError> {
        let change = ProfileChange {
            max_users: self.max_users,
            max_storage_bytes: self.max_storage_bytes,
            max_requests_a_month: self.max_requests_a_month,
            ..ProfileChange::default()
        };
        let all = [
            ("/limits/max_users", change.max_users),
            ("/limits/max_storage_bytes", change.max_storage_bytes),
            ("/limits/max_requests_a_month", change.max_requests_a_month),
        ];
        match all.into_iter().find(|(_, most)| most.flatten().is_some_and(|most| most < 0)) {
            Some((pointer, _)) => Err(RequestError::body(pointer, "it is less than 0")),
            None => Ok(change),
        }
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
