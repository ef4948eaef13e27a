//! A realm that is open for work on its users' tokens.

mod store;

use serde::Serialize;
use uuid::Uuid;

pub(super) use store::record;

use super::error::TokenError;
use super::issued::IssueTime;
use crate::features::access::{self, Authorized, RealmSession, Right};
use crate::infra::db::{Lease, PgConnection, Transaction, transaction_as};
use crate::kernel::hint::InRealm;
use crate::kernel::{Caller, TenantId, UserId};

/// Which realm: a tenant's, or the platform's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RealmName {
    /// The tenant's id; the nil id: the platform.
    pub id: TenantId,
    /// The tenant's slug; none: the platform.
    pub slug: Option<String>,
}

impl RealmName {
    /// The platform's.
    pub const PLATFORM: Self = Self { id: TenantId::PLATFORM, slug: None };

    /// As hints name it.
    #[must_use]
    pub fn hinted(&self) -> InRealm {
        InRealm(self.slug.clone())
    }

    /// For a person.
    #[must_use]
    pub fn display(&self) -> String {
        self.slug.as_ref().map_or_else(|| "the platform".to_owned(), |slug| format!("tenant {slug}"))
    }
}

/// A realm and a session in its database, safe from what the tenant may have planted there: the
/// administrator's, with safe startup options, acting with the owner role's rights.
#[derive(Debug)]
pub struct Realm {
    pub name: RealmName,
    /// A session in its database.
    pub session: Lease,
    /// The role that owns a tenant's database; none: the platform's.
    pub owner: Option<String>,
    /// The time that what is issued here bears: read before the session was opened.
    pub as_of: IssueTime,
}

impl Realm {
    /// Checks that the caller may do something with the tokens of this realm, perhaps in the name of one
    /// of its users.
    pub(super) async fn authorize<'a>(
        &mut self,
        control: &mut PgConnection,
        caller: &'a Caller,
        right: &'static Right,
        on_behalf: Option<Uuid>,
    ) -> Result<Authorized<'a>, TokenError> {
        if !matches!(caller, Caller::User { .. }) {
            return Ok(access::authorize_machine(caller, right)?);
        }
        let realm = self.name.id;
        let mut tx = self.begin().await?;
        let within = RealmSession { session: &mut tx, realm, on_behalf: on_behalf.map(UserId::from) };
        let authorized = access::authorize_in_realm(control, caller, right, within).await?;
        tx.rollback().await?;
        Ok(authorized)
    }

    /// Begins a transaction with the owner's rights.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(in crate::features) async fn begin(&mut self) -> Result<Transaction<'_>, TokenError> {
        Ok(transaction_as(&mut self.session, self.owner.as_deref()).await?)
    }
}
