//! `/auth`: registering, signing in and out, passwords, the tokens of a session.

mod login;
mod password;
mod register;
mod sessions;

use utoipa_axum::router::OpenApiRouter;

use super::Api;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let all = OpenApiRouter::new().merge(login::routes()).merge(sessions::routes());
    all.merge(password::routes()).merge(register::routes())
}
