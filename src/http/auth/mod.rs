//! `/auth`: registering, signing in and out, passwords, the tokens of a session.

mod login;
mod password;
mod register;
mod sessions;

use std::time::Duration;

use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;

use super::Api;

/// The least time in which it is answered that a message was asked for: several times what the statements take,
/// which are more where there is somebody to write to. Where a password is hashed, that takes longer than this.
const ASKING: Duration = Duration::from_millis(25);

/// Answers no sooner than after [`ASKING`], so that the time does not say who there is. Nothing of a realm is held
/// while it waits.
async fn in_even_time<T>(work: impl Future<Output = T>) -> T {
    let until = Instant::now() + ASKING;
    let done = work.await;
    tokio::time::sleep_until(until).await;
    done
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    let all = OpenApiRouter::new().merge(login::routes()).merge(sessions::routes());
    all.merge(password::routes()).merge(register::routes())
}
