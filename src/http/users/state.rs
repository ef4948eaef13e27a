//! Whether a user may sign in.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::Parsed;
use super::super::context::RequestContext;
use super::super::path::InPath;
use super::super::problem::Problem;
use crate::features::iam::model::Changed;
use crate::features::iam::{UserRef, signin, users};
use crate::kernel::UserId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let all = OpenApiRouter::new().routes(routes!(disable)).routes(routes!(enable)).routes(routes!(invite));
    all.routes(routes!(unlock)).routes(routes!(undelete))
}

/// What changes the state of one user, each by the service of its name.
macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident $path:literal $operation:literal $permission:literal;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            post,
            path = $path,
            operation_id = $operation,
            tag = "users",
            params(("id" = Uuid, Path, description = "The user's id")),
            responses((status = 200, body = Changed), Problem),
            extensions(("x-permission" = json!($permission))),
            security(("token" = []))
        )]
        async fn $name(
            request: RequestContext,
            InPath(Parsed(id)): InPath<Parsed<UserId>>,
        ) -> Result<Json<Changed>, Problem> {
            let mut realm = request.realm().await?;
            let changed = users::$name(&mut realm, &request.caller, &UserRef::Id(id)).await?;
            drop(realm);
            request.ring();
            Ok(Json(changed))
        }
    )*};
}

changes! {
    /// Disable a user: they cannot sign in, and their sessions end
    disable "/users/{id}/disable" "disableUser" "user:update";
    /// Enable a disabled user
    enable "/users/{id}/enable" "enableUser" "user:update";
    /// Unlock a user after too many wrong passwords
    unlock "/users/{id}/unlock" "unlockUser" "user:update";
    /// Undelete a user, with the roles and groups that they had
    undelete "/users/{id}/undelete" "undeleteUser" "user:delete";
}

/// Invite a user who has no password yet, or once more
///
/// They get a message with which they set one.
#[utoipa::path(
    post,
    path = "/users/{id}/invitation",
    operation_id = "inviteUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("user:update"))),
    security(("token" = []))
)]
async fn invite(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let changed =
        signin::send_token(&mut realm, &request.caller, &UserRef::Id(id), signin::Purpose::Invite).await?;
    drop(realm);
    request.ring();
    Ok(Json(changed))
}
