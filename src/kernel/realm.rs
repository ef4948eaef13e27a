//! A database that holds identity tables: the platform's, or a tenant's.

use std::fmt;

use super::TenantId;
use super::hint::InRealm;

/// Which realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmRef {
    /// The tenant's id; [`TenantId::PLATFORM`] for the platform's own.
    pub id: TenantId,
    /// The tenant's slug; none for the platform's.
    pub slug: Option<String>,
}

impl RealmRef {
    /// The platform's own.
    pub const PLATFORM: Self = Self { id: TenantId::PLATFORM, slug: None };

    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.id == TenantId::PLATFORM
    }

    /// As hints name it.
    #[must_use]
    pub fn hinted(&self) -> InRealm {
        InRealm(self.slug.clone())
    }
}

/// For a person.
impl fmt::Display for RealmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.slug {
            Some(slug) => write!(f, "tenant {slug}"),
            None => f.write_str("the platform"),
        }
    }
}
