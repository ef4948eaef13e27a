//! `/oauth`: tokens by the words of OAuth 2.0, over the same services as `/auth`.
//!
//! What these words cannot say (too many requests, a server that does not answer) is a problem document.

mod client;
mod form;
mod introspect;
mod refusal;
mod revoke;
mod token;

use utoipa_axum::router::OpenApiRouter;

use super::Api;
pub(super) use introspect::Introspectors;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().merge(token::routes()).merge(revoke::routes()).merge(introspect::routes())
}
