//! The SQL of what is said of webhooks.

use time::OffsetDateTime;

use super::super::model::SAY_AFTER;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::WebhookId;

/// Notes that it is said of a webhook that it is failing, where it has taken nothing for [`SAY_AFTER`] and that was not
/// said since; since when it is.
pub(in crate::features::webhooks) async fn note_failing(
    control: &mut PgConnection,
    webhook: WebhookId,
) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.webhooks set failing_said_at = clock_timestamp()
         where id = $1 and state = 'active' and failing_since <= clock_timestamp() - make_interval(secs => $2)
               and (failing_said_at is null or failing_said_at < failing_since)
         returning failing_since",
    )
    .bind(webhook)
    .bind(SAY_AFTER.as_secs_f64())
    .fetch_optional(control)
    .await?)
}
