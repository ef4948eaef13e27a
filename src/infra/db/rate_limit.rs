//! Limits of requests that several processes count together, by the generic cell rate algorithm (GCRA): a row
//! for each client, in the control database.

use std::time::Duration;

use sqlx::FromRow;

use super::{DbError, PgConnection};

/// So many requests a minute of one client, in a bucket of its own.
#[derive(Debug, Clone, Copy)]
pub struct SharedRateLimit<'a> {
    pub bucket: &'a str,
    pub client: &'a str,
    pub a_minute: u32,
}

/// What a client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateCount {
    /// Requests that it may make at once.
    pub left: u32,
    /// Where this one was too many: how long until there is room for one.
    pub wait: Option<Duration>,
}

#[derive(FromRow)]
struct Row {
    is_within: bool,
    /// How long until the client has all of its requests again.
    full_in: f64,
}

impl SharedRateLimit<'_> {
    /// How long one request takes away from a minute, in microseconds: rounded down, so that a minute holds
    /// them all.
    fn each(&self) -> u32 {
        (60_000_000 / self.a_minute.max(1)).max(1)
    }

    /// Counts a request that is within the limit. Those of one client at the same time wait for each other at
    /// the row, and each sees the count of the one before; nothing else is locked.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn count(self, control: &mut PgConnection) -> Result<RateCount, DbError> {
        let row = sqlx::query_as(
            "with counted as (
                 insert into control.rate_counts as held (bucket, client, full_at)
                 values ($1, $2, clock_timestamp() + $3 * interval '1 microsecond')
                 on conflict (bucket, client) do update
                     set full_at = greatest(held.full_at, clock_timestamp()) + $3 * interval '1 microsecond'
                     where greatest(held.full_at, clock_timestamp()) + $3 * interval '1 microsecond'
                           <= clock_timestamp() + interval '1 minute'
                 returning full_at
             ), known as (
                 select true as is_within, full_at from counted
                 union all
                 select false, full_at from control.rate_counts
                 where bucket = $1 and client = $2 and not exists (select from counted)
             )
             select is_within, extract(epoch from full_at - clock_timestamp())::float8 as full_in from known",
        )
        .bind(self.bucket)
        .bind(self.client)
        .bind(i64::from(self.each()))
        .fetch_optional(control)
        .await?;
        // It came into being while this one waited for it: it is full, and not to be seen yet.
        Ok(self.counted(&row.unwrap_or(Row { is_within: false, full_in: 60.0 })))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within 0 and the limit"
    )]
    fn counted(&self, row: &Row) -> RateCount {
        let each = f64::from(self.each()) / 1e6;
        if row.is_within {
            let left = ((60.0 - row.full_in) / each).clamp(0.0, f64::from(self.a_minute.saturating_sub(1)));
            return RateCount { left: left as u32, wait: None };
        }
        let wait = (row.full_in + each - 60.0).clamp(0.0, 60.0);
        RateCount { left: 0, wait: Some(Duration::from_secs_f64(wait)) }
    }
}

/// Forgets the clients who have all of their requests again, so many at most; how many there are still, and
/// `most` where there are more. Rows that are being counted are left to the next time.
///
/// # Errors
/// When the control database does not answer.
pub async fn forget_counts(control: &mut PgConnection, most: i64) -> Result<i64, DbError> {
    sqlx::query(
        "delete from control.rate_counts where ctid = any (array(
             select ctid from control.rate_counts where full_at <= clock_timestamp()
             limit $1 for update skip locked))",
    )
    .bind(most)
    .execute(&mut *control)
    .await?;
    Ok(sqlx::query_scalar("select count(*) from (select from control.rate_counts limit $1) as known")
        .bind(most)
        .fetch_one(control)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_a_minute_has_room_for() {
        let limit = |a_minute| SharedRateLimit { bucket: "x", client: "y", a_minute };
        let within = |a_minute, full_in| limit(a_minute).counted(&Row { is_within: true, full_in }).left;
        assert_eq!((within(3, 19.999), within(3, 39.999), within(3, 59.999)), (2, 1, 0));
        assert_eq!((within(7, 8.571), within(1, 59.9)), (6, 0));
        let refused = limit(3).counted(&Row { is_within: false, full_in: 55.0 });
        assert_eq!(refused, RateCount { left: 0, wait: Some(Duration::from_secs(15)) });
    }
}
