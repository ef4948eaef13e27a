//! When a token was issued, more finely than its `iat` says: its `jti` is a UUID of version 7 that
//! bears the time to the microsecond (RFC 9562, section 6.2, method 3).
//!
//! Services that go by `iat` and `exp` need not know it. Nexus compares it with what was revoked:
//! whole seconds cannot tell a token that was issued before a revocation from one issued after it.

use time::OffsetDateTime;
use uuid::{Builder, Uuid};

use super::store;
use crate::infra::crypto::random::{self, RandomError};
use crate::infra::db::{DbError, PgConnection};

/// The statement that gives the time in the control database, as [`IssueTime::of_micros`] takes it.
pub const ISSUE_TIME: &str = store::ISSUE_TIME;

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// When something is issued: the control database's time, read before anything is read about the
/// user or the tenant. It is before the end of every revocation that comes later, and whatever was
/// changed by an earlier one is seen by what is read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueTime(OffsetDateTime);

impl IssueTime {
    /// The time now. Waits for revocations that are under way.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn read(control: &mut PgConnection) -> Result<Self, DbError> {
        Ok(Self::of_micros(store::issue_time(control).await?))
    }

    /// The time that [`ISSUE_TIME`] gave, in microseconds since 1970.
    #[must_use]
    pub fn of_micros(micros: i64) -> Self {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
        Self(time.unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// By this machine's clock, for tokens that are minted without a database.
    pub(super) fn of_this_machine() -> Self {
        Self(OffsetDateTime::now_utc())
    }

    /// The time.
    #[must_use]
    pub fn time(self) -> OffsetDateTime {
        self.0
    }

    /// The second in which it lies.
    #[must_use]
    pub fn second(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// An id for a token that is issued at this time.
    pub(super) fn token_id(self) -> Result<Uuid, RandomError> {
        let micros = micros(self.0);
        let mut bytes = [0; 10];
        random::fill(&mut bytes[2..])?;
        // The twelve bits behind the milliseconds count their fraction.
        let fraction = u16::try_from(micros.rem_euclid(1000) * 4096 / 1000).unwrap_or_default();
        bytes[..2].copy_from_slice(&fraction.to_be_bytes());
        let millis = u64::try_from(micros.div_euclid(1000)).unwrap_or_default();
        Ok(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }
}

/// Microseconds since 1970.
pub(super) fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// When a token was issued, in microseconds since 1970: as its id says where that lies in the second
/// of its `iat`, else the beginning of that second.
pub(super) fn issued_at(token: Uuid, iat: i64) -> i64 {
    let whole = iat.saturating_mul(MICROS);
    if token.get_version_num() != 7 {
        return whole;
    }
    let bytes = token.as_bytes();
    let millis = bytes[..6].iter().fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    let fraction = i64::from(bytes[6] & 0x0f) << 8 | i64::from(bytes[7]);
    let exact = millis * 1000 + (fraction * 1000 + 4095) / 4096;
    if exact.div_euclid(MICROS) == iat { exact } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> IssueTime {
        IssueTime::of_micros(micros)
    }

    #[test]
    fn a_tokens_id_bears_its_time_to_the_microsecond() {
        let second = 1_800_000_000;
        for micro in (0..2000).chain(499_000..501_000).chain(998_000..MICROS) {
            let time = at(second * MICROS + micro);
            let id = time.token_id().unwrap();
            assert_eq!(id.get_version_num(), 7);
            assert_eq!((time.second(), issued_at(id, second)), (second, second * MICROS + micro));
        }
    }

    #[test]
    fn an_id_that_says_another_second_than_iat_is_not_believed() {
        let second = 1_800_000_000;
        let id = at(second * MICROS + 5).token_id().unwrap();
        for iat in [second - 1, second + 1, 0, i64::MAX] {
            assert_eq!(issued_at(id, iat), iat.saturating_mul(MICROS), "{iat}");
        }
        assert_eq!(issued_at(Uuid::new_v4(), second), second * MICROS);
        assert_eq!(issued_at(Uuid::nil(), second), second * MICROS);
    }

    #[test]
    fn two_ids_of_one_moment_differ() {
        let time = at(1_800_000_000 * MICROS);
        assert_ne!(time.token_id().unwrap(), time.token_id().unwrap());
    }
}
