//! What a handler of the business works with: the tenant, its database by the login of its apps, its bucket by its
//! own key, and who asks. It is the only way from a request to a tenant's own data.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Api;
use super::context::RequestContext;
use super::error::RequestError;
use super::problem::Problem;
use super::share::Turn;
use crate::features::business::{self, Database};
use crate::features::files::{self, Bucket};
use crate::features::iam::Realm;
use crate::features::tenants::Tenant;
use crate::kernel::{AnyFailure, Caller};

/// A request of somebody who has signed in to a tenant.
///
/// Services of the business take it as what leads to a tenant ([`business::Reach`]). Those of identity take a realm,
/// which a session in the tenant's database is not.
pub(super) struct TenantContext {
    request: RequestContext,
    tenant: Arc<Tenant>,
}

impl TenantContext {
    /// Who asks.
    pub(super) fn caller(&self) -> &Caller {
        &self.request.caller
    }
}

impl FromRequestParts<Api> for TenantContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let request = RequestContext::from_request_parts(parts, api).await?;
        let tenant = request.tenant().ok_or(RequestError::TokenOfPlatform)?;
        Ok(Self { request, tenant })
    }
}

impl files::Reach for TenantContext {
    type Realm<'a> = Turn<Realm>;

    async fn realm(&self) -> Result<Turn<Realm>, AnyFailure> {
        self.request.realm().await
    }

    fn most_bytes(&self) -> Option<i64> {
        files::Reach::most_bytes(&self.request)
    }

    async fn expect_sweep(&self) -> Result<(), AnyFailure> {
        files::Reach::expect_sweep(&self.request).await
    }

    async fn bucket(&self) -> Result<Bucket, AnyFailure> {
        files::Reach::bucket(&self.request).await
    }
}

impl business::Reach for TenantContext {
    type Database<'a> = Turn<Database>;

    fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// As late as can be, and once the realm is given back: both are of the tenant's share.
    async fn database(&self) -> Result<Turn<Database>, AnyFailure> {
        self.request.database(&self.tenant).await
    }
}
