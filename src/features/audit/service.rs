//! Reading the log: lists, verifications, exports, anchors.

use futures_util::TryStreamExt;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::anchor::{self, Anchor};
use super::chain::Hash;
use super::error::AuditError;
use super::store::{self, AuditFilter};
use super::views::{AuditView, ExportFormat, Exported, Verified};
use super::walk::{End, Walk};
use crate::features::access::{self, About, rights};
use crate::infra::db::{DbError, PgConnection, Transaction, transaction};
use crate::kernel::{AnyFailure, Caller, Event, Page, Progress};

/// Logs of fewer rows are walked before a person wonders.
const WORTH_TELLING: i64 = 50_000;

/// Who looks at long work, and may stop it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub progress: &'a dyn Progress,
    /// Cancelled by Ctrl-C.
    pub stop: &'a CancellationToken,
}

impl Watch<'_> {
    /// Looks from time to time whether the work is to stop.
    pub(super) fn stopped(self, rows: u64) -> Result<(), AuditError> {
        if rows.is_multiple_of(1024) && self.stop.is_cancelled() {
            return Err(AuditError::Interrupted);
        }
        Ok(())
    }

    /// Tells of work on so many rows, by the hundredth.
    fn begin(self, rows: i64) {
        if rows >= WORTH_TELLING {
            self.progress.event(Event::Total(100));
        }
    }

    fn walked(self, rows: u64, of: i64) {
        let hundredth = u64::try_from(of / 100).unwrap_or(0).max(1);
        if of >= WORTH_TELLING && rows.is_multiple_of(hundredth) {
            self.progress.event(Event::Done { subject: "audit log".to_owned(), ok: true });
        }
    }
}

/// A period of time: from `since` on, before `until`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Period {
    /// The first moment; none: from the beginning.
    pub since: Option<OffsetDateTime>,
    /// The moment after the last; none: to the end.
    pub until: Option<OffsetDateTime>,
}

/// One page of rows, the newest first, and whether older ones follow; for features that have asked for `audit:read`.
pub(in crate::features) async fn read_page(
    control: &mut PgConnection,
    filter: &AuditFilter,
    page: Page,
) -> Result<(Vec<AuditView>, bool), AuditError> {
    let mut rows = store::page(control, filter, (page.fetched(), page.offset())).await?;
    let more = page.cut(&mut rows);
    Ok((rows, more))
}

/// Walks the whole chain, each hash computed anew, and compares its end and the anchors.
///
/// # Errors
/// [`AuditError::Tampered`] with the first position that is bad.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn verify(
    control: &mut PgConnection,
    caller: &Caller,
    installation: Uuid,
    anchors: Vec<Anchor>,
    watch: Watch<'_>,
) -> Result<Verified, AuditError> {
    access::authorize(control, caller, &rights::AUDIT_VERIFY, About::Platform).await?;
    let mut tx = snapshot(control).await?;
    let (end, _) = walk(&mut tx, installation, anchors, watch).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(end.into())
}

/// Verifies the chain, then gives its head as an anchor. `earlier` anchors must lie on the chain.
///
/// # Errors
/// As [`verify`]: a log that was tampered with gets no new anchor.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn anchor(
    control: &mut PgConnection,
    caller: &Caller,
    installation: Uuid,
    earlier: Vec<Anchor>,
    watch: Watch<'_>,
) -> Result<Anchor, AuditError> {
    access::authorize(control, caller, &rights::AUDIT_VERIFY, About::Platform).await?;
    let mut tx = snapshot(control).await?;
    let (end, at) = walk(&mut tx, installation, earlier, watch).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(Anchor { installation, position: end.last, hash: end.hash, at })
}

/// All that follows sees one state of the log.
pub(super) async fn snapshot(control: &mut PgConnection) -> Result<Transaction<'_>, AuditError> {
    let mut tx = transaction(control).await?;
    store::see_one_state(&mut tx).await?;
    Ok(tx)
}

async fn walk(
    tx: &mut PgConnection,
    installation: Uuid,
    anchors: Vec<Anchor>,
    watch: Watch<'_>,
) -> Result<(End, OffsetDateTime), AuditError> {
    if let Some(tampering) = anchor::foreign(&anchors, installation) {
        return Err(tampering.into());
    }
    let at = store::now(tx).await?;
    let head = store::head(tx).await?;
    let count = head.map_or(0, |head| head.sequence);
    watch.begin(count);
    let mut walk = Walk::new(anchors, head);
    let unplaced = store::has_unplaced(tx).await?;
    let mut rows = store::rows(tx, None, unplaced);
    let mut number = 0;
    while let Some(record) = rows.try_next().await? {
        walk.row(&record);
        number += 1;
        watch.stopped(number)?;
        watch.walked(number, count);
    }
    let end = walk.end()?;
    if head.is_none() {
        return Err(AuditError::NoHead);
    }
    Ok((end, at))
}

/// What an export of a period would hold: its rows are those from the first within it to the last,
/// so that they are one piece of the chain.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn outline(
    control: &mut PgConnection,
    caller: &Caller,
    period: Period,
) -> Result<Exported, AuditError> {
    access::authorize(control, caller, &rights::AUDIT_READ, About::Platform).await?;
    let (first, position) = store::bounds(control, period.since, period.until).await?;
    let rows = match (first, position) {
        (Some(first), Some(last)) if first <= last => u64::try_from(last - first + 1).unwrap_or(0),
        _ => return Ok(Exported { file: None, rows: 0, first: None, position: None, hash: None }),
    };
    Ok(Exported { file: None, rows, first, position, hash: None })
}

/// Writes the rows of a period in order, line by line.
///
/// # Errors
/// When a statement or the writing fails; Ctrl-C.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn export(
    control: &mut PgConnection,
    caller: &Caller,
    period: Period,
    format: ExportFormat,
    watch: Watch<'_>,
    mut write: impl FnMut(&[u8]) -> Result<(), AnyFailure>,
) -> Result<Exported, AnyFailure> {
    let caller = &access::authorize(control, caller, &rights::AUDIT_READ, About::Platform).await?;
    let mut tx = snapshot(control).await?;
    let planned = outline(&mut tx, caller, period).await?;
    let mut done = Exported { rows: 0, ..planned.clone() };
    write(format.head().as_bytes())?;
    if let (Some(first), Some(last)) = (planned.first, planned.position) {
        let count = last - first + 1;
        watch.begin(count);
        let mut previous = match first {
            1 => Some(Hash::START),
            _ => store::hash_of(&mut tx, first - 1).await?,
        };
        let mut rows = store::rows(&mut tx, Some((first, last)), false);
        let mut buffer = Vec::new();
        while let Some(record) = rows.try_next().await.map_err(AuditError::from)? {
            let written = format.line(&mut buffer, &record, previous);
            written.map_err(|reason| DbError::Unexpected(sqlx::Error::Decode(reason.into())))?;
            write(&buffer)?;
            previous = record.hash;
            done.rows += 1;
            watch.stopped(done.rows)?;
            watch.walked(done.rows, count);
        }
        done.hash = previous;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(done)
}

impl From<End> for Verified {
    fn from(end: End) -> Self {
        Self {
            outcome: "intact",
            rows: end.rows,
            first: end.first,
            position: end.last,
            hash: end.hash,
            anchors: end.anchors,
        }
    }
}
