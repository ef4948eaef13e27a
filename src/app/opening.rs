//! Opens a context to serve it, also where its control database is down at the moment.

use std::time::Duration;

use super::{App, AppLimits, Following, keys};
use crate::infra::db::DbError;
use crate::kernel::{AnyFailure, Caller, Progress};
use crate::settings::{Settings, Target};

/// How long to wait before the control database is asked again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl App {
    /// Opens a context to serve it: it can check tokens, and follows what other processes change.
    ///
    /// # Errors
    /// As [`App::load`] and [`App::follow`]; [`may_come`] says which are worth waiting for.
    pub async fn open_to_serve(
        settings: &Settings,
        limits: AppLimits,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<(Self, Following), AnyFailure> {
        let session = match Self::load(settings, limits, caller, progress).await {
            // A key that is not there will not come with the database: it is said now.
            Err(failure) if may_come(&failure) && matches!(settings.target, Target::Servers(_)) => {
                keys::master(&settings.keys).await?;
                return Err(failure);
            }
            loaded => loaded?,
        };
        let app = session.app.clone();
        drop(session);
        app.prepare().await?;
        let following = app.follow().await?;
        Ok((app, following))
    }

    /// The same, again and again until the control database answers. `failed` is told each time that it
    /// does not.
    ///
    /// # Errors
    /// What waiting does not help against.
    pub async fn retry_to_serve(
        settings: &Settings,
        limits: AppLimits,
        caller: &Caller,
        progress: &dyn Progress,
        failed: impl Fn(&AnyFailure) + Send + Sync,
    ) -> Result<(Self, Following), AnyFailure> {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match Self::open_to_serve(settings, limits, caller, progress).await {
                Err(failure) if may_come(&failure) => failed(&failure),
                done => return done,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether the control database may answer in a moment, without anybody changing a setting.
#[must_use]
pub fn may_come(failure: &AnyFailure) -> bool {
    let error: &dyn std::error::Error = failure.get();
    match error.downcast_ref::<DbError>() {
        Some(error) => error.may_pass(),
        None => matches!(failure.code(), "database_unreachable" | "database_unavailable" | "sessions_busy"),
    }
}
