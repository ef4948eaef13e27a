//! A server's budget of sessions, which all processes of the platform share.

use std::time::Duration;

use super::error::PlacementError;
use crate::infra::db::{PgConnection, Slots};

/// How long to wait for sessions that others hold.
const SESSIONS_TIMEOUT: Duration = Duration::from_mins(10);

/// Takes `least` to `most` of the sessions that the platform may hold on a server, until the slots
/// are given back or `control` ends. `None` where there is no budget.
///
/// # Errors
/// [`PlacementError::NoSessions`] when others hold them for ten minutes.
pub(in crate::features) async fn hold_sessions(
    control: &mut PgConnection,
    (cluster, budget): (&str, Option<i32>),
    (least, most): (usize, usize),
) -> Result<Option<Slots>, PlacementError> {
    let taken = try_hold_sessions(control, (cluster, budget), (least, most), SESSIONS_TIMEOUT).await?;
    let limit = budget.unwrap_or_default();
    taken.ok_or_else(|| PlacementError::NoSessions { name: cluster.to_owned(), limit })
}

/// The same within `patience`; the outer `None` where others hold too many.
pub(in crate::features) async fn try_hold_sessions(
    control: &mut PgConnection,
    (cluster, budget): (&str, Option<i32>),
    (least, most): (usize, usize),
    patience: Duration,
) -> Result<Option<Option<Slots>>, PlacementError> {
    let Some(limit) = budget else { return Ok(Some(None)) };
    Ok(Slots::take(control, cluster, limit, (least, most), patience).await?.map(Some))
}
