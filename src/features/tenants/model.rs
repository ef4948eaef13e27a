//! A tenant's facts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::life::{Life, Suspension, Trash};
use super::profile::{Profile, UsageLimits};
use super::selector::Selector;
use crate::infra::db::stored_as_text;
use crate::kernel::{Email, Labels, Slug, TenantId, Word};

/// Where in its life a tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum TenantState {
    /// Being made; not usable.
    Provisioning,
    /// Ready, and nobody's yet.
    Pooled,
    /// In use.
    Active,
    /// Out of use for a while, by an operator's will; nobody is let in.
    Suspended,
    /// Deleted, and kept for a while; nobody is let in.
    Trashed,
    /// Being taken away; not usable.
    Deleting,
    /// Gone; only the row is left.
    Deleted,
}
stored_as_text!(TenantState);

impl TenantState {
    /// All states, for help and completion.
    pub const ALL: [Self; 7] = [
        Self::Provisioning,
        Self::Pooled,
        Self::Active,
        Self::Suspended,
        Self::Trashed,
        Self::Deleting,
        Self::Deleted,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Pooled => "pooled",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Trashed => "trashed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

/// What is asked for when a tenant is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// The label that people type.
    pub slug: Slug,
    /// The customer's name; the slug, where none was given.
    pub name: Option<String>,
    pub admin_email: Option<Email>,
    /// Labels to select by.
    pub labels: Labels,
    pub profile: Profile,
}

impl NewTenant {
    /// The customer's name, given or not.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.slug.as_str())
    }

    /// What was asked for, for the operation and the audit log.
    #[must_use]
    pub fn asked(&self) -> Map<String, Value> {
        let facts = Facts {
            name: self.name().to_owned(),
            labels: self.labels.clone(),
            profile: self.profile.clone(),
        };
        let mut asked = match serde_json::to_value(facts) {
            Ok(Value::Object(facts)) => facts,
            _ => Map::new(),
        };
        asked.insert("slug".to_owned(), self.slug.as_str().into());
        asked.insert("admin_email".to_owned(), self.admin_email.as_ref().map(Email::as_str).into());
        asked
    }
}

/// The opaque names of what is a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Resources {
    pub database_name: String,
    pub owner_role: String,
    /// The role that the tenant logs in as.
    pub app_role: String,
    pub bucket: String,
}

/// How a database was found that was there before Nexus: what its tenant's end leads back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Adoption {
    /// PUBLIC's right to connect was taken away.
    pub isolated: bool,
    /// The login had its right to connect through PUBLIC alone.
    pub login_by_public: bool,
    /// Schema `nexus` was there already, and stays.
    pub realm_was_there: bool,
}

/// A tenant's row.
#[derive(Debug, Clone, FromRow)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub state: TenantState,
    pub admin_email: Option<String>,
    /// Labels to select by.
    pub labels: Json<Labels>,
    /// The PostgreSQL server it is placed on.
    pub cluster: String,
    /// The object store it is placed in.
    pub store: String,
    /// What is the tenant's.
    #[sqlx(flatten)]
    pub resources: Resources,
    /// The public half of its key, once there is one.
    pub access_key_id: Option<String>,
    /// Its key is one that other tenants hold, too.
    pub shared_key: bool,
    /// Its database and its logins were there before Nexus, and are not Nexus's to remove.
    pub adopted: bool,
    /// How they were found; only where they were.
    pub adoption: Option<Json<Adoption>>,
    /// The version of its schema.
    pub schema_version: Option<i64>,
    #[sqlx(flatten)]
    pub profile: Profile,
    /// Its last suspension and its last deletion.
    #[sqlx(flatten)]
    pub life: Life,
    pub created_at: OffsetDateTime,
    /// When its row last changed.
    pub updated_at: OffsetDateTime,
}

impl Tenant {
    /// What can be changed of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts { name: self.name.clone(), labels: self.labels.0.clone(), profile: self.profile.clone() }
    }
}

/// A tenant as doors show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    #[schema(value_type = uuid::Uuid)]
    pub id: TenantId,
    #[schema(example = "acme")]
    pub slug: String,
    pub name: String,
    pub state: TenantState,
    pub admin_email: Option<String>,
    /// Labels to select by.
    #[schema(example = json!({ "plan": "gold" }))]
    #[schema(value_type = HashMap<String, String>)]
    pub labels: Labels,
    /// What it pays for, in the operators' words.
    #[schema(value_type = Option<String>, example = "gold")]
    pub tier: Option<Word>,
    /// Which market it is of, in the operators' words.
    #[schema(value_type = Option<String>, example = "enterprise")]
    pub segment: Option<Word>,
    /// What it does, in the operators' words.
    #[schema(value_type = Option<String>, example = "law-firm")]
    pub business_type: Option<Word>,
    /// The modules that are enabled for it.
    #[schema(value_type = Vec<String>, example = json!(["billing", "crm"]))]
    pub modules: Vec<Word>,
    pub limits: UsageLimits,
    /// The PostgreSQL server it is placed on.
    pub cluster: String,
    /// The object store it is placed in.
    pub store: String,
    /// The database's opaque name.
    pub database: String,
    /// The role that the tenant logs in as.
    pub role: String,
    /// The bucket's opaque name.
    pub bucket: String,
    /// Its key is one that other tenants hold, too; only where it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared_key: bool,
    /// Its database and its logins were there before Nexus; only where they were.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The version of its schema.
    pub schema_version: Option<i64>,
    /// Why it is suspended; only where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// Until when it is in the trash; only where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash: Option<Trash>,
    /// When it was asked for (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When its row last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let (suspension, trash) = (tenant.suspension(), tenant.trash());
        Self {
            suspension,
            trash,
            id: tenant.id,
            slug: tenant.slug,
            name: tenant.name,
            state: tenant.state,
            admin_email: tenant.admin_email,
            labels: tenant.labels.0,
            tier: tenant.profile.tier,
            segment: tenant.profile.segment,
            business_type: tenant.profile.business_type,
            modules: tenant.profile.modules,
            limits: tenant.profile.limits,
            cluster: tenant.cluster,
            store: tenant.store,
            database: tenant.resources.database_name,
            role: tenant.resources.app_role,
            bucket: tenant.resources.bucket,
            shared_key: tenant.shared_key,
            adopted: tenant.adopted,
            schema_version: tenant.schema_version,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}

/// Which tenants a list holds.
#[derive(Debug, Clone, Default)]
pub struct TenantFilter {
    /// That fit this.
    pub selector: Selector,
    /// With this text in slug or name, whatever its case.
    pub search: Option<String>,
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TenantSort {
    /// The slug.
    #[default]
    Slug,
    /// The customer's name.
    Name,
    /// The state.
    State,
    /// The time of creation.
    CreatedAt,
}

impl TenantSort {
    /// The field.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Slug => "slug",
            Self::Name => "name",
            Self::State => "state",
            Self::CreatedAt => "created_at",
        }
    }

    /// The words that a person types, and what they mean.
    pub const WORDS: [(&'static str, Self); 4] =
        [("slug", Self::Slug), ("name", Self::Name), ("state", Self::State), ("created_at", Self::CreatedAt)];
}

/// The place of a row in a list: its value of the field that the list is sorted by, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPosition {
    /// As JSON has it.
    pub value: String,
    pub id: TenantId,
}

impl TenantPosition {
    /// Of a row.
    #[must_use]
    pub fn of(tenant: &Tenant, sort: TenantSort) -> Self {
        let value = match sort {
            TenantSort::Slug => tenant.slug.clone(),
            TenantSort::Name => tenant.name.clone(),
            TenantSort::State => tenant.state.as_str().to_owned(),
            TenantSort::CreatedAt => tenant.created_at.format(&Rfc3339).unwrap_or_default(),
        };
        Self { value, id: tenant.id }
    }

    /// Its time, where that is what it is sorted by; `None` where it is none.
    #[must_use]
    pub fn time(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(&self.value, &Rfc3339).ok()
    }
}

/// What can be changed of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub name: String,
    /// Labels to select by.
    pub labels: Labels,
    #[serde(flatten)]
    pub profile: Profile,
}
