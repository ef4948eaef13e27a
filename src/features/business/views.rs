//! What a tenant uses, as doors show it to its own people.

use serde::Serialize;
use utoipa::ToSchema;

/// What a tenant uses, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct OwnUsageView {
    /// The calendar month (UTC) that requests are counted in.
    #[schema(example = "2026-11")]
    pub month: String,
    /// Users that are not deleted.
    pub users: Used,
    /// Bytes of files, including pending uploads.
    pub storage_bytes: Used,
    /// Requests of its users to the API in this month; what a server counted in the last two seconds may be missing.
    pub requests: Used,
    pub database: DatabaseView,
}

/// Usage and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Used)]
pub struct Used {
    #[schema(minimum = 0, example = 12)]
    pub used: i64,
    /// `null`: no limit.
    #[schema(minimum = 0, example = 50)]
    pub limit: Option<i64>,
}

/// The tenant's database, as the login of its apps sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DatabaseUsage)]
pub struct DatabaseView {
    /// Its size in bytes.
    #[schema(minimum = 0, example = 8_432_175)]
    pub bytes: i64,
    /// The sets of migrations of its apps whose history the login may read, by name.
    pub schemas: Vec<SchemaView>,
}

/// How far a set of migrations is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
#[schema(as = AppSchema)]
pub struct SchemaView {
    /// The set's name.
    #[schema(example = "shop")]
    pub set: String,
    /// The newest version that was applied; `null` where none was.
    #[schema(example = 3)]
    pub version: Option<i64>,
}
