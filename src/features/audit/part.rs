//! Verifying the log part by part, for a door that gives each request little time.

use futures_util::TryStreamExt;

use super::chain::Hash;
use super::error::AuditError;
use super::service::snapshot;
use super::store;
use super::tampering::Tampering;
use super::views::{AuditFinding, VerifiedPart, VerifyOutcome};
use super::walk::{End, Walk};
use crate::features::access::{self, About, rights};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, Failure, Severity};

/// Most rows that are verified at once.
const MOST: i64 = 20_000;

/// Computes the hashes of the first rows, or of those behind a position whose hash is known; at most 20,000. The row
/// at that position must still be there, with that hash. A part with the last row is compared with the recorded end of
/// the chain, too.
///
/// # Errors
/// Without `audit:verify`; when a statement fails. A log that was tampered with is no error, but a finding.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn verify_part(
    control: &mut PgConnection,
    caller: &Caller,
    after: Option<(i64, Hash)>,
) -> Result<VerifiedPart, AuditError> {
    access::authorize(control, caller, &rights::AUDIT_VERIFY, About::Platform).await?;
    let mut tx = snapshot(control).await?;
    let walked = walk(&mut tx, after).await;
    tx.commit().await.map_err(DbError::from)?;
    match walked {
        Ok((end, more)) => Ok(VerifiedPart {
            outcome: VerifyOutcome::Intact,
            rows: end.rows,
            position: Some(end.last),
            hash: Some(end.hash),
            more,
            findings: Vec::new(),
        }),
        Err(error @ (AuditError::Tampered(_) | AuditError::NoHead)) => Ok(VerifiedPart {
            outcome: VerifyOutcome::Tampered,
            rows: 0,
            position: None,
            hash: None,
            more: false,
            findings: vec![AuditFinding::from(&error)],
        }),
        Err(error) => Err(error),
    }
}

/// Where it came to, and whether rows follow.
async fn walk(tx: &mut PgConnection, after: Option<(i64, Hash)>) -> Result<(End, bool), AuditError> {
    let head = store::head(tx).await?;
    let recorded = head.map_or(0, |head| head.sequence);
    let mut walk = Walk::new(Vec::new(), head);
    let from = match after {
        None if store::has_unplaced(tx).await? => return Err(Tampering::Forged { position: 0 }.into()),
        None => 0,
        Some((position, hash)) => {
            match store::hash_of(tx, position).await? {
                Some(stored) if stored == hash => walk.begin_at(position + 1, hash),
                Some(_) => return Err(Tampering::Rewritten { position }.into()),
                None if position > recorded => {
                    let (first, until) = (recorded + 1, position);
                    return Err(Tampering::TailCut { position: first, until, anchored: true }.into());
                }
                None => return Err(Tampering::Missing { position, until: position }.into()),
            }
            position
        }
    };
    let (mut rows, mut number) = (store::rows_behind(tx, from, MOST), 0);
    while let Some(record) = rows.try_next().await? {
        walk.row(&record);
        number += 1;
    }
    let more = number == MOST && walk.last() < recorded;
    let end = if more { walk.pause()? } else { walk.end()? };
    if head.is_none() {
        return Err(AuditError::NoHead);
    }
    Ok((end, more))
}

impl From<&AuditError> for AuditFinding {
    fn from(error: &AuditError) -> Self {
        let object = match error {
            AuditError::Tampered(tampering) => format!("row {}", tampering.position()),
            _ => "audit log".to_owned(),
        };
        let hints = error.hints();
        let fix: Vec<&str> = hints.iter().map(|hint| &*hint.text).collect();
        Self {
            code: error.code(),
            severity: Severity::Error(error.kind()),
            object,
            detail: error.to_string(),
            fix: (!fix.is_empty()).then(|| fix.join("; ")),
        }
    }
}
